//! The settings of a sync: what the user's configuration file says, checked and typed.
//!
//! A file goes through [`Config::from_file`]: text -> JSON object -> `fields` (one reader per kind of value, which
//! notes every problem instead of stopping at the first) -> [`Config`], or one error that lists all problems.
//! [`Config::ensure_supported`] then says whether this version can do what was asked. No other module reads settings
//! or looks at the machine's limits. `spec.json` describes the same fields; a test holds the two together.

mod authentication;
mod azure;
mod azure_address;
mod azure_identity;
mod certificates;
mod channel;
mod container;
mod directory;
mod engine;
mod environment;
mod fields;
mod file_name_pattern;
mod hidden;
mod host;
mod log_level;
mod login_folder;
mod managed;
mod memory;
mod newer;
mod platform;
mod profiles;
mod s3;
mod storage;
mod tables;
mod timeouts;

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value};

pub use self::authentication::{
    Account, Authentication, ENTRA_APPLICATION, JwtSource, OwnToken, PUBLIC_CLIENT, Profile, RefreshToken,
    TokenSetting, account_of, is_id, is_of_databricks, usual_profiles,
};
pub use self::azure::{AzureSettings, CsvCompression, StagingFormat};
pub use self::azure_address::AzureAddress;
pub use self::azure_identity::AzureIdentity;
pub use self::certificates::CertificatePlaces;
pub use self::channel::ensure_standard_input;
pub use self::engine::{DatabricksSettings, Engine, WorkspaceHost};
pub use self::environment::{ensure_aws_files, know_secrets};
pub use self::file_name_pattern::{DateField, FileNamePattern, Piece};
pub use self::host::is_near;
pub use self::log_level::LogLevel;
pub use self::login_folder::login_folder;
pub use self::managed::{DEFAULT_VOLUME, ManagedSettings, VolumeName};
pub use self::platform::is_job_of_platform;
pub use self::s3::{S3Credentials, S3Encryption, S3Role, S3Settings};
pub use self::storage::StorageSettings;
pub use self::tables::{ClusterBy, TableSettings};
pub use self::timeouts::Timeouts;

use self::fields::{Fields, Report, kind_of};
use crate::error::{Error, Result};
use crate::named_file;

/// What a megabyte is in every setting that ends in `_mb`.
const MEGABYTE: u64 = 1024 * 1024;
/// The most bytes of a configuration file.
const LONGEST: u64 = 16 * MEGABYTE;
/// A store copies at most 5 GB by one request, which may take long.
const COPIED_AT_ONCE: u64 = 1024 * MEGABYTE;
/// Half of it is a part, and no part may be shorter than 5 MiB.
const COPIED_RANGE: (u64, u64) = (10 * MEGABYTE, 4096 * MEGABYTE);

/// Everything a user can set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The engine that makes staged files part of the final tables.
    pub engine: Engine,
    /// Where the files of the tables are.
    pub storage: StorageSettings,
    /// The catalog that holds the schemas (`database`).
    pub catalog: String,
    /// The schema of streams without a namespace (`schema`, or the older `database_schema`).
    pub schema: String,
    /// The schema of staging tables; `None`: that of the final table.
    pub staging_schema: Option<String>,
    /// How tables look.
    pub tables: TableSettings,
    /// Whether tables with a column per property get new columns when streams get new properties.
    pub enable_schema_evolution: bool,
    /// Whether staged files and tables are removed after a sync.
    pub purge_staging_data: bool,
    /// How fast, with how much memory, how often.
    pub tuning: Tuning,
    /// Paths of unknown fields: ignored with one warning each, because they may be misspelt.
    pub unknown_fields: Vec<String>,
    /// Fields whose names were given in backticks, which are removed.
    pub quoted_names: Vec<&'static str>,
    /// As the user gave it.
    pub original: Original,
}

/// A configuration as the user gave it, with its secrets.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Original(Map<String, Value>);

impl Original {
    /// The same with another refresh token.
    pub fn with_refresh_token(&self, token: &str) -> Value {
        let mut config = self.0.clone();
        if let Some(Value::Object(authentication)) = config.get_mut("authentication") {
            authentication.insert("refresh_token".to_owned(), token.into());
        }
        Value::Object(config)
    }
}

impl std::fmt::Debug for Original {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Original(***)")
    }
}

