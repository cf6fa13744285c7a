//! What a transaction that writes sets for itself, whatever the role and the database say: durability and limits of
//! time. And that it costs no round trip.

use std::collections::BTreeSet;

use crate::support::{Project, Standin, Way};

/// Writes down under which settings each statement ran that wrote or made something.
const WATCH: &str = "
    create schema watch; create table watch.seen(place text, sync text, statement text, idle text);
    create function watch.note() returns trigger language plpgsql security definer as $$ begin
      insert into watch.seen values (tg_table_name, current_setting('synchronous_commit'), current_setting('statement_timeout'),
        current_setting('idle_in_transaction_session_timeout')); return null; end $$;
    create function watch.made() returns event_trigger language plpgsql security definer as $$ begin
      insert into watch.seen values (tg_tag, current_setting('synchronous_commit'), current_setting('statement_timeout'),
        current_setting('idle_in_transaction_session_timeout')); end $$;
    create event trigger made on ddl_command_end execute function watch.made();
    alter role postgres set synchronous_commit = off; alter role postgres set idle_in_transaction_session_timeout = '1h'";

/// The same for rows of every table that a run writes to.
const WATCH_TABLES: &str = "
    alter event trigger made disable;
    do $$ declare t record; begin
      for t in select schemaname as s, tablename as name from pg_tables where schemaname in ('runner', 'public') loop
        execute format('create trigger watched after insert or update or delete on %I.%I for each statement execute function watch.note()',
          t.s, t.name);
      end loop;
    end $$;
    alter event trigger made enable";

#[test]
fn every_transaction_that_writes_is_durable_and_limited_whatever_the_role_says() {
    let standin = Standin::start();
    let project = standin.demo("0.003");
    let admin = standin.admin();
    admin.exec(WATCH);
    standin.take(&project, Way::Direct, "postgres");
    project
        .runner(&["exec", "brackets", "--limit", "1"])
        .ends_with(0);
    admin.exec(WATCH_TABLES);
    project.runner(&["run"]).ends_with(3);
    let run = admin.one("select max(id) from runner.run");
    project.runner(&["undo", &run]).ends_with(0);
    project.runner(&["run"]).ends_with(3);
    for command in [
        &[
            "quarantine",
            "accept",
            "technicians",
            "--reason",
            "missing_profile",
            "--note",
            "known",
        ][..],
        &["verify", "--record"],
    ] {
        project.runner(command).ends_with(0);
    }
    project.runner(&["retry"]).ends_with(3);
    project.source.exec(
        "update dispatch_comment set text = text || '!' where id % 2 = 0; delete from dispatch_bracket where id % 2 = 0",
    );
    project.runner(&["sync", "--deletes"]).ends_with(3);
    project.runner(&["state", "purge", "--yes"]).ends_with(0);

    let wrong = "select distinct place, sync, statement, idle from watch.seen
        where (sync, statement, idle) is distinct from ('on', '595s', '10min')";
    assert_eq!(admin.lines(wrong), [""; 0]);
    let places: BTreeSet<String> = admin
        .lines("select distinct place from watch.seen")
        .into_iter()
        .collect();
    for place in [
        "run",
        "rule",
        "segment",
        "chunk",
        "manifest",
        "quarantine",
        "accepted",
        "before_image",
        "finding",
        "standing",
        "brackets",
        "purchases",
        "technicians",
        "migration_mappings",
        "migration_control",
        "CREATE TABLE",
        "DROP SCHEMA",
    ] {
        assert!(
            places.contains(place),
            "nothing was seen of {place}: {places:?}"
        );
    }
    // and nobody else finds any of it: neither the role's next session nor a pooler's next client
    let seen =
        "select current_setting('synchronous_commit') || current_setting('statement_timeout')";
    assert_eq!(standin.local("postgres").one(seen), "off2min");
}

#[test]
fn what_a_transaction_sets_costs_no_round_trip() {
    let trips = |rows: &str| -> usize {
        let project = Project::people();
        project.target.record_statements();
        project
            .runner(&["run", "--writers", "1", "--batch-rows", rows])
            .ends_with(3);
        let statements = project.target.statements();
        let begun = statements.iter().filter(|s| s.starts_with("begin;"));
        for begin in begun {
            assert!(
                begin.contains("set local synchronous_commit = on"),
                "{begin}"
            );
        }
        statements.len()
    };
    // 10 chunks of people, and 30
    let (few, many) = (trips("12"), trips("4"));
    // begin with its settings and the fence; rows; ledger, manifest and quarantine; commit and the ledger line
    assert_eq!(many - few, 20 * 4, "{few} and {many} statements");
}
