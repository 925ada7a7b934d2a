//! The file that `login` makes: who has signed in where, and the refresh token. Only its owner may read it.
//!
//! A renewal that gives another refresh token replaces it: one process at a time (`turn`), which makes sure beforehand that it can be
//! written (`room`).

mod room;
mod turn;

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

pub use self::room::Room;
pub use self::turn::Turn;
use crate::error::{Error, Result};
use crate::named_file;
use crate::secret::Secret;

const LONGEST: u64 = 64 << 10;
/// As many links as the system itself follows.
const MOST_LINKS: usize = 40;
const REFRESH_TOKEN: &str = "refresh_token";
/// The fields of a login.
const FIELDS: [&str; 6] = ["host", "account_id", "account_address", "client_id", "user", REFRESH_TOKEN];
/// How long a renewal that is under way is waited for by whoever replaces or removes the login. It sees that itself at its end.
const RENEWAL: Duration = Duration::from_secs(30);

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The workspace's host name, or the address of one for tests.
    pub host: String,
    /// The account at which was signed in, if not at the workspace: its id, and the address of its console.
    pub account: Option<(String, String)>,
    /// The application.
    pub client_id: String,
    /// The user, if the workspace said who it is.
    pub user: Option<String>,
    /// The refresh token.
    pub refresh_token: Secret,
}

impl Login {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// A config error that says what to do, also where others may read the file.
    pub fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let again = "run `destination-databricks login` again";
        ensure_file(path)?;
        let bytes = named_file::read(path, LONGEST).map_err(|error| unreadable(path, error))?;
        let mode = std::fs::metadata(path).map(|file| file.mode() & 0o077).unwrap_or_default();
        if mode != 0 {
            return Err(Error::config(format!(
                "The login file {shown} may be used by other users of this machine: run `chmod 600 {shown}`, or {again} if it may have been \
                 read."
            )));
        }
        let value: Option<Value> = serde_json::from_slice(&bytes).ok();
        let text = |name: &str| value.as_ref()?.get(name)?.as_str().map(str::to_owned);
        let found = || {
            Some(Self {
                host: text("host")?,
                account: text("account_id").zip(text("account_address")),
                client_id: text("client_id")?,
                user: text("user"),
                refresh_token: Secret::passing(&text(REFRESH_TOKEN).filter(|token| is_token(token))?),
            })
        };
        found().ok_or_else(|| Error::config(format!("The login file {shown} is damaged: {again}.")))
    }

    /// The user in the file at `path`, if it can be read and names one.
    pub fn user_in(path: &Path) -> Option<String> {
        Self::read(path).ok()?.user
    }

    /// Writes the file at `path`, whole or not at all, for its owner alone.
    ///
    /// # Errors
    /// A config error where that is not possible.
    pub async fn write(&self, path: &Path) -> Result<()> {
        let _turn = Turn::take(path, RENEWAL).await;
        Room::for_login(path)?.fill(self)
    }

    fn text(&self) -> String {
        let account = self.account.as_ref();
        let [host, account_id, account_address, client_id, user, refresh_token] = FIELDS;
        let fields = [
            (host, Some(self.host.as_str())),
            (account_id, account.map(|(id, _)| id.as_str())),
            (account_address, account.map(|(_, address)| address.as_str())),
            (client_id, Some(&self.client_id)),
            (user, self.user.as_deref()),
            (refresh_token, Some(self.refresh_token.expose())),
        ];
        let fields = fields.into_iter().filter_map(|(name, text)| Some((name.to_owned(), Value::from(text?))));
        format!("{:#}\n", Value::Object(fields.collect()))
    }
}

/// Removes the login at `path`, where links lead to, and a link itself. `false`: there is none.
///
/// # Errors
/// A config error where the file is none that `login` has made, or cannot be removed.
pub async fn remove(path: &Path) -> Result<bool> {
    let failed = |error: std::io::Error| {
        Error::config(format!("The login file {} could not be removed: remove it by hand.", path.display()))
            .with_source(error)
    };
    let real = without_links(path).map_err(failed)?;
    match content(&real)? {
        None => return Ok(false),
        Some(bytes) if !is_login(&bytes) => return Err(foreign(path)),
        Some(_) => {}
    }
    let turn = Turn::take(&real, RENEWAL).await;
    std::fs::remove_file(&real).map_err(failed)?;
    drop(turn);
    if real != path {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
    }
    Ok(true)
}

/// Makes sure that a login may be put at `path`: that there is another one, or nothing.
///
/// # Errors
/// A config error where another file is there.
pub fn ensure_replaceable(path: &Path) -> Result<()> {
    match content(path)? {
        Some(bytes) if !bytes.is_empty() && !is_login(&bytes) => Err(foreign(path)),
        _ => Ok(()),
    }
}

/// What is in the file at `path`; `None` where there is none.
fn content(path: &Path) -> Result<Option<Vec<u8>>> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        // Of a pipe nobody knows whether something comes.
        Ok(file) if !file.is_file() => return Err(foreign(path)),
        _ => {}
    }
    match named_file::read(path, LONGEST) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::FileTooLarge => Err(foreign(path)),
        Err(error) => Err(unreadable(path, error)),
    }
}

/// Whether these are the bytes of a login, or of one that is damaged and may still hold its refresh token.
fn is_login(bytes: &[u8]) -> bool {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(fields)) => {
            fields.contains_key(REFRESH_TOKEN)
                && (fields.keys().all(|name| FIELDS.contains(&name.as_str()))
                    || ["host", "client_id"].iter().all(|name| fields.contains_key(*name)))
        }
        Ok(_) => false,
        Err(_) => {
            let text = String::from_utf8_lossy(bytes);
            let names = |name: &str| text.contains(&format!("\"{name}\""));
            text.trim_start().starts_with('{') && names(REFRESH_TOKEN) && (names("host") || names("client_id"))
        }
    }
}

fn foreign(path: &Path) -> Error {
    Error::config(format!(
        "{} is no login file: nothing is done to it. Name the file that `login` has made.",
        path.display()
    ))
}

/// Where `path` leads to, by links that need not lead to a file yet.
fn without_links(path: &Path) -> std::io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match std::fs::read_link(&path) {
            Ok(target) => path = folder_of(&path).join(target),
            // No link, or nothing.
            Err(_) => return Ok(path),
        }
    }
    Err(std::io::Error::other("too many links"))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Of a pipe nobody knows whether something comes.
fn ensure_file(path: &Path) -> Result<()> {
    match std::fs::metadata(path) {
        Ok(file) if !file.is_file() => Err(Error::config(format!(
            "The login file {} is no regular file: name the one that `destination-databricks login` has made.",
            path.display()
        ))),
        _ => Ok(()),
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    let shown = path.display();
    let message = match error.kind() {
        std::io::ErrorKind::NotFound => format!(
            "There is no login file at {shown}: run `destination-databricks login --host …`, and let `authentication.login_file` name the \
             file that it makes."
        ),
        std::io::ErrorKind::PermissionDenied => {
            format!("The login file {shown} may not be read: run this as the user who has made it.")
        }
        _ => format!("The login file {shown} could not be read: run `destination-databricks login` again."),
    };
    Error::config(message).with_source(error)
}

#[cfg(test)]
#[path = "login_file_tests.rs"]
mod tests;
