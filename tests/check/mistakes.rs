//! Mistakes of a rule, and of what it meets: each kind is one finding, at its place.

use super::findings;
use crate::support::{Db, Project};

/// A small rule over a table of many kinds of columns; `HEADER` and `BODY` are a test's own.
const RULE: &str = "const RULE = #{
    base: \"old\", key: \"id\", target: \"goal\", legacy: \"legacy_id\",
    HEADER
};

fn transform(row) {
    BODY
}
";

const OLD: &str = "
    create table old(id integer primary key, name text, amount numeric(12,2), n integer, code integer not null, at timestamp);
    create table side(old_id integer, id integer primary key);
    insert into old select n, 'name ' || n, n, n, n, now() from generate_series(1, 20) n;
    insert into side select n, n from generate_series(1, 20) n; insert into side values (3, 21);
    create table loose(id integer, name text); insert into loose values (1, 'a'), (2, 'b');
    create table twice(id integer, name text); insert into twice values (1, 'a'), (1, 'b'), (2, 'c');
    create table holes(id integer, name text); insert into holes values (1, 'a'), (null, 'b');";

const GOAL: &str = "
    create type mood as enum ('glad', 'sad');
    create table parents(id uuid primary key, legacy_id integer unique);
    create table goal(id uuid primary key, legacy_id integer not null unique, label varchar(8), mood mood,
        n integer check (n > 0), arch text check (arch in ('upper', 'lower')), total numeric(12,2), at timestamptz,
        upper text generated always as (upper(label)) stored, line integer generated always as identity,
        parent_id uuid references parents(id), day date, seen timestamptz default clock_timestamp());";

/// What `check` says of a rule with this header and body, without what it says of everything else.
#[track_caller]
fn of(project: &Project, header: &str, body: &str) -> Vec<String> {
    project.rule(
        "goal",
        &RULE.replace("HEADER", header).replace("BODY", body),
    );
    findings(project, &["goal"])
}

