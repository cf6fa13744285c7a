//! Triggers on new accounts that get in the way of a rule that makes some.

use crate::catalog;
use crate::catalog::{Word, words};
use crate::db::{DbError, Engine, Session, TableName};
use crate::diagnostic::{Diagnostic, Severity};
use crate::rule::{Auth, Rule};

/// `handle_new_user` as guides have it inserts the profile and trips over one that is there: the account is
/// refused then, and its row with it.
pub(super) async fn hazards(rule: &Rule, target: &mut Session) -> Result<Vec<Diagnostic>, DbError> {
    let makes = rule.header.auth == Some(Auth::Create);
    if !makes || target.engine() == Engine::Sqlite {
        return Ok(vec![]);
    }
    let users = TableName::parse("auth.users");
    let Some(table) = catalog::table(target, &users).await? else {
        return Ok(vec![]);
    };
    let code = catalog::trigger_code(target, &users).await?;
    let mut findings = Vec::new();
    for trigger in table
        .triggers
        .iter()
        .filter(|t| t.enabled && t.events.contains("INSERT"))
    {
        let mut code = code.iter().filter(|c| c.trigger == trigger.name);
        if !code.any(|c| trips(&c.body)) {
            continue;
        }
        let message = format!(
            "trigger `{}` on `auth.users` inserts into `profiles` and does not say what if it is there: whose profile is, gets no account, and the row is rejected (`login_refused`)",
            trigger.name
        );
        findings.push(
            super::at(rule, &["auth"], Diagnostic::new(Severity::Hazard, message))
                .hint("let its function say `on conflict (id) do nothing`: the migration fills the profile"),
        );
    }
    Ok(findings)
}

/// Inserts into `profiles` whatever is there. A function that looks first, or catches what goes wrong, does not.
fn trips(body: &str) -> bool {
    let words = words(body);
    let is =
        |at: usize, name: &str| matches!(words.get(at), Some(Word::Name(word)) if word == name);
    let looks =
        (0..words.len()).any(|at| is(at, "exception") && is(at + 1, "when") || is(at, "exists"));
    !looks
        && (0..words.len()).any(|at| {
            // `insert into profiles`, `insert into public.profiles`
            let inserts = is(at, "insert") && is(at + 1, "into");
            let named = is(at + 2, "profiles") || is(at + 4, "profiles");
            let statement = words[at..]
                .iter()
                .take_while(|word| **word != Word::Sign(';'));
            inserts
                && named
                && !statement
                    .into_iter()
                    .any(|word| *word == Word::Name("conflict".into()))
        })
}

#[cfg(test)]
mod tests {
    use super::trips;

    #[test]
    fn what_trips_over_a_profile_that_is_there() {
        let insert = "insert into public.profiles (id, name) values (new.id, 'on conflict')";
        for (body, does) in [
            (format!("begin {insert}; return new; end"), true),
            (
                "begin INSERT INTO Profiles (id) values (new.id); return new; end".to_owned(),
                true,
            ),
            (
                format!("begin {insert} on conflict (id) do nothing; return new; end"),
                false,
            ),
            (
                format!(
                    "begin {insert}; insert into log values (1) on conflict do nothing; return new; end"
                ),
                true,
            ),
            (
                format!(
                    "begin if not exists (select 1 from profiles) then {insert}; end if; return new; end"
                ),
                false,
            ),
            (
                format!(
                    "begin begin {insert}; exception when others then null; end; return new; end"
                ),
                false,
            ),
            (
                "begin insert into log select * from profiles; return new; end".to_owned(),
                false,
            ),
        ] {
            assert_eq!(trips(&body), does, "{body}");
        }
    }
}
