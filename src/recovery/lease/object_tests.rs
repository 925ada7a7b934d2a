//! Leases on a store in memory: who is found dead, who takes over, and who notices that he was taken for dead.

use super::*;
use crate::storage::Put;
use crate::storage::testing::memory;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// A process that uses `store`, with leases of 200 ms.
fn process(store: &Arc<memory::Memory>) -> Result<Storage> {
    Ok(memory::process(store, Duration::from_millis(200)))
}

async fn begin(storage: &Storage) -> Result<super::super::Lease> {
    super::super::Lease::begin(storage, Uuid::now_v7).await
}

#[tokio::test(start_paused = true)]
async fn only_the_dead_are_found_and_what_was_kept_stays() -> Outcome {
    let store = Arc::new(memory::Memory::new());
    let (first, second, third, sweeper) = (process(&store)?, process(&store)?, process(&store)?, process(&store)?);
    let dead = begin(&first).await?;
    let kept = begin(&third).await?;
    let kept_sync = kept.sync();
    kept.keep().await?;
    let living = begin(&second).await?;
    let staged = format!("{}/users/part.parquet", dead.sync());
    assert_eq!(first.put_new(&staged, b"rows".to_vec()).await?, Put::Created);
    first.put_new("public/users/part.parquet", b"rows".to_vec()).await?;
    let renewal = tokio::spawn(living.renewal().ok_or("a renewal")?);
    tokio::time::sleep(Duration::from_millis(300)).await;

    let own = begin(&sweeper).await?;
    let (found, alive) = super::super::Lease::take_dead(&sweeper).await?;
    assert_eq!(found.iter().map(super::super::Lease::sync).collect::<Vec<_>>(), [dead.sync()]);
    assert_eq!(alive, 2, "the sweeper and the one that renews its lease");
    let rival = process(&store)?;
    let _rival = begin(&rival).await?;
    assert!(super::super::Lease::take_dead(&rival).await?.0.is_empty(), "one sweeper at a time");
    for lease in found {
        lease.remove().await?;
    }
    let left = sweeper.list("").await?;
    assert!(!left.iter().any(|path| path.starts_with(&dead.sync().to_string())), "{left:?}");
    assert!(left.contains(&format!("{kept_sync}/sync.kept")) && left.contains(&"public/users/part.parquet".to_owned()));
    renewal.abort();
    own.remove().await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_old_folder_without_a_lease_is_somebody_elses_however_it_is_called() -> Outcome {
    let store = Arc::new(memory::Memory::new());
    let (other, sweeper) = (process(&store)?, process(&store)?);
    let precious = format!("{}/public/users/part.parquet", Uuid::now_v7());
    // As another lake whose root is called so would have it.
    store.put(&Path::from(format!("root/{precious}")), b"rows".to_vec().into()).await?;
    let lease = begin(&other).await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let _own = begin(&sweeper).await?;
    let (dead, _) = super::super::Lease::take_dead(&sweeper).await?;
    assert_eq!(dead.iter().map(super::super::Lease::sync).collect::<Vec<_>>(), [lease.sync()]);
    for lease in dead {
        lease.remove().await?;
    }
    assert!(sweeper.list("").await?.contains(&precious));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_sync_that_was_taken_for_dead_commits_no_more() -> Outcome {
    let store = Arc::new(memory::Memory::new());
    let (slow, sweeper) = (process(&store)?, process(&store)?);
    let lease = begin(&slow).await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let refused = slow.put_new("public/users/_delta_log/0.json", b"{}".to_vec()).await;
    assert!(refused.is_err_and(|error| error.message().contains("lease was not renewed")));

    let _own = begin(&sweeper).await?;
    assert_eq!(super::super::Lease::take_dead(&sweeper).await?.0.len(), 1);
    // It wakes up, tries to renew its lease and sees that somebody else has it.
    tokio::time::timeout(Duration::from_secs(5), lease.renewal().ok_or("a renewal")?).await?;
    let refused = slow.put_new("public/users/_delta_log/0.json", b"{}".to_vec()).await;
    assert!(refused.is_err_and(|error| error.message().contains("took this one for dead")));
    Ok(())
}

/// The same over a store that replaces whatever is there.
fn without_versions(store: &Arc<memory::Memory>) -> Storage {
    memory::process_without_versions(store, Duration::from_millis(200))
}

#[tokio::test(start_paused = true)]
async fn without_versions_one_sweeper_makes_a_mark_and_the_owner_sees_it() -> Outcome {
    let store = Arc::new(memory::Memory::new());
    let (slow, sweeper, rival) = (without_versions(&store), without_versions(&store), without_versions(&store));
    let lease = begin(&slow).await?;
    let staged = format!("{}/users/part.parquet", lease.sync());
    slow.put_new(&staged, b"rows".to_vec()).await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (own, _rival) = (begin(&sweeper).await?, begin(&rival).await?);
    let (found, alive) = super::super::Lease::take_dead(&sweeper).await?;
    assert_eq!((found.len(), alive), (1, 2));
    assert!(super::super::Lease::take_dead(&rival).await?.0.is_empty(), "one sweeper at a time");
    // The owner wakes up.
    tokio::time::timeout(Duration::from_secs(5), lease.renewal().ok_or("a renewal")?).await?;
    let refused = slow.put_new("public/users/x", b"{}".to_vec()).await;
    assert!(refused.is_err_and(|error| error.message().contains("took this one for dead")));
    for lease in found {
        lease.remove().await?;
    }
    let left = sweeper.list("").await?;
    assert!(!left.iter().any(|path| path.starts_with(&lease.sync().to_string())), "{left:?}");
    own.remove().await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_sweeper_that_died_is_followed_by_the_next_one() -> Outcome {
    let store = Arc::new(memory::Memory::new());
    let (dead, first, second) = (without_versions(&store), without_versions(&store), without_versions(&store));
    let lease = begin(&dead).await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let died = begin(&first).await?;
    assert_eq!(super::super::Lease::take_dead(&first).await?.0.len(), 1);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let _own = begin(&second).await?;
    let (found, _) = super::super::Lease::take_dead(&second).await?;
    let mut syncs: Vec<_> = found.iter().map(super::super::Lease::sync).collect();
    syncs.sort_unstable();
    assert_eq!(syncs, [lease.sync(), died.sync()], "what it was sweeping, and itself");
    for lease in found {
        lease.remove().await?;
    }
    assert_eq!(second.list("").await?.len(), 1, "its own lease");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_sweeper_takes_its_mark_back_where_the_owner_writes_meanwhile() -> Outcome {
    let store = Arc::new(memory::Memory::new());
    let (owner, sweeper) = (without_versions(&store), without_versions(&store));
    let lease = begin(&owner).await?;
    let crate::storage::Home::Bucket(bucket) = sweeper.home() else { return Err("a bucket".into()) };
    let seen = Standing::look(&sweeper, bucket, lease.sync()).await?;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let written = format!("sync {} 1\n", lease.sync());
    store.put(&sweeper.path(&format!("{}/sync.lease", lease.sync())), written.into()).await?;
    let taken = ObjectLease::new(&sweeper, bucket, lease.sync(), "swept by nobody".to_owned());
    assert!(matches!(taken.mark(&seen).await?, Rewritten::Lost));
    assert!(!Standing::look(&sweeper, bucket, lease.sync()).await?.has_mark());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_owner_whose_lease_was_removed_with_its_marks_does_not_come_back() -> Outcome {
    let store = Arc::new(memory::Memory::new());
    let owner = without_versions(&store);
    let lease = begin(&owner).await?;
    owner.delete(&[format!("{}/sync.lease", lease.sync())]).await?;
    tokio::time::timeout(Duration::from_secs(5), lease.renewal().ok_or("a renewal")?).await?;
    assert!(owner.list("").await?.is_empty(), "it writes no new one");
    Ok(())
}

#[test]
fn a_lease_is_old_only_beyond_its_age() {
    let now = DateTime::from_timestamp(1_000, 0).unwrap_or_default();
    let age = Duration::from_secs(600);
    let written = |seconds| DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    assert!(is_young(written(400), now, age) && is_young(written(1_005), now, age));
    assert!(!is_young(written(399), now, age));
}
