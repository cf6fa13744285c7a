//! The nine shipped tables: a source that moves on at random, a target that people edit at random.

use std::collections::BTreeSet;

use crate::support::{Db, Engine, Project, Random, canonical_dump, quarantine_dump};

const SCALE: &str = "0.01";

pub(crate) const TABLES: &[&str] = &[
    "brackets",
    "message_attachments",
    "order_cases",
    "purchases",
    "technician_roles",
    "technicians",
    "template_view_groups",
    "template_view_roles",
    "treatment_discussions",
];

/// What no rule sets.
pub(crate) const VOLATILE: &[&str] = &[
    "updated_at",
    "brackets.created_at",
    "template_view_groups.created_at",
    "template_view_roles.created_at",
];

/// Changes of the source by table and condition on its rows. What decides between rows of one natural key is left
/// alone: the row that is there keeps it, and a fresh migration would give it to the lower key.
const UPDATES: &[&str] = &[
    "update dispatch_payment set total_price = total_price + 1.25, subtotal_price = subtotal_price + 1.25 where",
    "update dispatch_payment set canceled = not canceled where",
    "update dispatch_payment set made_at = made_at + interval '1 day' where",
    "update auth_user set first_name = first_name || 'x', last_name = 'Moved' where",
    "update auth_user set is_active = not is_active where",
    "update dispatch_role set name = name || '.' where",
    "update dispatch_bracket set name = name || ' II' where",
    "update dispatch_file set name = 'renamed', size = size + 1 where",
    "update dispatch_comment set text = text || ' (edited)' where",
    "update dispatch_instruction set deleted = not deleted where",
    "update dispatch_instruction set status = coalesce(status, 0) + 1 where",
];

/// Rows that only a lookup or a join sees.
const BESIDE: &[&str] = &[
    "update dispatch_project set created_at = created_at + interval '1 hour' where",
    "delete from dispatch_role_permissions where",
    "update dispatch_record set text = text || '?' where",
];

const DELETES: &[&str] = &[
    "dispatch_payment",
    "dispatch_role",
    "dispatch_bracket",
    "dispatch_file",
    "dispatch_comment",
    "dispatch_template_view_groups",
    "dispatch_template_view_roles",
];

/// Tables of which some rows come again under new keys, with the columns that are copied.
const INSERTS: &[&str] = &[
    "dispatch_payment",
    "dispatch_bracket",
    "dispatch_file",
    "dispatch_comment",
    "dispatch_role",
    "auth_user_groups",
];

/// Edits of the target, none of them in an amount that is reconciled.
pub(crate) const EDITS: &[&str] = &[
    "update purchases set purchased_at = purchased_at + interval '1 day' where",
    "update technicians set last_name = 'Edited' where",
    "update brackets set name = 'Edited' where",
    "update treatment_discussions set content = 'Edited' where",
    "update technician_roles set role_name = 'Edited' where",
];

/// About one row of `share`, the same ones for the same numbers.
pub(crate) fn some(random: &mut Random, share: u64) -> String {
    let salt = random.next();
    format!("('x' || substr(md5(id::text || '{salt}'), 1, 8))::bit(32)::bigint % {share} = 0")
}

pub(crate) fn move_on(source: &Db, random: &mut Random) {
    for update in UPDATES.iter().chain(BESIDE) {
        source.exec(&format!("{update} {}", some(random, 5)));
    }
    for table in DELETES {
        source.exec(&format!("delete from {table} where {}", some(random, 9)));
    }
    come(source, random);
}

/// New rows only.
pub(crate) fn come(source: &Db, random: &mut Random) {
    for table in INSERTS {
        let columns = source.lines(&format!(
            "select quote_ident(attname) from pg_attribute where attrelid = '{table}'::regclass and attnum > 0 and attname not in ('id', 'uid') order by attnum"
        ));
        let columns = columns.join(", ");
        let uid = source.count(&format!(
            "select count(*) from pg_attribute where attrelid = '{table}'::regclass and attname = 'uid'"
        )) > 0;
        let (into, from) = if uid {
            (", uid", ", md5(id::text || 'new')::uuid")
        } else {
            ("", "")
        };
        source.exec(&format!(
            "insert into {table} (id, {columns}{into}) select id + (select max(id) from {table}), {columns}{from} from {table} where {}",
            some(random, 7)
        ));
    }
}

fn dump(target: &Db) -> Vec<String> {
    canonical_dump(target, TABLES, VOLATILE)
}

fn id(line: &str) -> String {
    let at = line.find("id=\"").unwrap() + 4;
    line[at..at + 36].to_owned()
}

/// Lines of all rows but these.
fn without(lines: Vec<String>, ids: &BTreeSet<String>) -> Vec<String> {
    lines
        .into_iter()
        .filter(|line| !ids.contains(&id(line)))
        .collect()
}

/// The rows that a target holds before anything is migrated: what was filled in one of them stays when its source
/// row goes, and nobody can take it out again.
fn there_before(target: &Db) -> BTreeSet<String> {
    dump(target).iter().map(|line| id(line)).collect()
}

#[track_caller]
fn same(ours: &[String], theirs: &[String], what: &str) {
    let only = |a: &[String], b: &[String]| -> Vec<String> {
        let there: BTreeSet<&String> = b.iter().collect();
        a.iter()
            .filter(|line| !there.contains(line))
            .take(4)
            .cloned()
            .collect()
    };
    assert!(
        ours == theirs,
        "{what}: {} and {} lines\nonly synced: {:#?}\nonly fresh: {:#?}",
        ours.len(),
        theirs.len(),
        only(ours, theirs),
        only(theirs, ours)
    );
}

