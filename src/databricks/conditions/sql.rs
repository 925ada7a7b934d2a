//! Rows: the errors of statements. Privileges, names, paths in the storage, tables, other writers.

use super::access::REFUSED;
use super::condition::Key::{Class, Code, SqlState, Text};
use super::condition::{CommitState, Condition, Meaning, config, transient};
use crate::error::Kind;

/// Problem: a path in the storage is taken.
const OVERLAP: &str = "The path of a table overlaps with a table or managed storage that Unity Catalog knows already";
const OTHER_PATH: &str = "if the other table is this one under another name, as after a change of `database`, drop that name (DROP \
                          TABLE leaves the files of an external table); if it has this very name, {who} may not see it: \
                          have SELECT and MODIFY on it granted; else set `data_source.s3_bucket_path` (in Azure `data_source.azure_base_path`) to a folder that holds no \
                          other tables and no catalog's or schema's managed location";

/// Problem: a step that Delta runs after a commit failed.
const HOOK: &str = "A commit to the table succeeded, and a step after it failed";
const MEND_HOOK: &str = "no row is lost; check what Delta updates after each commit to the table, such as symlink manifests and Iceberg \
                         metadata";

const NEEDS_VALUE: &str = "A column of the table is NOT NULL, and records of the stream have no value for it";
/// NOT NULL within a structure, which servers tell as a type.
const FIELD_NEEDS_VALUE: &str = "A structure in the table has other types than the stream, or fields that are NOT NULL";
const LET_IT_BE_NULL: &str = "set `enable_schema_evolution`, or allow it: ALTER TABLE, ALTER COLUMN, DROP NOT NULL";
/// Problem: what is to be created exists, although SHOW did not list it.
const ALREADY_EXISTS: &str = "A schema or table to be created exists already, and {who} may not see it";
const HIDDEN: &str = "have SELECT and MODIFY on the table, or USE SCHEMA on the schema, granted to {who}; if somebody \
                      else has just created it, run the sync again";

/// A missing privilege. The GRANT follows in the message.
const fn right(says: &'static [&'static str], problem: &'static str) -> Condition {
    config(REFUSED, says, problem, "have an owner or administrator grant it")
}

