//! A problem as data (what, where, why, what to do) and the one text form it is shown in.
//!
//! Nothing here prints. `cli` renders a [`Diagnostic`] with `Display` (human, caret excerpt) or with
//! [`Diagnostic::line`] (`file:line:col: severity: message`, for editors).

use std::fmt;

/// How bad it is. Only [`Severity::Error`] refuses a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The run is refused.
    Error,
    /// Probably a mistake; the run goes on.
    Warning,
    /// Something in the target that the owner should know of.
    Hazard,
    /// A fact.
    Note,
}

impl Severity {
    /// The word that is printed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Hazard => "hazard",
            Self::Note => "note",
        }
    }
}

/// A point in a script; lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Path as the user wrote it.
    pub path: String,
    /// The text of that line, without its end; empty when unknown.
    pub excerpt: String,
    /// From 1; 0 when only the file is known.
    pub line: usize,
    /// From 1; 0 when only the line is known.
    pub column: usize,
}

impl Place {
    /// The place at `line`:`column` of a script whose whole text is `text`.
    pub fn in_text(path: impl Into<String>, text: &str, line: usize, column: usize) -> Self {
        let excerpt = line
            .checked_sub(1)
            .and_then(|index| text.lines().nth(index))
            .unwrap_or_default()
            .to_owned();
        Self {
            path: path.into(),
            excerpt,
            line,
            column,
        }
    }

    /// A whole file.
    pub fn file(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            excerpt: String::new(),
            line: 0,
            column: 0,
        }
    }
}

/// What is wrong, where, and what to try. One pointer wide, so that a `Result` stays small.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic(Box<Problem>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Problem {
    severity: Severity,
    message: String,
    place: Option<Place>,
    notes: Vec<String>,
    hints: Vec<String>,
    refuses: bool,
}

impl Diagnostic {
    /// An error in one sentence: lower-case, no full stop, never a cell value.
    pub fn error(message: impl Into<String>) -> Self {
        Self::new(Severity::Error, message)
    }

    /// The same with another severity.
    pub fn new(severity: Severity, message: impl Into<String>) -> Self {
        Self(Box::new(Problem {
            severity,
            message: message.into(),
            place: None,
            notes: vec![],
            hints: vec![],
            refuses: false,
        }))
    }

    /// Shows this place of a script.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.0.place = Some(place);
        self
    }

    /// Adds a fact about the case (a key, a column name), never a cell value.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.0.notes.push(note.into());
        self
    }

    /// Adds something the reader can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hints.push(hint.into());
        self
    }

    /// Says that nothing failed: the command was turned away before it asked anything.
    #[must_use]
    pub(crate) fn refusal(mut self) -> Self {
        self.0.refuses = true;
        self
    }

    /// Was the command turned away before it asked anything?
    pub(crate) fn is_refusal(&self) -> bool {
        self.0.refuses
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.0.severity
    }

    /// The sentence alone.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Where, if known.
    pub fn place(&self) -> Option<&Place> {
        self.0.place.as_ref()
    }

    /// Facts about the case.
    pub fn notes(&self) -> &[String] {
        &self.0.notes
    }

    /// What the reader can do.
    pub fn hints(&self) -> &[String] {
        &self.0.hints
    }

    /// One line for editors: `file:line:col: severity: message`.
    pub fn line(&self) -> String {
        let place = match &self.0.place {
            Some(p) => format!("{}:{}:{}: ", p.path, p.line.max(1), p.column.max(1)),
            None => String::new(),
        };
        format!("{place}{}: {}", self.0.severity.word(), self.0.message)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.severity.word(), self.0.message)?;
        if let Some(place) = &self.0.place {
            place.fmt_excerpt(f)?;
        }
        for note in &self.0.notes {
            write!(f, "\n   = {note}")?;
        }
        for (index, hint) in self.0.hints.iter().enumerate() {
            let gap = if index == 0 { "\n\n" } else { "\n" };
            write!(f, "{gap}hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostic {}

impl From<Diagnostic> for Vec<Diagnostic> {
    fn from(problem: Diagnostic) -> Self {
        vec![problem]
    }
}

impl Place {
    fn fmt_excerpt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            return write!(f, "\n --> {}", self.path);
        }
        let gutter = " ".repeat(self.line.to_string().len());
        write!(
            f,
            "\n{gutter}--> {}:{}:{}",
            self.path, self.line, self.column
        )?;
        if self.excerpt.is_empty() || self.column == 0 {
            return Ok(());
        }
        let before: String = self
            .excerpt
            .chars()
            .take(self.column - 1)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        let word = self
            .excerpt
            .chars()
            .skip(self.column - 1)
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .count();
        write!(f, "\n{gutter} |\n{} | {}", self.line, self.excerpt)?;
        write!(f, "\n{gutter} | {before}{}", "^".repeat(word.max(1)))
    }
}

/// The nearest of `known` to `word`, when it is near enough to be what was meant.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|k| {
            (
                strsim::damerau_levenshtein(&word.to_lowercase(), &k.to_lowercase()),
                k,
            )
        })
        .filter(|(distance, k)| *distance <= 1 + k.len().min(word.len()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, k)| k)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_line_and_underlines_the_word() {
        let text = "fn transform(row) {\n    #{ email: row.emial.to_lower() }\n}";
        let problem = Diagnostic::error("column `emial` is not in the row")
            .at(Place::in_text("rules/patients.rhai", text, 2, 19))
            .note("row: patients id=4711")
            .hint("did you mean `email`?");
        let expected = "\
error: column `emial` is not in the row
 --> rules/patients.rhai:2:19
  |
2 |     #{ email: row.emial.to_lower() }
  |                   ^^^^^
   = row: patients id=4711

hint: did you mean `email`?";
        assert_eq!(problem.to_string(), expected);
        assert_eq!(
            problem.line(),
            "rules/patients.rhai:2:19: error: column `emial` is not in the row"
        );
    }

    #[test]
    fn suggests_only_what_is_near() {
        assert_eq!(did_you_mean("emial", ["email", "id"]), Some("email"));
        assert_eq!(did_you_mean("total", ["email", "id"]), None);
    }
}
