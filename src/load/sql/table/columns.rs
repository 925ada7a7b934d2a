//! Adds the columns that a table lacks for a stream's files, before the first load. Other syncs may add columns at the same time.

use super::super::answers::Description;
use super::super::found_columns;
use super::super::statements::{self, columns};
use super::SqlTable;
use crate::error::{Error, Kind, Result, ResultExt, Tag};
use crate::load::columns::fit_files;
use crate::recovery::lease::Lease;
use crate::schema::alter::{Alter, required};
use crate::schema::fit::Terms;
use crate::schema::table_type::FoundColumn;

/// How often the columns are looked at again, because somebody else changes them too.
const ATTEMPTS: u32 = 5;

impl SqlTable {
    /// Gives the table the columns that the staged files have and it lacks. Where its rows are replaced, the statement that
    /// replaces them does.
    ///
    /// # Errors
    /// What the server says, and a transient error where somebody else has given the table other ones.
    pub(super) async fn ensure_columns(&mut self) -> Result<()> {
        if self.fitted.changes.is_empty() || self.table_state.replaces {
            return Ok(());
        }
        let mut changes = std::mem::take(&mut self.fitted.changes);
        for _ in 0..ATTEMPTS {
            let refused = self.alter(&changes).await;
            // What the server has made of it counts, also where it refused: somebody else may have added the same column.
            let before = std::mem::replace(&mut changes, self.missing().await?);
            if changes.is_empty() {
                return Ok(());
            }
            if let Err(error) = refused
                && changes == before
                && error.kind() != Kind::Transient
            {
                self.fitted.changes = changes;
                return Err(error).context(|| format!("changing the columns of {}", self.name));
            }
        }
        let missing: Vec<String> = changes.iter().map(|change| change.path().join(".")).collect();
        self.fitted.changes = changes;
        Err(Error::transient(format!(
            "The columns of {} were changed {ATTEMPTS} times and are still not those of stream {}: {}.",
            self.name,
            self.target.stream,
            missing.join(", ")
        )))
    }

    async fn alter(&self, changes: &[Alter]) -> Result<()> {
        for statement in columns::alter(&self.name, changes) {
            Lease::ensure_held(&self.session.storage)?;
            self.session.execute(&statement).await?;
        }
        Ok(())
    }

    /// Whether `error` says that a column must have a value, and it need not any more: a description does not tell which ones must.
    pub(super) async fn relaxes(&mut self, error: &Error) -> Result<bool> {
        let may_change = self.session.evolution || self.table_state.replaces;
        let Some(name) = error.name().filter(|_| error.has(Tag::NeedsValue) && may_change) else { return Ok(false) };
        // Where a server goes on to say it of the same column, it is told.
        if self.relaxed.iter().any(|relaxed| relaxed == name) {
            return Ok(false);
        }
        let paths = required(&self.columns().await?, name);
        if paths.is_empty() {
            return Ok(false);
        }
        self.relaxed.push(name.to_owned());
        let changes: Vec<Alter> = paths.into_iter().map(|path| Alter::Relax { path }).collect();
        let relaxed = self.alter(&changes).await;
        relaxed.context(|| format!("changing the columns of {}", self.name)).map(|()| true)
    }

    /// What the table lacks now.
    async fn missing(&self) -> Result<Vec<Alter>> {
        let found = self.columns().await?;
        let terms = Terms { evolution: self.session.evolution, replaces: false, widens: self.widens };
        fit_files(&self.fitted.files, (&self.name.to_string(), &self.target.stream), || found, terms, false)
    }

    /// The columns that the table has now.
    async fn columns(&self) -> Result<Vec<FoundColumn>> {
        let answer = self.session.execute(&statements::describe(&self.name)).await;
        let described = Description::read(&answer.context(|| "describing the table".to_owned())?);
        found_columns::columns(&self.session, &self.name, &described).await
    }
}
