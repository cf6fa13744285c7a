//! Password hashes as Django stores them, in the auth server's format where there is one.
//!
//! The auth server reads bcrypt, and argon2 of version 19 within its own limits. Anything else in its column
//! makes signing in fail with a server error instead of "wrong password", so it is never copied.

use crate::row::PasswordHash;

/// What the auth server will check at most, per argon2 parameter: memory in KiB, passes, lanes.
const ARGON2_MAX: [(&str, u64); 3] = [("m", 1 << 20), ("t", 20), ("p", 16)];

/// The hash as the auth server reads it; `None` when it cannot.
pub(super) fn usable(django: &str) -> Option<PasswordHash> {
    let text = django.trim();
    let bare = match text.strip_prefix("bcrypt$") {
        Some(bcrypt) => bcrypt.to_owned(),
        None => match text.strip_prefix("argon2$") {
            Some(argon2) => format!("${argon2}"),
            None => text.to_owned(),
        },
    };
    (is_bcrypt(&bare) || is_argon2(&bare)).then(|| PasswordHash::new(bare))
}

fn is_bcrypt(hash: &str) -> bool {
    let mut parts = hash.splitn(4, '$');
    let (Some(""), Some(kind), Some(cost), Some(rest)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let cost: Option<u8> = (cost.len() == 2).then(|| cost.parse().ok()).flatten();
    ["2a", "2b", "2y"].contains(&kind)
        && cost.is_some_and(|cost| (4..=31).contains(&cost))
        && rest.len() == 53
        && rest
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'/')
}

fn is_argon2(hash: &str) -> bool {
    let parts: Vec<&str> = hash.split('$').collect();
    let ["", kind, "v=19", parameters, salt, digest] = parts[..] else {
        return false;
    };
    let parameters: Vec<&str> = parameters.split(',').collect();
    let fits = parameters.len() == ARGON2_MAX.len()
        && parameters
            .iter()
            .zip(ARGON2_MAX)
            .all(|(part, (name, most))| {
                part.split_once('=').is_some_and(|(key, value)| {
                    key == name && value.parse().is_ok_and(|n: u64| (1..=most).contains(&n))
                })
            });
    // base64 without padding: a length of 4n + 1 is none
    let is_base64 = |text: &str| {
        !text.is_empty()
            && text.len() % 4 != 1
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
    };
    ["argon2i", "argon2id"].contains(&kind) && fits && is_base64(salt) && is_base64(digest)
}

#[cfg(test)]
mod tests {
    use super::usable;

    fn plain(django: &str) -> Option<String> {
        usable(django).map(|hash| hash.reveal().to_owned())
    }

    #[test]
    fn what_the_auth_server_reads_goes_over_and_nothing_else() {
        let bcrypt = "$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW";
        assert_eq!(plain(&format!("bcrypt${bcrypt}")).as_deref(), Some(bcrypt));
        let argon2 = "$argon2id$v=19$m=102400,t=2,p=8$c29tZXNhbHQ$aGFzaGhhc2hoYXNoaGFzaA";
        assert_eq!(plain(&format!("argon2{argon2}")).as_deref(), Some(argon2));
        for unusable in [
            "",
            "!Zx81gsU2dPIUTQ4",
            "pbkdf2_sha256$260000$salt$hash=",
            "scrypt$16384$salt$8$1$hash",
            "md5$salt$hash",
            "bcrypt_sha256$$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW",
            "bcrypt$$2b$12$tooshort",
            "bcrypt$$2b$99$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW",
            "argon2$argon2id$v=16$m=102400,t=2,p=8$c29tZXNhbHQ$aGFzaGhhc2g",
            "argon2$argon2id$v=19$m=2097152,t=2,p=8$c29tZXNhbHQ$aGFzaGhhc2g",
            "argon2$argon2id$v=19$m=1024,t=2,p=8,keyid=1$c29tZXNhbHQ$aGFzaGhhc2g",
            "argon2$argon2d$v=19$m=1024,t=2,p=8$c29tZXNhbHQ$aGFzaGhhc2g",
        ] {
            assert_eq!(plain(unusable), None, "{unusable}");
        }
    }
}
