//! The same steps by the real program on a real database, and what the database says afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::history::{Step, change, fill};
use super::machine::{BATCH, End, Machine, Out, Strike, TABLES, UNDO_BATCH};
use crate::support::{Output, Project, Random, Running};

const LIMIT: Duration = Duration::from_mins(1);

const SOURCE: &str = "
    create table parent(id integer primary key, parent_id integer, v integer not null, bad boolean not null);
    create table child(id integer primary key, parent_id integer, v integer not null, bad boolean not null);";

/// No constraint stands in the way of a row that is written twice, or of a child without a parent: what keeps them
/// out is the program.
const TARGET: &str = "
    create table parents(id uuid primary key, v integer, legacy_parent_id integer not null);
    create table children(id uuid primary key, v integer, parent_id uuid references parents(id), legacy_child_id integer not null);
    create index on parents(legacy_parent_id); create index on children(legacy_child_id);";

const PARENTS: &str = r#"const RULE = #{
    base: "parent", key: "id", target: "parents", legacy: "legacy_parent_id",
};
fn transform(row) {
    if row.v < 0 { skip("negative"); }
    if row.bad { reject("bad", "not yet"); }
    #{ v: row.v }
}
"#;

const CHILDREN: &str = r#"const RULE = #{
    base: "child", key: "id", target: "children", legacy: "legacy_child_id",
    ids: #{ parents: #{ legacy: "legacy_parent_id", from: ["parent_id"] } },
};
fn transform(row) {
    if row.v < 0 { skip("negative"); }
    if row.bad { reject("bad", "not yet"); }
    #{ v: row.v, parent_id: id_of("parents", row.parent_id) }
}
"#;

/// A small migration and the program in it.
pub(super) struct Program {
    project: Project,
    /// A fault that the build has: its point, and the statement where it runs one.
    pub(super) mutant: Option<(String, String)>,
}

impl Program {
    pub(super) fn start(machine: &mut Machine, random: &mut Random) -> Self {
        let project = Project::pg(SOURCE, TARGET);
        project.rule("parents", PARENTS);
        project.rule("children", CHILDREN);
        fill(machine, random);
        let program = Self {
            project,
            mutant: None,
        };
        for table in 0..2 {
            for key in machine.source[table].keys() {
                program.write(machine, table, *key);
            }
        }
        program
    }

    /// Changes the source of both.
    pub(super) fn change(&mut self, machine: &mut Machine, step: &Step, random: &mut Random) {
        for (table, key) in change(machine, step, random) {
            self.write(machine, table, key);
        }
    }

    fn write(&self, machine: &Machine, table: usize, key: i64) {
        let row = &machine.source[table][&key];
        let parent = row
            .parent
            .map_or("null".to_owned(), |parent| parent.to_string());
        self.project.source.exec(&format!(
            "insert into {} values ({key}, {parent}, {}, {}) on conflict (id) do update
                set parent_id = excluded.parent_id, v = excluded.v, bad = excluded.bad",
            ["parent", "child"][table],
            row.v,
            row.bad
        ));
    }

    /// Takes a step; says what was not as foretold.
    pub(super) fn take(&self, step: &Step, expected: End) -> Vec<String> {
        let batch = BATCH.to_string();
        let undo_batch = UNDO_BATCH.to_string();
        let run = ["run", "--writers", "1", "--batch-rows", &batch];
        let killed = |strike: &Option<Strike>| {
            strike.map(|strike| format!("{}:{}:kill", strike.point, strike.nth))
        };
        let output = match step {
            Step::Run(strike) => self.command(&run, killed(strike)).finish(LIMIT),
            Step::Retry(strike) => {
                let retry = ["retry", "--writers", "1", "--batch-rows", &batch];
                self.command(&retry, killed(strike)).finish(LIMIT)
            }
            Step::Undo { run, strike } => {
                let undo = ["undo", &run.to_string(), "--batch-rows", &undo_batch];
                self.command(&undo, killed(strike)).finish(LIMIT)
            }
            Step::Lose { nth, committed } => {
                let how = if *committed {
                    "committed"
                } else {
                    "rolled-back"
                };
                let point = format!("chunk.commit:{nth}:lose-reply-{how}");
                self.command(&run, Some(point)).finish(LIMIT)
            }
            Step::Fenced { nth } => return self.fenced(&run, *nth, expected),
        };
        self.project.target.wait_until_alone();
        as_foretold(expected, &output)
    }

    fn command(&self, arguments: &[&str], point: Option<String>) -> Running {
        let mut command = self.project.command(arguments);
        let mut points: Vec<String> = point.into_iter().collect();
        if let Some((mutant, sql)) = &self.mutant {
            points.push(format!("{mutant}:0:error"));
            command.env("RUNNER_FAILPOINT_SQL", sql);
        }
        command.env("RUNNER_FAILPOINT", points.join(","));
        command.env("RUNNER_FAILPOINT_TRACE", self.project.path("trace"));
        std::fs::remove_file(self.project.path("trace")).ok();
        Running::start(&mut command)
    }

    /// Stopped at a chunk, its connections gone as a server does with a silent client, woken when another run is
    /// through.
    fn fenced(&self, run: &[&str], nth: u64, expected: End) -> Vec<String> {
        let mut stopped = self.command(run, Some(format!("chunk.begin:{nth}:stop")));
        if !stopped.stops_itself(&self.project.path("trace"), LIMIT) {
            // it had fewer chunks, or was refused
            let output = stopped.finish(LIMIT);
            self.project.target.wait_until_alone();
            return as_foretold(expected, &output);
        }
        self.project.target.exec(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()
                and pid <> pg_backend_pid() and application_name like 'runner%'",
        );
        self.project.target.wait_until_alone();
        let second = self.command(run, None).finish(LIMIT);
        let mut wrong = as_foretold(expected, &second);
        stopped.signal("CONT");
        let woken = stopped.finish(LIMIT);
        self.project.target.wait_until_alone();
        if woken.code != 1 {
            wrong.push(format!(
                "FencedWrite: woken, it ended with {}\n{woken}",
                woken.code
            ));
        }
        wrong
    }

