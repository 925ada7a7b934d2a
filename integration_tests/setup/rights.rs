//! Which privilege can be granted on what. Sources:
//! <https://docs.databricks.com/data-governance/unity-catalog/access-control/privileges-reference> and
//! <https://docs.databricks.com/sql/language-manual/sql-ref-privileges-hms>.

/// Privileges of Unity Catalog with the securable objects that they apply to.
const UNITY_CATALOG: [(&str, &[&str]); 17] = [
    ("ALL PRIVILEGES", &["CATALOG", "SCHEMA", "TABLE", "VOLUME", "EXTERNAL LOCATION", "STORAGE CREDENTIAL"]),
    ("CREATE EXTERNAL LOCATION", &["METASTORE", "STORAGE CREDENTIAL"]),
    ("CREATE EXTERNAL TABLE", &["EXTERNAL LOCATION", "STORAGE CREDENTIAL"]),
    ("CREATE EXTERNAL VOLUME", &["EXTERNAL LOCATION"]),
    ("CREATE SCHEMA", &["CATALOG"]),
    ("CREATE STORAGE CREDENTIAL", &["METASTORE"]),
    ("CREATE TABLE", &["CATALOG", "SCHEMA"]),
    ("CREATE VOLUME", &["CATALOG", "SCHEMA"]),
    ("MANAGE", &["CATALOG", "SCHEMA", "TABLE", "VOLUME", "EXTERNAL LOCATION", "STORAGE CREDENTIAL"]),
    ("MODIFY", &["CATALOG", "SCHEMA", "TABLE"]),
    ("READ FILES", &["EXTERNAL LOCATION"]),
    ("READ VOLUME", &["CATALOG", "SCHEMA", "VOLUME"]),
    ("SELECT", &["CATALOG", "SCHEMA", "TABLE"]),
    ("USE CATALOG", &["CATALOG"]),
    ("USE SCHEMA", &["CATALOG", "SCHEMA"]),
    ("WRITE FILES", &["EXTERNAL LOCATION"]),
    ("WRITE VOLUME", &["CATALOG", "SCHEMA", "VOLUME"]),
];

/// The same of the older metastore.
const HIVE_METASTORE: [(&str, &[&str]); 6] = [
    ("ALL PRIVILEGES", &["CATALOG", "SCHEMA", "TABLE", "ANY FILE"]),
    ("CREATE", &["CATALOG", "SCHEMA"]),
    ("MODIFY", &["CATALOG", "SCHEMA", "TABLE", "ANY FILE"]),
    ("READ_METADATA", &["CATALOG", "SCHEMA", "TABLE"]),
    ("SELECT", &["CATALOG", "SCHEMA", "TABLE", "ANY FILE"]),
    ("USAGE", &["CATALOG", "SCHEMA"]),
];

/// Permissions of objects of the workspace. Source: <https://docs.databricks.com/security/auth/access-control>.
pub const PERMISSIONS: [(&str, &[&str]); 2] = [
    ("clusters", &["CAN_ATTACH_TO", "CAN_RESTART", "CAN_MANAGE"]),
    ("warehouses", &["CAN_VIEW", "CAN_USE", "CAN_MONITOR", "CAN_MANAGE", "IS_OWNER"]),
];

/// Whether `privilege` can be granted on an object of the kind `kind`.
pub fn applies(privilege: &str, kind: &str, is_hive: bool) -> bool {
    let table: &[(&str, &[&str])] = if is_hive { &HIVE_METASTORE } else { &UNITY_CATALOG };
    table.iter().any(|(name, kinds)| *name == privilege && kinds.contains(&kind))
}
