//! The real volume, on the release build: exact numbers, always asserted, and how long they take, always
//! printed and asserted with `RUNNER_TEST_MEASURE=1`. `tests/run` runs these first and one by one.

use crate::support::{Db, Engine, Project, measuring, release_binary};

/// base filtered read written skipped rejected, and the rows in the target.
const PINNED: &[(&str, [i64; 6], i64)] = &[
    ("technicians", [9_900, 9_815, 85, 81, 0, 4], 81),
    ("technician_roles", [48, 16, 32, 28, 0, 4], 28),
    ("order_cases", [25_012, 0, 25_012, 24_448, 512, 52], 24_571),
    ("purchases", [17_297, 0, 17_297, 3_701, 13_573, 23], 3_701),
];

#[test]
fn the_four_tables_at_scale_1_are_exactly_what_was_pinned() {
    let project = Project::demo("1", Engine::Postgres).with_binary(release_binary());
    let rules: Vec<&str> = PINNED.iter().map(|(rule, ..)| *rule).collect();
    let run = [&["run"], &rules[..]].concat();
    let output = project.runner(&run);
    output.ends_with(3);
    eprintln!(
        "scale 1, Postgres to Postgres: {:.2} s",
        output.took.as_secs_f64()
    );
    for (rule, pinned, rows) in PINNED {
        let [
            base,
            filtered,
            read,
            inserted,
            updated,
            unchanged,
            skipped,
            rejected,
        ] = project.accounts(rule);
        assert_eq!(
            [
                base,
                filtered,
                read,
                inserted + updated + unchanged,
                skipped,
                rejected
            ],
            *pinned,
            "{rule}"
        );
        assert_eq!(
            project
                .target
                .count(&format!("select count(*) from {rule}")),
            *rows,
            "{rule}"
        );
    }
    let codes = |rule: &str| {
        let mut codes = project.status(rule)["codes"].clone();
        codes.sort_all_objects();
        codes
    };
    assert_eq!(
        codes("technicians")["reject"],
        serde_json::json!({"duplicate_email": 1, "missing_profile": 3})
    );
    assert_eq!(
        codes("technicians")["note"],
        serde_json::json!({"no_email": 2})
    );
    assert_eq!(
        codes("technician_roles")["reject"],
        serde_json::json!({"no_technician": 2, "orphan": 2})
    );
    assert_eq!(
        codes("order_cases")["reject"],
        serde_json::json!({"no_case": 36, "orphan": 16})
    );
    assert_eq!(
        codes("order_cases")["skip"],
        serde_json::json!({"deleted": 512})
    );
    assert_eq!(
        codes("purchases")["reject"],
        serde_json::json!({"negative_total": 4, "orphan": 19})
    );
    assert_eq!(
        codes("purchases")["skip"],
        serde_json::json!({"canceled": 1_421, "not_paid": 11_902, "zero_or_free": 250})
    );
    assert_eq!(
        codes("purchases")["note"],
        serde_json::json!({"no_order": 6, "product_ambiguous": 214, "subtotal_zero": 12, "total_mismatch": 22})
    );

    let target = &project.target;
    assert_eq!(
        target.one("select sum(total_amount) from purchases"),
        "4192387.34"
    );
    assert_eq!(
        target.count("select count(*) from order_cases where relationship_type = 'secondary'"),
        123
    );
    assert_eq!(target.count("select count(*) from technician_roles where role_name like 'Master%' and role_type <> 'master'"), 0);
    // source = target + rejected + skipped, from the two databases themselves.
    let source = money(
        &project.source,
        "select sum(total_price) from dispatch_payment",
    );
    let refused: Vec<String> =
        target.lines("select key from runner.quarantine where rule = 'purchases'");
    let rejected = money(
        &project.source,
        &format!(
            "select sum(total_price) from dispatch_payment where id in ({})",
            refused.join(", ")
        ),
    );
    let written = target.lines("select legacy_purchase_id from purchases");
    let skipped = money(
        &project.source,
        &format!(
            "select sum(total_price) from dispatch_payment where id not in ({}) and id not in ({})",
            refused.join(", "),
            written.join(", ")
        ),
    );
    assert_eq!(source, 419_238_734 + rejected + skipped);
    every_column_is_right(&project);

    if measuring() {
        assert!(
            output.took.as_secs_f64() <= 5.0,
            "scale 1 took {:?}",
            output.took
        );
    }
    project.runner(&run).ends_with(3).tells("already done");
}

/// A sum in cents.
fn money(db: &Db, sql: &str) -> i64 {
    db.one(sql).replace('.', "").parse().unwrap()
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

#[test]
fn half_a_million_rows_into_a_table_with_constraints() {
    let rows: u32 = if measuring() { 500_000 } else { 50_000 };
    let project = Project::pg(
        &format!(
            "create table sale(id integer primary key, code text not null, shop_id integer not null, total numeric(12,2) not null,
                tax numeric(12,2) not null, made_at timestamptz not null, remark text);
             insert into sale select n, 'S-' || n, 1 + n % 50, n % 10000 + 0.37, n % 7, timestamptz '2020-01-01' + n * interval '1 minute', 'remark ' || n
             from generate_series(1, {rows}) as n"
        ),
        "create table shops(id uuid primary key, legacy_shop_id integer unique);
         insert into shops select gen_random_uuid(), n from generate_series(1, 50) as n;
         create table sales(id uuid primary key, code text not null unique, shop_id uuid not null references shops, total numeric(12,2) not null,
            net numeric(12,2) not null, made_at timestamptz not null, remark text, legacy_sale_id integer not null unique)",
    );
    let project = project.with_binary(release_binary());
    project.rule(
        "sales",
        r#"const RULE = #{
    base: "sale", key: "id", target: "sales", legacy: "legacy_sale_id", id: "ordered",
    ids: #{ shops: #{ legacy: "legacy_shop_id", from: ["shop_id"] } },
    copy: #{ code: "code", made_at: "made_at", remark: "remark" },
    reconcile: #{ total: #{ source: "total", target: "total" } },
};

fn transform(row) {
    if row.total < 0 { reject("negative", "less than nothing"); }
    #{ shop_id: id_of("shops", row.shop_id), total: row.total, net: row.total - row.tax }
}
"#,
    );
    let output = project.runner(&["run"]);
    output.ends_with(0);
    let rate = f64::from(rows) / output.took.as_secs_f64();
    eprintln!(
        "{rows} rows, primary key, two unique constraints, a foreign key: {:.2} s, {rate:.0} rows/s",
        output.took.as_secs_f64()
    );
    assert_eq!(
        project.target.count("select count(*) from sales"),
        i64::from(rows)
    );
    assert_eq!(
        project
            .target
            .one("select sum(total) || ' ' || sum(net) from sales"),
        project
            .source
            .one("select sum(total) || ' ' || sum(total - tax) from sale")
    );
    if measuring() {
        assert!(rate >= 20_000.0, "{rate:.0} rows/s");
    }
}
