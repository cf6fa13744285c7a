//! Proof after the fact: every source row is read again, judged again by the rule as it was applied, and what
//! comes out is compared with what the target holds, cell by cell.
//!
//! Start at [`verify`]. Both databases are read in read-only transactions. What is compared comes from the
//! source, the rule and the target alone; the state is asked only afterwards, to say *why* something
//! differs (see [`Class`]).

mod cells;
mod classify;
mod compare;
mod derive;
mod extra;
mod fitness;
mod limits;
mod locate;
mod outcome;
mod pair;
mod people;
mod probe;
mod progress;
mod read;
mod record;
mod refused;
mod table;
mod whole;

pub use limits::{LIMITS, Limit};
pub use outcome::{Check, Class, Difference, Fit, Resumed, TableProof, Tally, Verification};
pub use record::{record, sentence};

use std::sync::Arc;

use uuid::Uuid;

use crate::catalog;
use crate::config::Config;
use crate::db::{Engine, Role, Session, TableName, point, snapshot};
use crate::diagnostic::{Diagnostic, Severity};
use crate::plan::{Job, Step, handover, order};
use crate::rule::{Rule, RuleSet};
use crate::source::{PageError, Source};
use crate::state::{Applied, State, StateError};

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Only so many source rows of each table, drawn at random.
    pub sample: Option<u64>,
    /// Go on where a verification of the same was killed.
    pub resume: Resume,
    /// Base rows per chunk.
    pub chunk_rows: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sample: None,
            resume: Resume::Never,
            chunk_rows: read::CHUNK_ROWS,
        }
    }
}

/// What is done about a verification that was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// Go on, and leave behind how far it came.
    GoOn,
    /// Begin anew, and leave behind how far it came.
    Anew,
    /// Read nothing of it and leave nothing behind: everything is seen at one moment.
    Never,
}

/// Who watches.
pub trait Watcher: Send + Sync {
    /// A table begins; so many source rows are to be derived.
    fn table(&self, rule: &str, rows: u64);
    /// So many rows were compared by a verification that was killed: it goes on from there.
    fn resumed(&self, rule: &str, rows: u64);
    /// So many more rows are compared.
    fn compared(&self, rule: &str, rows: u64);
    /// A table is through.
    fn done(&self, proof: &TableProof);
    /// Asked between chunks: stop here?
    fn stop(&self) -> bool;
}

/// Why nothing can be said.
#[derive(Debug)]
pub enum VerifyError {
    /// A rule, a catalog or a database.
    Failed(Vec<Diagnostic>),
    /// The state.
    State(StateError),
    /// Somebody asked to stop.
    Interrupted,
}

impl From<Diagnostic> for VerifyError {
    fn from(problem: Diagnostic) -> Self {
        Self::Failed(vec![problem])
    }
}

impl From<crate::db::DbError> for VerifyError {
    fn from(error: crate::db::DbError) -> Self {
        Diagnostic::from(error).into()
    }
}

impl From<StateError> for VerifyError {
    fn from(error: StateError) -> Self {
        Self::State(error)
    }
}

impl From<PageError> for VerifyError {
    fn from(error: PageError) -> Self {
        match error {
            PageError::Db(error) => error.into(),
            other @ PageError::Unbalanced { .. } => Diagnostic::error(format!(
                "the source cannot be read as when it was migrated: {other}"
            ))
            .into(),
        }
    }
}

/// What the tables of one verification share.
struct World<'a> {
    config: &'a Config,
    /// How far it has come, for the next one should this be killed.
    progress: progress::Progress,
    /// Both snapshots, in words.
    moment: String,
    source: Source,
    /// Answers the rules' questions.
    asked: Session,
    /// Reads what is compared.
    target: Session,
    state: State,
    options: Options,
    watcher: &'a dyn Watcher,
    namespace: Uuid,
    /// The API's roles that the target has.
    api_roles: Vec<String>,
    /// Every rule that is known, each as it was applied: what fills which table.
    rules: Vec<Arc<Rule>>,
}

