//! A folder as the Delta kernel sees it: object_store's own, except for new objects and for reads.
//!
//! object_store names a new file by linking it, which fails where there are no hard links: see `names`. And it follows every
//! link and waits for every pipe: reads go through `trusted`.

use std::fmt::{Debug, Display, Formatter};
use std::sync::Arc;

use async_trait::async_trait;
use chrono::DateTime;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use rustix::fs::Stat;

use super::Put;
use super::local::{Folder, is_temporary};
use super::planted::{in_the_way, too_long};
use super::trusted::LONGEST;

/// The whole file system, of which everything in `folder` is ours.
pub(super) struct LocalStore {
    inner: LocalFileSystem,
    folder: Arc<Folder>,
}

impl LocalStore {
    pub(super) fn new(folder: Arc<Folder>) -> Self {
        Self { inner: LocalFileSystem::new(), folder }
    }

    fn create(&self, location: &Path, payload: &PutPayload) -> Result<PutResult> {
        let path = self.inner.path_to_filesystem(location)?;
        let bytes: Vec<&[u8]> = payload.iter().map(AsRef::as_ref).collect();
        let written = match self.folder.relative(&path) {
            Some(relative) => self.folder.write_new(&relative, &bytes),
            // The kernel resolves a link of ours to a table elsewhere, and names the target.
            None => self.folder.write_new_elsewhere(&path, &bytes),
        };
        match written {
            Ok(Put::Created) => Ok(PutResult { e_tag: None, version: None, extensions: Default::default() }),
            Ok(Put::Exists) => {
                Err(Error::AlreadyExists { path: location.to_string(), source: "the name is taken".into() })
            }
            Err(error) => Err(failed(location, error)),
        }
    }

    fn open(&self, location: &Path, options: &GetOptions) -> Result<GetResult> {
        let path = self.inner.path_to_filesystem(location)?;
        let opened = self.folder.at(&path, |root, relative| root.open_regular(relative));
        let (file, stat) = opened.map_err(|error| match in_the_way(&error) {
            // It is only a hint, and as good as missing.
            Some(_) if is_hint(location) => missing(location, error),
            _ => failed(location, error),
        })?;
        let meta = meta(location.clone(), &stat);
        let (name, most) = (location.filename().unwrap_or_default(), longest(location));
        options.check_preconditions(&meta)?;
        let range = match &options.range {
            Some(range) => range.as_range(meta.size).map_err(|error| generic(std::io::Error::other(error)))?,
            None if meta.size > most && !options.head => {
                let error = too_long(name, most);
                let needless = is_hint(location) || name.ends_with(SUM);
                return Err(if needless { missing(location, error) } else { generic(error) });
            }
            None => 0..meta.size,
        };
        let payload = GetResultPayload::File(file, path);
        Ok(GetResult { payload, attributes: Default::default(), range, meta, extensions: Default::default() })
    }

    /// The files below `prefix` that come after `offset`, if there is one.
    fn below(&self, prefix: &Path, offset: Option<&Path>) -> Result<Vec<ObjectMeta>> {
        let path = self.inner.path_to_filesystem(prefix)?;
        // What has no name that an object may have is no part of a log.
        let located = |relative: &str| Path::parse(format!("{prefix}/{relative}")).ok();
        let wanted = |relative: &str| {
            let is_after = |location: Path| offset.is_none_or(|offset| location > *offset);
            !is_temporary(relative) && located(relative).is_some_and(is_after)
        };
        let found = self.folder.at(&path, |root, relative| root.all_below(relative, &wanted));
        match found {
            Ok(found) => Ok(found.iter().filter_map(|(name, stat)| Some(meta(located(name)?, stat))).collect()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(failed(prefix, error)),
        }
    }
}

/// Names the newest checkpoint, to spare readers a longer look.
const HINT: &str = "_last_checkpoint";
/// How the name of a sum of a version ends, which spares them one, too.
const SUM: &str = ".crc";

fn is_hint(location: &Path) -> bool {
    location.filename() == Some(HINT)
}

/// The most bytes of the file at `location`, if it is read whole.
fn longest(location: &Path) -> u64 {
    match location.filename().unwrap_or_default() {
        HINT => 1 << 20,
        name if name.ends_with(SUM) => 64 << 20,
        // One commit of a table's log: some hundred bytes a file.
        name if name.ends_with(".json") => 256 << 20,
        _ => LONGEST,
    }
}

fn generic(error: std::io::Error) -> Error {
    Error::Generic { store: "LocalFileSystem", source: Box::new(error) }
}

fn missing(location: &Path, error: std::io::Error) -> Error {
    Error::NotFound { path: location.to_string(), source: Box::new(error) }
}

fn failed(location: &Path, error: std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::NotFound => missing(location, error),
        _ => generic(error),
    }
}

#[allow(
    clippy::useless_conversion,
    clippy::unnecessary_fallible_conversions,
    reason = "the types differ between systems"
)]
fn meta(location: Path, stat: &Stat) -> ObjectMeta {
    let seconds = i64::try_from(stat.st_mtime).unwrap_or_default();
    let nanoseconds = u32::try_from(stat.st_mtime_nsec).unwrap_or_default();
    let last_modified = DateTime::from_timestamp(seconds, nanoseconds).unwrap_or_default();
    let size = u64::try_from(stat.st_size).unwrap_or_default();
    ObjectMeta { location, last_modified, size, e_tag: None, version: None }
}

#[async_trait]
impl ObjectStore for LocalStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        match options.mode {
            PutMode::Create => self.create(location, &payload),
            _ => self.inner.put_opts(location, payload, options).await,
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.open(location, &options)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let Some(prefix) = prefix else { return self.inner.list(None) };
        listed(self.below(prefix, None))
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        let Some(prefix) = prefix else { return self.inner.list_with_offset(None, offset) };
        listed(self.below(prefix, Some(offset)))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

fn listed(found: Result<Vec<ObjectMeta>>) -> BoxStream<'static, Result<ObjectMeta>> {
    match found {
        Ok(found) => futures::stream::iter(found.into_iter().map(Ok)).boxed(),
        Err(error) => futures::stream::iter([Err(error)]).boxed(),
    }
}

impl Debug for LocalStore {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        Debug::fmt(&self.inner, f)
    }
}

impl Display for LocalStore {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        Display::fmt(&self.inner, f)
    }
}
