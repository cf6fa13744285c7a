//! The old scripts' tracking tables: kept current in the known shape, also across kills; untouched in any
//! other.

use crate::support::{Db, Engine, Project, canonical_dump};

const MAPPINGS: &str = "
    create table migration_mappings(entity_type varchar(100) not null, legacy_id integer not null, new_id uuid not null unique,
        migrated_at timestamptz, migration_batch varchar(100), primary key (entity_type, legacy_id));
";

const CONTROL: &str = "
    create table migration_control(id serial primary key, phase varchar(100), table_name varchar(100), operation varchar(100),
        status varchar(50), records_processed integer, total_records integer, started_at timestamptz, completed_at timestamptz,
        error_message text, batch_size integer, worker_id integer, source_query text, validation_query text);
    insert into migration_control(phase, table_name, operation, status, records_processed)
        values ('core', 'people', 'migrate', 'running', 7);
";

/// The other shapes that live databases have under these names.
const FOREIGN: &[(&str, &str)] = &[
    (
        "migration_mappings",
        "create table migration_mappings(entity_type varchar(100), legacy_id integer, modern_id uuid, migrated_at timestamptz,
            migration_batch varchar(100), primary key (entity_type, legacy_id));
         insert into migration_mappings values ('people', 1, 'aaaaaaaa-0000-4000-8000-000000000001', '2024-01-01', 'b1')",
    ),
    (
        "migration_mappings",
        "create table migration_mappings(legacy_table varchar(100), legacy_id integer, target_id uuid, migrated_at timestamptz,
            migration_batch varchar(100), primary key (legacy_table, legacy_id));
         insert into migration_mappings values ('person', 1, 'aaaaaaaa-0000-4000-8000-000000000001', '2024-01-01', 'b1')",
    ),
    (
        "migration_control",
        "create table migration_control(id uuid primary key default gen_random_uuid(), script_name text not null, operation_type text,
            status text, started_at timestamptz, completed_at timestamptz, records_processed integer);
         insert into migration_control(script_name, operation_type, status) values ('people.ts', 'insert', 'running')",
    ),
];

/// Small chunks, so that there are many places to be killed at.
const RUN: &[&str] = &["run", "--batch-rows", "13", "--writers", "2"];

fn lines(target: &Db) -> Vec<String> {
    target.lines(
        "select phase, table_name, status, records_processed, total_records, started_at is not null, completed_at is not null, \
         batch_size from migration_control where operation = 'runner' order by id",
    )
}

/// Each key of each table once, with the id that the row really has.
#[track_caller]
fn mappings_agree(target: &Db) {
    let wrong = "select count(*) from migration_mappings m full join (
            select 'people' as entity, legacy_person_id as key, id from people
            union all select 'kinds', legacy_kind_id, id from kinds) t
        on t.entity = m.entity_type and t.key = m.legacy_id and t.id = m.new_id
        where t.id is null or m.new_id is null or m.migrated_at is null or m.migration_batch not like 'runner %'";
    assert_eq!(target.count(wrong), 0);
    assert_eq!(target.count("select count(*) from migration_mappings"), 106);
}

/// The newest line of each table says what the ledger says.
#[track_caller]
fn control_agrees(target: &Db) {
    let wrong = "select c.table_name, c.records_processed, l.read from (
            select distinct on (table_name) * from migration_control where operation = 'runner' order by table_name, id desc) c
        full join (select rule, sum(read) as read from runner.chunk where accounted = 1 group by rule) l on l.rule = c.table_name
        where c.records_processed is distinct from l.read";
    assert_eq!(target.lines(wrong), Vec::<String>::new());
}

#[test]
fn both_tables_are_kept_current() {
    let project = Project::people();
    project.target.exec(&format!("{MAPPINGS}{CONTROL}"));
    // Nothing is written before there is something to tell.
    project.runner(&["run", "--dry-run"]).ends_with(3);
    project
        .runner(&["exec", "kinds", "--limit", "1"])
        .ends_with(0);
    assert_eq!(lines(&project.target), Vec::<String>::new());
    assert_eq!(
        project
            .target
            .count("select count(*) from migration_mappings"),
        0
    );

    project.runner(RUN).ends_with(3);
    let first = [
        "run 2|kinds|completed|2|2|t|t|13",
        "run 2|people|completed|120|120|t|t|13",
    ];
    assert_eq!(lines(&project.target), first);
    mappings_agree(&project.target);
    control_agrees(&project.target);

    // A run that finds nothing has nothing to tell; one that finds a row has a line of its own.
    project.runner(RUN).ends_with(3);
    assert_eq!(lines(&project.target), first);
    project.source.exec(
        "insert into person(id, name, active, balance, kind_id) values (500, 'new', true, 1, 1)",
    );
    project.runner(RUN).ends_with(3);
    assert_eq!(
        lines(&project.target)[2..],
        ["run 4|people|completed|121|121|t|t|13"]
    );
    // And a restart begins to count again.
    project
        .runner(&["exec", "people", "--restart"])
        .ends_with(3);
    assert_eq!(
        lines(&project.target)[3..],
        ["run 5|people|completed|121|121|t|t|8000"]
    );
    assert_eq!(
        project.target.one(
            "select status || records_processed from migration_control where operation = 'migrate'"
        ),
        "running7",
        "somebody else's line"
    );
    assert_eq!(
        project
            .target
            .count("select count(*) from runner.finding where name = 'foreign_tracking_table'"),
        0
    );
}

