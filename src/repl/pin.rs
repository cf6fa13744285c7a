//! `:pin`: the row on screen becomes a test at the end of the rule file.

use super::reply::Reply;
use super::talk::Talk;
use crate::diagnostic::Diagnostic;
use crate::rule::{Library, Pinned, pin};

impl Talk {
    pub(super) fn pin(&mut self, given: &str) -> Result<Reply, Reply> {
        let Some(found) = &self.current else {
            return Err(Reply::problem("no row: `:row KEY` first, then `:pin NAME`"));
        };
        let name = test_name(given)?;
        let rule = &found.step.rule;
        let library = Library::load(&self.config.rules)?;
        let mut judge = found.step.bound.judge()?;
        let judged = judge.judge(&found.rows, 0, &found.key, &found.answers);
        let row = Pinned {
            columns: &found.step.query.columns,
            rows: &found.rows,
            key: &found.key,
            answers: &found.answers,
            judged: &judged,
            show: self.show,
        };
        let function = pin(rule, &library, &name, &row)?;
        let gap = if rule.text.ends_with('\n') {
            "\n"
        } else {
            "\n\n"
        };
        let text = format!("{}{gap}{function}", rule.text);
        let path = rule.path.clone();
        // somebody may have saved the file since it was read
        if std::fs::read(&path).ok().as_deref() != Some(rule.text.as_bytes()) {
            return Err(Reply::problem(format!(
                "{} was changed meanwhile: `:reload`, then pin again",
                path.display()
            )));
        }
        std::fs::write(&path, text).map_err(|error| {
            Diagnostic::error(format!("cannot write {}: {error}", path.display()))
        })?;
        let line = rule.text.lines().count() + 2;
        let rule_name = rule.name.clone();
        self.read_again()?;
        Ok(Reply::said(format!(
            "{}:{line}: {name}\n{function}`runner test {rule_name}` runs it",
            path.display()
        )))
    }
}

/// `an orphan`, `an_orphan` and `test_an_orphan` all name `test_an_orphan`.
fn test_name(given: &str) -> Result<String, Reply> {
    let name: String = given
        .trim()
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    let name = name.trim_matches('_').trim_start_matches("test_");
    if name.is_empty() {
        return Err(Reply::problem(
            "the name of a test is made of letters and digits: `:pin an_orphan`",
        ));
    }
    Ok(format!("test_{name}"))
}
