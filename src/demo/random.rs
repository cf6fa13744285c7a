//! Numbers that depend on nothing but the seed, the table and the row: no state, so any row can be
//! made at any time, and the same seed gives the same databases on every machine.

use uuid::{Builder, Uuid};

/// Keeps the numbers of different tables apart.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stream {
    User = 1,
    Patient,
    Case,
    Order,
    Instruction,
    Payment,
    Project,
    Plan,
    Comment,
    Record,
    File,
    FileUid,
    Template,
    Role,
    Team,
    Product,
    Identity,
    Object,
    Leftover,
    Stale,
}

/// One well mixed number (splitmix64, twice, so that neighbouring rows share nothing).
pub(super) fn mix(seed: u64, stream: Stream, index: u64) -> u64 {
    let stream = splitmix(seed ^ (stream as u64).wrapping_mul(0xA076_1D64_78BD_642F));
    splitmix(stream ^ index.wrapping_mul(0xE703_7ED1_A0B4_28DB))
}

/// A uuid that looks random (version 4) and is the same for the same seed, stream and index.
pub(super) fn uuid(seed: u64, stream: Stream, index: u64) -> Uuid {
    let high = mix(seed, stream, index);
    let low = splitmix(high ^ 0x8EBC_6AF0_9C88_C6E3);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&high.to_be_bytes());
    bytes[8..].copy_from_slice(&low.to_be_bytes());
    Builder::from_random_bytes(bytes).into_uuid()
}

fn splitmix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_never_change() {
        assert_eq!(mix(1, Stream::User, 1), mix(1, Stream::User, 1));
        assert_ne!(mix(1, Stream::User, 1), mix(1, Stream::Patient, 1));
        assert_ne!(mix(1, Stream::User, 1), mix(2, Stream::User, 1));
        let id = uuid(7, Stream::Order, 41);
        assert_eq!(id.get_version_num(), 4);
        assert_eq!(id, uuid(7, Stream::Order, 41));
    }
}
