//! Bad rows in a chunk: exactly those go to quarantine, all others are loaded, whatever refuses them and
//! however they lie; and finding them costs few statements.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::support::Project;

const CHUNK: usize = 64;

/// What is wrong with a row, and the code it is refused with. Only the target knows most of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bad {
    /// Longer than the target's column: the host knows.
    Type,
    NotNull,
    Check,
    /// The code is already in the target, in a row that nobody migrated.
    Unique,
    /// The same code as a row with a lower key has.
    Twin,
    ForeignKey,
    /// Found only by COMMIT.
    DeferredForeignKey,
    /// A trigger that runs at COMMIT.
    DeferredTrigger,
}

const KINDS: &[Bad] = &[
    Bad::Type,
    Bad::NotNull,
    Bad::Check,
    Bad::Unique,
    Bad::Twin,
    Bad::ForeignKey,
    Bad::DeferredForeignKey,
    Bad::DeferredTrigger,
];

const SOURCE: &str = "create table old(id integer primary key, name text, code text, score integer, kind integer, place integer, mood text)";

const TARGET: &str = "
    create table kinds(kind integer primary key);
    insert into kinds values (1), (2);
    create table places(place integer primary key);
    insert into places values (1);
    create table new(id uuid primary key, legacy_id integer unique, name varchar(8), code text not null unique,
        score integer check (score >= 0), kind integer references kinds,
        place integer references places deferrable initially deferred, mood text not null);
    create function no_grief() returns trigger language plpgsql as $$
        begin if new.mood = 'grief' then raise exception 'grief is not allowed' using errcode = 'check_violation'; end if; return null; end $$;
    create constraint trigger moods after insert or update on new deferrable initially deferred
        for each row execute function no_grief();
    insert into new(id, code, mood) select gen_random_uuid(), 'taken ' || n, 'calm' from generate_series(0, 999) as n;
";

fn rule(effects: &str) -> String {
    format!(
        r#"const RULE = #{{
    base: "old", key: "id", target: "new", legacy: "legacy_id",
    copy: #{{ name: "name", code: "code", score: "score", kind: "kind", place: "place", mood: "mood" }},
    effects: [{effects}],
    stop: #{{ faults: 100000, share: 1.0 }},
}};

fn transform(row) {{ #{{}} }}
"#
    )
}

fn row(id: usize, bad: Option<Bad>) -> String {
    let mut cells = [
        format!("'row {id}'"),
        format!("'code {id}'"),
        "1".to_owned(),
        "2".to_owned(),
        "1".to_owned(),
        "'calm'".to_owned(),
    ];
    let set = |cells: &mut [String; 6], at: usize, text: String| cells[at] = text;
    match bad {
        None => {}
        Some(Bad::Type) => set(&mut cells, 0, "'far too long a name'".to_owned()),
        Some(Bad::NotNull) => set(&mut cells, 5, "null".to_owned()),
        Some(Bad::Check) => set(&mut cells, 2, "-1".to_owned()),
        Some(Bad::Unique) => set(&mut cells, 1, format!("'taken {id}'")),
        // Row 0 is always good.
        Some(Bad::Twin) => set(&mut cells, 1, "'code 0'".to_owned()),
        Some(Bad::ForeignKey) => set(&mut cells, 3, "77".to_owned()),
        Some(Bad::DeferredForeignKey) => set(&mut cells, 4, "77".to_owned()),
        Some(Bad::DeferredTrigger) => set(&mut cells, 5, "'grief'".to_owned()),
    }
    format!("({id}, {})", cells.join(", "))
}

fn project() -> Project {
    let project = Project::pg(SOURCE, TARGET);
    project.rule("new", &rule("\"moods\""));
    project
}

fn fill(project: &Project, rows: &[Option<Bad>]) {
    let values: Vec<String> = rows
        .iter()
        .enumerate()
        .map(|(id, bad)| row(id, *bad))
        .collect();
    project
        .source
        .exec(&format!("insert into old values {}", values.join(",\n")));
}

#[track_caller]
fn assert_exactly_the_bad_are_refused(project: &Project, rows: &[Option<Bad>]) {
    let keys = |bad: bool| -> Vec<String> {
        let ids = rows
            .iter()
            .enumerate()
            .filter(|(_, kind)| kind.is_some() == bad);
        ids.map(|(id, _)| id.to_string()).collect()
    };
    let refused = project
        .target
        .lines("select key from runner.quarantine order by key::integer");
    assert_eq!(refused, keys(true), "quarantine");
    let written = project
        .target
        .lines("select legacy_id from new where legacy_id is not null order by 1");
    assert_eq!(written, keys(false), "rows in the target");
}

