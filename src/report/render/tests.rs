//! Reports of hostile text.

use super::*;
use crate::plan::handover::Point;
use crate::report::{
    Amount, Coverage, Decision, Finding, Fitness, Gate, Issue, Proof, Reading, Reason,
    Reconciliation, Run, Standing, Totals, VERSION, Waiting,
};

#[test]
fn a_sentence_is_escaped_and_its_code_marked() {
    assert_eq!(
        prose("run `a <b>` & \"c\""),
        "run <code>a &lt;b&gt;</code> &amp; &quot;c&quot;"
    );
    assert_eq!(prose("`open"), "<code>open</code>");
}

const HOSTILE: &str = "<script>alert(1)</script>|`x`\u{1b}[2J";

fn hostile() -> Report {
    let text = || HOSTILE.to_owned();
    let answer = Finding {
        level: "good",
        short: text(),
        text: text(),
    };
    let gate = |phase: &str| Gate {
        run: 1,
        rule: text(),
        phase: phase.into(),
        name: text(),
        status: text(),
        detail: text(),
        query: Some(text()),
        found: Some(text()),
        snapshot: Some(text()),
        at: text(),
    };
    Report {
        first_day: vec![],
        handover: vec![Point {
            rule: text(),
            about: "triggers",
            level: "bad",
            text: text(),
            fix: text(),
        }],
        version: VERSION,
        made_by: "runner".into(),
        made_at: "2026-11-22 10:00:00.5+00".into(),
        ready: answer.clone(),
        done: answer.clone(),
        right: answer.clone(),
        decide: answer,
        totals: Totals::default(),
        tables: vec![Standing {
            name: text(),
            target: "other".into(),
            condition: Some(text()),
            base: 2,
            read: 2,
            inserted: 1,
            rejected: 1,
            ..Standing::default()
        }],
        issues: ["reject", "skip", "note"]
            .map(|verdict| Issue {
                rule: text(),
                verdict,
                code: text(),
                count: 1,
                open: 1,
                keys: vec![text()],
                message: Some(text()),
                reasons: vec![Reason {
                    message: text(),
                    count: 1,
                }],
                waiting: vec![Waiting {
                    entity: text(),
                    rows: 1,
                    parents: 1,
                }],
                amounts: vec![Amount {
                    name: text(),
                    amount: text(),
                }],
                fix: Some(text()),
                query: text(),
            })
            .to_vec(),
        decisions: vec![Decision {
            rule: text(),
            code: text(),
            count: 1,
            keys: vec![text()],
            note: text(),
            who: text(),
            at: text(),
        }],
        reconciliations: vec![Reconciliation {
            rule: text(),
            name: text(),
            source: text(),
            target: text(),
            rejected: text(),
            skipped: text(),
            agrees: false,
            rejected_for: text(),
            skipped_for: text(),
            query: Some(text()),
            source_query: None,
            target_query: None,
        }],
        coverage: vec![Coverage {
            target: text(),
            foreign: 1,
            foreign_ids: vec![text()],
            edited: Some(1),
            edited_ids: vec![text()],
            missing: 1,
            missing_ids: vec![text()],
            ..Coverage::default()
        }],
        gates: vec![gate("after")],
        questions: vec![],
        verification: vec![gate("verify")],
        limits: &[],
        fitness: vec![Fitness {
            run: 1,
            rule: text(),
            name: text(),
            what: text(),
            role: Some(text()),
            of: Some(1),
            found: None,
            status: text(),
            text: text(),
            query: text(),
            snapshot: Some(text()),
        }],
        runs: vec![Run {
            command: text(),
            status: text(),
            os_user: Some(text()),
            host: Some(text()),
            source: text(),
            rules_revision: Some(text()),
            readings: vec![Reading {
                rule: text(),
                kind: text(),
                snapshot: text(),
                source_time: text(),
                transform_fp: text(),
                gate_fp: text(),
            }],
            ..Run::default()
        }],
        restore_point: Some(text()),
        unseen: vec![text()],
        proofs: vec![Proof {
            of: text(),
            what: text(),
            value: text(),
            side: "target",
            query: text(),
            role: None,
            snapshot: Some(text()),
        }],
    }
}

#[test]
fn hostile_text_is_inert_in_every_format() {
    for format in [Format::Html, Format::Markdown, Format::Text] {
        let page = render(&hostile(), format, None).expect("renders");
        assert!(
            !page.contains('\u{1b}'),
            "{format:?} carries an escape character"
        );
        if format != Format::Text {
            assert!(!page.contains("<script"), "{format:?} carries a script");
        }
    }
}

#[test]
fn the_page_needs_no_network() {
    let page = render(&hostile(), Format::Html, None).expect("renders");
    assert!(page.contains("default-src 'none'"));
    for word in ["http://", "https://", "@import", "<link", "src=\""] {
        assert!(!page.contains(word), "{word}");
    }
}

#[test]
fn a_share_is_never_rounded_up_to_all_of_it() {
    assert_eq!(
        [1.0, 0.9999, 0.95].map(percent),
        ["100 %", "99.9 %", "95 %"]
    );
}

#[test]
fn amounts_keep_every_digit() {
    let shown = [
        "4192387.340",
        "-0.50",
        "-1234.5",
        "1000",
        "NaN",
        "12345678901234567890.1",
    ]
    .map(amount);
    assert_eq!(
        shown,
        [
            "4,192,387.340",
            "-0.50",
            "-1,234.5",
            "1,000",
            "NaN",
            "12345678901234567890.1"
        ]
    );
}

#[test]
fn a_broken_template_is_a_diagnostic_with_its_line() {
    let folder = std::env::temp_dir().join(format!("runner-template-{}", std::process::id()));
    std::fs::write(&folder, "line\n{{ nothing.at.all }}").expect("writes");
    let problem = render(&hostile(), Format::Text, Some(&folder)).expect_err("is refused");
    let _ = std::fs::remove_file(&folder);
    assert_eq!(problem.place().map(|p| p.line), Some(2));
}
