//! The SQLite side of a session, against real files.

use std::sync::Arc;
use std::time::Instant;

use super::{DbError, Engine, ErrorKind, Role, Session, TableName};
use crate::config::DatabaseUrl;
use crate::value::Logical;

mod packed;

struct Files {
    _folder: tempfile::TempDir,
    url: DatabaseUrl,
}

fn files() -> Files {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("t.db");
    let url = DatabaseUrl::parse(&format!("sqlite://{}", path.display()), "X").expect("a path");
    Files {
        _folder: folder,
        url,
    }
}

async fn writer(files: &Files, sql: &str) -> Session {
    let mut session = Session::open(&files.url, Role::TargetWriter)
        .await
        .expect("a new file");
    session.execute(sql).await.expect("good SQL");
    session
}

fn columns(list: &[(&str, Logical)]) -> Vec<(String, Logical)> {
    list.iter()
        .map(|(name, logical)| ((*name).to_owned(), logical.clone()))
        .collect()
}

async fn texts(session: &mut Session, sql: &str) -> Vec<Option<String>> {
    let rows = session.query(sql).await.expect("good SQL");
    (0..rows.len() * rows.columns().len())
        .map(|i| rows.cell(i / rows.columns().len(), i % rows.columns().len()))
        .map(|cell| cell.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
        .collect()
}

#[tokio::test]
async fn only_a_writer_makes_a_file_and_a_reader_writes_nothing() {
    let files = files();
    let error = Session::open(&files.url, Role::Source)
        .await
        .expect_err("no file yet");
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(
        error.to_string().contains("source") && error.hint.is_some(),
        "{error}"
    );
    let mut session = writer(&files, "create table t (a)").await;
    for role in [Role::Source, Role::TargetReader] {
        let mut reader = Session::open(&files.url, role).await.expect("a file");
        let error = reader
            .execute("insert into t values (1)")
            .await
            .expect_err("read-only");
        assert_eq!(error.kind, ErrorKind::ReadOnly);
    }
    assert_eq!(
        session
            .execute("insert into t values (1), (2)")
            .await
            .expect("written"),
        2
    );
    assert_eq!(session.engine(), Engine::Sqlite);
    assert_eq!(
        texts(&mut session, "pragma journal_mode").await,
        [Some("wal".to_owned())]
    );
    session.close().await;
}

#[tokio::test]
async fn values_come_as_text_by_storage_class() {
    let files = files();
    let mut session = writer(&files, "create table t (a)").await;
    let got = texts(
        &mut session,
        "select 9223372036854775807, 12.5, 1e300, 'x', x'00ff', null, '', cast(x'61ff' as text)",
    )
    .await;
    let expected = [
        "9223372036854775807",
        "12.5",
        "1e300",
        "x",
        "\\x00ff",
        "",
        "",
        "a\u{fffd}",
    ]
    .map(Some);
    assert_eq!(got.len(), 8);
    for (at, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert_eq!(got.as_deref(), if at == 5 { None } else { expected });
    }
    let rows = session
        .query("select cast(x'61ff' as text)")
        .await
        .expect("good SQL");
    assert_eq!(
        rows.cell(0, 0).as_deref(),
        Some(&b"a\xff"[..]),
        "raw bytes are kept"
    );
}

#[tokio::test]
async fn what_is_copied_in_reads_back_the_same() {
    let files = files();
    let mut session = writer(
        &files,
        "create table t (id integer primary key, n numeric(12,2), b boolean, raw bytea, at timestamptz, u uuid, j jsonb, s text)",
    )
    .await;
    let list = columns(&[
        ("id", Logical::Int8),
        ("n", Logical::Numeric(Some((12, 2)))),
        ("b", Logical::Bool),
        ("raw", Logical::Bytes),
        ("at", Logical::TimestampTz),
        ("u", Logical::Uuid),
        ("j", Logical::Jsonb),
        ("s", Logical::Text(None)),
    ]);
    let lines = b"1\t12.50\tt\t\\\\x00ff\t2025-01-01 00:00:00+00\t00000000-0000-0000-0000-00000000000a\t{\"a\": 1}\tx\\ty\n\
        2\t9999999999.99\tf\t\\N\t\\N\t\\N\t7\t123\n3\t100.00\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\n";
    let table = TableName::parse("public.t");
    assert_eq!(
        session
            .copy_in(&table, &list, lines, 3)
            .await
            .expect("written"),
        3
    );
    let stored = texts(
        &mut session,
        "select typeof(n), n, typeof(b), typeof(raw), typeof(at), typeof(s), s from t where id < 3 order by id",
    )
    .await;
    let first =
        ["real", "12.5", "integer", "blob", "text", "text", "x\ty"].map(|t| Some(t.to_owned()));
    assert_eq!(stored[..7], first);
    assert_eq!(
        stored[12].as_deref(),
        Some("text"),
        "a number in a text column stays text"
    );
    let rows = session
        .copy_out_typed(
            "select n, b, j from t order by id",
            &list[1..3]
                .iter()
                .cloned()
                .chain([list[6].clone()])
                .collect::<Vec<_>>(),
        )
        .await
        .expect("read");
    assert!(rows.faults().is_empty(), "{:?}", rows.faults());
    let cell = |row, column| {
        rows.text(row, column)
            .and_then(Result::ok)
            .map(std::borrow::Cow::into_owned)
    };
    assert_eq!(cell(0, 0).as_deref(), Some("12.50"));
    assert_eq!(cell(1, 0).as_deref(), Some("9999999999.99"));
    assert_eq!(cell(2, 0).as_deref(), Some("100.00"));
    assert_eq!(cell(0, 1).as_deref(), Some("t"));
    assert_eq!(cell(1, 2).as_deref(), Some("7"));
}

#[tokio::test]
async fn a_value_that_sqlite_would_round_is_refused() {
    let files = files();
    let mut session = writer(&files, "create table t (n numeric, j json)").await;
    let table = TableName::parse("t");
    let list = columns(&[("n", Logical::Numeric(None)), ("j", Logical::Json)]);
    for line in ["1\t1\n12345678901234567.25\t1\n", "1\t1\n1\t1.50\n"] {
        let error = session
            .copy_in(&table, &list, line.as_bytes(), 2)
            .await
            .expect_err("refused");
        assert_eq!((error.kind, error.copy_line), (ErrorKind::Row, Some(2)));
        assert!(error.message.contains("would_round"), "{error}");
    }
    assert_eq!(
        texts(&mut session, "select count(*) from t").await,
        [Some("0".to_owned())]
    );
}

#[tokio::test]
async fn a_guilty_row_is_named_and_nothing_of_the_copy_stays() {
    let files = files();
    let mut session = writer(
        &files,
        "create table p (id integer primary key); insert into p values (1); \
         create table t (id integer primary key, e text unique, n text not null, p int references p, check (n <> 'bad'))",
    )
    .await;
    let table = TableName::parse("t");
    let list = columns(&[
        ("id", Logical::Int8),
        ("e", Logical::Text(None)),
        ("n", Logical::Text(None)),
        ("p", Logical::Int8),
    ]);
    let cases: [(&str, &str, Option<&str>); 4] = [
        ("2\ta\tx\t1", "23505", Some("t.e")),
        ("2\tb\t\\N\t1", "23502", Some("t.n")),
        ("2\tb\tbad\t1", "23514", Some("n <> 'bad'")),
        ("2\tb\tx\t9", "23503", None),
    ];
    for (line, code, constraint) in cases {
        let lines = format!("1\ta\tx\t1\n{line}\n3\tc\tx\t1\n");
        let error: DbError = session
            .copy_in(&table, &list, lines.as_bytes(), 3)
            .await
            .expect_err("refused");
        assert_eq!(error.kind, ErrorKind::Row);
        assert_eq!(error.sqlstate.as_deref(), Some(code));
        assert_eq!(error.copy_line, Some(2));
        if let Some(constraint) = constraint {
            assert_eq!(error.constraint.as_deref(), Some(constraint));
        }
        assert_eq!(
            texts(&mut session, "select count(*) from t").await,
            [Some("0".to_owned())]
        );
    }
}

#[tokio::test]
async fn a_lock_of_another_program_is_waited_for_and_then_said() {
    let files = files();
    let mut one = writer(&files, "create table t (a); begin immediate").await;
    let mut two = Session::open(&files.url, Role::TargetWriter)
        .await
        .expect("a file");
    two.execute("pragma busy_timeout = 50").await.expect("set");
    let error = two
        .execute("insert into t values (1)")
        .await
        .expect_err("locked");
    assert_eq!(error.kind, ErrorKind::Transient);
    one.execute("commit").await.expect("done");
    two.execute("insert into t values (1)")
        .await
        .expect("free now");
}

#[tokio::test]
async fn a_bulk_read_has_a_limit_and_a_shape() {
    let files = files();
    let mut session = writer(&files, "create table t (a)").await;
    let select = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000) select i from n";
    let one: Arc<[String]> = ["i".to_owned()].into();
    let rows = session
        .copy_out(select, one.clone(), None)
        .await
        .expect("read");
    assert_eq!(rows.len(), 1000);
    assert!(
        session
            .copy_out(select, one.clone(), Some(100))
            .await
            .is_err()
    );
    assert!(session.copy_out("select 1, 2", one, None).await.is_err());
    assert_eq!(
        texts(&mut session, "select 1").await,
        [Some("1".to_owned())]
    );
}

/// Not a limit that a loaded machine could miss, only a guard against a row-by-row accident.
#[tokio::test]
async fn copying_in_is_not_row_by_row() {
    let files = files();
    let mut session = writer(&files, "create table t (id integer primary key, s text)").await;
    let lines = (0..20_000).fold(String::new(), |mut lines, i| {
        lines += &format!("{i}\tname {i}\n");
        lines
    });
    let list = columns(&[("id", Logical::Int8), ("s", Logical::Text(None))]);
    let started = Instant::now();
    let table = TableName::parse("t");
    session
        .copy_in(&table, &list, lines.as_bytes(), 20_000)
        .await
        .expect("written");
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}
