//! Other syncs whose ids lie between ours: nothing of theirs is counted, nothing of ours is lost or doubled.

use std::collections::BTreeSet;

use super::testing::bed::{Bed, USERS, batch, ids};
use super::testing::fake_warehouse::Fault;
use crate::protocol::catalog::WriteMode;

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_another_sync_adds_in_the_same_range_of_ids_are_not_counted() {
    let bed = Bed::new().await;
    bed.stage("users", 0..10);
    let (_, mut table) = bed.open(WriteMode::Append, None).await;
    bed.fault("MERGE", Fault::OthersWrote(&["id-000003-other", "id-000004-other"]));
    table.append(&[batch(1, 0..10)]).await.unwrap();
    assert_eq!(bed.warehouse.sent()[3..], ["MERGE INTO", "SELECT count(*)"]);
    assert_eq!(bed.warehouse.ids(USERS).len(), 12);

    // Two rows of ours are missing, and two of somebody else's are in their place.
    let bed = Bed::new().await;
    bed.stage("users", 0..8);
    let (_, mut table) = bed.open(WriteMode::Append, None).await;
    bed.fault("MERGE", Fault::OthersWrote(&["id-000003-other", "id-000004-other"]));
    let error = table.append(&[batch(1, 0..10)]).await.unwrap_err();
    assert!(error.message().contains("has 8 of the 10 rows"), "{error}");

    let bed = Bed::new().await;
    bed.has(bed.older(&["old"]));
    bed.stage("users", 0..10);
    let (_, mut table) = bed.open(WriteMode::Replace, None).await;
    bed.fault("INSERT", Fault::OthersWrote(&["id-000003-other"]));
    table.replace(&[batch(1, 0..10)]).await.unwrap();
    bed.fault("INSERT", Fault::OthersWrote(&["id-000003-other"]));
    table.replace(&[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_in_a_range_that_is_shared_takes_and_doubles_nothing_of_the_others() {
    let bed = Bed::new().await;
    bed.has(bed.older(&["id-000003-other", "id-000004-other"]));
    bed.stage("users", 0..10);
    let (_, mut table) = bed.open(WriteMode::Append, None).await;
    bed.fault("MERGE", Fault::RunTwice);
    table.append(&[batch(1, 0..10)]).await.unwrap();
    let all: BTreeSet<String> = bed.warehouse.ids(USERS).into_iter().collect();
    assert_eq!(all.len(), 12);
    assert!(ids(0..10).iter().all(|id| all.contains(id)) && all.contains("id-000003-other"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_cannot_be_counted_are_not_said_to_be_loaded() {
    let bed = Bed::new().await;
    bed.stage("users", 0..10);
    let (_, mut table) = bed.open(WriteMode::Append, None).await;
    bed.fault("MERGE", Fault::NoCounts);
    bed.fault("SELECT", Fault::ServerDown);
    table.append(&[batch(1, 0..10)]).await.unwrap_err();
    table.append(&[batch(1, 0..10)]).await.unwrap();
    assert_eq!(bed.warehouse.ids(USERS), ids(0..10));
}
