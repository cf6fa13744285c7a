//! The real volume, on the release build: exact numbers, always asserted, and how long they take, always
//! printed and asserted with `RUNNER_TEST_MEASURE=1`. `tests/run` runs these first and one by one.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use crate::support::{Db, Engine, Project, measuring, release_binary};

mod sales;
mod verify;
mod why;

/// What must come out of a table at scale 1. A code's rows are several classes, each of which scales by
/// itself.
struct Pinned {
    rule: &'static str,
    /// The target's column that keeps the old key.
    legacy: &'static str,
    /// Tables of less than 500 rows have the same rows at every scale.
    scales: bool,
    filtered: i64,
    written: i64,
    /// Rows of the target beyond one per written row.
    more_rows: i64,
    /// Rows of an old script that are taken over, among the written ones.
    adopted: i64,
    skip: &'static [(&'static str, &'static [i64])],
    reject: &'static [(&'static str, &'static [i64])],
    note: &'static [(&'static str, &'static [i64])],
}

const NOTHING: Pinned = Pinned {
    rule: "",
    legacy: "",
    scales: true,
    filtered: 0,
    written: 0,
    more_rows: 0,
    adopted: 0,
    skip: &[],
    reject: &[],
    note: &[],
};

const PINNED: &[Pinned] = &[
    Pinned {
        rule: "message_attachments",
        legacy: "legacy_attachment_id",
        filtered: 316_733,
        written: 8_694,
        adopted: 18,
        reject: &[("orphan", &[140, 60, 25])],
        note: &[("no_name", &[31]), ("bad_json", &[43])],
        ..NOTHING
    },
    Pinned {
        rule: "technicians",
        legacy: "legacy_technician_id",
        filtered: 9_815,
        written: 81,
        reject: &[("missing_profile", &[3]), ("duplicate_email", &[1])],
        note: &[("no_email", &[2])],
        ..NOTHING
    },
    Pinned {
        rule: "technician_roles",
        legacy: "legacy_role_id",
        scales: false,
        filtered: 16,
        written: 28,
        reject: &[("no_technician", &[2]), ("orphan", &[1, 1])],
        ..NOTHING
    },
    Pinned {
        rule: "brackets",
        legacy: "legacy_bracket_id",
        written: 1_714,
        reject: &[("blank_name", &[6])],
        note: &[("project_gone", &[9])],
        ..NOTHING
    },
    Pinned {
        rule: "order_cases",
        legacy: "legacy_order_id",
        written: 24_448,
        more_rows: 123,
        skip: &[("deleted", &[512])],
        reject: &[("orphan", &[16]), ("no_case", &[36])],
        ..NOTHING
    },
    Pinned {
        rule: "treatment_discussions",
        legacy: "legacy_comment_id",
        written: 15_935,
        skip: &[("blank", &[240])],
        reject: &[("orphan", &[63]), ("no_case", &[74])],
        note: &[("author_gone", &[110])],
        ..NOTHING
    },
    Pinned {
        rule: "template_view_groups",
        legacy: "legacy_junction_id",
        scales: false,
        written: 187,
        reject: &[("orphan", &[4, 3]), ("duplicate_of", &[5])],
        ..NOTHING
    },
    Pinned {
        rule: "template_view_roles",
        legacy: "legacy_junction_id",
        written: 1_076,
        reject: &[("orphan", &[12, 8]), ("duplicate_of", &[15])],
        ..NOTHING
    },
    Pinned {
        rule: "purchases",
        legacy: "legacy_purchase_id",
        written: 3_701,
        skip: &[
            ("not_paid", &[11_902]),
            ("canceled", &[1_421]),
            ("zero_or_free", &[250]),
        ],
        reject: &[("orphan", &[19]), ("negative_total", &[4])],
        note: &[
            ("no_order", &[6]),
            ("total_mismatch", &[22]),
            ("subtotal_zero", &[12]),
            ("product_ambiguous", &[214]),
        ],
        ..NOTHING
    },
];

impl Pinned {
    fn at(&self, class: i64, scale: f64) -> i64 {
        if self.scales && class > 0 {
            ((class as f64).mul_add(scale, 0.5).floor() as i64).max(1)
        } else {
            class
        }
    }

    fn codes(&self, classes: &[(&str, &[i64])], scale: f64) -> BTreeMap<String, i64> {
        let rows = |counts: &[i64]| counts.iter().map(|class| self.at(*class, scale)).sum();
        classes
            .iter()
            .map(|(code, counts)| ((*code).to_owned(), rows(counts)))
            .collect()
    }

