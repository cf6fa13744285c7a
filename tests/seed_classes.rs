//! The demo's databases hold what they promise: every class is counted by SQL that knows nothing of how
//! the rows were made, on both engines. Source and target lie in one database here, so one query sees both.

use std::collections::BTreeMap;

use runner::config::DatabaseUrl;
use runner::demo::{self, Expected, Plan};

use crate::support::{Db, Engine, Project, canonical_dump, columns};

/// A rule and the query that gives its classes and their rows.
const CLASSES: &[(&str, &str)] = &[
    (
        "message_attachments",
        r"
select case when record_id is null then 'filtered'
            when m.id is null and not exists (select 1 from dispatch_record r where r.id = f.record_id) then 'orphan: record gone'
            when m.id is null then 'orphan: message missing'
            when t.id is null then 'orphan: file missing'
            else 'written' end, count(*)
from dispatch_file f
left join messages m on m.legacy_record_id = f.record_id
left join files t on t.legacy_file_id = f.id
group by 1
union all
select case when f.name is null then 'no_name' else 'bad_json' end, count(*)
from dispatch_file f
join messages m on m.legacy_record_id = f.record_id
join files t on t.legacy_file_id = f.id
where f.name is null or f.parameters like '%NaN%' or f.parameters like '{''%'
   or (f.parameters not like '%}' and f.parameters not like '%]')
   or replace(f.parameters, '\u0000', '') <> f.parameters
group by 1
union all
select 'adopted', count(*)
from message_attachments a
join messages m on m.id = a.message_id
join files t on t.id = a.file_id
join dispatch_file f on f.id = t.legacy_file_id and f.record_id = m.legacy_record_id
where a.legacy_attachment_id is null and a.display_name is null and a.attached_at is not null",
    ),
    (
        "technicians",
        r"
with read as (
  select u.*, nullif(lower(trim(u.email)), '') as email_key
  from auth_user u where u.id in (select user_id from auth_user_groups where group_id = 11)
), judged as (
  select r.*, p.id as profile,
    case when r.email_key is not null then min(r.id) over (partition by r.email_key) end as first
  from read r left join profiles p on p.legacy_user_id = r.id
)
select case when first < id then 'duplicate_email'
            when profile is null then 'missing_profile'
            else 'written' end, count(*)
from judged group by 1
union all
select 'filtered', count(*) from auth_user
where id not in (select user_id from auth_user_groups where group_id = 11)
union all
select 'no_email', count(*) from judged where email_key is null and profile is not null
union all
select 'several groups', count(*) from (
  select user_id from auth_user_groups group by user_id having count(*) > 1) several",
    ),
    (
        "technician_roles",
        r"
with keyed as (
  select u.id, nullif(lower(trim(u.email)), '') as email_key
  from auth_user u where u.id in (select user_id from auth_user_groups where group_id = 11)
), technicians_first as (
  select k.id, case when k.email_key is not null then min(k.id) over (partition by k.email_key) end as first
  from keyed k
)
select case when r.group_id <> 11 then 'filtered'
            when r.user_id is null then 'no_technician'
            when t.id is null then 'orphan'
            when p.id is null then 'orphan'
            when t.first < t.id then 'orphan'
            when r.type between 1 and 6 then 'written'
            else 'unknown_role_type' end, count(*)
from dispatch_role r
left join technicians_first t on t.id = r.user_id
left join profiles p on p.legacy_user_id = t.id
group by 1",
    ),
    (
        "brackets",
        r"
select case when b.name is null or trim(b.name, 'BLANKS') = '' then 'blank_name' else 'written' end, count(*)
from dispatch_bracket b group by 1
union all
select 'project_gone', count(*)
from dispatch_bracket b left join projects p on p.legacy_project_id = b.project_id
where trim(b.name, 'BLANKS') <> '' and b.project_id is not null and p.id is null",
    ),
    (
        "order_cases",
        r"
with judged as (
  select case when i.deleted then 'deleted'
              when o.id is null then 'orphan'
              when not exists (select 1 from cases c where c.legacy_patient_id = i.patient_id) then 'no_case'
              else 'written' end as class, i.patient_id
  from dispatch_instruction i left join orders o on o.legacy_instruction_id = i.id
)
select class, count(*) from judged group by 1
union all
select 'target rows', count(*) from judged j join cases c on c.legacy_patient_id = j.patient_id where j.class = 'written'",
    ),
    (
        "treatment_discussions",
        r"
with judged as (
  select case when trim(c.text, 'BLANKS') = '' then 'blank'
              when l.id is null then 'orphan'
              when not exists (select 1 from cases k where k.legacy_patient_id = i.patient_id) then 'no_case'
              else 'written' end as class, a.id as author
  from dispatch_comment c
  left join dispatch_plan l on l.id = c.plan_id
  left join dispatch_instruction i on i.id = l.instruction_id
  left join profiles a on a.legacy_user_id = c.author_id
)
select class, count(*) from judged group by 1
union all
select 'author_gone', count(*) from judged where class = 'written' and author is null",
    ),
    (
        "template_view_groups",
        r"
with judged as (
  select v.*, t.id as template, o.id as other,
    min(v.id) over (partition by v.template_id, v.group_id) as first
  from dispatch_template_view_groups v
  left join templates t on t.legacy_template_id = v.template_id
  left join teams o on o.legacy_group_id = v.group_id
)
select case when template is null or other is null then 'orphan'
            when first < id then 'duplicate_of'
            else 'written' end, count(*)
from judged j group by 1",
    ),
    (
        "template_view_roles",
        r"
with judged as (
  select v.*, t.id as template, o.id as other,
    min(v.id) over (partition by v.template_id, v.role_id) as first
  from dispatch_template_view_roles v
  left join templates t on t.legacy_template_id = v.template_id
  left join roles o on o.legacy_id = v.role_id
)
select case when template is null or other is null then 'orphan'
            when first < id then 'duplicate_of'
            else 'written' end, count(*)
from judged j group by 1",
    ),
    (
        "purchases",
        r"
with judged as (
  select case when not p.paid then 'not_paid'
              when p.canceled then 'canceled'
              when p.free or p.total_price = 0 then 'zero_or_free'
              when (p.instruction_id is not null and o.id is null) or d.id is null then 'orphan'
              when p.total_price < 0 then 'negative_total'
              else 'written' end as class,
         p.*, i.course_id
  from dispatch_payment p
  left join dispatch_instruction i on i.id = p.instruction_id
  left join orders o on o.legacy_instruction_id = p.instruction_id
  left join profiles d on d.legacy_user_id = p.doctor_id
)
select class, count(*) from judged group by 1
union all select 'no_order', count(*) from judged where class = 'written' and instruction_id is null
union all select 'total_mismatch', count(*) from judged where class = 'written'
  and round(total_price * 100) <> round(subtotal_price * 100) + round(tax_value * 100)
union all select 'subtotal_zero', count(*) from judged where class = 'written' and subtotal_price = 0
union all select 'product_ambiguous', count(*) from judged j where class = 'written'
  and (select count(*) from dispatch_product x where x.course_id = j.course_id) <> 1",
    ),
];

