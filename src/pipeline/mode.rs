//! What to do with a table: begin, go on, look for new keys, or nothing.

use std::sync::Arc;

use super::{Options, RunError, World};
use crate::diagnostic::Diagnostic;
use crate::row::Key;
use crate::rule::Rule;
use crate::state::{Account, Span};

/// The way a table is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// From the first key, as this pass.
    Fresh(i64),
    /// What is missing of this pass.
    Resume(i64),
    /// Complete: only keys that no manifest knows.
    Sweep(i64),
    /// Complete, but decided by another version of the rule.
    Changed,
    /// Outside the account.
    Trial,
    /// Complete: only what is in quarantine.
    Retry(i64),
    /// Not complete, or not begun: nothing to retry yet.
    Unfinished,
}

/// Decides by the account and what was asked for.
pub(super) fn of(account: &Account, rule: &Rule, options: &Options) -> Mode {
    // a retry judges some rows by an edited rule; what decided all others still stands
    let same = account.decided_fp == rule.fingerprints.transform;
    let named = |rules: &[String]| rules.contains(&rule.name);
    let released = options.sync.as_ref().is_some_and(|s| !named(&s.rules));
    if options.retry.is_some() || released {
        if account.done {
            Mode::Retry(account.pass)
        } else {
            Mode::Unfinished
        }
    } else if options.limit.is_some() || options.row.is_some() {
        Mode::Trial
    } else if options.sync.is_some() && account.done && !same {
        Mode::Changed
    } else if options.sync.is_some() && (account.done || !account.syncing) {
        // a table that is half done is read from its beginning too: the source may have changed there
        Mode::Fresh(account.pass + 1)
    } else if account.pass == 0 || options.restart {
        Mode::Fresh(account.pass + 1)
    } else if !account.done {
        Mode::Resume(account.pass)
    } else if same {
        Mode::Sweep(account.pass)
    } else {
        Mode::Changed
    }
}

/// Rules whose *transform* changed in the middle of their table: half a table by one rule and half by
/// another is what nobody meant, unless they say so.
pub(super) async fn refusals(
    world: &mut World<'_>,
    rules: &[Arc<Rule>],
    exists: bool,
) -> Result<Vec<Diagnostic>, RunError> {
    let mut refused = Vec::new();
    if !exists || world.options.accept_rule_change {
        return Ok(refused);
    }
    for rule in rules {
        let account = world.state.account(&mut world.target, &rule.name).await?;
        let changed = account.decided_fp != rule.fingerprints.transform;
        let mode = of(&account, rule, world.options);
        let begun = world.options.sync.is_some() && account.pass > 0 && !account.done;
        if changed && (matches!(mode, Mode::Resume(_)) || begun && mode != Mode::Unfinished) {
            let c = account.counts;
            refused.push(
                Diagnostic::error(format!(
                    "the rule `{}` changed since its table was begun",
                    rule.name
                ))
                .at(crate::diagnostic::Place::file(
                    rule.path.display().to_string(),
                ))
                .note(format!(
                    "{} of {} base rows are done by the version before; nothing was written now",
                    c.base, account.base_now
                ))
                .hint("go on with the new version for the rest: --accept-rule-change")
                .hint("read everything again with the new version: --restart"),
            );
        }
    }
    Ok(refused)
}

/// A stretch of keys that is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    /// Number of its first chunk.
    pub(super) no: i64,
    /// Exclusive.
    pub(super) lo: Option<Key>,
    /// Inclusive; `None` = to the end.
    pub(super) hi: Option<Key>,
}

/// What the committed ranges leave open, in key order. With several writers a later chunk may be
/// there while an earlier one is not: chunks are followed from hi to lo, and where the chain breaks, up to
/// the next chunk that is there, is a gap. All pieces of a gap get the number of its first missing chunk,
/// so that number, then id, still orders them should the run end again in between.
pub(super) fn gaps(spans: &[Span]) -> Vec<Gap> {
    let mut open: Vec<&Span> = spans.iter().collect();
    let mut at: Option<Key> = None;
    let mut no = 0;
    let mut gaps = Vec::new();
    loop {
        if let Some(next) = open.iter().position(|span| span.lo == at) {
            let span = open.remove(next);
            at.clone_from(&span.hi);
            no = no.max(span.no);
            continue;
        }
        let Some(island) = (!open.is_empty()).then(|| open[0]) else {
            break;
        };
        gaps.push(Gap {
            no: no + 1,
            lo: at.clone(),
            hi: island.lo.clone(),
        });
        at.clone_from(&island.lo);
    }
    let last = spans.iter().map(|span| span.no).max().unwrap_or(0);
    gaps.push(Gap {
        no: last + 1,
        lo: at,
        hi: None,
    });
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(no: i64, lo: Option<&str>, hi: &str) -> Span {
        Span {
            no,
            lo: lo.map(Key::single),
            hi: Some(Key::single(hi)),
        }
    }

    fn gap(no: i64, lo: Option<&str>, hi: Option<&str>) -> Gap {
        Gap {
            no,
            lo: lo.map(Key::single),
            hi: hi.map(Key::single),
        }
    }

    #[test]
    fn a_chain_leaves_only_the_tail() {
        assert_eq!(gaps(&[]), [gap(1, None, None)]);
        assert_eq!(
            gaps(&[span(1, None, "10"), span(2, Some("10"), "20")]),
            [gap(3, Some("20"), None)]
        );
    }

    #[test]
    fn a_missing_chunk_is_a_gap_and_its_pieces_close_it() {
        let mut spans = vec![
            span(1, None, "10"),
            span(3, Some("20"), "30"),
            span(4, Some("30"), "40"),
        ];
        assert_eq!(
            gaps(&spans),
            [gap(2, Some("10"), Some("20")), gap(5, Some("40"), None)]
        );
        // a piece of the gap landed, the run ended again
        spans.insert(1, span(2, Some("12"), "14"));
        assert_eq!(
            gaps(&spans),
            [
                gap(2, Some("10"), Some("12")),
                gap(3, Some("14"), Some("20")),
                gap(5, Some("40"), None)
            ]
        );
    }
}
