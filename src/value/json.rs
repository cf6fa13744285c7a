//! JSON, checked strictly and printed exactly as Postgres' `jsonb` prints it.
//!
//! An own reader, because a general one rounds numbers, and the bytes must equal the server's.

use super::Misfit;
use super::number;

/// Deeper nesting is refused, before it exhausts a stack here or in the database.
const DEPTH_MAX: usize = 512;

/// The text that Postgres prints for this JSON as jsonb: keys by length, then bytes; of equal keys the
/// last wins; numbers keep every digit; `\u0000` and lone surrogates are refused.
pub fn canonical_jsonb(text: &str) -> Result<String, Misfit> {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut reader = Reader {
        bytes: text.as_bytes(),
        at: 0,
        jsonb: true,
    };
    reader.document(&mut out)?;
    Ok(out)
}

/// Whether Postgres' `json`, which keeps the text as it is written, takes it.
pub(super) fn check_json(text: &str) -> Result<(), Misfit> {
    let mut reader = Reader {
        bytes: text.as_bytes(),
        at: 0,
        jsonb: false,
    };
    reader.document(&mut String::new())
}

/// Appends a JSON string with the escapes that Postgres writes.
pub(crate) fn put_string(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    // what is escaped is ASCII, so that a cut falls between characters
    while let Some(at) = rest
        .bytes()
        .position(|byte| byte < b' ' || byte == b'"' || byte == b'\\')
    {
        out.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            8 => out.push_str("\\b"),
            12 => out.push_str("\\f"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            byte => out.push_str(&format!("\\u{byte:04x}")),
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Only jsonb turns escapes into characters, so only it refuses those that name none.
    jsonb: bool,
}

impl Reader<'_> {
    fn document(&mut self, out: &mut String) -> Result<(), Misfit> {
        self.value(0, out)?;
        self.blanks();
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(self.fault("has text after its end"))
        }
    }

    fn value(&mut self, depth: usize, out: &mut String) -> Result<(), Misfit> {
        self.blanks();
        match self.peek() {
            Some(b'{' | b'[') if depth == DEPTH_MAX => {
                Err(self.fault("is nested deeper than 512 levels"))
            }
            Some(b'{') => self.object(depth + 1, out),
            Some(b'[') => self.array(depth + 1, out),
            Some(b'"') => {
                let text = self.string()?;
                put_string(&text, out);
                Ok(())
            }
            Some(b'-' | b'0'..=b'9') => self.number(out),
            Some(_) => {
                for word in ["true", "false", "null"] {
                    if self.bytes[self.at..].starts_with(word.as_bytes()) {
                        self.at += word.len();
                        out.push_str(word);
                        return Ok(());
                    }
                }
                Err(self.fault("holds something that is no value"))
            }
            None => Err(self.fault("ends too early")),
        }
    }

    fn array(&mut self, depth: usize, out: &mut String) -> Result<(), Misfit> {
        self.at += 1;
        out.push('[');
        if !self.next_is(b']') {
            loop {
                self.value(depth, out)?;
                if self.next_is(b']') {
                    break;
                }
                self.expect(b',', "misses a comma or a bracket in an array")?;
                out.push_str(", ");
            }
        }
        out.push(']');
        Ok(())
    }

    fn object(&mut self, depth: usize, out: &mut String) -> Result<(), Misfit> {
        self.at += 1;
        let mut members: Vec<(String, String)> = Vec::new();
        if !self.next_is(b'}') {
            loop {
                self.blanks();
                if self.peek() != Some(b'"') {
                    return Err(self.fault("has a key that is no string"));
                }
                let key = self.string()?;
                self.expect(b':', "misses a colon in an object")?;
                let mut value = String::new();
                self.value(depth, &mut value)?;
                members.push((key, value));
                if self.next_is(b'}') {
                    break;
                }
                self.expect(b',', "misses a comma or a brace in an object")?;
            }
        }
        // A stable sort keeps equal keys in the order they came in, so the last of them is the one kept.
        members.sort_by(|(one, _), (other, _)| {
            (one.len(), one.as_bytes()).cmp(&(other.len(), other.as_bytes()))
        });
        out.push('{');
        let mut first = true;
        for (index, (key, value)) in members.iter().enumerate() {
            if members.get(index + 1).is_some_and(|(next, _)| next == key) {
                continue;
            }
            if !first {
                out.push_str(", ");
            }
            first = false;
            put_string(key, out);
            out.push_str(": ");
            out.push_str(value);
        }
        out.push('}');
        Ok(())
    }

    fn number(&mut self, out: &mut String) -> Result<(), Misfit> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        let leading = self.at;
        let whole = self.digits();
        if whole == 0 || (whole > 1 && self.bytes[leading] == b'0') {
            return Err(self.fault("has a malformed number"));
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(self.fault("has a malformed number"));
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            if self.digits() == 0 {
                return Err(self.fault("has a malformed number"));
            }
        }
        if matches!(self.peek(), Some(b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80..)) {
            return Err(self.fault("has a malformed number"));
        }
        if !self.jsonb {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&self.bytes[start..self.at]);
        let mut printed = Vec::new();
        number::put_numeric(&text, None, &mut printed)?;
        out.push_str(&String::from_utf8_lossy(&printed));
        Ok(())
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    /// Reads a string with its quotes; the characters it stands for.
    fn string(&mut self) -> Result<String, Misfit> {
        self.at += 1;
        let mut text = Vec::new();
        loop {
            let start = self.at;
            while self
                .peek()
                .is_some_and(|byte| byte >= b' ' && byte != b'"' && byte != b'\\')
            {
                self.at += 1;
            }
            text.extend_from_slice(&self.bytes[start..self.at]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    // Runs end only before ASCII characters, so they are whole characters.
                    return String::from_utf8(text).map_err(|_| self.fault("is not UTF-8"));
                }
                Some(b'\\') => {
                    let character = self.escape()?;
                    text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
                Some(_) => return Err(self.fault("has a control character in a string")),
                None => return Err(self.fault("has a string without its closing quote")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Misfit> {
        self.at += 2;
        Ok(match self.bytes.get(self.at - 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => return Err(self.fault("has an unknown escape in a string")),
        })
    }

    fn unicode(&mut self) -> Result<char, Misfit> {
        let first = self.hex()?;
        if !self.jsonb {
            // The text is kept as written, whatever the escape stands for.
            return Ok(char::REPLACEMENT_CHARACTER);
        }
        if first == 0 {
            return Err(Misfit::new(
                "nul_byte",
                "holds \\u0000, which Postgres cannot store in jsonb",
            ));
        }
        let code = if (0xd800..0xdc00).contains(&first) {
            if !self.bytes[self.at..].starts_with(b"\\u") {
                return Err(self.fault("has half of a surrogate pair"));
            }
            self.at += 2;
            let second = self.hex()?;
            if !(0xdc00..0xe000).contains(&second) {
                return Err(self.fault("has half of a surrogate pair"));
            }
            0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
        } else {
            first
        };
        char::from_u32(code).ok_or_else(|| self.fault("has half of a surrogate pair"))
    }

    fn hex(&mut self) -> Result<u32, Misfit> {
        let digits = self
            .bytes
            .get(self.at..self.at + 4)
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let code = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u32::from_str_radix(digits, 16).ok());
        self.at += 4;
        code.ok_or_else(|| self.fault("has a malformed \\u escape in a string"))
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn next_is(&mut self, byte: u8) -> bool {
        self.blanks();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8, why: &str) -> Result<(), Misfit> {
        if self.next_is(byte) {
            Ok(())
        } else {
            Err(self.fault(why))
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn fault(&self, why: &str) -> Misfit {
        Misfit::new(
            "bad_value",
            format!(
                "is not JSON: it {why} (byte {})",
                self.at.min(self.bytes.len())
            ),
        )
    }
}

#[cfg(test)]
mod tests;
