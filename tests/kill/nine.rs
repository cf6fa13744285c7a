//! All nine tables at once, with the old scripts' tracking tables: killed anywhere and resumed, the target,
//! the quarantine and both tracking tables are those of a run that nobody disturbed; and in a shape that is
//! not known the tracking tables are not touched, whenever the kill comes.
//!
//! A few kills here; `tests/long` sets `RUNNER_TEST_KILLS_NINE` and has two rounds of so many.

use std::collections::BTreeSet;
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

use super::STEPS;
use super::driver::{End, Fault, Outcome, progress, strike};
use crate::support::{Db, Engine, Project, Random};

const SCALE: &str = "0.01";

/// Each table with the column that keeps the old key. A row of order_cases has no key of its own, so no
/// mapping either.
const TABLES: &[(&str, &str)] = &[
    ("brackets", "legacy_bracket_id"),
    ("message_attachments", "legacy_attachment_id"),
    ("order_cases", ""),
    ("purchases", "legacy_purchase_id"),
    ("technician_roles", "legacy_role_id"),
    ("technicians", "legacy_technician_id"),
    ("template_view_groups", "legacy_junction_id"),
    ("template_view_roles", "legacy_junction_id"),
    ("treatment_discussions", "legacy_comment_id"),
];
/// What no rule sets.
const VOLATILE: &[&str] = &[
    "updated_at",
    "brackets.created_at",
    "template_view_groups.created_at",
    "template_view_roles.created_at",
];

/// The other shapes that live databases have under these names, with a line of somebody's in each.
const FOREIGN: &[(&str, &str)] = &[
    (
        "migration_mappings",
        "drop table migration_mappings;
         create table migration_mappings(entity_type varchar(100), legacy_id integer, modern_id uuid, migrated_at timestamptz,
            migration_batch varchar(100), primary key (entity_type, legacy_id));
         insert into migration_mappings values ('brackets', 1, 'aaaaaaaa-0000-4000-8000-000000000001', '2024-01-01', 'b1')",
    ),
    (
        "migration_mappings",
        "drop table migration_mappings;
         create table migration_mappings(legacy_table varchar(100), legacy_id integer, target_id uuid, migrated_at timestamptz,
            migration_batch varchar(100), primary key (legacy_table, legacy_id));
         insert into migration_mappings values ('dispatch_bracket', 1, 'aaaaaaaa-0000-4000-8000-000000000001', '2024-01-01', 'b1')",
    ),
    (
        "migration_control",
        "drop table migration_control;
         create table migration_control(id uuid primary key default gen_random_uuid(), script_name text not null,
            operation_type text, status text, started_at timestamptz, completed_at timestamptz, records_processed integer);
         insert into migration_control(script_name, operation_type, status) values ('brackets.ts', 'insert', 'running')",
    ),
];

fn arguments(writers: &str) -> Vec<&str> {
    vec!["run", "--batch-rows", "37", "--writers", writers]
}

fn fresh() -> Project {
    static SEEDED: OnceLock<(Db, Db)> = OnceLock::new();
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let (source, target) =
        SEEDED.get_or_init(|| Project::demo(SCALE, Engine::Postgres).into_databases());
    let _turn = ONE_AT_A_TIME.lock();
    Project::over(source, target.copy())
}

fn outcome(project: &Project, code: i32) -> Outcome {
    let tables: Vec<&str> = TABLES.iter().map(|(table, _)| *table).collect();
    Outcome::with_volatile(project, code, &tables, VOLATILE)
}

/// A moment of the run: anywhere in it, and more often in the middle of a table than at its ends.
fn anywhere(random: &mut Random, chunks: i64) -> Fault {
    if random.below(3) == 0 {
        return Fault::Time {
            chunks: 1 + random.below(chunks as u64 / 2) as i64,
            micros: random.below(20_000),
        };
    }
    let step = STEPS[random.below(STEPS.len() as u64) as usize];
    let times = match step.split('.').next() {
        Some("gate" | "segment") => TABLES.len() as u64,
        Some("run") => 1,
        _ => chunks as u64 / 2,
    };
    Fault::Step(step, 1 + random.below(times))
}

/// Every mapping and every line of progress, as far as two runs can agree in them.
pub(crate) fn tracked(target: &Db) -> Vec<String> {
    let mut lines = target.lines(
        "select entity_type, legacy_id, new_id, migration_batch like 'runner %', migrated_at is not null from migration_mappings order by 1, 2",
    );
    lines.extend(target.lines(
        "select distinct on (table_name) table_name, status, records_processed, total_records, completed_at is not null
         from migration_control where operation = 'runner' order by table_name, id desc",
    ));
    lines.extend(
        target.lines("select t.* from migration_control t where operation <> 'runner' order by id"),
    );
    lines
}

