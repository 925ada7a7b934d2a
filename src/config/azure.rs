//! The settings of `AZURE_BLOB_STORAGE`: the container, its address, and the identity to use.
//!
//! Exactly one way to sign in: a shared access signature, an account key, a service principal of Microsoft Entra, a workload identity
//! or a managed identity. `azure_address` reads the address.

use super::azure_address::AzureAddress;
use super::azure_identity::AzureIdentity;
use super::environment::set;
use super::fields::{Fields, shown};
use crate::secret::know_open;

/// Settings of `AZURE_BLOB_STORAGE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AzureSettings {
    /// The storage account.
    pub account: String,
    /// The container.
    pub container: String,
    /// The folder that everything is below, without slashes at its ends; empty for the whole container.
    pub path: String,
    /// Where the account is.
    pub address: AzureAddress,
    /// Whose requests these are.
    pub identity: AzureIdentity,
    /// Where tokens come from, without a slash at its end: `AZURE_AUTHORITY_HOST`, or that of the cloud.
    pub authority: String,
    /// The format of staged files that Databricks loads; `direct` stages what it commits.
    pub staging_format: StagingFormat,
    /// How staged files in CSV are compressed.
    pub csv_compression: CsvCompression,
}

/// A format of staged files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StagingFormat {
    /// Text, as connector 1.1.x staged it.
    Csv,
    /// Parquet files with a Delta log.
    Delta,
}

/// How files in CSV are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CsvCompression {
    /// Not at all.
    None,
    /// `.csv.gz`
    Gzip,
}

/// `azure_blob_storage_account_name`
pub(super) const ACCOUNT: &str = "azure_blob_storage_account_name";
/// `azure_blob_storage_container_name`
pub(super) const CONTAINER: &str = "azure_blob_storage_container_name";
const PATH: &str = "azure_base_path";

impl AzureSettings {
    pub(super) fn read(fields: &Fields<'_>) -> Self {
        let account = account(fields);
        let container = container(fields);
        let address = AzureAddress::read(fields, &account, &container);
        let path = folder(fields);
        let formats = [("csv", StagingFormat::Csv), ("delta", StagingFormat::Delta)];
        let compressions = [("none", CsvCompression::None), ("gzip", CsvCompression::Gzip)];
        [&account, &container, &path, &address.endpoint, &address.dfs_host]
            .into_iter()
            .for_each(|text| know_open(text));
        Self {
            identity: AzureIdentity::read(fields, &account, &container),
            authority: set("AZURE_AUTHORITY_HOST").map_or_else(|| address.authority().to_owned(), authority),
            staging_format: fields.choice("azure_staging_format", &formats).unwrap_or(StagingFormat::Csv),
            csv_compression: fields.choice("azure_csv_compression", &compressions).unwrap_or(CsvCompression::None),
            account,
            container,
            path,
            address,
        }
    }
}

/// `host` with the scheme that some tools leave out.
fn authority(host: String) -> String {
    let host = host.trim_end_matches('/');
    if host.contains("://") { host.to_owned() } else { format!("https://{host}") }
}

/// Azure's rule: 3 to 24 lower case letters and digits. The length is left to the server, which knows accounts for tests too.
fn account(fields: &Fields<'_>) -> String {
    let account = fields.required_text(ACCOUNT, "give the name of the storage account").unwrap_or_default();
    if !account.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
        let rest = format!(
            "must be only the account's name, in lower case letters and digits, not {}: the domain goes into \
             `data_source.azure_blob_storage_endpoint_domain_name`.",
            shown(&account)
        );
        fields.problem(ACCOUNT, &rest);
    }
    account
}

/// Azure's rule. Source: <https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata>.
fn container(fields: &Fields<'_>) -> String {
    let container = fields.required_text(CONTAINER, "give the name of the container").unwrap_or_default();
    let is_sign = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_name = (3..=63).contains(&container.len())
        && container.bytes().all(is_sign)
        && !container.starts_with('-')
        && !container.ends_with('-')
        && !container.contains("--");
    if container.contains('/') {
        fields.problem(
            CONTAINER,
            "must be only the container's name, without an address and without /: a folder goes into `data_source.azure_base_path`.",
        );
    } else if !is_name && !matches!(container.as_str(), "$root" | "$web") {
        let rest = format!(
            "must be a container's name, not {}: 3 to 63 lower case letters, digits and single hyphens, with no hyphen at its ends.",
            shown(&container)
        );
        fields.problem(CONTAINER, &rest);
    }
    container
}

/// A part of a name that ends in a dot is not the same for all of Azure's clients.
fn folder(fields: &Fields<'_>) -> String {
    let text = fields.text(PATH).unwrap_or_default();
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
    if parts.contains(&"_delta_log") {
        fields.problem(PATH, "lies in the log of a Delta table: give a folder that is no table, above all tables.");
    }
    if parts.iter().any(|part| part.ends_with('.')) {
        fields.problem(PATH, "has a part that is or ends in a dot, which Azure does not keep: choose another folder.");
    } else if text.contains(|c: char| c.is_control() || matches!(c, '%' | '?' | '#' | '\\')) {
        fields.problem(
            PATH,
            "has a %, ?, #, a backslash or a control character in it, which Delta readers misread: choose a folder without one.",
        );
    }
    parts.join("/")
}