/// Sums of the payments in cents, by class.
const TOTALS: &str = r"
with judged as (
  select case when not p.paid then 'not_paid'
              when p.canceled then 'canceled'
              when p.free or p.total_price = 0 then 'zero_or_free'
              when (p.instruction_id is not null and o.id is null) or d.id is null then 'orphan'
              when p.total_price < 0 then 'negative_total'
              else 'written' end as class,
         p.*, i.course_id
  from dispatch_payment p
  left join dispatch_instruction i on i.id = p.instruction_id
  left join orders o on o.legacy_instruction_id = p.instruction_id
  left join profiles d on d.legacy_user_id = p.doctor_id
)
select class, cast(sum(round(total_price * 100)) as bigint) from judged group by 1
union all select 'source', cast(sum(round(total_price * 100)) as bigint) from judged";

/// Classes of the whole scale, in the query's own words.
const PINNED: &[(&str, &str, i64)] = &[
    ("message_attachments", "orphan: record gone", 140),
    ("message_attachments", "orphan: message missing", 60),
    ("message_attachments", "orphan: file missing", 25),
    ("technicians", "several groups", 7),
    ("purchases", "written", 3_701),
];

fn seeded(engine: Engine, plan: &Plan) -> Project {
    let project = Project::empty(engine, engine);
    let url = DatabaseUrl::parse(&project.source.url(), "test").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut rows = 0;
    let mut progress = |_: &str, _: u64| rows += 1;
    let summary = runtime
        .block_on(demo::seed(&url, &url, plan, &mut progress))
        .unwrap();
    assert!(rows > 0 && summary.rows > 0);
    project
}

fn counted(db: &Db, sql: &str) -> BTreeMap<String, i64> {
    let sql = sql.replace("BLANKS", " \t\r\n");
    let rows = db.rows(&sql).into_iter();
    rows.map(|row| {
        let [class, count] = <[_; 2]>::try_from(row).unwrap();
        (class.unwrap(), count.unwrap().parse().unwrap())
    })
    .collect()
}

/// The query's classes in the words of [`Expected`]: sub-kinds of a code are added up.
fn by_code(counted: &BTreeMap<String, i64>) -> BTreeMap<String, u64> {
    let mut codes = BTreeMap::new();
    for (class, count) in counted {
        let code = class.split(':').next().unwrap();
        *codes.entry(code.to_owned()).or_default() += count.unsigned_abs();
    }
    codes.remove("several groups");
    codes
}

