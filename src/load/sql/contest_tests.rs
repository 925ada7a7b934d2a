//! Several syncs of one table in one bucket, each with an engine of its own: at most one changes it at a time, and none waits
//! for ever.

use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::runtime::Runtime;
use uuid::Uuid;

use super::testing::bed::{USERS, batch, id, ids, users_of};
use super::testing::fake_warehouse::{FakeWarehouse, Table};
use super::{Sql, TablePlace};
use crate::delta::table::TableLog;
use crate::error::{Kind, Result};
use crate::load::{Loader, TableLoader};
use crate::protocol::catalog::WriteMode;
use crate::recovery::claims::{self, ClaimKind};
use crate::recovery::lease::Lease;
use crate::stage::staged::Format;
use crate::storage::Storage;
use crate::storage::testing::memory;

/// Long beside what a test takes, where nobody dies.
const LONG: Duration = Duration::from_secs(20);
/// For those who die.
const SHORT: Duration = Duration::from_millis(300);
/// The bucket and the warehouse answer at once: what is still pending after so many polls waits for somebody else.
const POLLS: usize = 100;

/// The Delta kernel's own runtime: it wants several threads, and time can be paused on one thread alone.
static KERNEL: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

fn sync_id(number: u128) -> Uuid {
    Uuid::from_u128(0x01a1_fac5_0000_7000_8000_0000_0000_0000 + number)
}

struct Sync {
    storage: Storage,
    lease: Lease,
    table: Box<dyn TableLoader>,
}

struct Lake {
    store: Arc<memory::Memory>,
    warehouse: FakeWarehouse,
    age: Duration,
}

impl Lake {
    fn new(age: Duration) -> Self {
        let warehouse = FakeWarehouse::default();
        warehouse.with(|state| state.tables.insert(USERS.into(), Table::older("s3://lake/root/shop/users", &["old"])));
        Self { store: Arc::new(memory::Memory::new()), warehouse, age }
    }

    /// A sync that has begun, and has staged the rows from `10 * number` on.
    async fn begin(&self, number: u64, write_mode: WriteMode, generation: Option<i64>) -> Sync {
        let storage = memory::process(&self.store, self.age);
        let sync = sync_id(number.into());
        let lease = Lease::begin(&storage, || sync).await.unwrap();
        let rows = (10 * number..10 * number + 10).map(id).collect();
        self.warehouse.with(|state| state.staged.insert(format!("{sync}/shop/users"), rows));
        let tables = TableLog::new(&storage, KERNEL.handle(), 1);
        let engine = Sql::new(
            Arc::new(self.warehouse.clone()),
            &storage,
            &tables,
            ("main", None),
            (sync, false),
            TablePlace::InStorage(Format::Parquet),
            8,
        );
        let target = users_of(write_mode, generation, sync);
        let table = engine.open_all(&[Arc::new(target)]).await.unwrap().remove(0).unwrap().table;
        Sync { storage, lease, table }
    }

    fn overwrites(&self) -> usize {
        self.warehouse.with(|state| state.statements.iter().filter(|text| text.starts_with("INSERT OVERWRITE")).count())
    }
}

impl Sync {
    async fn claim(&self, kind: ClaimKind) {
        claims::put(&self.storage, self.lease.sync(), "shop/users", USERS, kind).await.unwrap();
    }

    async fn claims(&self) -> usize {
        claims::claims_of(&self.storage, self.lease.sync()).await.unwrap().len()
    }

