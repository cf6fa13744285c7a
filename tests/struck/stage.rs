//! The commands, each with the databases that it starts from and what it leaves there undisturbed.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use super::LIMIT;
use super::left::Left;
use crate::kill::nine::tracking_agrees;
use crate::support::{Db, Engine, Output, Project, Random, run_limited};
use crate::sync::nine::{EDITS, come, move_on, some};

const SCALE: &str = "0.01";

/// The one command over a table that refers to itself, which no shipped rule fills.
pub(super) const TREE: &str = "tree";

/// Every 13th node is bad, and its children go with it.
const NODES: &str = r#"const RULE = #{
    base: "node", key: "id", target: "nodes", legacy: "legacy_node_id",
    ids: #{ nodes: #{ legacy: "legacy_node_id", from: ["parent_id"] } },
};
fn transform(row) {
    if row.id % 13 == 0 { reject("bad", "not this one"); }
    #{ parent_id: id_of("nodes", row.parent_id) }
}
"#;

fn tree() -> (Db, Db) {
    let project = Project::pg(
        "create table node(id integer primary key, parent_id integer);
         insert into node select n, case when n <= 40 then n + 20 end from generate_series(1, 60) n",
        "create table nodes(id uuid primary key, parent_id uuid references nodes(id), legacy_node_id integer unique not null)",
    );
    project.into_databases()
}

/// A command with where it starts and where it ends.
pub(super) struct Stage {
    pub(super) name: &'static str,
    pub(super) arguments: Vec<&'static str>,
    source: Db,
    target: Db,
    /// Its exit code, undisturbed.
    pub(super) code: i32,
    pub(super) took: Duration,
    pub(super) undisturbed: Left,
    /// How often it passes each point with each statement.
    pub(super) passes: BTreeMap<(String, String), u64>,
}

impl Stage {
    fn new(name: &'static str, arguments: &[&'static str], code: i32, from: (&Db, Db)) -> Self {
        Self {
            name,
            arguments: arguments.to_vec(),
            source: from.0.clone(),
            target: from.1,
            code,
            took: Duration::ZERO,
            undisturbed: Left::default(),
            passes: BTreeMap::new(),
        }
    }

    /// Lets the command come to its end, and learns by what.
    fn rehearse(&mut self) {
        let calm = self.fresh();
        let mut command = calm.command(&self.arguments);
        let trace = calm.path("trace");
        let output = run_limited(command.env("RUNNER_FAILPOINT_TRACE", &trace), LIMIT);
        output.ends_with(self.code);
        self.took = output.took;
        for (point, words) in trace_of(&calm) {
            *self.passes.entry((point, words)).or_default() += 1;
        }
        self.undisturbed = self.left(&calm, &output);
    }

    /// The databases as they were before the command.
    pub(super) fn fresh(&self) -> Project {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _turn = ONE_AT_A_TIME.lock();
        let project = Project::over(&self.source, self.target.copy());
        if self.name == TREE {
            std::fs::remove_dir_all(project.path("rules")).unwrap();
            project.rule("nodes", NODES);
        }
        project
    }

    /// The same command, undisturbed.
    pub(super) fn again(&self, project: &Project) -> Output {
        let output = run_limited(&mut project.command(&self.arguments), LIMIT);
        output.never_says("panicked at");
        output
    }

    /// The exit code of the same command after a strike: what is removed already cannot be removed again.
    pub(super) fn code_after(&self, output: &Output) -> i32 {
        let gone = output
            .stderr
            .contains("nothing has been migrated into this target yet");
        if self.name == "purge" && gone {
            1
        } else {
            self.code
        }
    }

    pub(super) fn left(&self, project: &Project, output: &Output) -> Left {
        Left::of(self.name, project, output)
    }

    /// What has to be so at any moment, also right after a kill.
    #[track_caller]
    pub(super) fn holds_meanwhile(&self, project: &Project, what: &str) {
        if project.target.one("select to_regclass('runner.chunk')") == "NULL" {
            return;
        }
        if ["run", "sweep", "retry"].contains(&self.name) {
            tracking_agrees(&project.target, what);
        }
        let wrong = project.target.lines(
            "select rule, sum(base), sum(filtered), sum(read), sum(inserted + updated + unchanged + skipped + rejected),
                    sum(rejected) from runner.chunk c where accounted = 1 and kind <> 'undoing'
                and pass = (select max(pass) from runner.segment m where m.rule = c.rule)
             group by rule having sum(base) <> sum(filtered) + sum(read)
                or sum(read) <> sum(inserted + updated + unchanged + skipped + rejected)
                or sum(rejected) <> (select count(*) from runner.quarantine q where q.rule = c.rule)",
        );
        assert!(wrong.is_empty(), "{what}: out of balance: {wrong:#?}");
    }
}

