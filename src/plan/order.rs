//! Parents before children, whatever the order of files.

use std::collections::BTreeMap;
use std::sync::Arc;

use petgraph::algo::tarjan_scc;
use petgraph::graphmap::DiGraphMap;

use crate::diagnostic::Diagnostic;
use crate::rule::{Rule, Side};

/// The rules in an order in which every parent comes before its children; ties by name. A rule depends
/// on the rules that fill the tables named in its `ids`, and in its lookups of the target.
pub fn order(rules: &[Arc<Rule>]) -> Result<Vec<Arc<Rule>>, Vec<Diagnostic>> {
    let mut by_target: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, rule) in rules.iter().enumerate() {
        by_target
            .entry(bare(&rule.header.target))
            .or_default()
            .push(index);
    }
    let mut graph = DiGraphMap::<usize, ()>::new();
    for (child, rule) in rules.iter().enumerate() {
        graph.add_node(child);
        for parent in parents(rule)
            .iter()
            .flat_map(|table| by_target.get(bare(table)).into_iter().flatten())
        {
            if *parent != child && rules[*parent].header.target != rule.header.target {
                graph.add_edge(*parent, child, ());
            }
        }
    }
    let cycles: Vec<Diagnostic> = tarjan_scc(&graph)
        .into_iter()
        .filter(|group| group.len() > 1)
        .map(|group| {
            let mut names: Vec<&str> = group.iter().map(|i| rules[*i].name.as_str()).collect();
            names.sort_unstable();
            Diagnostic::error(format!("the rules {} need one another: none can come first", names.join(", ")))
                .hint("let one of them leave its reference NULL, and fill it by a second rule with `existing: \"fill\"`")
        })
        .collect();
    if !cycles.is_empty() {
        return Err(cycles);
    }
    let mut waiting: Vec<usize> = (0..rules.len()).collect();
    waiting.sort_by(|a, b| rules[*a].name.cmp(&rules[*b].name));
    let mut ordered: Vec<usize> = Vec::new();
    while !waiting.is_empty() {
        let ready = waiting.iter().position(|child| {
            graph
                .neighbors_directed(*child, petgraph::Direction::Incoming)
                .all(|parent| ordered.contains(&parent))
        });
        // without a cycle something is always ready
        ordered.push(waiting.remove(ready.unwrap_or(0)));
    }
    Ok(ordered
        .into_iter()
        .map(|index| rules[index].clone())
        .collect())
}

/// Target tables that a rule's rows refer to.
pub(crate) fn parents(rule: &Rule) -> Vec<String> {
    let lookups = rule
        .header
        .lookups
        .iter()
        .filter(|l| l.db == Side::Target && !l.from.contains(' '))
        .map(|l| l.from.clone());
    rule.header
        .ids
        .iter()
        .map(|i| i.entity.clone())
        .chain(lookups)
        .collect()
}

pub(super) fn bare(table: &str) -> &str {
    table.strip_prefix("public.").unwrap_or(table)
}