/// The settings that change how a sync runs but not what it writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tuning {
    /// Bytes that all buffers together may hold.
    pub memory_limit: usize,
    /// Raw bytes of one stream after which what is complete is loaded.
    pub flush_size: u64,
    /// How long a STATE may wait for the records before it to be loaded.
    pub flush_interval: Duration,
    /// The longest input line in bytes.
    pub max_line: usize,
    /// The time between two progress messages.
    pub heartbeat: Duration,
    /// How Parquet pages are compressed.
    pub compression: Compression,
    /// How long to wait for stores, Databricks and other syncs.
    pub timeouts: Timeouts,
    /// Objects with more bytes are copied in parts of half as many. No user sets it: `COPIED_AT_ONCE_BYTES` is hidden.
    pub copied_at_once: u64,
}

/// A codec for Parquet pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Smaller files.
    Zstd,
    /// Less processor time.
    Snappy,
}

impl Config {
    /// Reads the configuration file at `path`.
    pub fn from_file(path: &Path) -> Result<Self> {
        know_secrets();
        let bytes = named_file::read(path, LONGEST).map_err(|error| {
            let name = path.display();
            let message = match error.kind() {
                std::io::ErrorKind::NotFound => {
                    format!("There is no configuration file at {name}: check the path that --config names.")
                }
                std::io::ErrorKind::PermissionDenied => {
                    format!("The configuration file {name} may not be read: give this user the right to read it.")
                }
                std::io::ErrorKind::FileTooLarge => format!(
                    "The configuration file {name} has more than {} MiB, which no configuration has: check the path that \
                     --config names.",
                    LONGEST >> 20
                ),
                _ => format!("The configuration file {name} could not be read: check that it is a readable file."),
            };
            Error::config(message).with_source(error)
        })?;
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            let message = format!(
                "The configuration is not UTF-8 text (first wrong byte at offset {}): save it as UTF-8.",
                error.valid_up_to()
            );
            Error::config(message).with_source(error)
        })?;
        Self::from_json(text)
    }

    /// Reads a configuration from JSON text. The error of a wrong one lists all that is wrong with it.
    pub fn from_json(text: &str) -> Result<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.trim().is_empty() {
            return Err(Error::config(
                "The configuration is empty: it must be one JSON object, as `spec` describes it.",
            ));
        }
        let value: Value = serde_json::from_str(text).map_err(|error| {
            let message = format!(
                "The configuration is not valid JSON at line {}, column {}: correct it there or just before.",
                error.line(),
                error.column()
            );
            Error::config(message).with_source(error)
        })?;
        let Value::Object(object) = &value else {
            let message = format!("The configuration must be a JSON object in braces, not {}.", kind_of(&value));
            return Err(Error::config(message));
        };
        if let Some(error) = newer::refused(object) {
            return Err(error);
        }
        let report = RefCell::new(Report::default());
        let mut config = Self::read(&Fields::root(object, &report));
        if let Engine::Databricks(settings) = &config.engine
            && settings.authentication.is_renewed_in_the_configuration()
        {
            config.original = Original(object.clone());
        }
        report.into_inner().into_result("configuration", config)
    }

    /// Warns of every unknown field, of every name that was given in backticks, and of what Databricks most likely refuses.
    pub fn warn(&self) {
        if let (Engine::Databricks(settings), StorageSettings::S3(_)) = (&self.engine, &self.storage)
            && settings.hostname.to_lowercase().trim_end_matches('.').ends_with(".azuredatabricks.net")
        {
            tracing::warn!(
                "{} is a workspace on Azure. With Unity Catalog those only read from buckets in S3, so tables there cannot be \
                 made or loaded: use a workspace on AWS. `check` tells for sure.",
                settings.hostname
            );
        }
        if matches!(self.storage, StorageSettings::Managed(_)) && self.staging_schema.is_some() {
            tracing::warn!(
                "`staging_schema` has no effect with {}, which makes no staging tables: `data_source.staging_volume` says where \
                 files are staged.",
                self.storage.type_name()
            );
        }
        if self.engine == Engine::Direct && self.tables.cluster_by != ClusterBy::Nothing {
            tracing::warn!(
                "`cluster_by` has no effect without Databricks, which clusters tables: set `databricks_server_hostname`, or leave it out."
            );
        }
        if let Engine::Databricks(settings) = &self.engine
            && let Some(remark) = settings.authentication.without_effect()
        {
            tracing::warn!("{remark}");
        }
        self.tables.warn();
        for field in &self.quoted_names {
            tracing::warn!(
                "The name in `{field}` is in backticks, which are removed: names are quoted where SQL needs it."
            );
        }
        for field in &self.unknown_fields {
            tracing::warn!("The configuration has the unknown field {field}, which is ignored. Is it misspelt?");
        }
    }

    /// Reads every field; a wrong one gets a placeholder, and the report the problem.
    fn read(root: &Fields<'_>) -> Self {
        root.boolean("accept_terms", false);
        let engine = engine::read(root);
        let mut quoted_names = Vec::new();
        let mut name = |field| {
            let name = root.text(field)?;
            let bare = without_backticks(&name);
            if bare.starts_with('`') || bare.ends_with('`') {
                let rest = format!(
                    "is {}: a backtick is at only one end of the name, twice, or around nothing. Write the name without \
                     backticks: it is quoted where SQL needs it.",
                    fields::shown(&name)
                );
                root.problem(field, &rest);
            }
            if bare != name {
                quoted_names.push(field);
            }
            Some(bare)
        };
        let (catalog, schema, older_schema) = (name("database"), name("schema"), name("database_schema"));
        let staging_schema = name("staging_schema");
        let mut config = Self {
            storage: storage::read(root, &engine),
            engine,
            catalog: catalog.unwrap_or_else(|| "hive_metastore".to_owned()),
            schema: schema.or(older_schema).unwrap_or_else(|| "default".to_owned()),
            staging_schema,
            tables: tables::read(root),
            enable_schema_evolution: root.boolean("enable_schema_evolution", false),
            purge_staging_data: root.boolean("purge_staging_data", true),
            tuning: Tuning::read(root),
            unknown_fields: Vec::new(),
            quoted_names,
            original: Original::default(),
        };
        config.unknown_fields = root.unknown();
        config
    }

    /// Refuses what can be configured but does not work in this version, naming the settings that ask for it.
    pub fn ensure_supported(&self) -> Result<()> {
        let mut report = Report::default();
        if matches!((&self.engine, &self.storage), (Engine::Databricks(_), StorageSettings::Local { .. })) {
            report.problem(format!(
                "`data_source.data_source_type` is {}, a directory on this machine, and Databricks, which \
                 `databricks_server_hostname` asks to load the tables, cannot read it: use {} with a bucket, or remove the \
                 settings of Databricks, and the Delta tables are written without it.",
                storage::LOCAL,
                storage::S3
            ));
        }
        if let StorageSettings::Managed(settings) = &self.storage
            && let Some(why) = settings.lacks_volume(&self.catalog)
        {
            report.problem(format!(
                "{why}. Set `database` to a catalog of Unity Catalog, such as main or the workspace's own. In a workspace without \
                 Unity Catalog, use the `data_source_type` {} with a bucket or {} with a container instead of {}.",
                storage::S3,
                storage::AZURE,
                self.storage.type_name(),
            ));
        }
        report.into_result("configuration", ())
    }
}

