//! What was fetched for a chunk before its rule ran: ids of parents and rows of lookups.

use std::collections::HashMap;
use std::sync::Arc;

use super::Rows;

/// What the target says about one legacy key of a parent table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdAnswer {
    /// The parent's id.
    One(uuid::Uuid),
    /// Nobody has that legacy key.
    None,
    /// Two or more do: the child is rejected as `ambiguous_parent`.
    Many,
}

/// Legacy keys and what the target says about them. Nearly all keys are whole numbers: those lie in one piece of
/// memory and are not texts.
#[derive(Clone, Debug, Default)]
pub struct IdAnswers {
    /// Ascending.
    numbers: Vec<(i64, IdAnswer)>,
    texts: HashMap<String, IdAnswer>,
}

impl IdAnswers {
    /// Of keys that are numbers, in any order, and of others.
    pub fn new(mut numbers: Vec<(i64, IdAnswer)>, texts: HashMap<String, IdAnswer>) -> Self {
        numbers.sort_unstable_by_key(|(number, _)| *number);
        Self { numbers, texts }
    }

    /// `None`: the key was never asked for.
    pub fn get(&self, key: &str) -> Option<&IdAnswer> {
        let Some(number) = whole_number(key) else {
            return self.texts.get(key);
        };
        self.of(number)
    }

    /// The same for a key that is a number.
    pub fn of(&self, key: i64) -> Option<&IdAnswer> {
        let (first, _) = self.numbers.first()?;
        // keys that follow one another lie where they are looked for first
        let guess = key.checked_sub(*first).map(usize::try_from);
        if let Some(Ok(guess)) = guess
            && let Some((found, answer)) = self.numbers.get(guess)
            && *found == key
        {
            return Some(answer);
        }
        let at = self.numbers.binary_search_by_key(&key, |(n, _)| *n);
        at.ok().map(|at| &self.numbers[at].1)
    }

    /// Gives an id to every key that nobody has.
    pub fn answer_absent(&mut self, mut make: impl FnMut(&str) -> uuid::Uuid) {
        for (key, answer) in &mut self.numbers {
            if *answer == IdAnswer::None {
                *answer = IdAnswer::One(make(&key.to_string()));
            }
        }
        for (key, answer) in &mut self.texts {
            if *answer == IdAnswer::None {
                *answer = IdAnswer::One(make(key));
            }
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (String, &IdAnswer)> {
        let numbers = self.numbers.iter().map(|(key, a)| (key.to_string(), a));
        numbers.chain(self.texts.iter().map(|(key, a)| (key.clone(), a)))
    }
}

impl FromIterator<(String, IdAnswer)> for IdAnswers {
    fn from_iter<T: IntoIterator<Item = (String, IdAnswer)>>(keys: T) -> Self {
        let (mut numbers, mut texts) = (Vec::new(), HashMap::new());
        for (key, answer) in keys {
            match whole_number(&key) {
                Some(number) => numbers.push((number, answer)),
                None => {
                    texts.insert(key, answer);
                }
            }
        }
        Self::new(numbers, texts)
    }
}

/// A key that is spelled as the databases spell a whole number.
pub fn whole_number(key: &str) -> Option<i64> {
    let digits = key.strip_prefix('-').unwrap_or(key).as_bytes();
    let is_plain =
        digits.iter().all(u8::is_ascii_digit) && (digits.first() != Some(&b'0') || key == "0");
    if is_plain { key.parse().ok() } else { None }
}

/// The rows of one lookup for this chunk, in declared order within each key.
#[derive(Clone, Debug, Default)]
pub struct LookupAnswer {
    /// Columns are the lookup's `take`.
    pub rows: Arc<Rows>,
    /// Logical types of those columns.
    pub types: Arc<[crate::value::Logical]>,
    /// Lookup key text → rows `start..end`. A key that was asked for and has no rows maps to an empty range.
    pub groups: HashMap<String, std::ops::Range<usize>>,
}

/// Everything a rule may ask for while it judges a chunk.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// Target table → legacy key → answer.
    pub ids: HashMap<String, Arc<IdAnswers>>,
    /// Lookup name → its rows.
    pub lookups: HashMap<String, LookupAnswer>,
    /// Of rules that make profiles or look after logins.
    pub people: Option<super::People>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_what_they_are_spelled_as() {
        let one = |n: u128| IdAnswer::One(uuid::Uuid::from_u128(n));
        let (least, most) = (i64::MIN.to_string(), i64::MAX.to_string());
        let keys = [
            "7",
            "-3",
            "07",
            "+7",
            "-0",
            "0",
            "",
            "é",
            "9223372036854775808",
            &most,
        ];
        assert_eq!(IdAnswers::default().get("7"), None);
        let all: IdAnswers = keys
            .iter()
            .zip(1..)
            .map(|(key, n)| ((*key).to_owned(), one(n)))
            .collect();
        for (key, n) in keys.iter().zip(1..) {
            assert_eq!(all.get(key), Some(&one(n)), "{key}");
        }
        for key in ["3", "007", "7.0", " 7", &least] {
            assert_eq!(all.get(key), None, "{key}");
        }
        let mut found: Vec<String> = all.iter().map(|(key, _)| key).collect();
        let mut keys = keys.to_vec();
        found.sort();
        keys.sort_unstable();
        assert_eq!(found, keys);
    }
}
