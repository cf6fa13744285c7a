//! What the tests stand on: throw-away servers, databases of a test's own, a project folder, the
//! program with a clean environment, and dumps that owe nothing to the program's own code.

mod database;
mod dump;
mod own_server;
mod people;
mod process;
mod project;
mod proxy;
mod random;
mod release;
mod secrets;
mod server;
mod supabase;

pub use database::{Db, Engine, Session};
pub use dump::{canonical_dump, columns, quarantine_dump};
pub use own_server::OwnServer;
pub use people::{PEOPLE_ACCOUNTS, SOURCE as PEOPLE_SOURCE, TARGET as PEOPLE_TARGET};
pub use process::{Output, Running, run_limited};
pub use project::{NAMESPACE, Project};
pub use proxy::{Fault, Proxy, Way as Wire};
pub use random::Random;
pub use release::{measuring, release_binary};
pub use server::{PASSWORD_USER, postgres, server_tool};
pub use supabase::{AUTH, HANDLE_NEW_USER, PROTECT_DELETE, Standin, Way};

#[test]
fn every_test_has_databases_of_its_own_and_a_dump_that_shows_every_difference() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let project = Project::empty(engine, engine);
        let table = "create table t(id text primary key, n integer, at text);";
        project.source.exec(&format!(
            "{table} insert into t values ('b', 2, 'x'), ('a', null, 'y')"
        ));
        project.target.exec(&format!(
            "{table} insert into t values ('a', null, 'z'), ('b', 2, 'z')"
        ));
        let dump = |db: &Db, volatile: &[&str]| canonical_dump(db, &["t"], volatile);
        assert_eq!(
            dump(&project.source, &["t.at"]),
            [r#"t: id="a" n=NULL"#, r#"t: id="b" n="2""#]
        );
        assert_eq!(
            dump(&project.source, &["at"]),
            dump(&project.target, &["at"])
        );
        assert_ne!(dump(&project.source, &[]), dump(&project.target, &[]));
    }
}