fn promised(it: &Expected) -> BTreeMap<String, u64> {
    let codes = it.skipped.iter().chain(&it.rejected).chain(&it.notes);
    let mut promised: BTreeMap<String, u64> = codes
        .map(|(code, rows)| ((*code).to_owned(), *rows))
        .collect();
    promised.insert("written".to_owned(), it.written_rows);
    for (name, rows) in [("filtered", it.filtered), ("adopted", it.adopted)] {
        if rows > 0 {
            promised.insert(name.to_owned(), rows);
        }
    }
    if it.rule == "order_cases" {
        promised.insert("target rows".to_owned(), it.target_rows);
    }
    promised
}

fn check(db: &Db, plan: &Plan) {
    for it in demo::expected_of(plan) {
        let (_, sql) = CLASSES.iter().find(|(rule, _)| *rule == it.rule).unwrap();
        let counted = counted(db, sql);
        assert_eq!(by_code(&counted), promised(&it), "{} {plan:?}", it.rule);
    }
}

fn check_totals(db: &Db, scale: f64) {
    let promised = demo::purchase_totals(scale);
    let classes = promised.skipped.iter().chain(&promised.rejected);
    let mut sums: BTreeMap<String, i64> = classes
        .map(|(class, cents)| ((*class).to_owned(), *cents))
        .collect();
    sums.insert("written".to_owned(), promised.written);
    sums.insert("source".to_owned(), promised.source);
    assert_eq!(counted(db, TOTALS), sums, "scale {scale}");
}

#[test]
fn a_small_scale_has_every_class() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        for scale in [0.001, 0.01, 0.1] {
            let plan = Plan {
                scale,
                ..Plan::default()
            };
            let project = seeded(engine, &plan);
            check(&project.source, &plan);
            check_totals(&project.source, scale);
        }
    }
}

#[test]
fn the_whole_scale_is_what_was_pinned() {
    let plan = Plan::default();
    let project = seeded(Engine::Postgres, &plan);
    check(&project.source, &plan);
    check_totals(&project.source, 1.0);
    assert_eq!(demo::purchase_totals(1.0).written, 419_238_734);
    for (rule, class, rows) in PINNED {
        let (_, sql) = CLASSES.iter().find(|(name, _)| name == rule).unwrap();
        assert_eq!(
            counted(&project.source, sql).get(*class),
            Some(rows),
            "{rule} {class}"
        );
    }
}

#[test]
fn a_benchmark_of_one_rule_reads_just_so_many_rows() {
    for it in demo::expected(1.0) {
        let plan = Plan {
            scale: 0.01,
            rows: Some((it.rule.to_owned(), 2_000)),
            ..Plan::default()
        };
        let promised = demo::expected_of(&plan);
        let promised = promised.iter().find(|other| other.rule == it.rule).unwrap();
        assert_eq!(promised.read, 2_000, "{}", it.rule);
        check(&seeded(Engine::Sqlite, &plan).source, &plan);
    }
}

#[test]
fn both_engines_hold_the_same_rows_and_another_seed_holds_others() {
    let plan = Plan {
        scale: 0.01,
        seed: 7,
        rows: None,
    };
    let dump = |engine, plan: &Plan| {
        let db = seeded(engine, plan);
        let tables = [
            "dispatch_comment",
            "dispatch_record",
            "auth_user",
            "files",
            "profiles",
            "cases",
        ];
        // engines print booleans differently, and defaults are the time of day
        let flags = ["is_staff", "is_active", "is_superuser", "public"];
        assert!(columns(&db.source, "files").len() > 3);
        canonical_dump(&db.source, &tables, &flags)
    };
    let postgres = dump(Engine::Postgres, &plan);
    assert!(
        postgres == dump(Engine::Sqlite, &plan),
        "the engines differ"
    );
    assert!(postgres == dump(Engine::Postgres, &plan), "not repeatable");
    let other = Plan { seed: 8, ..plan };
    assert!(
        postgres != dump(Engine::Postgres, &other),
        "the seed does nothing"
    );
}

#[test]
fn a_database_that_holds_rows_is_refused() {
    let plan = Plan {
        scale: 0.001,
        ..Plan::default()
    };
    let project = seeded(Engine::Sqlite, &plan);
    let url = DatabaseUrl::parse(&project.source.url(), "test").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let again = runtime.block_on(demo::seed(&url, &url, &plan, &mut |_, _| {}));
    assert_eq!(
        again.unwrap_err().message,
        "the source database already holds rows in `auth_user`"
    );
}
