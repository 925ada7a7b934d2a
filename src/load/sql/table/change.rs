//! Statements that change rows, and answers that are lost: one is sent again only when its earlier copies cannot commit any more.

use super::super::answers;
use super::super::plan::{Answered, Plan};
use super::SqlTable;
use crate::databricks::Changed;
use crate::error::{Error, Result, Tag};
use crate::storage::Lease;

/// How often a statement that changes rows is sent, if its answer is lost each time.
const MOST_SENDINGS: u32 = 8;
/// How often one is sent that somebody else cancels: a restart of the warehouse cancels it once, a person who does not want it
/// does so again and again.
const MOST_CANCELLED: u32 = 3;

impl SqlTable {
    /// Runs the statement of `plan` to its end.
    ///
    /// Where its answer is lost, it is sent again only after its first copy is [settled](Self::stop_earlier_statement), so that one of
    /// the two commits: a server that looks for conflicts row by row may let both.
    pub(super) async fn change(&mut self, plan: &Plan) -> Result<Answered> {
        let mut sendings = 1;
        let mut waits = self.session.transport.waits();
        loop {
            self.staging.ensure(&self.session).await?;
            Lease::ensure_held(&self.session.storage)?;
            let mut changed = self.session.change(&plan.statement(&self.names())).await;
            if Changed::why_refused(&changed).is_some_and(|error| self.learns_collation(error)) {
                changed = self.session.change(&plan.statement(&self.names())).await;
            }
            // If earlier copies have an unknown fate, the server may still have one of those.
            let is_over =
                matches!(changed, Ok(Changed::Done(_))) || sendings == 1 && matches!(changed, Ok(Changed::Refused(_)));
            if !is_over {
                // Errors of the configuration, too: a token that is refused says nothing about the statement.
                self.session.unknown_outcomes().insert(self.staging_table(), self.name.clone());
            }
            let (why, most) = match changed? {
                Changed::Done(answer) => {
                    let is_repeated = sendings > 1;
                    if is_repeated {
                        // For a copy that had found its staging table and had not begun its transaction at the first fence.
                        self.fence_earlier_statements().await?;
                    }
                    return Ok(Answered { inserted: answers::inserted(&answer), is_repeated, counted_before: None });
                }
                Changed::Refused(error) => return Err(error),
                Changed::Unknown(why) => (why, MOST_SENDINGS),
                Changed::Cancelled(why) => (why, MOST_CANCELLED),
            };
            if sendings >= most {
                return Err(why);
            }
            tracing::info!(
                "Whether a statement has changed {} is not known. It is sent again as soon as the first one cannot do so any \
                 more: {why}",
                self.name
            );
            self.stop_earlier_statement().await?;
            waits.wait(None).await;
            sendings += 1;
        }
    }

    /// Whether a server has refused to compare the table's texts: a new table takes the collation of its schema.
    pub(super) fn learns_collation(&mut self, error: &Error) -> bool {
        let is_new = !self.name.is_collated() && error.has(Tag::CollationMismatch);
        if is_new {
            self.name = self.name.clone().with_collation();
        }
        is_new
    }

    /// Makes sure that a statement of unknown fate has committed now, or never does: without the staging table that it reads it
    /// cannot begin, and if it has begun, it fails at the fence. The next statement reads the same files by another name.
    async fn stop_earlier_statement(&mut self) -> Result<()> {
        self.staging.drop(&self.session).await?;
        self.session.fence(&self.name).await?;
        self.staging.rename(&self.session, &self.name);
        Ok(())
    }

    /// After a copy that has run to its end: the last fence against the copies before it. If it cannot be set, their outcome stays
    /// unknown, and the end of the sync sets it.
    async fn fence_earlier_statements(&self) -> Result<()> {
        if self.session.fence(&self.name).await? {
            self.session.unknown_outcomes().retain(|_, table| table.path() != self.name.path());
        }
        Ok(())
    }
}
