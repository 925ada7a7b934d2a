//! The files in a log's folder, recognised by their names alone.
//!
//! Source of the names: the Delta transaction log protocol, <https://github.com/delta-io/delta/blob/master/PROTOCOL.md>.

use delta_kernel::{Engine, KernelResult};
use url::Url;

/// The file that names the newest checkpoint.
pub const HINT: &str = "_last_checkpoint";

/// The digits of a version in a name.
const DIGITS: usize = 20;
/// The digits of a number of parts, and of one of them.
const PART_DIGITS: usize = 10;
/// The characters of a checkpoint's own id.
const ID_CHARACTERS: usize = 36;

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitFile {
    /// The version that it makes.
    pub version: u64,
    /// Its size in bytes.
    pub size: u64,
    /// Its address.
    pub url: Url,
}

/// The files of a log.
#[derive(Debug, Default)]
pub struct LogFiles {
    /// Commits, by version.
    pub commits: Vec<CommitFile>,
    /// Versions that have a checkpoint, whole or not, in ascending order.
    pub checkpoints: Vec<u64>,
    /// Other files that only a table has: a hint, checksums, compacted logs.
    pub traces: Vec<String>,
}

impl LogFiles {
    /// The files of the table at `table`.
    pub fn of(table: &Url, engine: &dyn Engine) -> KernelResult<Self> {
        let log = table.join("_delta_log/")?;
        let mut files = Self::default();
        for file in engine.storage_handler().list_from(&log)? {
            let file = file?;
            let Some(name) = file.location.as_str().strip_prefix(log.as_str()) else { continue };
            let name = name.to_owned();
            if let Some(version) = commit_version(&name) {
                files.commits.push(CommitFile { version, size: file.size, url: file.location });
            } else if let Some(version) = checkpoint_version(&name) {
                files.checkpoints.push(version);
            } else if name == HINT || is_trace(&name) {
                files.traces.push(name);
            }
        }
        files.commits.sort_by_key(|commit| commit.version);
        files.checkpoints.sort_unstable();
        files.checkpoints.dedup();
        Ok(files)
    }

    /// Whether there is a commit or a checkpoint: without either there is no table.
    pub fn has_table(&self) -> bool {
        !self.commits.is_empty() || !self.checkpoints.is_empty()
    }
}

/// The version of a checkpoint's file, also of a part of one.
pub fn checkpoint_version(name: &str) -> Option<u64> {
    let (version, rest) = version(name)?;
    let number = |digits: &str| digits.len() == PART_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    let is_checkpoint = match rest.split('.').skip(1).collect::<Vec<_>>().as_slice() {
        ["checkpoint", "parquet"] => true,
        ["checkpoint", id, "parquet" | "json"] => id.len() == ID_CHARACTERS,
        ["checkpoint", part, of, "parquet"] => number(part) && number(of),
        _ => false,
    };
    is_checkpoint.then_some(version)
}

/// Whether `name` is that of a checksum or a compacted log. Temporary files that writers leave have other endings.
fn is_trace(name: &str) -> bool {
    version(name).is_some_and(|(_, rest)| rest == ".crc" || rest.ends_with(".compacted.json"))
}

fn commit_version(name: &str) -> Option<u64> {
    version(name).and_then(|(version, rest)| (rest == ".json").then_some(version))
}

/// The version that a name begins with, and the rest of it; `None` for a file in a folder below.
fn version(name: &str) -> Option<(u64, &str)> {
    let (digits, rest) = name.split_at_checked(DIGITS)?;
    let is_version = digits.bytes().all(|byte| byte.is_ascii_digit()) && rest.starts_with('.') && !rest.contains('/');
    Some((digits.parse().ok().filter(|_| is_version)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_recognised_by_their_names() {
        let named = |end: &str| format!("{:020}{end}", 12);
        assert_eq!(commit_version(&named(".json")), Some(12));
        for other in [".json.tmp", ".crc", ".checkpoint.parquet", ".00000000000000000014.compacted.json", "/a.json"] {
            assert_eq!(commit_version(&named(other)), None, "{other}");
        }
        let id = ".checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json";
        for one in [".checkpoint.parquet", ".checkpoint.0000000001.0000000002.parquet", id] {
            assert_eq!(checkpoint_version(&named(one)), Some(12), "{one}");
        }
        for other in [".checkpoint.parquet.tmp", ".checkpoint.tmp.parquet", ".checkpoint.1.2.parquet", ".json.bak"] {
            let name = named(other);
            assert_eq!((checkpoint_version(&name), is_trace(&name)), (None, false), "{other}");
        }
        assert!(is_trace(&named(".crc")) && is_trace(&named(".00000000000000000014.compacted.json")));
        for other in ["_commit_1.json.tmp", ".s3-optimization-0", "_sidecars/00000000000000000001.json", "é", ""] {
            assert_eq!((commit_version(other), checkpoint_version(other), version(other)), (None, None, None));
        }
    }
}
