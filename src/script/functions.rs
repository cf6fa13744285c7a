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
    /// A statement of a rule; for [`Purpose::Value`] an expression that is true.
    pub example: &'static str,
    /// What for.
    pub purpose: Purpose,
}

const fn of(
    purpose: Purpose,
    name: &'static str,
    signature: &'static str,
    doc: &'static str,
    example: &'static str,
) -> HostFunction {
    HostFunction {
        name,
        signature,
        doc,
        example,
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
        "if !row.paid { skip(\"not_paid\"); }",
    ),
    of(
        Verdict,
        "reject",
        "reject(code, why = code)",
        "Refuses the row: it goes to quarantine until somebody decides. Of `why` is kept what the rule writes out; values of the row become `…`.",
        "if row.total < 0 { reject(\"negative_total\", \"a purchase cannot cost less than nothing\"); }",
    ),
    of(
        Verdict,
        "note",
        "note(code, why = code)",
        "Remarks on a row that is written all the same. Of `why` is kept what the rule writes out.",
        "if is_blank(row.name) { note(\"no_name\"); }",
    ),
    of(
        Related,
        "id_of",
        "id_of(table, legacy_key) -> uuid",
        "The parent's id. NULL gives `()`; a parent that is not there rejects the row as `orphan`.",
        "let team = id_of(\"teams\", row.team_id);",
    ),
    of(
        Related,
        "id_of_or_null",
        "id_of_or_null(table, legacy_key) -> uuid or ()",
        "The parent's id, or `()` when there is none.",
        "let team = id_of_or_null(\"teams\", row.team_id) ?? global::NOBODY;",
    ),
    of(
        Related,
        "rows_of",
        "rows_of(lookup, key) -> array of rows",
        "The rows of a declared lookup, in declared order; none for NULL.",
        "let names = rows_of(\"pets\", row.id).map(|pet| pet.name);",
    ),
    of(
        Value,
        "dec",
        "dec(text) -> decimal",
        "The exact decimal that a text spells; an error when it is none.",
        "dec(\"12.50\") + 1 == dec(\"13.5\")",
    ),
    of(
        Value,
        "round_half_up",
        "round_half_up(number, places) -> decimal",
        "Rounds halves away from zero. The language's own `round` is banker's.",
        "round_half_up(dec(\"2.345\"), 2) == dec(\"2.35\")",
    ),
    of(
        Value,
        "to_decimal",
        "value.to_decimal() -> decimal",
        "A float as the decimal its text spells.",
        "row.total.to_decimal() == dec(\"12.50\")",
    ),
    of(
        Value,
        "is_number",
        "is_number(text) -> bool",
        "Whether `dec` would read it.",
        "is_number(\"1.50\") && !is_number(\"1,50\")",
    ),
    of(
        Value,
        "date_in",
        "date_in(timestamp, zone) -> date",
        "The date on the wall in a time zone, as `America/Sao_Paulo`.",
        "date_in(\"2024-01-01 01:00:00+00\", \"America/Sao_Paulo\") == \"2023-12-31\"",
    ),
    of(
        Value,
        "uuid",
        "uuid(text) -> uuid",
        "A uuid from its text; an error when it is none.",
        "uuid(\"6F1B1C1E-0000-4000-8000-000000000007\") == \"6f1b1c1e-0000-4000-8000-000000000007\"",
    ),
    of(
        Value,
        "parse_json",
        "parse_json(text) -> value",
        "Maps, arrays, exact numbers; an error that `try` can catch when the text is not JSON.",
        "parse_json(`{\"sizes\": [1, 2.50]}`).sizes[1] == dec(\"2.50\")",
    ),
    of(
        Value,
        "try_json",
        "try_json(text) -> value or ()",
        "As `parse_json`, but `()` when the text is not JSON, `\\u0000` included.",
        "try_json(\"{'not': json}\") == ()",
    ),
    of(
        Value,
        "is_json",
        "is_json(text) -> bool",
        "Whether `parse_json` would read it.",
        "is_json(\"[1, 2]\") && !is_json(\"[1, 2\")",
    ),
    of(
        Value,
        "lower",
        "text.lower() -> text",
        "In lower case; the text itself stays as it is.",
        "\"STL\".lower() == \"stl\"",
    ),
    of(
        Value,
        "upper",
        "text.upper() -> text",
        "In upper case.",
        "\"stl\".upper() == \"STL\"",
    ),
    of(
        Value,
        "trim",
        "text.trim() -> text",
        "Without blanks around it; returns it, unlike the language's own `trim`.",
        "\"  Tina \".trim() == \"Tina\"",
    ),
    of(
        Value,
        "is_blank",
        "is_blank(text) -> bool",
        "NULL, empty or only blanks.",
        "is_blank(()) && is_blank(\" \") && !is_blank(\"x\")",
    ),
    of(
        Value,
        "first",
        "text.first(n) -> text",
        "The first n characters, never half of one.",
        "\"Zoë Lang\".first(3) == \"Zoë\"",
    ),
    of(
        Value,
        "last",
        "text.last(n) -> text",
        "The last n characters.",
        "\"order-0042\".last(4) == \"0042\"",
    ),
    of(
        Value,
        "text_before",
        "text.text_before(mark) -> text",
        "What stands before the first mark; all of it when there is none.",
        "\"tina@example.com\".text_before(\"@\") == \"tina\"",
    ),
    of(
        Value,
        "text_after",
        "text.text_after(mark) -> text",
        "What stands after the first mark; nothing when there is none.",
        "\"tina@example.com\".text_after(\"@\") == \"example.com\"",
    ),
    of(
        Value,
        "parts",
        "text.parts(mark) -> array",
        "Cut at every mark.",
        "\"a;b;;c\".parts(\";\") == [\"a\", \"b\", \"\", \"c\"]",
    ),
    of(
        Value,
        "words",
        "text.words() -> array",
        "Cut at blanks.",
        "\"Damon Q  0.022\".words() == [\"Damon\", \"Q\", \"0.022\"]",
    ),
    of(
        Value,
        "digits_only",
        "text.digits_only() -> text",
        "Only the digits 0 to 9.",
        "\"(11) 5555-0100\".digits_only() == \"1155550100\"",
    ),
    of(
        Value,
        "type_name",
        "value.type_name() -> text",
        "The database's name for the type of a value.",
        "uuid(\"00000000-0000-0000-0000-000000000001\").type_name() == \"uuid\"",
    ),
    of(
        Test,
        "sample",
        "sample(#{ column: value, … }) -> row",
        "A row for `transform`; columns left out are NULL.",
        "let row = sample(#{ id: 1, name: \"Tina\", paid: true });",
    ),
    of(
        Test,
        "ids",
        "ids(#{ table: #{ \"legacy key\": \"uuid\" } })",
        "Parents that are there; all others are not.",
        "ids(#{ teams: #{ \"7\": \"00000000-0000-0000-0000-000000000007\" } });",
    ),
    of(
        Test,
        "lookup",
        "lookup(name, key, [#{ column: value }, …])",
        "The rows of a lookup for one key; other keys have none.",
        "lookup(\"pets\", 1, [#{ name: \"Rex\" }]);",
    ),
    of(
        Test,
        "assert",
        "assert(condition, why = \"\")",
        "Fails the test when the condition is false.",
        "assert(\"a\" in \"cat\", \"there is an a\");",
    ),
    of(
        Test,
        "assert_eq",
        "assert_eq(got, wanted)",
        "Fails the test when the two differ.",
        "assert_eq(\"a\" + \"b\", \"ab\");",
    ),
    of(
        Test,
        "assert_ok",
        "assert_ok(|| transform(row)) -> what it returned",
        "Fails the test when the row is skipped or rejected.",
        "let out = assert_ok(|| transform(row)); assert_eq(out.name, \"Tina\");",
    ),
    of(
        Test,
        "assert_skip",
        "assert_skip(code, || transform(row))",
        "Fails the test unless the row is skipped with this code.",
        "let unpaid = sample(#{ paid: false }); assert_skip(\"not_paid\", || transform(unpaid));",
    ),
    of(
        Test,
        "assert_reject",
        "assert_reject(code, || transform(row))",
        "Fails the test unless the row is rejected with this code.",
        "let lost = sample(#{ paid: true, total: 1, team_id: 8 }); assert_reject(\"orphan\", || transform(lost));",
    ),
    of(
        Test,
        "assert_note",
        "assert_note(code, || transform(row)) -> what it returned",
        "Fails the test unless the row is written with this note.",
        "let nameless = sample(#{ paid: true, total: 1 }); assert_note(\"no_name\", || transform(nameless));",
    ),
    of(
        Test,
        "assert_no_note",
        "assert_no_note(|| transform(row)) -> what it returned",
        "Fails the test unless the row is written without any note.",
        "assert_no_note(|| transform(row));",
    ),
    of(
        Database,
        "source.query",
        "source.query(sql) -> array of rows",
        "One read-only statement on the legacy database.",
        "let people = source.query(\"select count(*) as n from person\")[0].n;",
    ),
    of(
        Database,
        "source.rows",
        "source.rows(sql, key = \"id\") -> stream of rows",
        "Rows one after another; each must be written, skipped or rejected before the next commit.",
        "for row in source.rows(\"select id, name from person where name is null\") { target.reject(row.id, \"no_name\", \"who is it?\"); }",
    ),
    of(
        Database,
        "target.query",
        "target.query(sql) -> array of rows",
        "One read-only statement on the target.",
        "let known = target.query(\"select name from teams order by name\");",
    ),
    of(
        Database,
        "target.write",
        "target.write(table, #{ column: value }, key)",
        "Buffers a row for the rule's own target table; `key` is the source row it comes from.",
        "target.write(\"people\", #{ name: \"Tina\" }, 1);",
    ),
    of(
        Database,
        "target.skip",
        "target.skip(key, code)",
        "Leaves a source row behind.",
        "target.skip(2, \"moved_away\");",
    ),
    of(
        Database,
        "target.reject",
        "target.reject(key, code, why)",
        "Refuses a source row.",
        "target.reject(3, \"no_team\", \"a person needs a team\");",
    ),
    of(
        Database,
        "ids.get",
        "ids.get(table, legacy_key) -> uuid or ()",
        "The id of a row in the target: as stated, by the legacy column that `ids` declares, or from the manifest.",
        "let team = ids.get(\"teams\", 7);",
    ),
    of(
        Database,
        "ids.put",
        "ids.put(table, legacy_key, id)",
        "States which row of the target a legacy key is; kept by the next commit, and adopted by `target.write`.",
        "ids.put(\"people\", 1, uuid(\"00000000-0000-0000-0000-000000000001\"));",
    ),
    of(
        Database,
        "checkpoint.get",
        "checkpoint.get(name) -> value or ()",
        "What was committed last under this name.",
        "let last = checkpoint.get(\"people\") ?? 0;",
    ),
    of(
        Database,
        "checkpoint.commit",
        "checkpoint.commit(name, value)",
        "Commits what is buffered together with this value, as one chunk of the rule's ledger.",
        "checkpoint.commit(\"people\", 3);",
    ),
];
