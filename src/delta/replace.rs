//! Replaces the rows of a table that has a change data feed, in one commit, which the kernel can prepare but does not allow.
//!
//! The kernel refuses a commit that both adds and removes files of such a table, because it cannot tell whether rows were
//! updated, which would need change files. Here no row is updated: whole files are removed and added, and in a version without
//! change files a reader takes every row of a removed file as deleted and every row of an added file as inserted (protocol,
//! sections "Add File and Remove File" and "Add CDC File"). So the kernel prepares the removals as a commit of their own,
//! which is never made, and they are put into the commit of the additions.

use std::sync::{Arc, Mutex, PoisonError};

use delta_kernel::committer::{CommitMetadata, CommitResponse, Committer, FileSystemCommitter, PublishMetadata};
use delta_kernel::expressions::ColumnName;
use delta_kernel::{Engine, FilteredEngineData, KernelResult, KernelResultIterator};

/// `remove` actions, as the kernel writes them, and what else is to go into the commit.
#[derive(Clone, Default)]
pub struct Removals(Arc<Mutex<Vec<FilteredEngineData>>>);

impl Removals {
    /// A committer that keeps the removals of a commit and reports a conflict instead of committing.
    pub fn collector(&self) -> Box<dyn Committer> {
        Box::new(RemovalCollector(self.clone()))
    }

    /// Adds other actions to these.
    pub fn extend(&self, actions: impl IntoIterator<Item = FilteredEngineData>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(actions);
    }

    /// A committer that adds these removals to the actions of its commit.
    pub fn merger(&self) -> Box<dyn Committer> {
        Box::new(RemovalMerger { removals: self.clone(), inner: FileSystemCommitter::new() })
    }
}

struct RemovalCollector(Removals);

impl Committer for RemovalCollector {
    fn commit(
        &self,
        _engine: &dyn Engine,
        actions: KernelResultIterator<'_, FilteredEngineData>,
        commit_metadata: CommitMetadata,
    ) -> KernelResult<CommitResponse> {
        let remove = ColumnName::new(["remove"]);
        let mut kept = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        for action in actions {
            let action = action?;
            if action.data().has_field(&remove) {
                kept.push(action);
            }
        }
        Ok(CommitResponse::Conflict { version: commit_metadata.version() })
    }

    fn is_catalog_committer(&self) -> bool {
        false
    }

    fn publish(&self, engine: &dyn Engine, publish_metadata: PublishMetadata) -> KernelResult<()> {
        FileSystemCommitter::new().publish(engine, publish_metadata)
    }
}

struct RemovalMerger {
    removals: Removals,
    inner: FileSystemCommitter,
}

impl Committer for RemovalMerger {
    fn commit(
        &self,
        engine: &dyn Engine,
        actions: KernelResultIterator<'_, FilteredEngineData>,
        commit_metadata: CommitMetadata,
    ) -> KernelResult<CommitResponse> {
        let removals = std::mem::take(&mut *self.removals.0.lock().unwrap_or_else(PoisonError::into_inner));
        self.inner.commit(engine, Box::new(actions.chain(removals.into_iter().map(Ok))), commit_metadata)
    }

    fn is_catalog_committer(&self) -> bool {
        false
    }

    fn publish(&self, engine: &dyn Engine, publish_metadata: PublishMetadata) -> KernelResult<()> {
        self.inner.publish(engine, publish_metadata)
    }
}
