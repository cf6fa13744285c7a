//! `runner check`: every difference is one finding, at its place, in words that say what to do; and
//! nothing is said of what is in order.

use crate::support::{Db, Engine, Project};

/// `file:line:col: severity: message` of every finding, in order; the line and column of one that has none
/// are left out.
#[track_caller]
fn findings(project: &Project, arguments: &[&str]) -> Vec<String> {
    let output = project.runner(&[&["check", "--json"], arguments].concat());
    let json = output.json();
    let found = json["findings"]
        .as_array()
        .unwrap_or_else(|| panic!("no findings\n{output}"));
    let errors = found.iter().filter(|f| f["severity"] == "error").count();
    assert_eq!(output.code, if errors > 0 { 5 } else { 0 }, "{output}");
    found
        .iter()
        .map(|f| {
            let text = |key: &str| f[key].as_str().unwrap_or_default().to_owned();
            let place = if f["file"].is_null() {
                String::new()
            } else {
                format!("{}:{}:{}: ", text("file"), f["line"], f["column"])
            };
            let hints: Vec<String> = f["hints"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|hint| format!(" ({})", hint.as_str().unwrap_or_default()))
                .collect();
            format!(
                "{place}{}: {}{}",
                text("severity"),
                text("message"),
                hints.concat()
            )
        })
        .collect()
}

/// `line:column` of `part`, which a file has once.
fn place(project: &Project, file: &str, part: &str) -> String {
    let text = project.read(file);
    assert_eq!(text.matches(part).count(), 1, "{part:?} in {file}");
    let at = text.find(part).unwrap();
    let line = text[..at].matches('\n').count() + 1;
    let column = text[..at].chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!("{file}:{line}:{column}")
}

/// The shipped rules under a role that has every right a migration needs and no other.
struct Reference {
    project: Project,
    owner: Db,
    role: String,
}

impl Reference {
    fn new() -> Self {
        let project = Project::demo("0.002", Engine::Postgres);
        Self::of(project)
    }

    fn of(project: Project) -> Self {
        let owner = project.target.clone();
        let role = format!("mover_{}", owner.name());
        owner.exec(&format!(
            "create role {role} login bypassrls; grant usage on schema public to {role};
             grant select, insert, update on all tables in schema public to {role};
             grant usage on all sequences in schema public to {role};
             grant create on database {} to {role}",
            owner.name()
        ));
        let env = project
            .read(".env")
            .replace(&owner.url(), &owner.as_user(&role, None).url());
        project.write(".env", &env);
        Self {
            project,
            owner,
            role,
        }
    }

    /// Makes one change, looks, and takes it back.
    #[track_caller]
    fn after(&self, change: &str, back: &str) -> Vec<String> {
        self.owner.exec(&change.replace("ROLE", &self.role));
        let found = findings(&self.project, &[]);
        self.owner.exec(&back.replace("ROLE", &self.role));
        found
    }

    fn place(&self, file: &str, part: &str) -> String {
        place(&self.project, file, part)
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        self.owner
            .exec(&format!("drop owned by {0}; drop role {0}", self.role));
    }
}

