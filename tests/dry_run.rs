//! A dry run says beforehand what the run will do: the same verdicts, by code, but for what only the
//! database can refuse.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Engine, Project};

/// Counts of a rule by verdict and code.
fn verdicts(rule: &Value) -> BTreeMap<String, i64> {
    let number = |name: &str| rule[name].as_i64().unwrap_or_else(|| panic!("{rule:#}"));
    let mut counts: BTreeMap<String, i64> = ["base", "filtered", "read", "skipped"]
        .map(|name| (name.to_owned(), number(name)))
        .into();
    counts.insert(
        "written".to_owned(),
        number("inserted") + number("updated") + number("unchanged"),
    );
    for verdict in ["skip", "reject", "note"] {
        let codes = rule["codes"][verdict].as_object().into_iter().flatten();
        for (code, count) in codes {
            counts.insert(format!("{verdict} {code}"), count.as_i64().unwrap());
        }
    }
    counts
}

#[test]
fn a_dry_run_counts_what_the_run_will_count_but_for_what_the_database_refuses() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        a_dry_run_counts_as_the_run(engine);
    }
}

fn a_dry_run_counts_as_the_run(engine: Engine) {
    let project = Project::demo("0.01", engine);
    if engine == Engine::Postgres {
        project.target.exec(
            "alter table purchases add constraint odd_ones check (legacy_purchase_id % 5 <> 0)",
        );
    }
    let quarantine = project.target.table("runner.quarantine");
    let dry = project.runner(&["run", "--dry-run", "--json"]);
    dry.ends_with(3);
    let tell = project.runner(&["run", "--dry-run"]);
    tell.ends_with(3)
        .prints("what only the database can refuse is not seen here");
    project.runner(&["run", "--json"]).ends_with(3);
    let dry = dry.json();
    let mut refusals = 0;
    for rule in dry["rules"].as_array().unwrap() {
        let name = rule["name"].as_str().unwrap();
        let mut expected = verdicts(rule);
        // The database's refusals were written rows in the dry run; quarantine names each.
        let refused = project.target.rows(&format!(
            "select code, cast(count(*) as text), cast(count(constraint_name) as text) from {quarantine} where rule = '{name}' and stage = 'database' group by 1"
        ));
        for row in refused {
            let [code, count, named] = <[_; 3]>::try_from(row).unwrap().map(Option::unwrap);
            assert_eq!(count, named, "{name}: {code} names no constraint");
            let count: i64 = count.parse().unwrap();
            *expected.get_mut("written").unwrap() -= count;
            *expected.entry(format!("reject {code}")).or_default() += count;
            refusals += count;
        }
        let mut found = verdicts(&project.status(name));
        // Remarks are counted on rows that are written, so a refused row takes its own along.
        if name == "purchases" && engine == Engine::Postgres {
            expected.retain(|what, _| !what.starts_with("note"));
            found.retain(|what, _| !what.starts_with("note"));
        }
        assert_eq!(found, expected, "{name}");
    }
    assert!(
        refusals > 5 || engine == Engine::Sqlite,
        "{refusals} refusals"
    );
}
