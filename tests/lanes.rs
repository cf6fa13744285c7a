//! Tables that have nothing to do with one another are worked on at the same time, and nothing else changes.

use crate::order::{assert_same, result};
use crate::support::{Engine, Project};

/// Pairs of tables of the newest run that were open at the same time.
const TOGETHER: &str = "select a.rule, b.rule from runner.segment a join runner.segment b \
     on a.rule < b.rule and a.opened_at < b.closed_at and b.opened_at < a.closed_at order by 1, 2";

/// Two parents, a child of each, and one of both; each row takes its time.
fn family(trigger: &str) -> Project {
    let project = Project::pg("", "");
    let tables = ["ann", "ben", "ann_child", "ben_child", "common"];
    for table in tables {
        project.source.exec(&format!(
            "create table old_{table}(id integer primary key, ann_id integer, ben_id integer);
             insert into old_{table} select n, n, n from generate_series(1, 60) n"
        ));
        project.target.exec(&format!(
            "create table {table}(id uuid primary key, legacy_id integer unique, ann_id uuid, ben_id uuid);
             create function slowly_{table}() returns trigger language plpgsql as $$
                 begin perform pg_sleep(0.005); return new; end $$;
             create trigger slow {trigger} insert on {table} for each row execute function slowly_{table}()"
        ));
    }
    for (table, parents) in [
        ("ann", &[][..]),
        ("ben", &[]),
        ("ann_child", &["ann"]),
        ("ben_child", &["ben"]),
        ("common", &["ann", "ben"]),
    ] {
        let mut ids = String::new();
        let mut filled = String::new();
        for parent in parents {
            project.target.exec(&format!(
                "alter table {table} add foreign key ({parent}_id) references {parent}(id)"
            ));
            ids += &format!("{parent}: #{{ legacy: \"legacy_id\", from: [\"{parent}_id\"] }}, ");
            filled += &format!("{parent}_id: id_of(\"{parent}\", row.{parent}_id), ");
        }
        project.rule(
            table,
            &format!(
                r#"const RULE = #{{
    base: "old_{table}", key: "id", target: "{table}", legacy: "legacy_id", ids: #{{ {ids} }}, effects: ["slow"],
}};

fn transform(row) {{ #{{ {filled} }} }}
"#
            ),
        );
    }
    project
}

#[test]
fn tables_without_a_parent_in_common_are_open_at_the_same_time_and_children_wait() {
    let project = family("before");
    project.runner(&["run", "--writers", "2"]).ends_with(0);
    let together = project.target.lines(TOGETHER);
    assert!(together.contains(&"ann|ben".to_owned()), "{together:?}");
    for pair in together {
        let (a, b) = pair.split_once('|').unwrap();
        let waits = |child: &str, parent: &str| {
            child == "common" && parent.len() == 3 || child == format!("{parent}_child")
        };
        assert!(
            !waits(a, b) && !waits(b, a),
            "{pair}: a child began before its parent was checked"
        );
    }
    let whole =
        "select count(*) from common c join ann a on a.id = c.ann_id join ben b on b.id = c.ben_id";
    assert_eq!(project.target.one(whole), "60");
    project.runner(&["verify"]).ends_with(0);
}

#[test]
fn one_writer_takes_one_table_after_the_other() {
    let project = family("before");
    project.runner(&["run", "--writers", "1"]).ends_with(0);
    assert_eq!(project.target.lines(TOGETHER), Vec::<String>::new());
}

#[test]
fn a_trigger_that_may_write_anywhere_keeps_its_table_alone() {
    let project = family("after");
    project.runner(&["run", "--writers", "2"]).ends_with(0);
    assert_eq!(project.target.lines(TOGETHER), Vec::<String>::new());
}

/// Whether `ann` and `ben` were open at the same time, after a change of the target and one of ben's rule.
fn side_by_side(change: &str, rule: (&str, &str)) -> bool {
    let project = family("before");
    project.target.exec(change);
    project.edit("rules/ben.rhai", rule.0, rule.1);
    project.runner(&["run", "--writers", "2"]).ends_with(0);
    let together = project.target.lines(TOGETHER);
    assert!(!together.is_empty(), "the children have nothing in common");
    together.contains(&"ann|ben".to_owned())
}

#[test]
fn what_may_depend_on_another_table_waits_for_it() {
    const SAME: (&str, &str) = ("ids: #{", "ids: #{");
    const COUNT: &str =
        "create function anns() returns bigint language sql as 'select count(*) from ann'";
    let effect = |body: &str| {
        format!(
            "{COUNT}; create or replace function slowly_ben() returns trigger language plpgsql as $$ begin {body} return new; end $$"
        )
    };
    let looks_up = |table: &str| {
        format!(
            "lookups: #{{ other: #{{ db: \"target\", from: \"{table}\", by: \"legacy_id\", keys: [\"id\"], \
             take: [\"legacy_id\"], order: [\"legacy_id\"] }} }}, ids: #{{"
        )
    };
    let quiet = effect("new.legacy_id := new.legacy_id; perform pg_sleep(0.005);");
    assert!(side_by_side(&quiet, SAME), "it only changes its own row");
    assert!(!side_by_side(&effect("perform anns();"), SAME), "a trigger");
    assert!(
        !side_by_side(
            &format!("{COUNT}; alter table ben add n bigint default anns()"),
            SAME
        ),
        "a default"
    );
    let view = "create view people as select * from ann";
    assert!(!side_by_side(view, (SAME.0, &looks_up("people"))), "a view");
    let whole = "create table whole(like ann) partition by range (legacy_id);
         alter table whole attach partition ann for values from (0) to (1000)";
    assert!(
        !side_by_side(whole, (SAME.0, &looks_up("whole"))),
        "what ann is a part of"
    );
}