#[test]
fn after_a_kill_both_agree_with_the_ledger() {
    let calm = Project::people();
    calm.target.exec(&format!("{MAPPINGS}{CONTROL}"));
    calm.runner(RUN).ends_with(3);
    let expected = canonical_dump(&calm.target, &["people", "kinds"], &["created_at"]);
    for failpoint in [
        "segment.open:2:kill",
        "chunk.rows:4:kill",
        "chunk.state:4:kill",
        "chunk.before_commit:5:kill",
        "chunk.after_commit:5:kill",
        "chunk.marker:7:kill",
        "gate.after:2:kill",
        "run.finish:1:kill",
    ] {
        let project = Project::people();
        project.target.exec(&format!("{MAPPINGS}{CONTROL}"));
        let struck = project.runner_failing(failpoint, RUN);
        assert_eq!(struck.code, 128 + 9, "{failpoint}\n{struck}");
        project.target.wait_until_alone();
        // Also right after the kill: a line is never ahead of its rows, or behind.
        control_agrees_so_far(&project.target);
        project.runner(RUN).ends_with(3);
        control_agrees(&project.target);
        mappings_agree(&project.target);
        let target = &project.target;
        let open = "select count(*) from migration_control where operation = 'runner' and status = 'running'";
        assert_eq!(target.count(open), 0, "{failpoint}");
        let ended = "select count(*) from migration_control where operation = 'runner' and table_name = 'people' \
                     and status = 'completed' and records_processed = 120 and total_records = 120";
        assert_eq!(target.count(ended), 1, "{failpoint}");
        assert_eq!(
            canonical_dump(target, &["people", "kinds"], &["created_at"]),
            expected,
            "{failpoint}"
        );
    }
}

#[track_caller]
fn control_agrees_so_far(target: &Db) {
    let wrong = "select c.table_name, c.records_processed from migration_control c where operation = 'runner'
        and c.records_processed <> (select coalesce(sum(read), 0) from runner.chunk l where l.rule = c.table_name and accounted = 1)";
    assert_eq!(target.lines(wrong), Vec::<String>::new());
}

#[test]
fn a_run_that_breaks_says_so_in_its_line() {
    let project = Project::people();
    project.target.exec(&format!("{MAPPINGS}{CONTROL}"));
    project.edit(
        "rules/people.rhai",
        "fn transform(row) {",
        "fn transform(row) {\n    let x = row.id / 0;",
    );
    project.edit(
        "rules/people.rhai",
        "expect:",
        "stop: #{ faults: 3, share: 0.01 }, expect:",
    );
    project.runner(RUN).ends_with(1);
    let status = "select status, completed_at from migration_control where operation = 'runner' and table_name = 'people'";
    assert_eq!(project.target.lines(status), ["failed|NULL"]);
}

#[test]
fn foreign_shapes_are_left_alone_and_reported() {
    for (table, shape) in FOREIGN {
        let project = Project::people();
        let other = if *table == "migration_control" {
            MAPPINGS
        } else {
            CONTROL
        };
        project.target.exec(&format!("{shape};{other}"));
        let marks = format!("select t.xmin, t.ctid, t.* from {table} t");
        let before = project.target.lines(&marks);
        project.runner(RUN).ends_with(3).says(table);
        project.runner(&["run", "--restart"]).ends_with(3);
        assert_eq!(project.target.lines(&marks), before, "{table} was written");
        let found = format!(
            "select count(*) from runner.finding where name = 'foreign_tracking_table' and status = 'warning' \
             and detail::json ->> 'table' = '{table}' and run_id = 1"
        );
        assert_eq!(project.target.count(&found), 1, "{table}");
        // The other one is ours to keep.
        if *table == "migration_control" {
            mappings_agree(&project.target);
        } else {
            assert_eq!(lines(&project.target).len(), 4);
        }
    }
}

#[test]
fn a_tracking_table_that_would_refuse_our_lines_never_stops_a_run() {
    for spoil in [
        "alter table migration_control add column owner text not null default 'x'; alter table migration_control alter owner drop default",
        "alter table migration_control add check (status in ('done', 'running'))",
        "alter table migration_mappings drop constraint migration_mappings_pkey",
        "alter table migration_mappings alter legacy_id type text",
    ] {
        let project = Project::people();
        project.target.exec(&format!("{MAPPINGS}{CONTROL}{spoil}"));
        project.runner(RUN).ends_with(3);
        assert_eq!(
            project
                .target
                .count("select count(*) from runner.finding where name = 'foreign_tracking_table'"),
            1,
            "{spoil}"
        );
    }
}

#[test]
fn the_shipped_rules_keep_the_demos_tracking_tables() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let project = Project::demo("0.02", engine);
        let old = project
            .target
            .count("select count(*) from migration_control");
        project.runner(&["run"]).ends_with(3);
        for rule in project.rules() {
            let status = project.status(&rule);
            let line = format!(
                "select status, records_processed, total_records from migration_control where operation = 'runner' and table_name = '{rule}'"
            );
            let read = &status["read"];
            assert_eq!(
                project.target.lines(&line),
                [format!("completed|{read}|{read}")],
                "{engine:?}"
            );
            let mapped = format!(
                "select count(*) from migration_mappings where entity_type = '{rule}' and migration_batch like 'runner %'"
            );
            let many = rule == "order_cases";
            let written =
                ["inserted", "updated", "unchanged"].map(|name| status[name].as_i64().unwrap());
            let expected = if many { 0 } else { written.iter().sum() };
            assert_eq!(project.target.count(&mapped), expected, "{engine:?} {rule}");
        }
        let kept = "select count(*) from migration_control where operation <> 'runner'";
        assert_eq!(project.target.count(kept), old);
    }
}
