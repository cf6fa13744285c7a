//! Whether an application can use what is there, as a table on the terminal.

use crate::cli::screen::{table, thousands};
use crate::verify::{Fit, Verification};

/// The section of `verify`; empty when no table was asked.
pub(super) fn section(found: &Verification) -> String {
    if found.tables.iter().all(|proof| proof.fitness.is_empty()) && found.api_roles.is_empty() {
        return String::new();
    }
    let mut head = vec!["fitness".to_owned()];
    head.extend(found.api_roles.iter().map(|role| format!("{role} sees")));
    head.push("join".into());
    head.push("leads to".into());
    let numbers: Vec<usize> = (1..=found.api_roles.len() + 1).collect();
    let names: Vec<&str> = head.iter().map(String::as_str).collect();
    let tables = found
        .tables
        .iter()
        .filter(|proof| !proof.fitness.is_empty());
    let lines = tables.map(|proof| {
        let of = |name: &str, what: Option<&str>| {
            let mut all = proof.fitness.iter();
            all.find(|fit| fit.name == name && what.is_none_or(|what| fit.what == what))
        };
        let mut cells = vec![proof.rule.clone()];
        cells.extend(
            found
                .api_roles
                .iter()
                .map(|role| share(of("visible", Some(role)))),
        );
        let story = of("story", None);
        cells.push(share(story));
        cells.push(story.map_or_else(String::new, |fit| fit.what.clone()));
        cells
    });
    let mut text = format!("\n{}", table(&names, &numbers, lines));
    if found.api_roles.is_empty() {
        text.push_str("no API roles here (anon, authenticated, service_role): what they would see was not asked\n");
    }
    for proof in &found.tables {
        for fit in proof.fitness.iter().filter(|fit| fit.ok != Some(true)) {
            let word = if fit.ok.is_some() { "failed: " } else { "" };
            text.push_str(&format!("{}: {word}{}\n", proof.rule, fit.text));
        }
    }
    text
}

/// `104`, or `0 of 104`.
fn share(fit: Option<&Fit>) -> String {
    match fit.map(|fit| (fit.found, fit.of)) {
        Some((Some(found), Some(of))) if found == of => thousands(of),
        Some((Some(found), Some(of))) => format!("{} of {}", thousands(found), thousands(of)),
        Some(_) => "not known".into(),
        None => String::new(),
    }
}
