//! Volumes as a [`Provider`]: their paths, and what a sync must be allowed to do. What failures mean is known by `databricks::conditions`.

use object_store::path::Path;

use super::volumes::Volumes;
use crate::error::Kind;
use crate::storage::bucket::{Action, Explanation, Failure, Provider};

/// The volumes of a sync.
pub(super) struct VolumeProvider {
    pub(super) volumes: Volumes,
}

impl Provider for VolumeProvider {
    fn noun(&self) -> &'static str {
        "volume"
    }

    fn uri(&self, path: &Path) -> String {
        self.volumes.path_of(path)
    }

    /// Folders in volumes of other schemas than the home's lie below the root as well.
    fn uri_below(&self, root: &Path, relative: &str) -> String {
        let parts = relative.split('/').filter(|part| !part.is_empty());
        self.uri(&parts.fold(root.clone(), |path, part| path.join(part)))
    }

    fn explain(&self, _action: Action, _failure: &Failure) -> Explanation {
        // Answers of the workspace come explained; the rest is the object store's own.
        Explanation { kind: Kind::System, reason: None, is_denied: false }
    }

    fn permissions(&self, _root: &Path) -> String {
        let quoted = |name: &str| format!("`{}`", name.replace('`', "``"));
        let volumes = self.volumes.needed([]);
        let grant = |(catalog, schema, volume): &(&str, &str, &str)| {
            let name = [catalog, schema, volume].map(|part| quoted(part)).join(".");
            format!("GRANT READ VOLUME, WRITE VOLUME ON VOLUME {name} TO `<the token's user>`")
        };
        volumes.iter().map(grant).collect::<Vec<_>>().join("; ")
    }

    fn is_retained(&self, _failure: &Failure) -> bool {
        false
    }
}
