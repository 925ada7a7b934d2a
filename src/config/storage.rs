//! Where the files of the tables are: the `data_source` object.
//!
//! `data_source_type` picks one of four storages, and each has its own reader. A storage is one arm here, one struct
//! of settings, and one alternative in `spec.json`.

use std::path::PathBuf;

use super::azure::AzureSettings;
use super::engine::Engine;
use super::fields::Fields;
use super::file_name_pattern::FileNamePattern;
use super::managed::ManagedSettings;
use super::s3::S3Settings;
use super::{container, directory};

/// `data_source_type` of a directory on this machine.
pub(super) const LOCAL: &str = "LOCAL_STORAGE";
const MANAGED: &str = "MANAGED_TABLES_STORAGE";
/// `data_source_type` of a bucket.
pub(super) const S3: &str = "S3_STORAGE";
/// What version 0.2 of the connector called it.
const OLDEST_S3: &str = "S3";
/// `data_source_type` of a container in Azure Blob Storage.
pub(super) const AZURE: &str = "AZURE_BLOB_STORAGE";

/// Where the files of the tables are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageSettings {
    /// A directory on this machine.
    Local {
        /// Absolute, without `.` and `..`.
        path: PathBuf,
    },
    /// An S3 bucket.
    S3(S3Settings),
    /// A container in Azure Blob Storage.
    Azure(AzureSettings),
    /// Wherever Databricks keeps managed tables, with a volume for staged files.
    Managed(ManagedSettings),
}

impl StorageSettings {
    /// How staged files are named: where no pattern can be given, as the default says.
    pub fn file_name_pattern(&self) -> FileNamePattern {
        match self {
            Self::S3(settings) => settings.file_name_pattern.clone(),
            Self::Local { .. } | Self::Azure(_) | Self::Managed(_) => FileNamePattern::default(),
        }
    }

    /// Its `data_source_type`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Local { .. } => LOCAL,
            Self::S3(_) => S3,
            Self::Azure(_) => AZURE,
            Self::Managed(_) => MANAGED,
        }
    }
}

type Reader = fn(&Fields<'_>) -> StorageSettings;

pub(super) fn read(root: &Fields<'_>, engine: &Engine) -> StorageSettings {
    let stand_in = StorageSettings::Managed(ManagedSettings::default());
    let advice = format!(
        r#"say where the tables go, for example {{"data_source_type": "{LOCAL}", "local_path": "/local/lakehouse"}}"#
    );
    let Some(fields) = root.required_section("data_source", &advice) else { return stand_in };
    let types: [(&str, Reader); 4] = [
        (LOCAL, local),
        (MANAGED, |fields| StorageSettings::Managed(ManagedSettings::read(fields))),
        (S3, |fields| StorageSettings::S3(S3Settings::read(fields))),
        (AZURE, |fields| StorageSettings::Azure(AzureSettings::read(fields))),
    ];
    if fields.is_absent("data_source_type") {
        let names = types.map(|(name, _)| name).join(", ");
        fields.problem("data_source_type", &format!("is missing or empty: set it to one of {names}."));
    }
    // The oldest versions of the connector had buckets of S3 alone, with the same fields.
    let is_oldest = fields.is_text("data_source_type", OLDEST_S3);
    let s3 = types.iter().find(|(name, _)| is_oldest && *name == S3).map(|(_, read)| *read);
    let Some(read) = s3.or_else(|| fields.choice("data_source_type", &types)) else { return stand_in };
    let storage = read(&fields);
    if matches!(storage, StorageSettings::Managed(_)) && *engine == Engine::Direct {
        let rest = format!(
            "is {MANAGED}, which needs Databricks: set `databricks_server_hostname`, `databricks_http_path` and \
             `databricks_personal_access_token`, or choose another storage."
        );
        fields.problem("data_source_type", &rest);
    }
    storage
}

fn local(fields: &Fields<'_>) -> StorageSettings {
    const NAME: &str = "local_path";
    let text = fields
        .required_text(NAME, "give the directory for the tables, for example /local/lakehouse")
        .unwrap_or_default();
    let may_vanish = fields.boolean("local_path_is_ephemeral", false);
    let path = directory::read(&text).unwrap_or_else(|rest| {
        fields.problem(NAME, &rest);
        PathBuf::new()
    });
    if !path.as_os_str().is_empty() && !may_vanish && container::takes_along(&path) {
        fields.problem(
            NAME,
            "lies in the container that this sync runs in, and the tables would vanish with it although their states were \
             given back: mount a volume there, or choose S3_STORAGE (Airbyte on Kubernetes mounts no volume). If that is \
             meant, set `data_source.local_path_is_ephemeral` to true.",
        );
    }
    StorageSettings::Local { path }
}