#[test]
fn any_subset_of_bad_rows_is_refused_and_all_others_are_loaded() {
    let cases = std::env::var("PROPTEST_CASES").map_or(24, |text| text.parse().unwrap());
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 20,
        ..Config::default()
    };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[11; 32]));
    let cell = prop_oneof![3 => Just(None), 1 => proptest::sample::select(KINDS).prop_map(Some)];
    let few = prop_oneof![40 => Just(None), 1 => proptest::sample::select(KINDS).prop_map(Some)];
    let all = proptest::sample::select(KINDS).prop_map(Some);
    let rows = prop_oneof![
        3 => proptest::collection::vec(cell, 1..CHUNK * 2),
        3 => proptest::collection::vec(few, 1..CHUNK * 3),
        1 => proptest::collection::vec(all, 1..20),
    ];
    runner
        .run(&rows, |mut rows| {
            rows[0] = None;
            let project = project();
            fill(&project, &rows);
            let output = project.runner(&["run", "--batch-rows", &CHUNK.to_string()]);
            let code = if rows.iter().any(Option::is_some) {
                3
            } else {
                0
            };
            prop_assert_eq!(output.code, code, "{}", output);
            assert_exactly_the_bad_are_refused(&project, &rows);
            Ok(())
        })
        .unwrap();
}

#[test]
fn every_kind_of_refusal_says_what_refused() {
    let project = project();
    let mut rows = vec![None; 20];
    for (index, kind) in KINDS.iter().enumerate() {
        rows[2 * index + 1] = Some(*kind);
    }
    fill(&project, &rows);
    project.runner(&["run"]).ends_with(3);
    assert_exactly_the_bad_are_refused(&project, &rows);
    let reasons = project.target.lines(
        "select key, code, sqlstate, constraint_name from runner.quarantine order by key::integer",
    );
    let of = |kind: Bad| {
        let key = rows
            .iter()
            .position(|row| *row == Some(kind))
            .unwrap()
            .to_string();
        reasons
            .iter()
            .find(|reason| reason.split('|').next() == Some(key.as_str()))
            .unwrap()
            .clone()
    };
    assert!(of(Bad::Twin).contains("|duplicate_of|"), "{reasons:#?}");
    assert!(of(Bad::Unique).contains("new_code_key"), "{reasons:#?}");
    for (kind, constraint) in [
        (Bad::Check, "23514|new_score_check"),
        (Bad::ForeignKey, "23503|new_kind_fkey"),
        (Bad::DeferredForeignKey, "23503|new_place_fkey"),
        (Bad::DeferredTrigger, "23514"),
    ] {
        assert!(of(kind).contains(constraint), "{kind:?}: {reasons:#?}");
    }
    // Never the values: the server's DETAIL holds the whole row.
    project
        .runner(&["quarantine", "list"])
        .ends_with(0)
        .never_says("far too long")
        .never_says("code 0");
}

#[test]
fn finding_the_bad_rows_takes_few_statements() {
    let statements = |rows: &[Option<Bad>]| {
        let project = project();
        fill(&project, rows);
        project.target.record_statements();
        let output = project.runner(&["run", "--batch-rows", "1024", "--writers", "1"]);
        assert!([0, 3].contains(&output.code), "{output}");
        assert_exactly_the_bad_are_refused(&project, rows);
        project.target.statements().len()
    };
    let mut rows = vec![None; 1024];
    let calm = statements(&rows);
    assert!(calm > 3, "the server recorded {calm} statements");
    let mut found = Vec::new();
    for (kind, places) in [
        (Bad::Check, vec![1023]),
        (Bad::Check, vec![1, 500, 1000]),
        (Bad::ForeignKey, vec![511, 512]),
        (Bad::DeferredForeignKey, vec![300, 301, 302, 303, 900]),
        (Bad::Unique, vec![7, 8, 9, 10, 11, 12, 13, 14]),
    ] {
        rows.fill(None);
        for place in &places {
            rows[*place] = Some(kind);
        }
        let more = statements(&rows).saturating_sub(calm);
        let most = 4 * places.len() * 10 + 4;
        found.push(format!("{kind:?} x {}: {more} of {most}", places.len()));
        assert!(more <= most, "{found:#?}");
    }
    eprintln!(
        "bisect: statements beyond a clean chunk of 1024: {}",
        found.join(", ")
    );
}

#[test]
fn bad_rows_are_found_on_sqlite_too() {
    let source = SOURCE;
    let target = "
        create table kinds(kind integer primary key);
        insert into kinds values (1), (2);
        create table places(place integer primary key);
        insert into places values (1);
        create table new(id UUID primary key, legacy_id integer unique, name varchar(8), code text not null unique,
            score integer check (score >= 0), kind integer references kinds,
            place integer references places deferrable initially deferred, mood text not null);
        insert into new(id, code, mood) values ('1b671a64-40d5-491e-99b0-da01ff1f3341', 'taken 7', 'calm');
    ";
    let project = Project::sqlite(source, target);
    project.rule("new", &rule(""));
    let mut rows = vec![None; 150];
    for (id, kind) in [
        (3, Bad::Type),
        (7, Bad::Unique),
        (8, Bad::Twin),
        (64, Bad::NotNull),
        (65, Bad::Check),
        (100, Bad::ForeignKey),
        (149, Bad::DeferredForeignKey),
    ] {
        rows[id] = Some(kind);
    }
    fill(&project, &rows);
    project.runner(&["run", "--batch-rows", "50"]).ends_with(3);
    let refused = project
        .target
        .lines("select key from runner_quarantine order by cast(key as integer)");
    assert_eq!(refused, ["3", "7", "8", "64", "65", "100", "149"]);
    assert_eq!(
        project
            .target
            .count("select count(*) from new where legacy_id is not null"),
        143
    );
}
