//! Generations with SQL: which tables are replaced, which are added to, and when that is written down.

use super::testing::bed::{Bed, USERS, batch, ids};
use super::testing::fake_warehouse::Fault;
use crate::load::RowsBefore;
use crate::protocol::catalog::WriteMode;

const PROPERTY: &str = "destination-databricks.generation";

fn generation(bed: &Bed) -> Option<String> {
    bed.warehouse.with(|state| state.tables[USERS].properties.get(PROPERTY).cloned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_replaces_once_and_goes_on_in_its_generation() {
    let bed = Bed::new().await;
    bed.has(bed.older(&["old"]));
    bed.stage("users", 0..40);
    let (_, mut table) = bed.open(WriteMode::ReplaceOtherGenerations, Some(2)).await;
    let table_state = table.table_state();
    assert!(table_state.replaces && table_state.write_mode.needs_complete() && table_state.own_generation.is_none());
    assert_eq!(table.replace(&[batch(1, 0..10)]).await.unwrap(), RowsBefore::NotAsked);
    assert_eq!(
        bed.warehouse.sent(),
        ["CREATE TABLE", "SHOW TBLPROPERTIES", "INSERT OVERWRITE", "SELECT count(*)", "ALTER TABLE"]
    );
    // Whatever comes in the same generation is added, and a COMPLETE alone changes nothing.
    for (round, expected) in [(1, 20), (2, 30)] {
        let (_, mut table) = bed.open(WriteMode::ReplaceOtherGenerations, Some(2)).await;
        let table_state = table.table_state();
        assert!(
            !table_state.replaces && table_state.write_mode.needs_complete() && table_state.own_generation == Some(2)
        );
        table.append(&[]).await.unwrap();
        assert_eq!(bed.warehouse.sent(), [""; 0]);
        table.append(&[batch(1, round * 10..round * 10 + 10)]).await.unwrap();
        assert_eq!(bed.warehouse.ids(USERS), ids(0..expected));
    }
    // The next generation begins again, also without rows.
    let (_, mut table) = bed.open(WriteMode::ReplaceOtherGenerations, Some(3)).await;
    assert!(table.table_state().replaces);
    table.replace(&[]).await.unwrap();
    assert!(bed.warehouse.ids(USERS).is_empty());
    assert_eq!(generation(&bed).as_deref(), Some("3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overwrite_replaces_rows_of_its_own_generation_too_also_by_none() {
    let bed = Bed::new().await;
    bed.has(bed.older(&["old"]));
    bed.stage("users", 0..40);
    for round in 0..3 {
        let (_, mut table) = bed.open(WriteMode::Replace, Some(2)).await;
        assert!(table.table_state().replaces && !table.table_state().write_mode.needs_complete());
        table.replace(&[batch(1, round * 10..round * 10 + 10)]).await.unwrap();
        assert_eq!(bed.warehouse.ids(USERS), ids(round * 10..round * 10 + 10));
    }
    let (_, mut table) = bed.open(WriteMode::Replace, Some(2)).await;
    table.replace(&[]).await.unwrap();
    assert!(bed.warehouse.ids(USERS).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn which_rows_are_replaced_depends_on_the_generation_that_is_written_down() {
    for (written, wanted, replaces) in [
        (None, Some(7), true),
        (Some("6"), Some(7), true),
        (Some("7"), Some(7), false),
        (Some("8"), Some(7), true),
        (Some("seven"), Some(7), true),
    ] {
        let bed = Bed::new().await;
        let mut older = bed.older(&["old"]);
        older.properties.extend(written.map(|written| (PROPERTY.to_owned(), written.to_owned())));
        bed.has(older);
        let (_, table) = bed.open(WriteMode::ReplaceOtherGenerations, wanted).await;
        assert_eq!(table.table_state().replaces, replaces, "{written:?}");
        for (write_mode, expected) in [(WriteMode::Append, false), (WriteMode::Replace, true)] {
            let (_, table) = bed.open(write_mode, wanted).await;
            assert_eq!(table.table_state().replaces, expected, "{written:?} {write_mode:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_dies_between_the_rows_and_their_generation_is_made_again_and_not_added_to() {
    let bed = Bed::new().await;
    bed.has(bed.older(&["old"]));
    bed.stage("users", 0..20);
    let (_, mut table) = bed.open(WriteMode::ReplaceOtherGenerations, Some(2)).await;
    bed.fault("ALTER", Fault::ServerDown);
    table.replace(&[batch(1, 0..10)]).await.unwrap_err();
    assert_eq!((bed.warehouse.ids(USERS), generation(&bed)), (ids(0..10), None));
    // No STATE was given back, so the source begins again.
    let (_, mut table) = bed.open(WriteMode::ReplaceOtherGenerations, Some(2)).await;
    assert!(table.table_state().replaces);
    table.replace(&[batch(1, 10..20)]).await.unwrap();
    assert_eq!((bed.warehouse.ids(USERS), generation(&bed).as_deref()), (ids(10..20), Some("2")));
}
