//! Promise 2: every source row is accounted for, by counts that the database made.

use serde_json::json;

use crate::support::{Project, quarantine_dump};

const SOURCE: &str = "
    create table item(id integer primary key, name text, kind text, owner integer, price numeric(12,2), gone boolean not null default false);
    create table tag(item_id integer, word text);
    insert into item select n, 'item ' || n, 'k' || n % 3, n, n * 1.10, n % 7 = 0 from generate_series(1, 60) as n;
    insert into tag select n, 'red' from generate_series(1, 60, 2) as n;
    insert into tag select n, 'blue' from generate_series(1, 60, 3) as n;
";

const TARGET: &str = "
    create table items(id uuid primary key, legacy_item_id integer unique, name text not null, price numeric(12,2), tags text);
    create table words(id uuid primary key, item_id uuid not null references items on delete cascade, word text not null, legacy_item_id integer,
        unique (item_id, word));
";

fn rule(header: &str, body: &str) -> String {
    format!(
        "const RULE = #{{\n    base: \"item\", key: \"id\", target: \"items\", legacy: \"legacy_item_id\",\n    {header}\n}};\n\nfn transform(row) {{\n    {body}\n}}\n"
    )
}

fn project(header: &str, body: &str) -> Project {
    let project = Project::pg(SOURCE, TARGET);
    project.rule("items", &rule(header, body));
    project
}

const PLAIN: &str = "#{ name: row.name, price: row.price }";

#[test]
fn filtered_rows_are_counted_and_their_condition_is_shown() {
    let project = project("where: \"not gone and id <= 40\",", PLAIN);
    project.runner(&["run", "--batch-rows", "7"]).ends_with(0);
    // 5 of the first 40 are gone, 20 are above 40.
    assert_eq!(project.accounts("items"), [60, 25, 35, 35, 0, 0, 0, 0]);
    let status = project.runner(&["status", "--json"]);
    status.ends_with(0).prints("not gone and id <= 40");
}

#[test]
fn skips_notes_and_rejects_are_counted_by_code_and_a_note_is_still_written() {
    let body = r#"if row.gone { skip("gone"); }
    if row.id % 10 == 0 { reject("round", "a round number"); }
    if row.id % 2 == 0 { note("even", "an even number"); note("remark", "another remark"); }
    #{ name: row.name, price: row.price }"#;
    let project = project("", body);
    project.runner(&["run", "--batch-rows", "7"]).ends_with(3);
    assert_eq!(project.accounts("items"), [60, 0, 60, 46, 0, 0, 8, 6]);
    let mut codes = project.status("items")["codes"].clone();
    codes.sort_all_objects();
    assert_eq!(codes["skip"], json!({"gone": 8}));
    assert_eq!(codes["reject"], json!({"round": 6}));
    assert_eq!(codes["note"], json!({"even": 20, "remark": 20}));
    assert_eq!(quarantine_dump(&project.target).len(), 6);
}

#[test]
fn a_join_that_loses_rows_is_found_and_nothing_is_written() {
    let project = project(
        "from: \"select i.*, t.word from item i join tag t on t.item_id = i.id and t.word = 'red'\",",
        PLAIN,
    );
    let output = project.runner(&["run", "--batch-rows", "7"]);
    assert!([1, 5].contains(&output.code), "{output}");
    output.tells("left join");
    assert_eq!(project.target.count("select count(*) from items"), 0);
}

#[test]
fn a_join_that_repeats_rows_is_found_and_nothing_is_written() {
    let project = project(
        "from: \"select i.*, t.word from item i left join tag t on t.item_id = i.id\",",
        PLAIN,
    );
    let output = project.runner(&["run", "--batch-rows", "7"]);
    assert!([1, 5].contains(&output.code), "{output}");
    output.tells("items");
    assert_eq!(project.target.count("select count(*) from items"), 0);
}

#[test]
fn a_proper_left_join_is_one_row_a_key() {
    let header = "from: \"select i.*, t.word from item i left join tag t on t.item_id = i.id and t.word = 'red'\", copy: #{ tags: \"word\" },";
    let project = project(header, PLAIN);
    project.runner(&["run", "--batch-rows", "7"]).ends_with(0);
    assert_eq!(project.accounts("items"), [60, 0, 60, 60, 0, 0, 0, 0]);
    assert_eq!(
        project
            .target
            .count("select count(*) from items where tags = 'red'"),
        30
    );
}

