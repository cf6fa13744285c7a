//! Somebody at the prompt: looks at what went wrong, repairs the rule, sees it go right, and keeps the row
//! as a test.

mod person;

use std::time::{Duration, Instant};

use crate::support::{Engine, Project, measuring, release_binary};
use person::Person;

const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";

/// Sings from each private text column that this test looks at.
const CANARY: &str = "CANARY7f3a";

/// The shipped rules over a small legacy database, whose attachments have gone over as far as they could.
fn attachments() -> Project {
    let project = Project::demo("0.02", Engine::Postgres);
    project.source.exec(&format!(
        "update dispatch_file set name = '{CANARY} ' || name, description = '{CANARY}' where name is not null"
    ));
    project
        .runner(&["exec", "message_attachments"])
        .ends_with(3);
    project
}

#[test]
fn from_a_bad_row_to_a_repaired_rule_a_test_and_a_moved_row() {
    let project = attachments();
    let mut person = Person::at(&project, 100, &["repl", "message_attachments"]);
    person.sees("message_attachments> ");
    let bad = "select key from runner.quarantine where rule = 'message_attachments' and waiting_entity = 'messages'
               order by length(key), key";
    let keys = project.target.lines(bad);
    let key = keys[0].clone();
    person.asks(":bad orphan", &format!("message_attachments  {key}"));
    person.asks(&format!(":row {key}"), "parameters text");
    person.asks(":try", "reject orphan: ");
    person.sees("waits for messages");

    // the file is saved, and without another key the new verdict is there
    repair(&project);
    person.sees("`message_attachments` was read again");
    person.sees("write message_attachments");
    person.sees("note moved_to_the_catch_all");

    person.asks(":pin an orphan is caught", "fn test_an_orphan_is_caught()");
    person.sees("`runner test message_attachments` runs it");
    let filter = [
        "test",
        "message_attachments",
        "--filter",
        "an_orphan_is_caught",
    ];
    project
        .runner(&filter)
        .ends_with(0)
        .prints("1 passed, 0 failed");

    // nothing is written until it is allowed, and then exactly the repaired rows go over
    let arrived = "select legacy_attachment_id from message_attachments where legacy_attachment_id is not null";
    let before = project.target.lines(arrived);
    person.sees("message_attachments");
    person.asks(":retry", "say `:write on` first");
    assert_eq!(project.target.lines(arrived), before);
    person.asks(":write on", "`:retry` may write");
    person.asks(":retry", &format!("{} written", keys.len()));
    person.sees("! ");
    let mut moved = project.target.lines(arrived);
    moved.retain(|key| !before.contains(key));
    moved.sort();
    let mut wanted = keys.clone();
    wanted.sort();
    assert_eq!(moved, wanted);
    assert_eq!(project.target.lines(bad), [""; 0]);
    let transcript = person.leaves(CTRL_D);
    assert!(!transcript.contains(CANARY), "{transcript}");
    assert!(!project.read("state/runner/history").contains(CANARY));
    assert!(
        !project
            .read("rules/message_attachments.rhai")
            .contains(CANARY)
    );
}

/// Messages that are gone are caught by the first one that is there.
fn repair(project: &Project) {
    let rule = "rules/message_attachments.rhai";
    project.edit(
        rule,
        "    where:  \"record_id is not null\",\n",
        "    where:  \"record_id is not null\",\n    from:   \"select f.*, 1 as one from dispatch_file f where f.record_id is not null\",\n    \
         lookups: #{ catch_all: #{ db: \"target\", from: \"select 1 as one, id from messages where legacy_record_id = (select min(legacy_record_id) from messages)\", \
         by: \"one\", keys: [\"one\"], take: [\"id\"], order: [\"id\"] } },\n",
    );
    project.edit(
        rule,
        "    let extension = files::extension(row.ext);\n",
        "    let extension = files::extension(row.ext);\n    let message = id_of_or_null(\"messages\", row.record_id);\n    \
         if message == () { note(\"moved_to_the_catch_all\"); message = rows_of(\"catch_all\", row.one)[0].id; }\n",
    );
    project.edit(rule, "id_of(\"messages\", row.record_id)", "message");
}

