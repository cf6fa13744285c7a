//! Both rules, side by side, over the same rows under one snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::runtime::Handle;
use uuid::Uuid;

use super::tally::{Cells, Counter, Outcome, Seen, Tally};
use crate::config::Config;
use crate::db::{Role, Session};
use crate::diagnostic::Diagnostic;
use crate::plan::{Known, Step};
use crate::row::{Judged, Key, Rows, Verdict};
use crate::rule::{Judge, Rule};
use crate::source::{PageError, PageQuery, Source};

/// Rows read at a time.
const PAGE_ROWS: u64 = 5_000;

/// One of the two rules with what it needs to judge rows.
struct Half {
    step: Step,
    judge: Judge,
}

struct Bench {
    source: Source,
    target: Session,
}

pub(super) fn compare(
    config: &Config,
    runtime: &Handle,
    earlier: Arc<Rule>,
    rule: Arc<Rule>,
    sample: Option<u64>,
) -> Result<Tally, Vec<Diagnostic>> {
    let open = async {
        let mut source = Source::open(config.source()?).await?;
        let target = Session::open(config.target()?, Role::TargetReader).await?;
        source.snapshot().await?;
        Ok::<_, Diagnostic>(Bench { source, target })
    };
    let mut bench = runtime.block_on(open)?;
    let namespace = config.namespace.unwrap_or(Uuid::nil());
    let mut counter = Counter::new(rule.header.public.clone());
    let mut old = bench.half(runtime, earlier, namespace)?;
    let mut new = bench.half(runtime, rule, namespace)?;
    if let Some(sample) = sample {
        let keys = runtime.block_on(bench.spread(&new.step.query, sample))?;
        for keys in keys.chunks(PAGE_ROWS as usize) {
            let before = bench.of_keys(runtime, &mut old, keys)?;
            let after = bench.of_keys(runtime, &mut new, keys)?;
            count(&mut counter, keys, before, after);
        }
    } else {
        let mut after_key: Option<Key> = None;
        loop {
            let query = base_only(&new.step.query);
            let keys = runtime
                .block_on(
                    bench
                        .source
                        .keys_between(&query, after_key.as_ref(), None, PAGE_ROWS),
                )
                .map_err(Diagnostic::from)?;
            let Some(last) = keys.last().cloned() else {
                break;
            };
            let before = bench.of_range(runtime, &mut old, after_key.as_ref(), &last)?;
            let after = bench.of_range(runtime, &mut new, after_key.as_ref(), &last)?;
            count(&mut counter, &keys, before, after);
            after_key = Some(last);
        }
    }
    runtime.block_on(async {
        bench.source.close().await;
        bench.target.close().await;
    });
    Ok(counter.finish())
}

/// The base's own keys, whatever the rule reads of it.
fn base_only(query: &PageQuery) -> PageQuery {
    PageQuery {
        condition: None,
        from: None,
        ..query.clone()
    }
}

/// Rows in the order of `keys`; one that only one of the rules reads is not read by the other, and one that
/// neither reads does not count.
fn count(
    counter: &mut Counter,
    keys: &[Key],
    mut before: HashMap<Key, Seen>,
    mut after: HashMap<Key, Seen>,
) {
    let not_read = || Seen {
        outcome: Outcome::NotRead,
        notes: vec![],
    };
    for key in keys {
        let (before, after) = (before.remove(key), after.remove(key));
        if before.is_some() || after.is_some() {
            let (before, after) = (
                before.unwrap_or_else(not_read),
                after.unwrap_or_else(not_read),
            );
            counter.row(key, &before, &after);
        }
    }
}

impl Bench {
    fn half(
        &mut self,
        runtime: &Handle,
        rule: Arc<Rule>,
        namespace: Uuid,
    ) -> Result<Half, Vec<Diagnostic>> {
        let session = self.source.session();
        let step = runtime.block_on(Step::prepare(rule, session, &mut self.target, namespace))?;
        let judge = step.bound.judge()?;
        Ok(Half { step, judge })
    }

