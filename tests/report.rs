//! What the owner reads in the report, held against what the databases say when asked by SQL of the tests' own.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use serde_json::Value;

use crate::support::{Engine, Project};

mod proofs;

/// A finished migration that several tests read and none changes.
fn migrated() -> &'static (Project, Value) {
    static DONE: OnceLock<(Project, Value)> = OnceLock::new();
    DONE.get_or_init(|| {
        let project = Project::demo("0.01", Engine::Postgres);
        project.runner(&["run"]).ends_with(3);
        let report = report(&project);
        (project, report)
    })
}

fn report(project: &Project) -> Value {
    project
        .runner(&["report", "--format", "json"])
        .ends_with(0)
        .json()
}

/// The report in the forms that people read.
fn pages(project: &Project) -> [String; 3] {
    ["html", "md", "txt"].map(|format| {
        let output = project.runner(&["report", "--format", format]);
        output.ends_with(0);
        // Markdown escapes underscores
        output.stdout.replace("\\_", "_").replace("&#x2f;", "/")
    })
}

fn issue<'a>(report: &'a Value, rule: &str, code: &str) -> &'a Value {
    let issues = report["issues"].as_array().unwrap();
    let of = |i: &&Value| i["rule"] == rule && i["code"] == code;
    issues.iter().find(of).unwrap_or(&Value::Null)
}

/// `1234567.80` as `1,234,567.80`.
fn grouped(amount: &str) -> String {
    let (whole, cents) = amount.split_once('.').unwrap();
    let (sign, digits) = whole
        .strip_prefix('-')
        .map_or(("", whole), |digits| ("-", digits));
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    format!("{sign}{out}.{cents}")
}

#[test]
fn how_much_money_moved_and_why_the_rest_did_not() {
    let (project, report) = migrated();
    let orders = project
        .target
        .lines("select legacy_instruction_id from orders")
        .join(",");
    let paid = "paid and not canceled and not free and total_price <> 0";
    let orphan =
        format!("{paid} and instruction_id is not null and instruction_id not in ({orders})");
    let classes = [
        ("skip", "not_paid", "not paid".to_owned()),
        ("skip", "canceled", "paid and canceled".to_owned()),
        (
            "skip",
            "zero_or_free",
            "paid and not canceled and (free or total_price = 0)".to_owned(),
        ),
        ("reject", "orphan", orphan.clone()),
        (
            "reject",
            "negative_total",
            format!("{paid} and total_price < 0 and not ({orphan})"),
        ),
    ];
    let pages = pages(project);
    let told = |what: &str| {
        for page in &pages {
            assert!(page.contains(what), "{what} is not in {}", &page[..20]);
        }
    };
    let mut sums = vec![];
    for (verdict, code, condition) in &classes {
        let sql = format!(
            "select count(*) || '|' || sum(total_price) from dispatch_payment where {condition}"
        );
        let expected = project.source.one(&sql);
        let found = issue(report, "purchases", code);
        assert_eq!(found["verdict"], *verdict);
        let amount = found["amounts"][0]["amount"].as_str().unwrap_or("none");
        assert_eq!(format!("{}|{amount}", found["count"]), expected, "{code}");
        told(&grouped(amount));
        sums.push(format!("({amount})"));
    }
    let moved = project
        .target
        .one("select sum(total_amount)::text from purchases");
    let source = project
        .source
        .one("select sum(total_price)::text from dispatch_payment");
    let sum = &report["reconciliations"][0];
    assert_eq!([&sum["target"], &sum["source"]], [&moved, &source]);
    let missing = project
        .source
        .one(&format!("select ({})::text", sums.join(" + ")));
    let rest = project
        .source
        .one(&format!("select ({source} - {moved})::text"));
    assert_eq!(
        missing, rest,
        "the classes do not add up to what is missing"
    );
    told(&grouped(&moved));
    told(&grouped(&source));
}

