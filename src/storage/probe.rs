//! Tries what a sync will ask of a storage, for `check`.

use object_store::path::Path;

use super::{Home, Storage};
use crate::error::{Error, Result, Tag};

const LOG: &str = "_delta_log";

/// Makes each kind of request once, below the folder `relative`, which nobody else uses; the error has all problems. On a disk
/// there is nothing to try: a sync of one row shows every missing right.
///
/// # Errors
/// A config error also where the folder lies in a table: cleaning that table up (VACUUM) deletes all files there that it does not know.
pub async fn probe(storage: &Storage, relative: &str) -> Result<()> {
    if let Home::Bucket(bucket) = &storage.home {
        bucket.probe(&storage.root, &storage.path(relative)).await?;
    }
    match table_above(storage, relative).await? {
        None => Ok(()),
        Some(table) => Err(Error::config(format!(
            "The tables would lie inside of the Delta table {table}, and VACUUM of that table would delete their files: choose a folder that is in \
             no table."
        ))),
    }
}

/// A Delta table in a folder above `relative`, also above the root.
async fn table_above(storage: &Storage, relative: &str) -> Result<Option<String>> {
    match &storage.home {
        Home::Folder(folder) => {
            let below = folder.path(relative);
            let table = below.ancestors().skip(1).find(|above| above.join(LOG).is_dir());
            Ok(table.map(|table| table.display().to_string()))
        }
        Home::Bucket(bucket) => {
            let below = storage.path(relative);
            let mut above = Path::default();
            for part in below.parts() {
                match bucket.has_any(&above.clone().join(LOG)).await {
                    Ok(true) => return Ok(Some(bucket.uri(&above))),
                    // Rights may begin at the root; what else fails is told by the probe.
                    Err(error) if error.has(Tag::AccessDenied) => {}
                    found => drop(found?),
                }
                above = above.join(part);
            }
            Ok(None)
        }
    }
}
