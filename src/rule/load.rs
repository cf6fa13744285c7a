//! Rules and libraries from a folder.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Rule, fingerprint, read};
use crate::diagnostic::{Diagnostic, Place, did_you_mean};
use crate::script::{self, SourceText};

/// The shared functions of `rules/lib`, one module per file.
#[derive(Clone, Debug, Default)]
pub struct Library {
    /// Files by name.
    pub files: Vec<SourceText>,
}

impl Library {
    /// Reads `dir/lib/*.rhai`; a missing folder is an empty library.
    pub fn load(dir: &Path) -> Result<Self, Diagnostic> {
        let lib = dir.join("lib");
        if !lib.is_dir() {
            return Ok(Self::default());
        }
        let files = scripts(&lib)?
            .iter()
            .map(|path| read_text(path))
            .collect::<Result<_, _>>()?;
        Ok(Self { files })
    }

    /// The files that `first` reaches, directly or through one another.
    fn reached(&self, first: &BTreeSet<String>) -> Result<Vec<SourceText>, Diagnostic> {
        let mut wanted = first.clone();
        let mut open: Vec<String> = first.iter().cloned().collect();
        while let Some(name) = open.pop() {
            let Some(file) = self.files.iter().find(|f| f.stem() == name) else {
                continue;
            };
            for next in script::outline(file)?.modules {
                if wanted.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        Ok(self
            .files
            .iter()
            .filter(|f| wanted.contains(f.stem()))
            .cloned()
            .collect())
    }
}

/// All rules of a folder, and what is wrong with the others.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    /// Usable rules, by name.
    pub rules: Vec<Arc<Rule>>,
    /// Why the others are not.
    pub problems: Vec<Diagnostic>,
}

impl RuleSet {
    /// Loads every `dir/*.rhai`, sorted by name.
    pub fn load(dir: &Path) -> Result<Self, Diagnostic> {
        Self::of_files(dir, &scripts(dir)?)
    }

    /// Loads the named rules: `purchases`, `rules/purchases.rhai`, or `rules/examples/x.rhai`. None
    /// named means all.
    pub fn named(dir: &Path, names: &[String]) -> Result<Self, Diagnostic> {
        if names.is_empty() {
            return Self::load(dir);
        }
        let known = scripts(dir)?;
        let mut files = Vec::new();
        for name in names {
            let file = resolve(dir, name, &known)?;
            if !files.contains(&file) {
                files.push(file);
            }
        }
        Self::of_files(dir, &files)
    }

    /// The rule called `name`.
    pub fn get(&self, name: &str) -> Option<&Arc<Rule>> {
        self.rules.iter().find(|r| r.name == name)
    }

    fn of_files(dir: &Path, files: &[PathBuf]) -> Result<Self, Diagnostic> {
        let library = Library::load(dir)?;
        let mut set = Self::default();
        for file in files {
            match Rule::load(file, &library) {
                Ok(rule) => set.rules.push(Arc::new(rule)),
                Err(problems) => set.problems.extend(problems),
            }
        }
        set.rules.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(set)
    }
}

impl Rule {
    /// Reads one rule file; all its problems at once where possible.
    pub fn load(path: &Path, library: &Library) -> Result<Self, Vec<Diagnostic>> {
        let source = read_text(path).map_err(|problem| vec![problem])?;
        Self::parse(&source, library)
    }

    /// A rule out of texts that were kept: path and text, the rule first, then the libraries it reaches.
    pub fn stored(texts: &[(String, String)]) -> Result<Self, Vec<Diagnostic>> {
        let mut files = texts.iter().map(|(path, text)| SourceText {
            path: path.clone(),
            text: text.as_str().into(),
        });
        let Some(first) = files.next() else {
            return Err(vec![Diagnostic::error(
                "the rule that was applied is not in the state",
            )]);
        };
        Self::parse(
            &first,
            &Library {
                files: files.collect(),
            },
        )
    }

    /// The same from a text that is not, or not yet, a file.
    pub fn parse(source: &SourceText, library: &Library) -> Result<Self, Vec<Diagnostic>> {
        let outline = script::outline(source).map_err(|problem| vec![problem])?;
        let libs = library
            .reached(&outline.modules)
            .map_err(|problem| vec![problem])?;
        let mut problems = script::shadowing(source, &outline);
        let mut outlines = Vec::with_capacity(libs.len());
        for lib in &libs {
            match script::outline(lib) {
                Ok(outline) => {
                    problems.extend(script::shadowing(lib, &outline));
                    outlines.push((lib, outline));
                }
                Err(problem) => problems.push(problem),
            }
        }
        let files: Vec<_> = std::iter::once((source, &outline))
            .chain(outlines.iter().map(|(lib, outline)| (*lib, outline)))
            .collect();
        problems.extend(script::mistaken(&files));
        if !problems.is_empty() {
            return Err(problems);
        }
        let (header, places) = read::header(&outline, source)?;
        let fingerprints = fingerprint::of(source, &libs);
        Ok(Self {
            name: source.stem().to_owned(),
            path: PathBuf::from(&source.path),
            text: Arc::clone(&source.text),
            libs: libs.into_iter().map(|f| (f.path, f.text)).collect(),
            header,
            has: read::functions(&outline),
            fingerprints,
            places,
        })
    }
}

fn resolve(dir: &Path, name: &str, known: &[PathBuf]) -> Result<PathBuf, Diagnostic> {
    let as_path = Path::new(name);
    if name.contains(['/', '\\'])
        || as_path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("rhai"))
    {
        for candidate in [as_path.to_path_buf(), dir.join(as_path)] {
            if candidate.is_file() {
                // the same file under the name that the folder's listing gives it
                let same = known
                    .iter()
                    .find(|k| k.canonicalize().ok() == candidate.canonicalize().ok());
                return Ok(same.cloned().unwrap_or(candidate));
            }
        }
    }
    let stem = as_path.file_stem().and_then(|s| s.to_str()).unwrap_or(name);
    if let Some(file) = known.iter().find(|k| stem_of(k) == stem) {
        return Ok(file.clone());
    }
    let problem = Diagnostic::error(format!("there is no rule `{name}` in {}", dir.display()));
    let near = did_you_mean(stem, known.iter().map(|k| stem_of(k)));
    Err(match near {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None if known.is_empty() => problem.hint("`runner init` writes a first rule"),
        None => problem.hint(format!(
            "rules: {}",
            known
                .iter()
                .map(|k| stem_of(k))
                .collect::<Vec<_>>()
                .join(", ")
        )),
    })
}

fn stem_of(path: &Path) -> &str {
    path.file_stem()
        .and_then(|s| s.to_str())
        .unwrap_or_default()
}

/// The `.rhai` files of a folder, not of its subfolders, sorted.
fn scripts(dir: &Path) -> Result<Vec<PathBuf>, Diagnostic> {
    let unreadable = |error: std::io::Error| {
        Diagnostic::error(format!(
            "cannot read the rules in {}: {error}",
            dir.display()
        ))
        .hint("name the folder of your rules with --rules")
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|e| e == "rhai") && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn read_text(path: &Path) -> Result<SourceText, Diagnostic> {
    let shown = path.display().to_string();
    let bytes = fs::read(path).map_err(|error| {
        Diagnostic::error(format!("cannot read the rule: {error}")).at(Place::file(shown.clone()))
    })?;
    let text = String::from_utf8(bytes).map_err(|_| {
        Diagnostic::error("the rule is not UTF-8 text").at(Place::file(shown.clone()))
    })?;
    Ok(SourceText {
        path: shown,
        text: text.into(),
    })
}
