//! What quarantine keeps of a row: enough to decide about it, never a secret.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::db::hex;
use crate::row::Rows;

/// Longest value kept, bytes.
const VALUE_MAX: usize = 16 * 1024;
/// Columns whose names say that their value is nobody's business, whatever the rule declares.
const ALWAYS_SECRET: [&str; 5] = ["password", "passwd", "token", "hash", "secret"];

/// Turns a source row into the JSON that quarantine stores.
#[derive(Clone, Debug)]
pub struct Masker {
    secret: Vec<String>,
    namespace: Uuid,
}

impl Masker {
    /// `secret`: the columns that the rule declares; the namespace keys the hashes.
    pub fn new(secret: &[String], namespace: Uuid) -> Self {
        Self {
            secret: secret.to_vec(),
            namespace,
        }
    }

    /// True when a column's value is never stored.
    pub fn is_secret(&self, column: &str) -> bool {
        let lower = column.to_lowercase();
        self.secret.iter().any(|s| s == column)
            || ALWAYS_SECRET.iter().any(|word| lower.contains(word))
    }

    /// The row as a JSON object: text as it is, bytes that are no text as marked base64, long values cut
    /// with their length, secrets as length and keyed hash.
    pub fn row(&self, rows: &Rows, row: usize) -> String {
        let cells = rows.columns().iter().enumerate().map(|(index, name)| {
            let value = match rows.cell(row, index) {
                None => serde_json::Value::Null,
                Some(bytes) if self.is_secret(name) => self.hidden(&bytes),
                Some(bytes) => shown(&bytes),
            };
            (name.clone(), value)
        });
        serde_json::Value::Object(cells.collect()).to_string()
    }

    fn hidden(&self, bytes: &[u8]) -> serde_json::Value {
        let mut hash = Sha256::new();
        hash.update(self.namespace.as_bytes());
        hash.update(bytes);
        let hash = hex(&hash.finalize()[..8]);
        serde_json::json!({ "secret": { "length": bytes.len(), "hash": hash } })
    }
}

fn shown(bytes: &[u8]) -> serde_json::Value {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.contains('\0') => base64(bytes),
        Ok(text) if text.len() <= VALUE_MAX => text.into(),
        Ok(text) => {
            let mut end = VALUE_MAX;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            serde_json::json!({ "cut": &text[..end], "length": text.len() })
        }
        Err(_) => base64(bytes),
    }
}

fn base64(bytes: &[u8]) -> serde_json::Value {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let kept = &bytes[..bytes.len().min(VALUE_MAX)];
    let mut out = String::with_capacity(kept.len() * 4 / 3 + 4);
    for group in kept.chunks(3) {
        let bits = group
            .iter()
            .fold(0_u32, |bits, b| bits << 8 | u32::from(*b))
            << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            out.push(if place <= group.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
    serde_json::json!({ "base64": out, "length": bytes.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_never_appear() {
        let mut rows = Rows::new(
            [
                "id".to_owned(),
                "Password".to_owned(),
                "note".to_owned(),
                "raw".to_owned(),
            ]
            .into(),
        );
        rows.push_cell(Some(b"7"));
        rows.push_cell(Some(b"pbkdf2_sha256$1"));
        rows.push_cell(Some(b"my diary"));
        rows.push_cell(Some(b"\xff\x00"));
        let json = Masker::new(&["note".to_owned()], Uuid::nil()).row(&rows, 0);
        assert!(!json.contains("pbkdf2") && !json.contains("diary"));
        assert!(json.contains("\"id\":\"7\"") && json.contains("\"base64\":\"/wA=\""));
    }
}
