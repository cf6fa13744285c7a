//! Every way of writing can be taken back: retries, restarts, trials, new keys, several rows per key, rows that
//! refer to one another, scripts of their own.

use super::{accounts, dump, same};
use crate::support::{Engine, Project, quarantine_dump};

const ENGINES: [Engine; 2] = [Engine::Postgres, Engine::Sqlite];

pub(super) fn nodes(engine: Engine) -> Project {
    let project = Project::between(
        engine,
        "create table node(id integer primary key, parent_id integer, bad integer not null);
         insert into node values (1, 5, 0), (2, 1, 0), (3, null, 0), (4, 8, 0), (5, null, 0), (6, 5, 1), (7, 6, 0), (8, 4, 0)",
        engine,
        "create table nodes(id uuid primary key, parent_id uuid references nodes(id), name text default 'x', legacy_node_id integer unique not null)",
    );
    project.rule(
        "nodes",
        r#"const RULE = #{
    base: "node", key: "id", target: "nodes", legacy: "legacy_node_id",
    ids: #{ nodes: #{ legacy: "legacy_node_id", from: ["parent_id"] } },
    stop: #{ faults: 100, share: 1.0 },
};
fn transform(row) {
    if row.bad == 1 { reject("bad", "not yet"); }
    #{ parent_id: id_of("nodes", row.parent_id) }
}
"#,
    );
    project
}

#[test]
fn rows_that_refer_to_one_another_go_together() {
    for engine in ENGINES {
        let project = nodes(engine);
        project.runner(&["run", "--batch-rows", "2"]).ends_with(3);
        let migrated = dump(&project.target, &[]);
        assert_eq!(migrated.len(), 6);
        project
            .runner(&["undo", "1", "--dry-run"])
            .ends_with(0)
            .never_says("kept,");
        project
            .runner(&["undo", "1", "--batch-rows", "1"])
            .ends_with(0);
        assert_eq!(dump(&project.target, &[]), Vec::<String>::new());
        project.runner(&["run", "--batch-rows", "2"]).ends_with(3);
        same(&dump(&project.target, &[]), &migrated, "run, undo, run");
    }
}

