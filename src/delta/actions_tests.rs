//! The texts of commits: a golden file, and what is read of them again.

use std::sync::Arc;

use delta_kernel::engine::arrow_conversion::TryFromArrow;
use delta_kernel::schema::{StructField, StructType};

use super::*;
use crate::schema::stats::Span;

fn first_commit() -> String {
    let stats = |first, last| RowStats {
        rows: 2,
        ids: Span { first: "a".into(), last: "b".into() },
        emitted_at: Span { first, last },
    };
    let file = |name: &str, stats| DataFile { name: name.into(), size: 9, modified_ms: 5, stats };
    // The second file has times that not every reader can parse: it has no bounds.
    let files = [file("p.parquet", stats(1_500, 2_500)), file("q.parquet", stats(0, i64::MAX))];
    let commit = Commit {
        schema: &TableSchema::raw(),
        create: Some(TableMetadata {
            id: Uuid::nil(),
            description: "Created from stream users".into(),
            configuration: BTreeMap::from([("a".into(), "b".into())]),
        }),
        transactions: vec![("app".into(), 3)],
        add: &files,
        readers: Readers::All,
    };
    String::from_utf8_lossy(&commit.to_bytes(7)).into_owned()
}

#[test]
fn a_first_commit_reads_as_its_golden_file() {
    let engine = format!(r#""engineInfo":"{ENGINE_INFO}""#);
    let text = first_commit().replace(&engine, r#""engineInfo":"destination-databricks""#);
    assert_eq!(text, include_str!("golden/first_commit.json"));
}

#[test]
fn the_columns_are_written_as_the_kernel_writes_those_of_the_arrow_schema() -> Result<(), Box<dyn std::error::Error>> {
    let schema = TableSchema::raw();
    let strict = StructType::try_from_arrow(Arc::clone(&schema.arrow()?))?;
    let fields = strict.fields().map(|field| StructField::nullable(field.name(), field.data_type().clone()));
    assert_eq!(schema.delta(), serde_json::to_string(&StructType::try_new(fields)?)?);
    Ok(())
}

#[test]
fn a_commit_that_was_written_is_read_again() {
    let summary = CommitSummary::read(first_commit().as_bytes());
    assert_eq!(summary.added, ["p.parquet", "q.parquet"]);
    assert_eq!(summary.transactions, [("app".to_owned(), 3)]);
    assert_eq!(summary.configuration, Some(BTreeMap::from([("a".into(), "b".into())])));
}
