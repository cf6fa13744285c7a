//! Rows that a hook or a procedural rule hands out by itself, held against the target's columns.

use std::sync::Arc;

use uuid::Uuid;

use super::Rule;
use super::bound::suggest;
use super::encode::Encoder;
use crate::catalog::{Column, Table};
use crate::diagnostic::Diagnostic;
use crate::ids::id_for;
use crate::row::{Key, OutRow, Reject, Stage};
use crate::value::{Logical, Scalar};

/// Encodes rows for the rule's target table.
pub struct Scribe {
    rule: Arc<Rule>,
    target: Arc<Table>,
    namespace: Uuid,
    encoder: Encoder,
}

/// Why a row was not encoded.
#[derive(Clone, Debug)]
pub enum Slip {
    /// The script is wrong, whatever the row: a sentence.
    Script(String),
    /// This row does not fit.
    Row(Box<Reject>),
}

impl Scribe {
    /// For the rows of `rule`; `target` is its table.
    pub fn new(rule: Arc<Rule>, target: Arc<Table>, namespace: Uuid) -> Self {
        Self {
            encoder: Encoder::new(&target),
            rule,
            target,
            namespace,
        }
    }

    /// The row as it would be written, under the id that `key` has in every other rule too. The legacy
    /// column takes the key unless the script sets it; `key_type` is the type that the source has for it.
    pub fn row(
        &mut self,
        columns: &[(String, Scalar)],
        key: &Key,
        key_type: Option<&Logical>,
    ) -> Result<OutRow, Slip> {
        self.encoder.begin();
        let target = Arc::clone(&self.target);
        let rule = Arc::clone(&self.rule);
        let header = &rule.header;
        let id = target.id_column().map(|column| column.name.as_str());
        for (name, value) in columns {
            let Some(at) = target.index(name) else {
                let known = target.columns.iter().map(|c| c.name.as_str());
                let problem =
                    Diagnostic::error(format!("`{name}` is not a column of `{}`", target.name));
                let problem = suggest(problem, name, known);
                let hint = problem.hints().first().map(|h| format!("; {h}"));
                return Err(Slip::Script(format!(
                    "{}{}",
                    problem.message(),
                    hint.unwrap_or_default()
                )));
            };
            if Some(name.as_str()) == id {
                return Err(Slip::Script(format!(
                    "`{name}` is computed from the key and cannot be set; state another one with `ids.put`"
                )));
            }
            self.cell(at, value, &target.columns[at])?;
        }
        if let Some(legacy) = &header.legacy
            && let [text] = &key.0[..]
            && let Some(at) = target.index(legacy)
            && !columns.iter().any(|(name, _)| name == legacy)
        {
            let value = match key_type {
                Some(logical) => Scalar::Typed(logical.clone(), text.clone()),
                None => Scalar::Text(text.clone()),
            };
            self.cell(at, &value, &target.columns[at])?;
        }
        for (at, column) in target.columns.iter().enumerate() {
            let needed = column.not_null
                && column.default.is_none()
                && !column.generated
                && column.identity.is_none()
                && Some(column.name.as_str()) != id;
            if needed && !self.encoder.has(index(at)?) {
                let why = format!("column `{}` is not set and has no default", column.name);
                return Err(refuse("null_not_allowed", why));
            }
        }
        let mut matched = Vec::new();
        if header.many {
            for name in &header.match_ {
                let at = target.index(name).map(index).transpose()?;
                let text = at.and_then(|at| self.encoder.text(at));
                matched.push(text.ok_or_else(|| {
                    refuse(
                        "null_not_allowed",
                        format!("column `{name}` tells the rows apart and cannot be empty"),
                    )
                })?);
            }
        }
        let extra: Vec<&str> = matched.iter().map(String::as_str).collect();
        let id = id_for(self.namespace, &header.target, key, &extra, header.id);
        let (set, line) = self.encoder.line();
        Ok(OutRow { id, set, line })
    }

    fn cell(&mut self, at: usize, value: &Scalar, column: &Column) -> Result<(), Slip> {
        let name = &column.name;
        if column.generated {
            return Err(Slip::Script(format!(
                "`{name}` is computed by the target and cannot be written"
            )));
        }
        self.encoder
            .scalar(index(at)?, value, column, self.rule.header.zone.as_deref())
            .map_err(|misfit| refuse(misfit.code, format!("column `{name}`: {}", misfit.why)))
    }
}

fn index(at: usize) -> Result<u16, Slip> {
    u16::try_from(at).map_err(|_| Slip::Script("the table has too many columns".to_owned()))
}

fn refuse(code: &str, why: String) -> Slip {
    Slip::Row(Box::new(Reject::new(Stage::Fit, code, why)))
}
