//! What the keys of a header say together.

use super::{Reader, values};
use crate::diagnostic::{Diagnostic, Place};
use crate::rule::{Functions, Header, MissingProfile};
use crate::script::Node;

impl Reader<'_> {
    /// What no single key can say.
    pub(super) fn check_whole(&mut self, header: &Header, rule: &Node, has: &Functions) {
        let missing = |name: &str, what: &str| {
            Diagnostic::error(format!("`RULE` lacks `{name}`"))
                .at(self.source.place(rule.line, rule.column))
                .hint(what.to_owned())
        };
        let mut found = Vec::new();
        if header.target.is_empty() && !self.places.contains_key("target") {
            found.push(missing(
                "target",
                "add `target: \"table\"`, the target table that the rule fills",
            ));
        }
        if has.run && has.transform {
            found.push(
                Diagnostic::error(
                    "a rule has either `transform(row)` or `run()`, this one has both",
                )
                .at(Place::file(self.source.path.clone())),
            );
        }
        if !has.run {
            if !self.places.contains_key("base") {
                found.push(missing(
                    "base",
                    "add `base: \"table\"`, the source table whose rows are accounted for",
                ));
            }
            if !self.places.contains_key("key") {
                found.push(missing("key", "add `key: \"id\"`, the column or columns that identify a row of the base table"));
            }
            if !has.transform {
                found.push(values::no_transform(self.source, self.functions));
            }
        }
        if header.many && header.match_.is_empty() {
            found.push(missing("match", "`rows: \"many\"` needs `match: [\"column\"]`, the target columns that tell the rows of one key apart"));
        }
        self.check_people(header, &mut found);
        self.problems.extend(found);
    }

    /// A person is one row, and a profile is made of the row whose key it carries.
    fn check_people(&self, header: &Header, found: &mut Vec<Diagnostic>) {
        let makes = header.missing_profile == Some(MissingProfile::Create);
        let at = |name: &str, problem: Diagnostic| match self.places.get(name) {
            Some((line, column)) => problem.at(self.source.place(*line, *column)),
            None => problem,
        };
        for (name, given) in [("missing_profile", makes), ("auth", header.auth.is_some())] {
            if given && header.many {
                let message = format!(
                    "`{name}` needs one target row per person, the rule says `rows: \"many\"`"
                );
                found.push(at(name, Diagnostic::error(message)));
            }
        }
        let decl = header.ids.iter().find(|decl| decl.is_profiles());
        let own_key = decl.is_some_and(|decl| decl.legacy.is_some() && decl.from == header.key);
        if makes && !(own_key && header.key.len() == 1) {
            let problem = Diagnostic::error(
                "`missing_profile: \"create\"` makes a profile of the row itself, so the row's key has to be the profile's",
            );
            let key = header.key.first().map_or("id", String::as_str);
            found.push(at("missing_profile", problem.hint(format!(
                "declare it: `ids: #{{ profiles: #{{ legacy: \"legacy_user_id\", from: [\"{key}\"] }} }}`, with the users' table as `base`"
            ))));
        }
    }
}
