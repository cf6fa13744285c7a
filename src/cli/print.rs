//! `runner print`: things to pipe into other programs.

use clap::{Args, Subcommand};
use clap_complete::Shell;
use serde_json::json;

use crate::cli::exit::Failure;
use crate::cli::screen::Answer;

/// Print SQL grants or shell completions
#[derive(Debug, Args)]
pub(super) struct PrintArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// SQL for a role that may read the state, and for one that may migrate
    Grants,
    /// Completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Roles, not users: a login is made member of one of them.
const GRANTS: &str = "\
-- Reads what `status`, `quarantine`, `why` and `report` show.
create role runner_reader nologin;
grant usage on schema runner to runner_reader;
grant select on all tables in schema runner to runner_reader;

-- Migrates. It needs these rights on each target table and on the tables that the rules' ids name;
-- row security must not hide rows from it (owner of the tables, or bypassrls).
create role runner_writer nologin;
grant create on database postgres to runner_writer;  -- the first run creates the schema `runner`
grant usage on schema public to runner_writer;
grant select, insert, update on all tables in schema public to runner_writer;
";

pub(super) fn run(args: &PrintArgs) -> Result<Answer, Failure> {
    let (kind, text) = match args.what {
        What::Grants => ("grants", GRANTS.to_owned()),
        What::Completions { shell } => {
            let mut out = Vec::new();
            clap_complete::generate(shell, &mut super::command(), "runner", &mut out);
            ("completions", String::from_utf8_lossy(&out).into_owned())
        }
    };
    let json = json!({ kind: text });
    Ok(Answer::done(text, json))
}