#[test]
fn the_shipped_rules_have_no_findings_and_every_change_of_the_target_is_exactly_one() {
    let it = Reference::new();
    let nothing: [&str; 0] = [];
    assert_eq!(findings(&it.project, &[]), nothing, "the reference schema");
    it.project
        .runner(&["check"])
        .ends_with(0)
        .prints("  technicians: updated_at\n")
        .prints("  brackets: created_at, updated_at\n")
        .prints("9 rules: 0 errors, 0 warnings, 0 hazards");

    let purchases = |part: &str| it.place("rules/purchases.rhai", part);
    assert_eq!(
        it.after(
            "alter table purchases rename quantity to pieces",
            "alter table purchases rename pieces to quantity"
        ),
        [format!(
            "{}: error: `quantity` is not a column of `purchases` (columns: id, order_id, product_id, purchased_by, pieces, unit_price, subtotal, tax_amount, discount_amount, total_amount, currency, status, purchased_at, audit_trail, legacy_purchase_id, legacy_order_id, created_at, updated_at, metadata)",
            purchases("quantity:        1")
        )]
    );
    // a name that the header says twice, and that cannot be NULL under its new name
    assert_eq!(
        it.after(
            "alter table purchases rename total_amount to total_amounts",
            "alter table purchases rename total_amounts to total_amount"
        ),
        [format!(
            "{}: error: `total_amount` is not a column of `purchases` (did you mean `total_amounts`?)",
            purchases("total_amount:   ")
        )]
    );
    let labels = |labels: &str| {
        format!(
            "alter type technician_role_type rename to old; create type technician_role_type as enum ({labels});
             alter table technician_roles alter role_type type technician_role_type using role_type::text::technician_role_type;
             drop type old"
        )
    };
    let five = "'designing', 'manufacturing', 'sectioning', 'remote', 'quality_control'";
    assert_eq!(
        it.after(&labels(five), &labels(&format!("{five}, 'master'"))),
        [format!(
            "{}: error: `role_type` of `technician_roles` does not take \"master\": it is no label of technician_role_type (labels: designing, manufacturing, sectioning, remote, quality_control)",
            it.place("rules/technician_roles.rhai", "\"master\",\n};")
        )]
    );
    assert_eq!(
        it.after(
            "alter table order_cases add origin text not null",
            "alter table order_cases drop origin"
        ),
        [format!(
            "{}: error: column `origin` of `order_cases` is never set: it has no default and cannot be NULL (set it in the returned map, or in `RULE.copy`)",
            it.place("rules/order_cases.rhai", "fn transform")
        )]
    );
    for (right, table, expected) in [
        (
            "insert",
            "template_view_groups",
            format!(
                "{}: warning: this role may not insert into `template_view_groups`: a run will be refused (`runner print grants` shows the rights that a migration needs)",
                it.place("rules/template_view_groups.rhai", "target:")
            ),
        ),
        (
            "update",
            "brackets",
            format!(
                "{}: warning: this role may not update `brackets`: a run will be refused (`runner print grants` shows the rights that a migration needs)",
                it.place("rules/brackets.rhai", "target:")
            ),
        ),
        (
            "select",
            "orders",
            format!(
                "{}: error: this role may not read `orders`, which is asked for each row's parents or related rows (grant select on orders to the role)",
                it.place("rules/order_cases.rhai", "orders: #{ legacy")
            ),
        ),
        (
            "select",
            "technicians",
            format!(
                "{}: error: this role may not read `technicians`: a run will be refused (`runner print grants` shows the rights that a migration needs)",
                it.place("rules/technicians.rhai", "target:")
            ),
        ),
    ] {
        assert_eq!(
            it.after(
                &format!("revoke {right} on {table} from ROLE"),
                &format!("grant {right} on {table} to ROLE")
            ),
            [expected]
        );
    }
    it.owner.exec(
        "create function tell() returns trigger language plpgsql as
         $$ begin perform pg_notify('told', new.id::text); return new; end $$",
    );
    let discussions = it.place("rules/treatment_discussions.rhai", "target:");
    let trigger = "create trigger tell after insert on treatment_discussions for each row execute function tell()";
    let told = format!(
        "{discussions}: error: trigger `tell` on `treatment_discussions` reaches outside the database (pg_notify), for every row and beyond any rollback (accept it in the rule, effects: [\"tell\"], or switch it off for the load: alter table treatment_discussions disable trigger tell)"
    );
    assert_eq!(
        it.after(
            trigger,
            "alter table treatment_discussions disable trigger tell"
        ),
        [told]
    );
    assert_eq!(findings(&it.project, &[]), nothing, "a trigger that is off");
}

