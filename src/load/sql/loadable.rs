//! Which tables of the catalog this engine can load: Delta tables, all of whose rows the token's user sees.

use url::Url;

use super::answers::Description;
use super::statements::TableName;
use crate::error::{Error, Result};
use crate::load::origin::{self, StoredDescription};
use crate::schema::table_type::are_same_names;
use crate::target::Target;

/// Refuses what the engine cannot load, whatever its columns.
pub fn ensure_loadable(found: &Description, target: &Target, name: &TableName) -> Result<()> {
    let kind = found.kind.as_deref().unwrap_or_default();
    let advice = "Drop or rename it, or rename the stream.";
    if kind.to_uppercase().contains("VIEW") {
        return Err(Error::config(format!(
            "{name} is a view, and the table of stream {} would have the same name. {advice}",
            target.stream
        )));
    }
    let provider = found.provider.as_deref().unwrap_or_default();
    if !provider.eq_ignore_ascii_case("delta") {
        let provider = if provider.is_empty() { "no known format" } else { provider };
        return Err(Error::config(format!(
            "Table {name} of stream {} is in the format {provider}, and only delta can be loaded. {advice}",
            target.stream
        )));
    }
    let is_table = ["EXTERNAL", "MANAGED"].iter().any(|known| kind.to_uppercase().starts_with(known));
    if !is_table {
        let kind = if kind.is_empty() { "of no known kind".to_owned() } else { format!("of the kind {kind}") };
        return Err(Error::config(format!(
            "Table {name} of stream {} is {kind}, and only managed and external tables can be loaded. {advice}",
            target.stream
        )));
    }
    ensure_all_is_seen(found, target, name)?;
    if found.partitioned {
        return Err(Error::config(format!(
            "Table {name} is partitioned. Tables are loaded without partitions: move it away or rename the stream."
        )));
    }
    Ok(())
}

/// Refuses a table with a LOCATION, whose files are not the catalog's.
pub fn ensure_managed(found: &Description, target: &Target, name: &TableName) -> Result<()> {
    if found.kind.as_deref().is_some_and(is_managed) {
        return Ok(());
    }
    Err(Error::config(format!(
        "Table {name} of stream {} has a LOCATION of its own, and with data_source_type MANAGED_TABLES_STORAGE only managed tables are \
         loaded. Make it one (ALTER TABLE {name} SET MANAGED), or choose the storage that it lies in (S3_STORAGE, \
         AZURE_BLOB_STORAGE), or drop or rename it, or rename the stream.",
        target.stream
    )))
}

/// Whether the catalog decides where a table of this kind lies.
pub fn is_managed(kind: &str) -> bool {
    kind.to_uppercase().starts_with("MANAGED")
}

/// Refuses a table that says it was made from another stream, where its rows would be replaced.
pub fn ensure_own(found: &Description, target: &Target, name: &TableName) -> Result<()> {
    let replaces = target.removes_rows();
    origin::ensure_own(name, StoredDescription::InCatalog(found.comment.as_deref()), target, replaces)
}

/// Refuses a table with a row filter, or with a mask on a column that statements compare: a MERGE would insert again the rows that
/// it does not see, and no count would show it. Whether a filter exempts the token's user cannot be asked. A mask on the records
/// alone does no harm.
fn ensure_all_is_seen(found: &Description, target: &Target, name: &TableName) -> Result<()> {
    let own = &target.columns;
    let places = target.dedup.as_ref().and_then(|dedup| dedup.places(own).ok());
    let places = places.iter().flat_map(|places| [&places.key, &places.cursor, &places.deleted]).flatten();
    let compared: Vec<&str> = [own.id(), own.emitted_at()]
        .map(|column| &*column.name)
        .into_iter()
        .chain(places.map(|place| &*place.column))
        .collect();
    let may_be_masked = |name: &String| {
        let is_ours = own.columns().any(|column| are_same_names(&column.name, name));
        is_ours && !compared.iter().any(|column| are_same_names(column, name))
    };
    let masked = found.masked.iter().find(|column| !may_be_masked(column));
    let (what, how) = match masked {
        _ if found.filtered => ("it has a row filter".to_owned(), format!("ALTER TABLE {name} DROP ROW FILTER")),
        Some(column) => (
            format!("its column {column} has a mask"),
            format!("ALTER TABLE {name} ALTER COLUMN `{}` DROP MASK", column.replace('`', "``")),
        ),
        None => return Ok(()),
    };
    Err(Error::config(format!(
        "Table {name} of stream {} cannot be loaded, because {what}: a sync must be able to read the rows it has loaded, or \
         they would be loaded twice. Remove it ({how}) and put it on a view that people read, or rename the stream.",
        target.stream
    )))
}

/// Whether two URLs mean the same folder; `s3a` and `s3n` are `s3`, and percent-encoding does not matter.
pub fn is_same_place(one: &str, other: &str) -> bool {
    let normal = |location: &str| {
        let (scheme, rest) = location.split_once("://").unwrap_or(("file", location));
        let scheme = if matches!(scheme, "s3a" | "s3n") { "s3" } else { scheme };
        Some(Url::parse(&format!("{scheme}://{}", rest.trim_end_matches('/'))).ok()?.to_string())
    };
    normal(one).is_some_and(|one| normal(other) == Some(one))
}

#[cfg(test)]
#[path = "loadable_tests.rs"]
mod tests;
