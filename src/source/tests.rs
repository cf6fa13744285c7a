//! Keyset pages over a SQLite source.

use super::{PageError, PageQuery, Source};
use crate::config::DatabaseUrl;
use crate::db::{Role, Session, TableName};
use crate::row::Key;
use crate::value::Logical;

const MANY: &str =
    "with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000) ";

struct Fixture {
    _folder: tempfile::TempDir,
    source: Source,
    writer: Session,
}

async fn fixture(sql: &str) -> Fixture {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("legacy.db");
    let url = DatabaseUrl::parse(&format!("sqlite://{}", path.display()), "X").expect("a path");
    let mut writer = Session::open(&url, Role::TargetWriter)
        .await
        .expect("a new file");
    writer.execute(sql).await.expect("good SQL");
    let source = Source::open(&url).await.expect("a file");
    Fixture {
        _folder: folder,
        source,
        writer,
    }
}

fn query(key: &[(&str, Logical)], condition: Option<&str>, from: Option<&str>) -> PageQuery {
    let key: Vec<(String, Logical)> = key
        .iter()
        .map(|(name, logical)| ((*name).to_owned(), logical.clone()))
        .collect();
    PageQuery {
        base: TableName::parse("t"),
        condition: condition.map(ToOwned::to_owned),
        from: from.map(ToOwned::to_owned),
        key: key.iter().map(|(name, _)| name.clone()).collect(),
        key_types: key.iter().map(|(_, logical)| logical.clone()).collect(),
        columns: key,
    }
}

/// All pages: base rows, rows read, keys.
async fn walk(source: &mut Source, query: &PageQuery) -> Result<(u64, u64, Vec<Key>), PageError> {
    let (mut base, mut read, mut keys) = (0, 0, vec![]);
    let mut after = None;
    while let Some(page) = source.next_page(query, after.as_ref(), None, 64).await? {
        assert_eq!(page.base, page.filtered + page.read);
        assert_eq!(
            (page.keys.len() as u64, page.rows.len() as u64),
            (page.read, page.read)
        );
        base += page.base;
        read += page.read;
        keys.extend(page.keys);
        after = Some(page.hi);
    }
    Ok((base, read, keys))
}

#[tokio::test]
async fn every_kind_of_key_is_paged_without_loss() {
    let sql = format!(
        "create table t (id integer primary key, u uuid, s text, a int, n int); \
         insert into t {MANY} select i - 500, \
         printf('%08X-0000-0000-0000-%012x', (i * 7919) % 1009, i), \
         char(65 + i % 26) || case when i % 5 = 0 then '''' else '-' end || i, i % 7, i from n"
    );
    let mut f = fixture(&sql).await;
    let keys: [&[(&str, Logical)]; 4] = [
        &[("id", Logical::Int8)],
        &[("u", Logical::Uuid)],
        &[("s", Logical::Text(None))],
        &[("a", Logical::Int4), ("s", Logical::Text(None))],
    ];
    f.source.snapshot().await.expect("a snapshot");
    for key in keys {
        for (condition, from) in [
            (None, None),
            (Some("n % 3 <> 1 -- why"), None),
            (
                Some("n % 3 <> 1"),
                Some("select t.*, 1 as one from t where n % 3 <> 1;"),
            ),
        ] {
            let query = query(key, condition, from);
            let (base, read, keys) = walk(&mut f.source, &query).await.expect("balanced pages");
            assert_eq!(
                f.source.counts(&query).await.expect("counted"),
                (base, read)
            );
            assert_eq!(
                (base, read),
                (1000, if condition.is_some() { 666 } else { 1000 })
            );
            let some: Vec<Key> = keys.iter().step_by(9).cloned().collect();
            let (rows, found) = f.source.page_of_keys(&query, &some).await.expect("rows");
            assert_eq!((rows.len(), &found), (some.len(), &some));
            let (lo, hi) = (&keys[10], &keys[20]);
            let between = f.source.keys_between(&query, Some(lo), Some(hi), 99).await;
            assert_eq!(between.expect("keys"), keys[11..=20]);
        }
    }
}

#[tokio::test]
async fn a_select_that_repeats_or_loses_keys_is_named() {
    let sql =
        format!("create table t (id integer primary key); insert into t {MANY} select i from n");
    let mut f = fixture(&sql).await;
    for (from, bad) in [
        ("select * from t union all select 333", "333"),
        ("select * from t where id <> 333", "333"),
        (
            "select case id when 333 then 334 else id end as id from t",
            "333",
        ),
    ] {
        let query = query(&[("id", Logical::Int8)], None, Some(from));
        match walk(&mut f.source, &query).await {
            Err(PageError::Unbalanced { key: Some(key), .. }) => assert_eq!(key, Key::single(bad)),
            other => panic!("{from}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_base_whose_key_is_no_key_is_refused() {
    let mut f = fixture(
        "create table t (k int, s text); insert into t values (1, 'a'), (1, 'b'), (2, 'c'), (null, 'd')",
    )
    .await;
    let query = query(&[("k", Logical::Int8)], None, None);
    assert!(matches!(
        walk(&mut f.source, &query).await,
        Err(PageError::Unbalanced { .. })
    ));
    let error = f
        .source
        .counts(&query)
        .await
        .expect_err("a row without a key");
    assert!(error.message.contains("1 rows of t have no key"), "{error}");
}

#[tokio::test]
async fn a_snapshot_does_not_move() {
    let mut f = fixture("create table t (id integer primary key); insert into t values (1)").await;
    let query = query(&[("id", Logical::Int8)], None, None);
    let snapshot = f.source.snapshot().await.expect("a snapshot");
    assert!(snapshot.server.starts_with("SQLite 3"), "{snapshot:?}");
    f.writer
        .execute("insert into t values (2)")
        .await
        .expect("written");
    assert_eq!(f.source.counts(&query).await.expect("counted"), (1, 1));
    f.source.snapshot().await.expect("another snapshot");
    assert_eq!(f.source.counts(&query).await.expect("counted"), (2, 2));
}

#[tokio::test]
async fn a_page_of_large_rows_is_cut_by_bytes() {
    let sql = format!(
        "create table t (id integer primary key, s text); \
         insert into t {MANY} select i, printf('%.100000c', 'x') from n limit 400"
    );
    let mut f = fixture(&sql).await;
    let mut query = query(&[("id", Logical::Int8)], None, None);
    query.columns.push(("s".to_owned(), Logical::Text(None)));
    let page = f
        .source
        .next_page(&query, None, None, 1000)
        .await
        .expect("read")
        .expect("a page");
    assert!(
        page.rows.bytes() <= 8 * 1024 * 1024 && page.read >= 50,
        "{}",
        page.read
    );
    assert_eq!(page.hi, Key::single(page.read.to_string()));
}
