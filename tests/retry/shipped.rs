//! The shipped rules on the demo's databases: a message that is put into the target, and a technician whose
//! profile is.

use super::{keys, retried};
use crate::support::{Engine, Project, canonical_dump};

/// Rows of the ledger added up.
fn balanced(project: &Project, rule: &str) {
    let [
        base,
        filtered,
        read,
        inserted,
        updated,
        unchanged,
        skipped,
        rejected,
    ] = project.accounts(rule);
    assert_eq!(base, filtered + read, "{rule}");
    assert_eq!(
        read,
        inserted + updated + unchanged + skipped + rejected,
        "{rule}"
    );
    let quarantine = project.target.table("runner.quarantine");
    let held = format!("select count(*) from {quarantine} where rule = '{rule}'");
    assert_eq!(project.target.count(&held), rejected, "{rule}");
}

#[test]
fn a_message_that_is_put_into_the_target_takes_exactly_its_attachments_along() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let project = Project::demo("0.02", engine);
        project.runner(&["run"]).ends_with(3);
        let target = &project.target;
        let quarantine = target.table("runner.quarantine");
        let message = target.one(&format!(
            "select min(waiting_key) from {quarantine} where rule = 'message_attachments' and waiting_entity = 'messages'"
        ));
        let waiting = format!("waiting_entity = 'messages' and waiting_key = '{message}'");
        let waiting = keys(target, "message_attachments", &waiting);
        let before = keys(target, "message_attachments", "true");
        assert!(!waiting.is_empty() && waiting.len() < before.len());
        let rows = canonical_dump(target, &["message_attachments"], &["updated_at"]);
        target.exec(&format!(
            "insert into messages(id, content, legacy_record_id) values ('5eed0000-0000-4000-8000-000000000001', 'found', {message})"
        ));
        let output = project.runner(&["retry", "message_attachments", "--json"]);
        output.ends_with(3);
        let answer = output.json();
        let told = retried(&answer, "message_attachments");
        assert_eq!(told["written"], waiting.len(), "{told:#}");
        assert_eq!(told["rows"], before.len(), "{told:#}");
        let after = keys(target, "message_attachments", "true");
        assert_eq!(
            before.difference(&after).cloned().collect::<Vec<_>>(),
            waiting.iter().cloned().collect::<Vec<_>>()
        );
        // They hang on that message, and no other row was touched.
        let of_it = target.lines(
            "select legacy_attachment_id from message_attachments where message_id = '5eed0000-0000-4000-8000-000000000001'",
        );
        assert_eq!(
            of_it.into_iter().collect::<std::collections::BTreeSet<_>>(),
            waiting
        );
        let now = canonical_dump(target, &["message_attachments"], &["updated_at"]);
        assert_eq!(now.len(), rows.len() + waiting.len());
        assert!(rows.iter().all(|row| now.contains(row)));
        balanced(&project, "message_attachments");
        project.runner(&["report", "--format", "json"]).ends_with(0);
    }
}

#[test]
fn a_technician_that_is_mended_takes_the_roles_along_in_the_same_command() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let project = Project::demo("0.02", engine);
        project.runner(&["run"]).ends_with(3);
        let target = &project.target;
        let quarantine = target.table("runner.quarantine");
        // The one who was rejected and has a role.
        let user = target.one(&format!(
            "select q.waiting_key from {quarantine} q join {quarantine} t on t.rule = 'technicians' and t.key = q.waiting_key
             where q.rule = 'technician_roles' and q.waiting_entity = 'technicians'"
        ));
        let role = keys(
            target,
            "technician_roles",
            &format!("waiting_key = '{user}'"),
        );
        let before = keys(target, "technician_roles", "true");
        assert_eq!(role.len(), 1);
        let told_code = target.one(&format!(
            "select code from {quarantine} where rule = 'technicians' and key = '{user}'"
        ));
        if told_code == "duplicate_email" {
            project.source.exec(&format!(
                "update auth_user set email = 'nobody-else@example.org' where id = {user}"
            ));
        } else {
            target.exec(&format!(
                "insert into profiles(id, profile_type, first_name, last_name, username, legacy_user_id)
                 values ('5eed0000-0000-4000-8000-000000000002', 'technician', 'A', 'B', 'found', {user})"
            ));
        }
        let output = project.runner(&["retry", "technicians", "--json"]);
        output.ends_with(3);
        let answer = output.json();
        let technicians = retried(&answer, "technicians");
        assert_eq!(technicians["written"], 1, "{technicians:#}");
        let roles = retried(&answer, "technician_roles");
        assert_eq!(roles["released"], true, "{roles:#}");
        assert_eq!([&roles["rows"], &roles["written"]], [1, 1], "{roles:#}");
        let after = keys(target, "technician_roles", "true");
        assert_eq!(
            before.difference(&after).collect::<Vec<_>>(),
            role.iter().collect::<Vec<_>>()
        );
        let there = format!(
            "select count(*) from technician_roles r join technicians t on t.id = r.technician_id where t.legacy_technician_id = {user}"
        );
        assert_eq!(target.count(&there), 1, "{engine:?}");
        balanced(&project, "technicians");
        balanced(&project, "technician_roles");
        // The old scripts' tables follow.
        let mapped = format!(
            "select count(*) from migration_mappings where entity_type = 'technicians' and legacy_id = {user}"
        );
        assert_eq!(target.count(&mapped), 1, "{engine:?}");
    }
}