    /// Holds the account of the table, every code of it and its rows in the target against the numbers.
    #[track_caller]
    fn assert(&self, status: &Value, target: &Db, scale: f64) {
        let of = |classes| self.codes(classes, scale);
        let [skip, reject, note] = [of(self.skip), of(self.reject), of(self.note)];
        let [skipped, rejected]: [i64; 2] = [&skip, &reject].map(|codes| codes.values().sum());
        let [filtered, written] = [self.filtered, self.written].map(|class| self.at(class, scale));
        let adopted = self.at(self.adopted, scale);
        let read = written + skipped + rejected;
        let expected = json!({
            "base": filtered + read, "filtered": filtered, "read": read, "inserted": written - adopted, "updated": adopted,
            "unchanged": 0, "skipped": skipped, "rejected": rejected, "undecided": rejected, "done": true,
            "codes": {"skip": skip, "reject": reject, "note": note},
        });
        for (name, expected) in expected.as_object().unwrap() {
            let found = match name.as_str() {
                "codes" => {
                    let of = |verdict| status["codes"].get(verdict).cloned();
                    let of = |verdict| of(verdict).unwrap_or_else(|| json!({}));
                    json!({"skip": of("skip"), "reject": of("reject"), "note": of("note")})
                }
                _ => status[name].clone(),
            };
            assert_eq!(found, *expected, "{}: {name} at scale {scale}", self.rule);
        }
        let rows = target.count(&format!("select count(*) from {}", self.rule));
        let expected = written + self.at(self.more_rows, scale);
        assert_eq!(rows, expected, "{}: rows at scale {scale}", self.rule);
    }
}

/// Everything of the reference's table of numbers, at a scale; says how long the run took.
fn assert_pinned(project: &Project, scale: f64) -> f64 {
    let (source, target) = (&project.source, &project.target);
    let leftovers = "select id, message_id, file_id, attachment_type, attached_at from message_attachments where id in";
    let ids = target.lines("select id from message_attachments");
    let ids: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
    let leftovers = format!("{leftovers} ({}) order by id", ids.join(", "));
    let before = target.lines(&leftovers);
    let output = project.runner(&["run"]);
    output.ends_with(3);
    let status = project.runner(&["status", "--json"]).ends_with(0).json();
    let rules = status["rules"].as_array().unwrap();
    assert_eq!(rules.len(), PINNED.len());
    for pinned in PINNED {
        let found = rules.iter().find(|rule| rule["name"] == pinned.rule);
        pinned.assert(found.unwrap(), target, scale);
    }
    // What was adopted kept its id and what it held.
    assert_eq!(target.lines(&leftovers), before);
    assert!(!before.is_empty());
    the_lowest_key_wins(project);
    let secondary = "select count(*) from order_cases where relationship_type = 'secondary'";
    let order_cases = PINNED.iter().find(|p| p.rule == "order_cases").unwrap();
    assert_eq!(
        target.count(secondary),
        order_cases.at(order_cases.more_rows, scale)
    );
    let masters = "select count(*) from technician_roles where role_name like 'Master%' and role_type <> 'master'";
    assert_eq!(target.count(masters), 0);

    // source = target + rejected + skipped, from the two databases themselves.
    let payments = in_cents(source, "select id, total_price from dispatch_payment");
    let bought = in_cents(
        target,
        "select legacy_purchase_id, total_amount from purchases",
    );
    let quarantine = target.table("runner.quarantine");
    let refused = target.lines(&format!(
        "select key from {quarantine} where rule = 'purchases'"
    ));
    let rejected: i64 = refused.iter().map(|key| payments[key]).sum();
    let skipped: i64 = payments
        .iter()
        .filter(|(key, _)| !bought.contains_key(*key) && !refused.contains(key))
        .map(|(_, cents)| cents)
        .sum();
    let written: i64 = bought.values().sum();
    assert_eq!(
        payments.values().sum::<i64>(),
        written + rejected + skipped,
        "{written} written, {rejected} rejected, {skipped} skipped"
    );
    if (scale - 1.0).abs() < f64::EPSILON {
        assert_eq!(written, 419_238_734);
    }
    project.runner(&["run"]).ends_with(3).tells("already done");
    output.took.as_secs_f64()
}

/// Amounts by key, in cents.
fn in_cents(db: &Db, sql: &str) -> HashMap<String, i64> {
    let cents = |text: &str| {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        assert!(part.len() <= 2, "{text} has no cents");
        let cents: i64 = format!("{whole}{part:0<2}").parse().unwrap();
        cents
    };
    let amount = |line: String| {
        let (key, amount) = line.split_once('|').unwrap();
        (key.to_owned(), cents(amount))
    };
    db.lines(sql).into_iter().map(amount).collect()
}