impl Tuning {
    fn read(root: &Fields<'_>) -> Self {
        let megabytes = |name, range| root.whole(name, range).map(|count| count * MEGABYTE);
        let seconds = |name, range, default| Duration::from_secs(root.whole(name, range).unwrap_or(default));
        Self {
            memory_limit: megabytes("memory_limit_mb", 16..=1_048_576)
                .map_or_else(|| memory::default_limit(Path::new("/")), in_memory),
            flush_size: megabytes("flush_size_mb", 1..=1_048_576).unwrap_or(256 * MEGABYTE),
            flush_interval: seconds("flush_interval_seconds", 1..=86_400, 300),
            // The upper end keeps the offsets of one line's bytes well inside 32 bits.
            max_line: in_memory(megabytes("max_line_mb", 1..=1_024).unwrap_or(256 * MEGABYTE)),
            heartbeat: seconds("heartbeat_seconds", 1..=86_400, 30),
            compression: root
                .choice("compression", &[("zstd", Compression::Zstd), ("snappy", Compression::Snappy)])
                .unwrap_or(Compression::Zstd),
            timeouts: Timeouts::read(),
            copied_at_once: hidden::number("COPIED_AT_ONCE_BYTES")
                .unwrap_or(COPIED_AT_ONCE)
                .clamp(COPIED_RANGE.0, COPIED_RANGE.1),
        }
    }
}

/// `name` without the quoting of SQL. A result with a backtick at an end was not quoted correctly.
fn without_backticks(name: &str) -> String {
    let inner = name.strip_prefix('`').and_then(|name| name.strip_suffix('`')).map(str::trim);
    inner.filter(|inner| !inner.is_empty()).map_or_else(|| name.to_owned(), |inner| inner.replace("``", "`"))
}

fn in_memory(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod azure_tests;
#[cfg(test)]
mod engine_tests;
#[cfg(test)]
mod s3_tests;
#[cfg(test)]
mod spec_tests;
#[cfg(test)]
mod tables_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tolerance_tests;