#[test]
fn a_pinned_row_does_not_stop_a_resume() {
    let project = Project::people();
    project.runner(&["exec", "kinds"]).ends_with(0);
    let struck = project.runner_failing(
        "chunk.after_commit:3:kill",
        &["exec", "people", "--batch-rows", "20", "--writers", "1"],
    );
    assert_eq!(struck.code, 128 + 9, "{struck}");
    project.target.wait_until_alone();
    project
        .runner(&["repl", "people", "-e", ":row 7", "-e", ":pin a person"])
        .ends_with(0)
        .prints("fn test_a_person()");
    project
        .runner(&["test", "people"])
        .ends_with(0)
        .prints("2 passed, 0 failed");
    project.runner(&["exec", "people"]).ends_with(3);
    assert_eq!(project.target.count("select count(*) from people"), 104);
}

/// From saving a rule to the new verdict on the screen. `RUNNER_TEST_MEASURE=1` takes the size of the real
/// system and the release build, and asserts the time.
#[test]
fn a_saved_rule_is_answered_at_once() {
    let scale = if measuring() { "1" } else { "0.003" };
    let mut project = Project::demo(scale, Engine::Postgres);
    if measuring() {
        project = project.with_binary(release_binary());
    }
    let paid = "select min(id) from dispatch_payment where paid and not canceled and not free and total_price > 1 and instruction_id is not null";
    let key = project.source.one(paid);
    let mut person = Person::at(&project, 100, &["repl", "purchases"]);
    person.sees("purchases> ");
    person.asks(&format!(":try {key}"), "write purchases");
    person.sees("> ");
    let mut times = Vec::new();
    for round in 0..15 {
        let (old, new) = if round % 2 == 0 {
            ("USD", "EUR")
        } else {
            ("EUR", "USD")
        };
        let (old, new) = (
            format!("\"{old}\",\n        status:"),
            format!("\"{new}\",\n        status:"),
        );
        project.edit("rules/purchases.rhai", &old, &new);
        let saved = Instant::now();
        person.sees_at_once(&new[1..4]);
        times.push(saved.elapsed());
        person.sees("> ");
    }
    let _ = person.leaves(CTRL_D);
    times.sort();
    let median = times[times.len() / 2];
    eprintln!(
        "saved rule to new verdict at scale {scale}: median {median:?}, slowest {:?}",
        times[14]
    );
    assert!(
        !measuring() || median < Duration::from_millis(200),
        "{times:?}"
    );
}

#[test]
fn completion_history_long_input_and_keys_that_end_things() {
    let project = Project::people();
    let mut person = Person::at(&project, 100, &["repl", "people"]);
    person.sees("people> ");
    person.asks("41 + 1", "42");
    person.sees("people> ");

    // an expression that is not finished goes on in the next line
    person.keys("let twice = |x| {\r");
    person.keys("  x * 2\r");
    person.keys("}\r");
    person.sees("people> ");
    person.asks("twice.call(21)", "42");
    person.sees("people> ");

    // the tab key completes commands, tables, columns and functions, which are listed with how they are called
    person.asks(":row 7", "id integer");
    person.sees("people 7> ");
    person.keys("id_o\t\t");
    person.sees("id_of(table, legacy_key) -> uuid");
    person.keys("\x15");
    person.keys(":tab\t\r");
    person.sees("target  people");
    person.sees("people 7> ");
    person.keys("row.activ\t\r");
    person.sees("true");
    person.sees("people 7> ");
    person.keys(":rows kin\t where id = 2\r");
    person.sees("(1 row)");
    person.sees("people 7> ");

    // Ctrl-C at the prompt throws the line away
    person.keys("this is nothing");
    person.keys(CTRL_C);
    person.sees("people 7> ");

    // Ctrl-C ends a query, and the server stops working on it
    person.types(":sql select count(*) from pg_sleep(60)");
    std::thread::sleep(Duration::from_millis(700));
    person.keys(CTRL_C);
    person.sees("interrupted");
    person.sees("people 7> ");
    let busy = "select count(*) from pg_stat_activity where state = 'active' and query like '%pg_sleep%' and pid <> pg_backend_pid()";
    assert_eq!(project.source.count(busy), 0);

    // no loop is endless
    person.asks("loop { }", "the script does not end");
    person.sees("people 7> ");
    person.asks("nope", "there is no variable `nope`");
    person.sees("people 7> ");
    let _ = person.leaves(CTRL_D);

    // what was typed is there the next time
    let mut person = Person::at(&project, 100, &["repl", "people"]);
    person.sees("people> ");
    person.keys("\x1b[A");
    person.sees("nope");
    person.keys("\x1b[A");
    person.sees("loop { }");
    person.keys("\x15");
    let _ = person.leaves(":quit\r");
}

