//! Ids both ways: does every written source row lead to a row of the target, and does every row of the
//! target lead back to a source row?
//!
//! Asked of the target as it is now, not of counters: the ids in the manifests are laid beside the ids in the
//! table. Twenty bytes per written row are held meanwhile.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use uuid::Uuid;

use crate::catalog;
use crate::db::{Engine, Session, TableName, ident};
use crate::report::standing::Standing;
use crate::state::{Manifest, Outcome, State, StateError, from_hex, number, text};

/// Ids shown of a class.
const SHOWN: usize = 5;
/// Manifests unpacked at a time.
const MANIFESTS: u32 = 64;
/// Rows of the target read at a time.
const PAGE: usize = 50_000;

/// The chunk that counts reads a source row into this id.
const CURRENT: u8 = 1;
/// A chunk, this one or an earlier one, made the row.
const INSERTED: u8 = 2;
/// A chunk changed the row.
const UPDATED: u8 = 4;
/// The row is in the target.
const SEEN: u8 = 8;

/// One target table, laid beside what was written into it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// The target table.
    pub target: String,
    /// The rules that write it.
    pub rules: Vec<String>,
    /// Target rows that source rows lead to, by the manifests.
    pub expected: i64,
    /// Of those, rows that are not there.
    pub missing: i64,
    /// Some of their ids.
    pub missing_ids: Vec<String>,
    /// Rows in the table now.
    pub rows: i64,
    /// Of those, rows that the migration made.
    pub inserted: i64,
    /// Rows that were there before it and were recognised as a source row's.
    pub adopted: i64,
    /// Rows it made for source rows that lead elsewhere now, or are gone.
    pub former: i64,
    /// Rows that it has nothing to do with.
    pub foreign: i64,
    /// Some of their ids.
    pub foreign_ids: Vec<String>,
    /// Rows it wrote and that somebody else's transaction has written since; none where the engine cannot tell.
    pub edited: Option<i64>,
    /// Some of their ids.
    pub edited_ids: Vec<String>,
    /// Why nothing could be asked.
    pub unknown: Option<String>,
    /// The query behind `rows`.
    pub query: String,
}

/// Every target table of the rules that ran.
pub(super) async fn coverage(
    session: &mut Session,
    state: State,
    tables: &[Standing],
) -> Result<Vec<Coverage>, StateError> {
    let mut out: Vec<Coverage> = Vec::new();
    for table in tables.iter().filter(|t| t.base > 0 || t.target_rows > 0) {
        match out.iter_mut().find(|c| c.target == table.target) {
            Some(known) => known.rules.push(table.name.clone()),
            None => out.push(Coverage {
                target: table.target.clone(),
                rules: vec![table.name.clone()],
                ..Coverage::default()
            }),
        }
    }
    for one in &mut out {
        lay_beside(session, state, one).await?;
    }
    Ok(out)
}

