//! What a table's own properties should say, and who loads it may not set: kept beside the tables in the bucket.
//!
//! A generation tells a refresh that is tried again from one that begins. Without it, the second attempt would replace rows that
//! were acknowledged by those few that are sent again. So it is never left out: where the property is refused, an object
//! `_generations/<schema>/<stream>/<generation>` says it. Databricks passes over folders that begin with `_`.

use crate::error::Result;
use crate::storage::Storage;

const GENERATIONS: &str = "_generations";

/// Whether the rows of `table`, a final table's folder, are noted to be of the generation `id`.
pub async fn has(storage: &Storage, table: &str, id: i64) -> Result<bool> {
    Ok(storage.list(&folder(table)).await?.contains(&path(table, id)))
}

/// Notes that the rows of `table` are of the generation `id`, and of no other one.
pub async fn put(storage: &Storage, table: &str, id: i64) -> Result<()> {
    storage.put_new(&path(table, id), b"generation\n".to_vec()).await?;
    let mut others = storage.list(&folder(table)).await?;
    others.retain(|other| *other != path(table, id));
    storage.delete(&others).await
}

/// Forgets what is noted of `table`, which says it itself now.
pub async fn delete(storage: &Storage, table: &str) -> Result<()> {
    storage.delete(&storage.list(&folder(table)).await?).await
}

/// Where it is noted, as people find it.
pub fn shown(storage: &Storage, table: &str) -> String {
    storage.shown(&folder(table))
}

fn folder(table: &str) -> String {
    format!("{GENERATIONS}/{table}")
}

fn path(table: &str, id: i64) -> String {
    format!("{GENERATIONS}/{table}/{id}")
}
