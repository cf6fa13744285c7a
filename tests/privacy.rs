//! Promise 7: no value of a column that is not `public` leaves the databases, and a secret one is not
//! stored even in quarantine.

use crate::support::Project;

/// Words that may only ever be in the source and in the target's own table.
const PRIVATE: [&str; 4] = [
    "Rosalind",
    "rosalind@example.org",
    "pbkdf2_sha256$9000$salt$hash",
    "4111111111111111",
];

fn project() -> Project {
    let project = Project::pg(
        "create table client(id integer primary key, name text, email text, password text, card text, town text, n integer);
         insert into client values
            (1, 'Rosalind', 'rosalind@example.org', 'pbkdf2_sha256$9000$salt$hash', '4111111111111111', 'Basel', 1),
            (2, 'Rosalind', 'rosalind@example.org', 'pbkdf2_sha256$9000$salt$hash', '4111111111111111', 'Basel', 2),
            (3, 'Rosalind', 'rosalind@example.org', 'pbkdf2_sha256$9000$salt$hash', '4111111111111111', 'Basel', 3)",
        "create table clients(id uuid primary key, legacy_client_id integer unique, name varchar(5), email text unique, town text, n integer check (n < 3))",
    );
    project.rule(
        "clients",
        r#"const RULE = #{
    base: "client", key: "id", target: "clients", legacy: "legacy_client_id",
    copy: #{ email: "email", n: "n" },
    public: ["town"],
    secret: ["card"],
    stop: #{ faults: 1000, share: 1.0 },
};

fn transform(row) {
    if row.id == 1 { throw "what about " + row.name + " and " + row.card + row.password; }
    if row.id == 2 { reject("odd", "an odd one in " + row.town); }
    #{ name: row.name, town: row.town }
}
"#,
    );
    project
}

#[test]
fn no_private_value_is_printed_by_any_command() {
    let project = project();
    let all: &[&[&str]] = &[
        &["check"],
        &["plan"],
        &["run", "-v"],
        &["status"],
        &["status", "--json"],
        &["quarantine", "list"],
        &["quarantine", "list", "--json"],
        &["quarantine", "show", "clients", "1"],
        &["quarantine", "show", "clients", "2"],
        &["quarantine", "show", "clients", "3", "--json"],
        &["run", "--restart", "--json"],
        &["run", "--dry-run"],
        &["sync", "--dry-run"],
        &["sync", "--deletes", "--json"],
        &["sync"],
        &["report", "-o", "report.html"],
        &["report", "--format", "json", "-o", "report.json"],
    ];
    for arguments in all {
        let output = project.runner(arguments);
        for word in PRIVATE {
            output.never_says(word);
        }
    }
    for file in ["report.html", "report.json"] {
        let text = project.read(file);
        assert!(
            PRIVATE.iter().all(|word| !text.contains(word)),
            "{file} holds a private value"
        );
    }
    assert_eq!(
        project.accounts("clients")[7],
        3,
        "all three are refused, each by another"
    );
}

#[test]
fn secret_columns_are_not_stored_in_the_state() {
    let project = project();
    project.runner(&["run"]).ends_with(3);
    let tables = project
        .target
        .lines("select tablename from pg_tables where schemaname = 'runner'");
    assert!(tables.len() > 5, "{tables:?}");
    for table in tables {
        let rows = project
            .target
            .lines(&format!("select t::text from runner.{table} t"));
        for row in rows {
            assert!(
                !row.contains("4111111111111111"),
                "a card is in runner.{table}: {row}"
            );
            assert!(
                !row.contains("pbkdf2"),
                "a password is in runner.{table}: {row}"
            );
        }
    }
    // The rest of the row is there, for whoever may read the state: that is what quarantine is for.
    let stored = project
        .target
        .one("select data from runner.quarantine where key = '2'");
    assert!(stored.contains("Basel"), "{stored}");
}

#[test]
fn the_state_is_granted_to_nobody_and_row_security_is_on() {
    let project = project();
    project.runner(&["run"]).ends_with(3);
    let open = "select c.relname, a.grantee::regrole from pg_class c join pg_namespace n on n.oid = c.relnamespace, aclexplode(c.relacl) a
                where n.nspname = 'runner' and a.grantee <> c.relowner";
    assert_eq!(project.target.lines(open), [""; 0]);
    let off = "select relname from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'runner' and relkind = 'r' and not relrowsecurity";
    assert_eq!(project.target.lines(off), [""; 0]);
    assert_eq!(
        project
            .target
            .one("select has_schema_privilege('public', 'runner', 'usage')"),
        "f"
    );
}

#[test]
fn bytes_that_are_no_text_are_kept_in_quarantine_as_they_are() {
    let project = Project::between(
        crate::support::Engine::Sqlite,
        "create table client(id integer primary key, name text);
         insert into client values (1, 'fine'), (2, cast(x'ff00fe' as text)), (3, 'a' || char(0) || 'b'), (4, 'also fine')",
        crate::support::Engine::Postgres,
        "create table clients(id uuid primary key, legacy_client_id integer unique, name text)",
    );
    project.rule(
        "clients",
        "const RULE = #{ base: \"client\", key: \"id\", target: \"clients\", legacy: \"legacy_client_id\", copy: #{ name: \"name\" }, stop: #{ faults: 9, share: 1.0 } };\n\
         fn transform(row) { #{} }\n",
    );
    project.runner(&["run"]).ends_with(3);
    assert_eq!(
        project
            .target
            .lines("select legacy_client_id from clients order by 1"),
        ["1", "4"]
    );
    let data = project
        .target
        .lines("select key, data from runner.quarantine order by key");
    assert_eq!(data.len(), 2, "{data:?}");
    assert!(data[0].contains("/wD+"), "the bytes as base64: {data:?}");
    project
        .runner(&["quarantine", "show", "clients", "2"])
        .ends_with(0);
}
