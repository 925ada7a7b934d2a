//! Secrets that stand in the environment, for AWS's own client and for proxies: known before anything is said of them.

use url::Url;

use crate::secret::know;

/// Variables that are secrets as they are.
const SECRETS: [&str; 4] =
    ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN"];
/// Variables that name a file with one.
const FILES: [&str; 2] = ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"];
/// Variables whose address may have a user and a password in it.
const PROXIES: [&str; 6] = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
/// A longer file holds no token.
const LONGEST_FILE: u64 = 64 << 10;

/// Makes them known.
pub(super) fn know_secrets() {
    let set = |name: &&str| std::env::var(name).ok();
    SECRETS.iter().filter_map(set).for_each(|secret| know(secret.trim()));
    for file in FILES.iter().filter_map(set) {
        let is_short = std::fs::metadata(&file).is_ok_and(|file| file.is_file() && file.len() <= LONGEST_FILE);
        if let Some(text) = Some(file).filter(|_| is_short).and_then(|file| std::fs::read_to_string(file).ok()) {
            know(text.trim());
        }
    }
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