/// Errors of statements.
pub(super) const STATEMENTS: &[Condition] = &[
    // Paths in the storage.
    config(
        &[
            Class("NO_PARENT_EXTERNAL_LOCATION_FOR_PATH"),
            Class("EXTERNAL_LOCATION_DOES_NOT_EXIST"),
            Class("INVALID_PARAMETER_VALUE"),
            Class("PERMISSION_DENIED"),
            Code("EXTERNAL_LOCATION_DOES_NOT_EXIST"),
            Text,
        ],
        &["external location was found", "external location found", "external location does not exist"],
        "No external location of Unity Catalog covers the path of the tables",
        "create one for the bucket or container, or for the folder above: CREATE EXTERNAL LOCATION `airbyte` URL 's3://bucket/path' \
         (in Azure 'abfss://container@account.dfs.core.windows.net/path') \
         WITH (STORAGE CREDENTIAL `credential`)",
    ),
    config(&[Class("LOCATION_OVERLAP"), Class("INVALID_PARAMETER_VALUE.LOCATION_OVERLAP")], &[], OVERLAP, OTHER_PATH),
    config(&[Text], &["overlaps with managed storage", "overlaps with other"], OVERLAP, OTHER_PATH),
    config(
        &[
            Class("PERMISSION_DENIED"),
            SqlState("42501"),
            Code("PERMISSION_DENIED"),
            Code("BAD_REQUEST"),
            Code("IO_ERROR"),
            Code("INTERNAL_ERROR"),
            Code("UNKNOWN"),
            Text,
        ],
        &["cloud storage provider", "accessdeniedexception", "status code: 403", "access denied (service: amazon s3"],
        "Databricks itself may not read or write the bucket or container",
        "correct the storage credential of the external location, or without Unity Catalog the instance profile of the \
         warehouse or cluster: it needs to list, read, write and delete there",
    )
    // If the bucket can be written but not read, the commit may have succeeded.
    .with(CommitState::Unknown),
    // Privileges.
    config(REFUSED, &["already exists and user does not have permission"], ALREADY_EXISTS, HIDDEN)
        .means(Meaning::AlreadyExists),
    right(&["use catalog"], "{Who} lacks USE CATALOG, without which nothing in the catalog can be reached")
        .means(Meaning::MissingParentPrivilege),
    right(&["use schema"], "{Who} lacks USE SCHEMA, without which nothing in the schema can be reached")
        .means(Meaning::MissingParentPrivilege),
    config(
        REFUSED,
        &["create schema", "create on catalog"],
        "{Who} lacks CREATE SCHEMA, which a namespace without a schema needs",
        "have an owner or administrator grant it; if the schema is there already, it is hidden from {who}, who \
         lacks USE SCHEMA (in hive_metastore USAGE) on it: have that granted instead, with CREATE TABLE",
    ),
    right(
        &["create external table"],
        "{Who} lacks CREATE EXTERNAL TABLE, which unmanaged tables need on the external location",
    ),
    right(&["create table"], "{Who} lacks CREATE TABLE, which the tables of new streams need"),
    right(&["read files"], "{Who} lacks READ FILES, which staged files need on the external location"),
    right(&["write files"], "{Who} lacks WRITE FILES, which tables need on the external location"),
    right(&["any file"], "{Who} may not use paths, which the Hive metastore's access control asks for"),
    right(
        &["select", "modify", "usage", "create on", "permission create", "manage", "does not own", "all privileges"],
        "{Who} lacks a right that a sync needs",
    ),
    // Names.
    config(
        &[Class("UC_HIVE_METASTORE_DISABLED_EXCEPTION"), Class("HIVE_METASTORE_DISABLED")],
        &[],
        "This workspace has no hive_metastore",
        "set `database` to a catalog of Unity Catalog, such as main",
    ),
    config(
        &[Class("UC_NOT_ENABLED"), Class("UC_NOT_SUPPORTED")],
        &[],
        "{path} does not know Unity Catalog",
        "use a SQL warehouse or a cluster whose access mode has it, or the catalog hive_metastore as `database`, with the `data_source_type` \
         S3_STORAGE or AZURE_BLOB_STORAGE: it has no volumes for managed tables",
    ),
    config(
        &[
            Class("CATALOG_NOT_FOUND"),
            Class("NO_SUCH_CATALOG_EXCEPTION"),
            Class("CATALOG_DOES_NOT_EXIST"),
            SqlState("42P08"),
            Code("CATALOG_DOES_NOT_EXIST"),
        ],
        &[],
        "There is no such catalog",
        "correct `database`, or create the catalog with CREATE CATALOG",
    ),
    config(
        &[Text],
        &["nosuchcatalogexception", "catalog not found"],
        "There is no such catalog",
        "correct `database`, or create the catalog with CREATE CATALOG",
    ),
    config(
        &[Class("SCHEMA_NOT_FOUND"), Class("SCHEMA_DOES_NOT_EXIST"), SqlState("42704"), Code("SCHEMA_DOES_NOT_EXIST")],
        &["schema", "database"],
        "There is no such schema",
        "create it with CREATE SCHEMA, or let the sync create it: GRANT CREATE SCHEMA on the catalog; if it is the catalog that \
         is not found, set `database` to one that is there, on Apache Spark to spark_catalog",
    ),
    config(
        &[
            Class("TABLE_OR_VIEW_NOT_FOUND"),
            Class("DELTA_TABLE_NOT_FOUND"),
            SqlState("42P01"),
            Code("TABLE_DOES_NOT_EXIST"),
        ],
        &[],
        "A table that was there is gone, or {who} may not see it",
        "have SELECT and MODIFY on it granted to {who}, and USE SCHEMA on its schema; if it is gone, check that \
         nobody drops tables while a sync runs, and run it again",
    ),
    // Tables.
    config(
        &[
            Class("DELTA_PATH_DOES_NOT_EXIST"),
            Class("DELTA_MISSING_TRANSACTION_LOG"),
            Class("DELTA_TRUNCATED_TRANSACTION_LOG"),
        ],
        &[],
        "A table is in the catalog, and its files are gone",
        "restore them, or drop the table, so that the next sync creates it again: DROP TABLE",
    ),
    config(
        &[Class("DELTA_TABLE_LOCATION_MISMATCH"), Class("DELTA_CREATE_TABLE_IDENTIFIER_LOCATION_MISMATCH")],
        &[],
        "A table of this name exists with its files at another path",
        "set the bucket or container and the path to where its files are, or drop or rename the table",
    ),
    config(
        &[
            Class("DELTA_CREATE_TABLE_SCHEME_MISMATCH"),
            Class("DELTA_CREATE_TABLE_WITH_DIFFERENT_PARTITIONING"),
            Class("DELTA_CREATE_TABLE_WITH_DIFFERENT_CLUSTERING"),
            Class("DELTA_CREATE_TABLE_WITH_DIFFERENT_PROPERTY"),
            SqlState("42KD7"),
        ],
        &[],
        "At the path of the table is a Delta table with other columns, partitions or properties",
        "set another path for the tables, or move that table's folder away",
    ),
    config(
        &[Class("DELTA_CREATE_TABLE_WITH_NON_EMPTY_LOCATION"), Class("DELTA_PATH_EXISTS")],
        &[],
        "The folder of the table holds files that are no Delta table",
        "set another path for the tables, or move those files away",
    ),
    config(
        &[
            Class("DELTA_NOT_NULL_CONSTRAINT_VIOLATED"),
            Class("DELTA_MISSING_NOT_NULL_COLUMN_VALUE"),
            Class("DELTA_INSERT_COLUMN_MISMATCH"),
            SqlState("23502"),
        ],
        &[],
        NEEDS_VALUE,
        LET_IT_BE_NULL,
    )
    .means(Meaning::NeedsValue),
    config(&[Class("DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION")], &[], FIELD_NEEDS_VALUE, LET_IT_BE_NULL)
        .means(Meaning::NeedsValue),
    config(
        &[
            Class("DELTA_VIOLATE_CONSTRAINT_WITH_VALUES"),
            Class("DELTA_EXCEED_CHAR_VARCHAR_LIMIT"),
            SqlState("23001"),
            SqlState("23514"),
        ],
        &[],
        "The table has a constraint that rows of this sync do not meet",
        "look at it with SHOW CREATE TABLE and drop it: ALTER TABLE, DROP CONSTRAINT",
    )
    .means(Meaning::ChecksValue),
    config(
        &[Class("DELTA_IDENTITY_COLUMNS_UPDATE_NOT_SUPPORTED")],
        &[],
        "The table has a column whose values it makes itself",
        "look at it with SHOW CREATE TABLE",
    )
    .means(Meaning::ChecksValue),
    config(
        &[
            Class("DELTA_UNSUPPORTED_FEATURES_FOR_WRITE"),
            Class("DELTA_UNSUPPORTED_FEATURES_FOR_READ"),
            SqlState("56038"),
        ],
        &[],
        "The table has Delta features that {path} is too old for",
        "use a newer runtime, or a SQL warehouse",
    ),
    config(
        &[Class("ROW_COLUMN_ACCESS")],
        &[],
        "The table has a row filter or a column mask",
        "exempt {who} from it: a sync has to see the rows that it has written",
    ),
    config(
        &[
            Class("FAILED_READ_FILE"),
            Code("BAD_REQUEST"),
            Code("IO_ERROR"),
            Code("INTERNAL_ERROR"),
            Code("UNKNOWN"),
            Text,
        ],
        &["unsupported encoding"],
        "{path} cannot read the staged Parquet files: its runtime is too old for their encodings",
        "use a cluster with Databricks Runtime 11.3 LTS or later (Apache Spark 3.3), or a SQL warehouse",
    ),
    Condition {
        kind: Kind::System,
        quoted: false,
        ..config(
            &[Class("MALFORMED_RECORD_IN_PARSING"), Text],
            &["malformed record"],
            "{path} cannot read a staged text in CSV",
            "set `data_source.azure_staging_format` to delta, and report it with the schema of the stream",
        )
    },
    // Volumes and staged files. Classes: <https://docs.databricks.com/en/error-messages/error-classes.html>.
    config(
        &[Class("UC_VOLUMES_NOT_ENABLED"), Class("UC_COMMAND_NOT_SUPPORTED")],
        &[],
        "{path} has no volumes of Unity Catalog, in which files are staged for managed tables",
        "use a SQL warehouse, or a cluster with Unity Catalog and Databricks Runtime 13.3 LTS or later; in a workspace without Unity \
         Catalog use the `data_source_type` S3_STORAGE or AZURE_BLOB_STORAGE",
    ),
    config(
        &[Class("UC_VOLUME_NOT_FOUND"), Class("VOLUME_DOES_NOT_EXIST")],
        &[],
        "The volume for staged files is not there, or {who} may not see it",
        "create it, or grant READ VOLUME and WRITE VOLUME on it to {who}",
    ),
    config(
        &[
            Class("PATH_NOT_FOUND"),
            Class("CF_EMPTY_DIR_FOR_SCHEMA_INFERENCE"),
            Class("COPY_INTO_SOURCE_SCHEMA_INFERENCE_FAILED"),
        ],
        &[],
        "The staged files are gone before they were loaded",
        "do not let anybody else delete in the staging folder of a sync that runs, and run the sync again",
    ),
    Condition {
        kind: Kind::System,
        ..config(
            &[Class("USER_RAISED_EXCEPTION"), SqlState("P0001")],
            &["the staged files do not have"],
            "Staged files are missing, and the table was left as it was",
            "run the sync again; if it lasts, report it",
        )
    }
    .means(Meaning::UnseenRows),
    transient(
        &[
            Class("COPY_INTO_DUPLICATED_FILES_COPY_NOT_ALLOWED"),
            Class("COPY_INTO_NON_BLIND_APPEND_NOT_ALLOWED"),
            Class("TRANSACTION_CONCURRENT_COPY_INTO"),
            SqlState("25000"),
        ],
        &[],
        "Another copy of the statement loaded the same files at the same time",
        "run the sync again",
    )
    .with(CommitState::RolledBack),
    transient(
        &[Class("COPY_INTO_STATE_INTERNAL_ERROR"), SqlState("55019")],
        &[],
        "{path} could not use its list of the files that the table has",
        "run the sync again",
    ),
    // Other writers.
    transient(
        &[
            Class("DELTA_CONCURRENT_APPEND"),
            Class("DELTA_CONCURRENT_DELETE_DELETE"),
            Class("DELTA_CONCURRENT_DELETE_READ"),
            Class("DELTA_CONCURRENT_TRANSACTION"),
            Class("DELTA_CONCURRENT_WRITE"),
            Class("DELTA_MAX_COMMIT_RETRIES_EXCEEDED"),
            Class("DELTA_METADATA_CHANGED"),
            Class("DELTA_PROTOCOL_CHANGED"),
            // A statement was read before another writer added a column, and runs after it.
            Class("DELTA_SCHEMA_CHANGE_SINCE_ANALYSIS"),
            SqlState("2D521"),
        ],
        &[],
        "Somebody else repeatedly wrote to the table at the same time",
        "do not let other jobs update or delete in it while a sync runs",
    )
    .with(CommitState::RolledBack),
    transient(
        &[Text],
        &[
            "concurrentappendexception",
            "concurrentdeletedeleteexception",
            "concurrentdeletereadexception",
            "concurrenttransactionexception",
            "concurrentwriteexception",
            "metadatachangedexception",
            "protocolchangedexception",
        ],
        "Somebody else repeatedly wrote to the table at the same time",
        "do not let other jobs update or delete in it while a sync runs",
    )
    .with(CommitState::RolledBack),
    transient(
        &[Class("DELTA_MERGE_MATERIALIZE_SOURCE_FAILED_REPEATEDLY")],
        &[],
        "{path} repeatedly lost what a MERGE had read",
        "run the sync again; if it lasts, use workers that are not taken away (no spot instances), or more memory",
    )
    .with(CommitState::RolledBack),
    transient(&[Class("DELTA_POST_COMMIT_HOOK_FAILED"), SqlState("2DKD0")], &[], HOOK, MEND_HOOK)
        .with(CommitState::Committed),
    transient(
        &[Code("BAD_REQUEST"), Code("INTERNAL_ERROR"), Code("UNKNOWN"), Text],
        &["succeeded but error while executing post-commit hook"],
        HOOK,
        MEND_HOOK,
    )
    .with(CommitState::Committed),
    config(
        &[Class("TABLE_OR_VIEW_ALREADY_EXISTS"), Class("SCHEMA_ALREADY_EXISTS"), SqlState("42P06"), SqlState("42P07")],
        &[],
        ALREADY_EXISTS,
        HIDDEN,
    )
    .means(Meaning::AlreadyExists),
    // This program.
    Condition {
        kind: Kind::System,
        quoted: false,
        ..config(
            &[Class("PARSE_SYNTAX_ERROR"), SqlState("42601")],
            &[],
            "{path} does not understand a statement of the sync",
            "report it with the version of the runtime",
        )
    },
];