/// The points that a program passed, in turn.
pub(super) fn trace_of(project: &Project) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(project.path("trace")).unwrap_or_default();
    let line = |line: &str| {
        let (point, words) = line.split_once('\t')?;
        Some((point.to_owned(), words.to_owned()))
    };
    text.lines().filter_map(line).collect()
}

/// What somebody did to the target since it was filled.
fn edit(target: &Db, seed: u64) {
    let mut random = Random::new(seed);
    for edit in EDITS {
        target.exec(&format!("{edit} {}", some(&mut random, 9)));
    }
}

fn after(target: &Db, prepare: impl FnOnce(&Db)) -> Db {
    let copy = target.copy();
    prepare(&copy);
    copy
}

/// All commands. Made once, for all tests of this file.
pub(super) fn stages() -> &'static [Stage] {
    static STAGES: OnceLock<Vec<Stage>> = OnceLock::new();
    STAGES.get_or_init(|| {
        let run = &["run", "--batch-rows", "37", "--writers", "2"];
        let (source, clean) = Project::demo(SCALE, Engine::Postgres).into_databases();
        let first = Project::over(&source, clean.copy());
        first.runner(run).ends_with(3);
        let (_, ran) = first.into_databases();
        let grown = after(&source, |source| come(source, &mut Random::new(5)));
        let moved = after(&source, |source| move_on(source, &mut Random::new(4)));
        let mended = after(&ran, |target| {
            target.exec(
                "insert into messages(id, content, legacy_record_id)
                    select md5('m' || key)::uuid, 'found', key::int from (select distinct waiting_key as key
                        from runner.quarantine where rule = 'message_attachments' and waiting_entity = 'messages') q;
                 insert into profiles(id, profile_type, first_name, last_name, username, legacy_user_id)
                    select md5('p' || key)::uuid, 'technician', 'A', 'B', 'found' || key, key::int
                        from runner.quarantine where rule = 'technicians' and code <> 'duplicate_email'",
            );
        });
        let edited = after(&ran, |target| edit(target, 6));
        let in_use = after(&edited, |target| {
            target.exec(
                "create table visits(n serial primary key, purchase uuid references purchases(id) on delete cascade);
                 insert into visits(purchase) select id from purchases where legacy_purchase_id is not null order by id limit 5",
            );
        });
        let damaged = after(&edited, |target| {
            target.exec("delete from purchases where legacy_purchase_id % 11 = 0");
        });
        let (node, nodes) = tree();
        let rows = ["--batch-rows", "37"];
        let with_rows = |before: &[&'static str]| [before, &rows].concat();
        let mut stages = vec![
            Stage::new("run", run, 3, (&source, clean)),
            Stage::new(TREE, &["run", "--batch-rows", "7"], 3, (&node, nodes)),
            Stage::new("sweep", run, 3, (&grown, ran.copy())),
            Stage::new("retry", &with_rows(&["retry"]), 3, (&source, mended)),
            Stage::new("sync", &with_rows(&["sync", "--deletes"]), 3, (&moved, edited)),
            Stage::new("undo", &with_rows(&["undo", "1"]), 0, (&source, in_use)),
            Stage::new("verify", &with_rows(&["verify", "--json"]), 4, (&source, damaged.copy())),
            Stage::new("record", &with_rows(&["verify", "--record", "--json"]), 4, (&source, damaged)),
            Stage::new("report", &["report", "-o", "report.json", "--format", "json"], 0, (&source, ran.copy())),
            Stage::new("accept", &["quarantine", "accept", "message_attachments", "--reason", "orphan", "--note", "they stay"], 0, (&source, ran.copy())),
            Stage::new("export", &["state", "export", "-o", "state.jsonl"], 0, (&source, ran.copy())),
            Stage::new("purge", &["state", "purge", "--yes"], 0, (&source, ran)),
        ];
        std::thread::scope(|scope| {
            for half in stages.chunks_mut(6) {
                scope.spawn(|| half.iter_mut().for_each(Stage::rehearse));
            }
        });
        stages
    })
}
