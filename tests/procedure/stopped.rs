//! Procedures that were stopped by a person, or edited half-way.

use super::{ACCOUNTS, RULE, project, with_run};
use crate::support::Engine;

#[test]
fn control_c_ends_a_procedure_at_its_next_commit_or_at_once() {
    let forever = with_run(
        "    let n = checkpoint.get(\"n\") ?? 0; loop { n += 1; checkpoint.commit(\"n\", n); }",
    );
    let stuck = with_run("    checkpoint.commit(\"n\", 1); loop { }");
    for (rule, signals) in [(forever, 1), (stuck, 2)] {
        let project = project(Engine::Postgres, &rule);
        let run = project.start(&["run"]);
        let chunks = "select count(*) from runner.chunk";
        let started = std::time::Instant::now();
        while project.target.one("select to_regclass('runner.finding')") == "NULL"
            || project.target.count(chunks) == 0
        {
            assert!(started.elapsed().as_secs() < 30, "nothing is committed");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let pid = nix::unistd::Pid::from_raw(run.child.id().cast_signed());
        for _ in 0..signals {
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        run.finish(std::time::Duration::from_mins(1)).ends_with(130);
        assert!(project.target.count(chunks) > 0);
    }
}

#[test]
fn a_rule_that_was_edited_half_way_does_not_go_on_by_itself() {
    let project = project(Engine::Postgres, RULE);
    let killed = project.runner_failing("chunk.before_commit:3:kill", &["run"]);
    assert_eq!(killed.code, 128 + 9, "{killed}");
    project.target.wait_until_alone();
    project.edit("rules/people.rhai", "waiting == 4", "waiting == 5");
    project.runner(&["run"]).ends_with(5).says("changed since");
    project
        .runner(&["run", "--accept-rule-change"])
        .ends_with(3);
    assert_eq!(project.accounts("people"), ACCOUNTS);
    project.edit("rules/people.rhai", "waiting == 5", "waiting == 6");
    project.runner(&["run"]).tells("--restart");
    assert_eq!(project.accounts("people"), ACCOUNTS);
}
