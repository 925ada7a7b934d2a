//! Folders of volumes: what is in them, page by page, and their removal. A volume has real folders, which stay when they are empty.

use std::sync::Arc;

use chrono::DateTime;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectMeta, Result as StoreResult};

use super::files_api::{Entry, FilesApi, Refused, store_error};
use super::volumes::Volumes;
use crate::error::{Error, Result};

/// A hundred million names.
const MOST_PAGES: usize = 100_000;
/// Requests at the same time: a sync has a folder for each of its streams.
const AT_ONCE: usize = 16;

/// The folders of a sync's volumes. Paths are those of the storage.
#[derive(Clone)]
pub(super) struct Folders {
    pub(super) api: Arc<FilesApi>,
    pub(super) volumes: Volumes,
}

/// What is in a folder, in the order of names.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) files: Vec<ObjectMeta>,
    pub(super) folders: Vec<Path>,
}

impl Folders {
    /// What is in the folder `folder`; nothing if it is not there. Nothing, too, if it is in the volume of another schema than the home's, and
    /// that is gone: somebody has dropped the schema, and no statement finds files there.
    pub(super) async fn contents(&self, folder: &Path) -> Result<Contents, Refused> {
        let path = self.volumes.path_of(folder);
        let mut contents = Contents::default();
        let mut token: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let page = match self.api.list(&path, token.as_deref()).await {
                Ok(page) => page,
                // Also in the middle of a listing: somebody has removed it.
                Err(refused) if refused.is_missing() || self.is_gone(folder, &refused) => return Ok(contents),
                Err(refused) => return Err(refused),
            };
            for entry in page.contents {
                contents.add(folder, &entry);
            }
            let next = page.next_page_token.filter(|next| !next.is_empty());
            if next.is_none() {
                contents.files.sort_unstable_by(|a, b| a.location.cmp(&b.location));
                contents.folders.sort_unstable();
                return Ok(contents);
            }
            if next == token {
                break;
            }
            token = next;
        }
        let error =
            Error::system(format!("The listing of {path} does not end: something else than Databricks answers."));
        Err(Refused::unanswered(error))
    }

    fn is_gone(&self, folder: &Path, refused: &Refused) -> bool {
        refused.is_without_volume() && self.volumes.mount_point(folder).is_some()
    }

    /// All files below `folder`: first those in it, then those of the folders in it, and so on.
    pub(super) fn walk(&self, folder: Path) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        let folders = self.clone();
        let walk = stream::try_unfold(vec![folder], move |level| {
            let folders = folders.clone();
            async move {
                if level.is_empty() {
                    return Ok::<_, object_store::Error>(None);
                }
                let contents = folders.contents_of(level).await.map_err(|(at, refused)| store_error(&at, refused))?;
                Ok(Some((stream::iter(contents.files.into_iter().map(Ok)), contents.folders)))
            }
        });
        walk.try_flatten().boxed()
    }

    /// Removes `folder` and the folders in it as far as no files are in them.
    pub(super) async fn remove(&self, folder: &Path) -> Result<()> {
        let (mut level, mut levels) = (vec![folder.clone()], Vec::new());
        while !level.is_empty() {
            let below = self.contents_of(level.clone()).await.map_err(|(_, refused)| *refused.error)?.folders;
            levels.push(std::mem::replace(&mut level, below));
        }
        for level in levels.into_iter().rev() {
            let removals = level.into_iter().map(|folder| async move { self.remove_one(&folder).await });
            stream::iter(removals).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        }
        Ok(())
    }

    /// What is in all of `level`, one after the other.
    async fn contents_of(&self, level: Vec<Path>) -> Result<Contents, (Path, Refused)> {
        let listings = level.into_iter().map(|folder| async move {
            let contents = self.contents(&folder).await;
            contents.map_err(|refused| (folder, refused))
        });
        let listings = stream::iter(listings).buffered(AT_ONCE);
        let joined = |mut all: Contents, one: Contents| async move {
            all.files.extend(one.files);
            all.folders.extend(one.folders);
            Ok(all)
        };
        listings.try_fold(Contents::default(), joined).await
    }

    /// Removes `folder`, and what stands for it in the home, unless something is in it.
    async fn remove_one(&self, folder: &Path) -> Result<()> {
        let elsewhere = self.volumes.mount_point(folder).filter(|point| point == folder);
        let at_home = elsewhere.map(|point| self.volumes.at_home(&point));
        for path in std::iter::once(self.volumes.path_of(folder)).chain(at_home) {
            match self.api.remove_folder(&path).await {
                Ok(()) => {}
                Err(refused) if refused.is_missing() || refused.is_not_empty() || refused.exists() => {}
                Err(refused) if self.is_gone(folder, &refused) => {}
                Err(refused) => return Err(*refused.error),
            }
        }
        Ok(())
    }
}

impl Contents {
    fn add(&mut self, folder: &Path, entry: &Entry) {
        let of_path = || entry.path.as_deref()?.trim_end_matches('/').rsplit('/').next();
        let Some(name) = entry.name.as_deref().or_else(of_path).filter(|name| !name.is_empty()) else { return };
        // As it is: what looks like an escape is one that was written.
        let location = Path::parse(format!("{folder}/{name}")).unwrap_or_else(|_| folder.clone().join(name));
        if entry.is_directory {
            self.folders.push(location);
        } else {
            let last_modified = DateTime::from_timestamp_millis(entry.last_modified).unwrap_or_default();
            self.files.push(ObjectMeta { location, last_modified, size: entry.file_size, e_tag: None, version: None });
        }
    }
}
