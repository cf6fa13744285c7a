//! Rows that nothing derives, where keys have no common order on both sides: every legacy key of the target is
//! looked for in the source.

use super::compare::{Kind, Now, Suspect};
use super::locate::{Finder, Layout, RANGE_ROWS};
use super::{VerifyError, World};
use crate::row::Key;
use crate::source::PageQuery;
use crate::target::Destination;

/// Target rows whose key the source does not have, or no longer counts.
pub(super) async fn without_source(
    world: &mut World<'_>,
    query: &PageQuery,
    to: &Destination,
    layout: &Layout,
    legacy: u16,
) -> Result<Vec<Suspect>, VerifyError> {
    let mut found = Vec::new();
    let mut after: Option<(String, uuid::Uuid)> = None;
    loop {
        let mut finder = Finder {
            session: &mut world.target,
            to,
            layout,
        };
        let last = after.as_ref().map(|(text, id)| (text.as_str(), *id));
        let rows = finder.range(legacy, (None, None), last).await?;
        let mut keys = Vec::with_capacity(rows.len());
        for row in 0..rows.len() {
            keys.extend(layout.legacy(&rows, row).map(Key::single));
        }
        let (_, there) = world.source.page_of_keys(query, &keys).await?;
        let there: std::collections::HashSet<Key> = there.into_iter().collect();
        for (row, key) in keys.iter().enumerate() {
            if !there.contains(key) {
                found.push(Suspect {
                    key: key.to_string(),
                    kind: Kind::Extra,
                    now: Now::Gone,
                    input: None,
                    id: layout.id(&rows, row),
                    columns: vec![legacy],
                    out: None,
                });
            }
        }
        let Some(at) = (rows.len() == RANGE_ROWS).then(|| rows.len() - 1) else {
            return Ok(found);
        };
        after = layout.legacy(&rows, at).zip(layout.id(&rows, at));
    }
}
