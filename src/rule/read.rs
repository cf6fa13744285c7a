//! From the `RULE` literal to a [`Header`]: every key known, every value of its type, all problems at once.

mod values;
mod whole;

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::header::{
    Auth, CopyPair, Existing, Header, IdsDecl, LookupDecl, MissingProfile, Reconcile, Side, Stop,
    Storage,
};
use super::{Functions, Places};
use crate::diagnostic::{Diagnostic, Place};
use crate::ids::IdKind;
use crate::script::{Entry, Function, Literal, Node, Outline, SourceText};

const KEYS: [&str; 26] = [
    "auth",
    "base",
    "copy",
    "effects",
    "existing",
    "expect",
    "fix",
    "from",
    "id",
    "ids",
    "key",
    "legacy",
    "lookups",
    "match",
    "missing_profile",
    "public",
    "reconcile",
    "rows",
    "secret",
    "stop",
    "storage",
    "target",
    "tests",
    "volatile",
    "where",
    "zone",
];

/// The functions of a rule that the host calls.
pub(super) fn functions(outline: &Outline) -> Functions {
    let has = |name: &str, params: usize| {
        outline
            .functions
            .iter()
            .any(|f| f.name == name && f.params.len() == params)
    };
    Functions {
        transform: has("transform", 1),
        validate: has("validate", 1),
        before: has("before", 0),
        after: has("after", 0),
        run: has("run", 0),
        profile: has("profile", 1),
        tests: outline
            .functions
            .iter()
            .filter(|f| f.name.starts_with("test_") && f.params.is_empty() && !f.private)
            .map(|f| f.name.clone())
            .collect(),
    }
}

/// Reads the header and where each of its keys stands.
pub(super) fn header(
    outline: &Outline,
    source: &SourceText,
) -> Result<(Header, Places), Vec<Diagnostic>> {
    let has = functions(outline);
    let Some(rule) = &outline.rule else {
        return Err(vec![
            Diagnostic::error("the rule has no header")
                .at(Place::file(source.path.clone()))
                .hint("begin with `const RULE = #{ base: \"table\", key: \"id\", target: \"table\" };`"),
        ]);
    };
    let mut reader = Reader {
        source,
        functions: &outline.functions,
        problems: Vec::new(),
        places: Places::new(),
    };
    let Literal::Map(entries) = &rule.value else {
        return Err(vec![
            Diagnostic::error(format!("`RULE` must be a literal map, it is {}", rule.value.kind()))
                .at(source.place(rule.line, rule.column))
                .hint("write `const RULE = #{ … };` with plain values only: it is read without running anything"),
        ]);
    };
    let header = reader.header(entries, rule, &has);
    if reader.problems.is_empty() {
        Ok((header, reader.places))
    } else {
        Err(reader.problems)
    }
}

struct Reader<'a> {
    source: &'a SourceText,
    functions: &'a [Function],
    problems: Vec<Diagnostic>,
    places: Places,
}

