//! Managed tables: loaded from files by their names, without a table over them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::testing::bed::{Bed, SYNC, USERS, batch, id, ids, users};
use super::testing::fake_warehouse::{Fault, Table};
use super::{Sql, TablePlace};
use crate::databricks::SqlTransport;
use crate::error::Kind;
use crate::load::{Ending, Loader, TableLoader};
use crate::protocol::catalog::WriteMode;
use crate::recovery::catalog_table::CatalogTable;
use crate::recovery::left_behind::LeftInCatalog;
use crate::recovery::sweep::StagingTables;
use crate::stage::Batch;
use crate::stage::staged::{Begins, Staged};

const RAW: &str = "`main`.`shop`.`_airbyte_raw_users`";

async fn bed(purges: bool) -> Bed {
    Bed { managed: Some(TablePlace::Managed { purges, has_raw_prefix: false }), ..Bed::new().await }
}

fn managed(ids: &[&str]) -> Table {
    Table { kind: "MANAGED".into(), ..Table::older("s3://metastore/tables/1", ids) }
}

/// All that was sent since the last call, whole.
fn sent(bed: &Bed) -> Vec<String> {
    bed.warehouse.with(|state| std::mem::take(&mut state.statements))
}

async fn open(bed: &Bed, write_mode: WriteMode) -> (Sql, Box<dyn TableLoader>) {
    bed.open(write_mode, None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_one_copy_into_which_says_how_many_rows_it_has_loaded() {
    let bed = bed(true).await;
    let (engine, mut table) = open(&bed, WriteMode::Append).await;
    let batches: Vec<Batch> =
        (0..10).map(|number| batch(number + 1, number as u64 * 10..number as u64 * 10 + 10)).collect();
    bed.stage_files(&batches).await;
    table.append(&batches).await.unwrap();
    assert_eq!(bed.warehouse.sent(), ["CREATE SCHEMA", "CREATE TABLE", "COPY INTO"]);
    assert_eq!(bed.warehouse.with(|state| state.tables[USERS].kind.clone()), "MANAGED");
    let last = [batch(11, 100..110)];
    bed.stage_files(&last).await;
    table.append(&last).await.unwrap();
    table.append(&[]).await.unwrap();
    assert_eq!(bed.warehouse.sent(), ["COPY INTO"]);
    assert_eq!(bed.warehouse.ids(USERS), ids(0..110));
    assert!(bed.staged_files().await.is_empty(), "files are deleted when they are loaded");
    engine.end(Ending::Purged).await.unwrap();
    assert!(bed.warehouse.sent().is_empty(), "nothing to drop and nothing to stop");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_has_at_most_a_thousand_files() {
    let bed = bed(false).await;
    let (_, mut table) = open(&bed, WriteMode::Append).await;
    let batches: Vec<Batch> = (0..2001).map(|number| batch(number + 1, number as u64..number as u64 + 1)).collect();
    bed.stage_files(&batches).await;
    table.append(&batches).await.unwrap();
    assert_eq!(bed.warehouse.sent(), ["CREATE SCHEMA", "CREATE TABLE", "COPY INTO", "COPY INTO", "COPY INTO"]);
    assert_eq!(bed.warehouse.ids(USERS), ids(0..2001));
    assert_eq!(bed.staged_files().await.len(), 2001, "kept where they are wanted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_asked_for_again_and_the_rows_are_counted() {
    for fault in [Fault::OutcomeUnknown, Fault::StartsLate] {
        let bed = bed(true).await;
        let (engine, mut table) = open(&bed, WriteMode::Append).await;
        let batches = [batch(1, 0..10)];
        bed.stage_files(&batches).await;
        bed.fault("COPY INTO", fault);
        table.append(&batches).await.unwrap();
        let sent = sent(&bed);
        let copies: Vec<&String> = sent.iter().filter(|statement| statement.starts_with("COPY INTO")).collect();
        assert_eq!((copies.len(), copies[0] == copies[1]), (2, true));
        assert!(sent.iter().any(|statement| statement.starts_with("SELECT count(*)")), "{sent:?}");
        assert_eq!(bed.warehouse.ids(USERS), ids(0..10));
        // What may still run is stopped: its files first, then the table's fence.
        engine.end(Ending::Kept).await.unwrap();
        assert_eq!(bed.warehouse.sent(), ["ALTER TABLE"]);
        assert!(bed.staged_files().await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_begins_after_the_end_of_its_sync_finds_no_files_and_fails() {
    let bed = bed(true).await;
    let (engine, mut table) = open(&bed, WriteMode::Append).await;
    let batches = [batch(1, 0..10)];
    bed.stage_files(&batches).await;
    table.append(&batches).await.unwrap();
    engine.end(Ending::Purged).await.unwrap();
    let late = sent(&bed).into_iter().find(|statement| statement.starts_with("COPY INTO")).unwrap();
    bed.warehouse.with(|state| {
        state.closed = false;
        // As after a statement that replaced the table.
        state.loaded.clear();
        state.tables.get_mut(USERS).unwrap().ids.clear();
    });
    let refused = bed.warehouse.execute(&late).await.expect_err("no files");
    assert!(refused.message().contains("staged files are gone"), "{refused}");
    assert!(bed.warehouse.ids(USERS).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_says_nothing_of_its_rows_is_counted() {
    let bed = bed(true).await;
    let (_, mut table) = open(&bed, WriteMode::Append).await;
    let batches = [batch(1, 0..10)];
    bed.stage_files(&batches).await;
    bed.fault("COPY INTO", Fault::NoCounts);
    table.append(&batches).await.unwrap();
    assert_eq!(bed.warehouse.sent(), ["CREATE SCHEMA", "CREATE TABLE", "COPY INTO", "SELECT count(*)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_not_in_the_table_are_not_acknowledged() {
    let bed = bed(true).await;
    let (_, mut table) = open(&bed, WriteMode::Append).await;
    bed.stage_files(&[batch(1, 0..9)]).await;
    let short = table.append(&[batch(1, 0..10)]).await.expect_err("nine of ten rows");
    assert_eq!(short.kind(), Kind::System, "{short}");
    assert!(short.message().contains("has 9 of the 10 rows"), "{short}");
    assert_eq!(bed.staged_files().await.len(), 1, "the files stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_replaced_by_one_statement_that_proves_itself() {
    let bed = bed(true).await;
    bed.has(managed(&["old"]));
    let (engine, mut table) = open(&bed, WriteMode::Replace).await;
    let batches = [batch(1, 0..10), batch(2, 10..20)];
    bed.stage_files(&batches).await;
    table.replace(&batches).await.unwrap();
    assert_eq!(bed.warehouse.sent(), ["INSERT OVERWRITE"]);
    assert_eq!(bed.warehouse.ids(USERS), ids(0..20));
    engine.end(Ending::Purged).await.unwrap();
    assert!(bed.warehouse.sent().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replacement_whose_files_are_not_all_there_leaves_the_table_as_it_is() {
    let bed = bed(true).await;
    bed.has(managed(&["old"]));
    let (_, mut table) = open(&bed, WriteMode::Replace).await;
    bed.stage_files(&[batch(1, 0..10)]).await;
    table.replace(&[batch(1, 0..10), batch(2, 10..20)]).await.expect_err("one of two files");
    assert_eq!(bed.warehouse.ids(USERS), ["old"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replacement_of_unknown_outcome_is_sent_again_and_stopped_at_the_end() {
    let bed = bed(true).await;
    bed.has(managed(&["old"]));
    let (engine, mut table) = open(&bed, WriteMode::Replace).await;
    let batches = [batch(1, 0..10)];
    bed.stage_files(&batches).await;
    bed.fault("INSERT OVERWRITE", Fault::OutcomeUnknown);
    table.replace(&batches).await.unwrap();
    let late = sent(&bed).remove(0);
    engine.end(Ending::Purged).await.unwrap();
    assert_eq!(bed.warehouse.sent(), ["ALTER TABLE"]);
    bed.warehouse.with(|state| {
        state.closed = false;
        state.tables.get_mut(USERS).unwrap().ids.insert(id(99));
    });
    bed.warehouse.execute(&late).await.expect_err("no files");
    assert!(bed.warehouse.ids(USERS).contains(&id(99)), "what the next sync has loaded stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_emptied_by_a_statement_that_needs_a_file_as_well() {
    let bed = bed(true).await;
    bed.has(managed(&["old"]));
    let engine = bed.engine();
    let opened = engine.open_all(&[Arc::new(users(WriteMode::Replace, None))]).await.unwrap().remove(0).unwrap();
    assert_eq!(opened.staging.begins, Begins::AtFirstBatchOrEnd);
    assert_eq!(opened.staging.staged, Staged::Files { folder: format!("{SYNC}/shop/users") });
    assert!(opened.staging.left_behind.is_none());
    let mut table = opened.table;
    table.replace(&[]).await.expect_err("no file");
    assert_eq!(bed.warehouse.ids(USERS), ["old"]);
    bed.storage.put_new(&format!("{SYNC}/shop/users/columns.parquet"), Vec::new()).await.unwrap();
    table.replace(&[]).await.unwrap();
    assert!(bed.warehouse.ids(USERS).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_a_dead_sync_go_before_its_tables_are_fenced() {
    let bed = bed(true).await;
    bed.has(managed(&[]));
    bed.stage_files(&[batch(1, 0..10)]).await;
    bed.storage.put_new(&format!("{SYNC}/_claims/adds/shop/users"), b"x".to_vec()).await.unwrap();
    let left = LeftInCatalog { staging_tables: Vec::new(), claimed: vec![CatalogTable::parse(USERS).unwrap()] };
    assert!(bed.engine().clear(SYNC, &left).await.unwrap());
    assert_eq!(bed.warehouse.sent(), ["ALTER TABLE"]);
    assert!(bed.staged_files().await.is_empty());
    assert_eq!(bed.storage.list(&SYNC.to_string()).await.unwrap().len(), 1, "the claim stays until the folder goes");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_managed_tables_are_loaded() {
    for (table, said) in [
        (Table::older("s3://lake/shop/users", &[]), "has a LOCATION of its own"),
        (Table { kind: "VIEW".into(), ..managed(&[]) }, "is a view"),
        (Table { kind: "MATERIALIZED_VIEW".into(), ..managed(&[]) }, "is a view"),
        (Table { kind: "STREAMING_TABLE".into(), ..managed(&[]) }, "of the kind STREAMING_TABLE"),
        (Table { kind: "FOREIGN".into(), provider: "postgresql".into(), ..managed(&[]) }, "in the format postgresql"),
        (Table { kind: "FOREIGN".into(), ..managed(&[]) }, "of the kind FOREIGN"),
    ] {
        let bed = bed(true).await;
        bed.has(table);
        let refused = bed.try_open(users(WriteMode::Append, None)).await.err().expect(said);
        assert_eq!(refused.kind(), Kind::Config);
        assert!(refused.message().contains(said), "{said}: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_older_connectors_table_goes_on_unless_there_is_one_of_the_streams_own_name() {
    let comment = |comment: &str| Table { comment: comment.into(), ..managed(&["old"]) };
    for (tables, has_raw_prefix, expected) in [
        (vec![(RAW, managed(&["old"]))], false, RAW),
        (vec![(RAW, comment("Created from stream users"))], false, RAW),
        (vec![(RAW, comment("Created from stream customers"))], false, USERS),
        (vec![(RAW, managed(&["old"])), (USERS, managed(&[]))], false, USERS),
        (vec![(USERS, managed(&[]))], true, RAW),
        (vec![], true, RAW),
        (vec![], false, USERS),
    ] {
        let place = TablePlace::Managed { purges: true, has_raw_prefix };
        let bed = Bed { managed: Some(place), ..Bed::new().await };
        let names: BTreeMap<String, Table> = tables.into_iter().map(|(name, table)| (name.to_owned(), table)).collect();
        let shown: Vec<String> = names.keys().cloned().collect();
        bed.warehouse.with(|state| state.tables.extend(names));
        let (_, mut table) = open(&bed, WriteMode::Append).await;
        let batches = [batch(1, 0..10)];
        bed.stage_files(&batches).await;
        table.append(&batches).await.unwrap();
        assert!(bed.warehouse.ids(expected).contains(&id(3)), "{shown:?} {has_raw_prefix}: {expected}");
    }
}
