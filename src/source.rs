//! Reads legacy rows in key order: keyset pages under one snapshot, counted by the database itself.
