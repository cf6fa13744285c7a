//! What still counts. The ledger only grows: a run that was taken back stays in it, and so do the lines that
//! take it back. These conditions leave out both.

use crate::state::State;

impl State {
    /// A condition on a table with `rule` and `run_id`, under this alias: the run was taken back there.
    pub fn taken_back(self, alias: &str) -> String {
        format!(
            "exists (select 1 from {} undo where undo.kind = 'undo' and undo.complete = 1 and undo.rule = {alias}.rule \
             and undo.snapshot = 'run ' || {alias}.run_id)",
            self.table("segment")
        )
    }

    /// A condition on `segment` under this alias: it counts in its table's account.
    pub fn live_segment(self, alias: &str) -> String {
        format!(
            "({alias}.accounted = 1 and {alias}.kind <> 'undo' and not {})",
            self.taken_back(alias)
        )
    }

    /// A condition on `chunk` under this alias: it counts in its table's account. Also true in the middle
    /// of an undo, which ends with one line per chunk.
    pub fn live_chunk(self, alias: &str) -> String {
        format!("({alias}.accounted = 1 and {})", self.standing_chunk(alias))
    }

    /// The same for chunks outside the account as well: trials, and what hooks wrote.
    pub(super) fn standing_chunk(self, alias: &str) -> String {
        format!(
            "({alias}.kind not in ('undo', 'undoing') and not exists (select 1 from {} undo where undo.rule = {alias}.rule \
             and undo.pass = {alias}.pass and undo.no = {alias}.no and undo.kind = 'undo' and undo.lo = '[\"' || {alias}.id || '\"]'))",
            self.table("chunk")
        )
    }
}
