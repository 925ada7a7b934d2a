//! Configurations of the connector's versions 2 to 4, recognized by fields that only those have.
//!
//! They lack nearly everything that is needed here, and a list of the missing fields would not help. With a `data_source` added
//! they would be valid, and the tables would be written without Databricks.

use serde_json::{Map, Value};

use crate::error::Error;

/// Fields that only those versions have.
const ONLY_THERE: [&str; 2] = ["hostname", "raw_schema_override"];
/// What `authentication.auth_type` says there.
const TYPES_THERE: [&str; 2] = ["BASIC", "OAUTH"];

/// The error for `object`, where it is such a configuration.
pub(super) fn refused(object: &Map<String, Value>) -> Option<Error> {
    let is_there = |name: &str| match object.get(name) {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.trim().is_empty(),
        Some(_) => true,
    };
    let mut found: Vec<&str> = ONLY_THERE.into_iter().filter(|name| is_there(name)).collect();
    let auth_type = object.get("authentication").and_then(|own| own.get("auth_type")).and_then(Value::as_str);
    if auth_type.is_some_and(|own| TYPES_THERE.contains(&own)) {
        found.push("authentication");
    }
    if is_there("http_path") && !is_there("databricks_http_path") {
        found.push("http_path");
    }
    if found.is_empty() {
        return None;
    }
    let found: Vec<String> = found.iter().map(|name| format!("`{name}`")).collect();
    Some(Error::config(format!(
        "This is a configuration of the connector's versions 2 to 4: it has {}. This program takes those of versions 0.2 to \
         1.1. Write instead:\n\
         - `databricks_server_hostname` for `hostname`, `databricks_http_path` for `http_path`, `databricks_port` for `port`;\n\
         - `databricks_personal_access_token` for `authentication.personal_access_token`; for OAuth (`client_id`, `secret`) \
         `authentication`: {{\"auth_type\": \"OAUTH_M2M\", \"client_id\": …, \"client_secret\": …}};\n\
         - `data_source`, which those versions do not have: {{\"data_source_type\": \"S3_STORAGE\", \"s3_bucket_name\": …, \
         \"s3_bucket_path\": …}} with a bucket that Databricks can read too; volumes of Unity Catalog are not used;\n\
         - nothing for `raw_schema_override`: tables are in the stream's schema, with the three columns of version 1.1 or, with \
         `table_layout` `columns`, a column for each property;\n\
         - `database`, `schema`, `cdc_deletion_mode`, `purge_staging_data` and `accept_terms` as they are.",
        found.join(" and ")
    )))
}
