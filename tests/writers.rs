//! Several writers on a table whose rows exclude one another: the lowest key wins, as with one writer, although
//! chunks are sent side by side and meet in the server, and nobody waits for ever.

use crate::support::{Project, Random, canonical_dump, quarantine_dump};

const BATCH_ROWS: usize = 37;

/// Slow enough that two chunks are always under way at the same time.
const TARGET: &str = "
    create table new(id uuid primary key, legacy_id integer unique, code text not null unique, place integer,
        score integer check (score >= 0));
    create function slowly() returns trigger language plpgsql as $$
        begin perform pg_sleep(0.0015); return new; end $$;
    create trigger slow before insert on new for each row execute function slowly();
";

const SOURCE: &str =
    "create table old(id integer primary key, code text, place integer, score integer)";

fn rule(more: &str) -> String {
    format!(
        r#"const RULE = #{{
    base: "old", key: "id", target: "new", legacy: "legacy_id",
    copy: #{{ code: "code", place: "place", score: "score" }},
    effects: ["slow"], {more}
    stop: #{{ faults: 100000, share: 1.0 }},
}};

fn transform(row) {{ if row.place == 13 {{ reject("unlucky", "no place"); }} #{{}} }}
"#
    )
}

/// Row `id` has the code of row `of`.
fn source(rows: usize, twins: &[(usize, usize)]) -> String {
    let values: Vec<String> = (0..rows)
        .map(|id| {
            let of = twins.iter().find(|(twin, _)| *twin == id);
            let code = of.map_or(id, |(_, of)| *of);
            // some rows lose for another reason: then the next of their twins holds the place
            let score = if id % 111 == 35 { -1 } else { 1 };
            let place = if id % 31 == 7 { 13 } else { 1 };
            format!("({id}, 'code {code}', {place}, {score})")
        })
        .collect();
    format!("{SOURCE}; insert into old values {}", values.join(", "))
}

/// Twins in neighbouring chunks, so laid that the later chunk comes to its row first; that two chunks wait
/// for one another; and at random.
fn twins(chunks: usize, random: &mut Random) -> Vec<(usize, usize)> {
    let at = |chunk: usize, row: usize| chunk * BATCH_ROWS + row;
    let mut twins = Vec::new();
    for chunk in 0..chunks - 2 {
        match chunk % 4 {
            0 => twins.push((at(chunk + 1, 0), at(chunk, BATCH_ROWS - 1))),
            1 => {
                twins.push((at(chunk + 1, 1), at(chunk, BATCH_ROWS - 2)));
                twins.push((at(chunk + 1, BATCH_ROWS - 2), at(chunk, 1)));
            }
            // three chunks in a row want the same
            2 => {
                twins.push((at(chunk + 1, 3), at(chunk, 30)));
                twins.push((at(chunk + 2, 2), at(chunk, 30)));
            }
            _ => {
                for _ in 0..4 {
                    let row = random.below(BATCH_ROWS as u64 / 2) as usize;
                    let other = random.below(BATCH_ROWS as u64 / 2) as usize;
                    twins.push((at(chunk + 1, 18 + row), at(chunk, other)));
                }
            }
        }
    }
    twins.sort_unstable();
    twins.dedup_by_key(|(twin, _)| *twin);
    twins
}

/// What a run leaves: rows, quarantine with what refused, and the account.
fn left(project: &Project) -> Vec<String> {
    let mut left = canonical_dump(&project.target, &["new"], &[]);
    left.extend(quarantine_dump(&project.target));
    left.extend(
        project.target.lines(
            "select key, stage, constraint_name from runner.quarantine order by key::integer",
        ),
    );
    left.extend(project.target.lines(
        "select sum(base), sum(read), sum(inserted), sum(updated), sum(unchanged), sum(rejected) from runner.chunk",
    ));
    left
}

#[track_caller]
fn assert_same(ours: &[String], theirs: &[String], what: &str) {
    let only: Vec<_> = ours
        .iter()
        .filter(|line| !theirs.contains(line))
        .take(5)
        .collect();
    let missing: Vec<_> = theirs
        .iter()
        .filter(|line| !ours.contains(line))
        .take(5)
        .collect();
    assert!(
        ours == theirs,
        "{what}: only here {only:#?}, only with one writer {missing:#?}"
    );
}

const CHUNKS: usize = 9;

fn arguments(writers: &str) -> [&str; 5] {
    ["run", "--batch-rows", "37", "--writers", writers]
}

