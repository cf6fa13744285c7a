//! `runner retry`: what was mended moves, what waited for it follows, everything else stays as it was; and
//! the accounts are those of a run that met the mended data from the start.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Db, Engine, Project, canonical_dump, quarantine_dump};

mod kills;
mod shipped;
mod taken_back;

const TABLES: &[&str] = &["makers", "things", "parts"];

/// Three generations: 30 makers of which 5 are closed, 60 things, 120 parts.
fn family(engine: Engine) -> Project {
    let numbers = "with recursive n(n) as (select 1 union all select n + 1 from n where n < 120)";
    let project = Project::between(
        engine,
        &format!(
            "create table maker(id integer primary key, name text, closed integer not null);
             create table thing(id integer primary key, maker_id integer not null, price numeric(12,2) not null);
             create table part(id integer primary key, thing_id integer not null, label text);
             {numbers} insert into maker select n, 'maker ' || n, case when n % 6 = 0 then 1 else 0 end from n where n <= 30;
             {numbers} insert into thing select n, 1 + (n - 1) % 30, case when n % 12 = 0 then -n else n end from n where n <= 60;
             {numbers} insert into part select n, 1 + (n - 1) % 60, 'part ' || n from n"
        ),
        engine,
        "create table makers(id uuid primary key, name text not null, legacy_maker_id integer unique not null);
         create table things(id uuid primary key, maker_id uuid not null references makers(id), price numeric(12,2) not null,
            legacy_thing_id integer unique not null);
         create table parts(id uuid primary key, thing_id uuid not null references things(id), label text,
            legacy_part_id integer unique not null)",
    );
    rules(&project);
    project
}

/// Their rules.
fn rules(project: &Project) {
    project.rule(
        "makers",
        r#"const RULE = #{
    base: "maker", key: "id", target: "makers", legacy: "legacy_maker_id", copy: #{ name: "name" },
};

fn transform(row) {
    if row.closed == 1 { reject("closed", "the maker has closed"); }
    #{}
}
"#,
    );
    project.rule(
        "things",
        r#"const RULE = #{
    base: "thing", key: "id", target: "things", legacy: "legacy_thing_id",
    ids: #{ makers: #{ legacy: "legacy_maker_id", from: ["maker_id"] } },
    reconcile: #{ price: #{ source: "price", target: "price" } },
};

fn transform(row) {
    let maker = id_of("makers", row.maker_id);
    if row.price < 0 { reject("negative", "less than nothing"); }
    #{ maker_id: maker, price: row.price }
}
"#,
    );
    project.rule(
        "parts",
        r#"const RULE = #{
    base: "part", key: "id", target: "parts", legacy: "legacy_part_id", copy: #{ label: "label" },
    ids: #{ things: #{ legacy: "legacy_thing_id", from: ["thing_id"] } },
};

fn transform(row) { #{ thing_id: id_of("things", row.thing_id) } }
"#,
    );
}

/// Everything that a retry may move: rows, quarantine, accounts by rule.
#[derive(Debug, PartialEq)]
struct Left {
    rows: Vec<String>,
    quarantine: Vec<String>,
    accounts: Vec<(Value, Value)>,
}

impl Left {
    fn of(project: &Project) -> Self {
        let accounts = TABLES.iter().map(|rule| {
            let mut status = project.status(rule);
            let codes = status["codes"].take();
            let counts = [
                "base",
                "filtered",
                "read",
                "inserted",
                "updated",
                "unchanged",
                "skipped",
                "rejected",
                "undecided",
            ];
            (json!(counts.map(|name| status[name].clone())), codes)
        });
        Self {
            rows: canonical_dump(&project.target, TABLES, &[]),
            quarantine: quarantine_dump(&project.target),
            accounts: accounts.collect(),
        }
    }
}

/// Compares with the first differences in sight, instead of two whole databases.
#[track_caller]
fn assert_same(left: &Left, right: &Left, what: &str) {
    assert_eq!(left.accounts, right.accounts, "{what}: accounts");
    assert_eq!(left.quarantine, right.quarantine, "{what}: quarantine");
    let only = |a: &Left, b: &Left| -> Vec<String> {
        let rows = a.rows.iter().filter(|row| !b.rows.contains(row));
        rows.take(3).cloned().collect()
    };
    let differences = [only(left, right), only(right, left)];
    assert_eq!(differences.concat(), Vec::<String>::new(), "{what}: rows");
}

