//! `runner diff`: what an edit of a rule would change.

use clap::Args;
use serde_json::json;

use crate::cli::exit::Failure;
use crate::cli::screen::{self, Answer, count, thousands};
use crate::cli::setup::{self, Global};
use crate::diff::{self, Example, Tally};

/// Show which rows and fields an edited rule changes; writes nothing
#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// The rule, by name or file
    rule: String,
    /// Compare with this text of it [default: the one of the last run, else git:HEAD]
    #[arg(long, value_name = "FILE|git:REV")]
    against: Option<String>,
    /// Look at N source rows, evenly spread, instead of all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    sample: Option<u64>,
}

pub(super) async fn run(global: &Global, args: &DiffArgs) -> Result<Answer, Failure> {
    let config = global.config()?;
    let set = setup::sound_rules(&config, std::slice::from_ref(&args.rule))?;
    let Some(rule) = set.rules.into_iter().next() else {
        return Err(Failure::failed(set.problems));
    };
    let earlier = diff::earlier(&config, &rule, args.against.as_deref())
        .await
        .map_err(Failure::failed)?;
    let is_alike = earlier.rule.fingerprints.transform == rule.fingerprints.transform;
    let tally = if is_alike {
        Tally::default()
    } else {
        diff::compare(&config, earlier.rule, rule.clone(), args.sample)
            .await
            .map_err(Failure::failed)?
    };
    let mut text = format!("{} against {}: ", rule.name, earlier.named);
    if is_alike {
        text.push_str("both decide alike; no row differs\n");
    } else {
        text.push_str(&shown(&tally, args.sample.is_some()));
    }
    Ok(Answer::done(
        screen::printable(&text),
        json!({
            "rule": rule.name,
            "against": earlier.named,
            "decides_alike": is_alike,
            "sampled": args.sample.is_some(),
            "rows": tally.rows,
            "same": tally.same,
            "fields": tally.fields,
            "verdicts": tally.flips,
            "codes": tally.codes,
        }),
    ))
}

fn shown(tally: &Tally, is_sampled: bool) -> String {
    let differ = tally.rows - tally.same;
    let of = if is_sampled { " of the sample" } else { "" };
    let mut text = format!(
        "{}{of}, {} as before, {} differ\n",
        count(tally.rows as i64, "row"),
        thousands(tally.same as i64),
        thousands(differ as i64)
    );
    if !tally.fields.is_empty() {
        let lines = tally.fields.iter().map(|field| {
            let examples: Vec<String> = field.examples.iter().map(example).collect();
            vec![
                field.column.clone(),
                thousands(field.rows as i64),
                examples.join(", "),
            ]
        });
        text.push('\n');
        text.push_str(&screen::table(
            &["column", "rows", "for example"],
            &[1],
            lines,
        ));
    }
    if !tally.flips.is_empty() {
        let lines = tally.flips.iter().map(|flip| {
            vec![
                flip.before.clone(),
                flip.after.clone(),
                thousands(flip.rows as i64),
                flip.examples.join(", "),
            ]
        });
        text.push('\n');
        text.push_str(&screen::table(
            &["verdict was", "now", "rows", "for example"],
            &[2],
            lines,
        ));
    }
    if !tally.codes.is_empty() {
        let lines = tally.codes.iter().map(|code| {
            let what = match (code.before, code.after) {
                (0, _) => "new",
                (_, 0) => "gone",
                _ => "",
            };
            vec![
                format!("{} {}", code.kind, code.code),
                thousands(code.before as i64),
                thousands(code.after as i64),
                what.to_owned(),
            ]
        });
        text.push('\n');
        text.push_str(&screen::table(&["code", "was", "now", ""], &[1, 2], lines));
    }
    text
}

fn example(example: &Example) -> String {
    match (&example.before, &example.after) {
        (Some(before), Some(after)) => format!("{} ({before} → {after})", example.key),
        _ => example.key.clone(),
    }
}
