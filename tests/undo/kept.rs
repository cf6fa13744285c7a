//! What an undo leaves as it is: rows that somebody edited or refers to, and everything that was there before.

use super::{dump, same};
use crate::support::{Engine, Project};

#[test]
fn an_edited_row_stays_and_is_named() {
    let project = Project::people();
    project.runner(&["run"]).ends_with(3);
    project
        .target
        .exec("update people set notes = 'by hand' where legacy_person_id in (17, 23)");
    let preview = project.runner(&["undo", "1", "--dry-run"]);
    preview
        .ends_with(0)
        .prints("people: 2 rows kept, edited since: 17 23")
        .prints("kinds: 1 row kept, `people` refers to them: 2");
    let undone = project.runner(&["undo", "1", "--json"]).ends_with(0).json();
    let people = &undone["rules"][0];
    assert_eq!(people["name"], "people");
    assert_eq!(people["removed"], 102);
    assert_eq!(people["kept"][0]["key"], "17");
    assert_eq!(people["kept"][0]["why"], "edited");
    assert_eq!(
        project
            .target
            .lines("select legacy_person_id, notes from people order by 1"),
        ["17|by hand", "23|by hand"]
    );
    assert_eq!(project.target.count("select count(*) from kinds"), 1);
    assert_eq!(project.accounts("people"), [0; 8]);
    project
        .runner(&["why", "people", "16"])
        .ends_with(0)
        .prints("taken back");
    // run again, they are what they are for any run: somebody's edit, which it does not overwrite
    project.runner(&["run"]).ends_with(3);
    assert_eq!(project.accounts("people"), [120, 0, 120, 102, 0, 0, 12, 6]);
    assert_eq!(
        project
            .target
            .lines("select key from runner.quarantine where code = 'conflict' order by 1"),
        ["17", "23"]
    );
}

#[test]
fn no_row_goes_silently_by_a_cascade() {
    for action in [
        "cascade",
        "set null",
        "no action",
        "restrict",
        "set default",
    ] {
        let project = Project::people();
        project.target.exec(&format!(
            "create table visits(n int primary key, person uuid references people(id) on delete {action});
             create schema other; create table other.notes(n int primary key, legacy int references people(legacy_person_id) on delete {action})"
        ));
        project.runner(&["run"]).ends_with(3);
        project.target.exec(
            "insert into visits select 1, id from people where legacy_person_id = 17; insert into other.notes values (1, 23)",
        );
        project
            .runner(&["undo", "1", "--batch-rows", "10"])
            .ends_with(0)
            .prints("people: 1 row kept, `visits` refers to them: 17")
            .prints("people: 1 row kept, `other.notes` refers to them: 23");
        assert_eq!(
            project
                .target
                .lines("select p.legacy_person_id from visits v join people p on p.id = v.person"),
            ["17"],
            "{action}"
        );
        assert_eq!(
            project.target.lines("select legacy from other.notes"),
            ["23"]
        );
        assert_eq!(project.target.count("select count(*) from people"), 2);
        // what stayed because of others is ours still, and a later run leaves it as it is
        project.runner(&["run"]).ends_with(3);
        assert_eq!(project.accounts("people"), [120, 0, 120, 102, 0, 2, 12, 4]);
        project.runner(&["verify"]).ends_with(0);
    }
}

const SHOPS: &str = r#"const RULE = #{
    base: "shop", key: "id", target: "shops", legacy: "legacy_shop_id", existing: "update",
    copy: #{ code: "code", name: "name", town: "town" },
};
fn transform(row) { #{} }
"#;

/// Two shops of old scripts, one of which is found by its mapping; a mapping that leads nowhere.
fn shops(engine: Engine) -> Project {
    let (uuid, now, trigger) = match engine {
        Engine::Postgres => (
            "uuid",
            "timestamptz not null default now()",
            "create function touch() returns trigger language plpgsql as 'begin new.updated_at := clock_timestamp(); return new; end';
             create trigger touch before update on shops for each row execute function touch();
             create trigger sleeping before update on shops for each row execute function touch();
             alter table shops disable trigger sleeping",
        ),
        Engine::Sqlite => (
            "uuid",
            "timestamptz not null default current_timestamp",
            "create trigger touch after update on shops when new.updated_at = old.updated_at begin \
             update shops set updated_at = 'touched' where id = new.id; end",
        ),
    };
    let project = Project::between(
        engine,
        "create table shop(id integer primary key, code text, name text, town text);
         insert into shop values (1, 'a', 'One', 'Bern'), (2, 'b', 'Two', 'Basel'), (3, 'c', 'Three', 'Chur'), (4, 'd', 'Four', 'Davos')",
        engine,
        &format!(
            "create table shops(id {uuid} primary key, legacy_shop_id integer unique, code text unique, name text, town text,
                size numeric(8,3), open boolean, updated_at {now});
             create table migration_mappings(entity_type varchar(100) not null, legacy_id integer not null, new_id {uuid} not null unique,
                migrated_at timestamptz, migration_batch varchar(100), primary key (entity_type, legacy_id));
             insert into shops values ('aaaaaaaa-0000-4000-8000-000000000001', 1, 'a', 'Old', null, 1.250, true, '2020-01-01 00:00:00+00'),
                ('aaaaaaaa-0000-4000-8000-000000000002', null, 'x', null, 'it''s', 7, false, '2020-01-01 00:00:00+00'),
                ('aaaaaaaa-0000-4000-8000-000000000009', 900, 'z', 'Other', 'Zug', null, null, '2020-01-01 00:00:00+00');
             insert into migration_mappings values ('shops', 2, 'aaaaaaaa-0000-4000-8000-000000000002', '2020-01-01 00:00:00+00', 'old'),
                ('shops', 3, 'aaaaaaaa-0000-4000-8000-000000000003', '2020-01-02 00:00:00+00', 'old');
             {trigger}"
        ),
    );
    project.rule("shops", SHOPS);
    project
}

