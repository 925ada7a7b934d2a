//! Refreshes that another sync has overtaken, with either engine: what was loaded and acknowledged meanwhile is not replaced.

use std::sync::Arc;

use tokio::runtime::Handle;
use uuid::Uuid;

use super::testing::bed::{Bed, SYNC, USERS, batch, ids, users_of};
use crate::clock::{ClockAndIds, SystemClock};
use crate::delta::table::TableLog;
use crate::error::Kind;
use crate::load::direct::Direct;
use crate::load::{Loader, TableLoader};
use crate::protocol::catalog::WriteMode;

const PROPERTY: &str = "destination-databricks.generation";

/// A sync of generation 4 looks at the table, then another one loads `meanwhile`, then the first one loads.
async fn overtaken(meanwhile: i64, written: Option<&str>) -> (Result<(), (Kind, String)>, Vec<String>) {
    let bed = Bed::new().await;
    let mut older = bed.older(&["old"]);
    older.properties.extend(written.map(|id| (PROPERTY.to_owned(), id.to_owned())));
    bed.has(older);
    bed.stage("users", 0..20);
    let (_, mut first) = bed.open(WriteMode::ReplaceOtherGenerations, Some(4)).await;
    bed.warehouse.with(|state| {
        let table = state.tables.get_mut(USERS).unwrap();
        table.properties.insert(PROPERTY.into(), meanwhile.to_string());
        table.ids = ids(0..10).into_iter().collect();
    });
    let batches = [batch(1, 10..20)];
    let loaded = match first.table_state().replaces {
        true => first.replace(&batches).await.map(|_| ()),
        false => first.append(&batches).await,
    };
    (loaded.map_err(|error| (error.kind(), error.message().to_owned())), bed.warehouse.ids(USERS))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_does_not_replace_what_came_into_its_generation_since_it_looked() {
    for written in [None, Some("3"), Some("9")] {
        let (loaded, rows) = overtaken(4, written).await;
        assert!(loaded.is_err_and(|(kind, said)| kind == Kind::Transient && said.contains("generation 4")));
        assert_eq!(rows, ids(0..10), "{written:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_a_newer_generation_has_overtaken_changes_nothing() {
    for written in [None, Some("3"), Some("4")] {
        let (loaded, rows) = overtaken(5, written).await;
        assert!(loaded.is_err_and(|(kind, said)| kind == Kind::Config && said.contains("generation 5")));
        assert_eq!(rows, ids(0..10), "{written:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_connection_that_begins_its_generations_anew_replaces_what_an_older_one_left() {
    let (loaded, rows) = overtaken(9, Some("9")).await;
    assert_eq!((loaded, rows), (Ok(()), ids(10..20)));
}

/// A sync of its own with `direct`, which has looked at the table.
async fn begin_direct(bed: &Bed, number: u128, generation: i64) -> Box<dyn TableLoader> {
    let sync = Uuid::from_u128(SYNC.as_u128() + number);
    let tables = TableLog::new(&bed.storage, &Handle::current(), 1);
    let clock_and_ids = ClockAndIds { clock: Arc::new(SystemClock), new_id: Uuid::now_v7 };
    let direct = Direct::new(&bed.storage, &tables, clock_and_ids, sync, false);
    let target = Arc::new(users_of(WriteMode::ReplaceOtherGenerations, Some(generation), sync));
    direct.open_all(&[target]).await.unwrap().remove(0).unwrap().table
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_another_sync_came_before_is_not_made_on_top_of_its_generation_or_a_newer_one() {
    for exists in [false, true] {
        for (meanwhile, kind) in [(3, None), (4, Some(Kind::Transient)), (5, Some(Kind::Config))] {
            let bed = Bed::new().await;
            if exists {
                begin_direct(&bed, 1, 2).await.replace(&[]).await.unwrap();
            }
            let mut first = begin_direct(&bed, 2, 4).await;
            begin_direct(&bed, 3, meanwhile).await.replace(&[]).await.unwrap();
            let replaced = first.replace(&[]).await;
            assert_eq!(replaced.as_ref().err().map(|error| error.kind()), kind, "{exists} {meanwhile}: {replaced:?}");
            let commits = std::fs::read_dir(bed.folder.path().join("shop/users/_delta_log")).unwrap().count();
            assert_eq!(commits, 1 + usize::from(exists) + usize::from(kind.is_none()));
            if kind.is_none() {
                // Its own commit, heard of or not, is not somebody else's.
                first.replace(&[]).await.unwrap();
            }
        }
    }
}
