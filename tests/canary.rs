//! A canary sits in every column of the legacy database that a rule does not call public. It may arrive in
//! the target, and sing nowhere else.

use std::collections::BTreeSet;

use crate::support::{Db, Engine, Project};

const CANARY: &str = "CANARY7f3a";

/// What stands behind it in a column that is `secret`: that one may not even be in the state tables.
const SECRET: &str = "secret";

/// What else may stand in such a column: hashes that the auth server takes over, and what people paste there. The
/// tests' support looks for each of them wherever the program tells something.
const PASSWORDS: &str = "case id % 5
    when 0 then 'bcrypt$$2b$12$MDEyMzQ1Njc4OWFiY2RlZuNuAblhP1nFnDLKSjDtgN2L5aV2HqJYO'
    when 1 then 'argon2$argon2id$v=19$m=102400,t=2,p=8$c2l4dGVlbiBieXRlcyE$aGFzaCBvZiBzb21ldGhpbmc'
    when 2 then 'sb_secret_0123456789abcdefghij'
    when 3 then 'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2lnbmF0dXJl'
    else password end";

/// Columns that a rule shows, as `public` says, and those whose words decide what becomes of a row.
const SHOWN: &[&str] = &[
    "dispatch_role.name",
    "dispatch_file.ext",
    "auth_permission.codename",
];

/// Puts the canary behind what each text column of the source holds.
fn plant(source: &Db) -> usize {
    let columns = source.rows(
        "select table_name, column_name, character_maximum_length::text from information_schema.columns
         where table_schema = 'public' and data_type in ('text', 'character varying') order by 1, 2",
    );
    let mut planted = 0;
    for row in columns {
        let [table, column, length] = <[_; 3]>::try_from(row).unwrap();
        let (table, column) = (table.unwrap(), column.unwrap());
        if SHOWN.contains(&&*format!("{table}.{column}")) {
            continue;
        }
        let room =
            length.map_or(1_000, |length| length.parse().unwrap()) - CANARY.len() - SECRET.len();
        // Technicians that share an address go on doing so, and what is blank stays blank.
        let canary = if column == "email" {
            CANARY.to_lowercase()
        } else if column == "password" {
            source.exec(&format!(
                "update {table} set password = {PASSWORDS} where password ~ '[^[:space:]]'"
            ));
            format!("{CANARY}{SECRET}")
        } else {
            CANARY.to_owned()
        };
        source.exec(&format!(
            "update {table} set \"{column}\" = left(\"{column}\", {room}) || '{canary}' where \"{column}\" ~ '[^[:space:]]'"
        ));
        planted += 1;
    }
    planted
}

/// Nothing that the program says or writes holds the canary, in whatever case.
#[track_caller]
fn silent(what: &str, text: &str) {
    let lower = text.to_lowercase();
    if let Some(at) = lower.find(&CANARY.to_lowercase()) {
        let from = lower[..at]
            .char_indices()
            .rev()
            .nth(300)
            .map_or(0, |(i, _)| i);
        panic!("{what} sings: …{}…", &lower[from..at + CANARY.len()]);
    }
}

