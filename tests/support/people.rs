//! A small migration that several tests start from: people of two kinds, some of them hopeless.

use super::project::Project;

/// 120 people: every 10th is inactive (skipped), every 15th has no name (rejected), one e-mail is odd.
pub const SOURCE: &str = "
    create table person(id integer primary key, name text, email text, active boolean not null, born date,
        joined timestamp with time zone, balance numeric(12,2), kind_id integer, notes text);
    create table kind(id integer primary key, name text not null);
    insert into kind values (1, 'patient'), (2, 'doctor');
    insert into person
        select n, case when n % 15 <> 0 then 'Person ' || n end, 'P' || n || '@example.org', n % 10 <> 0,
            date '1990-01-01' + n, timestamptz '2020-02-03 04:05:06+00' + n * interval '1 hour', n * 1.25,
            1 + n % 2, E'line one\\r\\nline two \\\\. \\\\N ' || n
        from generate_series(1, 120) as n;
";

pub const TARGET: &str = "
    create table kinds(id uuid primary key, name text not null, legacy_kind_id integer unique);
    create table people(id uuid primary key, name varchar(40) not null, email text, kind_id uuid not null references kinds(id),
        born date, joined timestamptz, balance numeric(12,2) not null check (balance >= 0), notes text,
        metadata jsonb not null default '{}', legacy_person_id integer unique not null, created_at timestamptz default now());
";

pub const KINDS: &str = r#"//! Kinds of people.

const RULE = #{
    base: "kind", key: "id", target: "kinds", legacy: "legacy_kind_id",
    copy: #{ name: "name" },
};

fn transform(row) { #{} }
"#;

/// Reads 120: 12 skipped, 8 without a name of which 4 are skipped before, so 4 rejected, 104 written.
pub const PEOPLE: &str = r#"//! People.

const RULE = #{
    base: "person", key: "id", target: "people", legacy: "legacy_person_id",
    ids: #{ kinds: #{ legacy: "legacy_kind_id", from: ["kind_id"] } },
    copy: #{ born: "born", joined: "joined", notes: "notes" },
    public: ["active"],
    expect: #{ min_success: 0.9 },
    fix: #{ no_name: "give the person a name" },
};

fn transform(row) {
    if !row.active { skip("inactive"); }
    if row.name == () { reject("no_name", "a person has to have a name"); }
    #{
        name: row.name,
        email: words::lower(row.email),
        kind_id: id_of("kinds", row.kind_id),
        balance: row.balance,
        metadata: #{ legacy_email: row.email },
    }
}

fn test_a_name_is_needed() {
    assert_eq(1, 1);
}
"#;

pub const LIB: &str = r"//! Texts.

fn lower(text) {
    if text == () { return (); }
    text.to_lower()
}
";

/// base filtered read inserted updated unchanged skipped rejected of `people` after one run.
pub const PEOPLE_ACCOUNTS: [i64; 8] = [120, 0, 120, 104, 0, 0, 12, 4];

impl Project {
    /// Kinds and people in Postgres, nothing migrated yet.
    pub fn people() -> Self {
        let project = Self::pg(SOURCE, TARGET);
        project.rule("kinds", KINDS);
        project.rule("people", PEOPLE);
        project.write("rules/lib/words.rhai", LIB);
        project
    }
}
