//! The texts of commits: a golden file, and what a sweeper reads of them.

use super::*;
use crate::schema::arrow::from_avro;
use crate::schema::avro;

fn first_commit() -> Result<String> {
    let schema = schema_string(&*from_avro(&avro::raw_row()?)?)?;
    let stats = |low, high| RowStats { rows: 2, ids: ("a".into(), "b".into()), emitted_at: (low, high) };
    let file = |name: &str, stats| DataFile { name: name.into(), size: 9, modified_ms: 5, stats };
    // The second file has times that not every reader can parse: it has no bounds.
    let files = [file("p.parquet", stats(1_500, 2_500)), file("q.parquet", stats(0, i64::MAX))];
    let commit = Commit {
        create: Some(NewTable {
            id: Uuid::nil(),
            schema: &schema,
            description: "Created from stream users".into(),
            configuration: BTreeMap::from([("a".into(), "b".into())]),
        }),
        transactions: vec![("app".into(), 3)],
        add: &files,
    };
    Ok(String::from_utf8_lossy(&commit.to_bytes(7)).into_owned())
}

#[test]
fn a_first_commit_reads_as_its_golden_file() -> Result<()> {
    let engine = format!(r#""engineInfo":"{ENGINE_INFO}""#);
    let text = first_commit()?.replace(&engine, r#""engineInfo":"destination-databricks""#);
    assert_eq!(text, include_str!("golden/first_commit.json"));
    Ok(())
}

#[test]
fn a_commit_that_was_written_is_read_again() -> Result<()> {
    let summary = CommitSummary::read(first_commit()?.as_bytes());
    assert_eq!(summary.added, ["p.parquet", "q.parquet"]);
    assert_eq!(summary.transactions, [("app".to_owned(), 3)]);
    assert_eq!(summary.configuration, Some(BTreeMap::from([("a".into(), "b".into())])));
    Ok(())
}