async fn lay_beside(
    session: &mut Session,
    state: State,
    one: &mut Coverage,
) -> Result<(), StateError> {
    let name = TableName::parse(&one.target);
    let from = name.sql(state.engine());
    one.query = format!("select count(*) from {from}");
    let found = catalog::table(session, &name).await?;
    let id = match &found {
        None => Err("the table is not there any more"),
        Some(table) if !table.rights.select => Err("the role may not read the table"),
        Some(table) => table.id_column().ok_or("its primary key is not one uuid"),
    };
    let id = match id {
        Ok(column) => ident(&column.name),
        Err(why) => {
            one.unknown = Some(why.to_owned());
            return Ok(());
        }
    };
    let mut known = Known::default();
    for rule in &one.rules {
        known.read(session, state, rule).await?;
    }
    known.settle();
    one.expected = known.count(|flags| flags & CURRENT != 0);
    let writers = writers(session, state, &one.rules).await?;
    let by = if writers.is_some() {
        ", xmin::text"
    } else {
        ""
    };
    let mut after = String::new();
    loop {
        let sql = format!("select {id}{by} from {from}{after} order by {id} limit {PAGE}");
        let rows = session.query(&sql).await?;
        for row in 0..rows.len() {
            let shown = text(&rows, row, 0)?.unwrap_or_default();
            let by_other = match &writers {
                None => false,
                Some(ours) => text(&rows, row, 1)?.is_none_or(|xmin| !ours.contains(&xmin)),
            };
            one.place(&mut known, &shown, by_other);
        }
        if rows.len() < PAGE {
            break;
        }
        let last = text(&rows, rows.len() - 1, 0)?.unwrap_or_default();
        after = format!(" where {id} > {}", state.text(&last)?);
    }
    if writers.is_some() {
        one.edited.get_or_insert(0);
    }
    for (id, _) in known
        .ids
        .iter()
        .filter(|(_, f)| f & (CURRENT | SEEN) == CURRENT)
    {
        one.missing += 1;
        show(&mut one.missing_ids, &Uuid::from_bytes(*id).to_string());
    }
    Ok(())
}

impl Coverage {
    fn place(&mut self, known: &mut Known, id: &str, by_other: bool) {
        self.rows += 1;
        let flags = id.parse().map_or(0, |id: Uuid| known.see(id));
        if flags & (CURRENT | INSERTED) == 0 {
            self.foreign += 1;
            show(&mut self.foreign_ids, id);
        } else if flags & CURRENT == 0 {
            self.former += 1;
        } else if flags & INSERTED != 0 {
            self.inserted += 1;
        } else {
            self.adopted += 1;
        }
        // rows that were adopted as they were are nobody's edit
        if by_other && flags & (INSERTED | UPDATED) != 0 {
            *self.edited.get_or_insert(0) += 1;
            show(&mut self.edited_ids, id);
        }
    }
}

fn show(ids: &mut Vec<String>, id: &str) {
    if ids.len() < SHOWN {
        ids.push(id.to_owned());
    }
}

/// Transactions of our own chunks, as `xmin` shows them.
async fn writers(
    session: &mut Session,
    state: State,
    rules: &[String],
) -> Result<Option<HashSet<String>>, StateError> {
    if state.engine() == Engine::Sqlite {
        return Ok(None);
    }
    let mut found = HashSet::new();
    for rule in rules {
        let sql = format!(
            "select distinct (xid::numeric % 4294967296)::text from {} where rule = {} and xid is not null",
            state.table("chunk"),
            state.text(rule)?
        );
        found.extend(super::evidence::list_of_texts(&session.query(&sql).await?)?);
    }
    Ok(Some(found))
}

/// Ids of the manifests with what they say about them.
#[derive(Default)]
struct Known {
    ids: Vec<([u8; 16], u8)>,
}

impl Known {
    /// Adds what a rule's chunks say.
    async fn read(
        &mut self,
        session: &mut Session,
        state: State,
        rule: &str,
    ) -> Result<(), StateError> {
        let sql = format!(
            "select coalesce(max(pass), 0) from {} s where rule = {} and {}",
            state.table("segment"),
            state.text(rule)?,
            state.live_segment("s")
        );
        let pass = number(&session.query(&sql).await?, 0, 0)?;
        // later decisions on single rows: the newest of them stands
        let later = "c.kind not in ('pass', 'sweep', 'procedure')";
        let mut newest: HashMap<String, i64> = HashMap::new();
        let only = format!(
            "and {later} and {} and c.pass = {pass}",
            state.live_chunk("c")
        );
        let mut after = 0;
        while let Some(chunks) = page(session, state, rule, &only, after).await? {
            for chunk in chunks {
                after = chunk.id;
                for entry in chunk.manifest.entries {
                    newest.insert(entry.key, chunk.id);
                }
            }
        }
        after = 0;
        while let Some(chunks) = page(session, state, rule, "", after).await? {
            for chunk in chunks {
                after = chunk.id;
                let counts = chunk.accounted && chunk.pass == pass;
                for entry in &chunk.manifest.entries {
                    let stands = newest.get(&entry.key).is_none_or(|last| *last <= chunk.id);
                    let mut flags = match entry.outcome {
                        Outcome::Inserted => INSERTED,
                        Outcome::Updated => UPDATED,
                        Outcome::None | Outcome::Unchanged => 0,
                    };
                    if counts && stands {
                        flags |= CURRENT;
                    }
                    let ids = entry.ids.iter().map(|id| (*id.as_bytes(), flags));
                    self.ids.extend(ids);
                }
            }
        }
        Ok(())
    }

