//! Rows that are in the target already: found, never doubled, never overwritten unless the rule says so.

use crate::support::{Db, Project, quarantine_dump};

const SOURCE: &str = "
    create table shop(id integer primary key, code text not null, name text, town text, owner_id integer);
    insert into shop values (1, 'a', 'One', 'Bern', 9), (2, 'b', 'Two', 'Basel', 9), (3, 'c', 'Three', 'Chur', 9), (4, 'd', 'Four', 'Davos', 9);
";

const TARGET: &str = "
    create table shops(id uuid primary key, legacy_shop_id integer unique, code text unique, name text, town text default 'nowhere',
        rank integer not null default 0, created_at timestamptz not null default now());
";

/// The tracking table of the old scripts, in the known shape.
const MAPPINGS: &str = "
    create table migration_mappings(entity_type varchar(100), legacy_id integer, new_id uuid, migrated_at timestamptz default now(),
        migration_batch varchar(100), primary key (entity_type, legacy_id), unique (new_id));
";

/// A row an old script left, with an id nobody can compute.
const OLD: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const OTHER: &str = "aaaaaaaa-0000-4000-8000-000000000002";

fn project(target: &str, header: &str) -> Project {
    let project = Project::pg(SOURCE, &format!("{TARGET}{target}"));
    project.rule(
        "shops",
        &format!(
            r#"const RULE = #{{
    base: "shop", key: "id", target: "shops", legacy: "legacy_shop_id",
    copy: #{{ code: "code", name: "name", town: "town" }},
    stop: #{{ faults: 1000, share: 1.0 }},
    {header}
}};

fn transform(row) {{ #{{}} }}
"#
        ),
    );
    project
}

fn shop(target: &Db, key: u32) -> String {
    let rows = target.lines(&format!(
        "select id, code, name, town, rank from shops where legacy_shop_id = {key}"
    ));
    assert_eq!(rows.len(), 1, "rows of key {key}: {rows:?}");
    rows[0].clone()
}

/// inserted updated unchanged skipped rejected
fn outcomes(project: &Project) -> [i64; 5] {
    let [.., inserted, updated, unchanged, skipped, rejected] = project.accounts("shops");
    [inserted, updated, unchanged, skipped, rejected]
}

#[test]
fn a_row_with_the_legacy_key_is_adopted_and_its_empty_columns_are_filled() {
    // NULL is filled, and so is what stands at its default; what somebody wrote stays.
    let row = format!(
        "insert into shops(id, legacy_shop_id, name) values ('{OLD}', 1, 'Chosen by hand')"
    );
    let project = project(&row, "");
    project.runner(&["run"]).ends_with(0);
    assert_eq!(
        shop(&project.target, 1),
        format!("{OLD}|a|Chosen by hand|Bern|0")
    );
    assert_eq!(outcomes(&project), [3, 1, 0, 0, 0]);
    assert_eq!(project.target.count("select count(*) from shops"), 4);
}

#[test]
fn nothing_to_fill_is_unchanged_and_a_difference_is_kept() {
    let rows = format!(
        "insert into shops(id, legacy_shop_id, code, name, town) values
            ('{OLD}', 1, 'a', 'One', 'Bern'), ('{OTHER}', 2, 'b', 'Another name', 'Basel')"
    );
    let project = project(&rows, "");
    let marks = "select id, xmin from shops where legacy_shop_id in (1, 2) order by 1";
    let before = project.target.lines(marks);
    project.runner(&["run"]).ends_with(0);
    assert_eq!(
        project.target.lines(marks),
        before,
        "a row with nothing to fill was written"
    );
    assert_eq!(outcomes(&project), [2, 0, 2, 0, 0]);
    assert_eq!(
        shop(&project.target, 2),
        format!("{OTHER}|b|Another name|Basel|0")
    );
    assert_eq!(
        project
            .target
            .count("select coalesce(sum(kept), 0) from runner.chunk"),
        1,
        "the difference is on record"
    );
    // And again, from the beginning: adopted rows do not turn into something else.
    project.runner(&["run", "--restart"]).ends_with(0);
    assert_eq!(outcomes(&project), [0, 0, 4, 0, 0]);
    assert_eq!(project.target.lines(marks), before);
}

