//! The actions of a commit as JSON lines, for logs that are written without being read first. The kernel's own
//! `create_table` is part of its `internal-api` alone (0.30.1), which any version may change.
//!
//! Source: the Delta transaction log protocol, <https://github.com/delta-io/delta/blob/master/PROTOCOL.md>. Tables are
//! made with reader version 1 and writer version 2, which every Delta reader opens, unless a column needs more.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::{bounds, evolve};

pub use super::bounds::Readers;
use crate::schema::columns::TableSchema;
use crate::schema::stats::RowStats;

/// The name and version of this program in a log.
pub const ENGINE_INFO: &str = concat!("destination-databricks/", env!("CARGO_PKG_VERSION"));

/// A data file, as an `add` action describes it.
#[derive(Debug, Clone)]
pub struct DataFile {
    /// File name; the file lies in the folder of the table whose log names it.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was written, in milliseconds since the epoch.
    pub modified_ms: i64,
    /// The statistics of its rows.
    pub stats: RowStats,
}

/// What a table's first commit says of the table, beside its columns.
pub struct TableMetadata {
    /// The table's id.
    pub id: Uuid,
    /// A sentence for users, shown by readers of the table.
    pub description: String,
    /// Table properties.
    pub configuration: BTreeMap<String, String>,
}

/// One commit.
pub struct Commit<'a> {
    /// The table's columns.
    pub schema: &'a TableSchema,
    /// Makes the table; in its first commit only, which is then version 0.
    pub create: Option<TableMetadata>,
    /// Application transactions: id and version.
    pub transactions: Vec<(String, i64)>,
    /// Files that are added to the table.
    pub add: &'a [DataFile],
    /// Who reads the log.
    pub readers: Readers,
}

impl Commit<'_> {
    /// The commit's text: one action a line. `now_ms`: milliseconds since the epoch.
    pub fn to_bytes(&self, now_ms: i64) -> Vec<u8> {
        let operation = if self.create.is_some() { "CREATE TABLE AS SELECT" } else { "WRITE" };
        let mut lines = vec![json!({"commitInfo": {
            "timestamp": now_ms, "operation": operation, "operationParameters": {"mode": "Append"},
            "isBlindAppend": true, "engineInfo": ENGINE_INFO,
        }})];
        if let Some(table) = &self.create {
            lines.push(json!({"protocol": evolve::protocol_of_new(&self.schema.delta())}));
            lines.push(json!({"metaData": {
                "id": table.id, "description": table.description, "format": {"provider": "parquet", "options": {}},
                "schemaString": self.schema.delta(), "partitionColumns": [], "configuration": table.configuration,
                "createdTime": now_ms,
            }}));
        }
        for (app_id, version) in &self.transactions {
            lines.push(json!({"txn": {"appId": app_id, "version": version, "lastUpdated": now_ms}}));
        }
        for file in self.add {
            lines.push(json!({"add": {
                "path": file.name, "partitionValues": {}, "size": file.size, "modificationTime": file.modified_ms,
                "dataChange": true, "stats": bounds::text(self.schema, &file.stats, self.readers),
            }}));
        }
        let mut bytes = Vec::new();
        for line in lines {
            bytes.extend_from_slice(line.to_string().as_bytes());
            bytes.push(b'\n');
        }
        bytes
    }
}

/// What the clean-up of a dead sync reads in a staging log's commit: the files that it added, and their batch.
#[derive(Debug, Default)]
pub struct CommitSummary {
    /// Table properties, where the commit sets them.
    pub configuration: Option<BTreeMap<String, String>>,
    /// File names.
    pub added: Vec<String>,
    /// Bytes of the largest of these files.
    pub largest: u64,
    /// Application transactions: id and version.
    pub transactions: Vec<(String, i64)>,
}

impl CommitSummary {
    /// Reads a commit's text; lines that cannot be read are skipped: this program did not write them.
    pub fn read(bytes: &[u8]) -> Self {
        #[derive(Deserialize, Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Line {
            add: Option<AddLine>,
            txn: Option<TxnLine>,
            meta_data: Option<MetaLine>,
        }
        #[derive(Deserialize, Serialize)]
        struct AddLine {
            path: String,
            #[serde(default)]
            size: u64,
        }
        #[derive(Deserialize, Serialize)]
        #[serde(rename_all = "camelCase")]
        struct TxnLine {
            app_id: String,
            version: i64,
        }
        #[derive(Deserialize, Serialize)]
        struct MetaLine {
            configuration: BTreeMap<String, String>,
        }
        let mut summary = Self::default();
        for line in bytes.split(|byte| *byte == b'\n') {
            let Ok(line) = serde_json::from_slice::<Line>(line) else { continue };
            if let Some(add) = line.add {
                summary.largest = summary.largest.max(add.size);
                summary.added.push(add.path);
            }
            summary.transactions.extend(line.txn.map(|txn| (txn.app_id, txn.version)));
            if let Some(meta) = line.meta_data {
                summary.configuration = Some(meta.configuration);
            }
        }
        summary
    }
}

#[cfg(test)]
#[path = "actions_tests.rs"]
mod tests;
