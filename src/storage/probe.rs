//! Tries what a sync will ask of a storage, for `check`.

use super::{Home, Storage};
use crate::error::Result;

/// Makes each kind of request once, below the folder `relative`, which nobody else uses; the error has all problems. On a disk
/// there is nothing to try: a sync of one row shows every missing right.
pub async fn probe(storage: &Storage, relative: &str) -> Result<()> {
    match &storage.home {
        Home::Folder(_) => Ok(()),
        Home::Bucket(bucket) => bucket.probe(&storage.root, &storage.path(relative)).await,
    }
}