#[test]
fn a_canary_in_every_private_column_is_heard_nowhere() {
    let project = Project::demo("0.003", Engine::Postgres);
    project
        .source
        .exec("update dispatch_bracket set name = 'all of one name' where name ~ '[^[:space:]]'");
    assert!(plant(&project.source) > 30);
    // Errors of the database and of the script, whose words like to quote the row.
    project.target.exec(
        "alter table purchases add check (legacy_purchase_id % 7 <> 0);
         alter table treatment_discussions add check (length(content) % 5 <> 0);
         create unique index on brackets (name)",
    );
    project.edit(
        "rules/message_attachments.rhai",
        "    let extension = files::extension(row.ext);\n",
        "    let extension = files::extension(row.ext);\n    if row.id % 5 == 0 { throw `cannot read ${row.name} of ${row.uid}: ${row.description}`; }\n    if row.id % 5 == 1 { return int(row.name); }\n    if row.id % 5 == 2 { reject(`odd_${row.name}`, `odd: ${row.name}`); }\n",
    );
    project.edit(
        "rules/message_attachments.rhai",
        "    expect: #{ min_success: 1.0 },",
        "    expect: #{ min_success: 1.0 },\n    stop: #{ faults: 100000, share: 1.0 },",
    );
    project.edit(
        "rules/order_cases.rhai",
        "    let linked_at =",
        "    if row.id % 9 == 0 { throw #{ because: row.complaint, and: row.suffix }; }\n    let linked_at =",
    );
    project.edit(
        "rules/technicians.rhai",
        "        legacy_user_id: \"id\",",
        "        legacy_user_id: \"id\",\n        phone: \"password\",",
    );

    let run = |arguments: &[&str]| {
        let output = project.runner(arguments);
        let what = format!("`runner {}`", arguments.join(" "));
        silent(&what, &output.stdout);
        silent(&what, &output.stderr);
        output
    };
    for arguments in [
        &["check"][..],
        &["check", "--json"],
        &["plan"],
        &["plan", "--json"],
        &["run", "--dry-run"],
        &["run", "--dry-run", "--json"],
        &["run", "-v"],
        &["run", "--restart", "--json"],
        &["exec", "message_attachments", "--limit", "5", "--restart"],
        &["status"],
        &["status", "--json"],
        &["quarantine", "list"],
        &["quarantine", "list", "--json"],
    ] {
        let _ = run(arguments);
    }
    let arrived = "select count(*) from treatment_discussions where content like '%CANARY%'";
    assert!(project.target.count(arrived) > 0, "nothing was planted");

    let refused = project.target.rows(
        "select distinct on (rule, code) rule, key, code from runner.quarantine order by rule, code, key",
    );
    assert!(refused.len() > 10, "{refused:?}");
    let mut told = 0;
    let mut tried = BTreeSet::new();
    for (place, row) in refused.iter().enumerate() {
        let [rule, key, _] = [0, 1, 2].map(|index| row[index].clone().unwrap());
        // By turns as text and as JSON: every rule has several codes.
        let json: &[&str] = if place % 2 == 0 { &["--json"] } else { &[] };
        let show = [&["quarantine", "show", &rule, &key], json].concat();
        let why = [&["why", &rule, &key], json].concat();
        told += usize::from(run(&show).code == 0) + usize::from(run(&why).code == 0);
        if tried.insert(rule.clone()) {
            let _ = run(&["exec", &rule, "--row", &key]);
        }
    }
    assert!(told > 20, "{told} stories");
    let twins =
        "select count(*) from runner.quarantine where rule = 'brackets' and code = 'duplicate_of'";
    assert!(project.target.count(twins) > 0, "no unique index spoke");
    let written = project
        .target
        .lines("select legacy_comment_id from treatment_discussions limit 1");
    let _ = run(&["why", "treatment_discussions", &written[0]]);
    in_the_repl(&run, &written[0], refused[0][1].as_ref().unwrap());
    run(&[
        "quarantine",
        "accept",
        "technicians",
        "--reason",
        "missing_profile",
        "--note",
        "known",
    ])
    .ends_with(0);
    // What people edited is as private as what the source has.
    project.target.exec(&format!(
        "update treatment_discussions set content = content || '{CANARY} here'; update brackets set name = name || '{CANARY} here'"
    ));
    project.source.exec(
        "update dispatch_comment set text = text || ' and there'; delete from dispatch_payment where id % 3 = 0",
    );
    for arguments in [
        &["test"][..],
        &["test", "--json"],
        &["print", "grants"],
        &["verify"],
        &["verify", "--json"],
        &["retry"],
        &["retry", "treatment_discussions", "--json"],
        &["undo", "1", "--dry-run"],
        &["undo", "99", "--json"],
        &["state", "export"],
        &["state", "export", "-o", "state.jsonl"],
        &["state", "purge"],
        &["diff", "brackets"],
        &["diff", "technicians", "--json"],
        &["quarantine", "list", "technicians"],
        &["quarantine", "show", "technicians", "no such key"],
        &["why", "technicians", "no such key", "--json"],
        &["exec", "technicians", "--dry-run", "--restart", "-v"],
        &["run", "--accept-rule-change", "-v"],
        &["report", "--json"],
        &["report", "-o", "report.html"],
    ] {
        let _ = run(arguments);
    }
    silent("report.html", &project.read("report.html"));
    silent("state.jsonl", &project.read("state.jsonl"));
    for format in ["html", "md", "json", "txt"] {
        run(&["report", "--format", format]).ends_with(0);
    }
    // The state holds values, of rejected rows: but none of a secret column.
    let tables = project.target.lines("select table_name from information_schema.tables where table_schema = 'runner' and table_type = 'BASE TABLE'");
    assert!(tables.len() > 8, "{tables:?}");
    let holding = |text: &str| -> i64 {
        let count = |table: &String| {
            project.target.count(&format!(
                "select count(*) from runner.{table} t where t::text ilike '%{text}%'"
            ))
        };
        tables.iter().map(count).sum()
    };
    assert!(holding(CANARY) > 0, "no rejected row is kept");
    assert_eq!(
        holding(&format!("{CANARY}{SECRET}")),
        0,
        "a password is in the state"
    );
    undone(&run, &project);
    // A sync is not taken back, so it comes last.
    for arguments in [
        &["run"][..],
        &["sync", "--dry-run", "-v"],
        &["sync", "--deletes"],
        &["sync", "--json"],
        &["quarantine", "list"],
    ] {
        let _ = run(arguments);
    }
    assert_eq!(
        holding(&format!("{CANARY}{SECRET}")),
        0,
        "a password is in the state"
    );
}

/// The last runs, one after the other: looked at, then taken back.
fn undone(run: &impl Fn(&[&str]) -> crate::support::Output, project: &Project) {
    let last = project.target.count("select max(id) from runner.run");
    let mut taken_back = 0;
    for number in (last - 8..=last).rev() {
        let number = number.to_string();
        let _ = run(&["undo", &number, "--dry-run", "--json"]);
        taken_back += usize::from(run(&["undo", &number]).code == 0);
    }
    assert!(taken_back > 3, "{taken_back} undos");
}

/// What the REPL shows of rows by itself is masked; `run` fails the test when it is not.
fn in_the_repl(run: &impl Fn(&[&str]) -> crate::support::Output, written: &str, refused: &str) {
    let rows = [
        ("treatment_discussions", written),
        ("treatment_discussions", "no such key"),
        ("brackets", refused),
    ];
    for (rule, key) in rows {
        for line in [":row", ":try", ":step"] {
            let _ = run(&["repl", rule, "-e", &format!("{line} {key}")]);
        }
        let _ = run(&["repl", rule, "-e", ":bad"]);
        let _ = run(&["repl", rule, "-e", "row.no_such_column"]);
    }
    let _ = run(&["repl", "-e", ":tables"]);
    let _ = run(&["repl", "-e", ":rows dispatch_comment"]);
}
