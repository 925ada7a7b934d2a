//! What proves that a load is whole, and that its keys have one row each: the answer to its statement, or counts.

use super::Plan;

/// The answer to the statement of a plan that has run to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// How many rows it inserted, if its result says so.
    pub inserted: Option<u64>,
    /// How many rows it updated, if its result says so.
    pub updated: Option<u64>,
    /// How many rows it inserted, changed and deleted.
    pub affected: Option<u64>,
    /// It was sent before, and that answer was lost.
    pub is_repeated: bool,
    /// It fails unless it finds all staged rows.
    pub is_guarded: bool,
    /// How many rows of the load were counted before it, if they were counted.
    pub counted_before: Option<u64>,
}

/// What follows from a count of a load's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The load is whole.
    Whole,
    /// Let the server read the staging table again, then run the statement again.
    RunAgain,
    /// Count the staged rows too: it is not known how many rows the statement inserted, and the missing ones may be in the table
    /// and hidden.
    CountStaged,
}

/// Why a load is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortfall {
    /// Inserted rows are not visible in the table: each further run would insert them again.
    Hidden {
        /// How many rows the statement has inserted.
        inserted: u64,
        /// How many should be visible.
        expected: u64,
    },
    /// The count differs from the [expected](Plan::expected) one.
    Miscounted,
}

impl Plan {
    /// Whether the result of the statement proves that the load is whole; if not, its rows must be counted.
    pub fn is_proven_by(&self, answered: &Answered) -> bool {
        match self {
            Self::Empty => true,
            // A copy whose answer was lost may have inserted some of the rows.
            Self::Append { stats, .. } => answered.is_the_only_copy() && answered.inserted == Some(stats.rows),
            // Nothing may have been read at all.
            Self::Upsert { .. } => answered.is_the_only_copy() && answered.affected.is_some_and(|rows| rows > 0),
            Self::Replace(stats) => answered.is_guarded && answered.inserted == Some(stats.rows),
        }
    }

    /// Whether the result of the statement, which was whole, proves that the table has one row of each key of the load. A MERGE changes each
    /// row that has one: if others have added rows, it has changed and added more than there are keys that stay.
    pub fn leaves_one_of_each(&self, answered: &Answered) -> bool {
        let Self::Upsert { survey, .. } = self else { return true };
        let (Some(inserted), Some(updated)) = (answered.inserted, answered.updated) else { return false };
        let is_as_surveyed = survey.as_ref().is_some_and(|survey| inserted.checked_add(updated) == Some(survey.live));
        answered.is_the_only_copy() && (updated == 0 || is_as_surveyed)
    }

    /// What to do after `found` rows were counted in the table.
    ///
    /// # Errors
    /// The load is not whole, and running its statement again would not help.
    pub fn after_count(&self, answered: &Answered, found: u64) -> Result<Next, Shortfall> {
        let inserted = answered.inserted.unwrap_or_default();
        let expected = inserted.saturating_add(answered.counted_before.unwrap_or_default());
        if expected > found {
            return Err(Shortfall::Hidden { inserted, expected });
        }
        if found == self.expected() {
            return Ok(Next::Whole);
        }
        match self {
            // The server may have used a state of the staging table before its newest batch.
            Self::Append { stats, .. } if found < stats.rows && answered.counted_before.is_none() => {
                let is_known = !answered.is_repeated && answered.inserted.is_some();
                Ok(if is_known { Next::RunAgain } else { Next::CountStaged })
            }
            Self::Upsert { stats, .. } if found < stats.rows && answered.counted_before.is_none() => Ok(Next::RunAgain),
            _ => Err(Shortfall::Miscounted),
        }
    }

    /// What to do after `staged` rows were counted in the staging table, and `found` of them in the table.
    ///
    /// # Errors
    /// Rows that the statement has read are not visible in the table.
    pub fn after_staged_count(&self, found: u64, staged: u64) -> Result<Next, Shortfall> {
        if found >= staged {
            return Ok(Next::RunAgain);
        }
        Err(Shortfall::Hidden { inserted: self.expected(), expected: self.expected() })
    }
}

impl Answered {
    /// No other copy of the statement has run.
    pub fn is_the_only_copy(&self) -> bool {
        !self.is_repeated && self.counted_before.is_none()
    }
}
