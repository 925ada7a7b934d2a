//! Statements of which nobody knows what came of them: they do no harm, now or later.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use super::testing::bed::{Bed, STAGING, SYNC, USERS, batch, ids};
use super::testing::fake_warehouse::{Fault, Table};
use crate::error::Kind;
use crate::load::{Ending, Loader};
use crate::protocol::catalog::WriteMode;

const NOT_OWNER: &str = "PERMISSION_DENIED: User does not own Table 'main.shop.users'.";
/// A MERGE whose answer is lost.
const SENT_AGAIN: [&str; 7] =
    ["MERGE INTO", "DROP TABLE", "ALTER TABLE", "CREATE TABLE", "MERGE INTO", "ALTER TABLE", "SELECT count(*)"];

#[tokio::test(flavor = "multi_thread")]
async fn a_table_whose_properties_may_not_be_set_is_loaded_all_the_same_when_an_answer_is_lost() {
    let bed = Bed::new().await;
    let (_, mut table) = bed.open(WriteMode::Append, None).await;
    bed.warehouse.with(|state| state.refusals.push(("ALTER TABLE", NOT_OWNER)));
    bed.stage("users", 0..10);
    bed.fault("MERGE", Fault::OutcomeUnknown);
    table.append(&[batch(1, 0..10)]).await.unwrap();
    assert_eq!(bed.warehouse.sent()[3..], SENT_AGAIN);
    assert_eq!(bed.warehouse.ids(USERS), ids(0..10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_of_unknown_fate_is_sent_again_when_no_copy_of_it_can_commit_any_more() {
    for fault in [Fault::OutcomeUnknown, Fault::StartsLate] {
        for words in ["MERGE", "INSERT"] {
            let bed = Bed::new().await;
            let write_mode = if words == "MERGE" { WriteMode::Append } else { WriteMode::Replace };
            let (engine, mut table) = bed.open(write_mode, None).await;
            bed.stage("users", 0..10);
            bed.fault(words, fault.clone());
            bed.fault(words, fault.clone());
            let batches = [batch(1, 0..10)];
            let loaded =
                if words == "MERGE" { table.append(&batches).await } else { table.replace(&batches).await.map(|_| ()) };
            loaded.unwrap();
            assert_eq!(bed.warehouse.ids(USERS), ids(0..10));
            let all: Vec<String> = bed.warehouse.with(|state| state.statements.clone());
            let said: Vec<&str> = all[3..].iter().map(|text| text.split(' ').next().unwrap()).collect();
            let once = [words, "DROP", "ALTER", "CREATE"];
            assert_eq!(said, [&once[..], &once[..], &[words, "ALTER", "SELECT"]].concat());
            // No two alike: neither the fences nor the tables that are read.
            for kind in ["ALTER", words] {
                let texts: BTreeSet<&String> = all.iter().filter(|text| text.starts_with(kind)).collect();
                assert_eq!(texts.len(), 3, "{texts:?}");
            }
            bed.warehouse.sent();
            engine.end(Ending::Purged).await.unwrap();
            assert_eq!(bed.warehouse.sent(), ["DROP TABLE"]);
            assert_eq!(bed.warehouse.with(|state| state.tables.len()), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fence_that_fails_after_the_second_copy_is_set_at_the_end_or_the_claim_stays() {
    for still_fails in [false, true] {
        let bed = Bed::new().await;
        let (engine, mut table) = bed.open(WriteMode::Replace, None).await;
        bed.stage("users", 0..10);
        bed.fault("INSERT", Fault::OutcomeUnknown);
        // The first fence stands, and each later one fails.
        bed.fault("ALTER", Fault::RunTwice);
        for _ in 0..=usize::from(still_fails) {
            bed.fault("ALTER", Fault::ServerDown);
        }
        table.replace(&[batch(1, 0..10)]).await.unwrap_err();
        bed.warehouse.sent();
        let ended = engine.end(Ending::Purged).await;
        assert_eq!(bed.warehouse.sent(), ["DROP TABLE", "ALTER TABLE"]);
        assert_eq!(ended.is_err(), still_fails);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_whose_answer_is_lost_each_time_is_not_sent_for_ever() {
    let bed = Bed::new().await;
    let (_, mut table) = bed.open(WriteMode::Append, None).await;
    bed.stage("users", 0..10);
    for _ in 0..100 {
        bed.fault("MERGE", Fault::OutcomeUnknown);
    }
    assert_eq!(table.append(&[batch(1, 0..10)]).await.unwrap_err().kind(), Kind::Transient);
    assert_eq!(bed.warehouse.sent().iter().filter(|said| *said == "MERGE INTO").count(), 8);
    assert_eq!(bed.warehouse.ids(USERS), ids(0..10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_whose_answer_is_lost_again_and_again_is_sent_less_and_less_often() {
    let bed = Bed::new().await;
    let (_, mut table) = bed.open(WriteMode::Append, None).await;
    bed.stage("users", 0..10);
    let pause = Duration::from_millis(20);
    bed.warehouse.with(|state| state.pause = pause);
    for _ in 0..5 {
        bed.fault("MERGE", Fault::OutcomeUnknown);
    }
    let begun = Instant::now();
    table.append(&[batch(1, 0..10)]).await.unwrap();
    // A wait is at least half of what it grows by.
    assert!(begun.elapsed() >= pause * (1 + 2 + 4 + 8 + 16) / 2, "{:?}", begun.elapsed());
}

/// What `tracing` was told at the level of a warning, in this thread.
#[derive(Clone, Default)]
struct Warnings(Arc<AtomicUsize>);

impl<S: Subscriber> Layer<S> for Warnings {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() == Level::WARN {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_never_came_to_be_needs_no_fence_and_no_warning() {
    for (tables, expected) in [(vec![], 0), (vec!["other"], 0), (vec!["other", "users"], 1)] {
        let bed = Bed::new().await;
        for table in tables {
            bed.warehouse.with(|state| state.tables.insert(format!("`main`.`shop`.`{table}`"), Table::default()));
        }
        let next = bed.engine();
        let claim = format!("{SYNC}/_claims/replaces/shop/users");
        bed.storage.put_new(&claim, b"claimed\n".to_vec()).await.unwrap();
        bed.warehouse.with(|state| state.refusals.push(("ALTER TABLE", NOT_OWNER)));
        let warnings = Warnings::default();
        let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(warnings.clone()));
        assert!(bed.clear(&next, &[]).await.unwrap());
        drop(guard);
        assert_eq!(warnings.0.load(Ordering::SeqCst), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_sync_has_made_is_cleared_in_its_own_catalog_when_the_setting_names_another() {
    let bed = Bed { catalog: "old", ..Bed::new().await };
    let (_, mut table) = bed.open(WriteMode::Append, None).await;
    bed.stage("users", 0..10);
    bed.fault("MERGE", Fault::OutcomeUnknown);
    table.append(&[batch(1, 0..10)]).await.unwrap();
    let renamed = STAGING.replace("main", "old").replace("cafe_", "cafex1_");
    assert!(bed.warehouse.with(|state| state.tables.contains_key(&renamed)));
    let bed = Bed { catalog: "main", ..bed };
    let next = bed.engine();
    bed.warehouse.with(|state| state.statements.clear());
    assert!(bed.clear(&next, &[]).await.unwrap());
    assert_eq!(bed.warehouse.with(|state| state.tables.keys().cloned().collect::<Vec<_>>()), ["`old`.`shop`.`users`"]);
    let last = bed.warehouse.with(|state| state.statements.last().unwrap().clone());
    assert!(last.starts_with("ALTER TABLE `old`.`shop`.`users`") && last.contains("fence"), "{last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_staging_table_that_was_renamed_is_dropped_when_its_sync_was_killed() {
    let bed = Bed::new().await;
    let (_, mut table) = bed.open(WriteMode::Append, None).await;
    bed.stage("users", 0..10);
    bed.fault("MERGE", Fault::OutcomeUnknown);
    table.append(&[batch(1, 0..10)]).await.unwrap();
    let renamed = STAGING.replace("cafe_", "cafex1_");
    assert!(bed.warehouse.with(|state| state.tables.contains_key(&renamed)));
    let next = bed.engine();
    // Whoever may write to the bucket may put names there: those of other tables are not believed.
    for forged in ["shop/users", "shop/_airbyte_tmp_00000000beef_users", "shop/_airbyte_tmp_00000000cafe`.`x"] {
        bed.storage.put_new(&format!("{SYNC}/_staging_tables/{forged}"), b"x".to_vec()).await.unwrap();
    }
    assert!(bed.clear(&next, &[STAGING]).await.unwrap());
    assert_eq!(bed.warehouse.with(|state| state.tables.keys().cloned().collect::<Vec<_>>()), [USERS]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_emptied_needs_the_staging_table_which_a_late_copy_does_not_find() {
    let bed = Bed::new().await;
    bed.has(bed.older(&["old-1", "old-2"]));
    let (engine, mut table) = bed.open(WriteMode::Replace, None).await;
    table.replace(&[]).await.unwrap();
    let emptied = bed.warehouse.with(|state| state.statements.last().unwrap().clone());
    assert!(emptied.contains(&format!("FROM {STAGING}")), "{emptied}");
    assert_eq!(bed.warehouse.sent(), ["CREATE TABLE", "INSERT OVERWRITE"]);
    assert!(bed.warehouse.ids(USERS).is_empty());
    engine.end(Ending::Purged).await.unwrap();
    assert!(bed.warehouse.with(|state| !state.tables.contains_key(STAGING)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_staging_table_of_a_statement_that_may_still_run_goes_although_it_should_be_kept() {
    for (words, fault) in [("MERGE", Fault::ReplyLost), ("INSERT", Fault::ReplyLost)] {
        let bed = Bed::new().await;
        let write_mode = if words == "MERGE" { WriteMode::Append } else { WriteMode::Replace };
        let (engine, mut table) = bed.open(write_mode, None).await;
        bed.stage("users", 0..10);
        bed.fault(words, fault.clone());
        let batches = [batch(1, 0..10)];
        let loaded =
            if words == "MERGE" { table.append(&batches).await } else { table.replace(&batches).await.map(|_| ()) };
        loaded.unwrap_err();
        bed.warehouse.sent();
        engine.end(Ending::Kept).await.unwrap();
        // First no copy can begin any more, then none that has begun can commit.
        assert_eq!(bed.warehouse.sent(), ["DROP TABLE", "ALTER TABLE"], "{words} {fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_table_whose_rows_were_not_acknowledged_is_replaced_by_the_next_attempt_of_its_generation() {
    let bed = Bed::new().await;
    let rest = WriteMode::ReplaceOtherGenerations;
    let (_, mut table) = bed.open(rest, Some(4)).await;
    bed.stage("users", 0..10);
    bed.fault("INSERT", Fault::ReplyLost);
    table.replace(&[batch(1, 0..10)]).await.unwrap_err();
    assert_eq!(bed.warehouse.ids(USERS), ids(0..10));
    // It was killed there: the rows are in the table, and nobody was told.
    let (_, table) = bed.open(rest, Some(4)).await;
    assert!(table.table_state().replaces);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_has_surely_changed_nothing_costs_no_fence() {
    let bed = Bed::new().await;
    let (engine, mut table) = bed.open(WriteMode::Append, None).await;
    bed.stage("users", 0..10);
    bed.fault("MERGE", Fault::Denied);
    assert_eq!(table.append(&[batch(1, 0..10)]).await.unwrap_err().kind(), Kind::Config);
    bed.warehouse.sent();
    engine.end(Ending::Kept).await.unwrap();
    assert!(bed.warehouse.sent().is_empty());
    // Of the copy before it nobody knows that.
    let bed = Bed::new().await;
    bed.stage("users", 0..10);
    let (engine, mut table) = bed.open(WriteMode::Append, None).await;
    bed.fault("MERGE", Fault::OutcomeUnknown);
    bed.fault("MERGE", Fault::Denied);
    assert_eq!(table.append(&[batch(1, 0..10)]).await.unwrap_err().kind(), Kind::Config);
    bed.warehouse.sent();
    engine.end(Ending::Kept).await.unwrap();
    assert_eq!(bed.warehouse.sent(), ["DROP TABLE", "ALTER TABLE"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_refused_in_the_middle_of_a_load_leaves_it_unclear() {
    let bed = Bed::new().await;
    let (engine, mut table) = bed.open(WriteMode::Replace, None).await;
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
