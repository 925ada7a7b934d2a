//! What lies in a sync's staging folder in a bucket about who has it: its lease, the marks of those who took it over, and whether it is kept.
//!
//! Marks are made where a lease cannot be replaced by the version that was seen (`object`). They are numbered: a sweeper that dies lets
//! its mark grow old, and the next one makes the next mark.

use chrono::{DateTime, Utc};
use object_store::ObjectMeta;
use object_store::path::Path;
use uuid::Uuid;

use super::KEPT;
use crate::error::Result;
use crate::storage::{Action, Bucket, Storage};

/// The lease.
pub(super) const LEASE: &str = "sync.lease";
/// What a mark is called, before its number.
const MARK: &str = "sync.swept.";

/// What was found in the folder of a sync.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// The lease. A staging folder gets it first and loses it last, but for marks: a folder with neither is no staging folder, or is kept
    /// on purpose.
    pub(super) lease: Option<ObjectMeta>,
    /// The newest mark, with its number.
    mark: Option<(u32, DateTime<Utc>)>,
    is_kept: bool,
    /// Whether nothing at all is in the folder.
    pub(super) is_empty: bool,
}

impl Standing {
    /// Looks into the folder of `sync`.
    pub(super) async fn look(storage: &Storage, bucket: &Bucket, sync: Uuid) -> Result<Self> {
        Self::of_folder(bucket, &storage.path(&sync.to_string())).await
    }

    /// The same for the folder `folder` of a sync.
    pub(super) async fn of_folder(bucket: &Bucket, folder: &Path) -> Result<Self> {
        let listed = bucket.store.list_with_delimiter(Some(folder)).await;
        let listed = listed.map_err(|error| bucket.failed(Action::List, folder, error))?;
        let is_empty = listed.objects.is_empty() && listed.common_prefixes.is_empty();
        let mut seen = Self { is_empty, ..Self::default() };
        for object in listed.objects {
            match object.location.filename() {
                Some(KEPT) => seen.is_kept = true,
                Some(LEASE) => seen.lease = Some(object),
                Some(name) => {
                    let number = name.strip_prefix(MARK).and_then(|number| number.parse().ok());
                    let mark = number.map(|number| (number, object.last_modified));
                    seen.mark = seen.mark.max(mark);
                }
                None => {}
            }
        }
        Ok(seen)
    }

    /// Whether it is the staging folder of a sync that has not ended, alive or dead.
    pub(super) fn is_standing(&self) -> bool {
        !self.is_kept && (self.lease.is_some() || self.has_mark())
    }

    /// When somebody who has the folder has last said so; `None` if nobody has it.
    pub(super) fn written(&self) -> Option<DateTime<Utc>> {
        let mark = self.mark.map(|(_, time)| time);
        self.lease_time().max(mark).filter(|_| self.is_standing())
    }

    /// When the lease was written.
    pub(super) fn lease_time(&self) -> Option<DateTime<Utc>> {
        self.lease.as_ref().map(|lease| lease.last_modified)
    }

    /// Whether somebody has taken the lease over.
    pub(super) fn has_mark(&self) -> bool {
        self.mark.is_some()
    }

    /// The name of the mark of whoever takes it over now.
    pub(super) fn next_mark(&self) -> String {
        format!("{MARK}{}", self.mark.map_or(1, |(number, _)| number.saturating_add(1)))
    }
}

/// Whether `path` is the lease in the folder `folder`, or a mark beside it.
pub(super) fn is_of_lease(folder: &str, path: &str) -> bool {
    let name = path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
    name.is_some_and(|name| name == LEASE || name.starts_with(MARK))
}
