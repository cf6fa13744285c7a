//! What a script says in its own words, without what it took from the row.
//!
//! Codes and messages are stored, counted, logged and printed, so they must not carry cells. A sentence
//! is kept as far as it is written in the script: `"no price in " + row.town` is kept as `no price in …`.
//! A sentence that reaches the host through variables is kept when the script holds it whole.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rhai::{ASTFlags, ASTNode, Expr, FnCallExpr, Position, Stmt};

use super::{SourceText, literal, tokens};
use crate::diagnostic::Diagnostic;

/// Stands for what is not written in the script.
const GAP: &str = "…";
/// What is kept of a message of which nothing is written in the script.
const NOTHING: &str = "(made of the row's values, which are in its quarantine)";
/// Shorter pieces do not make up a code: letters would spell anything.
const PIECE_BYTES_MIN: usize = 3;

/// The texts of a rule and of its libraries. The default lets everything pass: for made-up rows.
#[derive(Default)]
pub(super) struct Wording {
    is_strict: bool,
    /// Texts between quotes.
    literals: BTreeSet<String>,
    /// All words: names, keys, texts.
    words: BTreeSet<String>,
    /// File → place of a call of `reject` or `note`, or of a `throw` → its sentence with gaps.
    sentences: BTreeMap<String, HashMap<Position, String>>,
}

impl Wording {
    /// Reads the files of a rule.
    pub(super) fn of(files: &[SourceText]) -> Result<Self, Diagnostic> {
        let mut wording = Self {
            is_strict: true,
            ..Self::default()
        };
        for file in files {
            wording.add(file)?;
        }
        Ok(wording)
    }

    /// Reads one more file, or the same one again.
    pub(super) fn add(&mut self, file: &SourceText) -> Result<(), Diagnostic> {
        let ast = literal::plain_ast(file)?;
        let mut sentences = HashMap::new();
        ast.walk(&mut |path: &[ASTNode]| {
            let said = match path.last() {
                Some(
                    ASTNode::Expr(Expr::FnCall(call, position) | Expr::MethodCall(call, position))
                    | ASTNode::Stmt(Stmt::FnCall(call, position)),
                ) => why(call).map(|expr| (*position, expr)),
                Some(ASTNode::Stmt(Stmt::Return(Some(expr), flags, position)))
                    if flags.intersects(ASTFlags::BREAK) =>
                {
                    Some((*position, &**expr))
                }
                Some(ASTNode::Expr(Expr::StringConstant(text, _))) => {
                    self.literals.insert(text.to_string());
                    None
                }
                Some(ASTNode::Expr(Expr::Map(map, _))) => {
                    self.literals
                        .extend(map.0.iter().map(|(key, _)| key.name.to_string()));
                    None
                }
                _ => None,
            };
            if let Some(ASTNode::Expr(expr @ Expr::FnCall(..))) = path.last() {
                self.literals.extend(joined(expr));
            }
            if let Some((position, expr)) = said
                && let Some(sentence) = sentence(expr)
            {
                sentences.insert(position, sentence);
            }
            true
        });
        self.words.extend(self.literals.iter().cloned());
        self.words
            .extend(tokens(&file.text).into_iter().map(|token| token.text));
        self.sentences.insert(file.path.clone(), sentences);
        Ok(())
    }

    /// A message as it may be kept. `file` and `position` are those of the call.
    pub(super) fn message(&self, file: Option<&str>, position: Position, text: &str) -> String {
        if !self.is_strict || self.literals.contains(text) {
            return text.to_owned();
        }
        file.and_then(|file| self.sentences.get(file))
            .and_then(|known| known.get(&position))
            .map_or_else(|| NOTHING.to_owned(), Clone::clone)
    }

    /// Whether the script holds this text whole.
    pub(super) fn spells(&self, text: &str) -> bool {
        self.literals.contains(text)
    }

    /// Whether a code is made of texts of the script.
    pub(super) fn has_code(&self, code: &str) -> bool {
        if !self.is_strict || self.literals.contains(code) {
            return true;
        }
        // how many bytes of the code can be made of texts
        let mut reached = vec![0];
        let mut at = 0;
        while let Some(start) = reached.get(at).copied() {
            for end in start + PIECE_BYTES_MIN..=code.len() {
                let piece = code.get(start..end);
                if !reached.contains(&end) && piece.is_some_and(|p| self.literals.contains(p)) {
                    reached.push(end);
                }
            }
            at += 1;
        }
        reached.contains(&code.len())
    }

