//! Statements of which nobody knows what came of them: they do no harm, now or later.

use super::bed_tests::{Bed, STAGING, SYNC, USERS, batch, ids};
use super::warehouse_tests::Fault;
use crate::error::Kind;
use crate::load::{Ending, Loader};
use crate::protocol::catalog::Disposition;

#[tokio::test(flavor = "multi_thread")]
async fn a_table_whose_properties_may_not_be_set_is_loaded_all_the_same_when_an_answer_is_lost() {
    let bed = Bed::new().await;
    let (_, mut table) = bed.open(Disposition::Append, None).await;
    bed.warehouse.with(|state| state.refusals.push(("ALTER TABLE", "The token's user does not own the table.")));
    bed.stage("users", 0..10);
    bed.fault("MERGE", Fault::Again);
    table.append(&[batch(1, 0..10)]).await.unwrap();
    assert_eq!(bed.warehouse.said()[3..], ["MERGE INTO", "ALTER TABLE", "SELECT count(*)"]);
    assert_eq!(bed.warehouse.ids(USERS), ids(0..10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_emptied_needs_the_staging_table_which_a_late_copy_does_not_find() {
    let bed = Bed::new().await;
    bed.has(bed.older(&["old-1", "old-2"]));
    let (engine, mut table) = bed.open(Disposition::Overwrite, None).await;
    table.replace(&[]).await.unwrap();
    let emptied = bed.warehouse.with(|state| state.statements.last().unwrap().clone());
    assert!(emptied.contains(&format!("FROM {STAGING}")), "{emptied}");
    assert_eq!(bed.warehouse.said(), ["CREATE TABLE", "INSERT OVERWRITE"]);
    assert!(bed.warehouse.ids(USERS).is_empty());
    engine.end(Ending::Purged).await.unwrap();
    assert!(bed.warehouse.with(|state| !state.tables.contains_key(STAGING)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_staging_table_of_a_statement_that_may_still_run_goes_although_it_should_be_kept() {
    for (words, fault) in [("MERGE", Fault::Again), ("MERGE", Fault::DoneAndLost), ("INSERT", Fault::DoneAndLost)] {
        let bed = Bed::new().await;
        let disposition = if words == "MERGE" { Disposition::Append } else { Disposition::Overwrite };
        let (engine, mut table) = bed.open(disposition, None).await;
        bed.stage("users", 0..10);
        bed.fault(words, fault.clone());
        let batches = [batch(1, 0..10)];
        let loaded =
            if words == "MERGE" { table.append(&batches).await } else { table.replace(&batches).await.map(|_| ()) };
        assert_eq!(loaded.is_ok(), fault == Fault::Again);
        bed.warehouse.said();
        engine.end(Ending::Kept).await.unwrap();
        // First no copy can begin any more, then none that has begun can commit.
        assert_eq!(bed.warehouse.said(), ["DROP TABLE", "ALTER TABLE"], "{words} {fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_table_whose_rows_were_not_acknowledged_is_replaced_by_the_next_attempt_of_its_generation() {
    let bed = Bed::new().await;
    let rest = Disposition::Refresh;
    let (_, mut table) = bed.open(rest, Some(4)).await;
    bed.stage("users", 0..10);
    bed.fault("INSERT", Fault::DoneAndLost);
    table.replace(&[batch(1, 0..10)]).await.unwrap_err();
    assert_eq!(bed.warehouse.ids(USERS), ids(0..10));
    // It was killed there: the rows are in the table, and nobody was told.
    let (_, table) = bed.open(rest, Some(4)).await;
    assert!(table.standing().truncates);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_refused_in_the_middle_of_a_load_leaves_it_unclear() {
    let bed = Bed::new().await;
    let (engine, mut table) = bed.open(Disposition::Overwrite, None).await;
    bed.stage("users", 0..10);
    for words in ["INSERT", "DROP"] {
        bed.warehouse.with(|state| state.refusals.push((words, "The token has expired.")));
    }
    assert_eq!(table.replace(&[batch(1, 0..10)]).await.unwrap_err().kind(), Kind::Config);
    engine.end(Ending::Purged).await.unwrap_err();
    // Whoever comes next has to wait for this sync.
    let claims = bed.folder.path().join(format!("{SYNC}/_claims/replaces/shop/users"));
    assert!(claims.exists(), "{}", claims.display());
}