/// Of several source rows for one pair of parents the one with the lowest key is there.
fn the_lowest_key_wins(project: &Project) {
    for (table, base, parent) in [
        (
            "template_view_groups",
            "dispatch_template_view_groups",
            "group_id",
        ),
        (
            "template_view_roles",
            "dispatch_template_view_roles",
            "role_id",
        ),
    ] {
        let quarantine = project.target.table("runner.quarantine");
        let refused = project.target.lines(&format!(
            "select key from {quarantine} where rule = '{table}' and code = 'duplicate_of'"
        ));
        let written = project
            .target
            .lines(&format!("select legacy_junction_id from {table}"));
        let mut winner: HashMap<String, i64> = HashMap::new();
        let rows = project
            .source
            .lines(&format!("select id, template_id, {parent} from {base}"));
        let rows: HashMap<&str, &str> = rows
            .iter()
            .map(|row| row.split_once('|').unwrap())
            .collect();
        for key in &written {
            let earlier = winner.insert(rows[&**key].to_owned(), key.parse().unwrap());
            assert_eq!(earlier, None, "{table}: two rows for one pair");
        }
        for key in refused {
            let first = winner[rows[&*key]];
            assert!(
                first < key.parse().unwrap(),
                "{table}: {first} before {key}"
            );
        }
    }
}

#[test]
fn the_nine_tables_at_scale_1_are_exactly_what_was_pinned() {
    let project = Project::demo("1", Engine::Postgres).with_binary(release_binary());
    let seconds = assert_pinned(&project, 1.0);
    eprintln!("scale 1, nine tables, Postgres to Postgres: {seconds:.2} s");
    if measuring() {
        assert!(seconds <= 15.0, "scale 1 took {seconds} s");
    }
    every_column_is_right(&project);
    why::every_id_resolves_both_ways(&project);
}

#[test]
fn the_nine_tables_on_sqlite_are_what_was_pinned_at_two_scales() {
    for (name, scale) in [("0.1", 0.1), ("1", 1.0)] {
        let project = Project::empty(Engine::Sqlite, Engine::Sqlite).with_binary(release_binary());
        project.use_shipped_rules();
        project.seed(&["--scale", name]);
        let seconds = assert_pinned(&project, scale);
        eprintln!("scale {name}, nine tables, SQLite to SQLite: {seconds:.2} s");
    }
}

/// Derives columns with SQL that owes nothing to the rules, and compares.
fn every_column_is_right(project: &Project) {
    let payments = "select p.id, p.subtotal_price, p.total_price, p.tax_value, to_char(p.made_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), p.instruction_id
                    from dispatch_payment p where p.id in";
    let written = project
        .target
        .lines("select legacy_purchase_id from purchases order by 1")
        .join(", ");
    let source = project
        .source
        .lines(&format!("{payments} ({written}) order by p.id"));
    let target = project.target.lines(
        "select legacy_purchase_id, subtotal, total_amount, tax_amount, to_char(purchased_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), legacy_order_id
         from purchases order by 1",
    );
    assert_eq!(source.len(), 3_701);
    let wrong: Vec<_> = source
        .iter()
        .zip(&target)
        .filter(|(a, b)| a != b)
        .take(3)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    for (what, sql) in [
        (
            "created_at is purchased_at",
            "select count(*) from purchases where created_at is distinct from purchased_at",
        ),
        (
            "fixed columns",
            "select count(*) from purchases where quantity <> 1 or discount_amount <> 0 or currency <> 'USD' or status <> 'paid'",
        ),
        (
            "orders",
            "select count(*) from purchases p left join orders o on o.legacy_instruction_id = p.legacy_order_id where p.order_id is distinct from o.id",
        ),
        (
            "order_cases order",
            "select count(*) from order_cases c left join orders o on o.legacy_instruction_id = c.legacy_order_id where c.order_id is distinct from o.id",
        ),
        (
            "order_cases case",
            "select count(*) from order_cases c left join cases k on k.id = c.case_id where c.legacy_case_id is distinct from k.legacy_patient_id",
        ),
        (
            "technician profile",
            "select count(*) from technicians t left join profiles p on p.id = t.profile_id where p.legacy_user_id is distinct from t.legacy_user_id",
        ),
    ] {
        assert_eq!(project.target.count(sql), 0, "{what}");
    }
}
