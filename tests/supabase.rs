//! A target as Supabase has it: the same rows arrive whichever way in is taken, with few rights too, and a way
//! that cannot be trusted is refused before the first write.

use crate::support::{Db, Engine, Project, Standin, Way, canonical_dump};

const TABLES: [&str; 9] = [
    "brackets",
    "message_attachments",
    "order_cases",
    "purchases",
    "technician_roles",
    "technicians",
    "template_view_groups",
    "template_view_roles",
    "treatment_discussions",
];

/// What the target decides itself.
const VOLATILE: [&str; 4] = [
    "updated_at",
    "brackets.created_at",
    "template_view_groups.created_at",
    "template_view_roles.created_at",
];

fn dump(db: &Db) -> Vec<String> {
    canonical_dump(db, &TABLES, &VOLATILE)
}

/// Back to before the migration, one table after the other because of their references.
const EMPTIED: &str = "
    drop schema if exists runner cascade;
    truncate technician_roles, technicians, brackets, order_cases, purchases, treatment_discussions,
      template_view_groups, template_view_roles, message_attachments;
    delete from migration_mappings where entity_type in ('technician_roles', 'technicians', 'brackets', 'purchases',
      'treatment_discussions', 'template_view_groups', 'template_view_roles', 'message_attachments');
    delete from migration_control where operation = 'runner'";

fn project(standin: &Standin) -> Project {
    let project = Project::empty(Engine::Postgres, Engine::Postgres);
    project.use_shipped_rules();
    let (source, target) = (project.source.url(), standin.admin().url());
    project
        .runner(&[
            "demo", "seed", "--source", &source, "--target", &target, "--scale", "0.005",
        ])
        .ends_with(0);
    standin.settle();
    project
}

fn through(project: &Project, url: &str, authority: &str) {
    let (source, namespace) = (project.source.url(), crate::support::NAMESPACE);
    project.write(
        ".env",
        &format!("SOURCE_DATABASE_URL='{source}'\nDATABASE_URL='{url}'\nTARGET_SSLROOTCERT={authority}\nRUNNER_NAMESPACE={namespace}\n"),
    );
}

#[test]
fn the_same_rows_arrive_by_every_way_that_can_be_trusted_and_no_other_is_taken() {
    let standin = Standin::start();
    let project = project(&standin);
    let admin = standin.admin();
    let ca = standin.authority("ca");

    // no transaction pooler, however many connections it has behind it
    for way in [Way::TransactionPooler, Way::SinglePooler] {
        through(&project, &standin.url(way, "postgres"), &ca);
        project
            .runner(&["check"])
            .ends_with(5)
            .prints("error: this is a transaction pooler, where locks, snapshots and settings get lost between two statements: take the database's own address, or the pooler's port for session mode");
        for command in [&["run"][..], &["exec", "brackets"]] {
            project
                .runner(command)
                .ends_with(5)
                .says("this is a transaction pooler");
        }
        assert_eq!(admin.one("select to_regnamespace('runner')"), "NULL");
    }

    // one authority, verified in full; what is wrong is said, and a wrong password is not tried twice
    through(
        &project,
        &standin.url(Way::Direct, "postgres"),
        &standin.authority("other-ca"),
    );
    project
        .runner(&["run"])
        .ends_with(1)
        .says("no trusted encrypted connection: an authority that is not trusted has signed its certificate")
        .says("TARGET_SSLROOTCERT");
    through(&project, &standin.url(Way::ExpiredPooler, "postgres"), &ca);
    project
        .runner(&["run"])
        .ends_with(1)
        .says("no trusted encrypted connection: its certificate has expired");
    let wrong = standin
        .url(Way::Direct, "postgres")
        .replace("word%2F1", "hunter2");
    through(&project, &wrong, &ca);
    let refused = project.runner(&["run"]);
    refused
        .ends_with(1)
        .says("28P01")
        .says("check user and password")
        .never_says("hunter2");
    let plain = project
        .target
        .url()
        .replace("sslmode=disable", "sslmode=verify-full");
    through(&project, &plain, &ca);
    project
        .runner(&["run"])
        .ends_with(1)
        .says("the server does not offer TLS");
    assert_eq!(admin.one("select to_regnamespace('runner')"), "NULL");

    // each way starts from the same rows: those that an old script left are none of this test's business
    admin.exec(EMPTIED);
    let mut dumps = Vec::new();
    for way in [Way::Direct, Way::SessionPooler] {
        through(&project, &standin.url(way, "postgres"), &ca);
        project
            .runner(&["check"])
            .ends_with(0)
            .prints("9 rules: 0 errors, 0 warnings, 0 hazards");
        project.runner(&["run"]).ends_with(3);
        dumps.push((format!("{way:?}"), dump(&admin)));
        project.runner(&["report", "--format", "json"]).ends_with(0);
        admin.exec(EMPTIED);
    }

    // the rights that `print grants` lists, and row level security on every table
    let grants = project
        .runner(&["print", "grants"])
        .ends_with(0)
        .stdout
        .clone();
    let (_, writer) = grants
        .split_once("-- In the target.")
        .expect("the target's part");
    let (writer, reader) = writer
        .split_once("-- After the first run.")
        .expect("the reader's part");
    admin.exec(&format!("--{writer}"));
    admin.exec("create role mover login password 'p@ss:word/1' in role runner_writer");
    through(&project, &standin.url(Way::Direct, "mover"), &ca);
    project
        .runner(&["check"])
        .ends_with(0)
        .prints("9 rules: 0 errors, 0 warnings, 0 hazards");
    project.runner(&["run"]).ends_with(3);
    dumps.push(("few rights".to_owned(), dump(&admin)));
    admin.exec(&format!("--{reader}"));
    admin.exec("create role onlooker login password 'p@ss:word/1' in role runner_reader");
    through(&project, &standin.url(Way::Direct, "onlooker"), &ca);
    for command in [
        &["status"][..],
        &["quarantine"],
        &["report", "--format", "json"],
    ] {
        project.runner(command).ends_with(0);
    }

    let (_, first) = &dumps[0];
    assert!(first.len() > 100, "{} rows", first.len());
    for (way, dump) in &dumps[1..] {
        let wrong: Vec<_> = first
            .iter()
            .zip(dump)
            .filter(|(a, b)| a != b)
            .take(3)
            .collect();
        assert!(
            first.len() == dump.len() && wrong.is_empty(),
            "{way}: {wrong:#?}"
        );
    }
}
