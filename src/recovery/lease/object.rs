//! A lease in a bucket: the object `sync.lease` in the sync's staging folder, rewritten regularly.
//!
//! A lease that was not rewritten for `lease_age` belongs to a dead sync. Both times come from the store: the age is that of the
//! lease compared with the sweeper's own lease. Each rewrite and each takeover replaces exactly the version that was seen last
//! (`If-Match`), so that of a sync that comes back and several sweepers only one gets the lease, and the others notice. If a
//! store does not support that condition, or changes its own tags, the lease is read before it is rewritten.
//!
//! A volume of Databricks has no such condition at all, but can create a file only where there is none. There a sweeper takes a lease over
//! by creating a mark beside it (`standing`), and only the owner writes the lease itself. Each side first writes and then looks: the owner
//! rewrites its lease and looks for a mark, the sweeper makes its mark and looks whether the lease has changed. Whatever the order, at
//! least one of them sees the other and gives way. An owner whose lease has grown old by its own clock gives way too: the mark may be
//! gone, with everything that was swept.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStoreExt, PutMode, PutResult, UpdateVersion};
use tokio::sync::Mutex;
use tokio::time::Instant;
use uuid::Uuid;

use super::KEPT;
use super::standing::{LEASE, Standing, is_of_lease};
use crate::error::{Error, Result};
use crate::recovery::unfinished::Unfinished;
use crate::storage::{Action, Bucket, Failure, Storage};

/// Folders of other syncs that are read at the same time.
const LOOKS: usize = 16;

/// The right to a staging folder in a bucket.
pub(super) struct ObjectLease {
    pub(super) sync: Uuid,
    storage: Storage,
    object: Arc<LeaseObject>,
}

struct LeaseObject {
    bucket: Arc<Bucket>,
    path: Path,
    /// The writer: the sync itself, or the sync that sweeps it.
    owner: String,
    written: Mutex<Written>,
}

/// What was written last.
#[derive(Default)]
struct Written {
    count: u64,
    version: Option<UpdateVersion>,
    ended: bool,
}

/// How a rewrite ended.
enum Rewritten {
    Ours,
    Lost,
}

impl ObjectLease {
    pub(super) async fn begin(storage: &Storage, bucket: &Arc<Bucket>, sync: Uuid) -> Result<Self> {
        let lease = Self::new(storage, bucket, sync, format!("sync {sync}"));
        let begun = Instant::now();
        match lease.object.create().await? {
            Rewritten::Ours => bucket.lease_clock.renewed(&lease.object.path, begun),
            Rewritten::Lost => return Err(Error::system(format!("The id {sync} of this sync was used before."))),
        }
        Ok(lease)
    }

    fn new(storage: &Storage, bucket: &Arc<Bucket>, sync: Uuid, owner: String) -> Self {
        let path = storage.path(&format!("{sync}/{LEASE}"));
        let object = LeaseObject { bucket: Arc::clone(bucket), path, owner, written: Mutex::default() };
        Self { sync, storage: storage.clone(), object: Arc::new(object) }
    }

