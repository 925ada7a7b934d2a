//! Clustered tables that would refuse the files of typed columns, found out before a file is there.
//!
//! A file of a clustered table has to have the bounds of the columns by which the table is clustered. The log of typed columns
//! has no bounds. Which columns a table is clustered by the kernel only tells when it refuses a file: so it is given one, in a
//! commit that is never made.

use std::sync::Arc;

use delta_kernel::engine::arrow_data::ArrowEngineData;
use delta_kernel::snapshot::SnapshotRef;
use delta_kernel::transaction::UpdateTableOperation;
use delta_kernel::{KernelError, KernelResult};
use serde_json::Value;

use super::actions::{DataFile, ENGINE_INFO};
use super::adds;
use super::engine::LogEngine;
use super::replace::Removals;
use crate::error::{Error, Result};
use crate::schema::columns::TableSchema;
use crate::schema::stats::{RowStats, Span};

const FEATURE: &str = "clustering";

/// Refuses a table that is clustered and so takes no files with the columns of `schema`, which are typed.
///
/// # Errors
/// A config error.
pub fn ensure_takes(inner: &SnapshotRef, engine: &LogEngine, shown: &str, schema: &TableSchema) -> Result<()> {
    let protocol = serde_json::to_value(inner.table_configuration().protocol()).unwrap_or_default();
    let features = protocol.get("writerFeatures").and_then(Value::as_array).into_iter().flatten();
    if !features.into_iter().any(|feature| feature.as_str() == Some(FEATURE)) {
        return Ok(());
    }
    match try_file(inner, engine, schema) {
        Err(error @ (KernelError::StatsValidation(_) | KernelError::MissingColumn(_))) => Err(Error::config(format!(
            "Table {shown} is clustered, which needs the smallest and largest value of each column it is clustered by in its log. \
             With `table_layout` {} these are not written. Remove the clustering (ALTER TABLE … CLUSTER BY NONE), or let Databricks \
             load the table (`databricks_server_hostname`), or move it away.",
            schema.layout()
        ))
        .with_source(error)),
        // Whatever else is wrong is told by whoever needs it to be right.
        _ => Ok(()),
    }
}

fn try_file(inner: &SnapshotRef, engine: &LogEngine, schema: &TableSchema) -> KernelResult<()> {
    let build = Arc::clone(inner).update_table(UpdateTableOperation::Write, ENGINE_INFO, true);
    let mut transaction = build.build(engine, Removals::default().collector())?;
    transaction.ack_row_tracking_preservation();
    let ids = Span { first: String::new(), last: String::new() };
    let stats = RowStats { rows: 1, ids, emitted_at: Span { first: 0, last: 0 } };
    let file = DataFile { name: "none.parquet".to_owned(), size: 1, modified_ms: 0, stats };
    let batch = adds::batch(schema, &[file]).map_err(KernelError::generic_err)?;
    transaction.add_files(Box::new(ArrowEngineData::new(batch)));
    transaction.commit(engine).map(drop)
}
