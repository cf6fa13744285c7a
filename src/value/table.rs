//! The table of type pairs as people read it; made from the code that decides.

use std::sync::Arc;

use super::Logical;
use super::pair::{Pair, pair};

/// A zone for the pairs that need one, in the documents only.
const ZONE: &str = "Europe/Berlin";

/// One type of each kind, and of limited types several.
fn kinds() -> Vec<Logical> {
    use Logical as L;
    let labels: Arc<[String]> = ["open".to_owned(), "shut".to_owned()].into();
    let limited = |name: &str| L::from_pg(name, None);
    vec![
        L::Bool,
        L::Int2,
        L::Int4,
        L::Int8,
        L::Numeric(None),
        L::Numeric(Some((12, 2))),
        L::Numeric(Some((14, 2))),
        L::Float4,
        L::Float8,
        L::Text(None),
        L::Text(Some(50)),
        L::Char(3),
        L::Bytes,
        L::Date,
        L::Time,
        L::TimeTz,
        L::Timestamp,
        L::TimestampTz,
        limited("timestamp(3) without time zone"),
        L::Interval,
        L::Uuid,
        L::Json,
        L::Jsonb,
        L::Enum("status (an enum)".into(), labels),
        L::Array(Box::new(L::Int4)),
        L::Array(Box::new(L::Text(None))),
        L::Array(Box::new(L::Numeric(None))),
        L::Other("inet".into()),
        L::Untyped,
    ]
}

/// Source, target and decision of every pair of representative types, for the documents. Pairs that need
/// a zone are shown with one.
pub fn pair_table() -> Vec<(String, String, String)> {
    let kinds = kinds();
    let mut rows = Vec::with_capacity(kinds.len() * kinds.len());
    for source in &kinds {
        for target in &kinds {
            let decision = match pair(source, target, Some(ZONE)) {
                Pair::Copy => "copy".to_owned(),
                Pair::Convert(conversion) => conversion.name().replace(ZONE, "the rule's `zone`"),
                Pair::Refuse(why) => format!(
                    "refused: {}",
                    why.split_once(": ")
                        .map_or(why.as_str(), |(_, advice)| advice)
                ),
            };
            rows.push((source.to_string(), target.to_string(), decision));
        }
    }
    rows
}

/// The page `docs/types.md`.
pub fn types_markdown() -> String {
    let mut page = String::from(HEAD);
    let rows = pair_table();
    let mut source = "";
    for (from, to, decision) in &rows {
        if from != source {
            page.extend(["\n## ", from, "\n\n| into | what happens |\n|---|---|\n"]);
            source = from;
        }
        // Most refusals have nothing particular to say.
        if !decision.starts_with("refused: convert it in the script")
            && !decision.starts_with("refused: this type only")
        {
            page.extend(["| ", to, " | ", decision, " |\n"]);
        }
    }
    page
}

const HEAD: &str = "\
# Types: what may go where

A value is carried exactly or refused loudly: never rounded, cut, moved to another time zone or turned
into NULL. For each source type the tables list the target types it may go to by itself (`copy:` in a
rule). *copy* means that every value fits and its text stays the same. A check looks at every value, and
rejects the row when one does not pass. What is not listed is refused, and so is what says *refused*:
`runner check` names the pair before anything is written, and the script converts it.

This page is made from the code that decides; a test compares them.

- NaN and infinite numbers are not carried into numeric columns (`not_finite`); `infinity` as a date or
  timestamp is carried.
- varchar(n) and char(n) count characters, trailing blanks included (`too_long`).
- A timestamp becomes a timestamp with time zone only under the rule's `zone`. Local times that the zone
  skipped or had twice are refused (`bad_value`), not guessed.
- json becomes jsonb as Postgres would store it: keys sorted, of equal keys the last. `\\u0000` and half
  surrogate pairs are refused.
- Arrays go element by element, where elements are copied as they are.
- A domain or a type that is not listed (inet, tsvector, …) only goes to the same type.

A SQLite column's type is the one it is declared with, and each value must fit it: DATETIME and TIMESTAMP
are timestamps without zone, TIMESTAMPTZ values need an offset, BOOLEAN is 0 or 1, a float in a decimal
column must have no more places than declared, numbers in date columns are refused. A column without a
type is *untyped*: its values are read as literals of the target's type.
";

#[cfg(test)]
mod tests;