#[test]
fn each_kind_of_mistake_in_a_rule_is_one_finding_at_its_place() {
    let project = Project::pg(OLD, GOAL);
    let error = |place: &str, text: &str| vec![format!("rules/goal.rhai:{place}: error: {text}")];
    let warning =
        |place: &str, text: &str| vec![format!("rules/goal.rhai:{place}: warning: {text}")];
    let nothing: Vec<String> = vec![];
    let mut wrong = Vec::new();
    for (header, body, expected) in [
        ("", "#{ label: row.name }", nothing.clone()),
        (
            "",
            "#{ mood: \"glad\", n: 3, arch: \"upper\", label: \"short\", total: 1.25 }",
            nothing.clone(),
        ),
        (
            "",
            "#{ mood: \"sda\" }",
            error(
                "7:14",
                "`mood` of `goal` does not take \"sda\": it is no label of mood (did you mean \"sad\"?)",
            ),
        ),
        (
            "",
            "#{ mood: if row.n > 3 { \"glad\" } else { \"mad\" } }",
            error(
                "7:45",
                "`mood` of `goal` does not take \"mad\": it is no label of mood (did you mean \"sad\"?)",
            ),
        ),
        (
            "",
            "#{ mood: switch row.n { 1 => \"glad\", _ => \"angry\" } }",
            error(
                "7:47",
                "`mood` of `goal` does not take \"angry\": it is no label of mood (labels: glad, sad)",
            ),
        ),
        (
            "",
            "#{ label: \"far too long\" }",
            error(
                "7:15",
                "`label` of `goal` does not take \"far too long\": it has 12 characters, character varying(8) holds 8",
            ),
        ),
        (
            "",
            "#{ total: 1.005 }",
            error(
                "7:15",
                "`total` of `goal` does not take 1.005: it has more decimal places than numeric(12,2) keeps",
            ),
        ),
        (
            "",
            "#{ n: 0 }",
            error(
                "7:11",
                "`n` of `goal` does not take this value: check `goal_n_check` refuses it (the target wants (n > 0))",
            ),
        ),
        (
            "",
            "#{ arch: \"both\" }",
            error(
                "7:14",
                "`arch` of `goal` does not take this value: check `goal_arch_check` refuses it (the target wants (arch = ANY (ARRAY['upper'::text, 'lower'::text])))",
            ),
        ),
        (
            "",
            "#{ upper: \"X\" }",
            error("7:8", "`upper` is computed and cannot be set by the rule"),
        ),
        (
            "",
            "#{ line: 1 }",
            error("7:8", "`line` is computed and cannot be set by the rule"),
        ),
        (
            "copy: #{ line: \"n\" }",
            "#{}",
            error(
                "3:14",
                "`line` is numbered by the target (generated always as identity) and cannot be written",
            ),
        ),
        (
            "copy: #{ day: \"amount\" }",
            "#{}",
            error(
                "3:14",
                "`amount` (numeric(12,2)) cannot be copied to `day`: numeric(12,2) does not become date by itself: convert it in the script",
            ),
        ),
        (
            "copy: #{ label: \"nmae\" }",
            "#{}",
            error(
                "3:14",
                "`nmae` is not a column of the rule's rows (did you mean `name`?)",
            ),
        ),
        (
            "lookups: #{ sides: #{ db: \"source\", from: \"side\", by: \"old_id\", keys: [\"id\"], take: [\"id\"], order: [\"id\"] } }",
            "#{}",
            warning(
                "3:17",
                "`lookups.sides` is fetched and never used: there is no `rows_of(\"sides\", …)`",
            ),
        ),
        (
            "",
            "skip(\"no\"); #{ label: row.name }",
            warning(
                "7:17",
                "never reached: `skip` in line 7 ends the row before",
            ),
        ),
        (
            "",
            "if row.n > 1 { reject(\"a\", \"b\"); note(\"c\", \"d\"); } #{}",
            warning(
                "7:38",
                "never reached: `reject` in line 7 ends the row before",
            ),
        ),
        (
            "fix: #{ gonner: \"x\" }",
            "skip(\"goner\")",
            warning(
                "3:13",
                "`fix.gonner`: the rule never uses this code (did you mean `goner`?)",
            ),
        ),
        (
            "",
            "#{ total: row.n / 100 }",
            warning(
                "7:21",
                "a whole number divided by a whole number drops the rest (make one of them a decimal: `dec(x) / y`, or write `2.0`)",
            ),
        ),
        (
            "from: \"select o.*, s.id as side_id from old o join side s on s.old_id = o.id\"",
            "#{}",
            error(
                "3:5",
                "`from` must give exactly one row per key: 20 rows of `old` satisfy `where`, `from` gives 21 rows with 20 keys (use left joins to tables that are unique on the joined column, and repeat `where` inside `from`)",
            ),
        ),
        (
            "from: \"select * from old where id <> 7 union all select 99, null, null, null, 1, null\"",
            "#{}",
            error(
                "3:5",
                "`from` must give exactly one row per key: 20 rows of `old` satisfy `where`, `from` gives 20 rows with 20 keys (use left joins to tables that are unique on the joined column, and repeat `where` inside `from`)",
            ),
        ),
    ] {
        let found = of(&project, header, body);
        if found != expected {
            wrong.push((header, body, found, expected));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // a parent that nobody fills
    let header = "ids: #{ parents: #{ legacy: \"legacy_id\", from: [\"n\"] } }";
    assert_eq!(
        of(
            &project,
            header,
            "#{ parent_id: id_of(\"parents\", row.n) }"
        ),
        warning(
            "3:13",
            "`parents` is empty, and no rule fills it: rows of goal that ask for it will be orphans (add a rule with target: \"parents\", or fill the table)"
        )
    );
    // what the target decides is listed, not complained of
    let listed = project
        .runner(&["check", "goal"])
        .ends_with(0)
        .stdout
        .clone();
    assert!(listed.contains("  goal: line, seen\n"), "{listed}");
}

#[test]
fn keys_are_counted_and_pages_need_an_index() {
    let project = Project::pg(OLD, GOAL);
    let rule = |base: &str, key: &str| {
        let text = RULE
            .replace("HEADER", "")
            .replace("BODY", "#{}")
            .replace("\"old\"", &format!("\"{base}\""))
            .replace("key: \"id\"", &format!("key: \"{key}\""));
        project.rule("goal", &text);
        findings(&project, &["goal"])
    };
    let at = |base: &str| {
        format!(
            "rules/goal.rhai:2:{}",
            5 + format!("base: \"{base}\", ").len()
        )
    };
    let slow = |base: &str, key: &str| {
        format!(
            "{}: warning: no index of `{base}` leads to a page by `{key}`: every page reads the whole table (at the source: create index on {base} ({key}))",
            at(base)
        )
    };
    assert_eq!(rule("old", "id"), [""; 0]);
    assert_eq!(
        rule("loose", "id"),
        [
            format!(
                "{}: warning: `id` of `loose` is unique today and nothing keeps it so: the source has no unique constraint on it, or allows NULL (a row that repeats a key stops the run at its chunk)",
                at("loose")
            ),
            slow("loose", "id"),
        ]
    );
    assert_eq!(
        rule("twice", "id"),
        [
            format!(
                "{}: error: `id` is no key of `twice`: 1 values stand for more than one row, the first is 1 (name columns that are unique together: key: [\"a\", \"b\"])",
                at("twice")
            ),
            slow("twice", "id"),
        ]
    );
    assert_eq!(
        rule("holes", "id"),
        [
            format!(
                "{}: error: 1 rows of `holes` have no key: id is NULL there, so they cannot be accounted for (give the rule a `key` that is never NULL, or leave those rows out of the base)",
                at("holes")
            ),
            slow("holes", "id"),
        ]
    );
    project
        .source
        .exec("alter table loose add primary key (id)");
    assert_eq!(rule("loose", "id"), [""; 0]);
}

#[test]
fn what_stands_in_the_target_and_on_the_server_is_announced() {
    let project = Project::pg(OLD, GOAL);
    project.rule(
        "goal",
        &RULE
            .replace("HEADER", "")
            .replace("BODY", "#{ label: row.name }"),
    );
    project.target.exec(
        "create table migration_mappings(modern_id uuid, legacy_table text, legacy_id integer);
         create table migration_control(id uuid, script_name text)",
    );
    assert_eq!(
        findings(&project, &[]),
        [
            "hazard: `migration_mappings` is left alone, dashboards that read it will not move: it has no column entity_type",
            "hazard: `migration_control` is left alone, dashboards that read it will not move: its column id is uuid",
        ]
    );
    project
        .target
        .exec("drop table migration_mappings, migration_control");
    project.runner(&["exec", "goal"]).ends_with(0);
    assert_eq!(findings(&project, &[]), [""; 0]);
    project
        .target
        .exec("update runner.meta set value = '99' where key = 'version'");
    let newer = findings(&project, &[]);
    assert_eq!(newer.len(), 1, "{newer:#?}");
    assert!(
        newer[0].starts_with("error: the state in the target has version 99"),
        "{newer:#?}"
    );
    project
        .target
        .exec("update runner.meta set value = '1' where key = 'version'");

    let name = project.target.name().to_owned();
    project.target.exec(&format!(
        "alter database {name} set default_transaction_read_only = on"
    ));
    assert_eq!(
        findings(&project, &[]),
        [
            "warning: the target is read-only for this role: a run will be refused (Supabase switches a project to read-only when its disk or its plan's size is used up: make room or raise the disk in the dashboard, then go on)"
        ]
    );
    Db::on_server("postgres").exec(&format!(
        "alter database {name} reset default_transaction_read_only"
    ));
    let role = format!("few_{name}");
    project.target.exec(&format!(
        "create role {role} login connection limit 6; grant usage on schema runner to {role};
         grant all on all tables in schema public, runner to {role}"
    ));
    let env = project.read(".env").replace(
        &project.target.url(),
        &project.target.as_user(&role, None).url(),
    );
    project.write(".env", &env);
    let found = findings(&project, &[]);
    project
        .target
        .exec(&format!("drop owned by {role}; drop role {role}"));
    assert!(
        found.contains(&"warning: the target has 6 free connections left, a run opens 7 (close other clients, or run with --writers 1)".to_owned()),
        "{found:#?}"
    );
}

#[test]
fn without_databases_and_with_names_that_are_none() {
    let project = Project::sqlite(
        "create table old(id integer primary key, name text)",
        "create table goal(id UUID primary key, legacy_id integer unique, label text)",
    );
    project.rule(
        "goal",
        &RULE
            .replace("HEADER", "")
            .replace("BODY", "#{ label: row.name }"),
    );
    assert_eq!(findings(&project, &[]), [""; 0]);
    project
        .runner(&["check", "gaol"])
        .ends_with(2)
        .says("there is no rule `gaol` in rules")
        .says("did you mean `goal`?");
    project
        .runner(&["check", "--rules", "nowhere"])
        .ends_with(1);
    project.write(".env", "");
    assert_eq!(
        findings(&project, &[]),
        [
            "warning: no databases are set, so columns, types and keys were not checked: put SOURCE_DATABASE_URL and TARGET_DATABASE_URL into .env"
        ]
    );
}
