//! Several syncs that change one table: who goes on, who waits, and who gives up.
//!
//! A statement outlives the process that has sent it. That of a killed sync may wait in a warehouse's queue while the next
//! sync loads the same table and gives STATEs back, and replace all of that afterwards. So a sync claims a table before its first
//! statement that changes rows. Who finds the claim of a sync that has not ended waits: until that one ends, or its lease lapses
//! and it is swept. Its staging table is dropped then, without which none of its statements can begin, and for one that has
//! begun the table gets a fence.
//!
//! It is looked for claims when a sync begins, and again after each claim of its own: of two that began at the same moment at
//! least one finds the other's. Of the two the one with the larger id gives up and takes its claim back, and the other one waits.
//! So with a claim of its own a sync only ever waits for larger ids, and one without a claim keeps nobody waiting: however
//! many they are, they never wait in a circle.

use std::time::{Duration, Instant};

use uuid::Uuid;

use super::Shared;
use super::claims::{self, Change};
use super::statements::TableName;
use crate::error::{Error, Result};
use crate::protocol::catalog::Disposition;
use crate::recovery::sweep::sweep;
use crate::storage::layout::Target;
use crate::storage::{Lease, Storage};

/// How often it is told that another sync is waited for.
const TELL: Duration = Duration::from_secs(60);

/// Waits until no other sync that has not ended has a claim that does not go together with what is done to `targets`.
///
/// # Errors
/// A transient one where another sync lives on; what stands in the way where what a dead one left cannot be cleared away.
pub async fn wait_for_others(shared: &Shared, targets: &[Target]) -> Result<()> {
    let plan = |target: &Target| {
        let adds = target.disposition == Disposition::Append;
        (target.table.clone(), if adds { Change::Adds } else { Change::Replaces })
    };
    let plans: Vec<_> = targets.iter().map(plan).collect();
    wait(shared, &plans, Claimed::Not).await.map(|_| ())
}

/// Claims `table`, the folder of the final table `name`, before the first statement that changes its rows. `true` if another
/// sync had to be waited for: it may have changed what is known of the table.
///
/// # Errors
/// As [`wait_for_others`], and a transient one where a sync with a smaller id has claimed the table since this one began. The
/// claim is taken back then.
pub async fn claim(shared: &Shared, table: &str, name: &TableName, change: Change) -> Result<bool> {
    claims::put(&shared.storage, shared.sync, table, name, change).await?;
    let waited = wait(shared, &[(table.to_owned(), change)], Claimed::Own).await;
    if waited.is_err()
        && let Err(error) = claims::take_back(&shared.storage, shared.sync, table, change).await
    {
        // It goes with the staging folder.
        tracing::debug!("The claim of {name} was not taken back: {error}");
    }
    waited
}

/// Whether whoever waits keeps others waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claimed {
    Not,
    Own,
}

/// Waits until nothing stands in the way of `plans`; whether that took any time.
async fn wait(shared: &Shared, plans: &[(String, Change)], claimed: Claimed) -> Result<bool> {
    let most = Lease::age(&shared.storage) * 2;
    let begun = Instant::now();
    let (mut told, mut swept_once): (Option<Instant>, bool) = (None, false);
    loop {
        let found = contested(&shared.storage, plans).await?;
        // Syncs are told apart by their ids alone, so that both sides come to the same answer.
        let smaller = found.iter().find(|(sync, _)| claimed == Claimed::Own && *sync < shared.sync);
        let Some((sync, table)) = smaller.or(found.first()) else { return Ok(swept_once) };
        if smaller.is_some() && swept_once {
            return Err(Error::transient(format!(
                "Sync {sync} loads table {table} as well, and began before this one. Two syncs cannot replace the rows of one \
                 table: run this one again when the other has ended."
            )));
        }
        if begun.elapsed() > most {
            return Err(Error::transient(format!(
                "Sync {sync} loads table {table} as well, and has not ended. Two syncs cannot replace the rows of one \
                 table: run this one again when the other has ended."
            )));
        }
        // One that is known to be dead is cleared away, whatever its id is.
        if smaller.is_none() {
            if told.is_none_or(|at| at.elapsed() >= TELL) {
                told = Some(Instant::now());
                tracing::info!(
                    "Sync {sync} was loading table {table} and has not ended. If it was killed, its statements may still run: \
                     waiting until that is sure, for at most {} s.",
                    most.saturating_sub(begun.elapsed()).as_secs()
                );
            }
            tokio::time::sleep((most / 120).max(Duration::from_millis(50))).await;
        }
        let swept = sweep(&shared.storage, &shared.tables, shared).await?;
        swept_once = true;
        if let Some((_, why)) = swept.kept.into_iter().find(|(kept, _)| kept == sync) {
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

/// The claims in the way, in the order of ids: whose, and of which table.
async fn contested(storage: &Storage, plans: &[(String, Change)]) -> Result<Vec<(Uuid, String)>> {
    let mut others = Lease::others(storage).await?;
    others.sort_unstable();
    let mut found = Vec::new();
    for sync in others {
        let meets = |claim: &claims::Claim| {
            let meets = |(table, change): &(String, Change)| {
                *table == claim.table && (*change, claim.change) != (Change::Adds, Change::Adds)
            };
            plans.iter().any(meets)
        };
        found.extend(claims::of(storage, sync).await?.into_iter().find(meets).map(|claim| (sync, claim.table)));
    }
    Ok(found)
}

#[cfg(test)]
#[path = "contest_tests.rs"]
mod tests;
