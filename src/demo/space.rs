//! A table's rows in two orders: by key, as they are written, and by class, as they are counted.
//!
//! Classes lie side by side in the second order, so "the third order without a case" is arithmetic;
//! an affine permutation scatters them over the first. Nothing is kept per row.

/// The rows of one table.
#[derive(Clone, Debug)]
pub(super) struct Space {
    rows: u64,
    multiplier: u64,
    inverse: u64,
    start: u64,
    every: u64,
    gap: u64,
}

impl Space {
    /// `rows` keys from `start` on, with `gap` keys missing after every `every` rows.
    pub(super) fn new(rows: u64, start: u64, every: u64, gap: u64) -> Self {
        let (multiplier, inverse) = scatter(rows.max(1));
        Self {
            rows,
            multiplier,
            inverse,
            start,
            every,
            gap,
        }
    }

    /// Number of rows.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// The row's number in class order, from its place in key order.
    pub(super) fn index(&self, place: u64) -> u64 {
        place * self.inverse % self.rows
    }

    /// The row's place in key order, from its number in class order.
    pub(super) fn place(&self, index: u64) -> u64 {
        index * self.multiplier % self.rows
    }

    /// The key at a place in key order.
    pub(super) fn key_at(&self, place: u64) -> u64 {
        self.start + place + place / self.every * self.gap
    }

    /// The key of a row by its number in class order.
    pub(super) fn key(&self, index: u64) -> u64 {
        self.key_at(self.place(index))
    }

    /// A key that no row has: the `n`th after the last.
    pub(super) fn absent(&self, n: u64) -> u64 {
        self.key_at(self.rows) + self.gap + 1 + n * 3
    }
}

/// A multiplier near the golden section that has no factor in common with `rows`, and its inverse.
fn scatter(rows: u64) -> (u64, u64) {
    let golden = rows * 618 / 1000;
    for multiplier in golden.max(1).. {
        if let Some(inverse) = inverse(multiplier, rows) {
            return (multiplier, inverse);
        }
    }
    (1, 1)
}

/// `x` with `a * x % n == 1 % n`, by the extended Euclidean algorithm.
fn inverse(a: u64, n: u64) -> Option<u64> {
    let (mut r, mut next_r) = (n as i64, (a % n) as i64);
    let (mut t, mut next_t) = (0_i64, 1_i64);
    if n == 1 {
        return Some(0);
    }
    while next_r != 0 {
        let quotient = r / next_r;
        (t, next_t) = (next_t, t - quotient * next_t);
        (r, next_r) = (next_r, r - quotient * next_r);
    }
    (r == 1).then(|| t.rem_euclid(n as i64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_orders_hold_every_row_once() {
        for rows in [1, 2, 3, 10, 48, 97, 1720, 25_012] {
            let space = Space::new(rows, 7, 13, 2);
            let mut seen = vec![false; rows as usize];
            for place in 0..rows {
                let index = space.index(place);
                assert_eq!(space.place(index), place);
                assert!(!std::mem::replace(&mut seen[index as usize], true));
            }
            assert!(space.absent(0) > space.key_at(rows - 1));
        }
    }
}
