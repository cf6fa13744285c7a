//! `runner print reference`: every example in it is run.

use std::fmt::Write as _;

use runner::script::{FUNCTIONS, Purpose};

use crate::support::Project;

const RULE: &str = r#"const RULE = #{
    base: "person", key: "id", target: "people", legacy: "legacy_person_id",
    ids:     #{ teams: #{ legacy: "legacy_team_id", from: ["team_id"] } },
    lookups: #{ pets: #{ db: "source", from: "pet", by: "person_id", keys: ["id"], take: ["name"], order: ["id"] } },
};

const NOBODY = "00000000-0000-0000-0000-000000000000";

fn transform(row) {
    if !row.paid { skip("not_paid"); }
    if row.total < 0 { reject("negative_total", "less than nothing"); }
    if is_blank(row.name) { note("no_name"); }
    #{ name: row.name, team_id: id_of("teams", row.team_id), pets: rows_of("pets", row.id).len() }
}

fn paid() {
    ids(#{ teams: #{ "7": "00000000-0000-0000-0000-000000000007" } });
    sample(#{ id: 1, name: "Tina", paid: true, total: dec("12.50"), team_id: 7 })
}
"#;

#[test]
fn every_example_for_rules_and_their_tests_holds() {
    let mut rule = RULE.to_owned();
    let mut count = 0;
    for function in FUNCTIONS.iter().filter(|f| f.purpose != Purpose::Database) {
        let name = function.name;
        let example = match function.purpose {
            Purpose::Value => format!("assert({});", function.example),
            _ => function.example.to_owned(),
        };
        assert!(
            example.contains(name),
            "the example of `{name}` does not use it"
        );
        let _ = writeln!(rule, "fn test_{name}() {{ let row = paid(); {example} }}");
        count += 1;
    }
    let project = Project::sqlite("", "");
    project.rule("people", &rule);
    project
        .runner(&["test"])
        .ends_with(0)
        .prints(&format!("{count} passed, 0 failed"));
}

#[test]
fn every_example_for_procedural_rules_runs() {
    let project = Project::sqlite(
        "create table person (id integer primary key, name text);
         insert into person values (1, 'Tina'), (2, 'Otto'), (3, 'Ada'), (4, null);",
        "create table teams (id uuid primary key, name text, legacy_team_id integer unique);
         insert into teams values ('00000000-0000-0000-0000-000000000007', 'A', 7);
         create table people (id uuid primary key, name text not null, legacy_person_id integer unique);
         insert into people values ('00000000-0000-0000-0000-000000000001', 'Tina', null);",
    );
    let mut rule = String::from(
        "const RULE = #{\n    base: \"person\", key: \"id\", target: \"people\", legacy: \"legacy_person_id\",\n    \
         ids: #{ teams: #{ legacy: \"legacy_team_id\", from: [] } },\n};\n\nfn run() {\n",
    );
    // an id is stated before the row that takes it is written; the commit comes last
    let order = |name: &str| match name {
        "ids.put" => 0,
        "checkpoint.commit" => 2,
        _ => 1,
    };
    let mut database: Vec<_> = FUNCTIONS
        .iter()
        .filter(|f| f.purpose == Purpose::Database)
        .collect();
    database.sort_by_key(|function| order(function.name));
    for function in database {
        assert!(
            function.example.contains(function.name),
            "{}",
            function.name
        );
        let _ = writeln!(rule, "    {}", function.example);
    }
    rule += "}\n";
    project.rule("people", &rule);
    project.runner(&["exec", "people"]).ends_with(3);
    assert_eq!(project.accounts("people"), [4, 0, 4, 0, 1, 0, 1, 2]);
    assert_eq!(
        project
            .target
            .one("select lower(id) from people where legacy_person_id = 1"),
        "00000000-0000-0000-0000-000000000001",
        "the row that was stated"
    );
}
