//! Several syncs that change one table: which one goes on, which one waits, and which one gives up.
//!
//! A statement outlives the process that sent it. A statement of a killed sync may wait in a warehouse's queue while the next
//! sync loads the same table and its STATEs are acknowledged, and may replace all of that afterwards. So a sync claims a table
//! before its first statement that changes rows. A sync that finds the claim of a sync that has not ended waits until that one
//! ends, or until its lease expires and it is swept: its staging tables are then dropped, without which none of its statements
//! can begin, and the table gets a fence against one that has begun.
//!
//! A sync looks for claims when it begins, and again after each claim of its own: of two that begin at the same moment at least
//! one finds the other's. The one with the larger id gives up and takes its claim back, and the other one waits. So a sync that
//! has a claim waits for larger ids only, and a sync without a claim keeps nobody waiting: however many they are, they never
//! wait in a circle.

use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::catalog_table::staging_table_prefix;
use super::claims::{self, Claim, ClaimKind};
use super::lease::Lease;
use super::sweep::{StagingTables, sweep};
use crate::delta::table::TableLog;
use crate::error::{Error, Result};
use crate::storage::Storage;

/// How long between two messages about the sync that is waited for.
const MESSAGE_INTERVAL: Duration = Duration::from_secs(60);

/// Between two looks at other syncs, each of which lists several folders.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);

/// One sync among those that may change the same tables.
pub struct Contest<'a> {
    /// Where all of them stage.
    pub storage: &'a Storage,
    /// The logs of the tables.
    pub tables: &'a TableLog,
    /// What clears away the staging tables of dead syncs.
    pub staging_tables: &'a dyn StagingTables,
    /// The sync.
    pub sync: Uuid,
}

/// Whether a sync that waits has a claim, which may keep others waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OwnClaim {
    None,
    Put,
}

impl Contest<'_> {
    /// Waits until no other sync that has not ended has a claim that conflicts with `plans`: the folders of the final tables, and
    /// what is to be done to each.
    ///
    /// # Errors
    /// Transient where another sync goes on too long; else the error that keeps what a dead sync left from being cleared away.
    pub async fn wait_for_others(&self, plans: &[(String, ClaimKind)]) -> Result<()> {
        self.wait(plans, OwnClaim::None).await.map(|_| ())
    }

    /// Claims the table in the folder `table`, whose full name is `full_name`, before the first statement that changes its rows.
    /// `true` if another sync had to be waited for, which may have changed the table since it was opened.
    ///
    /// # Errors
    /// As for [`Contest::wait_for_others`], and transient where a sync with a smaller id has claimed the table since this one
    /// began. The claim is then taken back.
    pub async fn claim(&self, table: &str, full_name: &str, kind: ClaimKind) -> Result<bool> {
        claims::put(self.storage, self.sync, table, full_name, kind).await?;
        let waited = self.wait(&[(table.to_owned(), kind)], OwnClaim::Put).await;
        if waited.is_err()
            && let Err(error) = claims::take_back(self.storage, self.sync, table, kind).await
        {
            // It is deleted with the staging folder.
            tracing::debug!("The claim of {full_name} was not taken back: {error}");
        }
        waited
    }

    /// Waits until nothing conflicts with `plans`; `true` if that took any time.
    async fn wait(&self, plans: &[(String, ClaimKind)], own: OwnClaim) -> Result<bool> {
        let most = Lease::age(self.storage) * 2;
        let begun = Instant::now();
        let (mut last_message, mut has_swept): (Option<Instant>, bool) = (None, false);
        loop {
            let conflicts = self.conflicts(plans).await?;
            // Ids alone decide, so that both sides come to the same answer.
            let smaller = conflicts.iter().find(|(sync, _)| own == OwnClaim::Put && *sync < self.sync);
            let Some((sync, table)) = smaller.or(conflicts.first()) else { return Ok(has_swept) };
            // Not before a sweep: a sync that is known to be dead is cleared away, whatever its id is.
            if smaller.is_some() && has_swept {
                return Err(Error::transient(format!(
                    "Sync {sync} loads table {table} as well, and began before this one. Two syncs cannot replace the rows of \
                     one table: run this one again when the other has ended."
                )));
            }
            if begun.elapsed() > most {
                return Err(Error::transient(format!(
                    "Sync {sync} loads table {table} as well, and has not ended. Two syncs cannot replace the rows of one \
                     table: run this one again when the other has ended."
                )));
            }
            if smaller.is_none() {
                if last_message.is_none_or(|at| at.elapsed() >= MESSAGE_INTERVAL) {
                    last_message = Some(Instant::now());
                    tracing::info!(
                        "Sync {sync} was loading table {table} and has not ended. If it was killed, its statements may still \
                         run: waiting until that is certain, for at most {} s.",
                        most.saturating_sub(begun.elapsed()).as_secs()
                    );
                }
                tokio::time::sleep((most / 120).max(SHORTEST_PAUSE)).await;
            }
            let swept = sweep(self.storage, self.tables, self.staging_tables).await?;
            has_swept = true;
            if let Some((_, why)) = swept.kept.into_iter().find(|(kept, _)| kept == sync) {
                let message = format!(
                    "Sync {sync} was killed while it loaded table {table}, and what it left cannot be cleared away: {} Drop its \
                     staging tables, `{}_…`, if there are any, and delete the folder {}.",
                    why,
                    staging_table_prefix(*sync),
                    self.storage.shown(&sync.to_string())
                );
                return Err(Error::new(why.kind(), message).with_source(why));
            }
        }
    }

    /// The claims of other syncs that conflict with `plans`, one a sync, in the order of the syncs' ids: the sync and the table.
    async fn conflicts(&self, plans: &[(String, ClaimKind)]) -> Result<Vec<(Uuid, String)>> {
        let mut others = Lease::others(self.storage).await?;
        others.sort_unstable();
        let mut found = Vec::new();
        for sync in others {
            let conflicts =
                |claim: &Claim| plans.iter().any(|(table, kind)| *table == claim.table && !kind.goes_with(claim.kind));
            let claims = claims::claims_of(self.storage, sync).await?;
            found.extend(claims.into_iter().find(conflicts).map(|claim| (sync, claim.table)));
        }
        Ok(found)
    }
}
