//! Secrets in the environment, for AWS's own client, for Azure's identities and for proxies: registered before any message can contain them.

use std::path::{Path, PathBuf};

use url::Url;

use super::profiles::{self, LONGEST_FILE, LONGEST_PROFILES, PROFILES};
use crate::error::{Error, Result};
use crate::secret::{know, know_key_id};

/// Variables that are secrets as they are.
const SECRETS: [&str; 5] = [
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AZURE_CLIENT_SECRET",
    "IDENTITY_HEADER",
];
/// One that is the name of a key.
const KEY_ID: &str = "AWS_ACCESS_KEY_ID";
/// Variables that name a file with one.
const FILES: [&str; 2] = ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"];
/// The same for Azure.
const AZURE_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";
/// Variables whose address may have a user and a password in it.
const PROXIES: [&str; 6] = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/// Checks the files from which AWS's client is about to read credentials. From a pipe or an endless device it would read for ever: no
/// time limit applies to it.
///
/// # Errors
/// A config error that names the variable.
pub fn ensure_aws_files() -> Result<()> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let tokens = FILES.iter().map(|name| ((*name).to_owned(), set(name).map(PathBuf::from), LONGEST_FILE));
    let profiles = PROFILES.iter().map(|(name, usual)| match (set(name), set("HOME")) {
        (None, Some(home)) => ("HOME".to_owned(), Some(Path::new(&home).join(usual)), LONGEST_PROFILES),
        (named, _) => ((*name).to_owned(), named.map(|file| profiles::in_home(&file)), LONGEST_PROFILES),
    });
    for (name, file, most) in tokens.chain(profiles).filter_map(|(name, file, most)| Some((name, file?, most))) {
        // AWS's client reports a missing file. `/dev/null` is how users say that there is no profile.
        let Some(metadata) = std::fs::metadata(&file).ok().filter(|_| file != Path::new("/dev/null")) else { continue };
        if !metadata.is_file() || metadata.len() > most {
            return Err(Error::config(format!(
                "The variable {name} leads to {} for AWS credentials, which is not a regular file of at most {} kB: correct the \
                 variable.",
                file.display(),
                most >> 10
            )));
        }
    }
    Ok(())
}

/// A variable of the environment that is not empty.
pub(super) fn set(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// Registers the secrets, so that they are hidden in all messages. Tokens in files are exchanged while a sync runs: call it whenever
/// they are about to be used.
pub fn know_secrets() {
    let set = |name: &&str| std::env::var(name).ok();
    set(&KEY_ID).iter().for_each(|id| know_key_id(id.trim()));
    SECRETS.iter().filter_map(set).for_each(|secret| know(secret.trim()));
    for file in FILES.iter().chain([&AZURE_FILE]).filter_map(set) {
        profiles::know_file(file.as_ref());
    }
    profiles::know_secrets();
    for proxy in PROXIES.iter().filter_map(set) {
        let Ok(url) = Url::parse(&proxy) else { continue };
        // It is percent-encoded there.
        if let Some(password) = url.password() {
            know(password);
            let plain = url::form_urlencoded::parse(password.as_bytes()).next();
            plain.iter().for_each(|(password, _)| know(password));
        }
    }
}