#[test]
fn effects_of_the_target_are_named_refuse_a_run_and_can_be_accepted() {
    let it = Reference::new();
    let brackets = it.place("rules/brackets.rhai", "target:");
    it.owner.exec(
        "create function deeper(t text) returns void language sql as $$ select pg_notify('a', t) $$;
         create function calls() returns trigger language plpgsql as $$ begin perform deeper(new.name); return null; end $$;
         create function stamps() returns trigger language plpgsql as $$ begin new.name := trim(new.name); return new; end $$;
         create function counts() returns trigger language plpgsql as $$ begin update totals set n = n + 1; return null; end $$;
         create function vetoes() returns trigger language plpgsql as $$ begin if new.name = '' then return null; end if; return new; end $$;
         create function watches() returns trigger language plpgsql as $$ begin if new.name = 'x' then raise exception 'no'; end if; return new; end $$;
         create table totals(n int);",
    );
    let accept = |name: &str| format!("accept it in the rule, effects: [\"{name}\"]");
    for (make, back, expected) in [
        (
            "create trigger t after insert on brackets for each row execute function calls()",
            "drop trigger t on brackets",
            format!(
                "error: trigger `t` on `brackets` reaches outside the database (pg_notify), for every row and beyond any rollback ({}, or switch it off for the load: alter table brackets disable trigger t)",
                accept("t")
            ),
        ),
        (
            "create publication p_ROLE for table brackets",
            "drop publication p_ROLE",
            format!(
                "error: publication `p_ROLE` passes every row of `brackets` on to its subscribers ({}, or take the table out for the load: alter publication p_ROLE drop table brackets)",
                accept("p_ROLE")
            ),
        ),
        (
            "create trigger t before insert on brackets for each row execute function stamps()",
            "drop trigger t on brackets",
            format!(
                "hazard: trigger `t` on `brackets` (before insert) rewrites `name`, which the rule sets ({}, say that the target decides, volatile: [\"name\"], or switch the trigger off for the load)",
                accept("t")
            ),
        ),
        (
            "create trigger t after insert or update on brackets for each row execute function counts()",
            "drop trigger t on brackets",
            format!(
                "hazard: trigger `t` on `brackets` (after insert or update) writes totals ({}, or switch the trigger off for the load)",
                accept("t")
            ),
        ),
        (
            "create trigger t before insert on brackets for each row execute function vetoes()",
            "drop trigger t on brackets",
            format!(
                "hazard: trigger `t` on `brackets` (before insert) can let a row vanish ({}, or switch the trigger off for the load)",
                accept("t")
            ),
        ),
    ] {
        let expected = format!("{brackets}: {expected}").replace("ROLE", &it.role);
        assert_eq!(it.after(make, back), [expected], "{make}");
    }
    let nothing: [&str; 0] = [];
    let harmless =
        "create trigger t before insert on brackets for each row execute function watches()";
    assert_eq!(it.after(harmless, "drop trigger t on brackets"), nothing);

    // what refuses a check refuses a run, and what the owner accepts does not
    it.owner
        .exec("create trigger t after insert on brackets for each row execute function calls()");
    it.project
        .runner(&["exec", "brackets"])
        .ends_with(5)
        .says("trigger `t` on `brackets` reaches outside the database");
    assert_eq!(it.owner.one("select to_regnamespace('runner')"), "NULL");
    it.project.edit(
        "rules/brackets.rhai",
        "target: \"brackets\",",
        "target: \"brackets\", effects: [\"t\"],",
    );
    assert_eq!(findings(&it.project, &["brackets"]), nothing);
    it.project.runner(&["exec", "brackets"]).ends_with(3);
}

