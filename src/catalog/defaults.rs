//! Is a default the same for every row?

/// True when `expression` can only be a constant: a literal, a cast of one, or an ARRAY of them.
/// Everything else (a function, an operator, a column) counts as not immutable; a constant that is
/// not recognised costs nothing but a place in the list of volatile columns.
pub(super) fn is_constant(expression: &str) -> bool {
    // `('now'::text)::date` is read anew for each row
    let lower = expression.to_ascii_lowercase();
    if ["'now'", "'today'", "'tomorrow'", "'yesterday'"]
        .iter()
        .any(|word| lower.contains(word))
    {
        return false;
    }
    let mut reader = Reader {
        rest: expression.trim(),
    };
    reader.value() && reader.rest.is_empty()
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    /// One constant with any number of casts behind it.
    fn value(&mut self) -> bool {
        self.skip();
        let read = if self.take("(") {
            self.value() && self.take(")")
        } else if self.rest.starts_with(['\'', '"']) {
            self.quoted()
        } else if self.word("ARRAY") {
            self.take("[") && self.members() && self.take("]")
        } else if self
            .rest
            .starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
        {
            self.number()
        } else if self.rest.starts_with(['x', 'X', 'b', 'B', 'e', 'E'])
            && self.rest[1..].starts_with('\'')
        {
            self.rest = &self.rest[1..];
            self.quoted()
        } else {
            ["true", "false", "null"].iter().any(|w| self.word(w))
        };
        read && self.casts()
    }

    fn members(&mut self) -> bool {
        self.skip();
        if self.rest.starts_with(']') {
            return true;
        }
        loop {
            if !self.value() {
                return false;
            }
            if !self.take(",") {
                return true;
            }
        }
    }

    /// A text in quotes; a doubled quote is part of it.
    fn quoted(&mut self) -> bool {
        let quote = if self.rest.starts_with('"') {
            '"'
        } else {
            '\''
        };
        let mut chars = self.rest.char_indices().skip(1).peekable();
        while let Some((at, c)) = chars.next() {
            if c != quote {
                continue;
            }
            if chars.next_if(|(_, next)| *next == quote).is_none() {
                self.rest = &self.rest[at + 1..];
                return true;
            }
        }
        false
    }

    fn number(&mut self) -> bool {
        let digits = self.rest.trim_start_matches(['+', '-', ' ']);
        let end = digits
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '.'))
            .unwrap_or(digits.len());
        let good = digits[..end].parse::<f64>().is_ok()
            && digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
        self.rest = &digits[end..];
        good
    }

    /// `::numeric(12,2)`, `::character varying[]`, `::public."Mood"`.
    fn casts(&mut self) -> bool {
        while self.take("::") {
            let end = self
                .rest
                .find(|c: char| !(c.is_alphanumeric() || " _.\"".contains(c)))
                .unwrap_or(self.rest.len());
            if end == 0 {
                return false;
            }
            // these look a name up each time
            if self.rest.starts_with("reg") {
                return false;
            }
            self.rest = &self.rest[end..];
            if self.take("(") {
                let Some(close) = self.rest.find(')') else {
                    return false;
                };
                self.rest = &self.rest[close + 1..];
                // `timestamp(3) without time zone`
                for word in ["without", "with", "time", "zone"] {
                    self.word(word);
                }
            }
            while self.take("[]") {}
        }
        self.skip();
        true
    }

    fn take(&mut self, sign: &str) -> bool {
        self.skip();
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn word(&mut self, word: &str) -> bool {
        self.skip();
        let Some(head) = self.rest.get(..word.len()) else {
            return false;
        };
        let tail = &self.rest[word.len()..];
        let ends = !tail.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        if head.eq_ignore_ascii_case(word) && ends {
            self.rest = tail;
            return true;
        }
        false
    }

    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::is_constant;

    #[test]
    fn constants() {
        for text in [
            "0",
            "-1",
            "'-1'::integer",
            "'{}'::jsonb",
            "'it''s'::character varying",
            "0.00",
            "(0)::numeric(12,2)",
            "true",
            "NULL::character varying",
            "ARRAY[]::text[]",
            "ARRAY['a'::text, 'b'::text]",
            "'new'::public.\"Mood\"",
            "'2020-01-01 00:00:00'::timestamp(3) without time zone",
            "X'00ff'",
            "\"quoted\"",
        ] {
            assert!(is_constant(text), "{text}");
        }
    }

    #[test]
    fn everything_else() {
        for text in [
            "now()",
            "CURRENT_TIMESTAMP",
            "gen_random_uuid()",
            "nextval('t_id_seq'::regclass)",
            "'t'::regclass",
            "('now'::text)::date",
            "lower('A'::text)",
            "(1 + 1)",
            "truex",
            "'a' || 'b'",
            "",
        ] {
            assert!(!is_constant(text), "{text}");
        }
    }
}
