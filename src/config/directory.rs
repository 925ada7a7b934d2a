//! The directory that a text means: a path of this machine, as people and other programs write it.
//!
//! A path that only a shell, another system or another storage understands would become a folder of that name, and the sync
//! would succeed: it is refused with what to write instead.

use std::path::{Component, Path, PathBuf};

use super::fields::shown;

const FILE: &str = "file:";

/// Schemes of addresses that are written with one colon and no slashes too.
const SCHEMES: [&str; 14] =
    ["abfs", "abfss", "adl", "az", "dbfs", "gcs", "gs", "hdfs", "s3", "s3a", "s3n", "volumes", "wasb", "wasbs"];

/// The absolute path, without `.` and `..`, that `text` means, or what is wrong with it: the rest of a sentence. An empty
/// text is an empty path.
pub(super) fn read(text: &str) -> Result<PathBuf, String> {
    let plain = match text.get(..FILE.len()) {
        Some(scheme) if scheme.eq_ignore_ascii_case(FILE) => of_url(text.get(FILE.len()..).unwrap_or_default())?,
        _ => text,
    };
    ensure_local(plain, text)?;
    if plain.is_empty() {
        return Ok(PathBuf::new());
    }
    let absolute = std::path::absolute(plain)
        .map_err(|_| "is relative, but there is no current directory: write an absolute path.".to_owned())?;
    Ok(without_dots(&absolute))
}

/// The path of a `file:` URL, of which `rest` is what follows the scheme: `/path` or `///path`.
fn of_url(rest: &str) -> Result<&str, String> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.starts_with('/') {
        return Ok(path);
    }
    Err("must have an absolute path after file://, for example file:///local/lakehouse.".to_owned())
}

/// Refuses what is no path of this machine; `given` is what the user wrote.
fn ensure_local(plain: &str, given: &str) -> Result<(), String> {
    // A URL of a Windows path has a slash before its drive: file:///C:/lake. No slash need follow: C:lake lies in that
    // drive's current directory. Of this machine, /c:x may be a folder.
    let mut begin = plain.trim_start_matches('/').chars();
    let is_absolute_here = plain.starts_with('/') && plain == given;
    let is_drive = begin.next().is_some_and(|letter| letter.is_ascii_alphabetic())
        && begin.next() == Some(':')
        && (!is_absolute_here || matches!(begin.next(), None | Some('/' | '\\')));
    if is_drive || plain.starts_with('\\') {
        return Err(format!(
            "must be a directory as Linux writes it, with slashes and without a drive letter, not {}: in a container, mount \
             the directory and give the path that it has there, for example /local/lakehouse.",
            shown(given)
        ));
    }
    if let Some((scheme, rest)) = plain.split_once(':')
        && is_scheme(scheme)
        && (rest.starts_with('/') || SCHEMES.contains(&scheme.to_ascii_lowercase().as_str()))
    {
        let cure = match scheme.to_ascii_lowercase().as_str() {
            "s3" | "s3a" | "s3n" => {
                ": for a bucket, set `data_source.data_source_type` to S3_STORAGE and `data_source.s3_bucket_name`"
            }
            "dbfs" => ": Databricks reads its tables from a bucket, set `data_source.data_source_type` to S3_STORAGE",
            _ => "",
        };
        return Err(format!("must be a directory on this machine, not the address {}{cure}.", shown(given)));
    }
    if plain.starts_with('~') {
        return Err("begins with ~, which only a shell understands: write the whole path.".to_owned());
    }
    if plain.contains('$') {
        return Err(
            "has a $ in it, and variables are not filled in here: write the whole path, without a $.".to_owned()
        );
    }
    if plain.starts_with(['"', '\'']) {
        return Err("begins with a quotation mark: write the path without quotes around it.".to_owned());
    }
    if plain.split('/').any(|part| part == "_delta_log") {
        return Err("lies in the log of a Delta table: give a folder that is no table, above all tables.".to_owned());
    }
    if plain.contains('\0') {
        return Err("contains a NUL character, which no path can have: remove it.".to_owned());
    }
    if plain.contains(char::is_control) {
        return Err("has a line break or another control character in it: write the path on one line.".to_owned());
    }
    Ok(())
}

fn is_scheme(text: &str) -> bool {
    text.len() > 1
        && text.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// Resolves `..` by the names alone, so that every part of the program, and every Delta reader that makes a URL of
/// the path, means the same directory.
fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_url_is_the_path_in_it_however_many_slashes_it_has() {
        for text in ["/tmp/x", "file:/tmp/x", "file:///tmp/x", "FILE:/tmp/x", "file:////tmp/x", "/tmp/y/../x/."] {
            assert_eq!(read(text), Ok(PathBuf::from("/tmp/x")), "{text}");
        }
        for text in ["file:", "file://", "file:x", "file://localhost/tmp/x", "file:./x"] {
            assert!(read(text).is_err_and(|rest| rest.contains("absolute path after file://")), "{text}");
        }
    }

    #[test]
    fn what_is_no_path_of_this_machine_is_refused_with_its_cure() {
        for (text, cure) in [
            ("C:\\lake", "mount"),
            ("c:/lake", "mount"),
            ("D:", "mount"),
            ("c:x", "mount"),
            ("C:lake/raw", "mount"),
            ("file:///C:lake", "mount"),
            ("file:///C:/lake", "mount"),
            ("\\\\server\\share", "mount"),
            ("$HOME/lake", "write the whole path"),
            ("/data/${ENV}/lake", "write the whole path"),
            ("~/lake", "write the whole path"),
            ("~airbyte/lake", "write the whole path"),
            ("s3://bucket/lake", "S3_STORAGE"),
            ("S3A://bucket/lake", "S3_STORAGE"),
            ("s3:bucket", "S3_STORAGE"),
            ("dbfs:/lake", "S3_STORAGE"),
            ("abfss://c@a.dfs.core.windows.net/lake", "not the address"),
            ("gs://bucket", "not the address"),
            ("hdfs:/lake", "not the address"),
            ("https://example.com/lake", "not the address"),
            ("volumes:/lake", "not the address"),
            ("\"/tmp/x\"", "without quotes"),
            ("'/tmp/x'", "without quotes"),
            ("/tmp/\nx", "one line"),
            ("/lake/users/_delta_log", "no table"),
        ] {
            assert!(read(text).is_err_and(|rest| rest.contains(cure)), "{text}: {:?}", read(text));
        }
    }

    #[test]
    fn unusual_names_that_are_paths_stay_what_they_are() {
        for text in ["/data/a:b", "/c:x", "./c:x", "/data/C:/x", "/data/~x", "/Données/lake house", "/data/s3://x"] {
            assert!(read(text).is_ok(), "{text}: {:?}", read(text));
        }
        assert!(read("lake:1").is_ok_and(|path| path.ends_with("lake:1")));
    }
}
