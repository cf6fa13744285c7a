//! What payments cost, class by class, so that every sum is known without adding up.
//!
//! Row `k` of a class costs `base` cents, one cent more if `k < extra`, and neighbours `2i`, `2i + 1`
//! differ by the same amount up and down: prices look random, sums are `rows * base + min(rows, extra)`.

use std::collections::BTreeMap;

use super::kinds::Purchases;

/// The price list of one class.
#[derive(Clone, Copy, Debug)]
struct Price {
    base: i64,
    extra: u64,
    spread: i64,
}

/// 3,701 rows come to 4,192,387.34.
const WRITTEN: Price = price(113_277, 557, 100_000);
/// 11,902 rows come to 11,717,531.34.
const NOT_PAID: Price = price(98_450, 1_234, 90_000);
/// 1,421 rows come to 1,705,271.82.
const CANCELED: Price = price(120_005, 77, 80_000);
/// 19 rows come to 19,218.53.
const ORPHAN: Price = price(101_150, 3, 50_000);
/// 4 rows come to -480.40.
const NEGATIVE: Price = price(-12_010, 0, 5_000);
/// Of 250 rows every second is free of charge, but was 49.00: 6,125.00.
const FREE: i64 = 4_900;

const fn price(base: i64, extra: u64, spread: i64) -> Price {
    Price {
        base,
        extra,
        spread,
    }
}

impl Price {
    fn of(self, row: u64, rows: u64, pair: u64) -> i64 {
        let cent = i64::from(row < self.extra);
        let apart = (pair % self.spread as u64) as i64;
        let apart = match row % 2 {
            _ if row + 1 == rows && rows % 2 == 1 => 0,
            0 => apart,
            _ => -apart,
        };
        self.base + cent + apart
    }

    fn sum(self, rows: u64) -> i64 {
        self.base * rows as i64 + rows.min(self.extra) as i64
    }
}

/// What a payment is, with its number within the class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payment {
    Written(u64),
    NotPaid(u64),
    Canceled(u64),
    ZeroOrFree(u64),
    Orphan(u64),
    Negative(u64),
}

impl Payment {
    /// The class of a payment by its number in class order.
    pub(super) fn at(classes: &Purchases, index: u64) -> Self {
        let mut rest = index;
        for (rows, make) in [
            (classes.written, Self::Written as fn(u64) -> Self),
            (classes.not_paid, Self::NotPaid),
            (classes.canceled, Self::Canceled),
            (classes.zero_or_free, Self::ZeroOrFree),
            (classes.orphan, Self::Orphan),
        ] {
            if rest < rows {
                return make(rest);
            }
            rest -= rows;
        }
        Self::Negative(rest)
    }

    /// The total in cents. `pair` draws a number that two neighbours share: from the row's number halved.
    pub(super) fn total(self, classes: &Purchases, pair: impl Fn(u64) -> u64) -> i64 {
        match self {
            Self::Written(n) => WRITTEN.of(n, classes.written, pair(n / 2)),
            Self::NotPaid(n) => NOT_PAID.of(n, classes.not_paid, pair(n / 2)),
            Self::Canceled(n) => CANCELED.of(n, classes.canceled, pair(n / 2)),
            Self::ZeroOrFree(n) => FREE * (n % 2) as i64,
            Self::Orphan(n) => ORPHAN.of(n, classes.orphan, pair(n / 2)),
            Self::Negative(n) => NEGATIVE.of(n, classes.negative_total, pair(n / 2)),
        }
    }
}

/// Sums of `total_price`, in cents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Over every payment.
    pub source: i64,
    /// Over the purchases that are written.
    pub written: i64,
    /// By skip code.
    pub skipped: BTreeMap<&'static str, i64>,
    /// By reject code.
    pub rejected: BTreeMap<&'static str, i64>,
}

/// The sums of a plan's payments.
pub(super) fn totals(classes: &Purchases) -> Totals {
    let written = WRITTEN.sum(classes.written);
    let skipped = BTreeMap::from([
        ("not_paid", NOT_PAID.sum(classes.not_paid)),
        ("canceled", CANCELED.sum(classes.canceled)),
        ("zero_or_free", FREE * (classes.zero_or_free / 2) as i64),
    ]);
    let rejected = BTreeMap::from([
        ("orphan", ORPHAN.sum(classes.orphan)),
        ("negative_total", NEGATIVE.sum(classes.negative_total)),
    ]);
    let left: i64 = skipped.values().chain(rejected.values()).sum();
    Totals {
        source: written + left,
        written,
        skipped,
        rejected,
    }
}
