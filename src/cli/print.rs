//! `runner print`: things to pipe into other programs.

use std::collections::BTreeSet;

use clap::{Args, Subcommand};
use clap_complete::Shell;
use serde_json::json;

use crate::cli::exit::Failure;
use crate::cli::screen::Answer;
use crate::cli::setup::{self, Global};
use crate::commit::tracking;
use crate::db::{Engine, TableName};
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
    Grants {
        /// The right to delete as well, on the tables of the rules: for `sync --deletes` and `undo`
        #[arg(long)]
        deletes: bool,
    },
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

/// Where the part about the state begins.
const READER: &str = "-- After the first run.";

/// Roles, not users: a login is made member of one of them, `create role mover login in role runner_writer`.
const GRANTS: &str = "\
-- In the legacy database: reads every table, writes none.
create role runner_source nologin;
grant usage on schema public to runner_source;
grant select on all tables in schema public to runner_source;

-- In the target. Migrates: rights on the target tables, on those that the rules' ids and lookups name, and
-- on the old scripts' tracking tables with their sequence. Never truncates, and deletes nothing: for `sync --deletes`
-- and `undo` there is `runner print grants --deletes`.
create role runner_writer nologin;
grant create on database postgres to runner_writer;  -- the first run creates the schema `runner`
grant usage on schema public to runner_writer;
grant select, insert, update on all tables in schema public to runner_writer;
grant usage on all sequences in schema public to runner_writer;
-- Row level security must not hide rows from it: with these policies the rows go in by INSERT, not by COPY.
do $$
declare
  t record;
begin
  for t in select tablename from pg_tables where schemaname = 'public' and rowsecurity loop
    execute format('create policy runner_writer on public.%I for all to runner_writer using (true) with check (true)', t.tablename);
  end loop;
end $$;
-- For rules that say `auth`: which accounts there are, and nothing of their passwords. The schema stays out
-- of the API.
do $$
begin
  if to_regclass('auth.users') is not null then
    create schema if not exists runner_auth;
    create or replace view runner_auth.users as
      select id, email, instance_id, aud, is_sso_user, email_confirmed_at, banned_until,
        coalesce(encrypted_password, '') <> '' as has_password,
        (instance_id is null or aud is null or role is null or created_at is null or updated_at is null
          or confirmation_token is null or recovery_token is null or email_change is null
          or email_change_token_new is null or email_change_token_current is null
          or email_change_confirm_status is null or phone_change is null or phone_change_token is null
          or reauthentication_token is null) as has_null
      from auth.users;
    grant usage on schema runner_auth to runner_writer;
    grant select on runner_auth.users to runner_writer;
  end if;
end $$;

-- After the first run. Reads what `status`, `quarantine`, `why` and `report` show. The schema belongs to the role
-- that migrated: be a member of it to give rights on it away, `grant mover to postgres`.
create role runner_reader nologin;
grant usage on schema runner to runner_reader;
grant select on all tables in schema runner to runner_reader;
do $$
declare
  t record;
begin
  for t in select tablename from pg_tables where schemaname = 'runner' and rowsecurity loop
    execute format('create policy runner_reader on runner.%I for select to runner_reader using (true)', t.tablename);
  end loop;
end $$;
";

pub(super) fn run(global: &Global, args: &PrintArgs) -> Result<Answer, Failure> {
    let (kind, text) = match args.what {
        What::Grants { deletes: false } => ("grants", GRANTS.to_owned()),
        What::Grants { deletes: true } => {
            let rules = setup::sound_rules(&global.config()?, &[])?;
            let tables = rules.rules.iter().map(|rule| rule.header.target.as_str());
            let text = GRANTS.replace(READER, &format!("{}{READER}", deletes(tables)));
            ("grants", text)
        }
        What::Ids => ("ids", ORDERED_SQL.to_owned()),
        What::Reference => ("reference", reference()),
        What::Completions { shell } => {
            let mut out = Vec::new();
            clap_complete::generate(shell, &mut super::command(), "runner", &mut out);
            ("completions", String::from_utf8_lossy(&out).into_owned())
        }
    };
    let json = json!({ kind: text });
    Ok(Answer::done(text, json))
}

/// The right to delete where a migration may take rows back, and nowhere else.
fn deletes<'rules>(targets: impl Iterator<Item = &'rules str>) -> String {
    let tables: BTreeSet<String> = targets
        .map(|target| TableName::parse(target).sql(Engine::Postgres))
        .collect();
    let mut sql = String::from(
        "-- For `sync --deletes` and `undo`: to delete rows of the rules' tables and their lines in the old scripts' tables. Take it
-- back when all is signed. Where a trigger rewrites a row at every update (`updated_at`), taking back what was *changed*
-- stays with the owner of the table, who can hold the trigger still; what was *inserted* goes under this role.
",
    );
    for table in tables {
        sql.push_str(&format!("grant delete on {table} to runner_writer;\n"));
    }
    for table in [tracking::MAPPINGS, tracking::CONTROL] {
        sql.push_str(&format!(
            "do $$ begin if to_regclass('public.{table}') is not null then grant delete on public.{table} to runner_writer; end if; end $$;\n"
        ));
    }
    sql.push('\n');
    sql
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
            out.push_str(&format!(
                "- `{}`: {}\n  ```rhai\n  {}\n  ```\n",
                function.signature, function.doc, function.example
            ));
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
