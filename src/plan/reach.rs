//! Which tables may be worked on at the same time: those of which none writes what another one reads or writes.

use std::collections::{BTreeMap, BTreeSet};

use super::order::parents;
use super::step::Step;
use crate::catalog::{self, Footprint};
use crate::db::{DbError, Session, TableName};

/// The target's tables that a rule has to do with: by name, and by what the name stands for.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// Rows are written here.
    writes: BTreeSet<String>,
    /// What becomes of its rows depends on these.
    reads: BTreeSet<String>,
    /// It may reach any table: its script asks by itself, or a trigger does who knows what.
    anywhere: bool,
}

impl Reach {
    /// Of a rule whose script asks and writes by itself.
    pub fn anywhere() -> Self {
        Self {
            anywhere: true,
            ..Self::default()
        }
    }

    /// Of ordinary rules: the tables that each names, those that come along with its rows, and what the catalog says of
    /// them. One round trip for all.
    pub async fn of(steps: &[&Step], target: &mut Session) -> Result<Vec<Self>, DbError> {
        let rules: Vec<Named> = steps.iter().map(|step| Named::by(step)).collect();
        let mut tables = BTreeMap::new();
        for rule in &rules {
            let named = rule.writes.iter().chain(&rule.reads);
            tables.extend(named.map(|table| (table.flat(), table.clone())));
        }
        let footprints = catalog::footprints(target, &tables).await?;
        Ok(rules.iter().map(|rule| rule.reach(&footprints)).collect())
    }

    /// One of the two may have to do with what the other one writes: they keep their order.
    pub fn meets(&self, other: &Self) -> bool {
        let touched = |mine: &Self, theirs: &Self| {
            !mine.writes.is_disjoint(&theirs.writes) || !mine.writes.is_disjoint(&theirs.reads)
        };
        self.anywhere || other.anywhere || touched(self, other) || touched(other, self)
    }
}

/// What a rule names.
struct Named {
    writes: Vec<TableName>,
    reads: Vec<TableName>,
    anywhere: bool,
}

impl Named {
    fn by(step: &Step) -> Self {
        let rule = &step.rule;
        let parents = parents(rule);
        let mut named = Self {
            writes: vec![step.to.table.name.clone()],
            reads: parents
                .iter()
                .map(|table| TableName::parse(table))
                .collect(),
            // a lookup by a select may join anything
            anywhere: rule.has.before || rule.has.after || asks_by_select(step),
        };
        let people = step.people.profiles.iter().map(|profiles| &profiles.table);
        let accounts = step.people.accounts.iter().flat_map(|(a, b)| [a, b]);
        let along = people.chain(accounts).map(|table| table.name.clone());
        named.writes.extend(along);
        if rule.header.auth.is_some() {
            named.reads.push(TableName::parse("auth.users"));
        }
        named
    }

    fn reach(&self, footprints: &BTreeMap<String, Footprint>) -> Reach {
        let mut reach = Reach {
            anywhere: self.anywhere,
            ..Reach::default()
        };
        for table in &self.writes {
            let flat = table.flat();
            if let Some(footprint) = footprints.get(&flat) {
                reach.writes.extend(footprint.stands_for.iter().cloned());
                reach.reads.extend(footprint.refers_to.iter().cloned());
                reach.anywhere |= footprint.looks_around;
            }
            reach.writes.insert(flat);
        }
        for table in &self.reads {
            let flat = table.flat();
            if let Some(footprint) = footprints.get(&flat) {
                reach.reads.extend(footprint.stands_for.iter().cloned());
                // the rows of a view are other tables'
                reach.anywhere |= !footprint.is_table;
            }
            reach.reads.insert(flat);
        }
        reach
    }
}

fn asks_by_select(step: &Step) -> bool {
    let mut lookups = step.rule.header.lookups.iter();
    lookups.any(|lookup| {
        lookup.db == crate::rule::Side::Target && lookup.from.trim().contains(char::is_whitespace)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(writes: &[&str], reads: &[&str]) -> Reach {
        let set = |tables: &[&str]| tables.iter().map(|t| (*t).to_owned()).collect();
        Reach {
            writes: set(writes),
            reads: set(reads),
            anywhere: false,
        }
    }

    #[test]
    fn a_table_is_what_its_name_stands_for() {
        let set = |oids: &[&str]| oids.iter().map(|oid| (*oid).to_owned()).collect();
        let table = |stands_for: &[&str], refers_to: &[&str]| Footprint {
            stands_for: set(stands_for),
            refers_to: set(refers_to),
            is_table: true,
            looks_around: false,
        };
        let view = Footprint {
            is_table: false,
            ..table(&["9"], &[])
        };
        let footprints = BTreeMap::from([
            ("events".to_owned(), table(&["1"], &[])),
            ("events_2024".to_owned(), table(&["2", "1"], &[])),
            ("events_2025".to_owned(), table(&["3", "1"], &[])),
            ("app_people".to_owned(), table(&["4"], &[])),
            ("people".to_owned(), table(&["4"], &[])),
            ("teams".to_owned(), table(&["5"], &["4"])),
            ("all_people".to_owned(), view),
        ]);
        let of = |writes: &str, reads: &[&str]| {
            let named = Named {
                writes: vec![TableName::parse(writes)],
                reads: reads.iter().map(|table| TableName::parse(table)).collect(),
                anywhere: false,
            };
            named.reach(&footprints)
        };
        assert!(of("events_2024", &[]).meets(&of("teams", &["events"])));
        assert!(of("events_2024", &[]).meets(&of("events_2025", &[])));
        assert!(of("people", &[]).meets(&of("app.people", &[])));
        assert!(of("app.people", &[]).meets(&of("teams", &[])));
        assert!(!of("events", &[]).meets(&of("teams", &[])));
        assert!(of("events", &["all_people"]).meets(&of("teams", &[])));
    }

    #[test]
    fn tables_meet_where_one_writes() {
        let cases = reach(&["cases"], &["profiles"]);
        let orders = reach(&["orders"], &["profiles", "products"]);
        let links = reach(&["order_cases"], &["orders", "cases"]);
        let people = reach(&["technicians", "profiles"], &["auth_users"]);
        assert!(!cases.meets(&orders), "both only read profiles");
        assert!(links.meets(&orders) && orders.meets(&links));
        assert!(people.meets(&orders) && orders.meets(&people));
        assert!(!people.meets(&links));
        assert!(cases.meets(&cases), "one table has one account");
        assert!(Reach::anywhere().meets(&reach(&[], &[])));
        assert!(reach(&[], &[]).meets(&Reach::anywhere()));
    }
}
