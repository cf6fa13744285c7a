//! Profiles and accounts land with their technician or not at all.

use super::{BCRYPT, add_user, notes, project};
use crate::support::Project;

/// Two people who need everything, and one chunk for each.
fn crew() -> Project {
    let project = project("create", "create");
    for id in 1..=4 {
        add_user(&project, id, &format!("u{id}@x.org"), BCRYPT, true);
    }
    project
}

fn everybody(project: &Project) -> Vec<String> {
    let mut all = project.target.lines(
        "select 'user ' || id || email || encrypted_password from auth.users union all
         select 'identity ' || id || user_id from auth.identities union all
         select 'profile ' || id || profile_type || first_name || email || legacy_user_id from profiles union all
         select 'technician ' || id || profile_id || user_id || auth_linked from technicians union all
         select 'mapping ' || entity_type || legacy_id || new_id from migration_mappings union all
         select 'stated ' || entity || key || id from runner.stated",
    );
    all.sort();
    all
}

#[test]
fn killed_anywhere_a_run_makes_everybody_exactly_once() {
    let run = ["run", "--batch-rows", "2", "--writers", "1"];
    let calm = crew();
    calm.runner(&run).ends_with(0);
    let undisturbed = everybody(&calm);
    assert_eq!(undisturbed.len(), 4 * (4 + 2 + 3));
    for fault in [
        "chunk.fenced:2",
        "chunk.rows:1",
        "chunk.rows:2",
        "chunk.state:2",
        "chunk.before_commit:2",
        "chunk.after_commit:1",
        "chunk.after_commit:2",
        "chunk.marker:2",
        "chunk.commit:1:lose-reply-committed",
        "chunk.commit:2:lose-reply-rolled-back",
    ] {
        let project = crew();
        let _ = project.runner_failing(fault, &run);
        project.runner(&run).ends_with(0);
        assert_eq!(everybody(&project), undisturbed, "{fault}");
        assert_eq!(notes(&project)["login_created"], 4, "{fault}");
        assert_eq!(notes(&project)["profile_created"], 4, "{fault}");
    }
}
