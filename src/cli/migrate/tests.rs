use super::*;
use crate::state::{Account, Counts};

fn outcome(undecided: i64, interrupted: bool, problems: Vec<Diagnostic>) -> Outcome {
    let counts = Counts {
        base: 10,
        read: 10,
        inserted: 10 - undecided,
        rejected: undecided,
        ..Counts::default()
    };
    let rule = RuleOutcome {
        rule: "a".into(),
        target: "a".into(),
        what: What::Ran,
        account: Account {
            undecided,
            done: !interrupted,
            counts,
            ..Account::default()
        },
        this_run: counts,
        codes: crate::state::CodeCounts::default(),
        missed: None,
        problems,
        seconds: 0.5,
        spent: crate::commit::Spent::default(),
        lines: None,
        retried: None,
        synced: None,
    };
    Outcome {
        run: Some(1),
        rules: vec![rule],
        interrupted,
        namespace_made: None,
    }
}

#[test]
fn the_worst_ending_wins() {
    assert_eq!(ending(&outcome(0, false, vec![])), Exit::Done);
    assert_eq!(ending(&outcome(0, true, vec![])), Exit::Interrupted);
    assert_eq!(ending(&outcome(2, false, vec![])), Exit::Undecided);
    assert_eq!(ending(&outcome(2, true, vec![])), Exit::Interrupted);
    assert_eq!(
        ending(&outcome(2, true, vec![Diagnostic::error("unbalanced")])),
        Exit::Failed
    );
}

#[test]
fn the_closing_sentence_says_what_to_do() {
    let how = How::default();
    assert_eq!(
        closing(&outcome(2, false, vec![]), &how),
        "2 rows to decide: `runner quarantine list`"
    );
    assert_eq!(
        closing(&outcome(0, true, vec![]), &how),
        "interrupted, run the same command again to go on"
    );
    assert!(summary(&outcome(2, false, vec![]).rules).contains("20"));
}
