//! A table with constraints, at a size where they cost.

use crate::support::{Project, measuring, release_binary};

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
