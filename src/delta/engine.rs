//! The engine with which the kernel reads and writes logs, changed in three places.
//!
//! Damaged hints and checkpoints can be hidden from the kernel, which then reads the log as if they did not exist: they only
//! save work. A hint is written only when the checkpoint that it names is on stable storage: a hint to a checkpoint that was
//! lost with the power stops readers. And a listing asks before each name whether to go on: a call into the kernel cannot be
//! cancelled from outside.

use std::sync::Arc;

use bytes::Bytes;
use delta_kernel::schema::SchemaRef;
use delta_kernel::{
    Engine, EngineData, EvaluationHandler, FileDataReadResultIterator, FileMeta, FileSize, FileSlice,
    FilteredEngineData, JsonHandler, KernelError, KernelResult, KernelResultIterator, KernelResultIteratorStatic,
    ParquetHandler, PredicateRef, StorageHandler,
};
use url::Url;

use super::files::{HINT, checkpoint_version};
use crate::error::Result;

/// Puts everything that was written on stable storage; blocks.
pub type Flush = Arc<dyn Fn() -> Result<()> + Send + Sync>;

/// Whether a listing is to go on.
pub type GoesOn = Arc<dyn Fn() -> bool + Send + Sync>;

/// The parts of a log that are hidden from the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hidden {
    /// The hint.
    pub hint: bool,
    /// Checkpoints of this version and of later ones.
    pub checkpoints_from: Option<u64>,
}

/// An engine for logs.
#[derive(Clone)]
pub struct LogEngine {
    inner: Arc<dyn Engine>,
    flush: Flush,
    goes_on: GoesOn,
    hidden: Hidden,
}

impl LogEngine {
    /// `inner`, with a flush before each hint that it writes.
    pub fn new(inner: Arc<dyn Engine>, flush: Flush) -> Self {
        Self { inner, flush, goes_on: Arc::new(|| true), hidden: Hidden::default() }
    }

    /// The same engine, whose listings end with an error as soon as `goes_on` is false.
    #[must_use]
    pub fn while_going_on(self, goes_on: GoesOn) -> Self {
        Self { goes_on, ..self }
    }

    /// The same engine, with `hidden` hidden from the kernel.
    #[must_use]
    pub fn hiding(&self, hidden: Hidden) -> Self {
        Self { hidden, ..self.clone() }
    }

    /// Whether it hides anything.
    pub fn hides(&self) -> bool {
        self.hidden != Hidden::default()
    }
}

impl Engine for LogEngine {
    fn evaluation_handler(&self) -> Arc<dyn EvaluationHandler> {
        self.inner.evaluation_handler()
    }

    fn storage_handler(&self) -> Arc<dyn StorageHandler> {
        let (inner, goes_on) = (self.inner.storage_handler(), Arc::clone(&self.goes_on));
        Arc::new(HidingStorage { inner, goes_on, hidden: self.hidden })
    }

    fn json_handler(&self) -> Arc<dyn JsonHandler> {
        Arc::new(FlushBeforeHint { inner: self.inner.json_handler(), flush: Arc::clone(&self.flush) })
    }

    fn parquet_handler(&self) -> Arc<dyn ParquetHandler> {
        self.inner.parquet_handler()
    }
}

struct HidingStorage {
    inner: Arc<dyn StorageHandler>,
    goes_on: GoesOn,
    hidden: Hidden,
}

fn is_hint(url: &Url) -> bool {
    url.path_segments().and_then(|mut parts| parts.next_back()) == Some(HINT)
}

impl StorageHandler for HidingStorage {
    fn list_from(&self, path: &Url) -> KernelResult<KernelResultIteratorStatic<FileMeta>> {
        let from = self.hidden.checkpoints_from;
        let shows = move |file: &FileMeta| {
            let name = file.location.path_segments().and_then(|mut parts| parts.next_back());
            let version = name.and_then(checkpoint_version);
            version.zip(from).is_none_or(|(version, from)| version < from)
        };
        let goes_on = Arc::clone(&self.goes_on);
        let stopped = || Err(KernelError::generic("the listing was stopped"));
        let all = self.inner.list_from(path)?.map(move |file| if goes_on() { file } else { stopped() });
        Ok(Box::new(all.filter(move |file| file.as_ref().map_or(true, &shows))))
    }

    fn read_files(&self, files: Vec<FileSlice>) -> KernelResult<KernelResultIteratorStatic<Bytes>> {
        match files.iter().find(|(url, _)| self.hidden.hint && is_hint(url)) {
            Some((url, _)) => Ok(Box::new(std::iter::once(Err(KernelError::FileNotFound(url.to_string()))))),
            None => self.inner.read_files(files),
        }
    }

    fn copy_atomic(&self, src: &Url, dest: &Url) -> KernelResult<()> {
        self.inner.copy_atomic(src, dest)
    }

    fn put(&self, path: &Url, data: Bytes, overwrite: bool) -> KernelResult<()> {
        self.inner.put(path, data, overwrite)
    }

    fn head(&self, path: &Url) -> KernelResult<FileMeta> {
        self.inner.head(path)
    }

    fn delete(&self, path: &Url) -> KernelResult<()> {
        self.inner.delete(path)
    }
}

struct FlushBeforeHint {
    inner: Arc<dyn JsonHandler>,
    flush: Flush,
}

impl JsonHandler for FlushBeforeHint {
    fn parse_json(
        &self,
        json_strings: Box<dyn EngineData>,
        output_schema: SchemaRef,
    ) -> KernelResult<Box<dyn EngineData>> {
        self.inner.parse_json(json_strings, output_schema)
    }

    fn read_json_files(
        &self,
        files: &[FileMeta],
        physical_schema: SchemaRef,
        predicate: Option<PredicateRef>,
    ) -> KernelResult<FileDataReadResultIterator> {
        self.inner.read_json_files(files, physical_schema, predicate)
    }

    fn write_json_file(
        &self,
        path: &Url,
        data: KernelResultIterator<'_, FilteredEngineData>,
        overwrite: bool,
    ) -> KernelResult<FileSize> {
        if is_hint(path) {
            (self.flush)().map_err(KernelError::generic_err)?;
        }
        self.inner.write_json_file(path, data, overwrite)
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
