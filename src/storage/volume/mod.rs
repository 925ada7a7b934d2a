//! Volumes of Unity Catalog: from a client of a workspace to a bucket.
//!
//! `volumes` says which file of which volume a path is. Requests: `files_api` to the workspace, `cloud` to the cloud's storage behind it by
//! signed URLs. `store` is the object store, with `folders`, which a volume has, and `uploads` in parts, `resumable` on Google's cloud.
//! Errors: `databricks::conditions`; `provider` names things.

mod cloud;
mod files_api;
mod folders;
mod provider;
mod resumable;
mod store;
mod uploads;
mod volumes;

use std::sync::Arc;

use object_store::path::Path;

use self::cloud::Cloud;
use self::files_api::FilesApi;
use self::provider::VolumeProvider;
use self::store::{VolumeRemote, VolumeStore};
use self::uploads::Uploads;
pub use self::volumes::Volumes;
use super::{Storage, bucket};
use crate::config::Tuning;
use crate::databricks::http::HttpClient;
use crate::error::Result;

/// Where files have to be kept in memory, those of all open files together have the share of the memory limit that uploads have.
const SHARE: u64 = 16 * 6;
const SMALLEST_FILE: u64 = 6 << 20;

/// Opens `volumes`. No request is made.
pub(super) fn open(client: Arc<HttpClient>, volumes: Volumes, tuning: &Tuning) -> Result<Storage> {
    let deadline = tuning.timeouts.request_retry;
    let principal = client.workspace().who.principal.clone();
    let cloud = Cloud::new(client.is_encrypted(), deadline)?;
    let api = Arc::new(FilesApi::new(client, deadline));
    let largest_file = (tuning.memory_limit as u64 / SHARE).max(SMALLEST_FILE);
    let uploads = Uploads::new(Arc::clone(&api), cloud, largest_file);
    let store = Arc::new(VolumeStore::new(api, volumes.clone(), uploads));
    let remote = VolumeRemote(Arc::clone(&store));
    let provider = VolumeProvider { volumes, principal };
    Ok(bucket::open(store, Some(Box::new(remote)), Box::new(provider), Path::default(), tuning))
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
