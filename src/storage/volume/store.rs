//! Volumes as an object store, over the Files API.
//!
//! What a volume has and a bucket has not: folders, which are made with the files in them and removed by [`Folders::remove`]. What a bucket
//! has and a volume has not: copies, and puts that replace one version (`If-Match`).

use std::collections::HashSet;
use std::fmt::{Debug, Display, Formatter};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::DateTime;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, stream};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartId, MultipartUpload,
    ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::files_api::{FilesApi, Refused, STORE, store_error};
use super::folders::Folders;
use super::uploads::Uploads;
use super::volumes::Volumes;
use crate::databricks::workspace::Response;
use crate::error::Result as OwnResult;
use crate::storage::bucket::Remote;

/// Files that are deleted at the same time.
const DELETES: usize = 16;

/// The volumes of a sync.
pub(super) struct VolumeStore {
    api: Arc<FilesApi>,
    folders: Folders,
    uploads: Uploads,
    /// Folders that were made as mount points.
    mounted: Mutex<HashSet<Path>>,
}

fn unsupported<T>(operation: &str) -> Result<T> {
    Err(Error::NotImplemented { operation: operation.to_owned(), implementer: STORE.to_owned() })
}

impl VolumeStore {
    pub(super) fn new(api: Arc<FilesApi>, volumes: Volumes, uploads: Uploads) -> Self {
        let folders = Folders { api: Arc::clone(&api), volumes };
        Self { api, folders, uploads, mounted: Mutex::default() }
    }

    fn path_of(&self, path: &Path) -> String {
        self.folders.volumes.path_of(path)
    }

    /// Makes the folder in the home that stands for the one in another volume in which `path` lies, before anything lies there.
    async fn ensure_mounted(&self, path: &Path) -> Result<(), Refused> {
        let Some(point) = self.folders.volumes.mount_point(path) else { return Ok(()) };
        if self.mounted.lock().unwrap_or_else(PoisonError::into_inner).contains(&point) {
            return Ok(());
        }
        self.api.make_folder(&self.folders.volumes.at_home(&point)).await?;
        self.mounted.lock().unwrap_or_else(PoisonError::into_inner).insert(point);
        Ok(())
    }

    /// Does `work`, which makes the file `path`; again where its folder has to be made first.
    async fn in_folder<T, F>(&self, path: &Path, work: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = Result<T, Refused>>,
    {
        let failed = |refused| store_error(path, refused);
        self.ensure_mounted(path).await.map_err(failed)?;
        match work().await {
            Err(refused) if refused.is_missing() => {
                let absolute = self.path_of(path);
                let folder = absolute.rsplit_once('/').map_or("", |(folder, _)| folder);
                self.api.make_folder(folder).await.map_err(failed)?;
                work().await.map_err(failed)
            }
            outcome => outcome.map_err(failed),
        }
    }
}

#[async_trait]
impl ObjectStore for VolumeStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let overwrite = match options.mode {
            PutMode::Create => false,
            PutMode::Overwrite => true,
            PutMode::Update(_) => return unsupported("a put that replaces one version"),
        };
        let (path, body) = (self.path_of(location), Bytes::from(payload));
        self.in_folder(location, || self.api.put(&path, body.clone(), overwrite)).await?;
        Ok(PutResult { e_tag: None, version: None, extensions: Default::default() })
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        unsupported("an upload without a `MultipartStore`")
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if options.range.is_some() || options.if_match.is_some() || options.if_none_match.is_some() {
            return unsupported("a part of a file");
        }
        let path = self.path_of(location);
        let failed = |refused| store_error(location, refused);
        let (answer, body) = match options.head {
            true => (self.api.head(&path).await.map_err(failed)?, Bytes::new()),
            false => {
                let answer = self.api.get(&path).await.map_err(failed)?;
                let body = answer.body.clone();
                (answer, body)
            }
        };
        let size = match options.head {
            true => header(&answer, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0),
            false => body.len() as u64,
        };
        let time = header(&answer, "last-modified").and_then(|time| DateTime::parse_from_rfc2822(time).ok());
        let last_modified = time.map(|time| time.to_utc()).unwrap_or_default();
        let location = location.clone();
        Ok(GetResult {
            payload: GetResultPayload::Stream(stream::once(async { Ok(body) }).boxed()),
            meta: ObjectMeta { location, last_modified, size, e_tag: None, version: None },
            range: 0..size,
            attributes: Attributes::default(),
            extensions: Default::default(),
        })
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (api, volumes) = (Arc::clone(&self.api), self.folders.volumes.clone());
        let deleted = locations.map(move |location| {
            let (api, volumes) = (Arc::clone(&api), volumes.clone());
            async move {
                let location = location?;
                match api.delete(&volumes.path_of(&location)).await {
                    Ok(()) => Ok(location),
                    Err(refused) => Err(store_error(&location, refused)),
                }
            }
        });
        deleted.buffered(DELETES).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.folders.walk(prefix.cloned().unwrap_or_default())
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let folder = prefix.cloned().unwrap_or_default();
        let contents = self.folders.contents(&folder).await.map_err(|refused| store_error(&folder, refused))?;
        Ok(ListResult { common_prefixes: contents.folders, objects: contents.files, extensions: Default::default() })
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        unsupported("a copy")
    }
}

#[async_trait]
impl MultipartStore for VolumeStore {
    async fn create_multipart(&self, path: &Path) -> Result<MultipartId> {
        let absolute = self.path_of(path);
        self.in_folder(path, || self.uploads.begin(&absolute)).await
    }

    async fn put_part(&self, _: &Path, id: &MultipartId, part: usize, data: PutPayload) -> Result<PartId> {
        self.uploads.put(id, part, data).await
    }

    async fn complete_multipart(&self, path: &Path, id: &MultipartId, parts: Vec<PartId>) -> Result<PutResult> {
        self.uploads.complete(path, id, parts).await?;
        Ok(PutResult { e_tag: None, version: None, extensions: Default::default() })
    }

    async fn abort_multipart(&self, path: &Path, id: &MultipartId) -> Result<()> {
        self.uploads.abort(path, id).await
    }
}

/// What an object store has no verb for.
pub(super) struct VolumeRemote(pub(super) Arc<VolumeStore>);

impl Remote for VolumeRemote {
    fn copy_large<'a>(&'a self, _: &'a Path, _: &'a Path, _: u64) -> BoxFuture<'a, OwnResult<()>> {
        std::future::ready(Err(crate::error::Error::system("Files in volumes are not copied."))).boxed()
    }

    /// The Files API lists no unfinished uploads; each upload aborts its own.
    fn remove_unfinished<'a>(&'a self, _: &'a Path, _: &'a str) -> BoxFuture<'a, OwnResult<()>> {
        std::future::ready(Ok(())).boxed()
    }

    fn replaces_versions(&self) -> bool {
        false
    }

    fn copies(&self) -> bool {
        false
    }

    fn remove_folders<'a>(&'a self, folder: &'a Path) -> BoxFuture<'a, OwnResult<()>> {
        self.0.folders.remove(folder).boxed()
    }

    fn largest_file(&self) -> Option<u64> {
        self.0.uploads.largest_file()
    }
}

fn header<'a>(answer: &'a Response, name: &str) -> Option<&'a str> {
    answer.headers.get(name).and_then(|value| value.to_str().ok())
}

impl Debug for VolumeStore {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        Display::fmt(self, f)
    }
}

impl Display for VolumeStore {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.path_of(&Path::default()))
    }
}
