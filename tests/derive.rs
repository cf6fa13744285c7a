//! Every column of the nine tables, derived again by SQL that is written from the description of the
//! columns and owes nothing to the rules, and compared with what the rules wrote.

use crate::support::{Db, Project, columns};

/// A table, the column that tells its rows apart (with another one where a source row becomes several),
/// the columns that the database fills by itself, and the derivation.
struct Derivation {
    table: &'static str,
    key: &'static [&'static str],
    unset: &'static [&'static str],
    sql: &'static str,
}

macro_rules! derivation {
    ($table:literal, $key:expr, $unset:expr) => {
        Derivation {
            table: $table,
            key: &$key,
            unset: &$unset,
            sql: include_str!(concat!("derive/", $table, ".sql")),
        }
    };
}

const DERIVATIONS: &[Derivation] = &[
    derivation!("technicians", ["legacy_technician_id"], []),
    derivation!("technician_roles", ["legacy_role_id"], ["updated_at"]),
    derivation!(
        "order_cases",
        ["legacy_order_id", "case_id"],
        ["updated_at"]
    ),
    derivation!("purchases", ["legacy_purchase_id"], ["updated_at"]),
    derivation!(
        "treatment_discussions",
        ["legacy_comment_id"],
        ["updated_at"]
    ),
    derivation!(
        "brackets",
        ["legacy_bracket_id"],
        ["created_at", "updated_at"]
    ),
    derivation!(
        "template_view_groups",
        ["legacy_junction_id"],
        ["created_at", "updated_at"]
    ),
    derivation!(
        "template_view_roles",
        ["legacy_junction_id"],
        ["created_at", "updated_at"]
    ),
    derivation!("message_attachments", ["legacy_attachment_id"], []),
];

/// NULL for what is no JSON, or none that a `jsonb` can hold.
const AS_JSON: &str = "
    create function as_json(text) returns jsonb language plpgsql immutable as
    $$ begin return $1::jsonb; exception when others then return null; end $$;";

/// What text of a legacy database must survive. None is longer than the shortest column it goes into.
const HORRORS: &[&str] = &[
    "👩‍⚕️ 𝒳-ray 😀",
    "\u{202e}reversed\u{202c} שלום",
    "Zoe\u{308} Cafe\u{301} n\u{303}",
    "  trailing blanks   ",
    "first line\n\\.\nlast line",
    "\\.",
    "\\N",
    "line one\r\nline two\r\n",
    "<script>alert('x')</script> & <b>bold</b> &amp;",
    "Robert'); drop table students; --",
    "=HYPERLINK(\"http://example.invalid\",\"open\")",
    "\u{1b}[31mred\u{1b}[0m\u{7} bell",
    "\ttab, back\\slash \\t and \"quotes\"",
    "\u{feff}byte order mark",
    "+1+cmd|' /C calc'!A0",
    "zero\u{200d}width\u{200b} and no\u{a0}break",
];

/// Columns of the source that hold free text, and what tells which text a row gets.
const FREE_TEXT: &[(&str, &[&str])] = &[
    ("dispatch_comment", &["text"]),
    ("dispatch_file", &["name", "ext", "description"]),
    ("dispatch_bracket", &["name"]),
    ("dispatch_payment", &["order_id", "card_brand", "card_last"]),
    ("dispatch_role", &["name"]),
    ("auth_user", &["first_name", "last_name"]),
];

/// Where it arrives, in tables with rows enough for every text.
const ARRIVES: &[(&str, &str)] = &[
    ("treatment_discussions", "content"),
    ("message_attachments", "display_name"),
    ("message_attachments", "metadata ->> 'ext'"),
    ("message_attachments", "metadata ->> 'description'"),
    ("brackets", "name"),
    ("purchases", "audit_trail -> 0 ->> 'order_id'"),
    ("purchases", "audit_trail -> 0 ->> 'card_brand'"),
    ("purchases", "audit_trail -> 0 ->> 'card_last'"),
];

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Every second row that has any text gets one of the horrors instead.
fn plant_horrors(db: &Db) {
    let all: Vec<String> = HORRORS.iter().map(|text| quoted(text)).collect();
    let all = all.join(", ");
    for (table, columns) in FREE_TEXT {
        for (shift, column) in columns.iter().enumerate() {
            db.exec(&format!(
                "with numbered as (select id, row_number() over (order by id) as place from {table} where {column} ~ '[^[:space:]]')
                 update {table} t set {column} = (array[{all}])[1 + ((n.place + {shift}) / 2) % {}]
                 from numbered n where n.id = t.id and n.place % 2 = 0",
                HORRORS.len()
            ));
        }
    }
}

