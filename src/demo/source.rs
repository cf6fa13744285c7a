//! Rows of the legacy database.

mod files;
mod orders;
mod payments;
mod people;
mod tables;

pub(super) use files::{extension, file_name, file_size, file_uid, record_text};
pub(super) use orders::{COURSES, PRODUCTS};
pub(super) use people::{has_account, is_active, names, role_name_of, username};
pub(super) use tables::{EMPTY, FILLED};
