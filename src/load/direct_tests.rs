//! Tables whose columns change with their rows.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use super::*;
use crate::clock::SystemClock;
use crate::load::sql::testing::bed::{Bed, batch, users_of};
use crate::protocol::catalog::WriteMode;
use crate::schema::columns::{Column, Layout, Source, TableSchema};
use crate::schema::kind::{Bits, Kind, Record};

const LONG: Kind = Kind::Integer(Bits::B64);

fn columns(properties: &[(&str, Kind)]) -> Arc<TableSchema> {
    let property = |(name, kind): &(&str, Kind)| Column::new(*name, kind.clone(), Source::Property((*name).into()));
    let meta = Column::new("_airbyte_meta", Kind::Text, Source::Meta);
    let rest = Column::new("_airbyte_additional_properties", Kind::TextMap, Source::Undeclared);
    let all = [meta].into_iter().chain(properties.iter().map(property)).chain([rest]);
    Arc::new(TableSchema::of(Layout::Columns, all.collect()))
}

/// Opens the table for a sync of its own, whose staged files are there.
async fn open(bed: &Bed, evolution: bool, write_mode: WriteMode, columns: Arc<TableSchema>) -> Result<Opened> {
    let sync = Uuid::now_v7();
    let clock_and_ids = ClockAndIds { clock: Arc::new(SystemClock), new_id: Uuid::now_v7 };
    let tables = TableLog::new(&bed.storage, &tokio::runtime::Handle::current(), 2);
    let direct = Direct::new(&bed.storage, &tables, clock_and_ids, sync, evolution);
    let target = Target { columns, ..users_of(write_mode, None, sync) };
    let staging = bed.folder.path().join(&target.staging);
    std::fs::create_dir_all(&staging).unwrap();
    std::fs::write(staging.join("1.parquet"), sync.to_string()).unwrap();
    direct.open_all(&[Arc::new(target)]).await?.remove(0)
}

async fn add(opened: Result<Opened>) -> Result<()> {
    opened?.table.append(&[batch(1, 0..10)]).await
}