/// A run of all rules whose target holds the source's tables as well, so that one query sees both.
fn migrated(scale: &str) -> Project {
    let source = Db::postgres();
    let seeding = Project::over(&source, Db::postgres());
    let url = source.url();
    seeding
        .runner(&[
            "demo", "seed", "--scale", scale, "--source", &url, "--target", &url,
        ])
        .ends_with(0);
    plant_horrors(&source);
    // A technician without a first name, who is called by the user name.
    source.exec(
        "update auth_user set first_name = '  ' where id = (select min(u.id) from auth_user u
         join profiles p on p.legacy_user_id = u.id join auth_user_groups g on g.user_id = u.id where g.group_id = 11)",
    );
    let target = source.copy();
    target.exec(AS_JSON);
    target.exec("create table before_the_run as select * from message_attachments");
    let project = Project::over(&source, target);
    project.runner(&["run"]).ends_with(3);
    project
}

/// The number of rows and one key at which the table and its derivation differ in `sql`'s sense.
fn differences(it: &Derivation, db: &Db) -> Vec<String> {
    let derived = format!("derived_{}", it.table);
    db.exec(&format!("create table {derived} as {}", it.sql));
    let same_row: Vec<String> = it
        .key
        .iter()
        .map(|key| format!("t.{key} = e.{key}"))
        .collect();
    let joined = format!(
        "{} t full join {derived} e on {}",
        it.table,
        same_row.join(" and ")
    );
    let key = it.key[0];
    let mut found = db.lines(&format!(
        "select case when t.{key} is null then 'not written' else 'not derived' end, count(*), min(coalesce(t.{key}, e.{key}))
         from {joined} where t.{key} is null or e.{key} is null group by 1"
    ));
    let names = columns(db, it.table);
    let derived_names = columns(db, &derived);
    for name in names.iter().filter(|name| *name != "id") {
        if it.unset.contains(&name.as_str()) {
            continue;
        }
        assert!(
            derived_names.contains(name),
            "nothing is said of {}.{name}",
            it.table
        );
        // Where an adopted row keeps the time of its update to itself, the derivation says NULL.
        let open = if name == "updated_at" {
            "and e.updated_at is not null"
        } else {
            ""
        };
        found.extend(db.lines(&format!(
            "select '{name}', count(*), min(t.{key}), min(t.{name}::text), min(e.{name}::text) from {joined}
             where t.{name}::text is distinct from e.{name}::text and t.{key} is not null and e.{key} is not null {open}
             having count(*) > 0"
        )));
    }
    found
}

#[test]
fn every_column_is_what_the_description_says() {
    let project = migrated("0.05");
    let mut found = Vec::new();
    for it in DERIVATIONS {
        let rows = project
            .target
            .count(&format!("select count(*) from {}", it.table));
        assert!(rows > 3, "{}: {rows} rows", it.table);
        let wrong = differences(it, &project.target);
        found.extend(wrong.iter().map(|line| format!("{}: {line}", it.table)));
    }
    assert!(found.is_empty(), "{found:#?}");
    for (table, text) in ARRIVES {
        for horror in HORRORS {
            let sql = format!(
                "select count(*) from {table} where {text} = {}",
                quoted(horror)
            );
            if project.target.count(&sql) == 0 {
                found.push(format!("{table}.{text} never is {horror:?}"));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    let source = project.source.clone();
    drop(project);
    source.drop_database();
}