/// At any moment, also right after a kill: the mappings are the manifest's ids and the target's own legacy
/// columns, one for one, and the newest line of each table says what the ledger says.
#[track_caller]
pub(crate) fn tracking_agrees(target: &Db, what: &str) {
    if target.one("select to_regclass('runner.chunk')") == "NULL" {
        return;
    }
    let manifest = "select target as entity, legacy_key as key, id::text as id from runner.ids where rule <> 'order_cases'";
    let rows: Vec<String> = TABLES
        .iter()
        .filter(|(_, legacy)| !legacy.is_empty())
        .map(|(table, legacy)| {
            format!(
                "select '{table}', {legacy}::text, id::text from {table} where {legacy} is not null"
            )
        })
        .collect();
    for (name, theirs) in [
        ("the manifest", manifest),
        ("the rows", &rows.join(" union all ")),
    ] {
        let wrong = format!(
            "with ours as (select entity_type, legacy_id::text, new_id::text from migration_mappings where migration_batch like 'runner %'),
                  theirs as ({theirs})
             (select 'only mapped', * from (select * from ours except all select * from theirs) a limit 3)
             union all (select 'not mapped', * from (select * from theirs except all select * from ours) b limit 3)"
        );
        let found = target.lines(&wrong);
        assert!(found.is_empty(), "{what}: {name}: {found:#?}");
    }
    let wrong = "select c.table_name, c.records_processed, l.read from (
            select distinct on (table_name) * from migration_control where operation = 'runner' order by table_name, id desc) c
        full join (select rule, sum(read) as read from runner.chunk where accounted = 1 group by rule) l on l.rule = c.table_name
        where coalesce(c.records_processed, 0) <> coalesce(l.read, 0)";
    let found = target.lines(wrong);
    assert!(found.is_empty(), "{what}: the ledger: {found:#?}");
}

/// Tables that the newest run was at when it was killed: several, where they run side by side.
fn open_tables(target: &Db) -> Vec<String> {
    if target.one("select to_regclass('runner.segment')") == "NULL" {
        return vec![];
    }
    target.lines(
        "select distinct rule from runner.segment where closed_at is null and run_id = (select max(id) from runner.run)",
    )
}

/// Kills the run until one comes through; says how often, and at which rules it struck.
fn harass(
    project: &Project,
    random: &mut Random,
    chunks: i64,
    at_most: usize,
    expected: i32,
    after_kill: impl Fn(&str),
) -> (usize, BTreeSet<String>) {
    let writers = ["1", "2", "4"][random.below(3) as usize];
    let arguments = arguments(writers);
    let mut kills = 0;
    let mut rules = BTreeSet::new();
    while kills < at_most {
        let fault = anywhere(random, chunks);
        let what = format!("{writers} writers, kill {}, {fault:?}", kills + 1);
        let end = strike(project, &arguments, &fault);
        project.target.wait_until_alone();
        match end {
            End::Killed { .. } => {
                kills += 1;
                let last = progress(&project.target).last;
                let rule = last.split(' ').next().filter(|rule| !rule.is_empty());
                rules.extend(rule.map(str::to_owned));
                rules.extend(open_tables(&project.target));
                after_kill(&what);
            }
            End::Finished(output) => {
                output.ends_with(expected);
                return (kills, rules);
            }
        }
    }
    project.runner(&arguments).ends_with(expected);
    (kills, rules)
}

#[test]
fn all_nine_tables_and_both_tracking_tables_survive_any_kill() {
    let long: Option<usize> = std::env::var("RUNNER_TEST_KILLS_NINE")
        .ok()
        .map(|text| text.parse().unwrap());
    let (rounds, wanted) = long.map_or((1, 14), |kills| (2, kills));
    let calm = fresh();
    let output = calm.runner(&arguments("2"));
    output.ends_with(3);
    let undisturbed = outcome(&calm, output.code);
    let tracked_calm = tracked(&calm.target);
    let chunks = progress(&calm.target).chunks;
    tracking_agrees(&calm.target, "undisturbed");
    for (table, _) in TABLES {
        let some = |lines: &[String]| lines.iter().any(|line| line.starts_with(*table));
        assert!(some(&undisturbed.rows) && some(&tracked_calm), "{table}");
    }
    let mut random = Random::new(20_261_122);
    for round in 1..=rounds {
        let started = Instant::now();
        let (mut kills, mut runs, mut struck) = (0, 0, BTreeSet::new());
        while kills < wanted {
            let project = fresh();
            let what = format!("round {round}, run {}", runs + 1);
            let (more, rules) = harass(
                &project,
                &mut random,
                chunks,
                wanted - kills,
                undisturbed.code,
                |kill| tracking_agrees(&project.target, &format!("{what}, {kill}")),
            );
            outcome(&project, undisturbed.code).assert_same(&undisturbed, &what);
            assert_eq!(tracked(&project.target), tracked_calm, "{what}");
            tracking_agrees(&project.target, &what);
            (kills, runs) = (kills + more, runs + 1);
            struck.extend(rules);
        }
        eprintln!(
            "kill: nine tables, round {round}: {kills} kills in {runs} runs of {chunks} chunks, at {} tables, {:.0} s: \
             {} rows, {} in quarantine and {} tracking lines as undisturbed",
            struck.len(),
            started.elapsed().as_secs_f64(),
            undisturbed.rows.len(),
            undisturbed.quarantine.len(),
            tracked_calm.len(),
        );
        assert!(
            struck.len() >= if wanted >= 200 { TABLES.len() } else { 3 },
            "{struck:?}"
        );
    }
}

#[test]
fn tracking_tables_of_a_foreign_shape_survive_any_kill_untouched() {
    let mut random = Random::new(7);
    let mut undisturbed: Option<Outcome> = None;
    for (table, shape) in FOREIGN {
        let project = fresh();
        project.target.exec(shape);
        let marks = format!("select t.xmin, t.ctid, t.* from {table} t");
        let before = project.target.lines(&marks);
        let (kills, _) = harass(&project, &mut random, 60, 2, 3, |kill| {
            assert_eq!(project.target.lines(&marks), before, "{table}, {kill}");
        });
        assert!(kills > 0, "{table} was never killed");
        assert_eq!(project.target.lines(&marks), before, "{table}");
        // Nor does it matter to the rows.
        let now = outcome(&project, 3);
        match &undisturbed {
            None => undisturbed = Some(now),
            Some(first) => now.assert_same(first, shape),
        }
    }
}
