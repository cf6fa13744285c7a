//! Values of a real row as made-up ones of the same shape, for a test that may be shown to anybody.
//!
//! What a rule decides by is kept: NULL, blank, true and false, zero and signs, sums that add up, words
//! that the rule itself spells, the form of an address or of JSON. What it says of a person is not.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::Rule;
use crate::script::tokens;
use crate::value::Logical;

/// Words of JSON, without which it would not be JSON any more.
const JSON_WORDS: [&str; 3] = ["true", "false", "null"];

/// Replaces values of columns that are not public.
pub(super) struct Masking {
    /// Nothing is replaced.
    show: bool,
    /// Columns shown as they are: public ones, and keys, which stand in every report.
    shown: BTreeSet<String>,
    /// Columns that parents and lookups are asked by.
    keyed: BTreeSet<String>,
    /// Words of the rule's texts.
    words: BTreeSet<String>,
    /// Numbers that the rule spells.
    numbers: BTreeSet<String>,
    factor: Decimal,
    /// Each uuid gets another one, the same wherever it stands.
    uuids: BTreeMap<String, String>,
}

impl Masking {
    /// `factor` multiplies amounts, so that sums still add up.
    pub(super) fn new(rule: &Rule, show: bool, factor: Decimal) -> Self {
        let header = &rule.header;
        let keyed = header
            .ids
            .iter()
            .flat_map(|ids| &ids.from)
            .chain(header.lookups.iter().flat_map(|lookup| &lookup.keys));
        let texts = rule.libs.iter().map(|(_, text)| text).chain([&rule.text]);
        let (mut words, mut numbers) = (BTreeSet::new(), BTreeSet::new());
        for token in texts.flat_map(|text| tokens(text)) {
            if token.text.starts_with(['"', '`', '\'', '#']) {
                words.extend(runs(&token.text).map(str::to_lowercase));
            } else if token.text.starts_with(|c: char| c.is_ascii_digit()) {
                numbers.insert(token.text);
            }
        }
        words.extend(JSON_WORDS.map(ToOwned::to_owned));
        Self {
            show,
            shown: header.public.iter().chain(&header.key).cloned().collect(),
            keyed: keyed.cloned().collect(),
            words,
            numbers,
            factor,
            uuids: BTreeMap::new(),
        }
    }

    /// A cell's stand-in. `column` is that of the row, or `lookup.column`.
    pub(super) fn cell(&mut self, column: &str, logical: &Logical, text: &str) -> String {
        let is_number = matches!(logical, Logical::Int2 | Logical::Int4 | Logical::Int8);
        let is_key = is_number && self.keyed.contains(column);
        if self.show || is_key || self.shown.contains(column) || text.trim().is_empty() {
            return text.to_owned();
        }
        let is_dated = text.starts_with(|c: char| c.is_ascii_digit());
        match logical {
            Logical::Bool => text.to_owned(),
            Logical::Int2 | Logical::Int4 | Logical::Int8 | Logical::Numeric(_) => {
                self.number(text)
            }
            Logical::Uuid => self.uuid(text),
            Logical::Date if is_dated => "2020-01-02".to_owned(),
            Logical::Timestamp if is_dated => "2020-01-02 03:04:05".to_owned(),
            Logical::TimestampTz if is_dated => "2020-01-02 03:04:05+00".to_owned(),
            _ => self.shape(text),
        }
    }

    /// A legacy key that parents and lookups are asked for: numbers and uuids as they are, since reports
    /// show them; texts like the cells that they come from.
    pub(super) fn key(&mut self, text: &str) -> String {
        let is_number = text.parse::<i64>().is_ok();
        if self.show || is_number || text.parse::<uuid::Uuid>().is_ok() {
            return text.to_owned();
        }
        self.shape(text)
    }

    /// A made-up uuid for a real one.
    pub(super) fn uuid(&mut self, text: &str) -> String {
        if self.show {
            return text.to_owned();
        }
        let next = format!("00000000-0000-4000-8000-{:012}", self.uuids.len() + 1);
        self.uuids
            .entry(text.to_lowercase())
            .or_insert(next)
            .clone()
    }

    fn number(&self, text: &str) -> String {
        let Ok(number) = Decimal::from_str_exact(text) else {
            return text.to_owned();
        };
        let plain = text.trim_start_matches('-');
        if number.is_zero() || self.numbers.contains(plain) {
            return text.to_owned();
        }
        let places = number.scale();
        let smallest = Decimal::new(1, places);
        let scaled = (number.abs() * self.factor).round_dp(places).max(smallest);
        let mut scaled = if number.is_sign_negative() {
            -scaled
        } else {
            scaled
        };
        scaled.rescale(places);
        scaled.to_string()
    }

    /// Letters become `x`, digits `1`; words that the rule spells, and everything else, stay.
    fn shape(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if !first.is_alphanumeric() {
                out.push(first);
                rest = &rest[first.len_utf8()..];
                continue;
            }
            let end = rest
                .find(|c: char| !c.is_alphanumeric())
                .unwrap_or(rest.len());
            let (word, tail) = rest.split_at(end);
            if self.words.contains(&word.to_lowercase()) {
                out.push_str(word);
            } else {
                out.extend(word.chars().map(stand_in));
            }
            rest = tail;
        }
        out
    }
}

fn stand_in(letter: char) -> char {
    if letter.is_numeric() {
        '1'
    } else if letter.is_uppercase() {
        'X'
    } else {
        'x'
    }
}

/// Runs of letters and digits.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|run| !run.is_empty())
}
