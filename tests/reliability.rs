//! Everything that may go wrong in one night: 28 faults, each with a test named after it.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::support::{Db, OwnServer, PEOPLE_TARGET, Project, canonical_dump, quarantine_dump};

mod content;
mod ground;
mod network;
mod page;
mod process;
mod servers;
mod state;
mod waits;

/// Small chunks, one after another.
const RUN: &[&str] = &["run", "--batch-rows", "20", "--writers", "1"];

/// No single command may take longer.
const LIMIT: Duration = Duration::from_mins(3);

/// Each row takes its time, so that something can happen in the middle of a COPY.
const SLOW: &str = "create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(0.03); return new; end $$;
    create trigger slow before insert on people for each row execute function slow()";

/// The middle of a COPY of people.
const COPYING: &str = "select exists (select 1 from pg_stat_activity where state = 'active' and query ilike 'copy%people%from stdin')";

/// Waits until a question is answered with `true`.
#[track_caller]
fn until(db: &Db, question: &str) {
    let begun = Instant::now();
    while db.one(question) != "t" {
        assert!(begun.elapsed() < LIMIT, "never: {question}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What a run of the people leaves that nobody disturbed.
fn undisturbed() -> &'static Left {
    static CALM: OnceLock<Left> = OnceLock::new();
    CALM.get_or_init(|| {
        let project = Project::people();
        project.runner(RUN).ends_with(3);
        Left::of(&project, TABLES)
    })
}

/// The people, with their target on a server of its own, as this user.
fn people_on(server: &OwnServer, user: &str) -> Project {
    let mut project = Project::people();
    project.target.drop_database();
    server.db(user).exec(PEOPLE_TARGET);
    project.target = server.db(user);
    project.write_env(&[]);
    project
}

/// The tables of [`Project::people`].
const TABLES: &[&str] = &["kinds", "people"];

/// What a run left behind: all that has to be the same whatever happened to it.
#[derive(Debug, PartialEq)]
struct Left {
    rows: Vec<String>,
    quarantine: Vec<String>,
    accounts: Vec<String>,
}

impl Left {
    fn of(project: &Project, tables: &[&str]) -> Self {
        let sums = "sum(base), sum(filtered), sum(read), sum(inserted + updated + unchanged), sum(skipped), sum(rejected)";
        Self {
            rows: canonical_dump(&project.target, tables, &["created_at"]),
            quarantine: quarantine_dump(&project.target),
            accounts: project.target.lines(&format!(
                "select rule, {sums} from runner.chunk group by rule order by rule"
            )),
        }
    }

    /// Passes when it is what a run of the people leaves that nobody disturbed.
    #[track_caller]
    fn assert_calm(project: &Project, what: &str) {
        Self::of(project, TABLES).assert_same(undisturbed(), what);
    }

    #[track_caller]
    fn assert_same(&self, other: &Self, what: &str) {
        assert_eq!(self.rows, other.rows, "{what}");
        assert_eq!(self.quarantine, other.quarantine, "{what}");
        assert_eq!(self.accounts, other.accounts, "{what}");
    }
}
