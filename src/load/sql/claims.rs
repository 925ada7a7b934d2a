//! Which tables a sync lets Databricks change, for whoever comes after it.
//!
//! A statement outlives the process that has sent it. That of a killed sync may wait in a warehouse's queue while the next
//! sync loads the same table and gives STATEs back, and replace all of that afterwards. So a sync claims a table before its first
//! statement that changes rows: an object in its staging folder, gone with it. Who finds the claim of a sync that has not
//! ended waits: until that one ends, or its lease lapses and its staging table is dropped, without which none of its
//! statements can begin. For one that has begun, the table gets a fence then.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::Shared;
use crate::error::{Error, Result};
use crate::protocol::catalog::Disposition;
use crate::stage::sweep::{StagingTables, sweep};
use crate::storage::layout::Target;
use crate::storage::{Lease, Storage};

const FOLDER: &str = "_claims";

/// What the statements of a claim do to a table's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// They add some. Beside others that add, that is no harm: what nobody acknowledged may be there twice.
    Adds,
    /// They replace all.
    Replaces,
}

impl Change {
    fn folder(self) -> &'static str {
        match self {
            Change::Adds => "adds",
            Change::Replaces => "replaces",
        }
    }
}

/// Claims `table`, a final table's folder, for the sync `sync`.
pub async fn claim(storage: &Storage, sync: Uuid, table: &str, change: Change) -> Result<()> {
    storage.put_new(&format!("{sync}/{FOLDER}/{}/{table}", change.folder()), b"claimed\n".to_vec()).await.map(|_| ())
}

/// Waits until no other sync that has not ended has a claim that does not go together with what is done to `targets`; the
/// tables that were waited for.
///
/// # Errors
/// A transient one where another sync lives on.
pub(super) async fn wait_for_others(
    shared: &Shared,
    catalog: &dyn StagingTables,
    targets: &[Target],
) -> Result<BTreeSet<String>> {
    let age = Lease::age(&shared.storage);
    let begun = Instant::now();
    let mut waited = BTreeSet::new();
    loop {
        let Some((sync, table)) = contested(&shared.storage, targets).await? else { return Ok(waited) };
        if begun.elapsed() > age * 2 {
            return Err(Error::transient(format!(
                "Sync {sync} loads table {table} as well, and has not ended. Two syncs cannot replace the rows of one \
                 table: run this one again when the other has ended."
            )));
        }
        if waited.insert(table.clone()) {
            tracing::info!(
                "Sync {sync} was loading table {table} and has not ended. If it was killed, its statements may still run: \
                 waiting for up to {} s until that is sure.",
                age.as_secs()
            );
        }
        tokio::time::sleep((age / 60).max(Duration::from_millis(50))).await;
        sweep(&shared.storage, &shared.tables, catalog).await?;
    }
}

/// A claim in the way, if there is one: whose, and of which table.
async fn contested(storage: &Storage, targets: &[Target]) -> Result<Option<(Uuid, String)>> {
    for sync in Lease::others(storage).await? {
        let folder = format!("{sync}/{FOLDER}/");
        for path in storage.list(&format!("{sync}/{FOLDER}")).await? {
            let claimed = path.strip_prefix(&folder).and_then(|rest| rest.split_once('/'));
            let Some((change, table)) = claimed else { continue };
            let meets = |target: &Target| {
                let adds = change == Change::Adds.folder() && target.disposition == Disposition::Append;
                target.table == table && !adds
            };
            if targets.iter().any(meets) {
                return Ok(Some((sync, table.to_owned())));
            }
        }
    }
    Ok(None)
}
