//! The shipped rules' own tests find mistakes: a rule with one small mistake fails at least one of them.
//!
//! Every operator of a fixed list is applied wherever it can be, in `transform` and in what it calls. A
//! mistake that no test finds is allowed only where it decides neither a verdict, an id nor money, and only
//! with a reason in `docs/mutants.md`, which also lists the mutants that are no mistakes. What the header says (`copy`, `ids`, `where`) is no code of the rule;
//! `derive.rs` holds it against independent SQL.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use runner::rule::{Library, Rule, RuleSet, run_tests};
use runner::script::{SourceText, Token, tokens};

/// Fewer would say little about a rule's tests.
const MUTANTS_MIN: usize = 20;

/// A small mistake: what it puts in place of which bytes.
struct Mutant {
    from: usize,
    to: usize,
    with: String,
}

/// A token and where it begins.
struct Placed {
    token: Token,
    at: usize,
}

#[test]
fn every_mistake_in_a_verdict_an_id_or_money_is_found_by_the_rules_own_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let set = RuleSet::load(&root.join("rules")).expect("rules");
    let library = Library::load(&root.join("rules")).expect("a library");
    let next = std::sync::atomic::AtomicUsize::new(0);
    let found: BTreeMap<String, (usize, Vec<String>)> = std::thread::scope(|scope| {
        let work = || {
            let mut found = Vec::new();
            loop {
                let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let Some(rule) = set.rules.get(at) else {
                    return found;
                };
                found.push((rule.name.clone(), survivors(rule, &library)));
            }
        };
        let threads = [scope.spawn(work), scope.spawn(work)];
        threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("mutants"))
            .collect()
    });
    assert_eq!(found.len(), 9);
    let listed = listed(root);
    let mut wrong = Vec::new();
    for (rule, (count, survivors)) in &found {
        eprintln!("{rule}: {count} mutants, {} survive", survivors.len());
        if *count < MUTANTS_MIN {
            wrong.push(format!("{rule}: only {count} mutants"));
        }
        for survivor in survivors {
            let line = format!("| {rule} | `{survivor}` |");
            if listed.alike.contains(&line) {
                continue;
            }
            if is_weighty(survivor) {
                wrong.push(format!("no test finds: {line}"));
            } else if !listed.spared.contains(&line) {
                wrong.push(format!("no reason in docs/mutants.md: {line}"));
            }
        }
    }
    for line in listed.alike.iter().chain(&listed.spared) {
        let is_there = found.iter().any(|(rule, (_, survivors))| {
            survivors
                .iter()
                .any(|survivor| *line == format!("| {rule} | `{survivor}` |"))
        });
        if !is_there {
            wrong.push(format!("found by a test now, or gone: {line}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What `docs/mutants.md` lists, without the reasons.
struct Listed {
    /// Mutants that change nothing that any row can show.
    alike: BTreeSet<String>,
    /// Mistakes that no test of the rule finds.
    spared: BTreeSet<String>,
}

fn listed(root: &Path) -> Listed {
    let text = std::fs::read_to_string(root.join("docs/mutants.md")).expect("docs/mutants.md");
    let (alike, spared) = text.split_once("\n## Not found").expect("two tables");
    let rows = |text: &str| {
        let rows = text
            .lines()
            .filter(|line| line.starts_with("| ") && line.contains('`'));
        rows.filter_map(|line| Some(format!("{}` |", line.rsplit_once("` |")?.0)))
            .collect()
    };
    Listed {
        alike: rows(alike),
        spared: rows(spared),
    }
}

/// Decides a verdict, an id or money.
fn is_weighty(survivor: &str) -> bool {
    [
        "skip(", "reject(", "id_of", "rows_of", "total", "price", "subtotal", "tax", "amount",
        "cents",
    ]
    .iter()
    .any(|word| survivor.contains(word))
}

/// How many mutants compile, and those of them that no test of the rule finds.
fn survivors(rule: &Arc<Rule>, library: &Library) -> (usize, Vec<String>) {
    let text = &*rule.text;
    let placed = place(text);
    let (mut count, mut alive) = (0, BTreeSet::new());
    for mutant in mutants(text, &placed) {
        let mut edited = text.to_owned();
        edited.replace_range(mutant.from..mutant.to, &mutant.with);
        let source = SourceText {
            path: rule.path.display().to_string(),
            text: edited.into(),
        };
        let Ok(edited) = Rule::parse(&source, library) else {
            continue;
        };
        count += 1;
        if run_tests(&edited, None)
            .iter()
            .all(|test| test.outcome.is_ok())
        {
            let begin = text[..mutant.from].rfind('\n').map_or(0, |at| at + 1);
            let end = text[mutant.to..]
                .find('\n')
                .map_or(text.len(), |at| mutant.to + at);
            let old = squeeze(&text[begin..end]);
            let new = squeeze(&format!(
                "{}{}{}",
                &text[begin..mutant.from],
                mutant.with,
                &text[mutant.to..end]
            ));
            alive.insert(format!("{old} → {new}").replace('|', "\\|"));
        }
    }
    (count, alive.into_iter().collect())
}

fn squeeze(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn place(text: &str) -> Vec<Placed> {
    let mut at = 0;
    let mut placed = Vec::new();
    for token in tokens(text) {
        loop {
            let rest = &text[at..];
            let blank = rest.len() - rest.trim_start().len();
            at += blank;
            let rest = &text[at..];
            if rest.starts_with("//") {
                at += rest.find('\n').expect("an end");
            } else if rest.starts_with("/*") {
                at += rest.find("*/").expect("an end") + 2;
            } else if blank == 0 || rest.starts_with(&token.text) {
                break;
            }
        }
        assert!(text[at..].starts_with(&token.text), "{}", token.text);
        let length = token.text.len();
        placed.push(Placed { token, at });
        at += length;
    }
    placed
}

/// Token ranges of functions: name → its body.
fn functions(placed: &[Placed]) -> BTreeMap<&str, (usize, usize)> {
    let mut found = BTreeMap::new();
    for (at, one) in placed.iter().enumerate() {
        if one.token.text == "fn" && one.token.depth == 0 {
            let open = (at..placed.len())
                .find(|i| placed[*i].token.text == "{" && placed[*i].token.depth == 0);
            let open = open.expect("a body");
            let close = (open..placed.len())
                .find(|i| placed[*i].token.text == "}" && placed[*i].token.depth == 0);
            found.insert(
                placed[at + 1].token.text.as_str(),
                (open, close.expect("an end")),
            );
        }
    }
    found
}

/// All mutants of what `transform` and `validate` reach.
fn mutants(text: &str, placed: &[Placed]) -> Vec<Mutant> {
    let functions = functions(placed);
    let mut reached: BTreeSet<&str> = BTreeSet::new();
    let mut open = vec!["transform", "validate"];
    while let Some(name) = open.pop() {
        let Some((from, to)) = functions.get(name) else {
            continue;
        };
        if reached.insert(name) {
            let calls = placed[*from..*to]
                .windows(2)
                .filter(|two| two[1].token.text == "(")
                .map(|two| two[0].token.text.as_str());
            open.extend(calls.filter(|name| functions.contains_key(name)));
        }
    }
    let columns: Vec<&str> = columns(placed).into_iter().collect();
    let mut out = Vec::new();
    for (from, to) in reached.iter().filter_map(|name| functions.get(name)) {
        for at in *from..*to {
            out.extend(at_token(text, placed, at, &columns));
        }
    }
    out
}

/// Columns that the rule reads, by `row.column`.
fn columns(placed: &[Placed]) -> BTreeSet<&str> {
    placed
        .windows(3)
        .filter(|three| three[0].token.text == "row" && three[1].token.text == ".")
        .map(|three| three[2].token.text.as_str())
        .collect()
}

fn at_token(text: &str, placed: &[Placed], at: usize, columns: &[&str]) -> Vec<Mutant> {
    let one = &placed[at];
    let word = one.token.text.as_str();
    let (from, end) = (one.at, one.at + word.len());
    let with = |with: &str| Mutant {
        from,
        to: end,
        with: with.to_owned(),
    };
    let rest = &text[from..];
    let before = text[..from].chars().next_back();
    let mut out = Vec::new();
    // comparisons, logic, arithmetic; the second half of an operator is not one of its own
    if before.is_none_or(|c| !"=!<>&|+-*/".contains(c)) {
        for (old, new) in [
            ("==", "!="),
            ("!=", "=="),
            ("<=", "<"),
            (">=", ">"),
            ("&&", "||"),
            ("||", "&&"),
            ("< ", "<= "),
            ("> ", ">= "),
            ("+ ", "- "),
            ("- ", "+ "),
            ("* ", "/ "),
            ("/ ", "* "),
        ] {
            if rest.starts_with(old) {
                out.push(Mutant {
                    from,
                    to: from + old.len(),
                    with: new.to_owned(),
                });
            }
        }
    }
    match word {
        "!" if !rest.starts_with("!=") => out.push(with("")),
        "true" => out.push(with("false")),
        "false" => out.push(with("true")),
        "id_of" => out.push(with("id_of_or_null")),
        "id_of_or_null" => out.push(with("id_of")),
        "skip" | "reject" | "note" if rest[word.len()..].starts_with('(') => {
            let close = closing(placed, at + 1);
            out.push(Mutant {
                from,
                to: placed[close].at + 1,
                with: "()".to_owned(),
            });
        }
        "if" => {
            let open = (at..placed.len()).find(|i| {
                placed[*i].token.text == "{" && placed[*i].token.depth == one.token.depth
            });
            if let Some(open) = open {
                for truth in [" true ", " false "] {
                    out.push(Mutant {
                        from: end,
                        to: placed[open].at,
                        with: truth.to_owned(),
                    });
                }
            }
        }
        _ => {}
    }
    if word.bytes().all(|b| b.is_ascii_digit()) {
        let number: u64 = word.parse().expect("digits");
        out.push(with(&format!("{:0width$}", number + 1, width = word.len())));
    }
    if word.starts_with('"') && !is_sentence(placed, at) {
        out.push(with("\"\""));
        out.push(with(&format!("{}~\"", &word[..word.len() - 1])));
    }
    if at >= 2 && placed[at - 1].token.text == "." && placed[at - 2].token.text == "row" {
        let place = columns
            .iter()
            .position(|column| *column == word)
            .unwrap_or(0);
        for step in [1, 2] {
            let other = columns[(place + step) % columns.len()];
            if other != word {
                out.push(with(other));
            }
        }
    }
    let is_list = word == "["
        && at > 0
        && !placed[at - 1]
            .token
            .text
            .ends_with(|c: char| c.is_alphanumeric() || "_])".contains(c));
    if is_list {
        let depth = one.token.depth;
        let close = (at + 1..placed.len())
            .find(|i| placed[*i].token.depth == depth && placed[*i].token.text == "]");
        if let Some(close) = close.filter(|close| *close > at + 1) {
            out.push(Mutant {
                from,
                to: placed[close].at + 1,
                with: "[]".to_owned(),
            });
        }
    }
    // an entry of a map: without its value, and without the entry
    let is_key = placed
        .get(at + 1)
        .is_some_and(|next| next.token.text == ":")
        && !text[end..].trim_start().starts_with("::")
        && (word.starts_with('"') || word.starts_with(|c: char| c.is_alphabetic()));
    if is_key {
        let last = (at + 2..placed.len()).find(|i| {
            let token = &placed[*i].token;
            (token.depth == one.token.depth && token.text == ",")
                || token.depth + 1 == one.token.depth
        });
        if let Some(last) = last {
            let (value, stop) = (placed[at + 2].at, placed[last].at);
            if text[value..stop].trim() != "()" {
                out.push(Mutant {
                    from: value,
                    to: stop,
                    with: "()".to_owned(),
                });
            }
            let to = if placed[last].token.text == "," {
                stop + 1
            } else {
                stop
            };
            out.push(Mutant {
                from,
                to,
                with: String::new(),
            });
        }
    }
    out
}

/// The second argument of `reject` and `note`: words for a person, which decide nothing.
fn is_sentence(placed: &[Placed], at: usize) -> bool {
    let word = |back: usize| {
        at.checked_sub(back)
            .map(|at| placed[at].token.text.as_str())
    };
    word(1) == Some(",") && word(3) == Some("(") && matches!(word(4), Some("reject" | "note"))
}

/// The bracket that closes the one at `open`.
fn closing(placed: &[Placed], open: usize) -> usize {
    let depth = placed[open].token.depth;
    (open + 1..placed.len())
        .find(|i| placed[*i].token.depth == depth && placed[*i].token.text == ")")
        .expect("a closing bracket")
}
