//! `login` and `logout`: a user signs in with a browser, and a file keeps what a sync needs to be that user.
//!
//! Authorization code with PKCE: this program listens on the loopback interface for the browser to come back (`redirect`), and takes a
//! pasted answer where the browser is on another machine. What concerns Databricks is in `databricks::sign_in::browser`.

mod redirect;

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use self::redirect::Listener;
use crate::config::{
    Account, PUBLIC_CLIENT, Profile, Timeouts, WorkspaceHost, account_of, is_id, login_folder, usual_profiles,
};
use crate::databricks::sign_in::browser::{Answer, Application, SignIn};
use crate::error::{Error, Result};
use crate::login_file::{self, Login, Room};
use crate::named_file;
use crate::secret::Secret;
use crate::tasks::input::{Lines, lines};

/// How long the user may take.
const PATIENCE: Duration = Duration::from_secs(600);
const LOOK: Duration = Duration::from_millis(50);
/// How long what opens a browser may take to say that it cannot.
const OPENING: Duration = Duration::from_secs(2);
/// No secret is longer.
const LONGEST: u64 = 64 << 10;
/// What opens a browser, on the systems that have one of these.
const OPENERS: [&str; 3] = ["xdg-open", "open", "wslview"];

/// Where somebody signs in, or has signed in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The workspace.
    pub host: Option<String>,
    /// A profile of `.databrickscfg` that names the workspace.
    pub profile: Option<String>,
    /// The file; by default one in the user's folder that is called like the profile or the workspace.
    pub file: Option<PathBuf>,
}

/// How somebody signs in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// The application, if not Databricks' own public one.
    pub client_id: Option<String>,
    /// A file with the application's secret.
    pub client_secret_file: Option<PathBuf>,
    /// The account, to sign in there.
    pub account_id: Option<String>,
    /// The host name of its console.
    pub account_host: Option<String>,
    /// The port to which the browser is sent back.
    pub port: Option<u16>,
    /// Does not open a browser.
    pub no_browser: bool,
}

/// Signs a user in; `say` tells the user what to do. Returns what to put into the configuration.
///
/// # Errors
/// What is in the way, and what to do.
pub async fn login(
    place: &Place,
    options: &Options,
    say: &(dyn Fn(&str) + Send + std::marker::Sync),
) -> Result<String> {
    let (workspace, file) = place.resolve()?;
    let application = application(&workspace, options)?;
    login_file::ensure_replaceable(&file)?;
    make_folder(&file)?;
    // Nobody has to sign in for what could not be kept. The room is not held: a login that is killed would leave it.
    drop(Room::for_login(&file)?);
    let mut listener = Listener::open(options.port)?;
    let sign_in = SignIn::begin(application.clone(), &listener.address(), &Timeouts::usual()).await?;
    let address = sign_in.address();
    say("Open this address in a browser, and sign in there:");
    say(&address);
    if !options.no_browser && open_browser(&address).await {
        say("It was opened in a browser of this machine.");
    }
    say(
        "Where the browser is on another machine, it ends at a page that cannot be found: paste that page's address here.",
    );
    let code = wait(&sign_in, &mut listener, &lines()?, say).await?;
    let (refresh_token, user) = sign_in.finish(&code).await?;
    let account = application.account.map(|account| (account.id, account.address));
    let client_id = application.client_id;
    Login { host: workspace.hostname.clone(), account, client_id, user: user.clone(), refresh_token }
        .write(&file)
        .await?;
    let secret = match options.client_secret_file {
        Some(_) => ", \"client_secret\": …",
        None => "",
    };
    Ok(format!(
        "Signed in to {} as {}. In the configuration:\n  \"authentication\": {{\"auth_type\": \"OAUTH_U2M\", \"login_file\": {}{secret}}}",
        workspace.hostname,
        user.unwrap_or_else(|| "a user whose name the workspace does not tell".to_owned()),
        serde_json::Value::from(file.display().to_string())
    ))
}

/// Removes the file of a user who has signed in.
///
/// # Errors
/// Where there is none, or it cannot be removed.
pub async fn logout(place: &Place) -> Result<String> {
    let file = match &place.file {
        Some(file) => file.clone(),
        None => place.resolve()?.1,
    };
    if !login_file::remove(&file).await? {
        return Err(Error::config(format!("Nobody has signed in here: there is no file {}.", file.display())));
    }
    Ok(format!(
        "Removed {}. Applications that the user has agreed to are listed in the user settings of the workspace.",
        file.display()
    ))
}

