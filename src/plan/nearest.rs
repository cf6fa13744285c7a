//! What was most likely meant by a name that a database does not have.

use crate::catalog;
use crate::db::{DbError, ErrorKind, Session};
use crate::diagnostic::{Diagnostic, did_you_mean};

/// Tables that scripts and documents of this family of databases name and that never existed, with the
/// table that has the rows. Suggested only where that table is really there.
const NEVER_THERE: [(&str, &str, &str); 7] = [
    (
        "dispatch_technician",
        "auth_user",
        "technicians are users of group 11 in auth_user_groups",
    ),
    (
        "dispatch_technician_role",
        "dispatch_role",
        "a technician's roles are those of group 11",
    ),
    ("dispatch_user", "auth_user", "users are Django's own"),
    (
        "dispatch_case",
        "dispatch_patient",
        "a case belongs to a patient, there is no table of cases",
    ),
    (
        "dispatch_message",
        "dispatch_record",
        "messages are records",
    ),
    (
        "dispatch_order_case",
        "dispatch_instruction",
        "an order is an instruction, its cases are its patient's",
    ),
    (
        "dispatch_treatment_discussion",
        "dispatch_comment",
        "a discussion is the comments on a plan",
    ),
];

/// Adds what was meant by the table `name`.
pub(super) async fn table(problem: Diagnostic, name: &str, session: &mut Session) -> Diagnostic {
    let names: Vec<String> = catalog::table_names(session)
        .await
        .unwrap_or_default()
        .iter()
        .map(ToString::to_string)
        .collect();
    let bare = |name: &str| name.strip_prefix("public.").unwrap_or(name).to_owned();
    let known = NEVER_THERE
        .iter()
        .find(|(old, real, _)| *old == bare(name) && names.iter().any(|n| bare(n) == *real));
    if let Some((_, real, why)) = known {
        return problem.hint(format!("did you mean `{real}`? {why}"));
    }
    match did_you_mean(
        name,
        names.iter().map(|n| n.strip_prefix("public.").unwrap_or(n)),
    ) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem,
    }
}

/// The name that a server's complaint quotes: of a table, or of a column with what stands before it.
fn missing(error: &DbError) -> Option<(bool, String)> {
    if error.kind != ErrorKind::Missing {
        return None;
    }
    let text = &error.message;
    let between = |start: &str, end: &str| {
        let rest = &text[text.find(start)? + start.len()..];
        let name = rest.split(end).next()?.trim();
        (!name.is_empty()).then(|| name.trim_matches('"').to_owned())
    };
    // `relation "x" does not exist`, `no such table: x`; `column u.x does not exist`, `no such column: x`
    None.or_else(|| between("relation \"", "\"").map(|n| (true, n)))
        .or_else(|| between("no such table: ", " (").map(|n| (true, n)))
        .or_else(|| between("column ", " does not exist").map(|n| (false, n)))
        .or_else(|| between("no such column: ", " (").map(|n| (false, n)))
}

/// A refused select as a problem, with what was meant by the name it lacks. `columns` are those that the
/// select could have meant, where they are known.
pub(super) async fn select(
    error: DbError,
    what: &str,
    columns: &[String],
    session: &mut Session,
) -> Diagnostic {
    let missing = missing(&error);
    let problem = Diagnostic::from(error).note(what);
    match missing {
        Some((true, name)) => table(problem, &name, session).await,
        Some((false, name)) => {
            let bare = name.rsplit('.').next().unwrap_or(&name).trim_matches('"');
            match did_you_mean(bare, columns.iter().map(String::as_str)) {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem,
            }
        }
        None => problem,
    }
}
