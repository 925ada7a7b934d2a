//! The kernel's errors as errors for the user: which feature keeps this program from reading or writing a table, and what to do.
//!
//! Source of the features and of what the older versions imply: the Delta transaction log protocol,
//! <https://github.com/delta-io/delta/blob/master/PROTOCOL.md>, sections "Table Features" and "Valid Feature Names".

use std::collections::BTreeSet;

use delta_kernel::actions::Protocol;
use delta_kernel::table_features::TableFeature;
use delta_kernel::{Engine, KernelError};
use serde_json::Value;

use super::files::{CommitFile, LogFiles};
use crate::error::Error;
use crate::storage::in_the_way;

/// Features that a writer has to support and this program does not, beside all that the kernel does not know.
const NOT_SUPPORTED: [&str; 5] =
    ["checkConstraints", "generatedColumns", "identityColumns", "icebergCompatV1", "icebergNativeV4-preview"];
/// How many of the newest commits are searched for a protocol.
const COMMITS_READ: usize = 20;
/// The writer version from which on features are listed one by one.
const FEATURES_LISTED: i32 = 7;

/// An error of the kernel by what can be done about it. `verb` is what was tried: "read" or "write".
pub fn classify(shown: &str, verb: &str, error: KernelError) -> Error {
    let error = match error {
        KernelError::Backtraced { source, .. } => *source,
        error => error,
    };
    let failed = format!("A {verb} of the log of table {shown} failed.");
    if let Some(found) = planted(&error) {
        let message = format!("{failed} {found}");
        return Error::config(message).with_source(error);
    }
    let error_for_user = match &error {
        KernelError::Unsupported(message) => unsupported(shown, verb, message),
        KernelError::MaxCatalogVersion(_) => Error::config(format!(
            "Table {shown} has the table feature catalogManaged: only its catalog may commit to it. Let \
             Databricks load it (`databricks_server_hostname`), move the table away or rename the stream."
        )),
        KernelError::StatsValidation(_) => Error::config(format!(
            "Table {shown} is clustered, which needs the smallest and largest value of each file, and a record's \
             emitted_at lies outside the years 0001 to 9999, which readers do not understand. Correct the source, \
             or remove the clustering: ALTER TABLE … CLUSTER BY NONE."
        )),
        KernelError::InvalidProtocol(message) => {
            Error::config(format!("The protocol of table {shown} contradicts itself: {message}. {ADVICE}"))
        }
        KernelError::Schema(message) => Error::config(format!(
            "The columns of table {shown} cannot be understood: {message}. Move the table away or rename the stream."
        )),
        KernelError::MissingProtocol | KernelError::MissingMetadata | KernelError::MissingMetadataAndProtocol => {
            Error::config(format!(
                "The log of table {shown} does not say what the table is: an action `protocol` or `metaData` is missing. Restore \
                 the commit that had it from a backup, move the table's folder away or rename the stream."
            ))
        }
        KernelError::ObjectStore(cause) => match own_error(cause) {
            Some(own) => Error::new(own.kind(), format!("{failed} {own}")),
            None => Error::transient(failed),
        },
        KernelError::IOError(_) => Error::transient(failed),
        KernelError::Arrow(_) | KernelError::MalformedJson(_) | KernelError::MissingColumn(_) if verb == "read" => {
            Error::config(format!(
                "Something in the log of table {shown} is not as the Delta protocol asks (the internal message says what). Restore \
                 the log from a backup, move the table's folder away or rename the stream."
            ))
        }
        _ => Error::system(failed),
    };
    match error {
        // The kernel shows these and does not name them as its causes, among which limits of the system are found.
        KernelError::ObjectStore(cause) => error_for_user.with_source(cause),
        KernelError::IOError(cause) => error_for_user.with_source(cause),
        error => error_for_user.with_source(error),
    }
}

/// This program's own error about the store, if it is the cause of `error`.
fn own_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Error> {
    std::iter::successors(Some(error), |error| error.source()).find_map(<dyn std::error::Error>::downcast_ref)
}

/// What is not a file in the log, if that is the cause of `error`. The kernel's error does not carry its cause as a source.
fn planted(error: &KernelError) -> Option<&str> {
    match error {
        KernelError::ObjectStore(error) => in_the_way(error),
        error => in_the_way(error),
    }
}

