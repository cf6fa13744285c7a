//! A rule that is wrong: one clear message with its place, before the first row where it can be known;
//! never a hang, a panic, or a table half written.

mod exact;

use std::time::Duration;

use crate::support::Project;

/// People, with a column that no money may be computed from.
fn project() -> Project {
    let project = Project::people();
    project.source.exec("alter table person add ratio double precision, add share real; update person set ratio = 0.5, share = 0.25");
    project
}

/// `line:column` of `part` in a file.
fn place(project: &Project, relative: &str, part: &str) -> String {
    let text = project.read(relative);
    let at = text
        .find(part)
        .unwrap_or_else(|| panic!("no {part:?} in {relative}"));
    let line = text[..at].matches('\n').count() + 1;
    let column = text[..at]
        .chars()
        .rev()
        .take_while(|letter| *letter != '\n')
        .count()
        + 1;
    format!("{relative}:{line}:{column}")
}

/// `check` says it at its place and with code 5; `run` refuses, and nothing is written.
fn refused(project: &Project, at: &str, words: &[&str]) {
    let place = place(project, "rules/people.rhai", at);
    let check = project.runner(&["check"]);
    check.ends_with(5);
    let said = format!("{}{}", check.stdout, check.stderr);
    let line = said
        .lines()
        .find(|line| line.contains(&place))
        .unwrap_or_else(|| panic!("{place} is not said\n{check}"));
    let at_once: Vec<&&str> = words.iter().filter(|word| !said.contains(**word)).collect();
    assert!(
        at_once.is_empty(),
        "{at_once:?} is not said near {line:?}\n{check}"
    );
    assert_eq!(
        said.matches(&place).count(),
        1,
        "one diagnostic for one mistake\n{check}"
    );
    project.runner(&["run"]).ends_with(5).says(&place);
    assert_eq!(
        project.target.one("select to_regnamespace('runner')"),
        "NULL",
        "a refused run writes nothing"
    );
    assert_eq!(project.target.count("select count(*) from kinds"), 0);
}

/// `exec` fails or rejects within the limit, says where, and leaves the table empty.
fn fails(project: &Project, words: &[&str]) {
    project.runner(&["exec", "kinds"]).ends_with(0);
    let output = project.runner(&["exec", "people"]);
    assert!([1, 3, 5].contains(&output.code), "{output}");
    assert!(output.took < Duration::from_mins(1), "{output}");
    let said = format!("{}{}", output.stdout, output.stderr);
    for word in words {
        assert!(said.contains(word), "{word:?} is not said\n{output}");
    }
    assert_eq!(
        project.target.count("select count(*) from people"),
        0,
        "a broken rule wrote rows\n{output}"
    );
}

#[test]
fn a_misspelt_column_is_found_before_the_first_row() {
    let project = project();
    project.edit("rules/people.rhai", "name: row.name,", "name: row.nmae,");
    refused(&project, "nmae", &["`nmae`", "`name`"]);
}

#[test]
fn a_misspelt_function_is_found_before_the_first_row() {
    let project = project();
    project.edit("rules/people.rhai", "id_of(\"kinds\"", "idof(\"kinds\"");
    refused(&project, "idof(", &["`idof`", "`id_of`"]);
}

#[test]
fn a_misspelt_function_of_the_library_is_found_before_the_first_row() {
    let project = project();
    project.edit(
        "rules/people.rhai",
        "words::lower(row.email)",
        "words::lowr(row.email)",
    );
    refused(&project, "lowr", &["lowr", "lower"]);
}

#[test]
fn a_misspelt_variable_is_found_before_the_first_row() {
    let project = project();
    project.edit(
        "rules/people.rhai",
        "balance: row.balance",
        "balance: rwo.balance",
    );
    refused(&project, "rwo", &["`rwo`"]);
}

#[test]
fn an_undeclared_lookup_is_found_before_the_first_row() {
    let project = project();
    project.edit(
        "rules/people.rhai",
        "name: row.name,",
        "name: rows_of(\"nicknames\", row.id)[0].name,",
    );
    refused(&project, "rows_of", &["nicknames", "lookups"]);
}

#[test]
fn undeclared_ids_are_found_before_the_first_row() {
    let project = project();
    project.edit("rules/people.rhai", "id_of(\"kinds\"", "id_of(\"sorts\"");
    refused(&project, "id_of", &["sorts", "ids"]);
}

#[test]
fn a_floating_column_in_money_arithmetic_is_found_before_the_first_row() {
    for column in ["ratio", "share"] {
        let project = project();
        project.edit(
            "rules/people.rhai",
            "balance: row.balance,",
            &format!("balance: row.balance * row.{column},"),
        );
        refused(&project, &format!("* row.{column}"), &[column]);
    }
}

#[test]
fn an_unknown_output_column_is_found_before_the_first_row() {
    let project = project();
    project.edit(
        "rules/people.rhai",
        "        name: row.name,",
        "        nmae: row.name,",
    );
    refused(&project, "nmae", &["`nmae`", "`name`"]);
}

#[test]
fn an_unknown_key_of_the_header_is_found_with_a_suggestion() {
    let project = project();
    project.edit("rules/people.rhai", "expect: #{", "expcet: #{");
    refused(&project, "expcet", &["expcet", "expect"]);
}

#[test]
fn a_mistake_of_syntax_is_one_message_with_its_place() {
    let project = project();
    project.edit("rules/people.rhai", "if row.name == ()", "if row.name == (");
    let check = project.runner(&["check"]);
    check.ends_with(5);
    let said = format!("{}{}", check.stdout, check.stderr);
    assert!(said.contains("rules/people.rhai:"), "{check}");
    project.runner(&["run"]).ends_with(5);
}

