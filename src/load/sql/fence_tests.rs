//! Fences that do not hold: only a right that is missing lets a sync go on without one.

use super::testing::bed::{Bed, STAGING, SYNC, USERS, batch, ids};
use super::testing::fake_warehouse::{Fault, TIMED_OUT};
use crate::error::Kind;
use crate::load::{Ending, Loader};
use crate::protocol::catalog::WriteMode;

/// Config errors that say nothing of whether the property may be set.
const NOT_OF_THE_RIGHT: [&str; 7] = [
    TIMED_OUT,
    "[TABLE_OR_VIEW_NOT_FOUND] The table or view `main`.`shop`.`users` cannot be found. SQLSTATE: 42P01",
    "PERMISSION_DENIED: User does not have USE SCHEMA on Schema 'main.shop'.",
    "302 ",
    "401 ",
    "403 Source IP address is blocked by Databricks IP ACL for workspace 1",
    "403 User does not have MODIFY on Table 'main.shop.users'.",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_second_copy_is_sent_while_the_first_one_may_commit() {
    for said in NOT_OF_THE_RIGHT {
        let bed = Bed::new().await;
        let (engine, mut table) = bed.open(WriteMode::Replace, None).await;
        bed.stage("users", 0..10);
        bed.fault("INSERT", Fault::StartsLate);
        bed.warehouse.with(|state| state.refusals.push(("fence", said)));
        let error = table.replace(&[batch(1, 0..10)]).await.expect_err(said);
        assert_eq!(error.kind(), Kind::Config, "{said}");
        let sent = bed.warehouse.sent();
        assert_eq!(sent.iter().filter(|said| *said == "INSERT OVERWRITE").count(), 1, "{said}");
        // Its end does no better, and says so: the claim and the folder stay.
        assert!(engine.end(Ending::Purged).await.is_err(), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_sync_has_claimed_stays_claimed_while_its_table_has_no_fence() {
    for said in NOT_OF_THE_RIGHT {
        let bed = Bed::new().await;
        bed.has(bed.older(&["old"]));
        let next = bed.engine();
        let claim = format!("{SYNC}/_claims/replaces/shop/users");
        bed.storage.put_new(&claim, b"claimed\n".to_vec()).await.unwrap();
        bed.warehouse.with(|state| state.refusals.push(("fence", said)));
        assert!(bed.clear(&next, &[]).await.is_err(), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_gone_at_the_end_needs_no_fence() {
    let bed = Bed::new().await;
    let (engine, mut table) = bed.open(WriteMode::Replace, None).await;
    bed.stage("users", 0..10);
    bed.fault("INSERT", Fault::ReplyLost);
    table.replace(&[batch(1, 0..10)]).await.unwrap_err();
    bed.warehouse.with(|state| {
        state.tables.remove(USERS);
        state.refusals.push(("fence", NOT_OF_THE_RIGHT[1]));
    });
    engine.end(Ending::Purged).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_staging_table_that_may_have_been_made_is_dropped_at_the_end() {
    for renamed in [false, true] {
        let bed = Bed::new().await;
        let (engine, mut table) = bed.open(WriteMode::Replace, None).await;
        bed.stage("users", 0..10);
        let name = if renamed { STAGING.replace("cafe_", "cafex1_") } else { STAGING.to_owned() };
        let create: &'static str = Box::leak(format!("CREATE TABLE IF NOT EXISTS {name}").into_boxed_str());
        bed.fault(create, Fault::TimedOut);
        if renamed {
            bed.fault("INSERT", Fault::OutcomeUnknown);
        }
        assert_eq!(table.replace(&[batch(1, 0..10)]).await.unwrap_err().kind(), Kind::Config);
        assert!(bed.warehouse.with(|state| state.tables.contains_key(&name)));
        engine.end(Ending::Purged).await.unwrap();
        assert!(bed.warehouse.with(|state| !state.tables.contains_key(&name)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_staging_table_that_may_not_be_made_is_not_dropped() {
    let bed = Bed::new().await;
    let (engine, mut table) = bed.open(WriteMode::Replace, None).await;
    bed.stage("users", 0..10);
    let refused =
        ("USING delta\nLOCATION", "PERMISSION_DENIED: User does not have READ FILES on External Location 'lake'.");
    bed.warehouse.with(|state| state.refusals.push(refused));
    table.replace(&[batch(1, 0..10)]).await.unwrap_err();
    bed.warehouse.sent();
    engine.end(Ending::Purged).await.unwrap();
    assert!(bed.warehouse.sent().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_which_a_policy_hides_a_part_are_not_merged_again_when_nothing_tells_how_many_were_inserted() {
    for fault in [Fault::OutcomeUnknown, Fault::NoCounts] {
        let bed = Bed::new().await;
        bed.stage("users", 0..10);
        bed.warehouse.with(|state| state.filtered.extend(ids(0..5)));
        let (_, mut table) = bed.open(WriteMode::Append, None).await;
        let sent = if fault == Fault::OutcomeUnknown { 2 } else { 1 };
        bed.fault("MERGE", fault);
        let error = table.append(&[batch(1, 0..10)]).await.unwrap_err();
        assert!(error.kind() == Kind::Config && error.message().contains("sees 5 of the 10"), "{error}");
        assert_eq!(bed.warehouse.sent().iter().filter(|said| *said == "MERGE INTO").count(), sent);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_that_tells_nothing_and_did_not_see_the_newest_batch_is_made_again() {
    for fault in [Fault::OutcomeUnknown, Fault::NoCounts] {
        let bed = Bed::new().await;
        bed.stage("users", 0..10);
        bed.warehouse.with(|state| state.unseen.extend(ids(7..10)));
        let (_, mut table) = bed.open(WriteMode::Append, None).await;
        bed.fault("MERGE", fault);
        table.append(&[batch(1, 0..10)]).await.unwrap();
        assert_eq!(bed.warehouse.ids(USERS), ids(0..10));
    }
}
