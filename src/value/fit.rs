//! What a script hands out, held against the target's column.

use super::{Logical, Misfit, Scalar};

/// Appends the unescaped text that the target column stores. `Ok(false)` is NULL, with nothing appended.
pub fn fit(value: &Scalar, target: &Logical, out: &mut Vec<u8>) -> Result<bool, Misfit> {
    match value {
        Scalar::Null => Ok(false),
        Scalar::Text(text) => {
            out.extend_from_slice(text.as_bytes());
            Ok(true)
        }
        _ => Err(Misfit::new(
            "bad_value",
            format!("the value does not fit {target}"),
        )),
    }
}
