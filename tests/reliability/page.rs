//! `docs/reliability.md`, made from the faults and their tests. After a change, `RUNNER_TEST_BLESS=1` writes it anew.

use std::collections::BTreeMap;
use std::path::Path;

/// What is promised, and how it is shown; above the table.
const HEAD: &str = include_str!("head.md");

/// A fault, and what is expected.
struct Fault {
    number: usize,
    what: &'static str,
    expected: &'static str,
    /// Tests elsewhere that look at more of it, `file::name`.
    more: &'static [&'static str],
}

const fn fault(
    number: usize,
    what: &'static str,
    expected: &'static str,
    more: &'static [&'static str],
) -> Fault {
    Fault {
        number,
        what,
        expected,
        more,
    }
}

const FAULTS: &[Fault] = &[
    fault(
        1,
        "SIGKILL at any point: before the first write, while reading, in COPY, around COMMIT, in `verify`, in `report`",
        "the same command ends in the target of an undisturbed run; nothing twice, nothing lost; a report is there whole or not at all",
        &[
            "kill::a_killed_run_resumes_to_the_target_of_an_undisturbed_one",
            "kill::every_step_can_be_killed_or_fail_and_a_lost_commit_is_found_out",
            "verify_resume::a_killed_verification_goes_on_to_the_findings_of_an_undisturbed_one",
            "undo::kills::a_killed_undo_goes_on_to_the_end_of_an_undisturbed_one",
            "struck::a_command_that_is_struck_anywhere_ends_as_if_nobody_had_disturbed_it",
            "model::random_histories_leave_on_the_database_what_the_model_says",
        ],
    ),
    fault(
        2,
        "A database restarts, crashes or ends a session in the middle of a COPY (57P01, 57P02, 57P03)",
        "no row of that chunk is there; a writer connects again and sends it again; where a session that reads is gone, exit 1, and the same command goes on",
        &[
            "supabase_faults::a_password_that_is_changed_during_a_run_ends_it_without_a_second_knock",
        ],
    ),
    fault(
        3,
        "A connection is cut at any byte, goes mute at any question, or is half open",
        "every command ends in a bounded time, with exit code 1 and the reason; the same command goes on",
        &["errors::a_host_that_refuses_or_never_answers_is_given_up_within_the_limit"],
    ),
    fault(
        4,
        "The reply to COMMIT is lost, whether the server committed or not",
        "the chunk's line in the ledger says which; nobody has to run anything again",
        &["kill::every_step_can_be_killed_or_fail_and_a_lost_commit_is_found_out"],
    ),
    fault(
        5,
        "A serialization failure, a deadlock, a lock that somebody holds (40001, 40P01, 55P03)",
        "the whole transaction again, with growing pauses, for half of `STATEMENT_TIMEOUT`; then exit 1. A question of `verify` is not asked again: exit 1 after the wait for the lock",
        &["writers::the_lowest_key_wins_with_any_number_of_writers"],
    ),
    fault(
        6,
        "A statement runs into a limit or is cancelled (57014), a silent transaction is ended (25P03)",
        "the chunk again, never a part of it; one that can never fit ends with exit 1 and the advice to take fewer rows at a time. It is not split: chunks are lines of the ledger",
        &["supabase_faults::a_project_that_turns_read_only_or_cancels_a_statement_loses_nothing"],
    ),
    fault(
        7,
        "No room on the target's disk (53100), no connection left (53300)",
        "waited for and tried again; before the first write exit 5 with what a run needs, later exit 1 with whole chunks, and the same command goes on. The poolers' own words for it (`EMAXCONN…`) are only held by a unit test: there is no such pooler here",
        &[
            "supabase::doors::a_role_with_few_connections_is_told_what_a_run_needs_and_gets_along_with_four",
        ],
    ),
    fault(
        8,
        "The target is read-only from the start, or turns so (25006)",
        "exit 1 with advice before the first write, or after whole chunks; never made writable by us",
        &["supabase_faults::a_project_that_turns_read_only_or_cancels_a_statement_loses_nothing"],
    ),
    fault(
        9,
        "Two runs at once; a process that was stopped, taken over, and wakes up",
        "the second one waits ten seconds and is refused by name; the one that wakes up writes nothing",
        &[
            "quarantine::nothing_is_decided_while_a_run_is_active",
            "state::a_living_run_keeps_its_state_and_so_does_what_others_hung_on_it",
            "fenced::the_chunk_of_a_run_that_took_over_is_not_taken_for_ones_own",
            "fenced::who_was_taken_over_neither_begins_nor_ends_a_table",
        ],
    ),
    fault(
        10,
        "Clocks that jump by days, a client and servers in other time zones",
        "no effect; times in the state are the target server's. Servers' own clocks were not moved",
        &[],
    ),
    fault(
        11,
        "Source rows added, changed and removed under a run",
        "a run sees one moment; `verify` names what changed since, `sync` carries it over",
        &["sync::changes_are_carried_over_and_a_second_sync_writes_nothing"],
    ),
    fault(
        12,
        "The rule, the source's or the target's shape changes between a run and its resume",
        "exit 5 with the name of what changed, before anything is written",
        &[
            "edit::a_resume_after_an_edit_of_the_transform_is_refused_until_it_is_accepted",
            "edit::a_resume_after_an_edit_in_the_library_is_refused",
        ],
    ),
    fault(
        13,
        "The state is damaged, truncated, lost, or of another source",
        "refused before a row is written, exit 1 or 5; `runner state purge` and a run make it again from the rows, which stay as they are",
        &[
            "errors::a_state_of_a_newer_version_is_refused_and_left_alone",
            "errors::a_state_of_another_namespace_is_refused_and_left_alone",
            "recheck::an_edited_ledger_line_is_named",
        ],
    ),
    fault(
        14,
        "Somebody edited a target row between two commands",
        "never overwritten: a conflict, and a difference that `verify` names",
        &["undo::kept::an_edited_row_stays_and_is_named"],
    ),
    fault(
        15,
        "NUL, bytes that are no UTF-8, lone surrogates, `\\u0000` in jsonb",
        "that row in quarantine with its column, the rest of the chunk loads",
        &[
            "bisect::every_kind_of_refusal_says_what_refused",
            "hostile::bytes_that_are_no_text_are_quarantined_by_name_and_everything_else_arrives",
        ],
    ),
    fault(
        16,
        "NaN, what would be rounded or does not fit, infinity, years BC and beyond 294276, 24:00",
        "carried exactly, or in quarantine; no panic, no rounding",
        &[],
    ),
    fault(
        17,
        "Text that something on the way could take for something else: `\\N`, `\\.`, line ends, direction marks, combining characters, char(n)",
        "the same bytes on the other side",
        &[],
    ),
    fault(
        18,
        "Very large values, very wide and very long tables",
        "they arrive, in bounded memory",
        &[
            "memory::large_values_pass_through_postgres_in_little_memory",
            "memory::large_values_pass_through_sqlite_in_little_memory",
            "memory::a_long_table_is_not_kept_in_memory",
        ],
    ),
    fault(
        19,
        "Rows that exclude one another, e-mails that differ in case, references to nothing, to itself, in circles",
        "the lowest key wins with any number of writers, the others have a class",
        &[
            "accounts::a_row_may_refer_to_one_that_comes_later_and_a_circle_is_no_obstacle",
            "adoption::of_two_keys_with_one_nature_the_lower_wins_whatever_the_chunks",
        ],
    ),
    fault(
        20,
        "SQL, HTML, formulas, escape sequences, line ends of logs, script code, paths in rows and keys",
        "a text like others, everywhere",
        &[
            "quarantine::an_export_as_csv_has_no_formula_and_reads_back",
            "canary::a_canary_in_every_private_column_is_heard_nowhere",
        ],
    ),
    fault(
        21,
        "A script that loops, swells, recurses, or returns nonsense",
        "a fault of that row with its place; on every row, the rule's, exit 1; neither clock nor chance can be called",
        &[
            "diagnostics::an_endless_loop_is_stopped",
            "diagnostics::a_text_of_a_gigabyte_is_stopped_before_it_is_made",
        ],
    ),
    fault(
        22,
        "A target with other columns, generated ones, row level security, triggers",
        "exit 5 with a list, nothing written; effects outside the database are named",
        &[
            "check::the_shipped_rules_have_no_findings_and_every_change_of_the_target_is_exactly_one",
        ],
    ),
    fault(
        23,
        "A sequence behind the rows",
        "`verify` reports it, exit 4",
        &["verify::a_sequence_that_would_give_numbers_that_are_taken_is_found"],
    ),
    fault(
        24,
        "The server answers COMMIT with ROLLBACK",
        "found by reading the ledger line back; the chunk again",
        &[],
    ),
    fault(
        25,
        "A transaction pooler",
        "found out by asking, refused with exit 5",
        &[
            "supabase::doors::a_transaction_pooler_is_refused_by_every_command",
            "supabase_faults::through_a_transaction_pooler_the_drivers_defaults_get_somebody_elses_answers",
        ],
    ),
    fault(
        26,
        "Ctrl-C or SIGTERM, once and twice",
        "once: ends after the chunk in flight; twice: at once; exit 130, and the same command goes on",
        &[],
    ),
    fault(
        27,
        "No room or no place for a report, an export, the small files of a user",
        "exit 1, and nothing is claimed to be written; a run does not need them",
        &[],
    ),
    fault(
        28,
        "Power fails, and the role does not wait for the disk",
        "what was said to be committed is there: every transaction that writes says so itself",
        &[
            "supabase::durable::every_transaction_that_writes_is_durable_and_limited_whatever_the_role_says",
        ],
    ),
];