/// What the last run changed, should it have changed anything.
fn last_updates(target: &Db) -> Vec<String> {
    target.lines(
        "select b.target, b.target_id, (select string_agg(k.key || ': ' || coalesce(k.value, 'NULL'), ', ' order by k.key)
            from json_each_text(b.image::json) k) from runner.before_image b where run_id = (select max(id) from runner.run) limit 2",
    )
}

/// Rows that a rejected source row leaves behind are not in a fresh target: they wait for a decision.
fn decide(target: &Db) {
    for line in target.lines("select rule, target_id from runner.standing where why = 'rejected'") {
        let (table, id) = line.split_once('|').unwrap();
        target.exec(&format!("delete from {table} where id = '{id}'"));
    }
}

#[test]
fn an_untouched_target_is_that_of_a_fresh_migration_after_any_change() {
    for (seed, writers) in [(1, "1"), (2, "2"), (3, "4")] {
        let mut random = Random::new(seed);
        let project = Project::demo(SCALE, Engine::Postgres);
        let clean = project.target.copy();
        let adopted = there_before(&clean);
        let first = project.runner(&["run"]);
        assert!([0, 3].contains(&first.code), "{first}");
        let before = dump(&project.target);
        move_on(&project.source, &mut random);
        let sync = [
            "sync",
            "--deletes",
            "--writers",
            writers,
            "--batch-rows",
            "37",
            "--json",
        ];
        // Half of the times it is killed on the way.
        if seed != 2 {
            let points = [
                "chunk.after_commit",
                "chunk.before_commit",
                "sync.compare",
                "segment.open",
                "sync.withdraw",
            ];
            for _ in 0..3 {
                let point = points[random.below(points.len() as u64) as usize];
                let times = if point.starts_with("chunk") { 60 } else { 4 };
                let point = format!("{point}:{}:kill", 1 + random.below(times));
                let struck = project.runner_failing(&point, &sync);
                assert!([137, 0, 3].contains(&struck.code), "{point}\n{struck}");
                project.target.wait_until_alone();
            }
        }
        let output = project.runner(&sync);
        output.ends_with(3);
        let fresh = Project::over(&project.source, clean);
        fresh.runner(&["run"]).ends_with(3);
        let (now, theirs) = (dump(&project.target), dump(&fresh.target));
        let moved = now.iter().filter(|line| !before.contains(line)).count();
        assert!(moved > 100, "only {moved} rows moved");
        let again = project.runner(&sync);
        again.ends_with(3);
        assert_eq!(
            again.json()["changed"],
            0,
            "seed {seed}\n{:#?}",
            last_updates(&project.target)
        );
        assert_eq!(
            dump(&project.target),
            now,
            "seed {seed}: a second sync wrote"
        );
        decide(&project.target);
        same(
            &without(dump(&project.target), &adopted),
            &without(theirs, &adopted),
            &format!("seed {seed}"),
        );
        assert_eq!(
            quarantine_dump(&project.target),
            quarantine_dump(&fresh.target),
            "seed {seed}"
        );
        for table in TABLES {
            let [ours, theirs] = [&project, &fresh].map(|it| it.accounts(table));
            // base, filtered, read, written, skipped, rejected: what was inserted then is unchanged now
            let sums = |of: [i64; 8]| [of[0], of[1], of[2], of[3] + of[4] + of[5], of[6], of[7]];
            assert_eq!(sums(ours), sums(theirs), "seed {seed}, {table}");
            assert_eq!(ours[2], ours[3..].iter().sum::<i64>(), "{table}");
        }
        eprintln!(
            "sync: seed {seed}, {writers} writers: {} rows, {moved} of them moved",
            now.len()
        );
    }
}

#[test]
fn edits_stay_and_are_listed_and_everything_else_arrives() {
    let mut random = Random::new(7);
    let project = Project::demo(SCALE, Engine::Postgres);
    let clean = project.target.copy();
    let adopted = there_before(&clean);
    project.runner(&["run"]).ends_with(3);
    let before = dump(&project.target);
    for edit in EDITS {
        project
            .target
            .exec(&format!("{edit} {}", some(&mut random, 4)));
    }
    let edited: BTreeSet<String> = dump(&project.target)
        .iter()
        .filter(|line| !before.contains(line))
        .map(|line| id(line))
        .filter(|id| !adopted.contains(id))
        .collect();
    assert!(edited.len() > 40, "{}", edited.len());
    let kept: Vec<String> = dump(&project.target)
        .into_iter()
        .filter(|l| edited.contains(&id(l)))
        .collect();
    move_on(&project.source, &mut random);
    let output = project.runner(&["sync", "--deletes", "--json"]);
    output.ends_with(3);
    let fresh = Project::over(&project.source, clean);
    fresh.runner(&["run"]).ends_with(3);
    decide(&project.target);

    let now = dump(&project.target);
    let still: Vec<String> = now
        .iter()
        .filter(|l| edited.contains(&id(l)))
        .cloned()
        .collect();
    assert!(
        still.iter().all(|line| kept.contains(line)),
        "an edit was overwritten"
    );
    let others: BTreeSet<String> = edited.union(&adopted).cloned().collect();
    same(
        &without(now, &others),
        &without(dump(&fresh.target), &others),
        "edited",
    );
    // Each edited row is listed: as a conflict, as withdrawn, or it waited for a decision.
    let mut listed = 0;
    for rule in output.json()["rules"].as_array().unwrap() {
        listed += rule["sync"]["conflicts"].as_array().unwrap().len();
        let withdrawn = rule["sync"]["withdrawn"].as_array().unwrap();
        listed += withdrawn
            .iter()
            .filter(|w| edited.contains(w["id"].as_str().unwrap()))
            .count();
    }
    assert_eq!(listed, edited.len());
    let again = project.runner(&["sync", "--deletes", "--json"]);
    assert_eq!(again.json()["changed"], 0, "{again}");
}