    pub(super) async fn others(storage: &Storage, bucket: &Arc<Bucket>) -> Result<Vec<Uuid>> {
        let (others, _) = folders(storage, bucket).await?;
        let holders = others.into_iter().map(|sync| async move {
            let seen = Standing::look(storage, bucket, sync).await?;
            Ok::<_, Error>(seen.is_standing().then_some(sync))
        });
        let found: Vec<_> = stream::iter(holders.collect::<Vec<_>>()).buffer_unordered(LOOKS).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    pub(super) async fn take_dead(storage: &Storage, bucket: &Arc<Bucket>) -> Result<(Vec<Self>, usize)> {
        let own = bucket.lease_clock.object();
        let (others, mut alive) = folders(storage, bucket).await?;
        let Some(own) = own.filter(|_| !others.is_empty()) else { return Ok((Vec::new(), alive)) };
        let now = bucket.store.head(&own).await.map_err(|error| bucket.failed(Action::Get, &own, error))?.last_modified;
        let holders = others
            .into_iter()
            .map(|sync| async move { Self::holder_of(storage, bucket, sync, now).await.map(|holder| (sync, holder)) });
        let found: Vec<_> = stream::iter(holders.collect::<Vec<_>>()).buffer_unordered(LOOKS).try_collect().await?;
        let mut dead = Vec::new();
        for (_, holder) in found {
            match holder {
                LeaseHolder::Dead(lease) => dead.push(lease),
                LeaseHolder::Alive => alive += 1,
                LeaseHolder::NotOurs => {}
            }
        }
        Ok((dead, alive))
    }

    /// Whether `sync` is alive at the store's time `now`; takes its lease if it is not.
    async fn holder_of(storage: &Storage, bucket: &Arc<Bucket>, sync: Uuid, now: DateTime<Utc>) -> Result<LeaseHolder> {
        let seen = Standing::look(storage, bucket, sync).await?;
        let Some(written) = seen.written() else {
            if seen.is_empty {
                // A volume keeps empty folders, and this one may be that of a sync whose removal was cut short.
                bucket.remove_folders(&storage.path(&sync.to_string())).await?;
            }
            return Ok(LeaseHolder::NotOurs);
        };
        if is_young(written, now, bucket.timeouts.lease_age) {
            return Ok(LeaseHolder::Alive);
        }
        let owner = format!("swept by {}", Uuid::now_v7());
        let lease = Self::new(storage, bucket, sync, owner);
        let taken = match bucket.replaces_versions() {
            true => {
                let version = seen.lease.map(|found| UpdateVersion { e_tag: found.e_tag, version: found.version });
                lease.object.written.lock().await.version = version;
                lease.object.rewrite().await?
            }
            false => lease.mark(&seen).await?,
        };
        Ok(match taken {
            Rewritten::Ours => LeaseHolder::Dead(lease),
            Rewritten::Lost => LeaseHolder::Alive,
        })
    }

    /// Takes over the lease that was found as `seen`, by a mark beside it.
    async fn mark(&self, seen: &Standing) -> Result<Rewritten> {
        let bucket = &self.object.bucket;
        let mark = self.storage.path(&format!("{}/{}", self.sync, seen.next_mark()));
        let text = self.object.text(0);
        match bucket.store.put_opts(&mark, text.into(), PutMode::Create.into()).await {
            Ok(_) => {}
            Err(StoreError::AlreadyExists { .. }) => return Ok(Rewritten::Lost),
            Err(error) => return Err(bucket.failed(Action::Put, &mark, error)),
        }
        let now = Standing::look(&self.storage, bucket, self.sync).await?;
        if now.lease_time() == seen.lease_time() {
            return Ok(Rewritten::Ours);
        }
        // Its owner is alive, or gives way because it has seen the mark.
        bucket.delete_most(vec![mark]).await?;
        Ok(Rewritten::Lost)
    }

    pub(super) fn renewal(&self) -> BoxFuture<'static, ()> {
        let object = Arc::clone(&self.object);
        async move {
            loop {
                tokio::time::sleep(object.bucket.timeouts.lease_renewal).await;
                let begun = Instant::now();
                match object.rewrite().await {
                    Ok(Rewritten::Ours) => object.bucket.lease_clock.renewed(&object.path, begun),
                    Ok(Rewritten::Lost) => {
                        if !object.written.lock().await.ended {
                            object.bucket.lease_clock.lost();
                        }
                        return;
                    }
                    Err(error) => tracing::warn!("The sync's lease was not renewed: {}", error.internal_message()),
                }
            }
        }
        .boxed()
    }

