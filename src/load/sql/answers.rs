//! Reads the results of statements: names, a table's description, numbers of rows. Pure.
//!
//! Databricks and open-source Spark name columns differently and add lines of their own. Unknown parts are skipped; a missing
//! required part is an error.

use std::collections::{BTreeMap, HashSet};

use crate::databricks::QueryResult;
use crate::error::{Error, Result};
use crate::schema::dedup;

/// The line after which a description says what a table is.
const DETAILS: &str = "# Detailed Table Information";
/// Lines after which a description lists the columns that a table is partitioned by.
const PARTITIONS: [&str; 2] = ["# Partition Information", "# Partitioning"];
/// The line after which a description lists the columns that a table is clustered by.
const CLUSTERS: &str = "# Clustering Information";
/// The line, or the field among the details, that shows a row filter.
const ROW_FILTER: &str = "row filter";
/// The line after which a description lists the columns that have a mask.
const MASKS: &str = "# Column Masks";

/// A table as DESCRIBE TABLE EXTENDED shows it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// Names and types of the columns, as the table spells them.
    pub columns: Vec<(String, String)>,
    /// The columns that it is clustered by.
    pub clustered_by: Vec<String>,
    /// Whether it has partitions.
    pub partitioned: bool,
    /// `EXTERNAL`, `MANAGED`, `VIEW` and others.
    pub kind: Option<String>,
    /// The format of its files.
    pub provider: Option<String>,
    /// The folder of its files, as a URL.
    pub location: Option<String>,
    /// Its comment.
    pub comment: Option<String>,
    /// Whether it has a row filter.
    pub filtered: bool,
    /// The columns that have a mask, in lower case.
    pub masked: Vec<String>,
    /// Whether it says by which key its rows were loaded.
    pub is_keyed: bool,
}

impl Description {
    /// Reads the result of DESCRIBE TABLE EXTENDED.
    pub fn read(answer: &QueryResult) -> Self {
        let mut description = Self::default();
        let (mut in_columns, mut in_partitions, mut in_details, mut in_masks) = (true, false, false, false);
        let mut in_clusters = false;
        for row in &answer.rows {
            let (name, value) = (text(row, 0).trim(), text(row, 1).trim());
            description.filtered |= !in_columns && name.trim_start_matches(['#', ' ']).eq_ignore_ascii_case(ROW_FILTER);
            if name.is_empty() || name.starts_with('#') {
                in_columns = false;
                in_masks = name == MASKS || (in_masks && name.starts_with("# col_name"));
                in_partitions = PARTITIONS.contains(&name) || (in_partitions && name.starts_with("# col_name"));
                in_clusters = name == CLUSTERS || (in_clusters && name.starts_with("# col_name"));
                in_details |= name == DETAILS;
            } else if in_columns {
                description.columns.push((name.to_owned(), value.to_owned()));
            } else if in_clusters {
                description.clustered_by.push(name.to_owned());
            } else if in_masks {
                description.masked.push(name.to_lowercase());
            } else if in_details {
                let name = name.to_lowercase();
                description.is_keyed |= name == "table properties" && value.contains(dedup::PROPERTY);
                let field = match name.as_str() {
                    "type" => &mut description.kind,
                    "provider" => &mut description.provider,
                    "location" => &mut description.location,
                    "comment" => &mut description.comment,
                    _ => continue,
                };
                field.get_or_insert_with(|| value.to_owned());
            } else if in_partitions && !name.starts_with("Not partitioned") {
                description.partitioned = true;
            }
        }
        description
    }
}

/// The names in the column called `column`, else in the one at index `otherwise`, in lower case and without temporary views.
pub fn names(answer: &QueryResult, column: &str, otherwise: usize) -> HashSet<String> {
    let at = position(answer, column).unwrap_or(otherwise);
    let temporary = position(answer, "isTemporary");
    let lasting =
        answer.rows.iter().filter(|row| temporary.is_none_or(|at| !text(row, at).eq_ignore_ascii_case("true")));
    // Spark puts names that are numbers in backticks.
    lasting.map(|row| text(row, at).trim_matches('`').to_lowercase()).collect()
}

/// Keys and values of SHOW TBLPROPERTIES.
pub fn properties(answer: &QueryResult) -> BTreeMap<String, String> {
    answer.rows.iter().map(|row| (text(row, 0).to_owned(), text(row, 1).to_owned())).collect()
}

/// The texts in the one row of an answer.
pub fn texts(answer: &QueryResult) -> Vec<String> {
    answer.rows.first().map(|row| (0..row.len()).map(|at| text(row, at).to_owned()).collect()).unwrap_or_default()
}

/// The number of rows that a statement has inserted, if its result has it.
pub fn inserted(answer: &QueryResult) -> Option<u64> {
    number_in(answer, "num_inserted_rows")
}

/// The number of rows that a statement has updated, if its result has it.
pub fn updated(answer: &QueryResult) -> Option<u64> {
    number_in(answer, "num_updated_rows")
}

/// The number of rows that a statement has inserted, changed and deleted, if its result has it.
pub fn affected(answer: &QueryResult) -> Option<u64> {
    number_in(answer, "num_affected_rows")
}

fn number_in(answer: &QueryResult, column: &str) -> Option<u64> {
    text(answer.rows.first()?, position(answer, column)?).parse().ok()
}

/// The number in the first column of the first row.
///
/// # Errors
/// A system error if there is none.
pub fn number(answer: &QueryResult) -> Result<u64> {
    let number = answer.rows.first().and_then(|row| text(row, 0).parse().ok());
    number.ok_or_else(|| Error::system("A statement that counts rows was answered without a number."))
}

fn position(answer: &QueryResult, column: &str) -> Option<usize> {
    answer.columns.iter().position(|name| name.eq_ignore_ascii_case(column))
}

fn text(row: &[Option<String>], at: usize) -> &str {
    row.get(at).and_then(Option::as_deref).unwrap_or_default()
}

#[cfg(test)]
#[path = "answers_tests.rs"]
mod tests;