    /// Holds the database against the model.
    pub(super) fn compare(&self, machine: &Machine) -> Vec<String> {
        let mut wrong = Vec::new();
        for (table, name) in TABLES.iter().enumerate() {
            self.rows(machine, table, name, &mut wrong);
            if self
                .project
                .target
                .one("select to_regclass('runner.chunk')")
                != "NULL"
            {
                self.ledger(machine, table, name, &mut wrong);
            }
        }
        wrong
    }

    fn rows(&self, machine: &Machine, table: usize, name: &str, wrong: &mut Vec<String>) {
        let select = match table {
            0 => "select legacy_parent_id, v, null, true from parents",
            _ => "select c.legacy_child_id, c.v, p.legacy_parent_id, c.parent_id is null or p.id is not null
                  from children c left join parents p on p.id = c.parent_id",
        };
        let mut found: BTreeMap<i64, Out> = BTreeMap::new();
        for row in self.project.target.rows(select) {
            let number = |at: usize| row[at].as_ref().and_then(|text| text.parse::<i64>().ok());
            let key = number(0).expect("a key");
            if row[3].as_deref() != Some("t") {
                wrong.push(format!("NoOrphan: {name} {key} has no parent"));
            }
            let out = Out {
                v: number(1).unwrap_or(i64::MIN),
                parent: number(2),
            };
            if found.insert(key, out).is_some() {
                wrong.push(format!("NoDuplicate: {name} {key}"));
            }
        }
        let mut expected = machine.target[table].clone();
        if table == 0 {
            // no column holds it
            for out in expected.values_mut() {
                out.parent = None;
            }
        }
        let keys: BTreeSet<&i64> = found.keys().chain(expected.keys()).collect();
        for key in keys {
            if found.get(key) != expected.get(key) {
                let (found, expected) = (found.get(key), expected.get(key));
                wrong.push(format!(
                    "Rows: {name} {key}: {found:?} where the model has {expected:?}"
                ));
            }
        }
    }

    fn ledger(&self, machine: &Machine, table: usize, name: &str, wrong: &mut Vec<String>) {
        let target = &self.project.target;
        let lines = target.rows(&format!(
            "select coalesce(sum(base), 0), coalesce(sum(filtered), 0), coalesce(sum(read), 0),
                coalesce(sum(inserted + updated + unchanged), 0), coalesce(sum(skipped), 0), coalesce(sum(rejected), 0)
             from runner.chunk where rule = '{name}' and accounted = 1 and kind <> 'undoing'"
        ));
        let sums: Vec<i64> = lines[0]
            .iter()
            .map(|cell| cell.as_ref().unwrap().parse().unwrap())
            .collect();
        if sums[0] != sums[1] + sums[2] || sums[2] != sums[3..].iter().sum::<i64>() {
            wrong.push(format!("Balance: {name}: {sums:?}"));
        }
        let account: Vec<i64> = machine.account(table).iter().map(|n| *n as i64).collect();
        if sums[2..] != account {
            wrong.push(format!(
                "Balance: {name}: {:?} where the model has {account:?}",
                &sums[2..]
            ));
        }
        let held = target.lines(&format!(
            "select key || ' ' || code from runner.quarantine where rule = '{name}'"
        ));
        let held: BTreeSet<String> = held.into_iter().collect();
        let expected = machine
            .held(table)
            .into_iter()
            .map(|(key, code)| format!("[\"{key}\"] {code}"));
        let expected: BTreeSet<String> = expected.collect();
        if plain(&held) != plain(&expected) {
            wrong.push(format!(
                "Quarantine: {name}: {held:?} where the model has {expected:?}"
            ));
        }
        for line in target.lines(
            "select distinct a.run_id from runner.chunk a join runner.chunk b on a.run_id < b.run_id and a.xid::text::bigint > b.xid::text::bigint",
        ) {
            wrong.push(format!("FencedWrite: run {line} committed after a later one"));
        }
        if machine.half_undone() {
            return;
        }
        let ahead = target.lines(&format!(
            "select legacy_key from runner.ids i where rule = '{name}' and not exists (select 1 from {name} t where t.id = i.id)"
        ));
        wrong.extend(
            ahead
                .iter()
                .map(|key| format!("CheckpointNeverAhead: {name} {key}")),
        );
        let unknown = target.lines(&format!(
            "select id from {name} t where not exists (select 1 from runner.ids i where i.rule = '{name}' and i.id = t.id)"
        ));
        wrong.extend(
            unknown
                .iter()
                .map(|id| format!("NoOrphan: {name} {id} is in no account")),
        );
    }
}

/// Keys without how they are spelt.
fn plain(lines: &BTreeSet<String>) -> BTreeSet<String> {
    lines
        .iter()
        .map(|line| line.replace(['[', ']', '"'], ""))
        .collect()
}

fn as_foretold(expected: End, output: &Output) -> Vec<String> {
    let code = match expected {
        End::Killed => 128 + 9,
        End::Refused => 5,
        End::Ended(code) => code,
    };
    if output.code == code {
        return vec![];
    }
    vec![format!(
        "Ending: {} where {code} was foretold\n{output}",
        output.code
    )]
}