fn retried<'a>(answer: &'a Value, rule: &str) -> &'a Value {
    let rules = answer["rules"].as_array().unwrap();
    let found = rules.iter().find(|entry| entry["name"] == rule);
    &found.unwrap_or_else(|| panic!("no {rule} in {answer:#}"))["retried"]
}

/// Lines of the ledger, which only ever grow.
fn ledger(target: &Db) -> Vec<String> {
    let (chunk, manifest) = (
        target.table("runner.chunk"),
        target.table("runner.manifest"),
    );
    target.lines(&format!(
        "select c.*, m.packed from {chunk} c join {manifest} m on m.chunk_id = c.id order by c.id"
    ))
}

const ENGINES: [Engine; 2] = [Engine::Postgres, Engine::Sqlite];
const MENDED: &str = "update maker set closed = 0 where id in (6, 12, 18)";

#[test]
fn what_was_mended_moves_and_what_waited_for_it_follows() {
    for engine in ENGINES {
        let project = family(engine);
        project.runner(&["run", "--batch-rows", "7"]).ends_with(3);
        let before = quarantine_dump(&project.target);
        let lines = ledger(&project.target);
        project.source.exec(MENDED);

        // Beforehand: the same numbers, and nothing written.
        let dry = project.runner(&["retry", "makers", "--dry-run", "--json"]);
        dry.ends_with(3);
        let left = Left::of(&project);
        assert_eq!(left.quarantine, before, "{engine:?}");

        let output = project.runner(&["retry", "rules/makers.rhai", "--json", "--batch-rows", "7"]);
        output.ends_with(3);
        let (dry, answer) = (dry.json(), output.json());
        // Makers 6, 12, 18 have things 6, 36, 12, 42, 18, 48, of which 12, 36 and 48 cost less than nothing.
        assert_eq!(
            *retried(&answer, "makers"),
            json!({"released": false, "rows": 5, "written": 3, "skipped": 0, "still_bad": {"closed": 2},
                   "bad_in_a_new_way": [], "gone": []})
        );
        assert_eq!(
            *retried(&answer, "things"),
            json!({"released": true, "rows": 6, "written": 3, "skipped": 0, "still_bad": {},
                   "bad_in_a_new_way": [{"from": "orphan", "to": "negative", "rows": 3, "keys": ["12", "36", "48"]}], "gone": []})
        );
        assert_eq!(
            *retried(&answer, "parts"),
            json!({"released": true, "rows": 6, "written": 6, "skipped": 0, "still_bad": {},
                   "bad_in_a_new_way": [], "gone": []})
        );
        for rule in TABLES {
            assert_eq!(
                retried(&dry, rule),
                retried(&answer, rule),
                "{engine:?} {rule}"
            );
        }
        // The ledger only grew, and its sum is that of a run that met the mended source.
        assert_eq!(ledger(&project.target)[..lines.len()], lines, "{engine:?}");
        let other = family(engine);
        other.source.exec(MENDED);
        other.runner(&["run"]).ends_with(3);
        assert_same(
            &Left::of(&project),
            &Left::of(&other),
            &format!("{engine:?}"),
        );

        // Both ways for a row that moved, and all checks of the result are kept as passed.
        let story = project.runner(&["why", "parts", "42", "--json"]).json();
        assert_eq!(story["verdict"], "written", "{story:#}");
        let findings = project.target.table("runner.finding");
        let failed = format!("select rule, name from {findings} where status = 'failed'");
        assert_eq!(project.target.lines(&failed), Vec::<String>::new());

        // Derived again, every row is what it should be.
        project.runner(&["verify"]).ends_with(0);

        // There is nothing left that waits; the same command again changes nothing.
        let again = project.runner(&["retry", "makers", "--json"]);
        again.ends_with(3);
        let again = again.json();
        assert_eq!(retried(&again, "makers")["still_bad"], json!({"closed": 2}));
        assert_same(
            &Left::of(&project),
            &Left::of(&other),
            &format!("{engine:?}"),
        );
        // And the rest, in words.
        project
            .source
            .exec("update maker set closed = 0; update thing set price = -price where price < 0");
        let said = project.runner(&["retry"]);
        said.ends_with(0).prints("done, every row is decided");
    }
}

#[test]
fn a_row_that_left_the_source_stays_and_is_named() {
    let project = family(Engine::Postgres);
    project.runner(&["run"]).ends_with(3);
    project.source.exec("delete from maker where id = 30");
    let output = project.runner(&["retry", "makers"]);
    output
        .ends_with(3)
        .prints("makers: 1 row no longer in the source")
        .prints("makers: 4 rows still `closed`");
    assert_eq!(project.accounts("makers"), [30, 0, 30, 25, 0, 0, 0, 5]);
}

