//! Which tables may be worked on at the same time: those of which none writes what another one reads or writes.

use std::collections::BTreeSet;

use super::order::parents;
use super::step::Step;
use crate::catalog::Table;
use crate::db::TableName;

/// The target's tables that a rule has to do with.
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

    /// Of an ordinary rule: the tables that it names, those that come along with its rows, and those that the
    /// catalog says its rows refer to.
    pub fn of(step: &Step) -> Self {
        let rule = &step.rule;
        let mut reach = Self {
            // a lookup by a select may join anything
            anywhere: rule.has.before || rule.has.after || asks_by_select(step),
            ..Self::default()
        };
        let parents = parents(rule);
        let parents = parents.iter().map(|table| TableName::parse(table).flat());
        reach.reads.extend(parents);
        reach.write(&step.to.table);
        if let Some(profiles) = &step.people.profiles {
            reach.write(&profiles.table);
        }
        if let Some((users, identities)) = &step.people.accounts {
            reach.write(users);
            reach.write(identities);
        }
        if rule.header.auth.is_some() {
            let users = TableName::parse("auth.users");
            reach.reads.insert(users.flat());
        }
        reach
    }

    fn write(&mut self, table: &Table) {
        self.writes.insert(table.name.flat());
        let referred = table.foreign_keys.iter().map(|key| key.table.flat());
        self.reads.extend(referred);
        // before a row is written a trigger changes that row, by custom; after it, anything
        let fires = |timing: &str| timing != "BEFORE";
        let mut triggers = table.triggers.iter();
        self.anywhere |= triggers.any(|trigger| trigger.enabled && fires(&trigger.timing));
    }

    /// One of the two may have to do with what the other one writes: they keep their order.
    pub fn meets(&self, other: &Self) -> bool {
        let touched = |mine: &Self, theirs: &Self| {
            !mine.writes.is_disjoint(&theirs.writes) || !mine.writes.is_disjoint(&theirs.reads)
        };
        self.anywhere || other.anywhere || touched(self, other) || touched(other, self)
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
