//! One packed value per chunk: for each source row in key order its key, verdict, outcome, target ids
//! and a hash of everything that went in.
//!
//! Layout: a version byte (1), then per row: key length (3 bytes, little-endian), the key's display
//! form, one byte verdict | outcome << 2, number of ids (2 bytes), input hash (16 bytes), the ids (16 bytes each).
//! Version 2, for engines that do not say who wrote a row last: behind the ids of a row a mark for each of them.

use uuid::Uuid;

use crate::state::StateError;

/// What became of a written row in the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Skipped or rejected: nothing.
    None,
    /// New in the target.
    Inserted,
    /// Was there, something was changed.
    Updated,
    /// Was there, as it should be.
    Unchanged,
}

/// One source row's line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key as people read it ([`crate::row::Key`]'s display form).
    pub key: String,
    /// 0 write, 1 skip, 2 reject, 3 taken out of the target.
    pub verdict: u8,
    /// What became of it.
    pub outcome: Outcome,
    /// 8 bytes of the SHA-256 of the row, then 8 bytes of that of row, ids and lookups.
    pub input: [u8; 16],
    /// Ids in the target; of a rejected row those that stand in its place.
    pub ids: Vec<Uuid>,
    /// What was written, one per id: eight bytes of a hash over column names and cells; zero is not known. Empty
    /// where the engine itself says who wrote a row.
    pub marks: Vec<[u8; 8]>,
}

/// The lines of a chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// In key order.
    pub entries: Vec<Entry>,
}

impl Manifest {
    /// The packed form.
    pub fn pack(&self) -> Vec<u8> {
        let marked = self.entries.iter().any(|entry| !entry.marks.is_empty());
        let mut out = Vec::with_capacity(1 + self.entries.len() * 48);
        out.push(if marked { 2 } else { 1 });
        for entry in &self.entries {
            let outcome = match entry.outcome {
                Outcome::None => 0,
                Outcome::Inserted => 1,
                Outcome::Updated => 2,
                Outcome::Unchanged => 3,
            };
            out.extend_from_slice(&(entry.key.len() as u32).to_le_bytes()[..3]);
            out.extend_from_slice(entry.key.as_bytes());
            out.push(entry.verdict | outcome << 2);
            out.extend_from_slice(&(entry.ids.len() as u16).to_le_bytes());
            out.extend_from_slice(&entry.input);
            for id in &entry.ids {
                out.extend_from_slice(id.as_bytes());
            }
            if marked {
                let marks = entry.marks.iter().chain(std::iter::repeat(&[0; 8]));
                for mark in marks.take(entry.ids.len()) {
                    out.extend_from_slice(mark);
                }
            }
        }
        out
    }

    /// Reads a packed value.
    ///
    /// # Errors
    /// [`StateError::Damaged`] when it is not one.
    pub fn unpack(packed: &[u8]) -> Result<Self, StateError> {
        let [version @ (1 | 2), rest @ ..] = packed else {
            return Err(damaged());
        };
        let mut rest = Cursor(rest);
        let mut entries = Vec::new();
        while !rest.0.is_empty() {
            let length = rest.take(3)?;
            let length =
                usize::from(length[0]) | usize::from(length[1]) << 8 | usize::from(length[2]) << 16;
            let key = String::from_utf8(rest.take(length)?.to_vec()).map_err(|_| damaged())?;
            let flags = rest.take(1)?[0];
            let count = rest.take(2)?;
            let count = usize::from(count[0]) | usize::from(count[1]) << 8;
            let input = rest.take(16)?.try_into().map_err(|_| damaged())?;
            let mut ids = Vec::with_capacity(count);
            for _ in 0..count {
                ids.push(Uuid::from_slice(rest.take(16)?).map_err(|_| damaged())?);
            }
            let marks = if *version == 2 { count } else { 0 };
            let marks = (0..marks)
                .map(|_| rest.take(8)?.try_into().map_err(|_| damaged()))
                .collect::<Result<_, _>>()?;
            let outcome = match flags >> 2 & 3 {
                0 => Outcome::None,
                1 => Outcome::Inserted,
                2 => Outcome::Updated,
                _ => Outcome::Unchanged,
            };
            entries.push(Entry {
                key,
                verdict: flags & 3,
                outcome,
                input,
                ids,
                marks,
            });
        }
        Ok(Self { entries })
    }
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], StateError> {
        let (head, tail) = self.0.split_at_checked(n).ok_or_else(damaged)?;
        self.0 = tail;
        Ok(head)
    }
}

fn damaged() -> StateError {
    StateError::Damaged("a manifest does not read back".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_and_reads_back() {
        let manifest = Manifest {
            entries: vec![
                Entry {
                    key: "1".into(),
                    verdict: 0,
                    outcome: Outcome::Inserted,
                    input: [7; 16],
                    ids: vec![Uuid::from_u128(1), Uuid::from_u128(2)],
                    marks: vec![],
                },
                Entry {
                    key: "é".repeat(400),
                    verdict: 2,
                    outcome: Outcome::None,
                    input: [0; 16],
                    ids: vec![],
                    marks: vec![],
                },
            ],
        };
        let packed = manifest.pack();
        assert_eq!(packed[0], 1);
        assert_eq!(Manifest::unpack(&packed).expect("reads back"), manifest);
        assert!(Manifest::unpack(&packed[..packed.len() - 1]).is_err());
        let mut marked = manifest;
        marked.entries[0].marks = vec![[1; 8], [2; 8]];
        let packed = marked.pack();
        assert_eq!(packed[0], 2);
        assert_eq!(Manifest::unpack(&packed).expect("reads back"), marked);
        assert!(Manifest::unpack(&packed[..packed.len() - 1]).is_err());
    }
}