impl Place {
    /// The workspace and the file.
    fn resolve(&self) -> Result<(WorkspaceHost, PathBuf)> {
        let of_profile = match &self.profile {
            Some(name) => {
                let profile = Profile::find(&usual_profiles(), name)
                    .map_err(|rest| Error::config(format!("--profile {rest}")))?;
                profile.get("host").map(str::to_owned)
            }
            None => None,
        };
        let host = self.host.clone().or(of_profile).ok_or_else(|| {
            Error::config(
                "The workspace is missing: give --host with its host name, or --profile with a profile that has one.",
            )
        })?;
        let workspace = WorkspaceHost::parse(&host)?;
        let file = match &self.file {
            // The configuration may be read elsewhere.
            Some(file) => std::path::absolute(file).unwrap_or_else(|_| file.clone()),
            None => {
                let folder = login_folder().ok_or_else(|| {
                    Error::config("There is no home folder for the login file: name a file with --file.")
                })?;
                let name = self.profile.as_deref().unwrap_or(&workspace.hostname);
                let is_sign = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '.' | '-' | '_');
                let name: String = name.chars().map(|sign| if is_sign(sign) { sign } else { '_' }).collect();
                folder.join(format!("{name}.json"))
            }
        };
        Ok((workspace, file))
    }
}

fn application(workspace: &WorkspaceHost, options: &Options) -> Result<Application> {
    let account = match &options.account_id {
        None => None,
        Some(id) => {
            if !is_id(id) {
                return Err(Error::config(
                    "--account-id must be the id of an account such as 00000000-0000-0000-0000-000000000000: letters, digits, hyphens and \
                     underscores.",
                ));
            }
            let named = options.account_host.as_deref().map(|host| WorkspaceHost::parse(host).map(|host| host.address));
            let address = named.transpose()?.or_else(|| account_of(&workspace.hostname)).ok_or_else(|| {
                Error::config("Which account console belongs to the workspace is not known: give its host name with --account-host.")
            })?;
            Some(Account { id: id.clone(), address })
        }
    };
    let client_secret = options.client_secret_file.as_deref().map(secret_in).transpose()?;
    Ok(Application {
        address: workspace.address.clone(),
        account,
        client_id: options.client_id.clone().unwrap_or_else(|| PUBLIC_CLIENT.to_owned()),
        client_secret,
    })
}

fn secret_in(path: &Path) -> Result<Secret> {
    let wrong = || Error::config(format!("{} holds no secret of an application: name a file with it.", path.display()));
    let bytes = named_file::read(path, LONGEST).map_err(|error| wrong().with_source(error))?;
    let text = String::from_utf8(bytes).map_err(|_| wrong())?;
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong());
    }
    Ok(Secret::new(text))
}

/// Waits for the browser, or for the user who pastes what it shows.
async fn wait(
    sign_in: &SignIn,
    listener: &mut Listener,
    pasted: &Lines,
    say: &(dyn Fn(&str) + Send + std::marker::Sync),
) -> Result<Secret> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some(visit) = listener.visit() {
            match sign_in.answer(&visit.path) {
                Answer::Code(code) => {
                    visit.reply(200, "Databricks has answered. Go back to the terminal; this page can be closed.");
                    return Ok(code);
                }
                Answer::Refused(error) => {
                    visit.reply(400, "Databricks does not sign you in. The terminal says why.");
                    return Err(error);
                }
                // Any page that the browser shows could have sent it here: the user's own answer is still waited for.
                Answer::OfAnother => visit.reply(400, "This answer belongs to another sign-in."),
                Answer::Nothing => visit.reply(404, "There is nothing here."),
            }
            continue;
        }
        if let Some(line) = pasted.next() {
            match sign_in.answer(&line) {
                Answer::Code(code) => return Ok(code),
                Answer::Refused(error) => return Err(error),
                Answer::OfAnother => {
                    say("That address belongs to another sign-in: open the address above, and paste where it ends.")
                }
                Answer::Nothing if line.trim().is_empty() => {}
                Answer::Nothing => {
                    say("That is not where the sign-in ends: paste the whole address, with code= in it.")
                }
            }
            continue;
        }
        sleep(LOOK).await;
    }
    Err(Error::config(format!("Nobody has signed in within {} minutes: run `login` again.", PATIENCE.as_secs() / 60)))
}

/// Opens `address` in a browser; whether something was there that does so.
async fn open_browser(address: &str) -> bool {
    for opener in OPENERS {
        let mut command = Command::new(opener);
        command.arg(address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(mut child) = command.spawn() else { continue };
        let begun = Instant::now();
        loop {
            match child.try_wait() {
                // It may be the browser itself, which stays.
                Ok(None) if begun.elapsed() >= OPENING => return true,
                Ok(None) => sleep(LOOK).await,
                Ok(Some(status)) if status.success() => return true,
                _ => break,
            }
        }
    }
    false
}

fn make_folder(file: &Path) -> Result<()> {
    let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| {
        Error::config(format!(
            "The folder {} for the login file could not be made: name a file with --file.",
            folder.display()
        ))
        .with_source(error)
    })
}
