//! What every command needs: settings, rules, sessions.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::exit::Failure;
use crate::cli::quarantine::shell_word;
use crate::cli::screen;
use crate::config::{Config, Flags};
use crate::db::{Role, Session};
use crate::diagnostic::Diagnostic;
use crate::rule::RuleSet;
use crate::state::State;

/// Options that every command understands.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct Global {
    /// Read settings from FILE instead of `.env`
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) env_file: Option<PathBuf>,
    /// The folder of rules [default: rules]
    #[arg(long = "rules", global = true, value_name = "DIR")]
    pub(super) rules_dir: Option<PathBuf>,
    /// The legacy database: postgres://… or a SQLite file [env: SOURCE_DATABASE_URL]
    #[arg(long, global = true, value_name = "URL")]
    pub(super) source: Option<String>,
    /// The target database: postgres://… or a SQLite file [env: TARGET_DATABASE_URL]
    #[arg(long, global = true, value_name = "URL")]
    pub(super) target: Option<String>,
    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Say more about what is going on
    #[arg(short, long, global = true)]
    pub(super) verbose: bool,
}

impl Global {
    /// The settings.
    pub(super) fn config(&self) -> Result<Config, Failure> {
        let flags = Flags {
            source: self.source.clone(),
            target: self.target.clone(),
            rules: self.rules_dir.clone(),
        };
        let config = Config::load(self.env_file.as_deref(), flags)?;
        if self.verbose {
            let shown = |url: Option<String>| url.unwrap_or_else(|| "not set".into());
            let file = config
                .env_file
                .as_ref()
                .map_or_else(|| "no .env file".into(), |f| f.display().to_string());
            screen::aside(&format!(
                "settings: {file}; rules: {}",
                config.rules.display()
            ));
            screen::aside(&format!(
                "source:   {}",
                shown(config.source.as_ref().map(ToString::to_string))
            ));
            screen::aside(&format!(
                "target:   {}",
                shown(config.target.as_ref().map(ToString::to_string))
            ));
        }
        Ok(config)
    }

    /// The same options, as if no settings file had been named: for the command that writes it.
    pub(super) fn without_env_file(&self) -> Self {
        Self {
            env_file: None,
            ..self.clone()
        }
    }

    /// The options that a further command needs to meet the same databases and rules; a URL with a
    /// user in it, and perhaps a password, is not repeated.
    pub(super) fn again(&self) -> String {
        let mut out = String::new();
        let files = [("--env-file", &self.env_file), ("--rules", &self.rules_dir)];
        for (name, value) in files {
            if let Some(value) = value {
                out.push_str(&format!(
                    " {name} {}",
                    shell_word(&value.display().to_string())
                ));
            }
        }
        for (name, value) in [("--source", &self.source), ("--target", &self.target)] {
            if let Some(value) = value.as_ref().filter(|value| !value.contains('@')) {
                out.push_str(&format!(" {name} {}", shell_word(value)));
            }
        }
        out
    }

    /// Says on stderr what is unwise about the settings: before a run and in a check, not at every look.
    pub(super) fn warn(&self, config: &Config) {
        if !self.json {
            config.warnings.iter().for_each(screen::tell);
        }
    }
}

/// Every rule of the folder; those that do not compile are listed in `problems`.
pub(super) fn all_rules(config: &Config) -> Result<RuleSet, Failure> {
    Ok(RuleSet::load(&config.rules)?)
}

/// The rules that were named, or all of them; a rule that does not compile refuses the command.
pub(super) fn sound_rules(config: &Config, names: &[String]) -> Result<RuleSet, Failure> {
    let set = some_rules(config, names)?;
    if set.problems.is_empty() {
        Ok(set)
    } else {
        Err(Failure::refused(set.problems))
    }
}

/// The rules that were named, or all of them, broken ones included.
pub(super) fn named_rules(config: &Config, names: &[String]) -> Result<RuleSet, Failure> {
    if names.is_empty() {
        all_rules(config)
    } else {
        // a name that is in no folder is a slip of the command line; an unreadable folder is a failure
        RuleSet::named(&config.rules, names).map_err(|problem| {
            if config.rules.is_dir() {
                Failure::usage(problem)
            } else {
                problem.into()
            }
        })
    }
}

/// As [`named_rules`], and there must be one.
pub(super) fn some_rules(config: &Config, names: &[String]) -> Result<RuleSet, Failure> {
    let set = named_rules(config, names)?;
    if set.rules.is_empty() && set.problems.is_empty() {
        return Err(Diagnostic::error(format!("there are no rules in {}", config.rules.display()))
            .hint("a rule is a file such as `rules/purchases.rhai`; name another folder with --rules")
            .into());
    }
    Ok(set)
}

/// The name of a rule, given as `purchases` or `rules/purchases.rhai`.
pub(super) fn rule_name(given: &str) -> &str {
    match given.strip_suffix(".rhai") {
        Some(stem) => Path::new(stem)
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or(stem),
        None => given,
    }
}

/// The target, read-only, and its state; `None` when `runner` has never written there.
pub(super) async fn target_state(config: &Config) -> Result<(Session, Option<State>), Failure> {
    state_in(Session::open(config.target()?, Role::TargetReader).await?).await
}

async fn state_in(mut session: Session) -> Result<(Session, Option<State>), Failure> {
    let state = State::new(session.engine());
    if !state.exists(&mut session).await? {
        return Ok((session, None));
    }
    state.check_version(&mut session).await?;
    Ok((session, Some(state)))
}

/// As [`target_state`], for commands that have nothing to show before the first run.
pub(super) async fn existing_state(config: &Config) -> Result<(Session, State), Failure> {
    existing_state_in(Session::open(config.target()?, Role::TargetReader).await?).await
}

/// The same over a session of the target.
pub(super) async fn existing_state_in(session: Session) -> Result<(Session, State), Failure> {
    match state_in(session).await? {
        (session, Some(state)) => Ok((session, state)),
        (_, None) => Err(nothing_there()),
    }
}

/// There is no state in the target.
pub(super) fn nothing_there() -> Failure {
    Diagnostic::error("nothing has been migrated into this target yet")
        .hint("start with `runner check`, then `runner run`")
        .into()
}

#[cfg(test)]
mod tests {
    use super::rule_name;

    #[test]
    fn a_rule_is_named_by_name_or_by_file() {
        assert_eq!(rule_name("purchases"), "purchases");
        assert_eq!(rule_name("rules/purchases.rhai"), "purchases");
        assert_eq!(rule_name("purchases.rhai"), "purchases");
    }
}
