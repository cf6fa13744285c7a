//! Rules: what one legacy table becomes, read from a script, and the verdict on a row.
//!
//! [`RuleSet`] reads files, [`Header`] is what they declare. A [`Rule`] is texts and facts and may
//! cross threads; the engine that runs it lives in `script`, one per thread.

mod bound;
mod draft;
mod encode;
mod fingerprint;
mod header;
mod judge;
#[cfg(test)]
mod judge_tests;
#[cfg(test)]
mod limit_tests;
mod lint;
#[cfg(test)]
mod lint_tests;
mod load;
mod login;
mod masking;
#[cfg(test)]
mod name_tests;
mod person;
mod pin;
mod profile;
mod read;
mod scribe;
#[cfg(test)]
mod shipped_tests;
mod testing;
mod thread;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::diagnostic::Place;

pub use bound::Bound;
pub use draft::{Sheet, draft, named_table};
pub use header::{
    Auth, CopyPair, Existing, Header, IdsDecl, LookupDecl, MissingProfile, Reconcile, Side, Stop,
    Storage,
};
pub use judge::Judge;
pub use lint::Shapes;
pub use load::{Library, RuleSet};
pub use pin::{Pinned, pin};
pub use scribe::{Scribe, Slip};
pub use testing::{TestResult, run_tests};
pub use thread::on_script_thread;

/// Where the header's keys stand: path joined by U+001F → line and column.
pub(crate) type Places = BTreeMap<String, (usize, usize)>;

/// A rule that compiles and whose header is well-formed.
#[derive(Clone, Debug)]
pub struct Rule {
    /// File name without `.rhai`.
    pub name: String,
    /// Path as the user wrote it.
    pub path: PathBuf,
    /// The whole file.
    pub text: Arc<str>,
    /// Libraries it reaches: path and text.
    pub libs: Vec<(String, Arc<str>)>,
    /// Its declarations.
    pub header: Header,
    /// Which functions it has.
    pub has: Functions,
    /// What it is, in two hashes.
    pub fingerprints: Fingerprints,
    places: Places,
}

/// Which of the functions that the host calls a rule has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each names one function that is there or not"
)]
pub struct Functions {
    /// `transform(row)`
    pub transform: bool,
    /// `validate(out)`
    pub validate: bool,
    /// `before()`
    pub before: bool,
    /// `after()`
    pub after: bool,
    /// `run()`: a procedural rule.
    pub run: bool,
    /// `profile(row)`: what a new profile holds.
    pub profile: bool,
    /// `test_*()`, sorted.
    pub tests: Vec<String>,
}

/// Hashes over the tokens of a rule and of the libraries it reaches; lower-case hexadecimal SHA-256.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprints {
    /// What decides rows. Another one stops a resume.
    pub transform: String,
    /// What judges the outcome: expectations, reconciliations, masks, remedies, tests.
    pub gate: String,
}

impl Rule {
    /// Where a key of the header stands: `["copy", "purchased_at"]`.
    pub fn place_of(&self, header_path: &[&str]) -> Option<Place> {
        let (line, column) = self.places.get(&header_path.join("\u{1f}"))?;
        Some(Place::in_text(
            self.path.display().to_string(),
            &self.text,
            *line,
            *column,
        ))
    }
}