    /// About `sample` keys of the base, evenly spread.
    async fn spread(&mut self, query: &PageQuery, sample: u64) -> Result<Vec<Key>, Diagnostic> {
        let query = base_only(query);
        let (all, _) = self.source.counts(&query).await?;
        let every = (all / sample.max(1)).max(1);
        let (mut chosen, mut passed, mut after) = (Vec::new(), 0, None);
        while (chosen.len() as u64) < sample {
            let keys = self
                .source
                .keys_between(&query, after.as_ref(), None, PAGE_ROWS)
                .await?;
            let Some(last) = keys.last().cloned() else {
                break;
            };
            for key in keys {
                if passed % every == 0 && (chosen.len() as u64) < sample {
                    chosen.push(key);
                }
                passed += 1;
            }
            after = Some(last);
        }
        Ok(chosen)
    }

    fn of_keys(
        &mut self,
        runtime: &Handle,
        half: &mut Half,
        keys: &[Key],
    ) -> Result<HashMap<Key, Seen>, Vec<Diagnostic>> {
        let (rows, keys) = runtime
            .block_on(self.source.page_of_keys(&half.step.query, keys))
            .map_err(unreadable)?;
        let mut seen = HashMap::new();
        self.judge(runtime, half, rows, keys, &mut seen)?;
        Ok(seen)
    }

    fn of_range(
        &mut self,
        runtime: &Handle,
        half: &mut Half,
        lo: Option<&Key>,
        hi: &Key,
    ) -> Result<HashMap<Key, Seen>, Vec<Diagnostic>> {
        let (mut seen, mut after) = (HashMap::new(), lo.cloned());
        loop {
            let page = runtime
                .block_on(self.source.next_page(
                    &half.step.query,
                    after.as_ref(),
                    Some(hi),
                    PAGE_ROWS,
                ))
                .map_err(unreadable)?;
            let Some(page) = page else {
                return Ok(seen);
            };
            self.judge(runtime, half, page.rows, page.keys, &mut seen)?;
            after = Some(page.hi);
        }
    }

    fn judge(
        &mut self,
        runtime: &Handle,
        half: &mut Half,
        rows: Rows,
        keys: Vec<Key>,
        seen: &mut HashMap<Key, Seen>,
    ) -> Result<(), Vec<Diagnostic>> {
        let known = Known::default();
        let fetch = half
            .step
            .wants
            .fetch(&rows, self.source.session(), &mut self.target, &known);
        let answers = Arc::new(runtime.block_on(fetch).map_err(Diagnostic::from)?);
        let rows = Arc::new(rows);
        for (row, key) in keys.into_iter().enumerate() {
            let is_broken = rows.fault_of(row).is_some();
            let judged = if is_broken {
                Seen {
                    outcome: Outcome::Reject("bad_value".to_owned()),
                    notes: vec![],
                }
            } else {
                let judged = half.judge.judge(&rows, row, &key, &answers);
                as_seen(&half.step, judged)
            };
            seen.insert(key, judged);
        }
        Ok(())
    }
}

fn as_seen(step: &Step, judged: Judged) -> Seen {
    let table = step.bound.target();
    let outcome = match judged.verdict {
        Verdict::Skip(code) => Outcome::Skip(code),
        Verdict::Reject(reject) => Outcome::Reject(reject.code),
        Verdict::Write(rows) => Outcome::Write(
            rows.iter()
                .map(|row| {
                    let cells = row.set.iter().filter_map(|at| {
                        let name = table.columns.get(usize::from(*at))?.name.clone();
                        Some((name, row.cell(*at)?.map(<[u8]>::to_vec)))
                    });
                    (row.id, cells.collect::<Cells>())
                })
                .collect(),
        ),
    };
    let mut notes: Vec<String> = judged.notes.into_iter().map(|note| note.code).collect();
    notes.sort();
    Seen { outcome, notes }
}

fn unreadable(error: PageError) -> Vec<Diagnostic> {
    match error {
        PageError::Db(error) => Diagnostic::from(error).into(),
        other @ PageError::Unbalanced { .. } => Diagnostic::error(other.to_string())
            .hint("`runner check` says more")
            .into(),
    }
}
