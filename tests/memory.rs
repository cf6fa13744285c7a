//! Memory does not grow with the size of a value or the length of a table. The long cases: `tests/long`.

use std::time::Duration;

use crate::support::{Project, Running};

const LIMIT: Duration = Duration::from_mins(5);
pub(crate) const MIB: u64 = 1024;
/// What the allocator may take more while it runs longer; a key and an id for each row would be more.
const GROWTH: u64 = 16 * MIB;

/// A rule that takes the text past the script, and one that takes it through.
const PAST: &str = r#"const RULE = #{
    base: "old", key: "id", target: "new", legacy: "legacy_id", copy: #{ body: "body" },
};

fn transform(row) { #{} }
"#;
const THROUGH: &str = r#"const RULE = #{ base: "old", key: "id", target: "new", legacy: "legacy_id" };

fn transform(row) { #{ body: row.body } }
"#;
const TARGET: &str = "create table new(id uuid primary key, legacy_id integer unique, body text)";

/// Runs the program and returns the most memory it had, in KiB.
#[track_caller]
pub(crate) fn peak(project: &Project, arguments: &[&str], exit: i32) -> u64 {
    let running = Running::start(&mut project.command(arguments));
    let status = format!("/proc/{}/status", running.child.id());
    let watch = std::thread::spawn(move || {
        let mut peak = 0;
        // the file is gone, or has no such line, when the program has ended
        while let Ok(text) = std::fs::read_to_string(&status) {
            let Some(line) = text.lines().find(|line| line.starts_with("VmHWM:")) else {
                break;
            };
            let number = line.split_whitespace().nth(1).and_then(|n| n.parse().ok());
            peak = peak.max(number.unwrap_or(0));
            std::thread::sleep(Duration::from_millis(3));
        }
        peak
    });
    running.finish(LIMIT).ends_with(exit);
    let peak = watch.join().expect("the watch ends");
    assert!(peak > 0, "nothing was measured");
    peak
}

/// So many texts of 1 MB, all different.
fn texts(rows: usize, is_sqlite: bool) -> String {
    let table = "create table old(id integer primary key, body text);";
    if is_sqlite {
        return format!(
            "{table} with recursive i(x) as (select 1 union all select x + 1 from i where x < {rows}) \
             insert into old select x, x || replace(hex(zeroblob(500000)), '0', 'a') from i"
        );
    }
    format!(
        "{table} insert into old select x, x || repeat('a', 1000000) from generate_series(1, {rows}) x"
    )
}

fn large_values(project: impl Fn() -> Project, rows: usize) {
    for (name, rule) in [("past", PAST), ("through", THROUGH)] {
        let project = project();
        project.rule("new", rule);
        let peak = peak(&project, &["run"], 0);
        eprintln!(
            "memory: {rows} texts of 1 MB {name} the script: {} MiB",
            peak / MIB
        );
        assert!(peak < 256 * MIB, "{name} the script: {} MiB", peak / MIB);
        let sum = project
            .target
            .one("select count(*) || ' ' || sum(length(body)) from new");
        let digits: usize = (1..=rows).map(|row| row.to_string().len()).sum();
        assert_eq!(sum, format!("{rows} {}", rows * 1_000_000 + digits));
    }
}

fn rows(usual: usize) -> usize {
    let asked = std::env::var("RUNNER_TEST_LARGE_ROWS").ok();
    asked.and_then(|n| n.parse().ok()).unwrap_or(usual)
}

#[test]
fn large_values_pass_through_postgres_in_little_memory() {
    let rows = rows(300);
    large_values(|| Project::pg(&texts(rows, false), TARGET), rows);
}

#[test]
fn large_values_pass_through_sqlite_in_little_memory() {
    let rows = rows(300);
    large_values(|| Project::sqlite(&texts(rows, true), TARGET), rows);
}

#[test]
fn a_long_table_is_not_kept_in_memory() {
    let asked = std::env::var("RUNNER_TEST_MANY_ROWS").ok();
    let long: usize = asked.and_then(|n| n.parse().ok()).unwrap_or(400_000);
    let mut peaks = Vec::new();
    for rows in [100_000, long] {
        let project = Project::pg(
            &format!(
                "create table old(id integer primary key, body text); \
                 insert into old select x, 'text ' || x from generate_series(1, {rows}) x"
            ),
            TARGET,
        );
        project.rule("new", THROUGH);
        let peak = peak(&project, &["run"], 0);
        eprintln!("memory: {rows} short rows: {} MiB", peak / MIB);
        peaks.push(peak);
    }
    assert!(peaks[1] <= peaks[0] + GROWTH, "{peaks:?} KiB");
}
