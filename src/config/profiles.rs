//! Secrets in the profiles of AWS's tools, and in the files that they name: made known before AWS's own client uses them.

use std::path::{Path, PathBuf};

use crate::secret::{know, know_key_id};

/// Variables that name a file with profiles, and where it is in the user's folder without them.
pub(super) const PROFILES: [(&str, &str); 2] =
    [("AWS_CONFIG_FILE", ".aws/config"), ("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials")];
/// What in a profile is a secret, and what names a file with one.
const SECRETS: [&str; 2] = ["aws_secret_access_key", "aws_session_token"];
const KEY_ID: &str = "aws_access_key_id";
const FILE: &str = "web_identity_token_file";
/// A longer file holds no token.
pub(super) const LONGEST_FILE: u64 = 64 << 10;
/// A longer one holds no profiles.
pub(super) const LONGEST_PROFILES: u64 = 16 << 20;

/// Makes them known.
pub(super) fn know_secrets() {
    for (variable, usual) in PROFILES {
        let file = std::env::var(variable).map_or_else(|_| home().join(usual), |file| in_home(&file));
        let text = text_of(&file, LONGEST_PROFILES).unwrap_or_default();
        for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
            // A comment has a space before it.
            let end = [" #", " ;", "\t#", "\t;"].iter().filter_map(|sign| value.find(sign)).min();
            let value = value.get(..end.unwrap_or(value.len())).unwrap_or_default().trim_end();
            if SECRETS.contains(&name.as_str()) {
                know(value);
            } else if name == KEY_ID {
                know_key_id(value);
            } else if name == FILE {
                know_file(&in_home(value));
            }
        }
    }
}

fn home() -> PathBuf {
    std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default()
}

/// `path` as AWS's tools read it: `~/` is the user's folder.
pub(super) fn in_home(path: &str) -> PathBuf {
    path.strip_prefix("~/").map_or_else(|| PathBuf::from(path), |path| home().join(path))
}

/// Makes known what the file at `path` holds, if it is there and may be a token.
pub(super) fn know_file(path: &Path) {
    if let Some(text) = text_of(path, LONGEST_FILE) {
        know(text.trim());
    }
}

fn text_of(path: &Path, most: u64) -> Option<String> {
    // Nothing is waited for.
    let is_short = std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() <= most);
    if is_short { std::fs::read_to_string(path).ok() } else { None }
}