#[test]
fn hidden_rows_are_an_error_and_never_make_orphans() {
    let project = Project::demo("0.002", Engine::Postgres);
    let it = Reference::of(project);
    it.owner
        .exec(&format!("alter role {} nobypassrls", it.role));
    let role = it.role.clone();
    // policies that let everything through are not in the way, and neither is row security on other tables
    for table in it.project.rules() {
        it.owner.exec(&format!(
            "create policy mover on {table} for all to {role} using (true) with check (true)"
        ));
    }
    let nothing: [&str; 0] = [];
    assert_eq!(findings(&it.project, &[]), nothing);
    it.owner.exec(&format!(
        "alter table messages enable row level security;
         create policy half on messages for select to {role} using (legacy_record_id % 2 = 0)"
    ));
    let expected = format!(
        "{}: error: row level security hides rows of `messages` from this role: rows that need them would be taken for orphans (connect as a role with BYPASSRLS, or give this one a policy `for select using (true)`)",
        it.place("rules/message_attachments.rhai", "messages: #{ legacy")
    );
    assert_eq!(findings(&it.project, &[]), [expected]);
    it.project
        .runner(&["exec", "message_attachments"])
        .ends_with(5)
        .says("row level security hides rows of `messages`");
    assert_eq!(it.owner.one("select to_regnamespace('runner')"), "NULL");
    it.owner
        .exec("drop policy half on messages; alter table messages disable row level security");

    it.owner.exec("drop policy mover on brackets");
    let expected = format!(
        "{}: error: row level security hides rows of `brackets` from this role (connect as a role with BYPASSRLS, or give this one a policy `for all using (true) with check (true)`)",
        it.place("rules/brackets.rhai", "target:")
    );
    assert_eq!(findings(&it.project, &["brackets"]), [expected]);
}

#[test]
fn tables_of_old_scripts_are_refused_with_the_table_that_has_the_rows() {
    let it = Reference::new();
    for (old, real, why) in [
        (
            "dispatch_technician",
            "auth_user",
            "technicians are users of group 11 in auth_user_groups",
        ),
        (
            "dispatch_order_case",
            "dispatch_instruction",
            "an order is an instruction, its cases are its patient's",
        ),
    ] {
        it.project.rule(
            "odd",
            &format!("const RULE = #{{\n    base: \"{old}\", key: \"id\", target: \"brackets\", legacy: \"legacy_bracket_id\",\n}};\nfn transform(row) {{ skip(\"no\"); }}\n"),
        );
        assert_eq!(
            findings(&it.project, &["odd"]),
            [format!(
                "rules/odd.rhai:2:5: error: the source has no table `{old}` (did you mean `{real}`? {why})"
            )]
        );
        it.project.rule(
            "odd",
            &format!("const RULE = #{{\n    base: \"dispatch_bracket\", key: \"id\", target: \"brackets\", legacy: \"legacy_bracket_id\",\n    from: \"select b.* from dispatch_bracket b join {old} t on t.id = b.id\",\n}};\nfn transform(row) {{ skip(\"no\"); }}\n"),
        );
        let found = findings(&it.project, &["odd"]);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(
            found[0].starts_with(&format!(
                "rules/odd.rhai:3:5: error: relation \"{old}\" does not exist (42P01)"
            )) && found[0].ends_with(&format!("(did you mean `{real}`? {why})")),
            "{found:#?}"
        );
    }
    // one rule's mistake hides nobody else's: each question to the source stands alone
    it.project.edit(
        "rules/brackets.rhai",
        "base:   \"dispatch_bracket\"",
        "base:   \"dispatch_brackets\"",
    );
    let found = findings(&it.project, &[]);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(
        found[0].ends_with("(did you mean `dispatch_bracket`?)"),
        "{found:#?}"
    );
}

/// A small rule over a table of many kinds of columns; `HEADER` and `BODY` are a test's own.
const RULE: &str = "const RULE = #{
    base: \"old\", key: \"id\", target: \"goal\", legacy: \"legacy_id\",
    HEADER
};

fn transform(row) {
    BODY
}
";

const OLD: &str = "
    create table old(id integer primary key, name text, amount numeric(12,2), n integer, code integer not null, at timestamp);
    create table side(old_id integer, id integer primary key);
    insert into old select n, 'name ' || n, n, n, n, now() from generate_series(1, 20) n;
    insert into side select n, n from generate_series(1, 20) n; insert into side values (3, 21);
    create table loose(id integer, name text); insert into loose values (1, 'a'), (2, 'b');
    create table twice(id integer, name text); insert into twice values (1, 'a'), (1, 'b'), (2, 'c');
    create table holes(id integer, name text); insert into holes values (1, 'a'), (null, 'b');";

