//! The shipped rules, compiled in for a program that was installed without its checkout.

use std::fs;
use std::path::{Path, PathBuf};

use crate::diagnostic::Diagnostic;

/// Path below `rules` and text; a test keeps it complete.
const RULES: &[(&str, &str)] = &[
    (
        "brackets.rhai",
        include_str!("../../../rules/brackets.rhai"),
    ),
    (
        "lib/fields.rhai",
        include_str!("../../../rules/lib/fields.rhai"),
    ),
    (
        "lib/files.rhai",
        include_str!("../../../rules/lib/files.rhai"),
    ),
    (
        "lib/lists.rhai",
        include_str!("../../../rules/lib/lists.rhai"),
    ),
    (
        "lib/money.rhai",
        include_str!("../../../rules/lib/money.rhai"),
    ),
    (
        "lib/names.rhai",
        include_str!("../../../rules/lib/names.rhai"),
    ),
    (
        "message_attachments.rhai",
        include_str!("../../../rules/message_attachments.rhai"),
    ),
    (
        "order_cases.rhai",
        include_str!("../../../rules/order_cases.rhai"),
    ),
    (
        "purchases.rhai",
        include_str!("../../../rules/purchases.rhai"),
    ),
    (
        "technician_roles.rhai",
        include_str!("../../../rules/technician_roles.rhai"),
    ),
    (
        "technicians.rhai",
        include_str!("../../../rules/technicians.rhai"),
    ),
    (
        "template_view_groups.rhai",
        include_str!("../../../rules/template_view_groups.rhai"),
    ),
    (
        "template_view_roles.rhai",
        include_str!("../../../rules/template_view_roles.rhai"),
    ),
    (
        "treatment_discussions.rhai",
        include_str!("../../../rules/treatment_discussions.rhai"),
    ),
];

/// Writes them to DIR/rules, over those of an earlier demo.
pub(super) fn unpack(dir: &Path) -> Result<PathBuf, Diagnostic> {
    let rules = dir.join("rules");
    for (name, text) in RULES {
        let file = rules.join(name);
        let folder = file.parent().unwrap_or(&rules);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&file, text))
            .map_err(|error| {
                Diagnostic::error(format!("cannot write {}: {error}", file.display()))
            })?;
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_rule_is_compiled_in() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
        let mut found = Vec::new();
        for inner in ["", "lib/"] {
            for entry in fs::read_dir(folder.join(inner))
                .expect("the rules")
                .flatten()
            {
                let name = entry.file_name().to_string_lossy().into_owned();
                if Path::new(&name).extension().is_some_and(|e| e == "rhai") {
                    found.push(format!("{inner}{name}"));
                }
            }
        }
        found.sort();
        let mut listed: Vec<String> = RULES.iter().map(|(name, _)| (*name).to_owned()).collect();
        listed.sort();
        assert_eq!(listed, found);
    }
}
