//! Files that rows name: storage is looked at and never touched.

use crate::support::{Engine, PROTECT_DELETE, Project};

#[test]
fn a_row_whose_file_is_absent_is_a_class_of_its_own_and_storage_stays_as_it_is() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let project = Project::demo("0.02", engine);
        let target = &project.target;
        let objects = target.table("storage.objects");
        target.exec(&format!(
            "delete from {objects} where name in (select storage_path from files where legacy_file_id % 20 = 0)"
        ));
        if engine == Engine::Postgres {
            target.exec(PROTECT_DELETE);
        }
        let stored =
            format!("select id, bucket_id, name, updated_at, metadata from {objects} order by id");
        let before = target.lines(&stored);
        project
            .runner(&["exec", "message_attachments"])
            .ends_with(3);
        let absent = target.lines(&format!(
            "select a.legacy_attachment_id from message_attachments a join files f on f.id = a.file_id
             left join {objects} o on o.bucket_id = 'files' and o.name = f.storage_path where o.id is null order by a.legacy_attachment_id"
        ));
        assert!(!absent.is_empty(), "the demo loses some files");
        let proof = project
            .runner(&["verify", "message_attachments", "--json"])
            .ends_with(0)
            .json();
        let class = &proof["tables"][0]["classes"]["file-absent"];
        assert_eq!(class["count"], absent.len(), "{class}");
        assert_eq!(class["rows"][0]["key"], absent[0]);
        project
            .runner(&["verify", "message_attachments"])
            .ends_with(0)
            .prints(&format!("message_attachments: {} file-absent (row migrated, file absent in storage: no difference)", absent.len()));
        let report = project.runner(&["report", "--format", "md"]);
        report.ends_with(0).prints(&format!(
            "| file\\_absent | row migrated, file absent | {} |",
            absent.len()
        ));
        project
            .runner(&["report", "-o", "report.html"])
            .ends_with(0);
        project
            .runner(&["report", "--recheck", "report.html"])
            .ends_with(0);
        assert_eq!(target.lines(&stored), before);
    }
}

#[test]
fn a_path_that_is_no_expression_is_found_by_check() {
    let project = Project::demo("0.003", Engine::Postgres);
    project.edit(
        "rules/message_attachments.rhai",
        "(select f.storage_path from files f where f.id = t.file_id)",
        "t.storage_pth",
    );
    project
        .runner(&["check", "message_attachments"])
        .ends_with(5)
        .prints("rules/message_attachments.rhai:")
        .prints("storage_pth");
}

#[test]
fn a_file_that_storage_knows_twice_is_one_file() {
    let project = Project::demo("0.003", Engine::Postgres);
    let target = &project.target;
    target.exec(
        "alter table storage.objects drop constraint objects_bucket_id_name_key;
         insert into storage.objects (id, bucket_id, name) select gen_random_uuid(), bucket_id, name from storage.objects",
    );
    project
        .runner(&["exec", "message_attachments"])
        .ends_with(3);
    let there = target.count(
        "select count(*) from message_attachments a join files f on f.id = a.file_id
         where exists (select 1 from storage.objects o where o.bucket_id = 'files' and o.name = f.storage_path)",
    );
    let proof = project
        .runner(&["verify", "message_attachments", "--json"])
        .ends_with(0)
        .json();
    let checks = proof["tables"][0]["checks"].as_array().unwrap();
    let files = checks.iter().find(|c| c["name"] == "files").unwrap();
    let told = files["text"].as_str().unwrap();
    assert!(told.contains(&format!("file_there {there}")), "{told}");
}
