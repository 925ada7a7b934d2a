//! Which tables a sync lets Databricks change, for whoever comes after it.
//!
//! A statement outlives the process that has sent it. That of a killed sync may wait in a warehouse's queue while the next
//! sync loads the same table and gives STATEs back, and replace all of that afterwards. So a sync claims a table before its first
//! statement that changes rows: an object in its staging folder, gone with it. Who finds the claim of a sync that has not
//! ended waits: until that one ends, or its lease lapses and it is swept. Its staging table is dropped then, without which none
//! of its statements can begin, and for one that has begun the table gets a fence.

use std::time::{Duration, Instant};

use uuid::Uuid;

use super::Shared;
use super::statements::{SchemaName, TableName};
use crate::error::{Error, Result};
use crate::protocol::catalog::Disposition;
use crate::stage::sweep::{StagingTables, sweep};
use crate::storage::layout::{Target, is_name};
use crate::storage::{Lease, Storage};

const FOLDER: &str = "_claims";
/// Schemas and names of staging tables that no staging log has, one an object.
const RENAMED: &str = "_staging_tables";
/// How often it is told that another sync is waited for.
const TELL: Duration = Duration::from_secs(60);

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

/// A claim.
pub struct Claim {
    /// The folder of the final table.
    pub table: String,
    change: String,
}

/// Claims `table`, a final table's folder, for the sync `sync`.
pub async fn claim(storage: &Storage, sync: Uuid, table: &str, change: Change) -> Result<()> {
    storage.put_new(&format!("{sync}/{FOLDER}/{}/{table}", change.folder()), b"claimed\n".to_vec()).await.map(|_| ())
}

/// The claims of the sync `sync`.
pub async fn of(storage: &Storage, sync: Uuid) -> Result<Vec<Claim>> {
    let folder = format!("{sync}/{FOLDER}");
    let read = |path: String| {
        let (change, table) = path.strip_prefix(&folder)?.strip_prefix('/')?.split_once('/')?;
        Some(Claim { table: table.to_owned(), change: change.to_owned() })
    };
    Ok(storage.list(&folder).await?.into_iter().filter_map(read).collect())
}

/// Says that the sync `sync` makes the staging table `name`, which no staging log tells.
pub async fn rename(storage: &Storage, sync: Uuid, name: &TableName) -> Result<()> {
    storage.put_new(&format!("{sync}/{RENAMED}/{}", name.path()), b"renamed\n".to_vec()).await.map(|_| ())
}

/// The staging tables that the sync `sync` has [renamed](rename), in `catalog`; only those that can be its own, whoever wrote
/// that.
pub async fn renamed(storage: &Storage, sync: Uuid, catalog: &str) -> Result<Vec<TableName>> {
    let folder = format!("{sync}/{RENAMED}/");
    let read = |path: String| {
        let (schema, table) = path.strip_prefix(&folder)?.split_once('/')?;
        let name = SchemaName::new(catalog, schema).table(table);
        (is_name(schema) && is_name(table) && name.is_staging_table_of(sync)).then_some(name)
    };
    Ok(storage.list(&format!("{sync}/{RENAMED}")).await?.into_iter().filter_map(read).collect())
}

/// Takes back all claims of the sync `sync`: every statement of it is known to have ended.
pub async fn withdraw(storage: &Storage, sync: Uuid) -> Result<()> {
    storage.delete(&storage.list(&format!("{sync}/{FOLDER}")).await?).await
}

/// Waits until no other sync that has not ended has a claim that does not go together with what is done to `targets`.
///
/// # Errors
/// A transient one where another sync lives on; what stands in the way where what a dead one left cannot be cleared away.
pub(super) async fn wait_for_others(shared: &Shared, catalog: &dyn StagingTables, targets: &[Target]) -> Result<()> {
    let most = Lease::age(&shared.storage) * 2;
    let begun = Instant::now();
    let mut told: Option<Instant> = None;
    loop {
        let Some((sync, table)) = contested(&shared.storage, targets).await? else { return Ok(()) };
        if begun.elapsed() > most {
            return Err(Error::transient(format!(
                "Sync {sync} loads table {table} as well, and has not ended. Two syncs cannot replace the rows of one \
                 table: run this one again when the other has ended."
            )));
        }
        if told.is_none_or(|at| at.elapsed() >= TELL) {
            told = Some(Instant::now());
            tracing::info!(
                "Sync {sync} was loading table {table} and has not ended. If it was killed, its statements may still run: \
                 waiting until that is sure, for at most {} s.",
                most.saturating_sub(begun.elapsed()).as_secs()
            );
        }
        tokio::time::sleep((most / 120).max(Duration::from_millis(50))).await;
        let swept = sweep(&shared.storage, &shared.tables, catalog).await?;
        if let Some((_, why)) = swept.kept.into_iter().find(|(kept, _)| *kept == sync) {
            let short = sync.simple().to_string().split_off(20);
            let sentence = format!(
                "Sync {sync} was killed while it loaded table {table}, and what it left cannot be cleared away: {} Drop its \
                 staging tables, `_airbyte_tmp_{short}_…`, and delete the folder {}.",
                why.message(),
                shared.storage.shown(&sync.to_string())
            );
            return Err(Error::new(why.kind(), sentence).with_source(why));
        }
    }
}

/// A claim in the way, if there is one: whose, and of which table.
async fn contested(storage: &Storage, targets: &[Target]) -> Result<Option<(Uuid, String)>> {
    for sync in Lease::others(storage).await? {
        for claim in of(storage, sync).await? {
            let adds = claim.change == Change::Adds.folder();
            let meets =
                |target: &Target| target.table == claim.table && !(adds && target.disposition == Disposition::Append);
            if targets.iter().any(meets) {
                return Ok(Some((sync, claim.table)));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::super::bed_tests::{Bed, SYNC};
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn claims_are_found_by_their_sync_until_they_are_withdrawn() {
        let bed = Bed::new().await;
        for (table, change) in [("shop/users", Change::Replaces), ("shop/orders", Change::Adds)] {
            // Also a second time, after an answer that was lost.
            for _ in 0..2 {
                claim(&bed.storage, SYNC, table, change).await.unwrap();
            }
        }
        let found = async |sync| {
            let claims = of(&bed.storage, sync).await.unwrap();
            let mut claims: Vec<(String, String)> = claims.into_iter().map(|it| (it.change, it.table)).collect();
            claims.sort();
            claims
        };
        let expected = [("adds", "shop/orders"), ("replaces", "shop/users")];
        assert_eq!(found(SYNC).await, expected.map(|(change, table)| (change.to_owned(), table.to_owned())));
        assert!(found(Uuid::nil()).await.is_empty());
        withdraw(&bed.storage, SYNC).await.unwrap();
        assert!(found(SYNC).await.is_empty());
    }
}
