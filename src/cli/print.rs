//! `runner print`: things to pipe into other programs.

use clap::{Args, Subcommand};
use clap_complete::Shell;
use serde_json::json;

use crate::cli::screen::Answer;
use crate::ids::ORDERED_SQL;
use crate::script::{FUNCTIONS, Purpose};

/// Print SQL grants, the SQL of ids, the function reference or shell completions
#[derive(Debug, Args)]
pub(super) struct PrintArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// SQL for a role that may read the state, and for one that may migrate
    Grants,
    /// An SQL function that computes the ids of rules with `id: "ordered"`
    Ids,
    /// The functions that rules may call, as Markdown
    Reference,
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

pub(super) fn run(args: &PrintArgs) -> Answer {
    let (kind, text) = match args.what {
        What::Grants => ("grants", GRANTS.to_owned()),
        What::Ids => ("ids", ORDERED_SQL.to_owned()),
        What::Reference => ("reference", reference()),
        What::Completions { shell } => {
            let mut out = Vec::new();
            clap_complete::generate(shell, &mut super::command(), "runner", &mut out);
            ("completions", String::from_utf8_lossy(&out).into_owned())
        }
    };
    let json = json!({ kind: text });
    Answer::done(text, json)
}

/// The host's functions by what they are for.
fn reference() -> String {
    let groups = [
        (Purpose::Verdict, "What becomes of the row"),
        (Purpose::Related, "Parents and related rows"),
        (Purpose::Value, "Values"),
        (Purpose::Test, "In `test_*` functions"),
        (Purpose::Database, "In hooks, procedural rules and the REPL"),
    ];
    let mut out = String::from("# Functions for rules\n");
    for (purpose, title) in groups {
        out.push_str(&format!("\n## {title}\n\n"));
        for function in FUNCTIONS.iter().filter(|f| f.purpose == purpose) {
            out.push_str(&format!("- `{}`: {}\n", function.signature, function.doc));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_has_every_function() {
        let text = reference();
        for function in FUNCTIONS {
            assert!(
                text.contains(function.signature),
                "{} is missing",
                function.name
            );
        }
    }
}
