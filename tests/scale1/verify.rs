//! At the real volume nothing is found where nothing is wrong: untouched, after everything was written anew by the
//! server, and in a copy where nothing can be proved to be ours.

use crate::support::{Db, Engine, Project, release_binary};
use crate::verify::{differences, tool};

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    let project = Project::demo("1", Engine::Postgres).with_binary(release_binary());
    project.runner(&["run"]).ends_with(3);
    let quiet = |what: &str, project: &Project| {
        let found = project.runner(&["verify", "--json"]).ends_with(0).json();
        assert_eq!(differences(&found), [""; 0], "{what}");
        assert_eq!(found["differences"], 0, "{what}");
        for table in found["tables"].as_array().unwrap() {
            let counted = format!("select count(*) from {}", table["target"].as_str().unwrap());
            let rows = project.target.count(&counted);
            assert_eq!(table["compared"], rows, "{what}: every row of {table:#}");
            assert_eq!(table["whole"], true);
        }
    };
    quiet("untouched", &project);
    project.target.vacuum_full();
    quiet("after vacuum full", &project);

    let restored = Db::postgres();
    let dump = project.path("dump.sql");
    let dump = dump.to_str().unwrap();
    tool("pg_dump", &["--file", dump, &project.target.url()]);
    let quietly = ["--quiet", "--set", "ON_ERROR_STOP=1", "--file", dump];
    tool("psql", &[&quietly[..], &[&restored.url()]].concat());
    let copy = Project::over(&project.source, restored).with_binary(release_binary());
    quiet("after dump and restore", &copy);
    copy.target.exec(
        "update purchases set quantity = 7 where legacy_purchase_id = (select min(legacy_purchase_id) from purchases)",
    );
    let found = copy.runner(&["verify", "--json"]).ends_with(4).json();
    let [line] = &differences(&found)[..] else {
        panic!("{:?}", differences(&found))
    };
    assert!(line.starts_with("purchases target-edited"), "{line}");
}