#[test]
fn the_lowest_key_wins_with_any_number_of_writers() {
    for (more, seed) in [("", 1), (r#"match: ["code"],"#, 2)] {
        let twins = twins(CHUNKS, &mut Random::new(seed));
        assert!(twins.len() >= CHUNKS);
        let mut alone: Option<Vec<String>> = None;
        for writers in ["1", "2", "4"] {
            let project = Project::pg(&source(CHUNKS * BATCH_ROWS, &twins), TARGET);
            project.rule("new", &rule(more));
            project.target.record_statements();
            let output = project.runner(&arguments(writers));
            output.ends_with(3);
            let left = left(&project);
            match &alone {
                None => {
                    // the twins whose elder is fine, at least
                    assert!(
                        left.iter()
                            .filter(|line| line.ends_with("duplicate_of"))
                            .count()
                            > CHUNKS / 2
                    );
                    alone = Some(left);
                }
                Some(alone) => assert_same(&left, alone, &format!("{writers} writers, {more}")),
            }
            // every chunk lands behind the one before it
            assert_eq!(
                project.target.count(
                    "select count(*) from runner.chunk a join runner.chunk b on b.no = a.no + 1 \
                     where b.committed_at < a.committed_at"
                ),
                0
            );
            let statements = project.target.statements();
            let asked = |what: &str| statements.iter().filter(|s| s.contains(what)).count();
            // they did meet: somebody waited with an open transaction, and somebody went again
            let (looks, again) = (asked("pg_blocking_pids"), asked("rollback"));
            eprintln!(
                "writers: {writers} writers {more}: {looks} looks, {again} rollbacks in {:?}",
                output.took
            );
            assert_eq!(
                looks > 0,
                writers != "1",
                "{writers} writers: {looks} looks"
            );
        }
    }
}

/// The later of two rows must not take over a row that both may adopt.
#[test]
fn a_row_that_is_there_is_adopted_by_the_lowest_key() {
    let mut alone: Option<Vec<String>> = None;
    let twins: Vec<(usize, usize)> = (0..8)
        .map(|chunk| {
            (
                chunk * BATCH_ROWS + BATCH_ROWS,
                chunk * BATCH_ROWS + BATCH_ROWS - 1,
            )
        })
        .collect();
    for writers in ["1", "2", "4"] {
        let project = Project::pg(&source(10 * BATCH_ROWS, &twins), TARGET);
        project.target.exec(
            "insert into new(id, code) select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'code ' || n \
             from generate_series(0, 369, 36) n; \
             insert into new(id, code) select ('00000000-0000-4000-8001-' || lpad(n::text, 12, '0'))::uuid, 'code ' || n * 37 + 36 \
             from generate_series(0, 8) n on conflict do nothing",
        );
        project.rule("new", &rule(r#"match: ["code"], existing: "update","#));
        project.runner(&arguments(writers)).ends_with(3);
        let left = left(&project);
        match &alone {
            None => {
                assert!(
                    left.last().unwrap().split('|').nth(3).unwrap() != "0",
                    "{left:?}"
                );
                alone = Some(left);
            }
            Some(alone) => assert_same(&left, alone, &format!("{writers} writers")),
        }
    }
}

#[test]
fn a_run_that_is_killed_while_chunks_wait_for_one_another_resumes_to_the_same() {
    let twins = twins(CHUNKS, &mut Random::new(3));
    let fresh = || {
        let project = Project::pg(&source(CHUNKS * BATCH_ROWS, &twins), TARGET);
        project.rule("new", &rule(""));
        project
    };
    let calm = fresh();
    calm.runner(&arguments("1")).ends_with(3);
    let undisturbed = left(&calm);
    let mut killed = 0;
    for (step, nth) in [
        ("chunk.rows", 2),
        ("chunk.state", 5),
        ("chunk.after_commit", 4),
    ] {
        for writers in ["2", "4"] {
            let project = fresh();
            let struck = project.runner_failing(&format!("{step}:{nth}:kill"), &arguments(writers));
            killed += usize::from(struck.code == 128 + 9);
            project.target.wait_until_alone();
            // no gaps: what landed is a prefix of the table
            assert_eq!(
                project
                    .target
                    .count("select coalesce(max(no), 0) - count(*) from runner.chunk"),
                0
            );
            project.runner(&arguments(writers)).ends_with(3);
            assert_same(
                &left(&project),
                &undisturbed,
                &format!("{writers} writers, {step}:{nth}"),
            );
        }
    }
    assert_eq!(killed, 6);
}

/// A chunk that fails for good takes those behind it with it; nobody hangs, and the error is its own.
#[test]
fn a_chunk_that_never_lands_lets_no_other_land() {
    let project = Project::pg(&source(CHUNKS * BATCH_ROWS, &[]), TARGET);
    project.rule("new", &rule(""));
    project.target.exec(
        "create function stop() returns trigger language plpgsql as $$ begin \
         if new.legacy_id = 200 then raise exception using errcode = '42501', message = 'no'; end if; return new; end $$; \
         create trigger stop before insert on new for each row execute function stop();",
    );
    project.rule(
        "new",
        &rule("").replace("[\"slow\"]", "[\"slow\", \"stop\"]"),
    );
    let output = project.runner(&arguments("4"));
    output.ends_with(1).never_says("an earlier chunk");
    assert_eq!(
        project.target.count("select count(*) from runner.chunk"),
        200 / BATCH_ROWS as i64
    );
}

#[test]
fn there_are_no_more_writers_than_connections_left() {
    let project = Project::pg(&source(CHUNKS * BATCH_ROWS, &[]), TARGET);
    project.rule("new", &rule(""));
    project.target.exec(
        "create role narrow login connection limit 5 bypassrls; grant all on all tables in schema public to narrow; \
         grant create on schema public to narrow",
    );
    project.target.exec(&format!(
        "grant create on database {} to narrow",
        project.target.name()
    ));
    let url = project.target.as_user("narrow", None).url();
    let mut command = project.command(&arguments("4"));
    let output = crate::support::run_limited(
        command.env("TARGET_DATABASE_URL", url),
        std::time::Duration::from_mins(2),
    );
    output.ends_with(3).says("1 instead of 4 writers");
    assert!(project.target.count("select count(*) from new") > 0);
    project
        .target
        .exec("drop owned by narrow; drop role narrow");
}
