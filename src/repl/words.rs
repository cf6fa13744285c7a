//! What can be typed next: commands, functions with how they are called, tables, columns, variables.

use std::sync::{Arc, Mutex, PoisonError};

use super::input::COMMANDS;
use super::talk::Talk;

/// A word that completes what was begun, and how it is shown in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// What is put into the line.
    pub text: String,
    /// What the list shows.
    pub shown: String,
}

impl Word {
    fn plain(text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            shown: text.clone(),
            text,
        }
    }
}

/// What the line editor knows of the conversation; shared with its thread.
#[derive(Clone, Debug, Default)]
pub struct Words(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    tables: Vec<String>,
    columns: Vec<String>,
    codes: Vec<String>,
    keys: Vec<String>,
    /// Functions and variables.
    names: Vec<Word>,
}

impl Words {
    /// Completions of the word before `at`, and where that word begins.
    pub fn complete(&self, line: &str, at: usize) -> (usize, Vec<Word>) {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = &line[..at];
        let begins = |c: char| !(c.is_alphanumeric() || c == '_');
        let start = before
            .char_indices()
            .rev()
            .find(|(_, c)| begins(*c))
            .map_or(0, |(place, c)| place + c.len_utf8());
        let word = &before[start..];
        let fits = |words: Vec<Word>| {
            let fitting = words.into_iter().filter(|w| w.text.starts_with(word));
            (start, fitting.collect())
        };
        let plain = |texts: &[String]| texts.iter().map(Word::plain).collect::<Vec<_>>();
        let is_command = before.trim_start().starts_with([':', '\\']);
        if is_command && !before.trim_start().contains(char::is_whitespace) {
            let typed = before.trim_start();
            let words = COMMANDS.iter().filter(|(name, ..)| name.starts_with(typed));
            let words = words.map(|(name, argument, what)| Word {
                text: (*name).to_owned(),
                shown: format!("{name} {argument}  {what}"),
            });
            return (at - typed.len(), words.collect());
        }
        if is_command {
            let (command, rest) = before
                .trim_start()
                .split_once(char::is_whitespace)
                .unwrap_or_default();
            let is_first = !rest.trim_start().contains(char::is_whitespace);
            return match command {
                ":rows" | "\\d" if is_first => fits(plain(&known.tables)),
                ":bad" => fits(plain(&known.codes)),
                ":row" | ":try" | ":step" => fits(plain(&known.keys)),
                ":show" | ":write" => fits(vec![Word::plain("on"), Word::plain("off")]),
                ":help" | "\\?" => fits(known.names.clone()),
                ":sql" | ":rows" => fits([plain(&known.tables), plain(&known.columns)].concat()),
                _ => (at, vec![]),
            };
        }
        match before[..start].strip_suffix('.') {
            Some(object) => {
                let end = object.rfind(begins).map_or(0, |place| place + 1);
                let object = &object[end..];
                let prefix = format!("{object}.");
                let methods = known.names.iter().filter_map(|name| {
                    let text = name.text.strip_prefix(&prefix)?;
                    Some(Word {
                        text: text.to_owned(),
                        shown: name.shown.clone(),
                    })
                });
                let mut words: Vec<Word> = methods.collect();
                if words.is_empty() {
                    words = plain(&known.columns);
                }
                fits(words)
            }
            None if in_quotes(before) => {
                fits([plain(&known.tables), plain(&known.columns)].concat())
            }
            None => fits(known.names.clone()),
        }
    }
}

fn in_quotes(text: &str) -> bool {
    text.matches('"').count() % 2 == 1
}

impl Talk {
    /// Learns what can be completed. Asks the databases for their tables once; a problem there is no
    /// problem here.
    pub fn learn(&mut self, words: &Words) {
        let is_new = words
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .tables
            .is_empty();
        let tables = if is_new { self.table_names() } else { vec![] };
        let mut known = words.0.lock().unwrap_or_else(PoisonError::into_inner);
        if is_new {
            known.tables = tables;
        }
        if let Some(found) = &self.current {
            known.columns = found.rows.columns().to_vec();
        } else if let Some(rule) = &self.rule {
            known.columns = rule.columns_used();
        }
        if let Some(rule) = &self.rule {
            known.codes = rule.header.fix.keys().cloned().collect();
        }
        known.keys.clone_from(&self.keys);
        let functions = self.session.completions().into_iter();
        known.names = functions
            .map(|(text, shown)| Word { text, shown })
            .chain(self.session.variables().into_iter().map(Word::plain))
            .collect();
        known.names.dedup();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> Words {
        let names = [
            ("id_of", "id_of(table, key) -> uuid"),
            ("source.query", "source.query(sql)"),
            ("x", "x"),
        ];
        let names = names.map(|(text, shown)| Word {
            text: text.into(),
            shown: shown.into(),
        });
        Words(Arc::new(Mutex::new(Known {
            tables: vec!["person".into(), "kind".into()],
            columns: vec!["name".into(), "note".into()],
            codes: vec!["orphan".into()],
            keys: vec!["7".into()],
            names: names.into(),
        })))
    }

    fn texts(line: &str) -> (usize, Vec<String>) {
        let (start, words) = words().complete(line, line.len());
        (start, words.into_iter().map(|word| word.text).collect())
    }

    #[test]
    fn what_fits_depends_on_what_stands_before() {
        for (line, start, fitting) in [
            (":ro", 0, vec![":rows", ":row"]),
            (":rows pe", 6, vec!["person"]),
            ("\\d k", 3, vec!["kind"]),
            (":bad ", 5, vec!["orphan"]),
            (":try ", 5, vec!["7"]),
            (":show o", 6, vec!["on", "off"]),
            ("1 + id", 4, vec!["id_of"]),
            ("row.na", 4, vec!["name"]),
            ("source.", 7, vec!["query"]),
            ("source.query(\"select no", 21, vec!["note"]),
            ("é + x", 5, vec!["x"]),
        ] {
            let fitting: Vec<String> = fitting.into_iter().map(str::to_owned).collect();
            assert_eq!(texts(line), (start, fitting), "{line}");
        }
    }

    #[test]
    fn a_function_is_listed_with_how_it_is_called() {
        let (_, found) = words().complete("id", 2);
        assert_eq!(found[0].shown, "id_of(table, key) -> uuid");
    }
}
