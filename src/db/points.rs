//! Every point at which a test can kill or fail the program, in the order in which a command comes by them.
//!
//! `tests/struck.rs` holds the list against the sources, and drives all commands over each of them.

/// Name and what has just been done, or is about to be.
pub const POINTS: &[(&str, &str)] = &[
    // the doors: every wait of every session comes by them
    ("source.connect", "about to connect to the source"),
    ("source.ask", "about to send something to the source"),
    (
        "source.answered",
        "the source has done it; its answer may be lost",
    ),
    (
        "reader.connect",
        "about to connect to the target for reading",
    ),
    ("reader.ask", "about to send a question to the target"),
    (
        "reader.answered",
        "the target has answered it; the answer may be lost",
    ),
    (
        "writer.connect",
        "about to connect to the target for writing",
    ),
    ("writer.ask", "about to send a statement that may write"),
    (
        "writer.answered",
        "the target has done it; its answer may be lost",
    ),
    // a run as a whole
    ("run.claimed", "the run row is committed, no table is begun"),
    (
        "gate.before",
        "about to look at a table before its rows are moved",
    ),
    ("segment.begin", "a segment is written, not committed"),
    (
        "segment.open",
        "a segment is committed, no row of it is read",
    ),
    (
        "gate.after",
        "all rows of a table are through, the table is not closed",
    ),
    (
        "segment.close",
        "a table is marked as through, not committed",
    ),
    (
        "run.seal",
        "all tables are through, the run has no hash yet",
    ),
    (
        "run.finish",
        "the run has its hash, and is still called running",
    ),
    // a chunk
    ("page.read", "its rows are read"),
    ("page.lookups", "ids and lookups are there"),
    ("script.judged", "the script has judged them"),
    ("chunk.begin", "about to open its transaction"),
    ("chunk.fenced", "the transaction is open and fenced"),
    ("chunk.adopted", "what becomes of each row is known"),
    ("chunk.rows", "rows are written"),
    ("chunk.state", "ledger, manifest and quarantine are written"),
    ("chunk.before_commit", "its turn to commit has come"),
    ("chunk.commit", "COMMIT is on its way"),
    ("chunk.after_commit", "COMMIT is answered"),
    ("chunk.marker", "the ledger line was read back"),
    (
        "chunk.guilty",
        "about to look for the rows that the target refuses",
    ),
    (
        "second.settle",
        "about to give rows of a table that refers to itself their parents",
    ),
    // what the other commands have of their own
    ("sweep.keys", "keys that no manifest knows are found"),
    ("retry.due", "the rows that are due are known"),
    ("sync.remember", "what was written before is known"),
    (
        "sync.compare",
        "all rows are through, withdrawn ones are not looked for",
    ),
    (
        "sync.standing",
        "withdrawn rows are known, not written down",
    ),
    ("sync.withdraw", "about to remove withdrawn rows"),
    (
        "sync.again",
        "about to judge rows again that found their place taken",
    ),
    ("undo.sorted", "which rows go and which stay is known"),
    ("undo.removed", "rows are removed, others not yet restored"),
    ("undo.close", "a table is taken back, not committed"),
    ("verify.snapshot", "both databases are seen at one moment"),
    ("verify.compared", "a chunk is compared"),
    ("verify.table", "a table is through"),
    ("record.commit", "findings are written, not committed"),
    (
        "report.gathered",
        "everything for a report is read, no file is there",
    ),
    ("accept.commit", "an acceptance is written, not committed"),
    ("export.table", "a table of the state is exported"),
    ("purge.commit", "the state is removed, not committed"),
];

/// Faults of a build, not of a machine: what they do has to be found by a gate, by `verify` or by the model.
pub const MUTANTS: &[(&str, &str)] = &[
    ("mutant.drop_last", "loses the last row of a chunk"),
    ("mutant.twice", "writes a row twice"),
    ("mutant.ignore_column", "writes NULL into a column"),
    ("mutant.sql", "runs any statement beside the rows"),
    (
        "mutant.unfenced",
        "writes although another run took over, under numbers of its own",
    ),
    (
        "mutant.unsteady",
        "derives another value when a row is derived again",
    ),
    ("mutant.skip_compare", "compares no cells"),
    ("mutant.only_count", "compares numbers of rows only"),
];