#[test]
fn a_database_that_goes_away_and_comes_back() {
    let project = Project::people();
    project.runner(&["exec", "kinds"]).ends_with(0);
    let mut person = Person::at(&project, 100, &["repl", "people"]);
    person.sees("people> ");
    person.asks(":try 7", "write people");
    person.sees("people 7> ");
    let server = crate::support::Db::on_server("postgres");
    for db in [&project.source, &project.target] {
        server.exec(&format!(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{}'",
            db.name()
        ));
    }
    // nobody has to notice
    person.asks(":try 8", "write people");
    person.sees("people 8> ");
    let target = project.target.name();
    server.exec(&format!("alter database {target} allow_connections false"));
    server.exec(&format!(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{target}'"
    ));
    person.asks(":try 9", "error: ");
    person.sees("people 8> ");
    person.asks("1 + 1", "2");
    person.sees("people 8> ");
    server.exec(&format!("alter database {target} allow_connections true"));
    person.asks(":try 9", "write people");
    let _ = person.leaves(CTRL_D);
}

#[test]
fn wide_rows_fit_the_terminal_and_private_values_do_not_show() {
    let project = Project::people();
    project.runner(&["exec", "kinds"]).ends_with(0);
    project.source.exec(&format!(
        "update person set name = '{CANARY}', email = '{CANARY}', notes = '{CANARY}'"
    ));
    let mut person = Person::at(&project, 60, &["repl", "people"]);
    person.sees("people> ");
    let mut screens = Vec::new();
    for (line, answer) in [
        (":rows person where id < 3", "(2 rows)"),
        (":row 7", "notes text"),
        ("row", "notes"),
        ("row.name", "`:show on` shows it"),
        ("row.name.len()", "`:show on` shows it"),
        ("[row, row]", "(2 rows)"),
        ("transform(row)", "metadata"),
        ("print(row.email)", "\r\n"),
        ("source.query(\"select name from person\")", "(120 rows"),
        (":sql select max(name) as n from person", "(1 row)"),
        (":try", "write people"),
        ("row.name.frobnicate()", "there is no function"),
        ("row.name + 1 > ()", "error: "),
    ] {
        person.types(line);
        screens.push(person.sees(answer));
        person.sees("> ");
    }
    // the terminal's bytes come one by one: a `•` is three of them
    let rows: Vec<String> = screens[0]
        .lines()
        .map(|line| line.replace("\u{e2}\u{80}\u{a2}", "•"))
        .collect();
    assert!(rows.iter().any(|row| row.contains("••••")), "{rows:?}");
    for row in rows {
        assert!(row.trim_end().chars().count() <= 60, "{row:?}");
    }
    person.asks(":step", "step 1/");
    for _ in 0..3 {
        person.keys("\r");
        person.sees("step ");
    }
    person.asks("a", "write people");
    person.sees("> ");
    person.asks(":show on", "values are shown");
    person.sees("> ");
    let masked = person.asks("1", "1");
    assert!(!masked.contains(CANARY));
    person.asks("row.name", CANARY);
    let transcript = person.leaves(CTRL_D);
    let before = transcript.split(":show on").next().unwrap();
    assert!(!before.contains(CANARY), "{before}");
}
