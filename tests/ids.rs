//! Ids that a person can compute again without the program.

use crate::support::{NAMESPACE, Project};

#[test]
fn ordered_ids_are_recomputed_by_the_printed_function_and_sort_like_their_keys() {
    let project = Project::pg(
        "create table old(id bigint primary key, n integer); \
         insert into old select k, 1 from unnest(array[-140737488355328, -4294967296, -1, 0, 1, 9, 10, 255, 256, \
         2147483647, 140737488355327]::bigint[]) k; \
         insert into old values (140737488355328, 1), (-140737488355329, 1), (9223372036854775807, 1)",
        "create table new(id uuid primary key, legacy_id bigint unique, n integer)",
    );
    project.rule(
        "new",
        "const RULE = #{ base: \"old\", key: \"id\", target: \"new\", legacy: \"legacy_id\", id: \"ordered\", copy: #{ n: \"n\" } };\n\
         fn transform(row) { #{} }\n",
    );
    project.runner(&["run", "--batch-rows", "4"]).ends_with(0);
    let function = project.runner(&["print", "ids"]).stdout;
    project.target.exec(&function);
    assert_eq!(
        project.target.count(&format!(
            "select count(*) from new where id = runner_ordered_id('{NAMESPACE}', 'new', legacy_id)"
        )),
        11
    );
    // a key of more than 48 bits has an id like any other rule's
    assert_eq!(
        project
            .target
            .lines("select substr(id::text, 15, 1) from new where abs(legacy_id::numeric) > 140737488355328 or legacy_id = 140737488355328"),
        ["5", "5", "5"]
    );
    assert_eq!(
        project
            .target
            .lines("select legacy_id from new where substr(id::text, 15, 1) = '8' order by id"),
        project.target.lines(
            "select legacy_id from new where substr(id::text, 15, 1) = '8' order by legacy_id"
        ),
    );
}
