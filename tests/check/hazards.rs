//! What the target does beside taking rows, and what it hides.

use super::{Reference, findings};
use crate::support::{Engine, Project};

#[test]
fn effects_of_the_target_are_named_refuse_a_run_and_can_be_accepted() {
    let it = Reference::new();
    let brackets = it.place("rules/brackets.rhai", "target:");
    it.owner.exec(
        "create function deeper(t text) returns void language sql as $$ select pg_notify('a', t) $$;
         create function calls() returns trigger language plpgsql as $$ begin perform deeper(new.name); return null; end $$;
         create function stamps() returns trigger language plpgsql as $$ begin new.name := trim(new.name); return new; end $$;
         create function counts() returns trigger language plpgsql as $$ begin update totals set n = n + 1; return null; end $$;
         create function vetoes() returns trigger language plpgsql as $$ begin if new.name = '' then return null; end if; return new; end $$;
         create function watches() returns trigger language plpgsql as $$ begin if new.name = 'x' then raise exception 'no'; end if; return new; end $$;
         create table totals(n int);",
    );
    let accept = |name: &str| format!("accept it in the rule, effects: [\"{name}\"]");
    for (make, back, expected) in [
        (
            "create trigger t after insert on brackets for each row execute function calls()",
            "drop trigger t on brackets",
            format!(
                "error: trigger `t` on `brackets` reaches outside the database (pg_notify), for every row and beyond any rollback ({}, or switch it off for the load: alter table brackets disable trigger t)",
                accept("t")
            ),
        ),
        (
            "create publication p_ROLE for table brackets",
            "drop publication p_ROLE",
            format!(
                "error: publication `p_ROLE` passes every row of `brackets` on to its subscribers ({}, or take the table out for the load: alter publication p_ROLE drop table brackets)",
                accept("p_ROLE")
            ),
        ),
        (
            "create trigger t before insert on brackets for each row execute function stamps()",
            "drop trigger t on brackets",
            format!(
                "hazard: trigger `t` on `brackets` (before insert) rewrites `name`, which the rule sets ({}, say that the target decides, volatile: [\"name\"], or switch the trigger off for the load)",
                accept("t")
            ),
        ),
        (
            "create trigger t after insert or update on brackets for each row execute function counts()",
            "drop trigger t on brackets",
            format!(
                "hazard: trigger `t` on `brackets` (after insert or update) writes totals ({}, or switch the trigger off for the load)",
                accept("t")
            ),
        ),
        (
            "create trigger t before insert on brackets for each row execute function vetoes()",
            "drop trigger t on brackets",
            format!(
                "hazard: trigger `t` on `brackets` (before insert) can let a row vanish ({}, or switch the trigger off for the load)",
                accept("t")
            ),
        ),
    ] {
        let expected = format!("{brackets}: {expected}").replace("ROLE", &it.role);
        assert_eq!(it.after(make, back), [expected], "{make}");
    }
    let nothing: [&str; 0] = [];
    let harmless =
        "create trigger t before insert on brackets for each row execute function watches()";
    assert_eq!(it.after(harmless, "drop trigger t on brackets"), nothing);

    // what refuses a check refuses a run, and what the owner accepts does not
    it.owner
        .exec("create trigger t after insert on brackets for each row execute function calls()");
    it.project
        .runner(&["exec", "brackets"])
        .ends_with(5)
        .says("trigger `t` on `brackets` reaches outside the database");
    assert_eq!(it.owner.one("select to_regnamespace('runner')"), "NULL");
    it.project.edit(
        "rules/brackets.rhai",
        "target: \"brackets\",",
        "target: \"brackets\", effects: [\"t\"],",
    );
    assert_eq!(findings(&it.project, &["brackets"]), nothing);
    it.project.runner(&["exec", "brackets"]).ends_with(3);
}

#[test]
fn hidden_rows_are_an_error_and_never_make_orphans() {
    let project = Project::demo("0.002", Engine::Postgres);
    let it = Reference::of(project);
    it.owner
        .exec(&format!("alter role {} nobypassrls", it.role));
    let role = it.role.clone();
    // policies that let everything through are not in the way, and neither is row security on other tables
    for table in it.project.rules() {
        it.owner.exec(&format!(
            "create policy mover on {table} for all to {role} using (true) with check (true)"
        ));
    }
    let nothing: [&str; 0] = [];
    assert_eq!(findings(&it.project, &[]), nothing);
    it.owner.exec(&format!(
        "alter table messages enable row level security;
         create policy half on messages for select to {role} using (legacy_record_id % 2 = 0)"
    ));
    let expected = format!(
        "{}: error: row level security hides rows of `messages` from this role: rows that need them would be taken for orphans (connect as a role with BYPASSRLS, or give this one a policy `for select using (true)`)",
        it.place("rules/message_attachments.rhai", "messages: #{ legacy")
    );
    assert_eq!(findings(&it.project, &[]), [expected]);
    it.project
        .runner(&["exec", "message_attachments"])
        .ends_with(5)
        .says("row level security hides rows of `messages`");
    assert_eq!(it.owner.one("select to_regnamespace('runner')"), "NULL");
    it.owner
        .exec("drop policy half on messages; alter table messages disable row level security");

    it.owner.exec("drop policy mover on brackets");
    let expected = format!(
        "{}: error: row level security hides rows of `brackets` from this role (connect as a role with BYPASSRLS, or give this one a policy `for all using (true) with check (true)`)",
        it.place("rules/brackets.rhai", "target:")
    );
    assert_eq!(findings(&it.project, &["brackets"]), [expected]);
}
