//! `runner check`: every difference is one finding, at its place, in words that say what to do; and
//! nothing is said of what is in order.

use crate::support::{Db, Engine, Project};

mod hazards;
mod mistakes;

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
             grant usage on schema auth to {role}; grant select on auth.users to {role};
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