#[test]
fn an_id_from_the_old_scripts_mappings_is_adopted() {
    let rows = format!(
        "{MAPPINGS} insert into shops(id, name) values ('{OLD}', null);
         insert into migration_mappings(entity_type, legacy_id, new_id) values ('shops', 1, '{OLD}')"
    );
    let project = project(&rows, "");
    project.runner(&["run"]).ends_with(0);
    assert_eq!(
        shop(&project.target, 1),
        format!("{OLD}|a|One|Bern|0"),
        "the legacy column is filled too"
    );
    assert_eq!(outcomes(&project), [3, 1, 0, 0, 0]);
    // Kept current for the dashboards that read them: one mapping a row.
    let mapped = "select count(*) from migration_mappings m join shops s on s.id = m.new_id and s.legacy_shop_id = m.legacy_id \
                  where entity_type = 'shops'";
    assert_eq!(project.target.count(mapped), 4);
}

#[test]
fn a_mapping_to_nothing_is_a_finding_and_the_row_is_written() {
    let rows = format!(
        "{MAPPINGS} insert into migration_mappings(entity_type, legacy_id, new_id) values ('shops', 1, '{OLD}')"
    );
    let project = project(&rows, "");
    project.runner(&["run"]).ends_with(0);
    assert_eq!(outcomes(&project), [4, 0, 0, 0, 0]);
    assert!(
        project
            .target
            .count("select count(*) from runner.finding where name like '%stale_mapping%'")
            > 0
    );
}

