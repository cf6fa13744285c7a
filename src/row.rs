//! The neutral shape of data between the two databases: rows, keys, verdicts. No SQL, no script.

mod answers;
mod copy_text;
mod key;
mod person;
mod rows;
mod verdict;

pub use answers::{Answers, IdAnswer, IdAnswers, LookupAnswer, whole_number};
pub use copy_text::{escape_into, unescape};
pub use key::Key;
pub(crate) use key::put_measured;
pub use person::{Account, Accounts, Login, PasswordHash, People, Person};
pub use rows::{NotUtf8, ReadFault, Rows};
pub use verdict::{Code, ColumnSet, Judged, Note, OutRow, Reject, Stage, Verdict};
