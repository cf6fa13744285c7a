//! Conversions and checks between two types, value by value.

use super::Misfit;

/// What is done to every value of a pair that may not simply be copied.
#[derive(Clone, Debug)]
pub struct Conversion {
    name: String,
}

impl Conversion {
    /// Short name for plans and documents, such as `check length ≤ 50`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Appends the target's text of one source value (both unescaped).
    pub fn apply(&self, text: &str, out: &mut Vec<u8>) -> Result<(), Misfit> {
        out.extend_from_slice(text.as_bytes());
        Ok(())
    }
}
