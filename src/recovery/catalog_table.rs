//! Names of catalog tables that were read from objects in a staging folder. They are checked before use: anybody who can write to
//! the storage can have written them. Pure.

use uuid::Uuid;

use crate::target::is_name;

/// A table in a catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogTable {
    /// Its catalog, where that is known.
    pub catalog: Option<String>,
    /// Its schema.
    pub schema: String,
    /// Its own name.
    pub table: String,
}

impl CatalogTable {
    /// Reads a full name: three parts in backticks with dots between them. `None` for anything else, and if schema or table
    /// is a name that this program never gives.
    pub fn parse(full: &str) -> Option<Self> {
        let named = Self::split(full)?;
        (is_name(&named.schema) && is_name(&named.table)).then_some(named)
    }

    /// The table `path`, `<schema>/<table>`. `text` is its full name, and only its catalog is used; a text that is no full name
    /// of this table is ignored: older versions wrote one word.
    pub fn at(path: &str, text: &str) -> Option<Self> {
        let (schema, table) = path.split_once('/')?;
        let named = Self::split(text.trim_end()).filter(|named| named.schema == schema && named.table == table);
        let catalog = named.and_then(|named| named.catalog);
        Some(Self { catalog, schema: schema.to_owned(), table: table.to_owned() })
    }

    /// Whether the sync `sync` may have made it over its staging.
    pub fn is_staging_table_of(&self, sync: Uuid) -> bool {
        // The name was given again (`x1`, `x2`, …) where the fate of a statement was not known.
        let rest = self.table.strip_prefix(&staging_table_prefix(sync));
        let rest = rest.map(|rest| rest.strip_prefix('x').map_or(rest, |rest| rest.trim_start_matches(is_digit)));
        rest.is_some_and(|rest| rest.starts_with('_')) && is_name(&self.schema) && is_name(&self.table)
    }

    fn split(full: &str) -> Option<Self> {
        let inside = full.strip_prefix('`')?.strip_suffix('`')?;
        let mut parts = inside.rsplitn(3, "`.`");
        let (table, schema, catalog) = (parts.next()?, parts.next()?, parts.next()?);
        let is_one_name = !catalog.is_empty() && !catalog.replace("``", "").contains('`');
        let catalog = is_one_name.then(|| catalog.replace("``", "`"))?;
        Some(Self { catalog: Some(catalog), schema: schema.to_owned(), table: table.to_owned() })
    }
}

/// What the name of each staging table of the sync `sync` begins with.
///
/// It has the end of the sync's id, which is random; its beginning is the time, which two syncs may share.
pub fn staging_table_prefix(sync: Uuid) -> String {
    let id = sync.simple().to_string();
    format!("_airbyte_tmp_{}", id.get(20..).unwrap_or(&id))
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_dead_sync_itself_can_have_made_is_believed() {
        let sync = Uuid::now_v7();
        let id = sync.simple().to_string();
        let own = &id[20..];
        let is_own = |name: &str| CatalogTable::parse(name).is_some_and(|table| table.is_staging_table_of(sync));
        for name in [
            format!("`hive_metastore`.`default`.`_airbyte_tmp_{own}_users`"),
            format!("`a``.b`.`s`.`_airbyte_tmp_{own}_x`"),
            format!("`c`.`s`.`_airbyte_tmp_{own}x12_users`"),
        ] {
            assert!(is_own(&name), "{name}");
        }
        for name in [
            format!("`c`.`s`.`_airbyte_tmp_{}_users`", &Uuid::nil().simple().to_string()[20..]),
            "`c`.`s`.`customers`".to_owned(),
            format!("c.s._airbyte_tmp_{own}_users"),
            format!("`x`; DROP TABLE y; --`.`s`.`_airbyte_tmp_{own}_users`"),
            format!("`c`.`s`.`_airbyte_tmp_{own}_users` PURGE"),
            format!("`c`.`S`.`_airbyte_tmp_{own}_users`"),
            format!("`c`.`_airbyte_tmp_{own}_users`"),
            format!("`c`.`s`.`_airbyte_tmp_{own}_a``b`"),
            format!("`c`.`s`.`_airbyte_tmp_{own}`"),
            String::new(),
        ] {
            assert!(!is_own(&name), "{name}");
        }
    }

    #[test]
    fn of_a_text_beside_a_path_only_the_catalog_is_believed() {
        let catalog = |text: &str| CatalogTable::at("shop/users", text).unwrap().catalog;
        assert_eq!(catalog("`old`` catalog`.`shop`.`users`\n").as_deref(), Some("old` catalog"));
        for text in
            ["claimed\n", "`old`.`shop`.`pets`\n", "`old`.`x`.`shop`.`users`", "``.`shop`.`users`", "", "`", "``"]
        {
            assert_eq!(catalog(text), None, "{text}");
        }
        assert_eq!(CatalogTable::at("users", "`c`.`s`.`users`"), None);
    }
}