#[test]
fn they_go_together_although_another_table_was_worked_on_at_the_same_time() {
    let project = nodes(Engine::Postgres);
    project.source.exec(
        "create table aside(id integer primary key); insert into aside select generate_series(1, 40)",
    );
    project.target.exec(
        "create table asides(id uuid primary key, legacy_id integer unique);
         create function slowly() returns trigger language plpgsql as $$ begin perform pg_sleep(0.02); return new; end $$;
         create trigger slow before insert on nodes for each row execute function slowly();
         create trigger slow before insert on asides for each row execute function slowly()",
    );
    project.rule(
        "asides",
        "const RULE = #{ base: \"aside\", key: \"id\", target: \"asides\", legacy: \"legacy_id\", effects: [\"slow\"] };
fn transform(row) { #{} }
",
    );
    project.edit("rules/nodes.rhai", "stop:", "effects: [\"slow\"], stop:");
    let run = ["run", "--batch-rows", "2", "--writers", "2"];
    project.runner(&run).ends_with(3);
    let between = "select count(*) > 0 from runner.chunk a, runner.chunk n where a.rule = 'asides' and n.rule = 'nodes' \
         and a.id > n.id and a.id < (select max(id) from runner.chunk where rule = 'nodes')";
    assert_eq!(project.target.one(between), "t", "they took turns");
    project
        .runner(&["undo", "1"])
        .ends_with(0)
        .never_says("kept,");
    assert_eq!(dump(&project.target, &[]), Vec::<String>::new());
}

#[test]
fn a_row_that_stays_holds_its_forebears() {
    let project = nodes(Engine::Postgres);
    project.runner(&["run", "--batch-rows", "2"]).ends_with(3);
    project
        .target
        .exec("update nodes set name = 'by hand' where legacy_node_id = 2");
    let preview = project.runner(&["undo", "1", "--dry-run", "--json"]).json();
    let undone = project.runner(&["undo", "1", "--json"]).ends_with(0).json();
    assert_eq!(undone["rules"], preview["rules"]);
    assert_eq!(undone["rules"][0]["removed"], 3);
    assert_eq!(
        project
            .target
            .lines("select legacy_node_id from nodes order by 1"),
        ["1", "2", "5"]
    );
}

#[test]
fn a_retry_and_a_restart_give_back_what_they_changed() {
    for engine in ENGINES {
        let project = nodes(engine);
        project.runner(&["run"]).ends_with(3);
        let first = dump(&project.target, &[]);
        let (held, account) = (quarantine_dump(&project.target), accounts(&project));
        assert_eq!(held.len(), 2);
        project.source.exec("update node set bad = 0");
        project.runner(&["retry"]).ends_with(0);
        let retried = (dump(&project.target, &[]), accounts(&project));
        assert_eq!(quarantine_dump(&project.target), Vec::<String>::new());
        project.runner(&["undo", "2"]).ends_with(0);
        same(&dump(&project.target, &[]), &first, "retry, undo");
        assert_eq!(quarantine_dump(&project.target), held);
        assert_eq!(accounts(&project), account);
        project
            .runner(&["quarantine", "show", "nodes", "6"])
            .ends_with(0)
            .prints("not yet");
        project.runner(&["retry"]).ends_with(0);
        assert_eq!((dump(&project.target, &[]), accounts(&project)), retried);
        project.runner(&["undo", "4"]).ends_with(0);

        // a restart updates rows that are ours, by a rule that was edited
        project.edit(
            "rules/nodes.rhai",
            "#{ parent_id:",
            "#{ name: \"y\", parent_id:",
        );
        project.runner(&["run", "--restart"]).ends_with(0);
        assert_eq!(project.accounts("nodes"), [8, 0, 8, 2, 6, 0, 0, 0]);
        project.runner(&["undo", "6"]).ends_with(0);
        same(&dump(&project.target, &[]), &first, "restart, undo");
        assert_eq!(quarantine_dump(&project.target), held);
        project
            .runner(&["run"])
            .ends_with(3)
            .says("the rule changed");
        assert_eq!(project.accounts("nodes"), [8, 0, 8, 6, 0, 0, 0, 2]);
        project.runner(&["run", "--restart"]).ends_with(0);
        assert_eq!(project.accounts("nodes"), [8, 0, 8, 2, 6, 0, 0, 0]);
        project.runner(&["verify"]).ends_with(0);
    }
}

#[test]
fn trials_new_keys_and_the_second_half_of_a_table_can_be_taken_back() {
    let project = Project::people();
    let empty = dump(&project.target, &[]);
    project.runner(&["exec", "kinds"]).ends_with(0);
    project
        .runner(&["exec", "people", "--limit", "30"])
        .ends_with(3);
    assert!(project.target.count("select count(*) from people") > 20);
    project.runner(&["undo", "2"]).ends_with(0);
    assert_eq!(project.target.count("select count(*) from people"), 0);
    assert_eq!(quarantine_dump(&project.target), Vec::<String>::new());

    let arguments = ["run", "--batch-rows", "20", "--writers", "1"];
    let struck = project.runner_failing("chunk.after_commit:3:kill", &arguments);
    assert_eq!(struck.code, 128 + 9, "{struck}");
    project.target.wait_until_alone();
    let half = dump(&project.target, &[]);
    let account = project.accounts("people");
    assert_eq!(account[2], 60);
    project.runner(&arguments).ends_with(3);
    let whole = dump(&project.target, &["created_at"]);
    project.source.exec(
        "insert into person(id, name, active, balance, kind_id) values (500, 'new', true, 1, 1)",
    );
    project.runner(&["run"]).ends_with(3);
    assert_eq!(project.accounts("people")[2], 121);
    project.runner(&["undo", "6"]).ends_with(0);
    same(
        &dump(&project.target, &["created_at"]),
        &whole,
        "the new key",
    );
    assert_eq!(project.accounts("people"), crate::support::PEOPLE_ACCOUNTS);
    project.runner(&["undo", "5"]).ends_with(0);
    same(&dump(&project.target, &[]), &half, "the second half");
    assert_eq!(project.accounts("people"), account);
    assert_eq!(project.status("people")["done"], false);
    project.runner(&["undo", "4"]).ends_with(0);
    project.runner(&["undo", "1"]).ends_with(0);
    same(&dump(&project.target, &[]), &empty, "everything");
    project.source.exec("delete from person where id = 500");
    project.runner(&arguments).ends_with(3);
    same(&dump(&project.target, &["created_at"]), &whole, "all again");
    assert_eq!(project.accounts("people"), crate::support::PEOPLE_ACCOUNTS);
}

#[test]
fn of_several_rows_of_a_key_only_the_new_ones_go() {
    for engine in ENGINES {
        let project = Project::between(
            engine,
            "create table ord(id integer primary key); insert into ord values (1), (2), (3)",
            engine,
            "create table links(id uuid primary key, ord integer not null, side text not null, unique (ord, side));
             insert into links values ('aaaaaaaa-0000-4000-8000-000000000001', 2, 'left')",
        );
        project.rule(
            "links",
            r#"const RULE = #{ base: "ord", key: "id", target: "links", rows: "many", match: ["ord", "side"] };
fn transform(row) { [ #{ ord: row.id, side: "left" }, #{ ord: row.id, side: "right" } ] }
"#,
        );
        let before = dump(&project.target, &[]);
        project.runner(&["run"]).ends_with(0);
        assert_eq!(project.target.count("select count(*) from links"), 6);
        project
            .runner(&["undo", "1"])
            .ends_with(0)
            .never_says("kept,");
        same(&dump(&project.target, &[]), &before, "run, undo");
        project.runner(&["run"]).ends_with(0);
        assert_eq!(project.target.count("select count(*) from links"), 6);
    }
}

const HOOKED: &str = r#"
const RULE = #{ base: "person", key: "id", target: "people", legacy: "legacy_person_id" };
fn before() {
    target.write("people", #{ name: "Nobody", legacy_person_id: () }, "nobody");
    ids.put("people", "nobody", "aaaaaaaa-0000-4000-8000-000000000001");
    checkpoint.commit("nobody", 1);
}
fn transform(row) { #{ name: row.name } }
"#;

const PROCEDURE: &str = r#"
const RULE = #{ target: "people", legacy: "legacy_person_id" };
fn run() {
    let done = checkpoint.get("at");
    for row in source.rows("select id, name from person order by id") {
        if row.id == 3 { skip("third"); continue; }
        target.write("people", #{ name: row.name, legacy_person_id: row.id }, row.id);
        checkpoint.commit("at", row.id);
    }
}
"#;

#[test]
fn what_scripts_wrote_goes_as_well() {
    for engine in ENGINES {
        let project = Project::between(
            engine,
            "create table person(id integer primary key, name text); insert into person values (1, 'a'), (2, 'b'), (4, 'd')",
            engine,
            "create table people(id uuid primary key, name text, legacy_person_id integer unique)",
        );
        project.rule("people", HOOKED);
        project.runner(&["run"]).ends_with(0);
        let hooked = dump(&project.target, &[]);
        assert_eq!(hooked.len(), 4);
        project.runner(&["undo", "1"]).ends_with(0);
        assert_eq!(dump(&project.target, &[]), Vec::<String>::new());
        let stated = format!(
            "select count(*) from {}",
            project.target.table("runner.stated")
        );
        assert_eq!(project.target.count(&stated), 0);
        project.runner(&["run"]).ends_with(0);
        same(&dump(&project.target, &[]), &hooked, "run, undo, run");
        project.runner(&["undo", "3"]).ends_with(0);

        project.rule("people", PROCEDURE);
        project.runner(&["exec", "people"]).ends_with(0);
        assert_eq!(project.target.count("select count(*) from people"), 3);
        project.runner(&["undo", "5"]).ends_with(0);
        assert_eq!(dump(&project.target, &[]), Vec::<String>::new());
        // its checkpoint went too: it begins anew
        project.runner(&["exec", "people"]).ends_with(0);
        assert_eq!(project.target.count("select count(*) from people"), 3);
    }
}
