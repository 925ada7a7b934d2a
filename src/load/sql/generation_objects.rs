//! Generations of tables whose properties may not be set, as objects `_generations/<schema>/<stream>/<generation>` in the bucket.
//!
//! By the generation, a sync distinguishes a second attempt at a refresh from a new refresh. Without it, the second attempt would
//! replace acknowledged rows by the few that are sent again. So the generation is always stored: in the table's property, or here
//! if the property is refused. Databricks ignores folders whose names begin with `_`.

use crate::error::Result;
use crate::storage::Storage;

const GENERATIONS: &str = "_generations";

/// Whether the generation stored for `table` is `id`. `table`: the folder of a final table, here and below.
pub async fn has(storage: &Storage, table: &str, id: i64) -> Result<bool> {
    Ok(storage.list(&folder(table)).await?.contains(&path(table, id)))
}

/// Stores the generation `id` for `table`, and removes any other one.
pub async fn put(storage: &Storage, table: &str, id: i64) -> Result<()> {
    storage.put_new(&path(table, id), b"generation\n".to_vec()).await?;
    let mut others = storage.list(&folder(table)).await?;
    others.retain(|other| *other != path(table, id));
    storage.delete(&others).await
}

/// Removes the generation of `table`: to be called once its property has it.
pub async fn delete(storage: &Storage, table: &str) -> Result<()> {
    storage.delete(&storage.list(&folder(table)).await?).await
}

/// Where the generation of `table` is stored, for messages.
pub fn shown(storage: &Storage, table: &str) -> String {
    storage.shown(&folder(table))
}

fn folder(table: &str) -> String {
    format!("{GENERATIONS}/{table}")
}

fn path(table: &str, id: i64) -> String {
    format!("{GENERATIONS}/{table}/{id}")
}
