//! The file that `login` makes: who has signed in where, and the refresh token. Only its owner may read it. A renewal that gives another
//! refresh token replaces it, one process at a time.

use std::fs::{File, Metadata, Permissions};
use std::io::{ErrorKind, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::error::{Error, Result};
use crate::named_file;
use crate::secret::Secret;

const LONGEST: u64 = 64 << 10;
/// Room for the rest of a login whose tokens may be longer than those before.
const ROOM: usize = 8 << 10;
/// As many links as the system itself follows.
const MOST_LINKS: usize = 40;
const REFRESH_TOKEN: &str = "refresh_token";
/// The fields of a login.
const FIELDS: [&str; 6] = ["host", "account_id", "account_address", "client_id", "user", REFRESH_TOKEN];
/// How long another process may renew.
const TURN: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(50);

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
                refresh_token: Secret::new(text(REFRESH_TOKEN).filter(|token| is_token(token))?),
            })
        };
        found().ok_or_else(|| Error::config(format!("The login file {shown} is damaged: {again}.")))
    }

    /// Writes the file at `path`, whole or not at all, for its owner alone.
    ///
    /// # Errors
    /// A config error where that is not possible.
    pub fn write(&self, path: &Path) -> Result<()> {
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

/// Room for a login, taken before there is one: what is asked for by a refresh token that is good for once must not be lost because its
/// answer cannot be written. Nothing is left of it where it is not filled.
pub struct Room {
    file: tempfile::NamedTempFile,
    /// Without links, of which others may lead there.
    path: PathBuf,
}

impl Room {
    /// Takes it beside the file at `path`, where links lead to.
    ///
    /// # Errors
    /// A config error where nothing can be written there.
    pub fn for_login(path: &Path) -> Result<Self> {
        let take = || {
            let path = without_links(path)?;
            let mut file =
                tempfile::Builder::new().permissions(Permissions::from_mode(0o600)).tempfile_in(folder_of(&path))?;
            // A full disk is noticed now.
            let length = std::fs::metadata(&path).map_or(0, |file| file.len().min(LONGEST));
            file.write_all(&vec![b'\n'; usize::try_from(length).unwrap_or(0) + ROOM])?;
            file.as_file().sync_all()?;
            std::io::Result::Ok(Self { file, path })
        };
        take().map_err(|error| unwritable(path, error))
    }

    /// Puts `login` there, in place of what was there.
    ///
    /// # Errors
    /// A config error where that is not possible.
    pub fn fill(self, login: &Login) -> Result<()> {
        let Self { mut file, path } = self;
        let text = login.text();
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
        if length > LONGEST {
            return Err(Error::config(format!(
                "The login file {} would have more than {} KiB, which no login has: the refresh token is longer than any of Databricks.",
                path.display(),
                LONGEST >> 10
            )));
        }
        let mut write = || {
            file.as_file_mut().seek(SeekFrom::Start(0))?;
            file.write_all(text.as_bytes())?;
            file.as_file().set_len(length)?;
            file.as_file().sync_all()
        };
        write().map_err(|error| lost(&path, error))?;
        let put = file.persist(&path).map_err(|error| error.error);
        put.and_then(|_| File::open(folder_of(&path))?.sync_all()).map_err(|error| lost(&path, error))
    }
}

/// Removes the login at `path`, where links lead to, and a link itself. `false`: there is none.
///
/// # Errors
/// A config error where the file is none that `login` has made, or cannot be removed.
pub fn remove(path: &Path) -> Result<bool> {
    let failed = |error: std::io::Error| {
        Error::config(format!("The login file {} could not be removed: remove it by hand.", path.display()))
            .with_source(error)
    };
    let real = without_links(path).map_err(failed)?;
    match content(&real)? {
        None => return Ok(false),
        Some(bytes) if !is_login(&bytes) => return Err(foreign(path)),
        Some(_) => std::fs::remove_file(&real).map_err(failed)?,
    }
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

fn unwritable(path: &Path, error: std::io::Error) -> Error {
    Error::config(format!(
        "The login file {} cannot be written, and the next refresh token has to be: no token was asked for. Let its folder be one that this \
         user may write, and that stays when the sync ends.",
        path.display()
    ))
    .with_source(error)
}

fn lost(path: &Path, error: std::io::Error) -> Error {
    Error::config(format!(
        "The login file {} could not be written although there was room for it: look at its file system, and run `destination-databricks \
         login` again.",
        path.display()
    ))
    .with_source(error)
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The right to renew, of one process at a time. It ends with this.
pub struct Turn(#[allow(dead_code, reason = "holds the lock")] File);

impl Turn {
    /// Waits for the right to renew the login at `path`: a lock of the file itself, which may be one that cannot be written.
    ///
    /// # Errors
    /// Where there is no file, or another process does not give the lock back in time.
    pub async fn take(path: &Path) -> Result<Self> {
        let begun = Instant::now();
        loop {
            let file = File::open(path).map_err(|error| unreadable(path, error))?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                // Whoever had it before may have put another file in its place.
                Ok(()) if is_at(&file, path) => return Ok(Self(file)),
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) if begun.elapsed() < TURN => {
                    sleep(LOOK).await
                }
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    return Err(Error::transient(format!(
                        "Another process has locked the login file {} for longer than {} s: end it, or try again.",
                        path.display(),
                        TURN.as_secs()
                    )));
                }
                Err(error) => return Err(unreadable(path, error.into())),
            }
        }
    }
}

/// Whether `file` is the one at `path`.
fn is_at(file: &File, path: &Path) -> bool {
    let same = |one: &Metadata, other: &Metadata| (one.dev(), one.ino()) == (other.dev(), other.ino());
    matches!((file.metadata(), std::fs::metadata(path)), (Ok(one), Ok(other)) if same(&one, &other))
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
