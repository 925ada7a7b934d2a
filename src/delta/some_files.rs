//! The files of a table one by one: what is known of each, and the removal of some of them.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use delta_kernel::engine_data::{GetData, RowVisitor, TypedGetData};
use delta_kernel::expressions::ColumnName;
use delta_kernel::scan::state::{DvInfo, ScanFile};
use delta_kernel::schema::DataType;
use delta_kernel::snapshot::SnapshotRef;
use delta_kernel::{FilteredEngineData, KernelResult};
use percent_encoding::percent_decode_str;

use super::engine::LogEngine;
use crate::error::{Error, Result};

/// A file of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFile {
    /// Its path as the log has it: relative to the table's folder and percent-encoded, or a URL.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// The rows that a deletion vector takes away, counted from 0, in ascending order.
    pub deleted: Vec<u64>,
}

/// All files of the table.
pub fn all(inner: &SnapshotRef, engine: &LogEngine) -> KernelResult<Vec<TableFile>> {
    let scan = Arc::clone(inner).scan_builder().build()?;
    let mut found: Vec<(String, i64, DvInfo)> = Vec::new();
    for metadata in scan.scan_metadata(engine)? {
        let note = |found: &mut Vec<_>, file: ScanFile| found.push((file.path, file.size, file.dv_info));
        found = metadata?.visit_scan_files(found, note)?;
    }
    let mut files = Vec::with_capacity(found.len());
    for (path, size, vector) in found {
        let mut deleted = vector.get_row_indexes(engine, inner.table_root())?.unwrap_or_default();
        deleted.sort_unstable();
        files.push(TableFile { path, size: u64::try_from(size).unwrap_or(0), deleted });
    }
    Ok(files)
}

/// The name of a file in the folder of its table, `shown` to users, by its path in the log.
///
/// # Errors
/// A config error: it lies elsewhere.
pub fn name_of(path: &str, shown: &str) -> Result<String> {
    let is_elsewhere = path.contains("://") || path.starts_with('/') || path.split('/').any(|part| part == "..");
    let decoded = percent_decode_str(path).decode_utf8().ok().filter(|_| !is_elsewhere);
    decoded.map(Cow::into_owned).ok_or_else(|| {
        Error::config(format!(
            "Table {shown} has files outside of its folder (it is a shallow clone), whose rows this version cannot replace by their \
             primary key. Load it through Databricks, or make a deep clone of it."
        ))
    })
}

/// Those of `files` whose paths are `names`.
pub fn of(files: Vec<FilteredEngineData>, names: &BTreeSet<String>) -> KernelResult<Vec<FilteredEngineData>> {
    let mut found = Vec::new();
    for files in files {
        let (data, mut selected) = files.into_parts();
        selected.resize(data.len(), true);
        let mut chosen = Chosen { names, selected };
        chosen.visit_rows_of(data.as_ref())?;
        if chosen.selected.contains(&true) {
            found.push(FilteredEngineData::try_new(data, chosen.selected)?);
        }
    }
    Ok(found)
}

/// Takes files with other names out of a selection.
struct Chosen<'n> {
    names: &'n BTreeSet<String>,
    selected: Vec<bool>,
}

impl RowVisitor for Chosen<'_> {
    fn selected_column_names_and_types(&self) -> (&'static [ColumnName], &'static [DataType]) {
        static PATH: LazyLock<(Vec<ColumnName>, Vec<DataType>)> =
            LazyLock::new(|| (vec![ColumnName::new(["path"])], vec![DataType::STRING]));
        (&PATH.0, &PATH.1)
    }

    fn visit<'a>(&mut self, row_count: usize, getters: &[&'a dyn GetData<'a>]) -> KernelResult<()> {
        let Some(paths) = getters.first() else { return Ok(()) };
        for (row, selected) in self.selected.iter_mut().enumerate().take(row_count) {
            if *selected {
                let path: String = paths.get(row, "scanFile.path")?;
                *selected = self.names.contains(&path);
            }
        }
        Ok(())
    }
}
