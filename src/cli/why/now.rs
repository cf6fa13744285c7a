//! The source row of a story as it stands now, and what the rule's text of now says about it. The
//! manifest keeps neither values nor the codes of rows that went over or stayed behind.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};
use tokio::runtime::Handle;
use uuid::Uuid;

use crate::config::Config;
use crate::db::{Role, Session};
use crate::diagnostic::Diagnostic;
use crate::plan::{Known, Step};
use crate::row::{Key, Rows, Verdict};
use crate::rule::Rule;
use crate::script::STACK_BYTES;
use crate::source::{PageError, Source};

/// What stands for a value that is not public.
const MASK: &str = "••••";

/// One source row, read again.
#[derive(Debug, Serialize)]
pub(super) struct Now {
    /// By column: the value, the mask of one that is not public, or null.
    pub(super) values: Map<String, Value>,
    /// `write`, `skip` or `reject`.
    pub(super) verdict: &'static str,
    /// Code of the skip or reject, or of the notes.
    pub(super) codes: Vec<String>,
}

/// Reads the row with this key; `None` when the source has none, or the rule's `where` leaves it out.
pub(super) async fn now(
    config: &Config,
    rule: &Arc<Rule>,
    key: &str,
) -> Result<Option<Now>, Vec<Diagnostic>> {
    let (config, rule, key) = (config.clone(), Arc::clone(rule), key.to_owned());
    let runtime = Handle::current();
    let (done, finished) = tokio::sync::oneshot::channel();
    // a rule gets a stack of its own; its values do not cross threads
    std::thread::Builder::new()
        .name("why".into())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            let _ = done.send(read(&config, &runtime, &rule, &key));
        })
        .map_err(|error| Diagnostic::error(format!("cannot start a thread: {error}")))?;
    finished
        .await
        .map_err(|_| Diagnostic::error("the rule ended in the middle"))?
}

fn read(
    config: &Config,
    runtime: &Handle,
    rule: &Arc<Rule>,
    key: &str,
) -> Result<Option<Now>, Vec<Diagnostic>> {
    let Some(key) = Key::parse(key, rule.header.key.len()) else {
        return Err(Diagnostic::error("the key has other parts than the rule's").into());
    };
    let fetched = async {
        let source = Source::open(config.source()?).await;
        let mut source = source.map_err(Diagnostic::from)?;
        let target = Session::open(config.target()?, Role::TargetReader).await;
        let mut target = target.map_err(Diagnostic::from)?;
        let namespace = config.namespace.unwrap_or(Uuid::nil());
        let mut step =
            Step::prepare(Arc::clone(rule), source.session(), &mut target, namespace).await?;
        let page = source
            .page_of_keys(&step.query, std::slice::from_ref(&key))
            .await;
        let (rows, keys) = page.map_err(|error| match error {
            PageError::Db(error) => Diagnostic::from(error),
            PageError::Unbalanced { .. } => {
                Diagnostic::error("`from` repeats or loses this row: `runner check` says more")
            }
        })?;
        let known = Known::default();
        let answers = step
            .wants
            .fetch(&rows, source.session(), &mut target, &known);
        let answers = answers.await.map_err(Diagnostic::from)?;
        source.close().await;
        target.close().await;
        Ok::<_, Vec<Diagnostic>>((step, rows, keys, answers))
    };
    let (step, rows, keys, answers) = runtime.block_on(fetched)?;
    let Some(key) = keys.first() else {
        return Ok(None);
    };
    let rows = Arc::new(rows);
    let judged = step.bound.judge()?.judge(&rows, 0, key, &Arc::new(answers));
    let (verdict, codes) = match judged.verdict {
        Verdict::Write(_) => ("write", judged.notes.into_iter().map(|n| n.code).collect()),
        Verdict::Skip(code) => ("skip", vec![code]),
        Verdict::Reject(reject) => ("reject", vec![reject.code]),
    };
    Ok(Some(Now {
        values: values(&step, &rows),
        verdict,
        codes,
    }))
}

/// Keys are shown everywhere, other columns when the rule says so.
fn values(step: &Step, rows: &Rows) -> Map<String, Value> {
    let header = &step.rule.header;
    let names = step.query.columns.iter().map(|(name, _)| name);
    names
        .enumerate()
        .map(|(at, name)| {
            let is_shown = header.public.contains(name) || header.key.contains(name);
            let value = match rows.text(0, at) {
                None => Value::Null,
                Some(Ok(text)) if is_shown => text.into_owned().into(),
                Some(Err(_)) if is_shown => "bytes that are not UTF-8".into(),
                Some(_) => MASK.into(),
            };
            (name.clone(), value)
        })
        .collect()
}
