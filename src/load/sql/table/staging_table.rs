//! The table in the catalog over a stream's staging folder, where one is needed. It is created when it is needed, and gets another name if a statement
//! that reads it may still run.

use std::sync::Arc;

use super::super::plan::{StagedRows, create_staging_table};
use super::super::statements::{self, TableName};
use super::super::{SqlSession, TablePlace};
use crate::databricks::conditions::lacks_privilege;
use crate::error::{Error, Result, ResultExt};
use crate::recovery::left_behind::note_staging_table;
use crate::schema::columns::TableSchema;
use crate::stage::staged::Staged;

/// The staging table of one final table.
pub struct StagingTable {
    staged: Staged,
    /// The columns of its files.
    columns: Arc<TableSchema>,
    name: TableName,
    /// How often it got another name.
    renamed: u32,
    /// The server has confirmed that it exists.
    is_made: bool,
    /// The path of its folder, for statements.
    uri: String,
}

impl StagingTable {
    /// The staging table of the final table `table`, over `folder` with files of `columns`. Sends nothing.
    pub fn new(session: &Arc<SqlSession>, table: &TableName, folder: &str, columns: &Arc<TableSchema>) -> Self {
        let staged = match session.place {
            TablePlace::InStorage(format) => Staged::new(format, folder),
            TablePlace::Managed { .. } => Staged::Files { folder: folder.to_owned() },
        };
        let uri = session.storage.uri(folder);
        let (name, columns) = (named(session, table, &staged, 0), Arc::clone(columns));
        Self { staged, columns, name, renamed: 0, is_made: false, uri }
    }

    /// The staged rows that it reads.
    pub fn staged(&self) -> &Staged {
        &self.staged
    }

    /// Its present name.
    pub fn name(&self) -> &TableName {
        &self.name
    }

    /// What statements read: the table, or the files themselves.
    pub fn rows(&self) -> StagedRows<'_> {
        if self.is_table() { StagedRows::Table(&self.name) } else { StagedRows::Folder(&self.uri) }
    }

    /// Whether there is a table over the files.
    pub fn is_table(&self) -> bool {
        !matches!(self.staged, Staged::Files { .. })
    }

    /// What keeps its loads apart from those of other streams: its present name, or its folder.
    pub fn key(&self) -> String {
        if self.is_table() { self.name.to_string() } else { self.staged.folder().to_owned() }
    }

    /// Creates it, unless it exists; a load that follows then sees all files. `has_new`: there may be files that it did not have when it
    /// was read last.
    pub async fn ensure(&mut self, session: &SqlSession, has_new: bool) -> Result<()> {
        let shown = |folder: &str| session.storage.uri(folder);
        let Some(statement) = create_staging_table(&self.name, &self.staged, &self.columns, shown) else {
            return Ok(());
        };
        if self.is_made {
            return match self.staged {
                Staged::Csv { .. } if has_new => self.list_again(session).await,
                Staged::DeltaTable { .. } | Staged::Csv { .. } | Staged::Files { .. } => Ok(()),
            };
        }
        self.ensure_schema(session).await?;
        // Noted before it is created: everything that may exist has to be dropped later.
        session.staging().insert(self.name.to_string());
        if self.renamed > 0 {
            note_staging_table(&session.storage, session.sync, &self.name.path(), &self.name.to_string()).await?;
        }
        let made = session.execute(&statement).await;
        if made.as_ref().is_err_and(lacks_privilege) {
            // It was not created, and its files need not be kept for it.
            session.staging().remove(&self.name.to_string());
        }
        made.context(|| format!("creating the staging table over {}", session.storage.uri(self.staged.folder())))?;
        self.is_made = true;
        Ok(())
    }

    /// Makes the server find the files that came since it looked last: it remembers what it has found.
    async fn list_again(&self, session: &SqlSession) -> Result<()> {
        session.execute(&statements::refresh(&self.name)).await.map(|_| ())
    }

    async fn ensure_schema(&self, session: &SqlSession) -> Result<()> {
        let schema = self.name.schema();
        let for_staging = |error: Error| {
            let message = format!("Creating schema {schema}, the `staging_schema`, failed: {error}");
            Error::new(error.kind(), message).with_source(error)
        };
        session.ensure_schema(schema).await.map_err(for_staging)
    }

    /// Drops it. After that, no statement that reads it can begin.
    pub async fn drop(&mut self, session: &SqlSession) -> Result<()> {
        let name = self.name.to_string();
        session.drop_all(std::slice::from_ref(&name)).await?;
        session.staging().remove(&name);
        Ok(())
    }

    /// Gives it another name, under which it does not exist yet. `table`: the final table.
    pub fn rename(&mut self, session: &SqlSession, table: &TableName) {
        self.renamed += 1;
        self.is_made = false;
        self.name = named(session, table, &self.staged, self.renamed);
    }
}

fn named(session: &SqlSession, table: &TableName, staged: &Staged, renamed: u32) -> TableName {
    let name = table.staging_table(session.staging_schema.as_deref(), session.sync, renamed);
    match staged {
        Staged::DeltaTable { .. } | Staged::Files { .. } => name,
        Staged::Csv { .. } => name.of_texts(),
    }
}