/// The error of a table that cannot even be read: the kernel names one unsupported feature, the log lists all of them.
pub fn read_error(shown: &str, files: &LogFiles, engine: &dyn Engine, error: KernelError) -> Error {
    if !matches!(error, KernelError::Unsupported(_)) {
        return classify(shown, "read", error);
    }
    let read = |commit: &CommitFile| {
        let bytes = engine.storage_handler().read_files(vec![(commit.url.clone(), None)]).ok()?.next()?.ok()?;
        let lines = bytes.split(|byte| *byte == b'\n');
        lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok()?.get("protocol").cloned()).next_back()
    };
    // The protocol is in one of the newest commits or, for most tables, in the first one, unless a checkpoint replaces that.
    let newest = files.commits.iter().rev().take(COMMITS_READ).chain(files.commits.first());
    let Some(protocol) = newest.into_iter().find_map(read) else { return classify(shown, "read", error) };
    let names = ["readerFeatures", "writerFeatures"].iter().filter_map(|list| protocol.get(list)?.as_array());
    let refused = names
        .flatten()
        .filter_map(Value::as_str)
        .filter(|name| NOT_SUPPORTED.contains(name) || matches!(name.parse(), Ok(TableFeature::Unknown(_)) | Err(_)));
    let refused: BTreeSet<&str> = refused.collect();
    if refused.is_empty() {
        return classify(shown, "read", error);
    }
    let refused: Vec<&str> = refused.into_iter().collect();
    Error::config(format!("{} {ADVICE}", has_features(shown, "read", &refused))).with_source(error)
}

/// The error of a table with `protocol` that cannot be written to; `error` is the kernel's.
pub fn write_error(shown: &str, protocol: &Protocol, error: KernelError) -> Error {
    let (KernelError::Unsupported(message), version) = (&error, protocol.min_writer_version()) else {
        return classify(shown, "write", error);
    };
    let implied = implied(version);
    let refused = if version < FEATURES_LISTED && !implied.is_empty() {
        format!(
            "Table {shown} has the writer version {version}, which asks every writer to support {}, used or not; this version does \
             not. A possible cause is {}.",
            list(implied.iter().map(|(feature, _)| *feature)),
            list(implied.iter().map(|(_, cause)| *cause))
        )
    } else {
        let listed = protocol.writer_features().unwrap_or_default().iter();
        let named = listed.map(|feature| (feature.to_string(), matches!(feature, TableFeature::Unknown(_))));
        let refused = named.filter(|(name, unknown)| *unknown || NOT_SUPPORTED.contains(&name.as_str()));
        let refused: Vec<String> = refused.map(|(name, _)| name).collect();
        match refused.as_slice() {
            [] => return unsupported(shown, "write", message).with_source(error),
            names => has_features(shown, "write", names),
        }
    };
    Error::config(format!("{refused} {ADVICE}")).with_source(error)
}

const ADVICE: &str = "Drop the feature where the table's owner can (ALTER TABLE … DROP FEATURE), move the table away or rename \
                    the stream.";

fn unsupported(shown: &str, verb: &str, message: &str) -> Error {
    let feature = message.split_once('\'').and_then(|(_, rest)| rest.split_once('\'')).map(|(name, _)| name);
    let what = match feature {
        Some(feature) => has_features(shown, verb, &[feature]),
        None if message.contains("invariants") => {
            format!("Table {shown} has invariants on its columns (delta.invariants).")
        }
        None => {
            format!("Table {shown} asks for more of the Delta protocol than this version can {verb}: {message}.")
        }
    };
    Error::config(format!("{what} {ADVICE}"))
}

fn has_features(shown: &str, verb: &str, names: &[impl AsRef<str>]) -> String {
    let (plural, which) = if names.len() == 1 { ("", "it") } else { ("s", "them") };
    let names = list(names.iter().map(AsRef::as_ref));
    format!("Table {shown} has the table feature{plural} {names}, and this version cannot {verb} tables with {which}.")
}

/// The features that a legacy writer version implies and this program does not support, and what commonly raises a table to it.
fn implied(version: i32) -> Vec<(&'static str, &'static str)> {
    [
        (3, "checkConstraints", "a CHECK constraint (delta.constraints.*)"),
        (4, "generatedColumns", "the change data feed (delta.enableChangeDataFeed) or a generated column"),
        (6, "identityColumns", "an identity column"),
    ]
    .into_iter()
    .filter(|(from, ..)| version >= *from)
    .map(|(_, feature, cause)| (feature, cause))
    .collect()
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    match names.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        names => names.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn a_limit_that_the_kernel_meets_is_named() {
        let limits = [
            (libc::EMFILE, "ulimit -n"),
            (libc::ENOSPC, "df -i"),
            (libc::EDQUOT, "quota"),
            (libc::EFBIG, "ulimit -f"),
            (libc::ENOMEM, "ulimit -v"),
        ];
        for ((code, remedy), verb) in limits.into_iter().zip(["read", "write"].into_iter().cycle()) {
            let source = Box::new(std::io::Error::from_raw_os_error(code));
            let met = object_store::Error::Generic { store: "LocalFileSystem", source };
            for error in [KernelError::from(met), KernelError::IOError(std::io::Error::from_raw_os_error(code))] {
                let error = classify("users", verb, error);
                assert_eq!(error.kind(), Kind::Config, "{error}");
                assert!(error.message().contains(remedy), "{error}");
                assert!(error.message().contains(&format!("A {verb} of the log of table users")), "{error}");
            }
        }
    }
}