const GOAL: &str = "
    create type mood as enum ('glad', 'sad');
    create table parents(id uuid primary key, legacy_id integer unique);
    create table goal(id uuid primary key, legacy_id integer not null unique, label varchar(8), mood mood,
        n integer check (n > 0), arch text check (arch in ('upper', 'lower')), total numeric(12,2), at timestamptz,
        upper text generated always as (upper(label)) stored, line integer generated always as identity,
        parent_id uuid references parents(id), day date, seen timestamptz default clock_timestamp());";

/// What `check` says of a rule with this header and body, without what it says of everything else.
#[track_caller]
fn of(project: &Project, header: &str, body: &str) -> Vec<String> {
    project.rule(
        "goal",
        &RULE.replace("HEADER", header).replace("BODY", body),
    );
    findings(project, &["goal"])
}

#[test]
fn each_kind_of_mistake_in_a_rule_is_one_finding_at_its_place() {
    let project = Project::pg(OLD, GOAL);
    let error = |place: &str, text: &str| vec![format!("rules/goal.rhai:{place}: error: {text}")];
    let warning =
        |place: &str, text: &str| vec![format!("rules/goal.rhai:{place}: warning: {text}")];
    let nothing: Vec<String> = vec![];
    let mut wrong = Vec::new();
    for (header, body, expected) in [
        ("", "#{ label: row.name }", nothing.clone()),
        (
            "",
            "#{ mood: \"glad\", n: 3, arch: \"upper\", label: \"short\", total: 1.25 }",
            nothing.clone(),
        ),
        (
            "",
            "#{ mood: \"sda\" }",
            error(
                "7:14",
                "`mood` of `goal` does not take \"sda\": it is no label of mood (did you mean \"sad\"?)",
            ),
        ),
        (
            "",
            "#{ mood: if row.n > 3 { \"glad\" } else { \"mad\" } }",
            error(
                "7:45",
                "`mood` of `goal` does not take \"mad\": it is no label of mood (did you mean \"sad\"?)",
            ),
        ),
        (
            "",
            "#{ mood: switch row.n { 1 => \"glad\", _ => \"angry\" } }",
            error(
                "7:47",
                "`mood` of `goal` does not take \"angry\": it is no label of mood (labels: glad, sad)",
            ),
        ),
        (
            "",
            "#{ label: \"far too long\" }",
            error(
                "7:15",
                "`label` of `goal` does not take \"far too long\": it has 12 characters, character varying(8) holds 8",
            ),
        ),
        (
            "",
            "#{ total: 1.005 }",
            error(
                "7:15",
                "`total` of `goal` does not take 1.005: it has more decimal places than numeric(12,2) keeps",
            ),
        ),
        (
            "",
            "#{ n: 0 }",
            error(
                "7:11",
                "`n` of `goal` does not take this value: check `goal_n_check` refuses it (the target wants (n > 0))",
            ),
        ),
        (
            "",
            "#{ arch: \"both\" }",
            error(
                "7:14",
                "`arch` of `goal` does not take this value: check `goal_arch_check` refuses it (the target wants (arch = ANY (ARRAY['upper'::text, 'lower'::text])))",
            ),
        ),
        (
            "",
            "#{ upper: \"X\" }",
            error("7:8", "`upper` is computed and cannot be set by the rule"),
        ),
        (
            "",
            "#{ line: 1 }",
            error("7:8", "`line` is computed and cannot be set by the rule"),
        ),
        (
            "copy: #{ line: \"n\" }",
            "#{}",
            error(
                "3:14",
                "`line` is numbered by the target (generated always as identity) and cannot be written",
            ),
        ),
        (
            "copy: #{ day: \"amount\" }",
            "#{}",
            error(
                "3:14",
                "`amount` (numeric(12,2)) cannot be copied to `day`: numeric(12,2) does not become date by itself: convert it in the script",
            ),
        ),
        (
            "copy: #{ label: \"nmae\" }",
            "#{}",
            error(
                "3:14",
                "`nmae` is not a column of the rule's rows (did you mean `name`?)",
            ),
        ),
        (
            "lookups: #{ sides: #{ db: \"source\", from: \"side\", by: \"old_id\", keys: [\"id\"], take: [\"id\"], order: [\"id\"] } }",
            "#{}",
            warning(
                "3:17",
                "`lookups.sides` is fetched and never used: there is no `rows_of(\"sides\", …)`",
            ),
        ),
        (
            "",
            "skip(\"no\"); #{ label: row.name }",
            warning(
                "7:17",
                "never reached: `skip` in line 7 ends the row before",
            ),
        ),
        (
            "",
            "if row.n > 1 { reject(\"a\", \"b\"); note(\"c\", \"d\"); } #{}",
            warning(
                "7:38",
                "never reached: `reject` in line 7 ends the row before",
            ),
        ),
        (
            "fix: #{ gonner: \"x\" }",
            "skip(\"goner\")",
            warning(
                "3:13",
                "`fix.gonner`: the rule never uses this code (did you mean `goner`?)",
            ),
        ),
        (
            "",
            "#{ total: row.n / 100 }",
            warning(
                "7:21",
                "a whole number divided by a whole number drops the rest (make one of them a decimal: `dec(x) / y`, or write `2.0`)",
            ),
        ),
        (
            "from: \"select o.*, s.id as side_id from old o join side s on s.old_id = o.id\"",
            "#{}",
            error(
                "3:5",
                "`from` must give exactly one row per key: 20 rows of `old` satisfy `where`, `from` gives 21 rows with 20 keys (use left joins to tables that are unique on the joined column, and repeat `where` inside `from`)",
            ),
        ),
        (
            "from: \"select * from old where id <> 7 union all select 99, null, null, null, 1, null\"",
            "#{}",
            error(
                "3:5",
                "`from` must give exactly one row per key: 20 rows of `old` satisfy `where`, `from` gives 20 rows with 20 keys (use left joins to tables that are unique on the joined column, and repeat `where` inside `from`)",
            ),
        ),
    ] {
        let found = of(&project, header, body);
        if found != expected {
            wrong.push((header, body, found, expected));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // a parent that nobody fills
    let header = "ids: #{ parents: #{ legacy: \"legacy_id\", from: [\"n\"] } }";
    assert_eq!(
        of(
            &project,
            header,
            "#{ parent_id: id_of(\"parents\", row.n) }"
        ),
        warning(
            "3:13",
            "`parents` is empty, and no rule fills it: rows of goal that ask for it will be orphans (add a rule with target: \"parents\", or fill the table)"
        )
    );
    // what the target decides is listed, not complained of
    let listed = project
        .runner(&["check", "goal"])
        .ends_with(0)
        .stdout
        .clone();
    assert!(listed.contains("  goal: line, seen\n"), "{listed}");
}

#[test]
fn keys_are_counted_and_pages_need_an_index() {
    let project = Project::pg(OLD, GOAL);
    let rule = |base: &str, key: &str| {
        let text = RULE
            .replace("HEADER", "")
            .replace("BODY", "#{}")
            .replace("\"old\"", &format!("\"{base}\""))
            .replace("key: \"id\"", &format!("key: \"{key}\""));
        project.rule("goal", &text);
        findings(&project, &["goal"])
    };
    let at = |base: &str| {
        format!(
            "rules/goal.rhai:2:{}",
            5 + format!("base: \"{base}\", ").len()
        )
    };
    let slow = |base: &str, key: &str| {
        format!(
            "{}: warning: no index of `{base}` leads to a page by `{key}`: every page reads the whole table (at the source: create index on {base} ({key}))",
            at(base)
        )
    };
    assert_eq!(rule("old", "id"), [""; 0]);
    assert_eq!(
        rule("loose", "id"),
        [
            format!(
                "{}: warning: `id` of `loose` is unique today and nothing keeps it so: the source has no unique constraint on it, or allows NULL (a row that repeats a key stops the run at its chunk)",
                at("loose")
            ),
            slow("loose", "id"),
        ]
    );
    assert_eq!(
        rule("twice", "id"),
        [
            format!(
                "{}: error: `id` is no key of `twice`: 1 values stand for more than one row, the first is 1 (name columns that are unique together: key: [\"a\", \"b\"])",
                at("twice")
            ),
            slow("twice", "id"),
        ]
    );
    assert_eq!(
        rule("holes", "id"),
        [
            format!(
                "{}: error: 1 rows of `holes` have no key: id is NULL there, so they cannot be accounted for (give the rule a `key` that is never NULL, or leave those rows out of the base)",
                at("holes")
            ),
            slow("holes", "id"),
        ]
    );
    project
        .source
        .exec("alter table loose add primary key (id)");
    assert_eq!(rule("loose", "id"), [""; 0]);
}

#[test]
fn what_stands_in_the_target_and_on_the_server_is_announced() {
    let project = Project::pg(OLD, GOAL);
    project.rule(
        "goal",
        &RULE
            .replace("HEADER", "")
            .replace("BODY", "#{ label: row.name }"),
    );
    project.target.exec(
        "create table migration_mappings(modern_id uuid, legacy_table text, legacy_id integer);
         create table migration_control(id uuid, script_name text)",
    );
    assert_eq!(
        findings(&project, &[]),
        [
            "hazard: `migration_mappings` is left alone, dashboards that read it will not move: it has no column entity_type",
            "hazard: `migration_control` is left alone, dashboards that read it will not move: its column id is uuid",
        ]
    );
    project
        .target
        .exec("drop table migration_mappings, migration_control");
    project.runner(&["exec", "goal"]).ends_with(0);
    assert_eq!(findings(&project, &[]), [""; 0]);
    project
        .target
        .exec("update runner.meta set value = '99' where key = 'version'");
    let newer = findings(&project, &[]);
    assert_eq!(newer.len(), 1, "{newer:#?}");
    assert!(
        newer[0].starts_with("error: the state in the target has version 99"),
        "{newer:#?}"
    );
    project
        .target
        .exec("update runner.meta set value = '1' where key = 'version'");

    let name = project.target.name().to_owned();
    project.target.exec(&format!(
        "alter database {name} set default_transaction_read_only = on"
    ));
    assert_eq!(
        findings(&project, &[]),
        [
            "warning: the target is read-only for this role: a run will be refused (Supabase switches a project to read-only when its disk or its plan's size is used up: make room or raise the disk in the dashboard, then go on)"
        ]
    );
    Db::on_server("postgres").exec(&format!(
        "alter database {name} reset default_transaction_read_only"
    ));
    let role = format!("few_{name}");
    project.target.exec(&format!(
        "create role {role} login connection limit 2; grant usage on schema runner to {role};
         grant all on all tables in schema public, runner to {role}"
    ));
    let env = project.read(".env").replace(
        &project.target.url(),
        &project.target.as_user(&role, None).url(),
    );
    project.write(".env", &env);
    let found = findings(&project, &[]);
    project
        .target
        .exec(&format!("drop owned by {role}; drop role {role}"));
    assert!(
        found.contains(&"warning: the target has 2 free connections left, a run opens 7 (close other clients, or run with --writers 1)".to_owned()),
        "{found:#?}"
    );
}

#[test]
fn without_databases_and_with_names_that_are_none() {
    let project = Project::sqlite(
        "create table old(id integer primary key, name text)",
        "create table goal(id UUID primary key, legacy_id integer unique, label text)",
    );
    project.rule(
        "goal",
        &RULE
            .replace("HEADER", "")
            .replace("BODY", "#{ label: row.name }"),
    );
    assert_eq!(findings(&project, &[]), [""; 0]);
    project
        .runner(&["check", "gaol"])
        .ends_with(2)
        .says("there is no rule `gaol` in rules")
        .says("did you mean `goal`?");
    project
        .runner(&["check", "--rules", "nowhere"])
        .ends_with(1);
    project.write(".env", "");
    assert_eq!(
        findings(&project, &[]),
        [
            "warning: no databases are set, so columns, types and keys were not checked: put SOURCE_DATABASE_URL and TARGET_DATABASE_URL into .env"
        ]
    );
}
