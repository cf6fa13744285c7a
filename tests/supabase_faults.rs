//! What happens to projects in earnest: read-only in the middle of a run, a statement that is cancelled, and
//! why a transaction pooler is refused.

use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

use crate::support::{Db, Engine, Project, Standin, Way, canonical_dump};

/// Waits until the answer is true.
#[track_caller]
fn until(db: &Db, sql: &str) {
    let began = Instant::now();
    while db.one(sql) != "true" {
        assert!(began.elapsed() < Duration::from_mins(1), "never: {sql}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

const SOURCE: &str = "create table person(id integer primary key, name text);
    insert into person select n, 'Person ' || n from generate_series(1, 400) n";
const TARGET: &str =
    "create table people(id uuid primary key, name text, legacy_person_id integer unique);
    alter table people owner to postgres";
const RULE: &str = r#"//! People.
const RULE = #{ base: "person", key: "id", target: "people", legacy: "legacy_person_id", copy: #{ name: "name" } };
fn transform(row) { #{} }
"#;

fn project(standin: &Standin) -> Project {
    let project = Project::empty(Engine::Postgres, Engine::Postgres);
    project.source.exec(SOURCE);
    standin.admin().exec(TARGET);
    project.rule("people", RULE);
    standin.take(&project, Way::Direct, "postgres");
    project
}

/// Each row takes its time, so that something can happen between two chunks.
const SLOW: &str = "create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(0.01); return new; end $$;
    create trigger slow before insert on people for each row execute function slow()";

const RUN: [&str; 5] = ["run", "--batch-rows", "20", "--writers", "1"];

#[test]
fn a_project_that_turns_read_only_or_cancels_a_statement_loses_nothing() {
    let standin = Standin::start();
    let project = project(&standin);
    let admin = standin.admin();
    admin.exec(SLOW);
    let dump = || canonical_dump(&admin, &["people"], &[]);
    let landed = "select coalesce((select count(*) > 0 from people), false)::text";

    // the disk is full: the vendor turns everything read-only, for sessions that are open too
    let running = project.start(&RUN);
    until(&admin, landed);
    admin.exec("alter system set default_transaction_read_only = on");
    admin.exec("select pg_reload_conf()");
    let stopped = running.finish(Duration::from_mins(2));
    stopped
        .ends_with(1)
        .says("25006")
        .says("enlarge it, then run the same command again");
    let before = admin.count("select count(*) from people");
    assert!(before > 0 && before < 400, "{before}");
    admin.exec("alter system reset default_transaction_read_only");
    admin.exec("select pg_reload_conf()");
    until(
        &admin,
        "select (current_setting('default_transaction_read_only') = 'off')::text",
    );

    // a statement is cancelled, as a timeout does: that chunk goes again
    let running = project.start(&RUN);
    until(
        &admin,
        &format!("select (count(*) > {before})::text from people"),
    );
    let cancel = "select (count(pg_cancel_backend(pid)) > 0)::text from pg_stat_activity where usename = 'postgres' and state = 'active' and query ilike 'copy%people%'";
    until(&admin, cancel);
    running.finish(Duration::from_mins(2)).ends_with(0);
    assert_eq!(admin.count("select count(*) from people"), 400);
    assert_eq!(project.accounts("people"), [400, 0, 400, 400, 0, 0, 0, 0]);
    project.runner(&["verify"]).ends_with(0);

    // the same as when nothing happens
    let disturbed = dump();
    admin.exec("drop trigger slow on people; truncate people; drop schema runner cascade");
    project.runner(&RUN).ends_with(0);
    assert_eq!(dump(), disturbed);
}

/// Failed logins lock an address out of a project, so whoever is refused once does not knock again.
#[test]
fn a_password_that_is_changed_during_a_run_ends_it_without_a_second_knock() {
    let standin = Standin::start();
    let project = project(&standin);
    let admin = standin.admin();
    admin.exec(SLOW);
    let running = project.start(&RUN);
    until(
        &admin,
        "select coalesce((select count(*) > 0 from people), false)::text",
    );
    let secret = admin.one("select rolpassword from pg_authid where rolname = 'postgres'");
    admin.exec("alter role postgres password 'rotated'");
    admin.exec("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'postgres'");
    let stopped = running.finish(Duration::from_mins(2));
    stopped
        .ends_with(1)
        .says("28P01")
        .says("check user and password");
    assert!(stopped.took < Duration::from_secs(40), "{stopped}");
    let log = standin.log();
    let knocks = log.matches("password authentication failed").count();
    // each connection that was lost knocks once at most: one reads, holds the lock, keeps the account, writes
    assert!((1..=4).contains(&knocks), "{knocks} failed logins");

    admin.exec(&format!("alter role postgres password '{secret}'"));
    project.runner(&RUN).ends_with(0);
    assert_eq!(admin.count("select count(*) from people"), 400);
    assert_eq!(project.accounts("people"), [400, 0, 400, 400, 0, 0, 0, 0]);
    project.runner(&["verify"]).ends_with(0);
}

#[test]
fn through_a_transaction_pooler_the_drivers_defaults_get_somebody_elses_answers() {
    let standin = Standin::start();
    let ask = |way: Way| -> (usize, usize) {
        let url = standin
            .url(way, "postgres")
            .replace("?pgbouncer=true&sslmode=verify-full", "");
        let ca = standin.authority("ca");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let clients = (0..8_i64).map(|client| {
                let options: PgConnectOptions = url.parse().expect("a url");
                let options = options
                    .ssl_mode(PgSslMode::VerifyCa)
                    .ssl_root_cert(&ca)
                    .disable_statement_logging();
                tokio::spawn(async move {
                    let (mut right, mut other) = (0, 0);
                    let mut connection = sqlx::postgres::PgConnection::connect_with(&options)
                        .await
                        .expect("a connection");
                    for _ in 0..60 {
                        // every client asks its own question, and knows the answer
                        let sql = format!("select $1::int8 * 0 + {client}");
                        let query = sqlx::query(sqlx::AssertSqlSafe(sql))
                            .bind(7_i64)
                            .persistent(false);
                        match query.fetch_one(&mut connection).await {
                            Ok(row) if row.try_get::<i64, _>(0).ok() == Some(client) => right += 1,
                            Ok(_) | Err(_) => other += 1,
                        }
                    }
                    (right, other)
                })
            });
            let mut sums = (0, 0);
            for client in clients.collect::<Vec<_>>() {
                let (right, other) = client.await.expect("a client");
                sums = (sums.0 + right, sums.1 + other);
            }
            sums
        })
    };
    assert_eq!(ask(Way::SessionPooler), (480, 0));
    assert_eq!(ask(Way::Direct), (480, 0));
    let (right, other) = ask(Way::TransactionPooler);
    assert_eq!(right + other, 480);
    assert!(
        other > 0,
        "the pooler served everybody right: nothing speaks for refusing it any more"
    );
}
