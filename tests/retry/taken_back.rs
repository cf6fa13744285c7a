//! A table that refers to itself: rows that were taken back with their parent come with it.

use serde_json::json;

use super::{ENGINES, keys, retried};
use crate::support::{Db, Engine, Project};

#[test]
fn rows_that_were_taken_back_come_with_their_parent() {
    for engine in ENGINES {
        let project = Project::between(
            engine,
            "create table node(id integer primary key, parent_id integer, bad integer not null);
             insert into node values (1, null, 0), (2, 1, 0), (3, 2, 1), (4, 3, 0), (5, 4, 0), (6, 2, 0), (7, 8, 0)",
            engine,
            "create table nodes(id uuid primary key, parent_id uuid references nodes(id), legacy_node_id integer unique not null)",
        );
        project.rule(
            "nodes",
            r#"const RULE = #{
    base: "node", key: "id", target: "nodes", legacy: "legacy_node_id",
    ids: #{ nodes: #{ legacy: "legacy_node_id", from: ["parent_id"] } },
};

fn transform(row) {
    if row.bad == 1 { reject("bad", "no good"); }
    #{ parent_id: id_of("nodes", row.parent_id) }
}
"#,
        );
        project.runner(&["run"]).ends_with(3);
        let held = || keys(&project.target, "nodes", "true");
        let all: Vec<String> = held().into_iter().collect();
        assert_eq!(all, ["3", "4", "5", "7"], "{engine:?}");
        ids_are_rows(&project.target);
        project.source.exec("update node set bad = 0");
        let output = project.runner(&["retry", "--json"]);
        output.ends_with(3);
        let answer = output.json();
        let told = retried(&answer, "nodes");
        assert_eq!(told["written"], 3, "{told:#}");
        assert_eq!(told["still_bad"], json!({"orphan": 1}), "{told:#}");
        ids_are_rows(&project.target);
        let parents = "select c.legacy_node_id, p.legacy_node_id from nodes c join nodes p on p.id = c.parent_id order by 1";
        let found = project.target.lines(parents);
        assert_eq!(found, ["2|1", "3|2", "4|3", "5|4", "6|2"], "{engine:?}");
        assert_eq!(project.accounts("nodes"), [7, 0, 7, 6, 0, 0, 0, 1]);
        project.runner(&["verify"]).ends_with(0);
        project.source.exec("insert into node values (8, null, 0)");
        project.runner(&["run"]).ends_with(3);
        project.runner(&["retry"]).ends_with(0);
        ids_are_rows(&project.target);
    }
}

/// The view of ids says what is there, each once.
#[track_caller]
fn ids_are_rows(target: &Db) {
    if target.engine() == Engine::Postgres {
        let ours = "select legacy_key, id from runner.ids where rule = 'nodes'";
        let theirs = "select legacy_node_id::text, id from nodes";
        let wrong =
            format!("(({ours}) except all {theirs}) union all (({theirs}) except all {ours})");
        assert_eq!(target.lines(&wrong), Vec::<String>::new());
    }
}