#[test]
fn all_sessions_read_one_snapshot_of_the_source() {
    let project = family("before");
    project.source.record_statements();
    project.runner(&["run", "--writers", "2"]).ends_with(0);
    let statements = project.source.statements();
    let shared = statements
        .iter()
        .filter(|s| s.contains("set transaction snapshot"))
        .count();
    assert!(shared > 0, "{statements:#?}");
    let begun = statements
        .iter()
        .filter(|s| s.contains("isolation level repeatable read"))
        .count();
    assert_eq!(begun, shared + 1, "one lends its view, all others share it");
    assert_eq!(
        project
            .target
            .one("select count(distinct snapshot) from runner.segment"),
        "1"
    );
}

#[test]
fn the_others_stop_when_one_breaks_and_the_same_command_goes_on() {
    let project = family("before");
    project
        .source
        .exec("insert into old_ann select n, n, n from generate_series(61, 400) n");
    let refuse = "create or replace function slowly_ben() returns trigger language plpgsql as $$
         begin if new.legacy_id > 30 then raise exception 'no' using errcode = '42501'; end if; return new; end $$";
    project.target.exec(refuse);
    let few = ["run", "--writers", "2", "--batch-rows", "7"];
    project.runner(&few).ends_with(1).says("no");
    assert_eq!(
        project.target.one("select status from runner.run"),
        "failed"
    );
    let rows = |table: &str| project.target.one(&format!("select count(*) from {table}"));
    assert_eq!(rows("ben"), "28");
    assert_ne!(rows("ann"), "400", "it went on although the run had failed");
    assert_eq!(rows("common"), "0");
    project.target.exec("create or replace function slowly_ben() returns trigger language plpgsql as $$ begin return new; end $$");
    project.runner(&few).ends_with(0);
    for table in ["ann", "ben", "ann_child", "ben_child", "common"] {
        let all = if table == "ann" { "400" } else { "60" };
        assert_eq!(rows(table), all, "{table}");
    }
    project.runner(&["verify"]).ends_with(0);
}

#[test]
fn each_of_those_that_broke_says_why() {
    let project = family("before");
    for table in ["ann", "ben"] {
        project.target.exec(&format!(
            "create or replace function slowly_{table}() returns trigger language plpgsql as $$
             begin perform pg_sleep(0.5); raise exception 'no {table}' using errcode = '42501'; end $$"
        ));
    }
    let output = project.runner(&["run", "--writers", "2"]);
    output.ends_with(1).says("no ann").says("no ben");
}

#[test]
fn the_last_connection_of_the_source_is_left_to_others() {
    for (limit, beside) in [("2", false), ("3", true)] {
        let project = family("before");
        let owner = project.source.clone();
        let role = format!("few_{}", owner.name());
        owner.exec(&format!(
            "create role {role} login connection limit {limit}; grant select on all tables in schema public to {role}"
        ));
        let env = project.read(".env");
        let url = owner.as_user(&role, None).url();
        project.write(".env", &env.replace(&owner.url(), &url));
        project.runner(&["run", "--writers", "2"]).ends_with(0);
        let together = project.target.lines(TOGETHER);
        assert_eq!(!together.is_empty(), beside, "{limit}: {together:?}");
    }
}

#[test]
fn nine_tables_come_out_the_same_whatever_the_number_at_the_same_time() {
    let project = Project::demo("0.02", Engine::Postgres);
    let run = |writers: &str| {
        let project = project.towards(project.target.copy());
        project.runner(&["run", "--writers", writers]).ends_with(3);
        let account = project.target.lines(
            "select rule, sum(base), sum(read), sum(inserted), sum(skipped), sum(rejected) from runner.chunk group by 1 order by 1",
        );
        let together = project.target.lines(TOGETHER).len();
        (together, account, result(&project.target))
    };
    let (in_turn, account, rows) = run("1");
    let (at_once, other_account, other_rows) = run("4");
    assert_eq!(in_turn, 0);
    assert!(at_once > 2, "{at_once}");
    assert_eq!(account, other_account);
    assert_same(&other_rows, &rows);
}

#[test]
fn a_run_takes_no_more_connections_than_it_may() {
    for (most, lanes) in [("4", 1), ("6", 1), ("7", 2)] {
        let project = family("before");
        project.target.record_statements();
        let output = project.runner(&["run", "--writers", "2", "--connections", most]);
        output.ends_with(0);
        let statements = project.target.statements();
        let sessions = statements
            .iter()
            .filter(|s| s.starts_with("set statement_timeout"))
            .count();
        // one is left when it is too few for another table
        let expected = if most == "6" {
            5
        } else {
            most.parse().unwrap()
        };
        assert_eq!(sessions, expected, "--connections {most}");
        let together = project.target.lines(TOGETHER);
        assert_eq!(together.is_empty(), lanes == 1, "{most}: {together:?}");
        if most == "4" {
            output.says("1 instead of 2 writers");
        }
    }
}