    /// A name that a script gave, when it is written there.
    pub(super) fn name<'n>(&self, name: &'n str) -> &'n str {
        if !self.is_strict || self.words.contains(name) {
            name
        } else {
            GAP
        }
    }
}

/// The sentence of `reject(code, why)`, `note(code, why)` and `target.reject(key, code, why)`.
fn why(call: &FnCallExpr) -> Option<&Expr> {
    match (call.name.as_str(), call.args.len()) {
        ("reject" | "note", 2) => call.args.get(1),
        ("reject", 3) => call.args.get(2),
        _ => None,
    }
}

/// Texts joined by `+`.
fn joined(expr: &Expr) -> Option<String> {
    let mut out = String::new();
    write(expr, &mut out);
    (!out.contains(GAP)).then_some(out)
}

/// An expression as far as it is written out; `None` when nothing of it is.
fn sentence(expr: &Expr) -> Option<String> {
    let mut out = String::new();
    write(expr, &mut out);
    out.contains(char::is_alphanumeric).then_some(out)
}

fn write(expr: &Expr, out: &mut String) {
    match expr {
        Expr::StringConstant(text, _) => out.push_str(text),
        Expr::CharConstant(letter, _) => out.push(*letter),
        Expr::InterpolatedString(parts, _) => parts.iter().for_each(|part| write(part, out)),
        Expr::FnCall(call, _) if call.name.as_str() == "+" && call.args.len() == 2 => {
            call.args.iter().for_each(|part| write(part, out));
        }
        _ if out.ends_with(GAP) => {}
        _ => out.push_str(GAP),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wording(text: &str) -> Wording {
        let file = SourceText {
            path: "a.rhai".to_owned(),
            text: text.into(),
        };
        Wording::of(&[file]).expect("it compiles")
    }

    fn kept(call: &str) -> String {
        let wording = wording(&format!("fn f(row) {{\n{call};\n}}"));
        wording.message(Some("a.rhai"), Position::new(2, 1), "Rosalind")
    }

    #[test]
    fn a_sentence_keeps_what_is_written_out() {
        for (call, sentence) in [
            (
                "reject(\"c\", \"an odd one in \" + row.town)",
                "an odd one in …",
            ),
            (
                "reject(\"c\", `${row.name} of ${row.town + row.x}!`)",
                "… of …!",
            ),
            (
                "note(\"c\", row.a + row.b + \" and \" + f(\"x\"))",
                "… and …",
            ),
            ("throw \"what about \" + row.name", "what about …"),
            ("throw row.name", NOTHING),
            ("throw #{ name: row.name }", NOTHING),
            ("reject(\"c\", why)", NOTHING),
            ("reject(\"c\", row.name + \" \" + row.town)", NOTHING),
        ] {
            assert_eq!(kept(call), sentence, "{call}");
        }
    }

    #[test]
    fn a_sentence_of_the_script_may_come_by_any_way() {
        let wording = wording("fn f(row) { let why = \"too old\"; reject(\"c\", why); }");
        assert_eq!(wording.message(None, Position::NONE, "too old"), "too old");
        assert_eq!(wording.message(None, Position::NONE, "too"), NOTHING);
    }

    #[test]
    fn codes_are_made_of_texts_of_the_script() {
        let wording =
            wording("fn f(x) { let a = \"bad_\"; let b = [\"email\", \"s\", #{ town: 1 }]; }");
        for (code, is_known) in [
            ("bad_email", true),
            ("bad_town", true),
            ("email", true),
            ("s", true),
            ("bad_s", false),
            ("rosalind", false),
            ("bad_rosalind", false),
        ] {
            assert_eq!(wording.has_code(code), is_known, "{code}");
        }
    }

    #[test]
    fn names_are_those_of_the_script() {
        let wording = wording("fn f(row) { row.nmae + row[\"town hall\"] }");
        assert_eq!(wording.name("nmae"), "nmae");
        assert_eq!(wording.name("town hall"), "town hall");
        assert_eq!(wording.name("Rosalind"), GAP);
    }
}