    /// One line per id.
    fn settle(&mut self) {
        self.ids.sort_unstable();
        self.ids.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 |= next.1;
            }
            same
        });
    }

    fn count(&self, of: impl Fn(u8) -> bool) -> i64 {
        self.ids.iter().filter(|(_, flags)| of(*flags)).count() as i64
    }

    /// What is known of an id that is in the target.
    fn see(&mut self, id: Uuid) -> u8 {
        let at = self
            .ids
            .binary_search_by(|(known, _)| known.cmp(id.as_bytes()));
        let Ok(at) = at else { return 0 };
        self.ids[at].1 |= SEEN;
        self.ids[at].1
    }
}

struct Chunk {
    id: i64,
    pass: i64,
    accounted: bool,
    manifest: Manifest,
}

/// The next chunks of a rule; none when there are no more.
async fn page(
    session: &mut Session,
    state: State,
    rule: &str,
    only: &str,
    after: i64,
) -> Result<Option<Vec<Chunk>>, StateError> {
    let packed = match state.engine() {
        Engine::Postgres => "encode(m.packed, 'hex')",
        Engine::Sqlite => "hex(m.packed)",
    };
    let sql = format!(
        "select c.id, c.pass, case when {} then 1 else 0 end, {packed} from {} c join {} m on m.chunk_id = c.id where c.rule = {} \
         and c.id > {after} and c.kind not in ('undo', 'undoing') {only} order by c.id limit {MANIFESTS}",
        state.live_chunk("c"),
        state.table("chunk"),
        state.table("manifest"),
        state.text(rule)?
    );
    let rows = session.query(&sql).await?;
    let mut chunks = Vec::new();
    for row in 0..rows.len() {
        let packed = text(&rows, row, 3)?.unwrap_or_default();
        chunks.push(Chunk {
            id: number(&rows, row, 0)?,
            pass: number(&rows, row, 1)?,
            accounted: number(&rows, row, 2)? == 1,
            manifest: Manifest::unpack(&from_hex(&packed)?)?,
        });
    }
    Ok((!chunks.is_empty()).then_some(chunks))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> Uuid {
        Uuid::from_bytes([byte; 16])
    }

    #[test]
    fn every_row_of_the_target_is_in_one_class() {
        let mut known = Known {
            ids: vec![
                ([1; 16], CURRENT | INSERTED),
                ([2; 16], CURRENT),
                ([3; 16], INSERTED),
                ([2; 16], UPDATED),
                ([4; 16], CURRENT | INSERTED),
            ],
        };
        known.settle();
        assert_eq!(known.ids.len(), 4);
        let mut found = Coverage::default();
        for (byte, by_other) in [(1, false), (2, true), (3, false), (9, true)] {
            found.place(&mut known, &id(byte).to_string(), by_other);
        }
        let classes = [
            found.rows,
            found.inserted,
            found.adopted,
            found.former,
            found.foreign,
        ];
        assert_eq!(classes, [4, 1, 1, 1, 1]);
        assert_eq!(found.edited, Some(1));
        assert_eq!(known.count(|f| f & (CURRENT | SEEN) == CURRENT), 1);
    }
}
