//! Files that the warehouse for tests reads by their names: each has the ids of its rows, a line each.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::fake_warehouse::{State, answer, between, refusal};
use crate::databricks::QueryResult;
use crate::error::Result;

impl State {
    /// Adds the rows of the named files that were not loaded yet, as COPY INTO does; none if one of them is not there.
    pub(super) fn copy_into(&mut self, name: &str, statement: &str) -> Result<QueryResult> {
        assert!(statement.contains("'ignoreMissingFiles' = 'false'"), "{statement}");
        let folder = between(statement, "  FROM '", "'");
        let files: Vec<&str> =
            between(statement, "FILES = (", ")").lines().map(|line| line.trim_matches([' ', ',', '\''])).collect();
        assert!(files.len() <= 1000, "{} files", files.len());
        let mut ids = BTreeSet::new();
        for file in &files {
            let rows = fs::read_to_string(Path::new(folder).join(file)).map_err(|_| {
                refusal(&format!("[PATH_NOT_FOUND] Path does not exist: {folder}/{file}. SQLSTATE: 42K03"))
            })?;
            if !self.loaded.contains(&(name.to_owned(), (*file).to_owned())) {
                ids.extend(rows.lines().map(str::to_owned));
            }
        }
        self.loaded.extend(files.into_iter().map(|file| (name.to_owned(), file.to_owned())));
        let inserted = ids.len().to_string();
        self.tables.get_mut(name).unwrap().ids.extend(ids);
        let columns = ["num_affected_rows", "num_inserted_rows", "num_skipped_corrupt_files"];
        Ok(answer(&columns, vec![vec![inserted.clone(), inserted, "0".to_owned()]]))
    }
}

/// The rows of all files of the folder that `statement` reads; `None` if it reads a table.
pub(super) fn ids_of_folder(statement: &str) -> Option<BTreeSet<String>> {
    let folder = folder_of(statement)?;
    let files = fs::read_dir(folder).into_iter().flatten().map(|file| file.unwrap().path());
    let texts = files.filter(|file| file.is_file()).map(|file| fs::read_to_string(file).unwrap());
    Some(texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect())
}

/// What is said of a statement that reads the files of a folder and does not find what it asks for.
pub(super) fn ensure_whole(statement: &str) -> std::result::Result<(), String> {
    let (Some(folder), Some(found)) = (folder_of(statement), ids_of_folder(statement)) else { return Ok(()) };
    if fs::read_dir(folder).into_iter().flatten().next().is_none() {
        return Err(format!("[PATH_NOT_FOUND] Path does not exist: {folder}. SQLSTATE: 42K03"));
    }
    let wanted: usize = between(statement, "IF(count(*) = ", ",").parse().unwrap();
    if found.len() == wanted {
        return Ok(());
    }
    Err("[USER_RAISED_EXCEPTION] The staged files do not have these rows. SQLSTATE: P0001".to_owned())
}

fn folder_of(statement: &str) -> Option<&str> {
    statement.contains("read_files('").then(|| between(statement, "read_files('", "'"))
}