#[test]
fn adopted_rows_their_triggers_and_the_mappings_are_as_before() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let project = shops(engine);
        let before = dump(&project.target, &[]);
        project.runner(&["run"]).ends_with(0);
        assert_eq!(project.accounts("shops"), [4, 0, 4, 2, 2, 0, 0, 0]);
        let migrated = dump(
            &project.target,
            &["updated_at", "migrated_at", "migration_batch"],
        );
        let undone = project.runner(&["undo", "1", "--json"]).ends_with(0).json();
        assert_eq!(undone["rules"][0]["removed"], 2, "{undone:#}");
        assert_eq!(undone["rules"][0]["restored"], 2, "{undone:#}");
        same(&dump(&project.target, &[]), &before, "run, undo");
        // the trigger is there again, and the one that slept sleeps on
        project
            .target
            .exec("update shops set town = 'Olten' where legacy_shop_id = 900");
        let touched = "select count(*) from shops where updated_at > '2020-01-01 00:00:01'";
        assert_eq!(project.target.count(touched), 1);
        project
            .target
            .exec("update shops set town = 'Zug' where legacy_shop_id = 900");
        if engine == Engine::Postgres {
            let states = "select tgname, tgenabled from pg_trigger where tgrelid = 'shops'::regclass and not tgisinternal order by 1";
            assert_eq!(project.target.lines(states), ["sleeping|D", "touch|O"]);
        }
        project.runner(&["run"]).ends_with(0);
        let again = dump(
            &project.target,
            &["updated_at", "migrated_at", "migration_batch"],
        );
        same(&again, &migrated, "run, undo, run");
    }
}

#[test]
fn an_adopted_row_that_somebody_edited_keeps_the_edit() {
    let project = shops(Engine::Postgres);
    project.runner(&["run"]).ends_with(0);
    project
        .target
        .exec("update shops set town = 'by hand' where legacy_shop_id = 1");
    project
        .runner(&["undo", "1"])
        .ends_with(0)
        .prints("shops: 1 row kept, edited since: 1");
    assert_eq!(
        project
            .target
            .lines("select name, town from shops where legacy_shop_id = 1"),
        ["One|by hand"]
    );
    // the other one is as it was
    assert_eq!(
        project.target.lines("select legacy_shop_id, code, name from shops where id = 'aaaaaaaa-0000-4000-8000-000000000002'"),
        ["NULL|x|NULL"]
    );
}

#[test]
fn a_preview_needs_no_right_to_write_and_an_undo_says_which_it_needs() {
    let project = Project::people();
    project.runner(&["run"]).ends_with(3);
    let role = format!("looker_{}", project.target.name());
    project.target.exec(&format!(
        "create role {role} login; grant usage on schema public, runner to {role};
         grant select on all tables in schema public, runner to {role}; grant insert, update on all tables in schema runner to {role};
         do $$ declare t record; begin for t in select tablename from pg_tables where schemaname = 'runner' loop
            execute format('create policy p on runner.%I to {role} using (true)', t.tablename); end loop; end $$;
         alter role {role} set default_transaction_read_only = on"
    ));
    let env = project.read(".env");
    let looker = project.target.as_user(&role, None);
    project.write(".env", &env.replace(&project.target.url(), &looker.url()));
    let before = project
        .target
        .lines("select xmin, ctid, * from people order by id");
    project
        .runner(&["undo", "1", "--dry-run", "--json"])
        .ends_with(0);
    project.target.exec(&format!(
        "alter role {role} reset default_transaction_read_only"
    ));
    project
        .runner(&["undo", "1"])
        .ends_with(1)
        .tells("this role may not take rows out of `people`")
        .tells("grant update, delete on people");
    assert_eq!(
        project
            .target
            .lines("select xmin, ctid, * from people order by id"),
        before
    );
    project.write(".env", &env);
    // an undo that got nowhere holds everybody up until it is through
    project.runner(&["run"]).ends_with(3);
    project.runner(&["undo", "1"]).ends_with(0);
    assert_eq!(project.target.count("select count(*) from people"), 0);
}

#[test]
fn a_ledger_that_cannot_prove_who_wrote_takes_nothing_away() {
    // As after a dump and restore: the lines no longer carry the transactions that they name.
    let project = Project::people();
    project.runner(&["run"]).ends_with(3);
    project
        .target
        .exec("update runner.chunk set micros = micros + 1");
    let undone = project.runner(&["undo", "1", "--json"]).ends_with(0).json();
    assert_eq!(undone["rules"][0]["removed"], 0);
    assert_eq!(
        undone["rules"][0]["kept"].as_array().map(Vec::len),
        Some(104)
    );
    assert_eq!(project.target.count("select count(*) from people"), 104);
}
