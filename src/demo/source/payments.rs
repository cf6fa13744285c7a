//! Rows of the source: payments.

use crate::demo::cells::Cells;
use crate::demo::money::Payment;
use crate::demo::people::Persona;
use crate::demo::random::Stream;
use crate::demo::text;
use crate::demo::world::World;

/// A rate that no machine number holds: 40 digits.
const RATE_LONG: &str = "0.0812345678901234567890123456789012345678";

pub(in crate::demo) fn payment(world: &World, place: u64, cells: &mut Cells) -> bool {
    let classes = &world.classes.purchases;
    let index = world.payments.index(place);
    let number = world.number(Stream::Payment, place);
    let what = Payment::at(classes, index);
    let first = index - rank(what);
    let total = what.total(classes, |pair| {
        world.number(Stream::Payment, (1 << 42) | (first + pair))
    });
    let flags = flags(what, number);
    let [subtotal, tax] = parts(world, what, total, number);

    cells.int(world.payments.key_at(place));
    cells.moment(world.moment(Stream::Payment, place, world.payments.rows()));
    cells.bool(flags[0]).bool(flags[1]).bool(flags[2]);
    cells.raw(match rank(what) % 9 {
        0 => RATE_LONG,
        1 => "0",
        2 => "0.080",
        3 => "8.25e-2",
        _ => "0.0825",
    });
    cells.cents(tax).cents(subtotal).cents(total);
    cells.cents(if flags[1] { total } else { 0 });
    cells.int(text::pick(&[1, 1, 1, 3, 6, 12], number >> 3));
    let instruction = instruction(world, what, number).map(|order| world.instructions.key(order));
    cells.maybe_int(instruction);
    // only people with a profile, wherever that would decide the row's fate
    cells.int(world.people.key(match what {
        Payment::NotPaid(n) if n % 40 == 0 => Persona::Stranger(n),
        _ => Persona::Staff(number >> 7),
    }));
    cells.int(number % 300 + 1);
    match number >> 44 & 7 {
        0 => cells.null(),
        1 => cells.text(text::horror(number >> 47)),
        _ => cells.label("ch_", number >> 32),
    };
    match number >> 60 {
        0..=2 => cells.null().null(),
        3 => cells.text(text::horror(number >> 51)).raw("0000"),
        _ => cells
            .raw(text::pick(&["visa", "mastercard", "amex"], number >> 51))
            .raw(text::pick(&["4242", "0005", "1881", "0077"], number >> 53)),
    };
    true
}

/// The row's number within its class.
fn rank(what: Payment) -> u64 {
    match what {
        Payment::Written(n)
        | Payment::NotPaid(n)
        | Payment::Canceled(n)
        | Payment::ZeroOrFree(n)
        | Payment::Orphan(n)
        | Payment::Negative(n) => n,
    }
}

/// free, paid, canceled. A row may deserve several verdicts; the first in order is its class.
fn flags(what: Payment, number: u64) -> [bool; 3] {
    match what {
        Payment::NotPaid(_) => [number & 7 == 0, false, number & 0x18 == 0],
        Payment::Canceled(_) => [number & 7 == 0, true, true],
        Payment::ZeroOrFree(n) => [n % 2 == 1, true, false],
        Payment::Written(_) | Payment::Orphan(_) | Payment::Negative(_) => [false, true, false],
    }
}

/// Subtotal and tax in cents.
fn parts(world: &World, what: Payment, total: i64, number: u64) -> [i64; 2] {
    let classes = &world.classes.purchases;
    let tax = total * 825 / 10_825;
    let Payment::Written(n) = what else {
        return [total - tax, tax];
    };
    // the notes follow the ambiguous products where there are rows enough
    let from = classes
        .product_ambiguous
        .min(classes.written - classes.total_mismatch);
    match n.checked_sub(from) {
        Some(m) if m < classes.subtotal_zero => [0, tax],
        Some(m) if m < classes.total_mismatch => [total - tax - 1 - (number % 500) as i64, tax],
        _ => [total - tax, tax],
    }
}

fn instruction(world: &World, what: Payment, number: u64) -> Option<u64> {
    let classes = &world.classes.purchases;
    match what {
        Payment::Written(n) if n < classes.no_order => None,
        Payment::Written(n) if n < classes.product_ambiguous => Some(world.ambiguous_order(n)),
        Payment::Written(n) => Some(world.clear_order(n.wrapping_mul(7))),
        Payment::Orphan(n) => Some(world.lost_order(n)),
        Payment::Negative(n) => Some(world.clear_order(n)),
        _ => (number & 0x1F0 != 0).then_some(number % world.instructions.rows()),
    }
}
