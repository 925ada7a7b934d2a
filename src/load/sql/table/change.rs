//! Statements that change rows, whose answers may be lost: one is sent again only when its earlier copies can no longer commit.

use super::super::answers;
use super::super::plan::{Answered, Plan};
use super::super::statements;
use super::SqlTable;
use crate::databricks::Changed;
use crate::error::{Error, Result, ResultExt, Tag};
use crate::recovery::lease::Lease;

/// How often a statement is sent at most if its answer is lost each time.
const MOST_SENDINGS: u32 = 8;
/// How often a statement is sent at most if somebody cancels it each time: a restart of the warehouse cancels it once, a person may
/// do so every time.
const MOST_CANCELLED: u32 = 3;

impl SqlTable {
    /// Runs the statement of `plan` to its end.
    ///
    /// If its answer is lost, it is sent again only after [`Self::stop_earlier_statement`], so that at most one copy commits: a
    /// server that detects conflicts row by row may let both commit.
    pub(super) async fn change(&mut self, plan: &Plan) -> Result<Answered> {
        let (mut sendings, mut is_refreshed) = (1, false);
        let mut waits = self.session.transport.waits();
        loop {
            self.staging.ensure(&self.session, false).await?;
            Lease::ensure_held(&self.session.storage)?;
            let mut changed = self.send(plan).await;
            while let Some(error) = Changed::why_refused(&changed)
                && (self.learns_collation(error)
                    || self.relaxes(error).await?
                    || self.spares_others(error)
                    || self.looks_again(error, &mut is_refreshed).await?)
            {
                changed = self.send(plan).await;
            }
            // Earlier copies of unknown outcome may still run.
            let is_over =
                matches!(changed, Ok(Changed::Done(_))) || sendings == 1 && matches!(changed, Ok(Changed::Refused(_)));
            if !is_over {
                // Config errors count too: a refused token says nothing about the statement.
                self.session.unknown_outcomes().insert(self.staging.key(), self.name.clone());
            }
            let (why, most) = match changed? {
                Changed::Done(answer) => {
                    let (is_repeated, is_guarded) = (sendings > 1, !self.staging.is_table());
                    if is_repeated && self.staging.is_table() {
                        // Against a copy that had read its staging table but not yet begun its transaction at the first fence.
                        self.fence_earlier_statements().await?;
                    }
                    return Ok(Answered {
                        inserted: answers::inserted(&answer),
                        updated: answers::updated(&answer),
                        affected: answers::affected(&answer),
                        is_repeated,
                        is_guarded,
                        counted_before: None,
                    });
                }
                Changed::Refused(error) => return Err(error),
                Changed::Unknown(why) => (why, MOST_SENDINGS),
                Changed::Cancelled(why) => (why, MOST_CANCELLED),
            };
            if sendings >= most {
                return Err(why);
            }
            if !self.staging.is_table() && !plan.files_to_hide().is_empty() {
                self.hide(plan).await?;
                return Err(why).context(|| "the rows are loaded by the next attempt".to_owned());
            }
            tracing::info!(
                "It is not known whether a statement has changed {}. It is sent again as soon as the first copy can no longer \
                 commit, or can do no harm: {why}",
                self.name
            );
            // Without a staging table, a COPY INTO leaves out the files that another copy has loaded, and of two replacements by the
            // same files the second changes nothing. What may still run is stopped at the end of the sync.
            if self.staging.is_table() {
                self.stop_earlier_statement().await?;
            }
            waits.wait(None).await;
            sendings += 1;
        }
    }

    async fn send(&self, plan: &Plan) -> Result<Changed> {
        let names = self.names();
        self.session.change(&plan.statement(&names)?, &plan.told().statement(&names)?).await
    }

    /// Whether `error` is about collations and the table was not known to have one; if so, further statements name it. A new table
    /// gets the collation of its schema.
    pub(super) fn learns_collation(&mut self, error: &Error) -> bool {
        let is_new = !self.name.is_collated() && error.has(Tag::CollationMismatch);
        if is_new {
            self.name = self.name.clone().with_collation();
        }
        is_new
    }

    /// Makes the server read the staging table again, if `error` says that it has not seen all of its rows: once for each statement.
    async fn looks_again(&self, error: &Error, is_refreshed: &mut bool) -> Result<bool> {
        if !self.staging.is_table() || !error.has(Tag::UnseenRows) || std::mem::replace(is_refreshed, true) {
            return Ok(false);
        }
        self.session.execute(&statements::refresh(self.staging.name())).await.map(|_| true)
    }

    /// Makes sure that a statement of unknown outcome has committed by now or never will: without its staging table it cannot
    /// begin, and if it has begun, it fails at the fence. The next copy reads the same files through a staging table of another
    /// name.
    async fn stop_earlier_statement(&mut self) -> Result<()> {
        self.staging.drop(&self.session).await?;
        self.session.fence(&self.name).await?;
        self.staging.rename(&self.session, &self.name);
        Ok(())
    }

    /// Makes sure that no copy of the statement of `plan`, which reads files by their names, commits any more: without them it cannot begin,
    /// and if it has begun, it fails at the fence. The rows are not acknowledged.
    async fn hide(&self, plan: &Plan) -> Result<()> {
        let folder = self.staging.staged().folder();
        let files: Vec<String> = plan.files_to_hide().iter().map(|name| format!("{folder}/{name}")).collect();
        self.session.storage.delete(&files).await?;
        self.session.fence(&self.name).await.map(|_| ())
    }

    /// Sets the last fence against earlier copies, after a later copy has run to its end. If the user may not set it, their outcome
    /// stays unknown until the end of the sync.
    async fn fence_earlier_statements(&self) -> Result<()> {
        if self.session.fence(&self.name).await? {
            self.session.unknown_outcomes().retain(|_, table| table.path() != self.name.path());
        }
        Ok(())
    }
}
