//! The host's functions: one table that feeds the checks, the reference and completion.

/// What a function is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Says what becomes of the row.
    Verdict,
    /// Asks for ids and rows that were declared.
    Related,
    /// Text, numbers, dates, JSON.
    Value,
    /// Only in `test_*` functions.
    Test,
    /// Only in hooks, procedural rules and the REPL.
    Database,
}

/// One function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostFunction {
    /// Name; `source.query` for a function of an object.
    pub name: &'static str,
    /// How it is called and what it gives.
    pub signature: &'static str,
    /// One or two sentences.
    pub doc: &'static str,
    /// What for.
    pub purpose: Purpose,
}

const fn of(
    purpose: Purpose,
    name: &'static str,
    signature: &'static str,
    doc: &'static str,
) -> HostFunction {
    HostFunction {
        name,
        signature,
        doc,
        purpose,
    }
}

use Purpose::{Database, Related, Test, Value, Verdict};

/// All of them, in the order of the reference.
pub const FUNCTIONS: &[HostFunction] = &[
    of(
        Verdict,
        "skip",
        "skip(code)",
        "Leaves the row behind on purpose. Counted per code.",
    ),
    of(
        Verdict,
        "reject",
        "reject(code, why = code)",
        "Refuses the row: it goes to quarantine until somebody decides. Of `why` is kept what the rule writes out; values of the row become `…`.",
    ),
    of(
        Verdict,
        "note",
        "note(code, why = code)",
        "Remarks on a row that is written all the same. Of `why` is kept what the rule writes out.",
    ),
    of(
        Related,
        "id_of",
        "id_of(table, legacy_key) -> uuid",
        "The parent's id. NULL gives `()`; a parent that is not there rejects the row as `orphan`.",
    ),
    of(
        Related,
        "id_of_or_null",
        "id_of_or_null(table, legacy_key) -> uuid or ()",
        "The parent's id, or `()` when there is none.",
    ),
    of(
        Related,
        "rows_of",
        "rows_of(lookup, key) -> array of rows",
        "The rows of a declared lookup, in declared order; none for NULL.",
    ),
    of(
        Value,
        "dec",
        "dec(text) -> decimal",
        "The exact decimal that a text spells; an error when it is none.",
    ),
    of(
        Value,
        "round_half_up",
        "round_half_up(number, places) -> decimal",
        "Rounds halves away from zero. The language's own `round` is banker's.",
    ),
    of(
        Value,
        "to_decimal",
        "value.to_decimal() -> decimal",
        "A float as the decimal its text spells.",
    ),
    of(
        Value,
        "is_number",
        "is_number(text) -> bool",
        "Whether `dec` would read it.",
    ),
    of(
        Value,
        "date_in",
        "date_in(timestamp, zone) -> date",
        "The date on the wall in a time zone, as `America/Sao_Paulo`.",
    ),
    of(
        Value,
        "uuid",
        "uuid(text) -> uuid",
        "A uuid from its text; an error when it is none.",
    ),
    of(
        Value,
        "parse_json",
        "parse_json(text) -> value",
        "Maps, arrays, exact numbers; an error that `try` can catch when the text is not JSON.",
    ),
    of(
        Value,
        "try_json",
        "try_json(text) -> value or ()",
        "As `parse_json`, but `()` when the text is not JSON, `\\u0000` included.",
    ),
    of(
        Value,
        "is_json",
        "is_json(text) -> bool",
        "Whether `parse_json` would read it.",
    ),
    of(
        Value,
        "lower",
        "text.lower() -> text",
        "In lower case; the text itself stays as it is.",
    ),
    of(Value, "upper", "text.upper() -> text", "In upper case."),
    of(
        Value,
        "trim",
        "text.trim() -> text",
        "Without blanks around it; returns it, unlike the language's own `trim`.",
    ),
    of(
        Value,
        "is_blank",
        "is_blank(text) -> bool",
        "NULL, empty or only blanks.",
    ),
    of(
        Value,
        "first",
        "text.first(n) -> text",
        "The first n characters, never half of one.",
    ),
    of(
        Value,
        "last",
        "text.last(n) -> text",
        "The last n characters.",
    ),
    of(
        Value,
        "text_before",
        "text.text_before(mark) -> text",
        "What stands before the first mark; all of it when there is none.",
    ),
    of(
        Value,
        "text_after",
        "text.text_after(mark) -> text",
        "What stands after the first mark; nothing when there is none.",
    ),
    of(
        Value,
        "parts",
        "text.parts(mark) -> array",
        "Cut at every mark.",
    ),
    of(Value, "words", "text.words() -> array", "Cut at blanks."),
    of(
        Value,
        "digits_only",
        "text.digits_only() -> text",
        "Only the digits 0 to 9.",
    ),
    of(
        Value,
        "type_name",
        "value.type_name() -> text",
        "The database's name for the type of a value.",
    ),
    of(
        Test,
        "sample",
        "sample(#{ column: value, … }) -> row",
        "A row for `transform`; columns left out are NULL.",
    ),
    of(
        Test,
        "ids",
        "ids(#{ table: #{ \"legacy key\": \"uuid\" } })",
        "Parents that are there; all others are not.",
    ),
    of(
        Test,
        "lookup",
        "lookup(name, key, [#{ column: value }, …])",
        "The rows of a lookup for one key; other keys have none.",
    ),
    of(
        Test,
        "assert",
        "assert(condition, why = \"\")",
        "Fails the test when the condition is false.",
    ),
    of(
        Test,
        "assert_eq",
        "assert_eq(got, wanted)",
        "Fails the test when the two differ.",
    ),
    of(
        Test,
        "assert_ok",
        "assert_ok(|| transform(row)) -> what it returned",
        "Fails the test when the row is skipped or rejected.",
    ),
    of(
        Test,
        "assert_skip",
        "assert_skip(code, || transform(row))",
        "Fails the test unless the row is skipped with this code.",
    ),
    of(
        Test,
        "assert_reject",
        "assert_reject(code, || transform(row))",
        "Fails the test unless the row is rejected with this code.",
    ),
    of(
        Test,
        "assert_note",
        "assert_note(code, || transform(row)) -> what it returned",
        "Fails the test unless the row is written with this note.",
    ),
    of(
        Test,
        "assert_no_note",
        "assert_no_note(|| transform(row)) -> what it returned",
        "Fails the test unless the row is written without any note.",
    ),
    of(
        Database,
        "source.query",
        "source.query(sql) -> array of rows",
        "One read-only statement on the legacy database.",
    ),
    of(
        Database,
        "source.rows",
        "source.rows(sql, key = \"id\") -> stream of rows",
        "Rows one after another; each must be written, skipped or rejected before the next commit.",
    ),
    of(
        Database,
        "target.query",
        "target.query(sql) -> array of rows",
        "One read-only statement on the target.",
    ),
    of(
        Database,
        "target.write",
        "target.write(table, #{ column: value }, key)",
        "Buffers a row for the rule's own target table; `key` is the source row it comes from.",
    ),
    of(
        Database,
        "target.skip",
        "target.skip(key, code)",
        "Leaves a source row behind.",
    ),
    of(
        Database,
        "target.reject",
        "target.reject(key, code, why)",
        "Refuses a source row.",
    ),
    of(
        Database,
        "ids.get",
        "ids.get(table, legacy_key) -> uuid or ()",
        "The id of a row in the target: as stated, by the legacy column that `ids` declares, or from the manifest.",
    ),
    of(
        Database,
        "ids.put",
        "ids.put(table, legacy_key, id)",
        "States which row of the target a legacy key is; kept by the next commit, and adopted by `target.write`.",
    ),
    of(
        Database,
        "checkpoint.get",
        "checkpoint.get(name) -> value or ()",
        "What was committed last under this name.",
    ),
    of(
        Database,
        "checkpoint.commit",
        "checkpoint.commit(name, value)",
        "Commits what is buffered together with this value, as one chunk of the rule's ledger.",
    ),
];
