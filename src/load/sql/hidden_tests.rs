//! Rows that the token's user does not see: nothing is inserted again because it is not seen.

use super::testing::bed::{Bed, batch, users};
use super::testing::fake_warehouse::{Fault, Table};
use crate::error::Kind;
use crate::load::{Ending, Loader};
use crate::protocol::catalog::WriteMode;

fn merges(bed: &Bed) -> usize {
    bed.warehouse.sent().iter().filter(|said| *said == "MERGE INTO").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_with_a_row_filter_is_refused_before_the_first_record() {
    for write_mode in [WriteMode::Append, WriteMode::Replace] {
        let bed = Bed::new().await;
        let policies = vec![(String::new(), String::new()), ("# Row Filter".into(), String::new())];
        bed.has(Table { policies, ..bed.older(&[]) });
        let error = bed.try_open(users(write_mode, None)).await.err().expect("refused");
        assert!(error.kind() == Kind::Config && error.message().contains("row filter"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_and_hidden_is_told_after_three_tries_and_who_is_second_by_a_moment_goes_on() {
    for words in ["CREATE SCHEMA", "CREATE TABLE"] {
        for tries in [1, 3] {
            let bed = Bed::new().await;
            bed.stage("users", 0..10);
            let (_, mut table) = bed.open(WriteMode::Append, None).await;
            for _ in 0..tries {
                bed.fault(words, Fault::AlreadyExists);
            }
            let loaded = table.append(&[batch(1, 0..10)]).await;
            let Err(error) = loaded else { continue };
            assert!(tries == 3 && error.kind() == Kind::Config, "{words}: {error}");
            assert!(error.message().contains("USE SCHEMA") && error.message().contains("SELECT and MODIFY"), "{error}");
            let said = bed.warehouse.sent();
            assert!(said.ends_with(&[words.to_owned(), words.to_owned(), words.to_owned()]), "{said:?}");
        }
        let bed = Bed::new().await;
        let (_, mut table) = bed.open(WriteMode::Append, None).await;
        (0..3).for_each(|_| bed.fault(words, Fault::AlreadyExists));
        table.append(&[batch(1, 0..10)]).await.unwrap_err();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_a_policy_hides_are_not_merged_again_and_again() {
    let bed = Bed::new().await;
    bed.warehouse.with(|state| state.hidden = true);
    bed.stage("users", 0..10);
    let (_, mut table) = bed.open(WriteMode::Append, None).await;
    bed.fault("MERGE", Fault::OutcomeUnknown);
    let error = table.append(&[batch(1, 0..10)]).await.unwrap_err();
    assert!(error.kind() == Kind::Config && error.message().contains("sees 0 of the 10"), "{error}");
    assert_eq!(merges(&bed), 2, "the one whose answer was lost, and one more");

    // Where nothing is reported, the staging table shows that all was there to be inserted.
    let bed = Bed::new().await;
    bed.warehouse.with(|state| state.hidden = true);
    bed.stage("users", 0..10);
    let (_, mut table) = bed.open(WriteMode::Append, None).await;
    bed.fault("MERGE", Fault::NoCounts);
    let error = table.append(&[batch(1, 0..10)]).await.unwrap_err();
    assert!(error.kind() == Kind::Config && merges(&bed) == 1, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replacement_that_a_policy_hides_is_said_to_be_hidden() {
    let bed = Bed::new().await;
    bed.warehouse.with(|state| state.hidden = true);
    bed.stage("users", 0..10);
    let (engine, mut table) = bed.open(WriteMode::Replace, None).await;
    let error = table.replace(&[batch(1, 0..10)]).await.unwrap_err();
    assert!(error.kind() == Kind::Config && error.message().contains("row filter or a policy"), "{error}");
    engine.end(Ending::Purged).await.unwrap();
}