/// Every test function under `tests`, as `file::name`; a file in a folder is a module of it.
fn tests_there_are(folder: &Path, module: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_stem()
            .expect("a name")
            .to_str()
            .expect("a name")
            .to_owned();
        let inside = if module.is_empty() {
            name
        } else {
            format!("{module}::{name}")
        };
        if path.is_dir() {
            tests_there_are(&path, &inside, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&path).expect("a file");
            for part in text.split("#[test]\n").skip(1) {
                let line = part
                    .lines()
                    .find(|line| line.trim_start().starts_with("fn "));
                let name = line.and_then(|line| line.trim_start()[3..].split('(').next());
                found.extend(name.map(|name| format!("{inside}::{name}")));
            }
        }
    }
}

fn page() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut there = Vec::new();
    tests_there_are(&root.join("tests"), "", &mut there);
    let mut own: BTreeMap<usize, Vec<&String>> = BTreeMap::new();
    for test in there
        .iter()
        .filter(|test| test.starts_with("reliability::"))
    {
        let Some((_, name)) = test.split_once("::fault_") else {
            continue;
        };
        own.entry(name[..2].parse().expect("a number"))
            .or_default()
            .push(test);
    }
    let mut page = format!("{HEAD}\n| | Fault | Expected | Tests |\n|---|---|---|---|\n");
    for (at, fault) in FAULTS.iter().enumerate() {
        assert_eq!(fault.number, at + 1);
        let mut tests = own.remove(&fault.number).unwrap_or_default();
        assert!(
            !tests.is_empty(),
            "no test is named fault_{:02}_…",
            fault.number
        );
        tests.sort();
        let shown = |test: &String| format!("`{}`", test.trim_start_matches("reliability::"));
        let mut cells: Vec<String> = tests.into_iter().map(shown).collect();
        for more in fault.more {
            assert!(
                there.iter().any(|test| test == more),
                "there is no test {more}"
            );
            cells.push(format!("also `{more}`"));
        }
        let escaped = |text: &str| text.replace('|', "\\|");
        page.push_str(&format!(
            "| {} | {} | {} | {} |\n",
            fault.number,
            escaped(fault.what),
            escaped(fault.expected),
            cells.join("<br>")
        ));
    }
    assert!(
        own.is_empty(),
        "tests of faults that are not in the list: {own:?}"
    );
    page
}

#[test]
fn the_page_says_what_the_tests_are() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reliability.md");
    let page = page();
    if std::env::var_os("RUNNER_TEST_BLESS").is_some() {
        std::fs::write(&file, &page).expect("docs/reliability.md");
    }
    let there = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        there == page,
        "docs/reliability.md is stale: RUNNER_TEST_BLESS=1 writes it anew\n{page}"
    );
}
