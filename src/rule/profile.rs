//! The profile that is made of a row: what `profile(row)` says, or what the row and profiles have in common.

use std::sync::Arc;

use uuid::Uuid;

use super::bound::{Copied, Inner, suggest};
use super::encode::Encoder;
use super::judge::{Judge, refuse};
use super::person::{address_of, text};
use crate::catalog::Table;
use crate::diagnostic::Diagnostic;
use crate::row::{OutRow, Rows, Stage};
use crate::script::{Made, Said};
use crate::value::{Pair, Scalar, pair};

/// Columns that a profile takes from the row when the rule has no `profile(row)`.
pub(super) const PROFILE_COLUMNS: [&str; 4] = ["first_name", "last_name", "username", "is_active"];

/// How a profile is made.
pub(super) struct Make {
    pub(super) table: Arc<Table>,
    /// As `ids` names it: what its ids are computed with.
    pub(super) entity: String,
    legacy: Copied,
    /// Without `profile(row)`.
    shared: Vec<Copied>,
    email: Option<(u16, usize)>,
    kind: Option<(u16, String)>,
}

/// Joins the rule with the table of profiles.
pub(super) fn make(inner: &Inner, table: Arc<Table>, key: usize) -> Result<Make, Diagnostic> {
    let rule = &inner.rule;
    let source = |name: &str| inner.source.iter().position(|(column, _)| column == name);
    let index = |name: &str| table.index(name).and_then(|at| u16::try_from(at).ok());
    let copied = |name: &str, from: usize| -> Option<Result<Copied, String>> {
        let target = index(name)?;
        let (to, zone) = (
            &table.columns[usize::from(target)].logical,
            rule.header.zone.as_deref(),
        );
        Some(match pair(&inner.source[from].1, to, zone) {
            Pair::Refuse(why) => Err(format!(
                "`{}` cannot become `{name}` of `{}`: {why}",
                inner.source[from].0, table.name
            )),
            pair => Ok(Copied {
                target,
                source: from,
                pair,
            }),
        })
    };
    let problem = |message: String| rule.problem("missing_profile", Diagnostic::error(message));
    let decl = rule.header.ids.iter().find(|decl| decl.is_profiles());
    let legacy = decl
        .and_then(|decl| decl.legacy.as_deref())
        .unwrap_or_default();
    let legacy = match copied(legacy, key) {
        Some(Ok(copied)) => copied,
        Some(Err(why)) => return Err(problem(why)),
        None => {
            return Err(problem(format!(
                "`{}` has no column `{legacy}`",
                table.name
            )));
        }
    };
    let mut shared = Vec::new();
    if !rule.has.profile {
        for name in PROFILE_COLUMNS {
            match source(name).and_then(|from| copied(name, from)) {
                Some(Ok(copied)) => shared.push(copied),
                Some(Err(why)) => return Err(problem(why)),
                None => {}
            }
        }
    }
    let kind = rule.header.target.rsplit('.').next().unwrap_or_default();
    Ok(Make {
        entity: decl.map(|decl| decl.entity.clone()).unwrap_or_default(),
        email: index("email").zip(source("email")),
        kind: index("profile_type").map(|at| (at, kind.trim_end_matches('s').to_owned())),
        legacy,
        shared,
        table,
    })
}

impl Judge {
    /// The profile as `profile(row)` says, or of the columns that both sides have.
    pub(super) fn profile(
        &mut self,
        plan: &Make,
        id: Uuid,
        rows: &Arc<Rows>,
        row: usize,
    ) -> Result<OutRow, Said> {
        let bound = Arc::clone(&self.bound);
        let zone = bound.rule.header.zone.as_deref();
        let made = if bound.rule.has.profile {
            Some(self.program.profile(rows, row)?)
        } else {
            None
        };
        let mut cells = Encoder::new(&plan.table);
        let misfit = |name: &str, misfit: crate::value::Misfit| {
            refuse(
                Stage::Fit,
                misfit.code,
                format!("column `{name}` of `{}`: {}", plan.table.name, misfit.why),
            )
        };
        for (name, value) in made.iter().flat_map(Made::entries) {
            let column = plan.table.column(name).zip(plan.table.index(name));
            let own = plan.table.id_column().is_some_and(|id| id.name == name);
            let Some((column, at)) = column.filter(|(column, _)| !own && !column.generated) else {
                let place = self.program.key_place("profile", name);
                let name = self.program.shown_name(name).to_owned();
                let message = format!(
                    "`{name}` is not a column of `{}` that can be written",
                    plan.table.name
                );
                let known = plan.table.columns.iter().map(|c| c.name.as_str());
                let problem = Diagnostic::error(message).at(place);
                return Err(self.program.fault(suggest(problem, &name, known)));
            };
            cells
                .value(at as u16, value, column, zone)
                .map_err(|m| misfit(name, m))?;
        }
        if made.is_none() {
            let address = plan
                .email
                .and_then(|(at, from)| Some((at, address_of(&text(rows, row, from)?)?)));
            let texts = address.into_iter().chain(plan.kind.clone());
            for (at, value) in texts {
                let column = &plan.table.columns[usize::from(at)];
                cells
                    .scalar(at, &Scalar::Text(value), column, None)
                    .map_err(|m| misfit(&column.name, m))?;
            }
        }
        for copied in plan.shared.iter().chain([&plan.legacy]) {
            if !cells.has(copied.target) {
                let column = &plan.table.columns[usize::from(copied.target)];
                cells
                    .copy(copied, rows, row, &bound.source[copied.source], column)
                    .map_err(|(stage, misfit)| refuse(stage, misfit.code, misfit.why))?;
            }
        }
        let (set, line) = cells.line();
        Ok(OutRow { id, set, line })
    }
}
