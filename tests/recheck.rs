//! A report can be held against everything it was made from: a forged number, an edited ledger and an edited row
//! are named with their place, and a source that moved on is no forgery.

use crate::support::{Engine, Output, Project};
use crate::verify::{people, somebody};

fn reported() -> Project {
    let project = people();
    project.runner(&["run"]).ends_with(3);
    project.runner(&["verify", "--record"]).ends_with(0);
    for file in ["report.html", "report.md", "report.txt", "report.json"] {
        project.runner(&["report", "-o", file]).ends_with(0);
    }
    project
}

fn recheck(project: &Project, file: &str) -> Output {
    project.runner(&["report", "--recheck", file])
}

#[test]
fn an_honest_report_holds_in_every_form_and_on_either_engine() {
    let project = reported();
    for file in ["report.html", "report.md", "report.txt", "report.json"] {
        recheck(&project, file).ends_with(0).prints("holds");
    }
    let root = project.target.one(
        "select detail::jsonb->>'root' from runner.finding where name = 'root' and run_id = 1",
    );
    assert_eq!(root.len(), 64);
    for file in ["report.html", "report.md", "report.txt", "report.json"] {
        assert!(
            project.read(file).contains(&root),
            "{file} does not print the root hash"
        );
    }
    let project = Project::demo("0.01", Engine::Sqlite);
    project.runner(&["run"]).ends_with(3);
    project.runner(&["verify", "--record"]).ends_with(0);
    project.runner(&["report", "-o", "r.html"]).ends_with(0);
    recheck(&project, "r.html").ends_with(0);
}

#[test]
fn an_edited_number_is_named_with_its_line() {
    let project = reported();
    let html = project.read("report.html");
    let place = html
        .lines()
        .position(|line| line.contains(">104<"))
        .expect("a visible number");
    let forged: Vec<String> = html
        .lines()
        .enumerate()
        .map(|(at, line)| {
            if at == place {
                line.replacen(">104<", ">105<", 1)
            } else {
                line.to_owned()
            }
        })
        .collect();
    project.write("forged.html", &(forged.join("\n") + "\n"));
    recheck(&project, "forged.html")
        .ends_with(4)
        .prints("forged or stale")
        .prints(&format!("line {} of the report", place + 1))
        .prints(">105<");
    project.write(
        "cut.html",
        &html
            .lines()
            .filter(|l| !l.contains("runner-report"))
            .collect::<Vec<_>>()
            .join("\n"),
    );
    recheck(&project, "cut.html").ends_with(1);
}

#[test]
fn an_edited_ledger_line_is_named() {
    let project = reported();
    let chunk = project
        .target
        .one("select max(id) from runner.chunk where rule = 'people'");
    project.target.exec(&format!(
        "update runner.chunk set inserted = inserted + 1, skipped = skipped - 1 where id = {chunk}"
    ));
    recheck(&project, "report.html")
        .ends_with(4)
        .prints("forged or stale")
        .prints(&format!("chunk {chunk} of people"))
        .prints("ledger of run 1");
    project.target.exec(&format!(
        "update runner.chunk set inserted = inserted - 1, skipped = skipped + 1 where id = {chunk}"
    ));
    // A manifest, and the hash that the ledger has of it: then only the root tells.
    project.target.exec(&format!(
        "update runner.manifest set packed = set_byte(packed, 4, 57) where chunk_id = {chunk};
         update runner.chunk set hash = (select encode(sha256(packed), 'hex') from runner.manifest where chunk_id = {chunk}) where id = {chunk}"
    ));
    recheck(&project, "report.html")
        .ends_with(4)
        .prints("ledger of run 1");
}

#[test]
fn an_edited_target_row_is_named_with_its_key_and_its_column() {
    let project = reported();
    somebody(&project).exec("update people set name = 'edited' where legacy_person_id = 16");
    recheck(&project, "report.html")
        .ends_with(4)
        .prints("forged or stale: people key 16")
        .prints("target-edited name");
}

#[test]
fn a_source_that_moved_is_no_forgery() {
    let project = reported();
    project.source.exec("update person set name = 'Renamed' where id = 16; insert into person select 500, 'New', email, active, born, joined, balance, kind_id, notes, mood from person where id = 21");
    let output = recheck(&project, "report.html");
    output
        .ends_with(4)
        .prints("the source moved since the snapshot")
        .prints("base of people")
        .prints("source-changed name")
        .never_says("forged");
}

#[test]
fn a_report_from_before_the_last_run_is_stale() {
    let project = reported();
    project
        .runner(&["exec", "people", "--restart"])
        .ends_with(3);
    recheck(&project, "report.html")
        .ends_with(4)
        .prints("`exec` began after the report was made");
}

#[test]
fn an_honest_report_of_differences_holds_as_long_as_they_are_the_same() {
    let project = people();
    project.runner(&["run"]).ends_with(3);
    let somebody = somebody(&project);
    somebody.exec("update people set name = 'edited' where legacy_person_id between 16 and 19");
    project
        .source
        .exec("update person set name = 'Renamed' where id = 31");
    project.runner(&["verify", "--record"]).ends_with(4);
    for file in ["report.html", "report.json"] {
        project.runner(&["report", "-o", file]).ends_with(0);
        recheck(&project, file).ends_with(0).prints("holds");
    }
    project
        .runner(&["report", "--format", "txt"])
        .prints("rows were other than their source rows make them in people");
    // as many differences, and the first of them the same, but another row
    somebody.exec(
        "update people set name = 'Person 19' where legacy_person_id = 19;
         update people set name = 'edited' where legacy_person_id = 26",
    );
    recheck(&project, "report.html")
        .ends_with(4)
        .prints("forged or stale: people key 26");
}

#[test]
fn the_root_hash_does_not_depend_on_the_writers() {
    let root = |writers: &str| {
        let project = Project::demo("0.01", Engine::Postgres);
        project
            .runner(&["run", "--writers", writers, "--batch-rows", "100"])
            .ends_with(3);
        project
            .target
            .one("select detail::jsonb->>'root' from runner.finding where name = 'root'")
    };
    assert_eq!(root("1"), root("4"));
}
