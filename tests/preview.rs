//! Promise 6: a preview writes nothing, and needs no right to.

use crate::support::{Db, Engine, Project};

/// Everything a write would move: counters of every table, catalogs included, and the objects there are.
fn traces(db: &Db) -> Vec<String> {
    // A session hands in its counters when it ends.
    db.wait_until_alone();
    // Catalogs that all databases of the server share are written by other tests meanwhile.
    let mut traces = db.lines(
        "select schemaname, s.relname, n_tup_ins, n_tup_upd, n_tup_del
         from pg_stat_all_tables s join pg_class c on c.oid = relid and not relisshared
         where n_tup_ins + n_tup_upd + n_tup_del > 0 order by 1, 2",
    );
    traces.extend(db.lines("select 'object', oid, relname, relfilenode from pg_class where relkind in ('r', 'S', 'v', 'i') and oid >= 16384 order by 2"));
    for table in db.lines("select format('%I.%I', schemaname, tablename) from pg_tables where schemaname not in ('pg_catalog', 'information_schema') order by 1") {
        traces.extend(db.lines(&format!("select '{table}', xmin, ctid, t::text from {table} t order by ctid")));
    }
    traces
}

/// A role that may look and nothing else: no write, no temporary table, read-only by default.
fn reader(project: &Project) -> Db {
    let name = format!("reader_{}", project.target.name());
    let database = project.target.name();
    project.target.exec(&format!(
        "create role {name} login; alter role {name} set default_transaction_read_only = on;
         revoke temporary on database {database} from public; revoke create on schema public from public;
         grant usage on schema public to {name}; grant select on all tables in schema public to {name}"
    ));
    project.target.as_user(&name, None)
}

/// The shipped commands that look at a target and write nothing, with the codes they may end with.
const PREVIEWS: &[(&[&str], &[i32])] = &[
    (&["check"], &[0]),
    (&["plan"], &[0]),
    (&["test"], &[0]),
    (&["run", "--dry-run"], &[0, 3]),
    (&["exec", "people", "--dry-run", "--limit", "5"], &[0, 3]),
    (&["exec", "people", "--dry-run", "--row", "15"], &[0, 3]),
    (&["repl", "people", "-e", "1 + 1"], &[0]),
];

/// These read the state: without the right to, they end with 1 and name the grant.
const READ_STATE: &[&[&str]] = &[&["status"], &["quarantine", "list"]];

fn as_reader(project: &Project, reader: &Db) {
    let env = project
        .read(".env")
        .replace(&project.target.url(), &reader.url());
    project.write(".env", &env);
}

#[test]
fn every_preview_works_under_a_role_that_may_only_look_and_leaves_no_trace() {
    let project = Project::people();
    let reader = reader(&project);
    as_reader(&project, &reader);
    let before = traces(&project.target);
    for (arguments, codes) in PREVIEWS {
        let output = project.runner(arguments);
        assert!(codes.contains(&output.code), "{arguments:?}\n{output}");
        assert_eq!(
            traces(&project.target),
            before,
            "{arguments:?} wrote\n{output}"
        );
    }
    let output = project.runner(&["run"]);
    assert!([1, 5].contains(&output.code), "{output}");
    output.says("write");
    assert_eq!(
        traces(&project.target),
        before,
        "a refused run wrote\n{output}"
    );
}

#[test]
fn previews_work_beside_a_state_they_may_not_read_and_advance_no_checkpoint() {
    let project = Project::people();
    project.runner(&["exec", "kinds"]).ends_with(0);
    let arguments = ["exec", "people", "--batch-rows", "20", "--writers", "1"];
    let struck = project.runner_failing("chunk.after_commit:2:kill", &arguments);
    assert_eq!(struck.code, 128 + 9, "{struck}");
    project.target.wait_until_alone();
    let owner = project.read(".env");
    let reader = reader(&project);
    as_reader(&project, &reader);
    let before = traces(&project.target);
    for (arguments, codes) in PREVIEWS {
        let output = project.runner(arguments);
        assert!(codes.contains(&output.code), "{arguments:?}\n{output}");
    }
    for arguments in READ_STATE {
        project.runner(arguments).ends_with(1).says("grant");
    }
    assert_eq!(traces(&project.target), before);

    // With the right to read the state they work, and still write nothing.
    project.target.exec(&format!(
        "grant usage on schema runner to reader_{0}; grant select on all tables in schema runner to reader_{0}",
        project.target.name()
    ));
    for table in project
        .target
        .lines("select tablename from pg_tables where schemaname = 'runner'")
    {
        let policy = format!(
            "create policy reading on runner.{table} for select to reader_{} using (true)",
            project.target.name()
        );
        project.target.exec(&policy);
    }
    let before = traces(&project.target);
    for arguments in READ_STATE {
        project.runner(arguments).ends_with(0);
    }
    assert_eq!(project.accounts("people")[2], 40);
    assert_eq!(traces(&project.target), before);

    project.write(".env", &owner);
    project.runner(&arguments).ends_with(3);
    assert_eq!(project.accounts("people"), crate::support::PEOPLE_ACCOUNTS);
}

#[test]
fn previews_leave_the_source_and_a_sqlite_target_as_they_are() {
    let project = Project::sqlite(
        "create table old(id integer primary key, a text); insert into old values (1, 'x'), (2, 'y')",
        "create table new(id UUID primary key, legacy_id integer unique, a text)",
    );
    project.rule("new", "const RULE = #{ base: \"old\", key: \"id\", target: \"new\", legacy: \"legacy_id\", copy: #{ a: \"a\" } };\nfn transform(row) { #{} }\n");
    let bytes = || {
        (
            std::fs::read(project.path("legacy.db")).unwrap(),
            std::fs::read(project.path("target.db")).unwrap(),
        )
    };
    let before = bytes();
    for arguments in [
        &["check"][..],
        &["plan"],
        &["run", "--dry-run"],
        &["exec", "new", "--dry-run", "--row", "1"],
    ] {
        project.runner(arguments).ends_with(0);
        assert!(bytes() == before, "{arguments:?} changed a file");
    }
    assert_eq!(project.target.engine(), Engine::Sqlite);
    project.runner(&["run"]).ends_with(0);
    assert!(
        std::fs::read(project.path("legacy.db")).unwrap() == before.0,
        "a run changed the source"
    );
}