#[test]
fn an_output_column_that_only_a_row_reveals_stops_the_rule() {
    let project = project();
    project.edit("rules/people.rhai", "    #{\n        name: row.name,", "    let out = #{};\n    out[\"na\" + \"mme\"] = 1;\n    if true { return out; }\n    #{\n        name: row.name,");
    fails(&project, &["rules/people.rhai", "namme"]);
}

#[test]
fn an_endless_loop_is_stopped() {
    let project = project();
    project.edit(
        "rules/people.rhai",
        "    if !row.active { skip",
        "    loop { }\n    if !row.active { skip",
    );
    fails(&project, &["rules/people.rhai"]);
}

#[test]
fn unbounded_recursion_is_stopped() {
    let project = project();
    project.edit(
        "rules/people.rhai",
        "fn transform(row) {",
        "fn deeper(n) { deeper(n + 1) + 1 }\n\nfn transform(row) {\n    deeper(0);",
    );
    fails(&project, &["rules/people.rhai"]);
}

#[test]
fn a_text_of_a_gigabyte_is_stopped_before_it_is_made() {
    let project = project();
    project.edit(
        "rules/people.rhai",
        "    if !row.active { skip",
        "    let text = \"0123456789abcdef\";\n    for n in 0..26 { text += text; }\n    if !row.active { skip",
    );
    fails(&project, &["rules/people.rhai"]);
}

#[test]
fn a_list_without_end_is_stopped() {
    let project = project();
    project.edit(
        "rules/people.rhai",
        "    if !row.active { skip",
        "    let list = [];\n    while true { list.push(list.len()); }\n    if !row.active { skip",
    );
    fails(&project, &["rules/people.rhai"]);
}

#[test]
fn a_wrong_return_type_is_named() {
    for (body, word) in [
        ("return 42;", "map"),
        ("return [#{}];", "map"),
        ("return \"text\";", "map"),
        ("return ();", "map"),
    ] {
        let project = project();
        project.edit(
            "rules/people.rhai",
            "    if !row.active { skip",
            &format!("    if true {{ {body} }}\n    if !row.active {{ skip"),
        );
        fails(&project, &["rules/people.rhai", word]);
    }
}

#[test]
fn a_comparison_with_null_is_a_fault_of_the_row_with_its_place_and_key() {
    let project = project();
    project
        .source
        .exec("update person set balance = null where id = 7");
    project.edit(
        "rules/people.rhai",
        "    if !row.active { skip",
        "    if row.balance < 0 { reject(\"debt\", \"owes money\"); }\n    if !row.active { skip",
    );
    project.runner(&["run"]).ends_with(3);
    let place = place(&project, "rules/people.rhai", "row.balance < 0");
    let shown = project.runner(&["quarantine", "show", "people", "7"]);
    shown.ends_with(0);
    let line = place.split(':').nth(1).unwrap();
    assert!(
        shown.stdout.contains(&format!("rules/people.rhai:{line}:")),
        "{shown}"
    );
    assert_eq!(
        project.accounts("people")[7],
        5,
        "four without a name, and this one"
    );
    assert_eq!(
        project
            .target
            .count("select count(*) from people where legacy_person_id = 7"),
        0
    );
}

#[test]
fn a_catch_cannot_swallow_a_rejection() {
    let project = project();
    project.edit(
        "rules/people.rhai",
        "if row.name == () { reject(\"no_name\", \"a person has to have a name\"); }",
        "if row.name == () { try { reject(\"no_name\", \"a person has to have a name\"); } catch { } return #{ name: \"x\", kind_id: id_of(\"kinds\", 1), balance: 1 }; }",
    );
    project.runner(&["run"]).ends_with(3);
    assert_eq!(project.accounts("people"), crate::support::PEOPLE_ACCOUNTS);
}

#[test]
fn faults_beyond_the_budget_are_a_fault_of_the_rule() {
    let project = project();
    project.edit(
        "rules/people.rhai",
        "    if !row.active { skip",
        "    if row.id % 2 == 0 { throw \"odd is better\"; }\n    if !row.active { skip",
    );
    project.edit(
        "rules/people.rhai",
        "    expect: #{",
        "    stop: #{ faults: 20, share: 1.0 },\n    expect: #{",
    );
    project.runner(&["exec", "kinds"]).ends_with(0);
    let output = project.runner(&["exec", "people", "--batch-rows", "10"]);
    output.ends_with(1).says("people");
    assert!(
        project
            .target
            .count("select count(*) from runner.quarantine where rule = 'people'")
            <= 30
    );
    // What was committed before is a whole number of chunks, and the account of it balances.
    let [base, _, read, inserted, _, _, skipped, rejected] = project.accounts("people");
    assert_eq!(
        (base % 10, base, read),
        (0, read, inserted + skipped + rejected)
    );
}

#[test]
fn tests_of_rules_run_without_a_database_and_fail_with_their_place() {
    let project = project();
    project.write(".env", "");
    let output = project.runner(&["test"]);
    output.ends_with(0);
    assert!(
        output.stdout.trim_end().ends_with("1 passed, 0 failed"),
        "{output}"
    );
    project.edit("rules/people.rhai", "assert_eq(1, 1);", "assert_eq(1, 2);");
    let output = project.runner(&["test", "rules/people.rhai"]);
    output.ends_with(1);
    assert!(
        output.stdout.trim_end().ends_with("0 passed, 1 failed"),
        "{output}"
    );
    let said = format!("{}{}", output.stdout, output.stderr);
    assert!(said.contains("rules/people.rhai:"), "{output}");
}
