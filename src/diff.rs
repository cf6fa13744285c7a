//! What an edit of a rule changes: the earlier and the edited rule on the same source rows, both as they
//! would be written now. Reads both databases and writes nothing.

mod earlier;
mod halves;
mod tally;

use std::sync::Arc;

use tokio::runtime::Handle;

use crate::config::Config;
use crate::diagnostic::Diagnostic;
use crate::rule::Rule;
use crate::script::STACK_BYTES;

pub use earlier::{Earlier, earlier};
pub use tally::{CodeCount, Example, FieldChange, Flip, Tally};

/// Compares `rule` with an earlier text of it, on all source rows or on `sample` of them, evenly spread over
/// the table in key order.
pub async fn compare(
    config: &Config,
    earlier: Arc<Rule>,
    rule: Arc<Rule>,
    sample: Option<u64>,
) -> Result<Tally, Vec<Diagnostic>> {
    if earlier.header.base != rule.header.base || earlier.header.key != rule.header.key {
        return Err(Diagnostic::error(
            "the two rules read other tables, or name their rows by other keys, so no row can be compared",
        )
        .into());
    }
    if earlier.header.target != rule.header.target {
        return Err(Diagnostic::error("the two rules fill different tables").into());
    }
    let (config, runtime) = (config.clone(), Handle::current());
    let (done, finished) = tokio::sync::oneshot::channel();
    // scripts get a stack of their own; their values do not cross threads
    let work = move || {
        let compared = halves::compare(&config, &runtime, earlier, rule, sample);
        let _ = done.send(compared);
    };
    std::thread::Builder::new()
        .name("diff".into())
        .stack_size(STACK_BYTES)
        .spawn(work)
        .map_err(|error| Diagnostic::error(format!("cannot start a thread: {error}")))?;
    finished
        .await
        .map_err(|_| Diagnostic::error("the comparison ended in the middle"))?
}
