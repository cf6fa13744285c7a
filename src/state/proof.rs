//! What `verify` asks the state: which rule was applied last, which chunk had the last word on a key, and
//! whether the ledger can still prove who wrote a row. Never what a row should hold.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::db::{Engine, Session};
use crate::row::Key;
use crate::state::chunk::{from_hex, key};
use crate::state::{Entry, Manifest, State, StateError, number, text};

/// Manifests unpacked at a time.
const PAGE: usize = 8;

/// A chunk that counts, without its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkLine {
    /// Its id; a later one has the later word.
    pub id: i64,
    /// `pass`, `sweep`, `procedure`, `later` …
    pub kind: String,
    /// Exclusive; `None` also for chunks that are no range.
    pub lo: Option<Key>,
    /// Inclusive; `None` for chunks that are no range.
    pub hi: Option<Key>,
    /// *transform* fingerprint of its segment.
    pub transform_fp: String,
}

/// The last word on a source row.
#[derive(Clone, Debug)]
pub struct LastWord {
    /// What the manifest says.
    pub entry: Entry,
    /// Index of the chunk in the list that was asked.
    pub line: usize,
}

/// Which transactions wrote rows for us, as far as that can be proved.
#[derive(Clone, Debug, Default)]
pub struct Writers {
    /// Low 32 bits of the chunks' transactions, as `xmin` shows them.
    xids: HashSet<String>,
    /// The ledger's own lines still carry the transactions that they name. After a dump and restore they do
    /// not, and a number that happens to be equal proves nothing.
    pub provable: bool,
}

impl Writers {
    /// The transactions of another rule as well.
    pub(super) fn join(&mut self, other: Self) {
        self.xids.extend(other.xids);
        self.provable = other.provable;
    }

    /// True when one of our chunks is proved to have written the row last.
    pub fn wrote(&self, xmin: Option<&str>) -> bool {
        self.provable && xmin.is_some_and(|xmin| self.xids.contains(xmin))
    }
}

/// A row as it was before a chunk changed it.
#[derive(Clone, Debug)]
pub struct Before {
    /// Id of the chunk.
    pub chunk: i64,
    /// Columns as texts.
    pub image: serde_json::Value,
}

/// A rule as it was applied last.
#[derive(Clone, Debug)]
pub struct Applied {
    /// Its name.
    pub rule: String,
    /// Its target table.
    pub target: String,
    /// What decided rows.
    pub transform_fp: String,
    /// Path and text: the rule first, then the libraries it reaches.
    pub texts: Vec<(String, String)>,
}

impl State {
    /// Every rule that ran in the table's account, as of its newest segment, by name.
    pub async fn applied(self, session: &mut Session) -> Result<Vec<Applied>, StateError> {
        let (segment, rule) = (self.table("segment"), self.table("rule"));
        let rows = session
            .query(&format!(
                "select s.rule, s.target, s.transform_fp, r.texts from {segment} s join {rule} r on r.rule = s.rule \
                 and r.transform_fp = s.transform_fp and r.gate_fp = s.gate_fp \
                 where s.id in (select max(id) from {segment} live where {} group by rule) order by s.rule",
                self.live_segment("live")
            ))
            .await?;
        let get = |row, column| text(&rows, row, column).map(Option::unwrap_or_default);
        (0..rows.len())
            .map(|row| {
                Ok(Applied {
                    rule: get(row, 0)?,
                    target: get(row, 1)?,
                    transform_fp: get(row, 2)?,
                    texts: serde_json::from_str(&get(row, 3)?).map_err(|_| {
                        StateError::Damaged("a rule's texts do not read back".into())
                    })?,
                })
            })
            .collect()
    }

    /// The chunks of a rule that count, all passes, in the order in which they were written.
    pub async fn lines(
        self,
        session: &mut Session,
        rule: &str,
    ) -> Result<Vec<ChunkLine>, StateError> {
        let sql = format!(
            "select c.id, c.kind, c.lo, c.hi, s.transform_fp from {} c join {} s on s.id = c.segment_id \
             where c.rule = {} and {} order by c.id",
            self.table("chunk"),
            self.table("segment"),
            self.text(rule)?,
            self.live_chunk("c")
        );
        let rows = session.query(&sql).await?;
        (0..rows.len())
            .map(|row| {
                let kind = text(&rows, row, 1)?.unwrap_or_default();
                let range = kind == "pass";
                let bound = |column| -> Result<Option<Key>, StateError> {
                    if range {
                        key(text(&rows, row, column)?)
                    } else {
                        Ok(None)
                    }
                };
                Ok(ChunkLine {
                    id: number(&rows, row, 0)?,
                    lo: bound(2)?,
                    hi: bound(3)?,
                    kind,
                    transform_fp: text(&rows, row, 4)?.unwrap_or_default(),
                })
            })
            .collect()
    }

