//! Secrets in the environment, of AWS's own client and of proxies: made known before any message can contain them.

use std::path::{Path, PathBuf};

use url::Url;

use super::profiles::{self, LONGEST_FILE, LONGEST_PROFILES, PROFILES};
use crate::error::{Error, Result};
use crate::secret::{know, know_key_id};

/// Variables that are secrets as they are.
const SECRETS: [&str; 3] = ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN"];
/// One that is the name of a key.
const KEY_ID: &str = "AWS_ACCESS_KEY_ID";
/// Variables that name a file with one.
const FILES: [&str; 2] = ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"];
/// Variables whose address may have a user and a password in it.
const PROXIES: [&str; 6] = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/// Whether AWS's client can read the files that it is about to ask for credentials. It would wait for a pipe and read a device without
/// an end, and no time limit ends that.
///
/// # Errors
/// One of the configuration that names the variable.
pub fn ensure_aws_files() -> Result<()> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let tokens = FILES.iter().map(|name| ((*name).to_owned(), set(name).map(PathBuf::from), LONGEST_FILE));
    let profiles = PROFILES.iter().map(|(name, usual)| match (set(name), set("HOME")) {
        (None, Some(home)) => ("HOME".to_owned(), Some(Path::new(&home).join(usual)), LONGEST_PROFILES),
        (named, _) => ((*name).to_owned(), named.map(|file| profiles::in_home(&file)), LONGEST_PROFILES),
    });
    for (name, file, most) in tokens.chain(profiles).filter_map(|(name, file, most)| Some((name, file?, most))) {
        // A missing one is told by who needs it, and that one is how to have no profile at all.
        let Some(metadata) = std::fs::metadata(&file).ok().filter(|_| file != Path::new("/dev/null")) else { continue };
        if !metadata.is_file() || metadata.len() > most {
            return Err(Error::config(format!(
                "The variable {name} leads to {}, which is to say who this machine is at AWS and is no regular file of at most \
                 {} kB: correct it.",
                file.display(),
                most >> 10
            )));
        }
    }
    Ok(())
}

/// Makes them known. Tokens in files are exchanged while a sync runs: to be called whenever they are about to be used.
pub fn know_secrets() {
    let set = |name: &&str| std::env::var(name).ok();
    set(&KEY_ID).iter().for_each(|id| know_key_id(id.trim()));
    SECRETS.iter().filter_map(set).for_each(|secret| know(secret.trim()));
    for file in FILES.iter().filter_map(set) {
        profiles::know_file(file.as_ref());
    }
    profiles::know_secrets();
    for proxy in PROXIES.iter().filter_map(set) {
        let Ok(url) = Url::parse(&proxy) else { continue };
        // As it stands there, it is escaped.
        if let Some(password) = url.password() {
            know(password);
            let plain = url::form_urlencoded::parse(password.as_bytes()).next();
            plain.iter().for_each(|(password, _)| know(password));
        }
    }
}