    pub(super) async fn remove(self) -> Result<()> {
        self.end().await;
        let folder = self.sync.to_string();
        let (unfinished, all) =
            tokio::join!(Unfinished::of(&self.storage).remove_unfinished(&folder, ""), self.storage.list(&folder));
        // The rest is removed all the same: `check` reports a missing permission to list uploads.
        if let Err(error) = unfinished {
            tracing::warn!("{}", error.internal_message());
        }
        let (last, rest): (Vec<String>, Vec<String>) = all?.into_iter().partition(|path| is_of_lease(&folder, path));
        let (lease, marks): (Vec<String>, Vec<String>) = last.into_iter().partition(|path| path.ends_with(LEASE));
        let paths = |paths: Vec<String>| paths.iter().map(|path| self.storage.path(path)).collect::<Vec<_>>();
        let (bucket, folder) = (&self.object.bucket, self.storage.path(&folder));
        let left = bucket.delete_most(paths(rest)).await?;
        if left > 0 {
            self.mark_kept().await?;
        }
        bucket.remove_folders(&folder).await?;
        // In a request of its own and last: without the lease the rest would not be recognized as ours.
        if bucket.delete_most(paths(lease)).await? > 0 && left == 0 {
            self.mark_kept().await?;
        }
        // Behind the lease: an owner that comes back and writes it again still sees the mark.
        bucket.delete_most(paths(marks)).await?;
        bucket.remove_folders(&folder).await
    }

    /// Makes later syncs ignore the folder.
    async fn mark_kept(&self) -> Result<()> {
        let mark = self.storage.path(&format!("{}/{KEPT}", self.sync));
        self.object.bucket.put(&mark, "kept\n".into()).await
    }

    pub(super) async fn keep(self) -> Result<()> {
        self.end().await;
        self.mark_kept().await?;
        self.storage.delete(&[format!("{}/{LEASE}", self.sync)]).await
    }

    /// Ends the renewal: when this returns, no rewrite is in progress, and none will follow.
    async fn end(&self) {
        self.object.written.lock().await.ended = true;
        let bucket = &self.object.bucket;
        if bucket.lease_clock.object().as_ref() == Some(&self.object.path) {
            bucket.lease_clock.ended();
        }
    }
}

/// The folders of other syncs, by their names, and how many are this process's own.
async fn folders(storage: &Storage, bucket: &Bucket) -> Result<(Vec<Uuid>, usize)> {
    let own = bucket.lease_clock.object().and_then(|path| storage.relative(&path));
    let is_own = |sync: &Uuid| own.as_ref().is_some_and(|path| path.starts_with(&sync.to_string()));
    let syncs: Vec<Uuid> = storage.folders("").await?.iter().filter_map(|name| super::sync_of(name)).collect();
    let others: Vec<Uuid> = syncs.iter().filter(|sync| !is_own(sync)).copied().collect();
    let own = syncs.len() - others.len();
    Ok((others, own))
}

/// Who holds a lease.
enum LeaseHolder {
    Alive,
    /// Kept on purpose, or no staging folder.
    NotOurs,
    Dead(ObjectLease),
}

fn is_young(written: DateTime<Utc>, now: DateTime<Utc>, age: Duration) -> bool {
    // Stores give whole seconds: an age that may be smaller by less than one counts as young.
    now.signed_duration_since(written).to_std().is_ok_and(|since| since <= age) || written > now
}

impl LeaseObject {
    fn text(&self, count: u64) -> String {
        format!("{} {count}\n", self.owner)
    }

    /// Writes the first version, unless another sync's lease is there.
    async fn create(&self) -> Result<Rewritten> {
        let mut written = self.written.lock().await;
        let put = self.bucket.store.put_opts(&self.path, self.text(0).into(), PutMode::Create.into()).await;
        match put {
            Ok(put) => {
                written.version = Some(version(put));
                Ok(Rewritten::Ours)
            }
            Err(StoreError::AlreadyExists { .. }) => Ok(Rewritten::Lost),
            Err(error) => Err(self.bucket.failed(Action::Put, &self.path, error)),
        }
    }

