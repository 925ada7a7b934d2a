//! The engine against a warehouse of its own: what is loaded, counted, refused, and how few statements that takes.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::runtime::Handle;
use uuid::Uuid;

use super::testing::bed::{Bed, STAGING, SYNC, USERS, batch, ids, users};
use super::testing::fake_warehouse::{Fault, Table};
use crate::clock::{ClockAndIds, SystemClock};
use crate::delta::table::TableLog;
use crate::error::{Kind, StreamDescriptor};
use crate::load::direct::Direct;
use crate::load::{Ending, Loader};
use crate::protocol::catalog::{Catalog, Stream, WriteMode};
use crate::schema::columns::TableSchema;
use crate::stage::Batch;
use crate::stage::staged::{Begins, Format};
use crate::target::targets;

#[tokio::test(flavor = "multi_thread")]
async fn ten_batches_are_one_merge_and_later_loads_one_each() {
    let bed = Bed::new().await;
    let (_, mut table) = bed.open(WriteMode::Append, None).await;
    bed.stage("users", 0..110);
    let batches: Vec<Batch> =
        (0..10).map(|number| batch(number + 1, number as u64 * 10..number as u64 * 10 + 10)).collect();
    table.append(&batches).await.unwrap();
    assert_eq!(bed.warehouse.sent(), ["CREATE SCHEMA", "CREATE TABLE", "CREATE TABLE", "MERGE INTO"]);
    assert_eq!(bed.warehouse.ids(USERS), ids(0..100));
    table.append(&[batch(11, 100..110)]).await.unwrap();
    table.append(&[]).await.unwrap();
    assert_eq!(bed.warehouse.sent(), ["MERGE INTO"]);
    assert_eq!(bed.warehouse.ids(USERS), ids(0..110));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_prepared_needs_no_more_statements_than_one_that_is_not() {
    let bed = Bed::new().await;
    let (_, mut table) = bed.open(WriteMode::Append, None).await;
    bed.stage("users", 0..10);
    table.prepare().await.unwrap();
    assert_eq!(bed.warehouse.sent(), ["CREATE SCHEMA", "CREATE TABLE", "CREATE TABLE"]);
    table.append(&[batch(1, 0..10)]).await.unwrap();
    assert_eq!(bed.warehouse.sent(), ["MERGE INTO"]);
    assert_eq!(bed.warehouse.ids(USERS), ids(0..10));
    table.prepare().await.unwrap();
    assert!(bed.warehouse.sent().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_over_csv_files_finds_those_that_came_since_it_was_made() {
    let bed = Bed { format: Format::Csv { gzip: false }, ..Bed::new().await };
    let (_, mut table) = bed.open(WriteMode::Append, None).await;
    bed.stage("users", 0..20);
    table.prepare().await.unwrap();
    assert_eq!(bed.warehouse.sent(), ["CREATE SCHEMA", "CREATE TABLE", "CREATE TABLE"]);
    for number in 0..2 {
        table.append(&[batch(number + 1, number as u64 * 10..number as u64 * 10 + 10)]).await.unwrap();
        assert_eq!(bed.warehouse.sent(), ["REFRESH TABLE", "MERGE INTO"]);
    }
    assert_eq!(bed.warehouse.ids(USERS), ids(0..20));
    let (_, mut table) = bed.open(WriteMode::Replace, None).await;
    table.replace(&[batch(1, 0..10)]).await.unwrap();
    assert!(!bed.warehouse.sent().contains(&"REFRESH TABLE".to_owned()), "all files were there when it was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_staging_that_is_read_without_rows_begins_without_them() {
    let bed = Bed::new().await;
    let begins = async |write_mode: WriteMode| {
        let opened = bed.engine().open_all(&[Arc::new(users(write_mode, None))]).await.unwrap().remove(0);
        opened.unwrap().staging.begins
    };
    for write_mode in [WriteMode::Append, WriteMode::Replace] {
        assert_eq!(begins(write_mode).await, Begins::AtFirstRows, "a table that is not there: {write_mode:?}");
    }
    bed.has(bed.older(&["old"]));
    assert_eq!(begins(WriteMode::Append).await, Begins::AtFirstRows);
    assert_eq!(begins(WriteMode::Replace).await, Begins::Always);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_lost_after_the_commit_doubles_nothing_and_is_counted() {
    let bed = Bed::new().await;
    let (_, mut table) = bed.open(WriteMode::Append, None).await;
    bed.stage("users", 0..10);
    bed.fault("MERGE", Fault::RunTwice);
    table.append(&[batch(1, 0..10)]).await.unwrap();
    let said = bed.warehouse.sent();
    assert_eq!(said[3..], ["MERGE INTO", "SELECT count(*)"]);
    assert_eq!(bed.warehouse.ids(USERS), ids(0..10));
    bed.stage("users", 10..30);
    bed.fault("MERGE", Fault::NoCounts);
    table.append(&[batch(2, 10..20)]).await.unwrap();
    assert_eq!(bed.warehouse.sent(), ["MERGE INTO", "SELECT count(*)"]);
    bed.stage("users", 30..40);
    bed.fault("MERGE", Fault::OutcomeUnknown);
    table.append(&[batch(4, 30..40)]).await.unwrap();
    // What the loader is told to have failed and is asked for again is there once.
    bed.fault("MERGE", Fault::ReplyLost);
    assert_eq!(table.append(&[batch(3, 20..30)]).await.unwrap_err().kind(), Kind::Transient);
    table.append(&[batch(3, 20..30)]).await.unwrap();
    assert_eq!(bed.warehouse.ids(USERS), ids(0..40));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_of_a_load_can_fail_before_or_after_it_is_done_and_be_asked_for_again() {
    for words in ["CREATE SCHEMA", "CREATE TABLE", "MERGE"] {
        for fault in [Fault::ReplyLost, Fault::ServerDown, Fault::RunTwice] {
            let bed = Bed::new().await;
            let (_, mut table) = bed.open(WriteMode::Append, None).await;
            bed.stage("users", 0..10);
            bed.fault(words, fault.clone());
            let first = table.append(&[batch(1, 0..10)]).await;
            assert_eq!(first.is_ok(), fault == Fault::RunTwice, "{words} {fault:?}");
            table.append(&[batch(1, 0..10)]).await.unwrap();
            assert_eq!(bed.warehouse.ids(USERS), ids(0..10), "{words} {fault:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_that_did_not_see_the_newest_batch_is_made_again_after_a_refresh() {
    let bed = Bed::new().await;
    let (_, mut table) = bed.open(WriteMode::Append, None).await;
    bed.stage("users", 0..10);
    bed.warehouse.with(|state| state.unseen.extend(ids(7..10)));
    table.append(&[batch(1, 0..10)]).await.unwrap();
    let said = bed.warehouse.sent();
    assert_eq!(said[3..], ["MERGE INTO", "SELECT count(*)", "REFRESH TABLE", "MERGE INTO", "SELECT count(*)"]);
    assert_eq!(bed.warehouse.ids(USERS), ids(0..10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_that_inserts_fewer_rows_than_were_staged_is_an_error() {
    let bed = Bed::new().await;
    let (_, mut table) = bed.open(WriteMode::Append, None).await;
    bed.stage("users", 0..9);
    let error = table.append(&[batch(1, 0..10)]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::System);
    assert!(error.message().contains("has 9 of the 10 rows"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_beside_the_batches_of_a_load_are_neither_inserted_nor_counted() {
    let bed = Bed::new().await;
    bed.has(bed.older(&["id-000004-random", "zzz"]));
    let (_, mut table) = bed.open(WriteMode::Append, None).await;
    assert!(table.table_state().existed);
    bed.stage("users", 0..30);
    table.append(&[batch(1, 10..20)]).await.unwrap();
    assert_eq!(bed.warehouse.sent(), ["CREATE TABLE", "MERGE INTO"]);
    assert_eq!(bed.warehouse.ids(USERS).len(), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replacement_takes_only_the_rows_of_its_batches_and_can_be_repeated() {
    let bed = Bed::new().await;
    bed.has(bed.older(&["old-1", "old-2"]));
    let (_, mut table) = bed.open(WriteMode::Replace, None).await;
    assert!(table.table_state().replaces && table.table_state().existed);
    bed.stage("users", 0..30);
    table.replace(&[batch(1, 0..10), batch(2, 10..20)]).await.unwrap();
    assert_eq!(bed.warehouse.sent(), ["CREATE TABLE", "INSERT OVERWRITE", "SELECT count(*)"]);
    assert_eq!(bed.warehouse.ids(USERS), ids(0..20));
    bed.fault("INSERT", Fault::ReplyLost);
    table.replace(&[batch(1, 0..10), batch(2, 10..20)]).await.unwrap_err();
    table.replace(&[batch(1, 0..10), batch(2, 10..20)]).await.unwrap();
    assert_eq!(bed.warehouse.ids(USERS), ids(0..20));
    bed.warehouse.sent();
    table.replace(&[]).await.unwrap();
    assert_eq!(bed.warehouse.sent(), ["INSERT OVERWRITE"]);
    assert!(bed.warehouse.ids(USERS).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replacement_that_does_not_see_all_rows_is_an_error() {
    let bed = Bed::new().await;
    bed.has(bed.older(&["old-1"]));
    let (_, mut table) = bed.open(WriteMode::Replace, None).await;
    bed.stage("users", 0..9);
    let error = table.replace(&[batch(1, 0..10)]).await.unwrap_err();
    assert!(error.message().contains("has 9 of the 10 rows"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_table_that_is_replaced_appears_with_its_rows() {
    let bed = Bed::new().await;
    let (_, mut table) = bed.open(WriteMode::Replace, Some(4)).await;
    bed.stage("users", 0..10);
    table.replace(&[batch(1, 0..10)]).await.unwrap();
    assert_eq!(
        bed.warehouse.sent(),
        ["CREATE SCHEMA", "CREATE TABLE", "CREATE TABLE", "INSERT OVERWRITE", "SELECT count(*)", "ALTER TABLE"]
    );
    let property =
        bed.warehouse.with(|state| state.tables[USERS].properties["destination-databricks.generation"].clone());
    assert_eq!(property, "4");
    let bed = Bed::new().await;
    let (_, mut table) = bed.open(WriteMode::Replace, None).await;
    table.replace(&[]).await.unwrap();
    assert_eq!(bed.warehouse.sent(), ["CREATE SCHEMA", "CREATE TABLE"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_cannot_be_loaded_is_refused_before_anything_is_changed() {
    let bed = Bed::new().await;
    let refused = async |table: Table, write_mode| {
        bed.has(table);
        let error = bed.try_open(users(write_mode, None)).await.err().expect("refused");
        let kept = ["SHOW SCHEMAS", "SHOW TABLES", "DESCRIBE TABLE", "SHOW TBLPROPERTIES"];
        assert!(bed.warehouse.sent().iter().all(|said| kept.contains(&said.as_str())));
        assert_eq!((error.kind(), error.stream().map(|stream| stream.name.as_str())), (Kind::Config, Some("users")));
        error.message().to_owned()
    };
    let mut extra = bed.older(&[]);
    extra.columns.push(("id".into(), "bigint".into()));
    assert!(refused(extra, WriteMode::Append).await.contains("id bigint"));
    let stream = Table { kind: "STREAMING_TABLE".into(), ..bed.older(&[]) };
    assert!(refused(stream, WriteMode::Append).await.contains("STREAMING_TABLE"));
    let view = Table { kind: "VIEW".into(), ..bed.older(&[]) };
    assert!(refused(view, WriteMode::Append).await.contains("is a view"));
    let mut fixed = bed.older(&[]);
    fixed.properties.insert("delta.appendOnly".into(), "true".into());
    bed.has(fixed.clone());
    assert!(bed.try_open(users(WriteMode::Append, None)).await.is_ok());
    assert!(refused(fixed, WriteMode::Replace).await.contains("delta.appendOnly"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_the_other_engine_gets_its_name_and_goes_on() {
    let bed = Bed::new().await;
    let tables = TableLog::new(&bed.storage, &Handle::current(), 1);
    let clock_and_ids = ClockAndIds { clock: Arc::new(SystemClock), new_id: Uuid::now_v7 };
    let direct = Direct::new(&bed.storage, &tables, clock_and_ids, SYNC, false);
    let opened = direct.open_all(&[Arc::new(users(WriteMode::Append, Some(3)))]).await.unwrap().remove(0).unwrap();
    { opened.table }.append(&[]).await.unwrap();

    let (_, mut table) = bed.open(WriteMode::ReplaceOtherGenerations, Some(3)).await;
    assert!(table.table_state().existed && !table.table_state().replaces);
    bed.stage("users", 0..10);
    table.append(&[batch(1, 0..10)]).await.unwrap();
    let create = bed.warehouse.with(|state| state.statements[1].clone());
    assert!(create.starts_with(&format!("CREATE TABLE IF NOT EXISTS {USERS}\nUSING delta\nLOCATION")), "{create}");
    assert_eq!(bed.warehouse.ids(USERS), ids(0..10));
    let properties = bed.warehouse.with(|state| state.tables[USERS].properties.clone());
    assert_eq!(properties["destination-databricks.generation"], "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_was_dropped_and_whose_files_are_there_still_has_its_generation() {
    let bed = Bed::new().await;
    let log = bed.folder.path().join("shop/users/_delta_log");
    std::fs::create_dir_all(&log).unwrap();
    let schema = TableSchema::raw().delta();
    let create = serde_json::json!({"metaData": {
        "id": Uuid::now_v7(), "format": {"provider": "parquet", "options": {}}, "schemaString": schema,
        "partitionColumns": [], "configuration": {"destination-databricks.generation": "3"},
    }});
    let protocol = r#"{"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}"#;
    // The other engine was there before, or after, under a connection that had begun anew.
    let before = r#"{"txn": {"appId": "destination-databricks/generation", "version": 1}}"#;
    std::fs::write(log.join("00000000000000000000.json"), format!("{protocol}\n{create}\n{before}\n")).unwrap();
    for (generation, replaces) in [(1, false), (2, true), (3, false), (4, true)] {
        let (_, table) = bed.open(WriteMode::ReplaceOtherGenerations, Some(generation)).await;
        assert_eq!(table.table_state().replaces, replaces, "{generation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_no_table_are_refused() {
    let bed = Bed::new().await;
    std::fs::create_dir_all(bed.folder.path().join("shop/users")).unwrap();
    std::fs::write(bed.folder.path().join("shop/users/report.csv"), "a,b").unwrap();
    let error = bed.try_open(users(WriteMode::Append, None)).await.err().expect("refused");
    assert!(error.kind() == Kind::Config && error.message().contains("no Delta table"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn staging_tables_go_at_the_end_or_stay_where_they_are_kept() {
    for purge in [true, false] {
        let bed = Bed::new().await;
        let (engine, mut table) = bed.open(WriteMode::Append, None).await;
        bed.stage("users", 0..10);
        table.append(&[batch(1, 0..10)]).await.unwrap();
        engine.end(if purge { Ending::Purged } else { Ending::Kept }).await.unwrap();
        let left: Vec<String> = bed.warehouse.with(|state| state.tables.keys().cloned().collect());
        let expected: &[&str] = if purge { &[USERS] } else { &[STAGING, USERS] };
        assert_eq!(left, expected);
        assert!(bed.warehouse.with(|state| state.closed));
    }
    let bed = Bed::new().await;
    let engine = bed.engine();
    bed.warehouse.with(|state| state.tables.insert(STAGING.into(), bed.older(&[])));
    assert!(bed.clear(&engine, &[STAGING]).await.unwrap());
    assert!(bed.warehouse.with(|state| state.tables.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_streams_take_statements_by_the_stream_and_not_by_the_batch() {
    const STREAMS: usize = 1000;
    let bed = Bed::new().await;
    let stream = |number: usize| Stream {
        descriptor: StreamDescriptor { name: format!("t{number:04}"), namespace: None },
        write_mode: WriteMode::Append,
        generation_id: None,
        sync_id: 0,
        columns: TableSchema::raw(),
        dedup: None,
    };
    let catalog = Catalog { streams: (0..STREAMS).map(stream).collect() };
    for (sync, expected) in [(0, 2 + 4 * STREAMS), (1, 2 + 4 * STREAMS)] {
        let targets = targets(&catalog, "shop", SYNC).unwrap();
        if sync == 1 {
            // The tables are there, where this bed's folder is.
            let place = bed.folder.path().display();
            bed.warehouse.with(|state| {
                for (name, table) in &mut state.tables {
                    table.location = format!("file://{place}/shop/{}", name.split('`').nth(5).unwrap());
                }
            });
        }
        let engine = bed.engine();
        let targets: Vec<_> = targets.into_iter().map(Arc::new).collect();
        let opened = engine.open_all(&targets).await.unwrap();
        for (target, opened) in targets.into_iter().zip(opened) {
            let name = target.table.rsplit('/').next().unwrap().to_owned();
            let rows = sync * 100..sync * 100 + 100;
            bed.stage(&name, rows.clone());
            let mut table = opened.unwrap().table;
            let batches: Vec<Batch> =
                (0..10).map(|at| batch(1 + at as i64, rows.start + at * 10..rows.start + at * 10 + 10)).collect();
            table.append(&batches).await.unwrap();
            table.append(&[]).await.unwrap();
        }
        engine.end(Ending::Purged).await.unwrap();
        bed.warehouse.with(|state| state.closed = false);
        assert_eq!(bed.warehouse.sent().len(), expected, "sync {sync}");
    }
    let all: BTreeSet<usize> = bed.warehouse.with(|state| state.tables.values().map(|table| table.ids.len()).collect());
    assert_eq!(all, BTreeSet::from([200]));
}