    async fn replace(&mut self, number: u64) -> Result<()> {
        self.table.replace(&[batch(1, 10 * number..10 * number + 10)]).await.map(|_| ())
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_that_have_claimed_one_table_the_larger_gives_up_and_the_smaller_waits() {
    let lake = Lake::new(LONG);
    let mut small = lake.begin(1, WriteMode::Replace, None).await;
    let mut large = lake.begin(2, WriteMode::Replace, None).await;
    // At the same moment: each finds the claim of the other one.
    small.claim(ClaimKind::Replaces).await;
    large.claim(ClaimKind::Replaces).await;
    let waiting = tokio::spawn(async move { (small.replace(1).await, small) });
    let error = large.replace(2).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Transient);
    assert!(error.message().contains(&sync_id(1).to_string()), "{error}");
    // With that it keeps nobody waiting any more, whatever else it still does.
    assert_eq!(large.claims().await, 0);
    let (replaced, small) = waiting.await.unwrap();
    replaced.unwrap();
    assert_eq!(lake.warehouse.ids(USERS), ids(10..20));
    assert_eq!(small.claims().await, 1);
}

#[tokio::test(start_paused = true)]
async fn who_claimed_first_goes_on_whatever_its_id_is() {
    let lake = Lake::new(LONG);
    let mut small = lake.begin(1, WriteMode::Replace, None).await;
    let mut large = lake.begin(2, WriteMode::Replace, None).await;
    large.replace(2).await.unwrap();
    let mut waiting = pin!(small.replace(1));
    for _ in 0..POLLS {
        assert!(futures::poll!(&mut waiting).is_pending());
    }
    assert_eq!(lake.overwrites(), 1);
    large.lease.remove().await.unwrap();
    waiting.await.unwrap();
    assert_eq!(lake.warehouse.ids(USERS), ids(10..20));
}

#[tokio::test(start_paused = true)]
async fn of_three_one_is_left_and_none_waits_for_ever() {
    let lake = Lake::new(LONG);
    let mut syncs = Vec::new();
    for number in 1..=3 {
        syncs.push(lake.begin(number, WriteMode::Replace, None).await);
    }
    for sync in &syncs {
        sync.claim(ClaimKind::Replaces).await;
    }
    let runs = syncs.into_iter().enumerate().map(|(at, mut sync)| {
        tokio::spawn(async move {
            let replaced = sync.replace(at as u64 + 1).await;
            sync.lease.remove().await.unwrap();
            replaced
                .map_err(|error| (error.kind(), error.message().contains("Sync 01a1fac5-0000-7000-8000-00000000000")))
        })
    });
    let mut ended = Vec::new();
    for run in runs.collect::<Vec<_>>() {
        ended.push(run.await.unwrap());
    }
    assert_eq!(ended, [Ok(()), Err((Kind::Transient, true)), Err((Kind::Transient, true))]);
    assert_eq!((lake.overwrites(), lake.warehouse.ids(USERS)), (1, ids(10..20)));
}

#[tokio::test(start_paused = true)]
async fn who_adds_gives_way_to_who_replaces_and_not_to_who_adds() {
    for (other, gives_way) in [(ClaimKind::Replaces, true), (ClaimKind::Adds, false)] {
        let lake = Lake::new(LONG);
        let small = lake.begin(1, WriteMode::Replace, None).await;
        let mut large = lake.begin(2, WriteMode::Append, None).await;
        small.claim(other).await;
        let added = large.table.append(&[batch(1, 20..30)]).await;
        assert_eq!(added.is_err(), gives_way, "{added:?}");
        assert_eq!(lake.warehouse.ids(USERS).len(), if gives_way { 1 } else { 11 });
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_sync_is_swept_whatever_its_id_is_and_the_living_one_goes_on() {
    for (dead, living) in [(1, 2), (2, 1)] {
        let lake = Lake::new(SHORT);
        let gone = lake.begin(dead, WriteMode::Replace, None).await;
        let mut left = lake.begin(living, WriteMode::Replace, None).await;
        let _renewal = tokio::spawn(left.lease.renewal().unwrap());
        gone.claim(ClaimKind::Replaces).await;
        tokio::time::sleep(SHORT * 2).await;
        left.replace(living).await.unwrap();
        assert_eq!(lake.warehouse.ids(USERS), ids(10 * living..10 * living + 10));
        let fenced = |text: &String| text.contains("destination-databricks.fence");
        assert_eq!(lake.warehouse.with(|state| state.statements.iter().filter(|text| fenced(text)).count()), 1);
        assert_eq!(gone.claims().await, 0);
    }
}

/// Two attempts of one refresh, the first of which is taken for dead and is not.
#[tokio::test(start_paused = true)]
async fn who_has_waited_does_not_replace_rows_of_its_own_generation() {
    let lake = Lake::new(LONG);
    let mut first = lake.begin(1, WriteMode::ReplaceOtherGenerations, Some(4)).await;
    let mut second = lake.begin(2, WriteMode::ReplaceOtherGenerations, Some(4)).await;
    second.replace(2).await.unwrap();
    let mut waiting = pin!(first.replace(1));
    for _ in 0..POLLS {
        assert!(futures::poll!(&mut waiting).is_pending());
    }
    second.lease.remove().await.unwrap();
    let error = waiting.await.unwrap_err();
    assert!(error.kind() == Kind::Transient && error.message().contains("generation 4"), "{error}");
    assert_eq!(lake.warehouse.ids(USERS), ids(20..30));
}
