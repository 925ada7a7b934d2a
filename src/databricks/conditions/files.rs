//! Rows: files in volumes, in response to a request of the Files API, never the error of a statement.
//!
//! Reasons: those that Databricks' own clients look for (databricks-sdk-py, `mixins/files.py`; databricks/cli, `libs/filer/files_client.go`).

use super::access::REFUSED;
use super::condition::Key::{Code, Reason, Status};
use super::condition::{Condition, Meaning, config};

const ELSEWHERE: &str = "have an administrator of the workspace enable it, or stage elsewhere: `data_source_type` S3_STORAGE or \
                         AZURE_BLOB_STORAGE";
const NO_VOLUME: &str = "The volume, its schema or its catalog is not there, or {who} may not see it";
const MAKE_VOLUME: &str = "create it with CREATE VOLUME, or correct `data_source.staging_volume`; if it is there, have USE CATALOG, USE \
                           SCHEMA, READ VOLUME and WRITE VOLUME granted to {who}";

/// Files in volumes.
pub(super) const FILES: &[Condition] = &[
    config(
        &[Reason("FILES_API_API_IS_NOT_ENABLED"), Code("FEATURE_DISABLED")],
        &[],
        "The Files API, by which files get into volumes, is not enabled in {host}",
        ELSEWHERE,
    ),
    config(
        REFUSED,
        &["write volume", "write_volume"],
        "{Who} lacks WRITE VOLUME, which staged files need",
        "have an owner or administrator grant it",
    )
    .means(Meaning::MissingVolumePrivilege),
    config(
        REFUSED,
        &["read volume", "read_volume"],
        "{Who} lacks READ VOLUME, which staged files need",
        "have an owner or administrator grant it",
    )
    .means(Meaning::MissingVolumePrivilege),
    config(
        &[Code("NOT_FOUND"), Code("RESOURCE_DOES_NOT_EXIST"), Code("VOLUME_DOES_NOT_EXIST"), Status(404)],
        &["volume"],
        NO_VOLUME,
        MAKE_VOLUME,
    ),
    config(&[Code("SCHEMA_DOES_NOT_EXIST"), Code("CATALOG_DOES_NOT_EXIST")], &[], NO_VOLUME, MAKE_VOLUME),
    config(
        &[Reason("FILES_API_FILE_SIZE_EXCEEDED"), Status(413)],
        &[],
        "A staged file is larger than {host}, or a proxy in front of it, takes in one request",
        "let this machine reach the cloud storage of the workspace, to which larger files go in parts",
    ),
];