impl Reader<'_> {
    fn header(&mut self, entries: &[Entry], rule: &Node, has: &Functions) -> Header {
        let mut header = Header::default();
        self.check_keys(entries, &KEYS, "RULE", &[]);
        for entry in entries {
            self.remember(&[], entry);
            let node = &entry.node;
            let name = entry.key.as_str();
            match name {
                "base" => header.base = self.text(name, node),
                "where" => header.where_ = Some(self.text(name, node)),
                "from" => header.from = Some(self.text(name, node)),
                "key" => header.key = self.texts(name, node),
                "target" => header.target = self.text(name, node),
                "legacy" => header.legacy = Some(self.text(name, node)),
                "ids" => header.ids = self.ids(node),
                "lookups" => header.lookups = self.lookups(node),
                "copy" => {
                    let pairs = self.text_map(name, node);
                    header.copy = pairs
                        .into_iter()
                        .map(|(target, source)| CopyPair { target, source })
                        .collect();
                }
                "public" => header.public = self.texts(name, node),
                "secret" => header.secret = self.texts(name, node),
                "expect" => header.min_success = self.expect(node),
                "reconcile" => header.reconcile = self.reconcile(node),
                "fix" => {
                    header.fix = self
                        .text_map(name, node)
                        .into_iter()
                        .collect::<BTreeMap<_, _>>();
                }
                "rows" => header.many = self.word(name, node, &["one", "many"]) == 1,
                "match" => header.match_ = self.texts(name, node),
                "existing" => {
                    let word = self.word(name, node, &["fill", "keep", "update", "conflict"]);
                    header.existing = [
                        Existing::Fill,
                        Existing::Keep,
                        Existing::Update,
                        Existing::Conflict,
                    ][word];
                }
                "id" => {
                    header.id =
                        [IdKind::V5, IdKind::Ordered][self.word(name, node, &["v5", "ordered"])];
                }
                "zone" => header.zone = Some(self.zone(node)),
                "volatile" => header.volatile = self.texts(name, node),
                "stop" => header.stop = self.stop(node),
                "effects" => header.effects = self.texts(name, node),
                "storage" => header.storage = self.storage(node),
                "missing_profile" => {
                    let words = ["reject", "create"];
                    header.missing_profile = Some(
                        [MissingProfile::Reject, MissingProfile::Create]
                            [self.word(name, node, &words)],
                    );
                }
                "auth" => {
                    header.auth = Some(
                        [Auth::Link, Auth::Create][self.word(name, node, &["link", "create"])],
                    );
                }
                _ => {}
            }
        }
        self.check_whole(&header, rule, has);
        header
    }

    fn ids(&mut self, node: &Node) -> Vec<IdsDecl> {
        let mut out = Vec::new();
        for (entity, entries) in self.maps("ids", node) {
            let path = ["ids", entity.as_str()];
            self.check_keys(&entries, &["from", "legacy"], &path.join("."), &["from"]);
            let mut decl = IdsDecl {
                entity: entity.clone(),
                legacy: None,
                from: vec![],
            };
            for entry in &entries {
                self.remember(&path, entry);
                let name = format!("ids.{entity}.{}", entry.key);
                match entry.key.as_str() {
                    "legacy" => decl.legacy = Some(self.text(&name, &entry.node)),
                    "from" => decl.from = self.texts(&name, &entry.node),
                    _ => {}
                }
            }
            out.push(decl);
        }
        out
    }

    fn lookups(&mut self, node: &Node) -> Vec<LookupDecl> {
        let mut out = Vec::new();
        for (lookup, entries) in self.maps("lookups", node) {
            let path = ["lookups", lookup.as_str()];
            self.check_keys(
                &entries,
                &["by", "db", "from", "keys", "order", "take"],
                &path.join("."),
                &["by", "from", "keys", "take"],
            );
            let mut decl = LookupDecl {
                name: lookup.clone(),
                db: Side::Source,
                from: String::new(),
                by: String::new(),
                keys: vec![],
                take: vec![],
                order: vec![],
            };
            for entry in &entries {
                self.remember(&path, entry);
                let name = format!("lookups.{lookup}.{}", entry.key);
                match entry.key.as_str() {
                    "db" => {
                        decl.db = [Side::Source, Side::Target]
                            [self.word(&name, &entry.node, &["source", "target"])];
                    }
                    "from" => decl.from = self.text(&name, &entry.node),
                    "by" => decl.by = self.text(&name, &entry.node),
                    "keys" => decl.keys = self.texts(&name, &entry.node),
                    "take" => decl.take = self.texts(&name, &entry.node),
                    "order" => decl.order = self.texts(&name, &entry.node),
                    _ => {}
                }
            }
            out.push(decl);
        }
        out
    }

    fn reconcile(&mut self, node: &Node) -> Vec<Reconcile> {
        let mut out = Vec::new();
        for (name, entries) in self.maps("reconcile", node) {
            let path = ["reconcile", name.as_str()];
            self.check_keys(
                &entries,
                &["source", "target"],
                &path.join("."),
                &["source", "target"],
            );
            let mut pair = Reconcile {
                name: name.clone(),
                source: String::new(),
                target: String::new(),
            };
            for entry in &entries {
                self.remember(&path, entry);
                let text = self.text(&format!("reconcile.{name}.{}", entry.key), &entry.node);
                match entry.key.as_str() {
                    "source" => pair.source = text,
                    "target" => pair.target = text,
                    _ => {}
                }
            }
            out.push(pair);
        }
        out
    }

    fn expect(&mut self, node: &Node) -> Option<Decimal> {
        let entries = self.map("expect", node)?.to_vec();
        self.check_keys(&entries, &["min_success"], "expect", &[]);
        let entry = entries.iter().find(|e| e.key == "min_success")?;
        self.remember(&["expect"], entry);
        self.share("expect.min_success", &entry.node)
    }

    fn stop(&mut self, node: &Node) -> Stop {
        let mut stop = Stop::default();
        let Some(entries) = self.map("stop", node).map(<[Entry]>::to_vec) else {
            return stop;
        };
        self.check_keys(&entries, &["faults", "share"], "stop", &[]);
        for entry in &entries {
            self.remember(&["stop"], entry);
            match (entry.key.as_str(), &entry.node.value) {
                ("faults", Literal::Int(count)) if *count >= 0 => {
                    stop.faults = count.unsigned_abs();
                }
                ("faults", _) => {
                    self.wrong("stop.faults", "a whole number, 0 or more", &entry.node);
                }
                ("share", _) => {
                    stop.share = self.share("stop.share", &entry.node).unwrap_or(stop.share);
                }
                _ => {}
            }
        }
        stop
    }

    fn storage(&mut self, node: &Node) -> Option<Storage> {
        let entries = self.map("storage", node)?.to_vec();
        self.check_keys(
            &entries,
            &["bucket", "path"],
            "storage",
            &["bucket", "path"],
        );
        let mut storage = Storage {
            bucket: String::new(),
            path: String::new(),
        };
        for entry in &entries {
            self.remember(&["storage"], entry);
            let text = self.text(&format!("storage.{}", entry.key), &entry.node);
            match entry.key.as_str() {
                "bucket" => storage.bucket = text,
                "path" => storage.path = text,
                _ => {}
            }
        }
        Some(storage)
    }

    fn zone(&mut self, node: &Node) -> String {
        let zone = self.text("zone", node);
        if !zone.is_empty() && jiff::tz::TimeZone::get(&zone).is_err() {
            let problem = Diagnostic::error(format!("`{zone}` is not a time zone"));
            self.problems.push(
                problem
                    .at(self.source.place(node.line, node.column))
                    .hint("write a name of the tz database, as `UTC` or `America/Sao_Paulo`"),
            );
        }
        zone
    }
}
