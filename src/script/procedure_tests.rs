//! Hooks and procedural rules against a host that keeps what it was asked.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::host::{Answer, Host, HostCall, HostReply};
use super::{Declared, Procedure, SourceText};
use crate::row::Rows;
use crate::value::Logical;

#[derive(Default)]
struct Clerk {
    log: Rc<RefCell<Vec<String>>>,
    pages: Vec<Vec<&'static str>>,
}

fn answer(lines: &[&str]) -> Answer {
    let mut rows = Rows::new(["id".to_owned(), "name".to_owned()].into());
    for line in lines {
        assert!(rows.push_line(line.as_bytes()));
    }
    Answer {
        rows: Arc::new(rows),
        types: [Logical::Int4, Logical::Text(None)].into(),
    }
}

impl Host for Clerk {
    fn call(&mut self, request: HostCall) -> Result<HostReply, String> {
        self.log.borrow_mut().push(format!("{request:?}"));
        Ok(match request {
            HostCall::Query { .. } => HostReply::Rows(answer(&["9\tnine"])),
            HostCall::OpenRows { .. } => HostReply::Stream(1),
            HostCall::NextRows { .. } if self.pages.is_empty() => HostReply::Rows(answer(&[])),
            HostCall::NextRows { .. } => HostReply::Rows(answer(&self.pages.remove(0))),
            HostCall::IdGet { .. } => HostReply::Id(None),
            HostCall::CheckpointGet { .. } => HostReply::Value(Some("{\"last\": 3}".to_owned())),
            HostCall::CheckpointCommit { .. } if self.log.borrow().len() > 90 => {
                return Err("gone".to_owned());
            }
            _ => HostReply::Done,
        })
    }
}

fn run(body: &str) -> (Result<(), String>, Vec<String>) {
    let log = Rc::new(RefCell::new(Vec::new()));
    let clerk = Clerk {
        log: Rc::clone(&log),
        pages: vec![vec!["1\ta", "2\tb"], vec!["3\tc"]],
    };
    let rule = SourceText {
        path: "rules/x.rhai".to_owned(),
        text: format!("fn run() {{ {body} }}").into(),
    };
    let mut procedure = Procedure::new(&rule, &[], Declared::default(), Box::new(clerk))
        .expect("the rule compiles");
    let outcome = procedure
        .call("run")
        .map_err(|problem| problem.message().to_owned());
    let log = log.borrow().clone();
    (outcome, log)
}

#[test]
fn every_streamed_row_gets_a_verdict() {
    let (outcome, log) = run("for row in source.rows(\"select\") {
        if row.id == 2 { target.skip(row.id, \"two\"); }
        else if row.id == 3 { target.reject(row.id, \"three\", \"odd\"); }
        else { target.write(\"t\", #{ name: row.name, many: [1] }, row.id); }
    }
    checkpoint.commit(\"all\", #{ done: true });");
    assert_eq!(outcome, Ok(()));
    assert_eq!(log.len(), 8, "{log:#?}");
    assert!(
        log[7].contains("value: \"{\\\"done\\\": true}\", rows: 3"),
        "{}",
        log[7]
    );
}

#[test]
fn a_row_without_a_verdict_stops_the_commit() {
    let commit = "for row in source.rows(\"select\") { if row.id != 2 { target.skip(row.id, \"x\"); } } checkpoint.commit(\"c\", 1);";
    let sentence = "1 streamed row was neither written, skipped nor rejected, the first with key 2";
    assert_eq!(run(commit).0, Err(sentence.to_owned()));
    let leave = "for row in source.rows(\"select\") { break; }";
    assert!(run(leave).0.is_err());
}

#[test]
fn an_end_without_a_commit_is_an_error() {
    let (outcome, _) = run("target.write(\"t\", #{ a: 1 }, 1);");
    assert_eq!(
        outcome,
        Err("`run` ended with rows that were not committed".to_owned())
    );
}

#[test]
fn queries_ids_and_checkpoints_answer() {
    let (outcome, _) = run(
        "if source.query(\"select 1\")[0].name != \"nine\" { throw 1; }
        if ids.get(\"t\", 5) != () { throw 2; }
        if checkpoint.get(\"c\").last != 3 { throw 3; }
        ids.put(\"t\", 5, \"00000000-0000-0000-0000-000000000005\");",
    );
    assert_eq!(outcome, Ok(()));
}

#[test]
fn the_source_is_never_written_and_there_is_no_row_to_skip() {
    let write = run("source.write(\"t\", #{}, 1);").0;
    assert_eq!(
        write,
        Err("`source.write`: the legacy database is never changed".to_owned())
    );
    assert_eq!(
        run("skip(\"x\");").0,
        Err("`x` has no row to speak of in `run`".to_owned())
    );
}
