//! The earlier text of a rule: the one that made the target's rows, one of a revision, or another file.
//!
//! Without a choice it is the one that the last counted run used, kept in the state: what an edit changes is
//! asked about the rows that are there. Where nothing was run yet, or the role may not read the state, the
//! last commit (`git:HEAD`) is what the author has edited.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use crate::config::Config;
use crate::db::{Role, Session};
use crate::diagnostic::Diagnostic;
use crate::rule::{Library, Rule};
use crate::script::SourceText;
use crate::state::State;

/// An earlier rule, and what to call it.
pub struct Earlier {
    /// The rule.
    pub rule: Arc<Rule>,
    /// `the last run`, `git:HEAD`, a file.
    pub named: String,
}

/// Finds the text to compare `rule` with. `against` is `git:REV`, a file, or nothing.
pub async fn earlier(
    config: &Config,
    rule: &Rule,
    against: Option<&str>,
) -> Result<Earlier, Vec<Diagnostic>> {
    match against {
        Some(choice) => match choice.strip_prefix("git:") {
            Some(revision) => of_revision(rule, revision),
            None => of_file(config, Path::new(choice)),
        },
        None => match of_last_run(config, rule).await? {
            Some(earlier) => Ok(earlier),
            None => of_revision(rule, "HEAD").map_err(|mut problems| {
                let problem = problems.remove(0);
                let why = problem.message().to_owned();
                Diagnostic::error(format!("there is no earlier text of `{}`", rule.name))
                    .note("no run of it is in the target's state, or the role may not read it")
                    .note(why)
                    .hint("name one: `--against git:REV` or `--against FILE`")
                    .into()
            }),
        },
    }
}

async fn of_last_run(config: &Config, rule: &Rule) -> Result<Option<Earlier>, Vec<Diagnostic>> {
    let mut session = Session::open(config.target()?, Role::TargetReader)
        .await
        .map_err(Diagnostic::from)?;
    let state = State::new(session.engine());
    let read = async {
        if !state.exists(&mut session).await? {
            return Ok(None);
        }
        state.check_version(&mut session).await?;
        state.applied_texts(&mut session, &rule.name).await
    };
    let texts: Result<_, crate::state::StateError> = read.await;
    session.close().await;
    // a preview goes on without the state where the role may not read it
    let Ok(Some(texts)) = texts else {
        return Ok(None);
    };
    let mut files = texts.into_iter().map(|(path, text)| SourceText {
        path,
        text: text.into(),
    });
    let Some(source) = files.next() else {
        return Ok(None);
    };
    let library = Library {
        files: files.collect(),
    };
    Ok(Some(Earlier {
        rule: Arc::new(Rule::parse(&source, &library)?),
        named: "the last run".to_owned(),
    }))
}

fn of_file(config: &Config, path: &Path) -> Result<Earlier, Vec<Diagnostic>> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let own = folder.join("lib");
    let library = Library::load(if own.is_dir() { folder } else { &config.rules })?;
    Ok(Earlier {
        rule: Arc::new(Rule::load(path, &library)?),
        named: path.display().to_string(),
    })
}

fn of_revision(rule: &Rule, revision: &str) -> Result<Earlier, Vec<Diagnostic>> {
    let folder = match rule.path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let file = rule
        .path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let text = git(folder, &["show", &format!("{revision}:./{file}")])?;
    let listed = git(folder, &["ls-tree", "--name-only", revision, "--", "lib/"])?;
    let mut library = Library::default();
    for name in listed.lines().filter(|name| is_script(name)) {
        let text = git(folder, &["show", &format!("{revision}:./{name}")])?;
        library.files.push(SourceText {
            path: format!("git:{revision}:{name}"),
            text: text.into(),
        });
    }
    let source = SourceText {
        path: format!("git:{revision}:{file}"),
        text: text.into(),
    };
    Ok(Earlier {
        rule: Arc::new(Rule::parse(&source, &library)?),
        named: format!("git:{revision}"),
    })
}

fn is_script(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|e| e == "rhai")
}

fn git(folder: &Path, arguments: &[&str]) -> Result<String, Diagnostic> {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .output()
        .map_err(|error| Diagnostic::error(format!("cannot run git: {error}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let first = said
            .lines()
            .next()
            .unwrap_or("no reason")
            .trim_start_matches("fatal: ");
        return Err(Diagnostic::error(format!("git has no such text: {first}"))
            .hint("the revision must hold the rule at its present path"));
    }
    String::from_utf8(output.stdout).map_err(|_| Diagnostic::error("the earlier text is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_git_says_so() {
        let folder = tempfile::tempdir().expect("a folder");
        let problem = git(folder.path(), &["show", "HEAD:./a.rhai"]).expect_err("no repository");
        assert!(
            problem.message().starts_with("git has no such text: "),
            "{problem}"
        );
    }
}