#[test]
fn which_technicians_are_not_there() {
    let (project, report) = migrated();
    let there = project
        .target
        .lines("select legacy_technician_id from technicians")
        .join(",");
    let missing = project.source.lines(&format!(
        "select distinct user_id from auth_user_groups where group_id = 11 and user_id not in ({there}) order by 1"
    ));
    let mut told: Vec<String> = vec![];
    for found in report["issues"].as_array().unwrap() {
        if found["rule"] == "technicians" && found["verdict"] == "reject" {
            let keys = found["keys"].as_array().unwrap().iter();
            told.extend(keys.map(|key| key.as_str().unwrap().to_owned()));
        }
    }
    told.sort_by_key(|key| key.parse::<i64>().unwrap());
    assert_eq!(told, missing);
    for page in pages(project) {
        for key in &missing {
            assert!(page.contains(key), "{key} is not in {}", &page[..20]);
        }
    }
}

#[test]
fn every_class_says_what_to_do_in_commands_that_exist() {
    let (project, report) = migrated();
    let mut commands = BTreeSet::new();
    for found in report["issues"].as_array().unwrap() {
        let fix = found["fix"].as_str().unwrap_or_default();
        assert!(!fix.is_empty(), "nothing to do about {found:#}");
        assert!(found["count"].as_i64() > Some(0), "{found:#}");
        let is_key = |key: &Value| key.as_str().unwrap().parse::<u32>().is_ok();
        if found["verdict"] == "reject" {
            let keys = found["keys"].as_array().unwrap();
            assert!(!keys.is_empty() && keys.iter().all(is_key), "{found:#}");
            assert_eq!(found["open"], found["count"]);
        }
        let quoted = fix.split('`').skip(1).step_by(2);
        commands.extend(
            quoted
                .filter_map(|c| c.strip_prefix("runner "))
                .map(str::to_owned),
        );
    }
    assert!(!commands.is_empty());
    for command in commands {
        let mut words: Vec<&str> = command.split_whitespace().collect();
        words.push("--help");
        project.runner(&words).ends_with(0);
    }
}

#[test]
fn what_is_in_the_target_that_the_migration_did_not_write() {
    let project = Project::demo("0.005", Engine::Postgres);
    let old = project
        .target
        .count("select count(*) from message_attachments");
    project.target.exec(
        "insert into brackets(id, name, bracket_type, active, legacy_bracket_id)
         values ('00000000-0000-4000-8000-0000000000aa', 'of somebody else', 'standard', true, 99999999)",
    );
    project.runner(&["run"]).ends_with(3);
    let found = |report: &Value, target: &str| {
        let mut coverage = report["coverage"].as_array().unwrap().iter();
        coverage.find(|c| c["target"] == target).unwrap().clone()
    };
    let report_before = report(&project);
    for one in report_before["coverage"].as_array().unwrap() {
        let target = one["target"].as_str().unwrap();
        let rows = project
            .target
            .count(&format!("select count(*) from {target}"));
        assert_eq!(one["rows"], rows, "{one:#}");
        let foreign = i64::from(target == "brackets");
        let adopted = if target == "message_attachments" {
            old
        } else {
            0
        };
        assert_eq!(one["foreign"], foreign, "{one:#}");
        assert_eq!(one["adopted"], adopted, "{one:#}");
        assert_eq!(one["inserted"], rows - foreign - adopted, "{one:#}");
        assert_eq!(
            [&one["missing"], &one["edited"], &one["former"]],
            [0, 0, 0],
            "{one:#}"
        );
    }
    assert_eq!(
        report_before["right"]["level"], "good",
        "{}",
        report_before["right"]
    );

    let edited = project.target.lines(
        "update order_cases set status = 'edited' where id in (select id from order_cases order by id limit 2) returning id",
    );
    let gone = project.target.lines("delete from treatment_discussions where id = (select min(id::text)::uuid from treatment_discussions) returning id");
    let report_after = report(&project);
    assert_eq!(found(&report_after, "order_cases")["edited"], 2);
    assert_eq!(found(&report_after, "treatment_discussions")["missing"], 1);
    assert_eq!(report_after["right"]["level"], "bad");
    for page in pages(&project) {
        for id in edited
            .iter()
            .chain(&gone)
            .map(String::as_str)
            .chain(["00000000-0000-4000-8000-0000000000aa"])
        {
            assert!(page.contains(id), "{id} is not in {}", &page[..20]);
        }
    }
    // A second reading of the source changes nothing of whose rows these are; the deleted one comes back.
    project.runner(&["run", "--restart"]).ends_with(3);
    let again = report(&project);
    for target in ["message_attachments", "purchases", "technicians"] {
        assert_eq!(found(&again, target), found(&report_before, target));
    }
    assert_eq!(found(&again, "treatment_discussions")["missing"], 0);
    assert_eq!(found(&again, "brackets")["foreign"], 1);
}