/// Verifies the rules that ran, parents first; `names` picks some of them, none means all. `folder` is what the
/// rules are now.
pub async fn verify(
    config: &Config,
    names: &[String],
    folder: &RuleSet,
    options: Options,
    watcher: &dyn Watcher,
) -> Result<Verification, VerifyError> {
    let mut source = Source::open(config.source()?).await?;
    let url = config.target()?;
    let mut target = Session::open(url, Role::TargetReader).await?;
    let mut asked = Session::open(url, Role::TargetReader).await?;
    let state = State::new(target.engine());
    if !state.exists(&mut target).await? {
        return Err(
            Diagnostic::error("nothing has been migrated into this target yet")
                .hint("start with `runner check`, then `runner run`")
                .into(),
        );
    }
    state.check_version(&mut target).await?;
    let namespace = state
        .stored_namespace(&mut target)
        .await?
        .ok_or_else(|| Diagnostic::error("the state in the target holds no namespace"))?;
    let snapshot = source.snapshot().await?;
    let target_snapshot = one_snapshot(&mut target, vec![&mut asked]).await?;
    point("verify.snapshot")?;
    let api_roles = fitness::api_roles(&mut target).await?;
    let mut verification = Verification {
        api_roles: api_roles.clone(),
        source_snapshot: snapshot.label,
        source_time: snapshot.server_time,
        target_snapshot,
        namespace,
        ..Verification::default()
    };
    let applied = state.applied(&mut target).await?;
    let chosen = chosen(&applied, names, folder, &mut verification);
    let progress = match options.resume {
        _ if options.sample.is_some() => progress::Progress::none(),
        Resume::Never => progress::Progress::none(),
        other => progress::Progress::open(config, namespace, other == Resume::Anew),
    };
    let mut world = World {
        config,
        progress,
        moment: verification.moment(),
        source,
        asked,
        target,
        state,
        options,
        watcher,
        namespace,
        api_roles,
        rules: vec![],
    };
    let rules: Vec<Arc<Rule>> = chosen.iter().map(|(rule, _)| rule.clone()).collect();
    let others = folder.rules.iter();
    let others = others.filter(|rule| rules.iter().all(|known| known.name != rule.name));
    world.rules = rules.iter().chain(others).cloned().collect();
    for rule in order(&rules).map_err(VerifyError::Failed)? {
        let Some((_, applied)) = chosen.iter().find(|(r, _)| r.name == rule.name) else {
            continue;
        };
        let now = folder.rules.iter().find(|r| r.name == rule.name);
        let mut proof = one(&mut world, &rule, applied).await?;
        outcome::held_against_folder(&mut proof, &rule, now);
        let name = TableName::parse(&rule.header.target);
        if let Some(table) = catalog::table(&mut world.asked, &name).await? {
            let (points, _) = handover::asked(&rule, &table, &mut world.asked).await?;
            verification.handover.extend(points);
        }
        watcher.done(&proof);
        point("verify.table")?;
        verification.tables.push(proof);
    }
    let through: Vec<String> = rules.iter().map(|rule| rule.name.clone()).collect();
    world.progress.forget(&through);
    world.source.close().await;
    world.asked.close().await;
    world.target.close().await;
    Ok(verification)
}

/// One table.
async fn one(
    world: &mut World<'_>,
    rule: &Arc<Rule>,
    applied: &Applied,
) -> Result<TableProof, VerifyError> {
    let began = std::time::Instant::now();
    let mut proof = TableProof::new(rule, &applied.transform_fp);
    if rule.has.run {
        let job = Job::prepare(rule.clone(), world.source.session(), &mut world.target)
            .await
            .map_err(|problems| unusable(rule, problems))?;
        whole::procedure(world, rule, &job.to, &mut proof).await?;
    } else {
        let step = Step::prepare(
            rule.clone(),
            world.source.session(),
            &mut world.asked,
            world.namespace,
        )
        .await
        .map_err(|problems| unusable(rule, problems))?;
        Box::pin(table::prove(world, step, applied, &mut proof)).await?;
    }
    proof.seconds = began.elapsed().as_secs_f64();
    Ok(proof)
}

/// The rule as applied does not fit the databases any more: nothing can be derived by it.
fn unusable(rule: &Rule, problems: Vec<Diagnostic>) -> VerifyError {
    let mut all = vec![
        Diagnostic::error(format!(
            "`{}` as it was applied does not fit the databases any more",
            rule.name
        ))
        .note("`verify` runs the text that decided the rows, which the state keeps")
        .hint("put the tables back as they were, or apply the rule as it is now: `runner run --restart`"),
    ];
    all.extend(
        problems
            .into_iter()
            .filter(|p| p.severity() == Severity::Error),
    );
    VerifyError::Failed(all)
}

/// The rules to verify, each as it was applied last.
fn chosen<'a>(
    applied: &'a [Applied],
    names: &[String],
    folder: &RuleSet,
    verification: &mut Verification,
) -> Vec<(Arc<Rule>, &'a Applied)> {
    let wanted = |name: &str| names.is_empty() || names.iter().any(|n| n == name);
    let mut found = Vec::new();
    for one in applied.iter().filter(|one| wanted(&one.rule)) {
        match Rule::stored(&one.texts) {
            Ok(rule) => found.push((Arc::new(rule), one)),
            Err(problems) => {
                let why = problems.first().map(|p| p.message().to_owned());
                verification.not_run.push((
                    one.rule.clone(),
                    format!(
                        "as it was applied it does not compile with this version: {}",
                        why.unwrap_or_default()
                    ),
                ));
            }
        }
    }
    let known = |name: &str| applied.iter().any(|one| one.rule == name);
    let missing = names
        .iter()
        .chain(folder.rules.iter().map(|rule| &rule.name))
        .filter(|name| wanted(name) && !known(name));
    for name in missing {
        if verification.not_run.iter().all(|(rule, _)| rule != name) {
            let why = "has not run yet: nothing to compare".to_owned();
            verification.not_run.push((name.clone(), why));
        }
    }
    found
}

/// All connections see the target at one moment, where the server allows it; returns that moment's name.
async fn one_snapshot(
    first: &mut Session,
    others: Vec<&mut Session>,
) -> Result<String, VerifyError> {
    if first.engine() == Engine::Sqlite {
        for session in [&mut *first].into_iter().chain(others) {
            session.execute("begin").await?;
            session.query("select count(*) from sqlite_master").await?;
        }
        let rows = first
            .query("select data_version from pragma_data_version")
            .await?;
        return Ok(format!("data {}", cell(&rows, 0)));
    }
    let lent = snapshot::lend(first).await?;
    let label = cell(&first.query("select pg_current_snapshot()").await?, 0);
    for session in others {
        match &lent {
            Some(lent) => snapshot::share(session, lent).await?,
            None => snapshot::own(session).await?,
        }
    }
    Ok(label)
}

fn cell(rows: &crate::row::Rows, column: usize) -> String {
    if rows.is_empty() {
        return String::new();
    }
    rows.cell(0, column)
        .map(|c| String::from_utf8_lossy(&c).into_owned())
        .unwrap_or_default()
}
