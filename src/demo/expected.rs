//! What must come out of a plan, as code: the table that tests hold the product against.

use std::collections::BTreeMap;

use super::Plan;
use super::classes::Classes;
use super::kinds::Views;
use super::money::{Totals, totals};

/// The outcome of one rule over one plan. `base = read + filtered`; `read = written_rows` + skipped + rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The rule, and the target table.
    pub rule: &'static str,
    /// Rows of the base table.
    pub base: u64,
    /// Base rows that do not satisfy `where`.
    pub filtered: u64,
    /// Rows the rule sees.
    pub read: u64,
    /// Source rows that are written.
    pub written_rows: u64,
    /// Target rows they become, adopted ones included.
    pub target_rows: u64,
    /// Of the target rows: ids that were there before.
    pub adopted: u64,
    /// Source rows by skip code.
    pub skipped: BTreeMap<&'static str, u64>,
    /// Source rows by reject code.
    pub rejected: BTreeMap<&'static str, u64>,
    /// Written source rows by note code.
    pub notes: BTreeMap<&'static str, u64>,
}

/// The outcome of every rule at a scale.
pub fn expected(scale: f64) -> Vec<Expected> {
    expected_of(&Plan {
        scale,
        ..Plan::default()
    })
}

/// The sums of the payments' `total_price` at a scale, in cents: 3,701 purchases totalling
/// 4,192,387.34 at scale 1. The seed does not change them.
pub fn purchase_totals(scale: f64) -> Totals {
    totals(
        &Classes::of(&Plan {
            scale,
            ..Plan::default()
        })
        .purchases,
    )
}

/// The outcome of every rule over a plan.
pub fn expected_of(plan: &Plan) -> Vec<Expected> {
    let classes = Classes::of(plan);
    let it = &classes.attachments;
    let attachments = Expected {
        filtered: it.filtered,
        adopted: it.leftovers,
        rejected: codes(&[("orphan", it.orphan())]),
        notes: codes(&[("no_name", it.no_name), ("bad_json", it.bad_json)]),
        ..of("message_attachments", it.written)
    };
    let it = &classes.technicians;
    let technicians = Expected {
        filtered: it.filtered,
        rejected: codes(&[
            ("missing_profile", it.missing_profile),
            ("duplicate_email", it.duplicate_email),
        ]),
        notes: codes(&[("no_email", it.no_email)]),
        ..of("technicians", it.written)
    };
    let it = &classes.technician_roles;
    let technician_roles = Expected {
        filtered: it.filtered,
        rejected: codes(&[("no_technician", it.no_technician), ("orphan", it.orphan)]),
        ..of("technician_roles", it.written)
    };
    let it = &classes.brackets;
    let brackets = Expected {
        rejected: codes(&[("blank_name", it.blank_name)]),
        notes: codes(&[("project_gone", it.project_gone)]),
        ..of("brackets", it.written)
    };
    let it = &classes.order_cases;
    let order_cases = Expected {
        target_rows: it.written + it.two_cases,
        skipped: codes(&[("deleted", it.deleted)]),
        rejected: codes(&[("orphan", it.orphan), ("no_case", it.no_case)]),
        ..of("order_cases", it.written)
    };
    let it = &classes.discussions;
    let discussions = Expected {
        skipped: codes(&[("blank", it.blank)]),
        rejected: codes(&[("orphan", it.orphan), ("no_case", it.no_case)]),
        notes: codes(&[("author_gone", it.author_gone)]),
        ..of("treatment_discussions", it.written)
    };
    let it = &classes.purchases;
    let purchases = Expected {
        skipped: codes(&[
            ("not_paid", it.not_paid),
            ("canceled", it.canceled),
            ("zero_or_free", it.zero_or_free),
        ]),
        rejected: codes(&[("orphan", it.orphan), ("negative_total", it.negative_total)]),
        notes: codes(&[
            ("no_order", it.no_order),
            ("total_mismatch", it.total_mismatch),
            ("subtotal_zero", it.subtotal_zero),
            ("product_ambiguous", it.product_ambiguous),
        ]),
        ..of("purchases", it.written)
    };
    let all = [
        attachments,
        technicians,
        technician_roles,
        brackets,
        order_cases,
        discussions,
        views("template_view_groups", &classes.groups),
        views("template_view_roles", &classes.roles),
        purchases,
    ];
    all.into_iter().map(balanced).collect()
}

fn of(rule: &'static str, written: u64) -> Expected {
    Expected {
        rule,
        base: 0,
        filtered: 0,
        read: 0,
        written_rows: written,
        target_rows: written,
        adopted: 0,
        skipped: BTreeMap::new(),
        rejected: BTreeMap::new(),
        notes: BTreeMap::new(),
    }
}

fn views(rule: &'static str, it: &Views) -> Expected {
    Expected {
        rejected: codes(&[("orphan", it.orphan()), ("duplicate_of", it.duplicate_of)]),
        ..of(rule, it.written)
    }
}

fn codes(counts: &[(&'static str, u64)]) -> BTreeMap<&'static str, u64> {
    counts.iter().copied().collect()
}

fn balanced(mut it: Expected) -> Expected {
    let left: u64 = it.skipped.values().chain(it.rejected.values()).sum();
    it.read = it.written_rows + left;
    it.base = it.read + it.filtered;
    it
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_scale_is_as_known() {
        let all = expected(1.0);
        let counts: Vec<_> = all
            .iter()
            .map(|it| (it.rule, it.base, it.filtered, it.read, it.target_rows))
            .collect();
        assert_eq!(
            counts,
            [
                ("message_attachments", 325_652, 316_733, 8_919, 8_694),
                ("technicians", 9_900, 9_815, 85, 81),
                ("technician_roles", 48, 16, 32, 28),
                ("brackets", 1_720, 0, 1_720, 1_714),
                ("order_cases", 25_012, 0, 25_012, 24_571),
                ("treatment_discussions", 16_312, 0, 16_312, 15_935),
                ("template_view_groups", 199, 0, 199, 187),
                ("template_view_roles", 1_111, 0, 1_111, 1_076),
                ("purchases", 17_297, 0, 17_297, 3_701),
            ]
        );
        let totals = purchase_totals(1.0);
        assert_eq!(totals.written, 419_238_734);
        assert_eq!(totals.rejected["orphan"], 1_921_853);
        assert_eq!(totals.rejected["negative_total"], -48_040);
        assert_eq!(totals.skipped["not_paid"], 1_171_753_134);
        assert_eq!(totals.skipped["canceled"], 170_527_182);
        assert_eq!(totals.skipped["zero_or_free"], 612_500);
        assert_eq!(totals.source, 1_764_005_363);
    }

    #[test]
    fn a_small_scale_keeps_every_class() {
        for it in expected(0.01) {
            let classes = it
                .skipped
                .values()
                .chain(it.rejected.values())
                .chain(it.notes.values());
            assert!(classes.into_iter().all(|rows| *rows > 0), "{}", it.rule);
        }
    }
}
