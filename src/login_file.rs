//! The file that `login` makes: who has signed in where, and the refresh token. Only its owner may read it. A renewal that gives another
//! refresh token replaces it, one process at a time.

use std::fs::{File, Metadata, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::error::{Error, Result};
use crate::named_file;
use crate::secret::Secret;

const LONGEST: u64 = 64 << 10;
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
                refresh_token: Secret::new(text("refresh_token").filter(|token| is_token(token))?),
            })
        };
        found().ok_or_else(|| Error::config(format!("The login file {shown} is damaged: {again}.")))
    }

    /// Writes the file at `path`, whole or not at all, for its owner alone.
    ///
    /// # Errors
    /// A config error where that is not possible.
    pub fn write(&self, path: &Path) -> Result<()> {
        let account = self.account.as_ref();
        let fields = [
            ("host", Some(self.host.as_str())),
            ("account_id", account.map(|(id, _)| id.as_str())),
            ("account_address", account.map(|(_, address)| address.as_str())),
            ("client_id", Some(&self.client_id)),
            ("user", self.user.as_deref()),
            ("refresh_token", Some(self.refresh_token.expose())),
        ];
        let fields = fields.into_iter().filter_map(|(name, text)| Some((name.to_owned(), Value::from(text?))));
        let value = Value::Object(fields.collect());
        let write = || {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let mut file = tempfile::Builder::new().permissions(Permissions::from_mode(0o600)).tempfile_in(folder)?;
            file.write_all(format!("{value:#}\n").as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(path).map_err(|error| error.error)?;
            File::open(folder)?.sync_all()
        };
        write().map_err(|error| {
            Error::config(format!(
                "The login file {} could not be written, and the next refresh token has to be: let its folder be one that this user may \
                 write, and that stays when the sync ends.",
                path.display()
            ))
            .with_source(error)
        })
    }
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
mod tests {
    use super::*;

    fn login() -> Login {
        Login {
            host: "abc.cloud.databricks.com".to_owned(),
            account: Some(("0000-1".to_owned(), "https://accounts.cloud.databricks.com".to_owned())),
            client_id: "databricks-cli".to_owned(),
            user: Some("me@example.com".to_owned()),
            refresh_token: Secret::new("doau-0123456789"),
        }
    }

    #[test]
    fn a_login_is_read_as_it_was_written_and_only_by_its_owner() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("login.json");
        login().write(&path).expect("written");
        assert_eq!(std::fs::metadata(&path).expect("a file").mode() & 0o777, 0o600);
        assert_eq!(Login::read(&path).expect("a login"), login());
        let bare = Login { account: None, user: None, ..login() };
        bare.write(&path).expect("replaced");
        assert_eq!(Login::read(&path).expect("a login"), bare);
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("a mode");
        assert!(Login::read(&path).expect_err("open").message().contains("chmod 600"));
    }

    #[test]
    fn a_login_that_is_none_is_said_to_be_so() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("login.json");
        assert!(Login::read(&path).expect_err("none").message().contains("There is no login file"));
        for text in ["", "{", "[]", r#"{"host": "a"}"#, r#"{"host":"a","client_id":"b","refresh_token":"c\nd"}"#] {
            std::fs::write(&path, text).expect("written");
            std::fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("a mode");
            assert!(Login::read(&path).expect_err(text).message().contains("is damaged"), "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_process_renews_at_a_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("login.json");
        login().write(&path).expect("written");
        let turn = Turn::take(&path).await.expect("a turn");
        assert!(Turn::take(&path).await.is_err_and(|error| error.message().contains("Another process")));
        // Another file in its place is another lock.
        login().write(&path).expect("written");
        let next = Turn::take(&path).await.expect("a turn");
        drop((turn, next));
        Turn::take(&path).await.expect("a turn");
    }
}
