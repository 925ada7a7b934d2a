//! Statements over staged CSV files: a table of texts, and the expressions that make values of them. `encode::csv` writes the files.
//!
//! All options are written down, whatever their defaults are: of some, they differ from version to version. What they do was tried with
//! Spark 4.0 and 4.1; Databricks documents the same ones. Where it differs: it has options for files with rows that cannot be read
//! (`badRecordsPath`, `rescuedDataColumn`), which are left out, so such a row is an error there, too.
//! Source: <https://docs.databricks.com/en/sql/language-manual/functions/read_files.html#csv-options>.
//!
//! No text becomes NULL because it is not understood: `try_cast` and `from_json` have the same rules whatever the session's ANSI mode is,
//! and what they do not understand is an error that does not show the text.

use super::{TableName, literal, quoted};
use crate::schema::columns::{Column, TableSchema};
use crate::schema::kind::Kind;

/// Columns that the reader takes at most if nothing else is said.
const MOST_COLUMNS: usize = 20_480;

/// Registers the CSV files in `location` as a table of texts. `null` is what its reader takes for NULL beside what is not there at all;
/// no value may be equal to it.
pub fn create_over(table: &TableName, columns: &TableSchema, location: &str, null: &str) -> String {
    let names: Vec<String> = columns.columns().map(|column| format!("  {} STRING", quoted(&column.name))).collect();
    let most_columns = names.len().max(MOST_COLUMNS).to_string();
    let unread = unused(&names.concat());
    let options = [
        ("header", "true"),
        // The columns are those above, whatever the header says.
        ("enforceSchema", "true"),
        ("inferSchema", "false"),
        ("sep", ","),
        ("lineSep", "\n"),
        ("multiLine", "true"),
        ("encoding", "UTF-8"),
        ("quote", "\""),
        ("escape", "\""),
        ("charToEscapeQuoteEscaping", "\""),
        ("unescapedQuoteHandling", "RAISE_ERROR"),
        ("comment", ""),
        // A value without quotes is NULL because the reader gives it this text; one with nothing in its quotes is the empty text.
        ("nullValue", null),
        ("emptyValue", ""),
        ("ignoreLeadingWhiteSpace", "false"),
        ("ignoreTrailingWhiteSpace", "false"),
        ("maxColumns", &most_columns),
        ("maxCharsPerColumn", "-1"),
        ("mode", "FAILFAST"),
        ("columnNameOfCorruptRecord", &unread),
        ("ignoreMissingFiles", "false"),
        ("ignoreCorruptFiles", "false"),
        ("recursiveFileLookup", "false"),
    ];
    let options: Vec<String> =
        options.iter().map(|(name, value)| format!("  {} = {}", literal(name), literal(value))).collect();
    format!(
        "CREATE TABLE IF NOT EXISTS {table} (\n{}\n)\nUSING csv\nOPTIONS (\n{}\n)\nLOCATION {}",
        names.join(",\n"),
        options.join(",\n"),
        literal(location)
    )
}

/// The values of `columns`, by their names, in a SELECT from a table of texts.
pub(super) fn values(columns: &TableSchema) -> String {
    let named = |column: &Column| match is_text(&column.kind) {
        true => value(column),
        false => format!("{} AS {}", value(column), quoted(&column.name)),
    };
    columns.columns().map(named).collect::<Vec<_>>().join(",\n    ")
}

/// The value of `column`, made of its text.
pub(super) fn value(column: &Column) -> String {
    let (text, kind) = (quoted(&column.name), column.kind.sql());
    let made = match &column.kind {
        kind if is_text(kind) => return text,
        Kind::Binary => format!("unbase64({text})"),
        Kind::Struct(_) | Kind::List(_) | Kind::Union(_) | Kind::TextMap => format!(
            "from_json({text}, {}, map('mode', 'FAILFAST', 'columnNameOfCorruptRecord', '{}', 'allowNonNumericNumbers', 'true', \
             'maxStringLen', '2147483647'))",
            literal(&kind),
            unused(&kind)
        ),
        _ => format!("try_cast({text} AS {kind})"),
    };
    let error = format!("A staged text of column {} is no {kind}.", column.name);
    format!("coalesce({made}, CASE WHEN {text} IS NOT NULL THEN raise_error({}) END)", literal(&error))
}

/// A name that is none of `names`. Readers have a column for texts that they cannot read, which takes no values of its own: if they are
/// not told another name, one that is called `_corrupt_record` is lost.
fn unused(names: &str) -> String {
    let (mut name, names) = ("_unread".to_owned(), names.to_lowercase());
    while names.contains(&name) {
        name.push('_');
    }
    name
}

fn is_text(kind: &Kind) -> bool {
    matches!(kind, Kind::Uuid | Kind::Text | Kind::Json)
}

#[cfg(test)]
#[path = "csv_tests.rs"]
mod tests;
