//! Rows that come packed are the rows that the driver gives one by one.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::iter::zip;
use std::sync::Arc;

use super::{columns, files, texts, writer};
use crate::db::{Session, sqlite_packed};
use crate::row::Rows;
use crate::value::Logical;

/// The rows of a select as the driver gives them, and as they come packed.
async fn both_ways(session: &mut Session, select: &str, width: usize) -> (Rows, Rows) {
    let names: Vec<String> = (0..width).map(|n| format!("c{n}")).collect();
    let plain = session.query(select).await.expect("good SQL");
    let packed = session
        .copy_out(select, names.into(), None)
        .await
        .expect("good SQL");
    (plain, packed)
}

fn cells_of(rows: &Rows, width: usize) -> Vec<Option<Vec<u8>>> {
    let cell = |at| rows.cell(at / width, at % width).map(Cow::into_owned);
    (0..rows.len() * width).map(cell).collect()
}

#[tokio::test]
async fn a_packed_read_has_every_bit_of_the_values() {
    let files = files();
    let mut session = writer(&files, "create table t (id integer primary key, v)").await;
    let odd = [
        "null",
        "0",
        "-1",
        "9223372036854775807",
        "-9223372036854775808",
        "''",
        "'NULL'",
        "'null'",
        "'[1]'",
        "'{\"a\":1}'",
        "'a\"b\\c/d'",
        "'it''s'",
        "char(0)",
        "'a'||char(0)||'b'",
        "char(1,8,9,10,11,12,13,27,31,127)",
        "char(55296)",
        "char(128,8232,65279,128512)",
        "cast(x'61ff00c3' as text)",
        "x''",
        "x'00ff2261'",
        "0.1",
        "1e0",
        "0.1+0.2",
    ];
    for value in odd {
        let sql = format!("insert into t (v) values ({value})");
        session.execute(&sql).await.expect("a value");
    }
    let mut bits: u64 = 0x9e37_79b9_7f4a_7c15;
    for batch in 0..60 {
        let mut sql = "insert into t (v) values (1.5)".to_owned();
        for _ in 0..1_000 {
            bits ^= bits << 13;
            bits ^= bits >> 7;
            bits ^= bits << 17;
            // amounts, then doubles of all sizes that are packed, 1e-15 to 1e15
            let number = if batch < 10 {
                (bits % 10_000_000_000) as f64 / 100.0
            } else {
                f64::from_bits((bits & 0x800f_ffff_ffff_ffff) | ((974 + bits % 98) << 52))
            };
            let _ = write!(sql, ",({number:e})");
        }
        session.execute(&sql).await.expect("doubles");
    }
    // of an expression with a JSON subtype SQLite would take the text apart
    let select = "select id, v, json('\"x\"') j, json('5'), json('[\"1.5\"]'), json_object('v', id) from t order by id -- end";
    // what is beyond is read as the driver has it, and the rows beside it
    for beyond in [
        "", "-0.0", "0.0", "1e300", "5e-324", "9e999", "-9e999", "1e15", "9e-16",
    ] {
        if !beyond.is_empty() {
            let sql = format!("delete from t where id > 500; insert into t (v) values ({beyond})");
            session.execute(&sql).await.expect("one more");
        }
        let (plain, packed) = both_ways(&mut session, select, 6).await;
        assert!(plain.len() > 500);
        let text = |cell: &Option<Vec<u8>>| cell.as_deref().map(|b| b.escape_ascii().to_string());
        let unlike = zip(cells_of(&plain, 6), cells_of(&packed, 6)).find(|(a, b)| a != b);
        assert_eq!(unlike.map(|(a, b)| (text(&a), text(&b))), None);
        assert_eq!(plain.len(), packed.len());
    }
}

#[tokio::test]
async fn a_row_is_packed_by_the_database() {
    let files = files();
    let mut session = writer(&files, "create table t (a, b, c, d)").await;
    session
        .execute("insert into t values (1, 'x', 0.5, x'0a'), (null, '\"', -2, 'y')")
        .await
        .expect("two rows");
    let sql =
        sqlite_packed::sql("select * from t order by a desc", 4, false).expect("four columns");
    let expected = [r#"[1,"x",["0.5"],[0,"0A"]]"#, r#"[null,"\"",-2,"y"]"#];
    let expected = expected.map(|row| Some(row.to_owned()));
    assert_eq!(texts(&mut session, &sql).await, expected);
    let sql = sqlite_packed::sql("select a, c from t order by a desc", 2, true);
    let sql = sql.expect("two columns");
    let expected = r#"[[1,["0.5"]],[null,-2]]"#;
    assert_eq!(texts(&mut session, &sql).await, [Some(expected.to_owned())]);
}

#[tokio::test]
async fn small_values_come_at_once_in_their_order() {
    let files = files();
    let mut session = writer(
        &files,
        "create table t (id integer primary key, n int4, u uuid)",
    )
    .await;
    let list = columns(&[("n", Logical::Int4), ("u", Logical::Uuid)]);
    let select = "select n, u from t order by n desc";
    let rows = session.copy_out_typed(select, &list).await.expect("read");
    assert_eq!(rows.len(), 0);
    let insert = "with recursive k(n) as (select 1 union all select n + 1 from k where n < 3000) \
                  insert into t (n, u) select n * 7919 % 3001, format('00000000-0000-0000-0000-%012d', n) from k";
    session.execute(insert).await.expect("3,000 rows");
    session
        .execute("update t set u = 'no uuid' where n = 5")
        .await
        .expect("one bad");
    let rows = session.copy_out_typed(select, &list).await.expect("read");
    assert_eq!(rows.len(), 3_000);
    for row in 0..rows.len() {
        let n = rows.text(row, 0).and_then(Result::ok);
        assert_eq!(n.as_deref(), Some((3_000 - row).to_string().as_str()));
    }
    let fault = rows.faults().first().map(|fault| (fault.row, fault.column));
    assert_eq!((fault, rows.faults().len()), (Some((2_995, 1)), 1));
}

#[tokio::test]
async fn what_cannot_be_packed_is_read_as_it_is() {
    let files = files();
    let mut session = writer(&files, "create table t (a)").await;
    let wide: Vec<String> = (0..300).map(|n| n.to_string()).collect();
    let select = format!("select {}", wide.join(", "));
    let (plain, packed) = both_ways(&mut session, &select, 300).await;
    assert_eq!(cells_of(&plain, 300), cells_of(&packed, 300));
    let columns: Arc<[String]> = Arc::from(["a".to_owned(), "b".to_owned()]);
    let ragged = session.copy_out("select 1", columns.clone(), None).await;
    let error = ragged.expect_err("one column of two");
    assert!(error.to_string().contains("the 2 columns"), "{error}");
    // the database's words are about the select that was written
    let error = session.copy_out("select x, y from t", columns, None).await;
    let error = error.expect_err("no such column").to_string();
    assert!(error.contains("no such column: x"), "{error}");
}