#[test]
fn a_row_that_matches_by_nature_is_adopted() {
    let rows = format!("insert into shops(id, code) values ('{OLD}', 'a')");
    let project = project(&rows, r#"match: ["code"],"#);
    project.runner(&["run"]).ends_with(0);
    assert_eq!(shop(&project.target, 1), format!("{OLD}|a|One|Bern|0"));
    assert_eq!(outcomes(&project), [3, 1, 0, 0, 0]);
}

#[test]
fn the_legacy_column_wins_over_the_mapping_and_the_mapping_over_the_match_only_when_they_agree() {
    let rows = format!(
        "{MAPPINGS} insert into shops(id, legacy_shop_id, code) values ('{OLD}', 1, 'a'), ('{OTHER}', null, 'x');
         insert into migration_mappings(entity_type, legacy_id, new_id) values ('shops', 1, '{OTHER}')"
    );
    let project = project(&rows, "");
    let before = project
        .target
        .lines("select id, xmin from shops order by 1");
    project.runner(&["run"]).ends_with(3);
    assert_eq!(quarantine_dump(&project.target), ["shops|1|two_ids"]);
    assert_eq!(outcomes(&project), [3, 0, 0, 0, 1]);
    let after = project
        .target
        .lines("select id, xmin from shops order by 1");
    assert!(
        before.iter().all(|row| after.contains(row)),
        "neither of the two was touched"
    );
}

#[test]
fn two_rows_found_by_legacy_column_and_by_match_are_two_ids() {
    let rows = format!(
        "insert into shops(id, legacy_shop_id, code) values ('{OLD}', 1, 'zz'), ('{OTHER}', null, 'a')"
    );
    let project = project(&rows, r#"match: ["code"],"#);
    project.runner(&["run"]).ends_with(3);
    assert_eq!(quarantine_dump(&project.target), ["shops|1|two_ids"]);
}

#[test]
fn a_match_that_belongs_to_another_key_is_not_adopted() {
    let rows = format!(
        "insert into shops(id, legacy_shop_id, code, name) values ('{OLD}', 77, 'a', 'Of key 77')"
    );
    let project = project(&rows, r#"match: ["code"],"#);
    project.runner(&["run"]).ends_with(3);
    assert_eq!(quarantine_dump(&project.target), ["shops|1|duplicate_of"]);
    assert_eq!(
        shop(&project.target, 77),
        format!("{OLD}|a|Of key 77|nowhere|0")
    );
}

#[test]
fn of_two_keys_with_one_nature_the_lower_wins_whatever_the_chunks() {
    for (rows, writers) in [("1", "1"), ("1", "4"), ("100", "2")] {
        // The target's own constraint would say it too; here only the rule's `match` does.
        let project = project(
            "alter table shops drop constraint shops_code_key",
            r#"match: ["code"],"#,
        );
        project
            .source
            .exec("update shop set code = 'same' where id in (2, 4)");
        project
            .runner(&["run", "--batch-rows", rows, "--writers", writers])
            .ends_with(3);
        assert_eq!(
            quarantine_dump(&project.target),
            ["shops|4|duplicate_of"],
            "{rows} rows, {writers} writers"
        );
        assert_eq!(outcomes(&project), [3, 0, 0, 0, 1]);
    }
}

#[test]
fn existing_keep_adopts_and_writes_nothing() {
    let rows = format!("insert into shops(id, legacy_shop_id) values ('{OLD}', 1)");
    let project = project(&rows, r#"existing: "keep","#);
    project.runner(&["run"]).ends_with(0);
    assert_eq!(
        shop(&project.target, 1),
        format!("{OLD}|NULL|NULL|nowhere|0")
    );
    assert_eq!(outcomes(&project), [3, 0, 1, 0, 0]);
}

#[test]
fn existing_update_adopts_and_writes_what_differs() {
    let rows = format!(
        "insert into shops(id, legacy_shop_id, code, name, town, rank) values ('{OLD}', 1, 'a', 'Old', 'Olten', 5), ('{OTHER}', 2, 'b', 'Two', 'Basel', 0)"
    );
    let project = project(&rows, r#"existing: "update","#);
    project.runner(&["run"]).ends_with(0);
    assert_eq!(
        shop(&project.target, 1),
        format!("{OLD}|a|One|Bern|5"),
        "what the rule does not set stays"
    );
    assert_eq!(outcomes(&project), [2, 1, 1, 0, 0]);
}

#[test]
fn existing_conflict_rejects() {
    let rows = format!("insert into shops(id, legacy_shop_id) values ('{OLD}', 1)");
    let project = project(&rows, r#"existing: "conflict","#);
    project.runner(&["run"]).ends_with(3);
    assert_eq!(quarantine_dump(&project.target), ["shops|1|conflict"]);
    assert_eq!(
        shop(&project.target, 1),
        format!("{OLD}|NULL|NULL|nowhere|0")
    );
}

#[test]
fn children_find_adopted_parents() {
    let rows = format!(
        "insert into shops(id, legacy_shop_id, code) values ('{OLD}', 1, 'a');
         create table sales(id uuid primary key, legacy_sale_id integer unique, shop_id uuid not null references shops)"
    );
    let project = project(&rows, "");
    project.source.exec("create table sale(id integer primary key, shop_id integer); insert into sale values (1, 1), (2, 4), (3, 99), (4, null)");
    project.rule(
        "sales",
        r#"const RULE = #{
    base: "sale", key: "id", target: "sales", legacy: "legacy_sale_id",
    ids: #{ shops: #{ legacy: "legacy_shop_id", from: ["shop_id"] } },
    stop: #{ faults: 1000, share: 1.0 },
};

fn transform(row) { #{ shop_id: id_of("shops", row.shop_id) } }
"#,
    );
    project.runner(&["run"]).ends_with(3);
    let sales = "select legacy_sale_id, s.legacy_shop_id, shop_id = s.id from sales join shops s on s.id = shop_id order by 1";
    assert_eq!(project.target.lines(sales), ["1|1|t", "2|4|t"]);
    assert_eq!(
        project
            .target
            .one("select shop_id from sales where legacy_sale_id = 1"),
        OLD
    );
    let refused = quarantine_dump(&project.target);
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert_eq!(refused[0], "sales|3|orphan");
}

#[test]
fn rows_that_an_old_script_left_half_filled_are_completed() {
    // As in the real target: a junction with its two ends and a type, and a time of its own, nothing else.
    let rows = format!(
        "create table links(id uuid primary key, shop_id uuid not null, code text not null, kind text not null, linked_at timestamptz not null,
            note text, metadata jsonb not null default '{{}}', legacy_link_id integer unique, created_at timestamptz default now(), unique (shop_id, code));
         insert into shops(id, legacy_shop_id, code) values ('{OTHER}', 1, 'a');
         insert into links(id, shop_id, code, kind, linked_at) values ('{OLD}', '{OTHER}', 'x', 'file', '2020-01-01')"
    );
    let project = project(&rows, "");
    project.source.exec(
        "create table link(id integer primary key, shop_id integer, code text, note text, at timestamptz);
         insert into link values (5, 1, 'x', 'first', '2019-05-05 05:05:05+00'), (6, 1, 'y', 'second', '2019-06-06 06:06:06+00')",
    );
    project.rule(
        "links",
        r#"const RULE = #{
    base: "link", key: "id", target: "links", legacy: "legacy_link_id", match: ["shop_id", "code"],
    ids: #{ shops: #{ legacy: "legacy_shop_id", from: ["shop_id"] } },
    copy: #{ note: "note", linked_at: "at", created_at: "at" },
};

fn transform(row) {
    #{ shop_id: id_of("shops", row.shop_id), code: row.code, kind: "file", metadata: #{ code: row.code } }
}
"#,
    );
    project.runner(&["run"]).ends_with(0);
    let links = "select id, code, linked_at, note, metadata, legacy_link_id from links order by legacy_link_id";
    let links = project.target.lines(links);
    assert_eq!(
        links[0],
        format!("{OLD}|x|2020-01-01 00:00:00+00|first|{{\"code\": \"x\"}}|5"),
        "its own time is kept"
    );
    assert_eq!(links.len(), 2);
    let [.., inserted, updated, unchanged, _, rejected] = project.accounts("links");
    assert_eq!((inserted, updated, unchanged, rejected), (1, 1, 0, 0));
    project.runner(&["run", "--restart"]).ends_with(0);
    let [.., inserted, updated, unchanged, _, rejected] = project.accounts("links");
    assert_eq!((inserted, updated, unchanged, rejected), (0, 0, 2, 0));
}

/// From then on nobody can tell what we filled from what the row's owner put in.
#[test]
fn a_filled_column_of_an_adopted_row_follows_a_sync_only_where_the_rule_updates() {
    for (existing, after) in [("fill", "One"), ("update", "Uno")] {
        let project = project("", &format!("existing: \"{existing}\","));
        project.target.exec(&format!(
            "insert into shops(id, legacy_shop_id, code) values ('{OLD}', 1, 'a')"
        ));
        project.runner(&["run"]).ends_with(0);
        assert_eq!(shop(&project.target, 1), format!("{OLD}|a|One|Bern|0"));
        project.source.exec(
            "update shop set name = 'Uno' where id = 1; update shop set name = 'Due' where id = 2",
        );
        let synced = project.runner(&["sync", "--json"]);
        synced.ends_with(0);
        assert_eq!(
            shop(&project.target, 1),
            format!("{OLD}|a|{after}|Bern|0"),
            "{existing}"
        );
        assert!(shop(&project.target, 2).contains("|Due|"), "{existing}");
        project.runner(&["verify"]).ends_with(0);
        let again = project.runner(&["sync", "--json"]);
        again.ends_with(0);
        assert_eq!(again.json()["changed"], 0, "{existing}: {again}");
        // an edit is seen all the same
        project
            .target
            .exec("update shops set name = 'By hand' where legacy_shop_id = 1");
        project
            .runner(&["verify"])
            .ends_with(4)
            .prints("target-edited");
    }
}
