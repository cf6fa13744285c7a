//! A rule whose own select joins a large table: each page asks that table for its own rows only.

use crate::support::Project;

const PLACES: i64 = 10_000;

const SOURCE: &str = "
    create table place(id int primary key, city int not null, filler text);
    insert into place select n, n % 97, repeat('x', 800) from generate_series(1, 10000) n;
    create table visit(id int primary key, place_id int not null);
    insert into visit select n, n from generate_series(1, 10000) n;
    analyze place; analyze visit;";

const TARGET: &str =
    "create table visits(id uuid primary key, legacy_id int unique, city int not null);";

const RULE: &str = r#"
const RULE = #{
    base: "visit", from: "select v.*, p.city from visit v left join place p on p.id = v.place_id",
    key: "id", target: "visits", legacy: "legacy_id",
};
fn transform(row) { #{ city: row.city } }
"#;

#[test]
fn a_joined_table_is_not_read_again_for_each_page() {
    let project = Project::pg(SOURCE, TARGET);
    project.rule("visits", RULE);
    let read = || {
        project
            .source
            .count("select seq_tup_read from pg_stat_user_tables where relname = 'place'")
    };
    let before = read();
    project.runner(&["run", "--batch-rows", "500"]).ends_with(0);
    let pages = project
        .target
        .count("select count(*) from runner.chunk where rule = 'visits' and accounted > 0");
    assert!(pages >= 20, "{pages} pages");
    assert_eq!(project.target.count("select count(*) from visits"), PLACES);
    // reconciling may read it whole; twenty pages may not
    project.source.wait_until_alone();
    let read = read() - before;
    assert!(
        read <= 3 * PLACES,
        "{read} rows of the joined table were read in {pages} pages"
    );
}