#[test]
fn an_edited_rule_judges_the_quarantined_rows_only() {
    for engine in ENGINES {
        let project = family(engine);
        project.runner(&["run"]).ends_with(3);
        // Every row would come out otherwise by the new text; five are judged by it.
        project.edit(
            "rules/makers.rhai",
            "if row.closed == 1 { reject(\"closed\", \"the maker has closed\"); }\n    #{}",
            "#{ name: `${row.name}!` }",
        );
        project.edit("rules/makers.rhai", ", copy: #{ name: \"name\" }", "");
        project
            .runner(&["retry"])
            .ends_with(3)
            .says("only quarantined rows were judged by it");
        let named = |end: &str| {
            let sql = format!("select count(*) from makers where name like '%{end}'");
            project.target.count(&sql)
        };
        assert_eq!([named(""), named("!")], [30, 5], "{engine:?}");
        // The others were decided by the text before, and that still has to be said.
        project.runner(&["run", "makers"]).tells("--restart");
        assert_eq!(named("!"), 5, "{engine:?}");
        project
            .runner(&["exec", "makers", "--restart"])
            .ends_with(0);
        assert_eq!([named(""), named("!")], [30, 30], "{engine:?}");
        project.runner(&["run", "makers"]).tells("already done");
    }
}

#[test]
fn an_acceptance_outlives_a_retry_that_finds_the_same_and_no_other() {
    let project = family(Engine::Postgres);
    project.runner(&["run"]).ends_with(3);
    for (rule, code) in [
        ("makers", "closed"),
        ("things", "orphan"),
        ("parts", "orphan"),
    ] {
        let accept = [
            "quarantine",
            "accept",
            rule,
            "--reason",
            code,
            "--note",
            "so be it",
        ];
        project.runner(&accept).ends_with(0);
    }
    project.runner(&["retry"]).ends_with(0);
    let open = || {
        project
            .target
            .count("select count(*) from runner.quarantine where status = 'open'")
    };
    assert_eq!(open(), 0);
    // A row that comes through nevertheless goes over, and its things are judged again.
    project
        .source
        .exec("update maker set closed = 0 where id = 12");
    project.runner(&["retry", "makers"]).ends_with(0);
    let open = project
        .target
        .lines("select rule, key, code from runner.quarantine where status = 'open' order by key");
    assert_eq!(open, ["things|12|negative"]);
    project.runner(&["retry", "things"]).ends_with(3);
}

#[test]
fn rows_that_fault_are_mended_and_what_is_not_ready_is_said() {
    let project = family(Engine::Postgres);
    let rule = project.read("rules/makers.rhai");
    project.edit(
        "rules/makers.rhai",
        "if row.closed",
        "let x = 1 / (row.id % 6);\n    if row.closed",
    );
    project.runner(&["exec", "makers"]).ends_with(3);
    // Most of what is judged again fails again: that says nothing about the rule.
    project
        .source
        .exec("update maker set id = 31 where id = 30");
    project
        .runner(&["retry", "makers"])
        .ends_with(3)
        .prints("makers: 4 rows still `fault`");
    project.rule("makers", &rule);
    project
        .runner(&["retry", "makers"])
        .ends_with(3)
        .prints("makers: 4 rows went from `fault` to `closed`: 6 12 18 24");
    // Nothing has been moved into the other tables yet.
    let output = project.runner(&["retry", "--json"]);
    output.ends_with(3);
    assert_eq!(*retried(&output.json(), "parts"), Value::Null);

    let struck = project.runner_failing(
        "chunk.marker:2:kill",
        &["run", "things", "--batch-rows", "7", "--writers", "1"],
    );
    assert_eq!(struck.code, 128 + 9);
    project.target.wait_until_alone();
    project
        .runner(&["retry", "things"])
        .ends_with(3)
        .says("its table is not complete");
    project.rule("makers", "const RULE = #{ base: \"maker\" };");
    project.runner(&["retry", "makers"]).ends_with(5);
    project.runner(&["retry", "nobody"]).ends_with(2);
    let fresh = family(Engine::Postgres);
    fresh
        .runner(&["retry"])
        .ends_with(1)
        .tells("nothing has been migrated");
}

/// Keys of a rule in quarantine, under a condition.
fn keys(target: &Db, rule: &str, condition: &str) -> BTreeSet<String> {
    let quarantine = target.table("runner.quarantine");
    let sql = format!("select key from {quarantine} where rule = '{rule}' and {condition}");
    target.lines(&sql).into_iter().collect()
}