    /// Replaces the version that was seen last.
    async fn rewrite(&self) -> Result<Rewritten> {
        let mut written = self.written.lock().await;
        if written.ended {
            return Ok(Rewritten::Lost);
        }
        let text = self.text(written.count + 1);
        if !self.bucket.replaces_versions() {
            return self.rewrite_and_look(&mut written, text).await;
        }
        let mode =
            written.version.clone().filter(|seen| seen.e_tag.is_some()).map_or(PutMode::Overwrite, PutMode::Update);
        let store = &self.bucket.store;
        let mut put = store.put_opts(&self.path, text.clone().into(), mode.into()).await;
        if put.as_ref().is_err_and(has_no_condition)
            && let Some((there, seen)) = self.there().await
            && is_same(written.version.as_ref(), &seen).unwrap_or_else(|| there == self.text(written.count))
        {
            put = store.put_opts(&self.path, text.clone().into(), PutMode::Overwrite.into()).await;
        }
        let seen = match put {
            Ok(put) => version(put),
            // Refused, or done and the answer lost: the stored lease says which.
            Err(error) => match self.there().await {
                Some((there, seen)) if there == text => seen,
                Some((there, seen)) if there == self.text(written.count) => {
                    written.version = Some(seen);
                    return Err(self.bucket.failed(Action::Put, &self.path, error));
                }
                Some(_) => return Ok(Rewritten::Lost),
                None if matches!(error, StoreError::Precondition { .. } | StoreError::NotFound { .. }) => {
                    return Ok(Rewritten::Lost);
                }
                None => return Err(self.bucket.failed(Action::Put, &self.path, error)),
            },
        };
        written.count += 1;
        written.version = Some(seen);
        Ok(Rewritten::Ours)
    }

    /// Replaces the lease where no version can be named: nobody else writes it, and whoever takes it over makes a mark.
    async fn rewrite_and_look(&self, written: &mut Written, text: String) -> Result<Rewritten> {
        let failed = |action, error| self.bucket.failed(action, &self.path, error);
        let there = match self.bucket.store.get(&self.path).await {
            Ok(there) => there.bytes().await.map_err(|error| failed(Action::Get, error))?,
            Err(StoreError::NotFound { .. }) => return Ok(Rewritten::Lost),
            Err(error) => return Err(failed(Action::Get, error)),
        };
        // The answer to the last rewriting may have been lost.
        if there != self.text(written.count) && there != text {
            return Ok(Rewritten::Lost);
        }
        let put = self.bucket.store.put_opts(&self.path, text.into(), PutMode::Overwrite.into()).await;
        put.map_err(|error| failed(Action::Put, error))?;
        let folder = self.path.parts().take(self.path.parts_count().saturating_sub(1)).collect();
        let seen = Standing::of_folder(&self.bucket, &folder).await?;
        let is_late =
            self.bucket.lease_clock.since_renewal().is_some_and(|since| since >= self.bucket.timeouts.lease_age);
        if seen.has_mark() || is_late {
            return Ok(Rewritten::Lost);
        }
        written.count += 1;
        Ok(Rewritten::Ours)
    }

    /// The stored lease, if it can be read.
    async fn there(&self) -> Option<(String, UpdateVersion)> {
        let found = self.bucket.store.get(&self.path).await.ok()?;
        let seen = UpdateVersion { e_tag: found.meta.e_tag.clone(), version: found.meta.version.clone() };
        let text = String::from_utf8(found.bytes().await.ok()?.into()).ok()?;
        Some((text, seen))
    }
}

/// Whether `error` may mean that the store does not support the condition, or changes its own tags.
fn has_no_condition(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::NotImplemented { .. } | StoreError::NotSupported { .. } | StoreError::Precondition { .. }
    ) || Failure::of(error).is_unknown_request()
}

/// Whether the stored version is the one that was seen last, if both have tags. A weak tag was changed by a proxy.
fn is_same(written: Option<&UpdateVersion>, seen: &UpdateVersion) -> Option<bool> {
    let (written, seen) = (written?.e_tag.as_ref()?, seen.e_tag.as_ref()?);
    Some(written.trim_start_matches("W/") == seen.trim_start_matches("W/"))
}

fn version(put: PutResult) -> UpdateVersion {
    UpdateVersion { e_tag: put.e_tag, version: put.version }
}

#[cfg(test)]
#[path = "object_tests.rs"]
mod tests;