/// The actions of version `version` of the table's log.
fn actions(bed: &Bed, version: u64) -> Vec<Value> {
    let path = bed.folder.path().join(format!("shop/users/_delta_log/{version:020}.json"));
    let text = std::fs::read_to_string(Path::new(&path)).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The properties in the schema that version `version` sets, and how many files it adds and removes.
fn version(bed: &Bed, version: u64) -> (Option<Vec<String>>, usize, usize) {
    let actions = actions(bed, version);
    let schema = actions.iter().find_map(|action| action["metaData"]["schemaString"].as_str());
    let names = schema.map(|schema| {
        let schema: Value = serde_json::from_str(schema).unwrap_or_default();
        let fields = schema["fields"].as_array().cloned().unwrap_or_default();
        let names =
            fields.iter().map(|field| format!("{} {}", field["name"].as_str().unwrap_or_default(), field["type"]));
        names.filter(|name| !name.starts_with("_airbyte")).collect()
    });
    let count = |key: &str| actions.iter().filter(|action| action.get(key).is_some()).count();
    (names, count("add"), count("remove"))
}

#[tokio::test(flavor = "multi_thread")]
async fn new_columns_and_their_feature_come_in_the_commit_of_their_rows() -> Result<()> {
    let bed = Bed::new().await;
    add(open(&bed, false, WriteMode::Append, columns(&[("a", LONG)])).await).await?;
    let wider = || columns(&[("a", LONG), ("at", Kind::LocalTimestamp)]);
    add(open(&bed, true, WriteMode::Append, wider()).await).await?;
    assert_eq!(version(&bed, 1), (Some(vec!["a \"long\"".into(), "at \"timestamp_ntz\"".into()]), 1, 0));
    let protocol = actions(&bed, 1).iter().find_map(|action| action.get("protocol").cloned()).unwrap_or_default();
    assert_eq!((&protocol["minReaderVersion"], &protocol["minWriterVersion"]), (&Value::from(3), &Value::from(7)));
    assert!(protocol["readerFeatures"].to_string().contains("timestampNtz"), "{protocol}");
    // What is there needs no change, and a stream without the column goes on.
    for columns in [wider(), columns(&[("a", LONG)])] {
        add(open(&bed, true, WriteMode::Append, columns).await).await?;
    }
    assert_eq!([version(&bed, 2), version(&bed, 3)], [(None, 1, 0), (None, 1, 0)]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_evolution_new_properties_are_undeclared_and_another_type_is_refused() -> Result<()> {
    let bed = Bed::new().await;
    add(open(&bed, false, WriteMode::Append, columns(&[("a", LONG)])).await).await?;
    let opened = open(&bed, false, WriteMode::Append, columns(&[("a", LONG), ("b", Kind::Text)])).await?;
    assert!(opened.schema.columns().all(|column| column.name != "b"));
    add(Ok(opened)).await?;
    assert_eq!(version(&bed, 1), (None, 1, 0));
    let refused = open(&bed, false, WriteMode::Append, columns(&[("a", Kind::Text)])).await.err();
    assert!(refused.is_some_and(|error| error.message().contains("its column a is BIGINT")));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_table_gets_other_types_in_the_commit_of_its_rows() -> Result<()> {
    let bed = Bed::new().await;
    add(open(&bed, false, WriteMode::Append, columns(&[("a", LONG), ("gone", Kind::Date)])).await).await?;
    let opened = open(&bed, false, WriteMode::Replace, columns(&[("a", Kind::Text), ("b", Kind::Double)])).await?;
    { opened.table }.replace(&[batch(1, 0..10)]).await?;
    let names = ["a \"string\"", "gone \"date\"", "b \"double\""].map(str::to_owned);
    assert_eq!(version(&bed, 1), (Some(names.into()), 1, 1));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_syncs_that_add_columns_at_once_both_load() -> Result<()> {
    let bed = Bed::new().await;
    add(open(&bed, true, WriteMode::Append, columns(&[("a", LONG)])).await).await?;
    let same_and_other = [columns(&[("b", Kind::Text), ("c", LONG)]), columns(&[("b", Kind::Text), ("d", Kind::Date)])];
    let [one, other] = same_and_other.map(|columns| open(&bed, true, WriteMode::Append, columns));
    let conflicting = open(&bed, true, WriteMode::Append, columns(&[("b", LONG)])).await;
    let (one, other) = (one.await, other.await);
    add(one).await?;
    add(other).await?;
    let all = ["a \"long\"", "b \"string\"", "c \"long\"", "d \"date\""].map(str::to_owned);
    assert_eq!(version(&bed, 2), (Some(all.into()), 1, 0));
    // It was opened when nobody had the column.
    let error = add(conflicting).await.err();
    assert!(error.is_some_and(|error| error.kind() == crate::error::Kind::Transient), "its files have another type");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_syncs_that_add_fields_to_one_structure_at_once_both_load() -> Result<()> {
    let bed = Bed::new().await;
    let object = |fields: &[(&str, Kind)]| {
        let property = |(name, kind): &(&str, Kind)| Column::new(*name, kind.clone(), Source::Property((*name).into()));
        let fields = fields.iter().map(property).collect();
        Kind::Struct(Arc::new(Record { name: "o".into(), namespace: None, fields }))
    };
    let inner = |name| object(&[("x", LONG), ("i", object(&[("x", LONG), (name, LONG)])), (name, LONG)]);
    add(open(&bed, true, WriteMode::Append, columns(&[("o", object(&[("x", LONG), ("i", object(&[("x", LONG)]))]))]))
        .await)
    .await?;
    let mut all = Vec::new();
    for name in ["y", "z", "z"] {
        all.push(open(&bed, true, WriteMode::Append, columns(&[("o", inner(name))])).await);
    }
    for opened in all {
        add(opened).await?;
    }
    let schema =
        |at| actions(&bed, at).iter().find_map(|action| action["metaData"]["schemaString"].as_str().map(str::to_owned));
    let last = schema(2).unwrap_or_default();
    assert_eq!((last.matches(r#""y""#).count(), last.matches(r#""z""#).count()), (2, 2), "{last}");
    assert_eq!(version(&bed, 3), (None, 1, 0));
    Ok(())
}
