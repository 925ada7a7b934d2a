//! Secrets that stand in the environment, for AWS's own client and for proxies: known before anything is said of them.

use url::Url;

use super::profiles;
use crate::secret::know;

/// Variables that are secrets as they are.
const SECRETS: [&str; 4] =
    ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN"];
/// Variables that name a file with one.
const FILES: [&str; 2] = ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"];
/// Variables whose address may have a user and a password in it.
const PROXIES: [&str; 6] = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/// Makes them known. Tokens in files are exchanged while a sync runs: to be called whenever they are about to be used.
pub fn know_secrets() {
    let set = |name: &&str| std::env::var(name).ok();
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
