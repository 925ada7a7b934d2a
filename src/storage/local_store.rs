//! A folder as the Delta kernel sees it: the object store's own, but that a new object gets its name as ours do.
//!
//! The object store links a new file to its name, and so fails where there are no hard links.

use std::fmt::{Debug, Display, Formatter};
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::Put;
use super::local::Folder;

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
            // The kernel resolves a link of ours that leads to a table elsewhere, and names the place itself.
            None => self.folder.write_new_elsewhere(&path, &bytes),
        };
        match written {
            Ok(Put::Created) => Ok(PutResult { e_tag: None, version: None, extensions: Default::default() }),
            Ok(Put::Exists) => {
                Err(Error::AlreadyExists { path: location.to_string(), source: "the name is taken".into() })
            }
            Err(error) => Err(Error::Generic { store: "LocalFileSystem", source: Box::new(error) }),
        }
    }
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
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
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