#[test]
fn a_rejected_row_is_decided_by_name_and_the_report_says_who_and_why() {
    let project = Project::people();
    project.runner(&["run"]).ends_with(3);
    let before = report(&project);
    assert_eq!(before["ready"]["short"], "Not yet");
    assert_eq!(before["ready"]["text"], "4 rows to decide");
    assert_eq!(before["decisions"], serde_json::json!([]));
    let accept = [
        "quarantine",
        "accept",
        "people",
        "--reason",
        "no_name",
        "--note",
        "nobody <b>knows</b> them",
    ];
    project.runner(&accept).ends_with(0);
    let after = report(&project);
    assert_eq!(after["ready"]["short"], "Met");
    assert_eq!(after["ready"]["text"], "with 4 accepted exceptions");
    assert_eq!(after["decide"]["short"], "Nothing");
    let decision = &after["decisions"][0];
    assert_eq!(
        [&decision["rule"], &decision["code"]],
        ["people", "no_name"]
    );
    assert_eq!(decision["count"], 4);
    let keys = project
        .target
        .lines("select key from runner.quarantine order by length(key), key");
    assert_eq!(decision["keys"], serde_json::json!(keys));
    for (page, note) in pages(&project).iter().zip([
        "nobody &lt;b&gt;knows&lt;/b&gt; them",
        "nobody &lt;b&gt;knows&lt;/b&gt; them",
        "nobody <b>knows</b> them",
    ]) {
        assert!(page.contains(note), "{}", &page[..20]);
        assert!(
            page.contains("with 4 accepted exceptions"),
            "{}",
            &page[..20]
        );
    }
    // A decision does not outlive the rule it was given under.
    project.edit(
        "rules/people.rhai",
        "balance: row.balance,",
        "balance: row.balance + 0,",
    );
    let lapsed = report(&project);
    assert_eq!(lapsed["ready"]["text"], "4 rows to decide");
    assert_eq!(lapsed["decide"]["short"], "4 rows");
}

#[test]
fn a_template_of_ones_own_sees_everything() {
    let (project, report) = migrated();
    project.write(
        "own.j2",
        "{% for t in tables %}{{ t.name }} {{ t.read }}\n{% endfor %}{{ totals.rejected }} {{ ready.short }} {{ proofs | length }}",
    );
    let own = project.runner(&["report", "--format", "txt", "--template", "own.j2"]);
    own.ends_with(0);
    let tables = report["tables"].as_array().unwrap().iter();
    let mut expected: Vec<String> = tables
        .map(|t| format!("{} {}", t["name"].as_str().unwrap(), t["read"]))
        .collect();
    let proofs = report["proofs"].as_array().unwrap().len();
    expected.push(format!("{} Not yet {proofs}", report["totals"]["rejected"]));
    assert_eq!(own.stdout.trim_end(), expected.join("\n"));
}
