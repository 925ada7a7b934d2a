//! Managed tables: Databricks decides where they lie, and files are staged in a volume of Unity Catalog.

use std::fmt;

use super::fields::{Fields, shown};

/// The field of the volume.
const VOLUME: &str = "staging_volume";
/// The volume in the schema of each table, where none is given.
pub const DEFAULT_VOLUME: &str = "airbyte_staging";
/// The catalog of workspaces without Unity Catalog. It has no volumes.
const LEGACY_CATALOG: &str = "hive_metastore";
/// The most characters of a name in Unity Catalog.
const LONGEST: usize = 255;

/// Where files are staged for managed tables, and how their tables are called.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ManagedSettings {
    /// The volume that is configured.
    pub staging_volume: Option<VolumeName>,
    /// Whether tables of the raw layout are called `_airbyte_raw_<stream>`, as connector 1.1.x called them.
    pub raw_table_prefix: bool,
}

/// A volume of Unity Catalog, by its full name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeName {
    /// The catalog.
    pub catalog: String,
    /// The schema.
    pub schema: String,
    /// Its own name.
    pub volume: String,
}

impl VolumeName {
    /// Reads `catalog.schema.volume`; parts may be in backticks.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut rest = text;
        loop {
            let (part, behind) = match rest.strip_prefix('`') {
                Some(quoted) => quoted.split_once('`')?,
                None => rest.split_at(rest.find('.').unwrap_or(rest.len())),
            };
            parts.push(part.to_lowercase());
            match behind.strip_prefix('.') {
                Some(next) => rest = next,
                None if behind.is_empty() => break,
                None => return None,
            }
        }
        // As Unity Catalog has them; a path must lead into the volume and nowhere else.
        let is_name = |name: &String| {
            let is_kept = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '/' | '\\' | '.' | '`');
            !name.is_empty() && name.chars().count() <= LONGEST && !name.contains(is_kept)
        };
        let [catalog, schema, volume]: [String; 3] = parts.try_into().ok()?;
        let are_names = [&catalog, &schema, &volume].into_iter().all(is_name);
        are_names.then_some(Self { catalog, schema, volume })
    }
}

impl fmt::Display for VolumeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.catalog, self.schema, self.volume)
    }
}

impl ManagedSettings {
    pub(super) fn read(fields: &Fields<'_>) -> Self {
        let given = fields.text(VOLUME);
        let staging_volume = given.and_then(|text| {
            let volume = VolumeName::parse(&text);
            if volume.is_none() {
                let rest =
                    format!("must be the full name of a volume, like main.airbyte.staging, not {}.", shown(&text));
                fields.problem(VOLUME, &rest);
            }
            volume
        });
        Self { staging_volume, raw_table_prefix: fields.boolean("raw_table_prefix", false) }
    }

    /// Why there is no volume for tables in `catalog`; `None` if there can be one. Databricks need not be asked.
    pub(super) fn lacks_volume(&self, catalog: &str) -> Option<String> {
        let named = self.staging_volume.as_ref();
        if !named.map_or(catalog, |volume| &volume.catalog).eq_ignore_ascii_case(LEGACY_CATALOG) {
            return None;
        }
        let setting = if named.is_some() { "`data_source.staging_volume`" } else { "`database`" };
        Some(format!(
            "{setting} names the catalog {LEGACY_CATALOG}, which has no volumes to stage files in: managed tables need Unity Catalog"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_has_a_name_of_three_parts_that_can_be_parts_of_a_path() {
        let path = |text: &str| VolumeName::parse(text).map(|volume| volume.to_string());
        for (text, expected) in [
            ("main.airbyte.staging", "main.airbyte.staging"),
            ("Main.`my-schema`.`S`", "main.my-schema.s"),
            ("`a`.`b`.`c`", "a.b.c"),
        ] {
            assert_eq!(path(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "staging",
            "main.staging",
            "main.a.b.c",
            "main..c",
            "main.a.",
            ".a.b",
            "main.a.b/c",
            "main.`..`.c",
            "`main.a.b",
            "`main`a.b.c",
            "main.a b.c",
            "/Volumes/main/a/b",
        ] {
            assert_eq!(path(text), None, "{text}");
        }
    }

    #[test]
    fn the_catalog_without_volumes_is_known_without_asking() {
        let of = |volume: Option<&str>| ManagedSettings {
            staging_volume: volume.and_then(VolumeName::parse),
            raw_table_prefix: false,
        };
        let setting =
            |settings: ManagedSettings, catalog| settings.lacks_volume(catalog).map(|said| said.contains("`database`"));
        assert_eq!(setting(of(None), "hive_metastore"), Some(true));
        assert_eq!(setting(of(None), "Hive_Metastore"), Some(true));
        assert_eq!(setting(of(None), "main"), None);
        assert_eq!(setting(of(Some("main.a.b")), "hive_metastore"), None);
        assert_eq!(setting(of(Some("hive_metastore.a.b")), "main"), Some(false));
    }
}
