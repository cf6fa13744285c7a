//! `runner why`: from the old key to the new id and back, for every class of row of every table.

use super::PINNED;
use crate::support::{Output, Project, measuring};

/// Nobody's.
const NO_KEY: &str = "2000000001";
const NO_ID: &str = "0badc0de-0000-4000-8000-00000000beef";

/// One question, answered in time.
fn why(project: &Project, rule: &str, row: &str) -> Output {
    let output = project.runner(&["why", rule, row, "--json"]);
    let most = if measuring() { 1.0 } else { 10.0 };
    assert!(
        output.took.as_secs_f64() < most,
        "why {rule} {row} took {:?}",
        output.took
    );
    output
}

pub(super) fn every_id_resolves_both_ways(project: &Project) {
    let (source, target) = (&project.source, &project.target);
    let mut slowest = 0.0_f64;
    let mut asked = 0;
    let mut ask = |rule: &str, row: &str| {
        let output = why(project, rule, row);
        slowest = slowest.max(output.took.as_secs_f64());
        asked += 1;
        output
    };
    for pinned in PINNED {
        let (rule, legacy) = (pinned.rule, pinned.legacy);
        // All of them at once: the manifests and the target's own columns agree, one for one, both ways.
        let ours = format!("select legacy_key, id from runner.ids where rule = '{rule}'");
        let theirs = format!("select {legacy}::text, id from {rule}");
        let wrong = format!(
            "select count(*) from (({ours} except all {theirs}) union all ({theirs} except all {ours})) d"
        );
        assert_eq!(target.count(&wrong), 0, "{rule}");
        let mapped = target.count(&format!("select count(*) from ({ours}) o"));
        assert!(mapped >= pinned.written, "{rule}: {mapped} ids");

        // Some of each class by the command. A first, a last and one from the middle.
        let pairs = target.lines(&format!(
            "select {legacy}, id from (select *, row_number() over w as n, count(*) over () as all_rows from {rule}
             window w as (order by {legacy})) r where n in (1, all_rows / 2, all_rows)"
        ));
        assert_eq!(pairs.len(), 3, "{rule}");
        for pair in pairs {
            let (key, id) = pair.split_once('|').unwrap();
            for row in [key, id] {
                let story = ask(rule, row).ends_with(0).json();
                assert_eq!(story["key"], key, "{rule} {row}: {story:#}");
                assert_eq!(story["verdict"], "written", "{rule} {row}: {story:#}");
                let ids = story["ids"].as_array().unwrap();
                assert!(ids.contains(&id.into()), "{rule} {row}: {story:#}");
                assert_eq!(story["now"]["verdict"], "write", "{rule} {row}: {story:#}");
            }
        }
        let refused = target.lines(&format!(
            "select distinct on (code) key, code from runner.quarantine where rule = '{rule}' order by code, key"
        ));
        assert_eq!(refused.len(), pinned.reject.len(), "{rule}: {refused:?}");
        for pair in refused {
            let (key, code) = pair.split_once('|').unwrap();
            let story = ask(rule, key).ends_with(0).json();
            assert_eq!(story["verdict"], "rejected", "{rule} {key}: {story:#}");
            assert_eq!(story["code"], code, "{rule} {key}: {story:#}");
        }
        for row in [NO_KEY, NO_ID] {
            ask(rule, row).ends_with(1).tells("has gone through no row");
        }
    }
    for (rule, skipped) in [
        (
            "order_cases",
            "select id from dispatch_instruction where deleted",
        ),
        (
            "purchases",
            "select id from dispatch_payment where not paid",
        ),
        (
            "treatment_discussions",
            "select id from dispatch_comment where text !~ '[^[:space:]]'",
        ),
    ] {
        let key = source
            .lines(&format!("{skipped} order by id limit 1"))
            .remove(0);
        let story = ask(rule, &key).ends_with(0).json();
        assert_eq!(story["verdict"], "skipped", "{rule} {key}: {story:#}");
        assert_eq!(story["ids"], serde_json::json!([]), "{rule} {key}");
    }
    // Every adopted row: it kept its id, which no rule computes.
    let adopted = target.lines(
        "select legacy_key, id from runner.ids where rule = 'message_attachments'
         and substr(id::text, 15, 1) = '4'",
    );
    assert_eq!(adopted.len(), 18);
    for pair in adopted {
        let (key, id) = pair.split_once('|').unwrap();
        for row in [key, id] {
            let story = ask("message_attachments", row).ends_with(0).json();
            assert_eq!(story["key"], key, "{story:#}");
            assert_eq!(story["outcome"], "updated", "{story:#}");
            assert_eq!(story["ids"], serde_json::json!([id]), "{story:#}");
        }
    }
    // Both rows of an order with two cases lead to the same key.
    let two = target.lines(
        "select legacy_order_id, string_agg(id::text, ' ') from order_cases group by 1 having count(*) = 2 order by 1 limit 1",
    );
    let (key, ids) = two[0].split_once('|').unwrap();
    for id in ids.split(' ') {
        let story = ask("order_cases", id).ends_with(0).json();
        assert_eq!(story["key"], key, "{story:#}");
        assert_eq!(story["ids"].as_array().unwrap().len(), 2, "{story:#}");
    }
    eprintln!("scale 1: {asked} times `why`, the slowest {slowest:.3} s");
}
