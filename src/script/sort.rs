//! Sorting with a script's own comparison. The language's own hides what goes wrong in the comparison,
//! and panics when it contradicts itself.

use rhai::{Array, Dynamic, Engine, FnPtr, NativeCallContext};

use super::context::{Fallible, HostFault};

pub(super) fn register(engine: &mut Engine) {
    for name in ["sort", "sort_by"] {
        engine.register_fn(
            name,
            |call: NativeCallContext, list: &mut Array, compare: FnPtr| -> Fallible<()> {
                let sorted = sort(list.clone(), &mut |a, b| {
                    is_after(&compare.call_raw(&call, None, [a.clone(), b.clone()])?)
                })?;
                *list = sorted;
                Ok(())
            },
        );
    }
}

/// Whether the first of two goes behind the second: a number above 0, or `false`.
fn is_after(answer: &Dynamic) -> Fallible<bool> {
    match (answer.as_int(), answer.as_bool()) {
        (Ok(order), _) => Ok(order > 0),
        (_, Ok(is_before)) => Ok(!is_before),
        _ => HostFault::with_hint(
            "the comparison of `sort` must return a number, or true or false",
            "`|a, b| a.x - b.x`, or `|a, b| a.x < b.x`",
        ),
    }
}

/// Merges sorted halves; equal items keep their order as far as the comparison tells.
fn sort(
    mut list: Array,
    is_after: &mut dyn FnMut(&Dynamic, &Dynamic) -> Fallible<bool>,
) -> Fallible<Array> {
    if list.len() < 2 {
        return Ok(list);
    }
    let right = list.split_off(list.len() / 2);
    let left = sort(list, is_after)?;
    let right = sort(right, is_after)?;
    let mut out = Array::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let Some((a, b)) = left.peek().zip(right.peek()) {
        // `|a, b| a < b` says false of equal items in both orders, so the left one is asked as second
        let from_right = is_after(a, b)? && !is_after(b, a)?;
        out.extend(if from_right {
            right.next()
        } else {
            left.next()
        });
    }
    out.extend(left);
    out.extend(right);
    Ok(out)
}