#[test]
fn lookups_come_in_declared_order_from_either_database() {
    let header = r#"lookups: #{
        tags: #{ db: "source", from: "tag", by: "item_id", keys: ["id"], take: ["word"], order: ["word"] },
        names: #{ db: "target", from: "select 5 as n, 'five' as word union all select 5, 'fünf'", by: "n", keys: ["id"], take: ["word"], order: ["word"] },
    },"#;
    let body = r#"let words = "";
    for tag in rows_of("tags", row.id) { words += tag.word + ";"; }
    for name in rows_of("names", row.id) { words += name.word + ";"; }
    #{ name: row.name, tags: words }"#;
    let project = project(header, body);
    project
        .runner(&["run", "--batch-rows", "7", "--writers", "2"])
        .ends_with(0);
    let tags = |key: i32| {
        project.target.one(&format!(
            "select tags from items where legacy_item_id = {key}"
        ))
    };
    assert_eq!(
        (tags(1), tags(3), tags(4), tags(2)),
        (
            "blue;red;".into(),
            "red;".into(),
            "blue;".into(),
            String::new()
        )
    );
    assert_eq!(tags(5), "red;five;fünf;");
}

#[test]
fn a_rule_that_writes_many_rows_accounts_in_source_rows() {
    let project = project("", PLAIN);
    project.rule(
        "words",
        r#"const RULE = #{
    base: "item", key: "id", target: "words", rows: "many", match: ["item_id", "word"],
    ids: #{ items: #{ legacy: "legacy_item_id", from: ["id"] } },
    lookups: #{ tags: #{ db: "source", from: "tag", by: "item_id", keys: ["id"], take: ["word"], order: ["word"] } },
    copy: #{ legacy_item_id: "id" },
};

fn transform(row) {
    let out = [];
    for tag in rows_of("tags", row.id) { out.push(#{ item_id: id_of("items", row.id), word: tag.word }); }
    if out.is_empty() { skip("no_tags"); }
    out
}
"#,
    );
    project
        .runner(&["run", "--batch-rows", "7", "--writers", "2"])
        .ends_with(0);
    // 30 odd ones are red, 20 are blue, 10 are both.
    assert_eq!(project.target.count("select count(*) from words"), 50);
    assert_eq!(project.accounts("words"), [60, 0, 60, 40, 0, 0, 20, 0]);
    assert_eq!(project.target.count("select count(*) from words w join items i on i.id = w.item_id where i.legacy_item_id <> w.legacy_item_id"), 0);
    // The ids are of the words, not of their place: a new sibling moves none.
    let before = project
        .target
        .lines("select id, xmin from words order by id");
    project.source.exec("insert into tag values (1, 'amber')");
    project.runner(&["run", "words", "--restart"]).ends_with(0);
    let after = project
        .target
        .lines("select id, xmin from words order by id");
    assert_eq!(after.len(), 51);
    assert!(
        before.iter().all(|row| after.contains(row)),
        "a sibling was written again"
    );
}

#[test]
fn sums_that_disagree_fail_the_table() {
    let header = "reconcile: #{ price: #{ source: \"price\", target: \"price\" } },";
    let fine = project(
        header,
        "if row.gone { skip(\"gone\"); }\n    if row.id == 5 { reject(\"five\", \"no five\"); }\n    #{ name: row.name, price: row.price }",
    );
    let output = fine.runner(&["run"]);
    output.ends_with(3);
    assert!(
        !output.stderr.contains("reconcil"),
        "sums with skipped and rejected rows agree\n{output}"
    );
    let wrong = project(
        header,
        "#{ name: row.name, price: row.price + if row.id == 30 { 0.01 } else { 0.00 } }",
    );
    wrong
        .runner(&["run"])
        .ends_with(1)
        .tells("price")
        .tells("2013.01");
}

#[test]
fn not_a_number_in_a_sum_fails_it() {
    let project = project(
        "reconcile: #{ price: #{ source: \"price\", target: \"price\" } },",
        PLAIN,
    );
    project.source.exec(
        "alter table item alter price type numeric; update item set price = 'NaN' where id = 9",
    );
    let output = project.runner(&["run"]);
    output.ends_with(1).tells("price");
    assert_eq!(quarantine_dump(&project.target).len(), 1, "{output}");
}

#[test]
fn quarantine_is_listed_by_code_with_what_to_do() {
    let project = project(
        "fix: #{ five: \"find out about five\" },",
        "if row.id % 5 == 0 && row.id < 11 { reject(\"five\", \"a five\"); }\n    #{ name: row.name }",
    );
    project.runner(&["run"]).ends_with(3);
    let list = project.runner(&["quarantine", "list"]);
    list.ends_with(0)
        .prints("five")
        .prints("find out about five");
    project
        .runner(&["quarantine", "list", "--json"])
        .ends_with(0)
        .prints("find out about five");
    project
        .runner(&["quarantine", "show", "items", "10"])
        .ends_with(0)
        .prints("a five")
        .prints("rules/items.rhai:");
    project
        .runner(&["quarantine", "show", "items", "11"])
        .ends_with(1);
    assert_eq!(project.status("items")["undecided"], 2);
}

#[test]
fn a_row_may_refer_to_one_that_comes_later_and_a_circle_is_no_obstacle() {
    for deferrable in ["", "deferrable initially deferred"] {
        let project = Project::pg(
            "create table node(id integer primary key, parent_id integer);
             insert into node values (1, 9), (2, 1), (3, null), (4, 5), (5, 4), (6, 6), (7, 99), (8, 7), (9, 3)",
            &format!("create table nodes(id uuid primary key, legacy_node_id integer unique, parent_id uuid references nodes {deferrable})"),
        );
        project.rule(
            "nodes",
            r#"const RULE = #{
    base: "node", key: "id", target: "nodes", legacy: "legacy_node_id",
    ids: #{ nodes: #{ legacy: "legacy_node_id", from: ["parent_id"] } },
    stop: #{ faults: 1000, share: 1.0 },
};

fn transform(row) { #{ parent_id: id_of("nodes", row.parent_id) } }
"#,
        );
        project.runner(&["run", "--batch-rows", "2"]).ends_with(3);
        let tree = "select n.legacy_node_id, p.legacy_node_id from nodes n left join nodes p on p.id = n.parent_id order by 1";
        assert_eq!(
            project.target.lines(tree),
            ["1|9", "2|1", "3|NULL", "4|5", "5|4", "6|6", "9|3"],
            "7 has no parent, and 8 goes with it"
        );
        assert_eq!(
            quarantine_dump(&project.target),
            ["nodes|7|orphan", "nodes|8|orphan"]
        );
    }
}

#[test]
fn rules_that_wait_for_one_another_are_refused_by_name() {
    let project = project(
        "ids: #{ words: #{ legacy: \"legacy_item_id\", from: [\"id\"] } },",
        PLAIN,
    );
    project.rule(
        "words",
        "const RULE = #{ base: \"tag\", key: \"item_id\", target: \"words\", legacy: \"legacy_item_id\", ids: #{ items: #{ legacy: \"legacy_item_id\", from: [\"item_id\"] } } };\n\
         fn transform(row) { #{ item_id: id_of(\"items\", row.item_id), word: row.word } }\n",
    );
    let output = project.runner(&["plan"]);
    assert!([1, 5].contains(&output.code), "{output}");
    output.tells("items").tells("words");
    project.runner(&["run"]).ends_with(5);
    assert_eq!(project.target.count("select count(*) from items"), 0);
}

#[test]
fn a_trial_of_a_rejected_row_leaves_the_account_as_it_is() {
    let project = Project::pg(
        "create table item(id integer primary key, n integer); insert into item values (1, 1), (2, -2), (3, 3)",
        "create table items(id uuid primary key, legacy_item_id integer unique, n integer)",
    );
    let rule = |body: &str| {
        format!(
            "const RULE = #{{ base: \"item\", key: \"id\", target: \"items\", legacy: \"legacy_item_id\",\n    \
             stop: #{{ faults: 1000, share: 1.0 }} }};\n\nfn transform(row) {{ {body} #{{ n: row.n }} }}\n"
        )
    };
    project.rule(
        "items",
        &rule("if row.n < 0 { reject(\"negative\", \"below nothing\"); }"),
    );
    project.runner(&["run"]).ends_with(3);
    let undecided = |project: &Project| project.status("items")["undecided"].clone();
    assert_eq!(undecided(&project), 1);
    // refused again, in a run of its own
    project
        .runner(&["exec", "items", "--row", "2"])
        .ends_with(3);
    assert_eq!(undecided(&project), 1);
    assert_eq!(quarantine_dump(&project.target), ["items|2|negative"]);
    // and written by an edited rule: the account still knows it as rejected, until it is retried
    project.rule("items", &rule(""));
    let output = project.runner(&["exec", "items", "--row", "2"]);
    assert!([0, 3].contains(&output.code), "{output}");
    assert_eq!(undecided(&project), 1);
    assert_eq!(quarantine_dump(&project.target), ["items|2|negative"]);
}

#[test]
fn the_state_keeps_the_exit_code_that_the_program_ended_with() {
    let project = Project::people();
    let kept = || {
        project
            .target
            .one("select exit_code from runner.run order by id desc limit 1")
    };
    let ended = |arguments: &[&str], code: i32| {
        project.runner(arguments).ends_with(code);
        assert_eq!(kept(), code.to_string(), "{arguments:?}");
    };
    ended(&["run"], 3);
    ended(&["exec", "kinds"], 0);
    ended(&["retry", "people"], 3);
    ended(&["retry", "kinds"], 0);
    ended(&["exec", "people", "--row", "15"], 3);
    project
        .runner(&[
            "quarantine",
            "accept",
            "people",
            "--reason",
            "no_name",
            "--note",
            "known",
        ])
        .ends_with(0);
    ended(&["run"], 0);
    // a gate that fails
    project.target.exec(
        "alter table people drop constraint people_legacy_person_id_key;
         insert into people select gen_random_uuid(), name, email, kind_id, born, joined, balance, notes, metadata, legacy_person_id, created_at
         from people where legacy_person_id = 16",
    );
    ended(&["exec", "people", "--restart"], 1);
}