    /// The last word on each of these keys, and on whoever was given one of these ids.
    pub async fn last_words(
        self,
        session: &mut Session,
        lines: &[ChunkLine],
        which: &[usize],
        keys: &HashSet<&str>,
        ids: &HashSet<Uuid>,
    ) -> Result<HashMap<String, LastWord>, StateError> {
        let packed = match self.engine() {
            Engine::Postgres => "encode(packed, 'hex')",
            Engine::Sqlite => "hex(packed)",
        };
        let mut found: HashMap<String, LastWord> = HashMap::new();
        for which in which.chunks(PAGE) {
            let list: Vec<String> = which.iter().map(|at| lines[*at].id.to_string()).collect();
            let sql = format!(
                "select chunk_id, {packed} from {} where chunk_id in ({}) order by chunk_id",
                self.table("manifest"),
                list.join(",")
            );
            let rows = session.query(&sql).await?;
            for row in 0..rows.len() {
                let chunk = number(&rows, row, 0)?;
                let Some(line) = which.iter().copied().find(|at| lines[*at].id == chunk) else {
                    continue;
                };
                let bytes = from_hex(&text(&rows, row, 1)?.unwrap_or_default())?;
                for entry in Manifest::unpack(&bytes)?.entries {
                    let wanted = keys.contains(entry.key.as_str())
                        || (!ids.is_empty() && entry.ids.iter().any(|id| ids.contains(id)));
                    if wanted {
                        found.insert(entry.key.clone(), LastWord { entry, line });
                    }
                }
            }
        }
        Ok(found)
    }

    /// Which transactions wrote for this rule. On SQLite nothing can be proved: it keeps no such number.
    pub async fn writers(self, session: &mut Session, rule: &str) -> Result<Writers, StateError> {
        if self.engine() == Engine::Sqlite {
            return Ok(Writers::default());
        }
        let chunk = self.table("chunk");
        let short = "(xid::numeric % 4294967296)::text";
        let moved = session
            .query(&format!(
                "select count(*) filter (where {short} is distinct from xmin::text), count(*) from {chunk}"
            ))
            .await?;
        let sql = format!(
            "select distinct {short} from {chunk} where rule = {} and xid is not null",
            self.text(rule)?
        );
        let rows = session.query(&sql).await?;
        let mut xids = HashSet::new();
        for row in 0..rows.len() {
            xids.extend(text(&rows, row, 0)?);
        }
        Ok(Writers {
            xids,
            provable: number(&moved, 0, 0)? == 0,
        })
    }

    /// Rows as they were before each chunk that changed them, by id, the first chunk first: columns as texts.
    pub async fn before_images(
        self,
        session: &mut Session,
        rule: &str,
        ids: &[Uuid],
    ) -> Result<HashMap<Uuid, Vec<Before>>, StateError> {
        let mut found: HashMap<Uuid, Vec<Before>> = HashMap::new();
        for ids in ids.chunks(1_000) {
            let list: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
            let sql = format!(
                "select target_id, image, chunk_id from {} b where rule = {} and target_id in ({}) and target not like 'runner.%' and target <> 'migration_mappings' \
                 and not {} order by chunk_id",
                self.table("before_image"),
                self.text(rule)?,
                list.join(","),
                self.taken_back("b")
            );
            let rows = session.query(&sql).await?;
            for row in 0..rows.len() {
                let id = text(&rows, row, 0)?.and_then(|t| t.parse().ok());
                let image = text(&rows, row, 1)?.and_then(|t| serde_json::from_str(&t).ok());
                if let Some((id, image)) = id.zip(image) {
                    let chunk = number(&rows, row, 2)?;
                    found.entry(id).or_default().push(Before { chunk, image });
                }
            }
        }
        Ok(found)
    }

    /// Stage and code of rows in quarantine, by key.
    pub async fn refusals(
        self,
        session: &mut Session,
        rule: &str,
        keys: &[&str],
    ) -> Result<HashMap<String, (String, String)>, StateError> {
        let mut found = HashMap::new();
        for keys in keys.chunks(1_000) {
            let list = keys
                .iter()
                .map(|key| self.text(key))
                .collect::<Result<Vec<_>, _>>()?;
            let sql = format!(
                "select key, stage, code from {} where rule = {} and status <> 'trial' and key in ({})",
                self.table("quarantine"),
                self.text(rule)?,
                list.join(",")
            );
            let rows = session.query(&sql).await?;
            for row in 0..rows.len() {
                let get = |column| text(&rows, row, column).map(Option::unwrap_or_default);
                found.insert(get(0)?, (get(1)?, get(2)?));
            }
        }
        Ok(found)
    }
}
