//! How requests to Databricks are authenticated: `authentication`, one of several ways, or the older flat token.
//!
//! Only what the configuration names is used: no variable, file or profile is taken because it happens to be there. `profile` reads a
//! named profile of `.databrickscfg`, `workload` where a JWT comes from.

mod profile;
mod workload;

use std::path::PathBuf;

pub use self::profile::{Profile, usual_file as usual_profiles};
pub use self::workload::JwtSource;
use super::azure::authority as with_scheme;
use super::environment::set;
use super::fields::Fields;
use super::host::is_loopback;
use super::profiles::in_home;
use crate::secret::{Secret, know_open};
use url::Url;

/// The setting of this file.
pub(super) const AUTHENTICATION: &str = "authentication";
/// The older way to set a personal access token.
pub(super) const TOKEN: &str = "databricks_personal_access_token";
/// The application that Databricks knows without registration, also for browsers. Source: databricks-sdk-py, `credentials_provider.py`.
pub const PUBLIC_CLIENT: &str = "databricks-cli";
/// The ends of the names of workspaces, where those of the account console end like them, and the authority of Microsoft Entra.
/// Source: databricks-sdk-py, `environments.py`.
const CLOUDS: [(&str, &str); 8] = [
    (".cloud.databricks.com", ""),
    (".cloud.databricks.us", ""),
    (".cloud.databricks.mil", ""),
    (".gcp.databricks.com", ""),
    (".azuredatabricks.net", "https://login.microsoftonline.com"),
    (".databricks.azure.us", "https://login.microsoftonline.us"),
    (".databricks.azure.cn", "https://login.chinacloudapi.cn"),
    (UNIFIED, ""),
];
/// The end of hosts that all workspaces of an account share.
const UNIFIED: &str = ".databricks.com";
/// What Databricks is called by Microsoft Entra in every cloud. Source: databricks-sdk-py, `environments.py`.
pub const ENTRA_APPLICATION: &str = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d";

/// One way to sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authentication {
    /// A token that a user made.
    PersonalAccessToken(OwnToken),
    /// A service principal of Databricks with a secret.
    ClientCredentials {
        /// Its application id.
        client_id: String,
        /// Its OAuth secret.
        client_secret: Secret,
    },
    /// A JWT of another identity provider, which a federation policy of the account trusts.
    WorkloadIdentity {
        /// The service principal's application id; `None` for a policy of the whole account.
        client_id: Option<String>,
        /// Where the JWT comes from.
        source: JwtSource,
        /// For whom the JWT is asked for, where this program asks for it.
        audience: Option<String>,
    },
    /// An application of Microsoft Entra with a secret.
    AzureServicePrincipal {
        /// The directory.
        tenant: String,
        /// The application.
        client_id: String,
        /// Its secret.
        client_secret: Secret,
        /// The workspace's id in Azure, where the application is not yet one of its users.
        resource_id: Option<String>,
        /// Where tokens come from, without a slash at its end.
        authority: String,
    },
    /// The identity of the machine in Azure.
    AzureManagedIdentity {
        /// Which one, where it has several.
        client_id: Option<String>,
        /// The workspace's id in Azure, where the identity is not yet one of its users.
        resource_id: Option<String>,
        /// Where it is asked for, if not at the usual address: `IDENTITY_ENDPOINT`.
        endpoint: Option<String>,
        /// The value that the endpoint wants to see: `IDENTITY_HEADER`.
        header: Option<Secret>,
    },
    /// A user who has signed in with a browser.
    User {
        /// The application that the user has signed in to.
        client_id: String,
        /// The application's secret, where it is a confidential one.
        client_secret: Option<Secret>,
        /// Where the refresh token is.
        refresh_token: RefreshToken,
    },
}

/// A personal access token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnToken {
    /// The token.
    pub token: Secret,
    /// Where it was set.
    pub setting: TokenSetting,
}

/// The settings that can have a personal access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenSetting {
    /// `databricks_personal_access_token`
    Flat,
    /// `authentication.personal_access_token`
    Section,
    /// `token` of a profile
    Profile,
}

impl Authentication {
    /// A personal access token, from `setting`.
    pub fn token(token: Secret, setting: TokenSetting) -> Self {
        Self::PersonalAccessToken(OwnToken { token, setting })
    }

    /// For a configuration whose way to sign in has a problem.
    fn unknown() -> Self {
        Self::token(Secret::new(""), TokenSetting::Flat)
    }

    /// Whether what signs in is a part of the configuration that the service replaces.
    pub fn is_renewed_in_the_configuration(&self) -> bool {
        matches!(self, Self::User { refresh_token: RefreshToken::Configured(_), .. })
    }
}

/// Where a refresh token is, and where the next one has to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefreshToken {
    /// In the configuration.
    Configured(Secret),
    /// In the file that `login` has made.
    File(PathBuf),
}

/// The account at which tokens are asked for, in place of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: String,
    /// The address of its console, without a slash at its end.
    pub address: String,
}

/// The way to sign in and the account, if one is named.
pub(super) fn read(root: &Fields<'_>, hostname: &str) -> (Authentication, Option<Account>) {
    if root.is_absent(AUTHENTICATION) {
        return (Authentication::token(flat_token(root), TokenSetting::Flat), None);
    }
    if root.secret(TOKEN).is_some() {
        root.problem(TOKEN, "and `authentication` are both set, and each is a way to sign in: remove one of them.");
    }
    let Some(fields) = root.required_section(AUTHENTICATION, "choose a way to sign in") else {
        return (Authentication::unknown(), None);
    };
    let account = account(&fields, hostname);
    let ways: [(&str, Reader); 7] = [
        ("PERSONAL_ACCESS_TOKEN", |fields, _| {
            let advice = "create one in the workspace's user settings";
            Authentication::token(token(fields, "personal_access_token", advice), TokenSetting::Section)
        }),
        ("OAUTH_M2M", |fields, _| client_credentials(fields)),
        ("WORKLOAD_IDENTITY", |fields, _| workload::read(fields)),
        ("AZURE_SERVICE_PRINCIPAL", azure_service_principal),
        ("AZURE_MANAGED_IDENTITY", |fields, _| azure_managed_identity(fields)),
        ("OAUTH_U2M", |fields, _| user(fields)),
        ("PROFILE", profile::read),
    ];
    let way = fields.required_choice("auth_type", &ways, "it says how to sign in");
    let authentication = match way {
        Some(read) => read(&fields, hostname),
        None => Authentication::unknown(),
    };
    (authentication, account)
}

type Reader = fn(&Fields<'_>, &str) -> Authentication;

fn flat_token(root: &Fields<'_>) -> Secret {
    let advice = "a Databricks hostname needs it, or `authentication` with another way to sign in; create one in the workspace's \
                  user settings";
    token(root, TOKEN, advice)
}

fn token(fields: &Fields<'_>, name: &str, advice: &str) -> Secret {
    let token = fields.required_secret(name, advice).unwrap_or_else(|| Secret::new(""));
    ensure_token(fields, name, &token);
    token
}

/// Reports a secret that cannot be one: it goes into a header or a form.
fn ensure_token(fields: &Fields<'_>, name: &str, token: &Secret) {
    if !token.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        fields
            .problem(name, "must be only a token, without spaces, line breaks and signs outside ASCII: copy it again.");
    }
}

fn client_credentials(fields: &Fields<'_>) -> Authentication {
    let client_id = required_id(fields, "client_id", "give the application id of the service principal");
    let client_secret = token(fields, "client_secret", "create one: the service principal, Secrets, Generate secret");
    Authentication::ClientCredentials { client_id, client_secret }
}

fn azure_service_principal(fields: &Fields<'_>, hostname: &str) -> Authentication {
    Authentication::AzureServicePrincipal {
        tenant: tenant(fields),
        client_id: required_id(fields, "client_id", "give the application (client) id of the app registration"),
        client_secret: token(fields, "client_secret", "create one: the app registration, Certificates & secrets"),
        resource_id: resource_id(fields),
        authority: authority(hostname),
    }
}

fn azure_managed_identity(fields: &Fields<'_>) -> Authentication {
    Authentication::AzureManagedIdentity {
        client_id: id(fields, "client_id"),
        resource_id: resource_id(fields),
        endpoint: set("IDENTITY_ENDPOINT"),
        header: set("IDENTITY_HEADER").map(Secret::new),
    }
}

fn user(fields: &Fields<'_>) -> Authentication {
    let refresh_token = fields.secret("refresh_token");
    let file = fields.text("login_file");
    let client_secret = fields.secret("client_secret");
    if let Some(secret) = &client_secret {
        ensure_token(fields, "client_secret", secret);
    }
    let refresh_token = match (refresh_token, file) {
        (Some(token), None) => {
            ensure_token(fields, "refresh_token", &token);
            RefreshToken::Configured(token)
        }
        (None, Some(file)) => RefreshToken::File(in_home(&file)),
        (given, _) => {
            let rest = match given {
                Some(_) => "and `authentication.login_file` are both set: remove one of them.",
                None => {
                    "is missing, and so is `authentication.login_file`: run `destination-databricks login --host …`, which makes a \
                     file, and name that file."
                }
            };
            fields.problem("refresh_token", rest);
            RefreshToken::Configured(Secret::new(""))
        }
    };
    let client_id = id(fields, "client_id").unwrap_or_else(|| PUBLIC_CLIENT.to_owned());
    Authentication::User { client_id, client_secret, refresh_token }
}

/// An id, which is no secret and becomes part of addresses and statements.
fn id(fields: &Fields<'_>, name: &str) -> Option<String> {
    let rest = "must be an id such as 00000000-0000-0000-0000-000000000000: letters, digits, hyphens and underscores.";
    named(fields, name, (is_id, rest))
}

/// A text that is no secret, if the first part of `wanted` is true of it; the second says what it must be.
fn named(fields: &Fields<'_>, name: &str, (is_right, rest): (fn(&str) -> bool, &str)) -> Option<String> {
    let text = fields.text(name)?;
    if !is_right(&text) {
        fields.problem(name, rest);
        return Some(String::new());
    }
    know_open(&text);
    Some(text)
}

/// Whether `text` can be an id of Databricks or Azure. It becomes a part of addresses.
pub fn is_id(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Whether `text` can be the id of a directory in Microsoft Entra, or one of its domains.
fn is_tenant(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_id)
}

fn tenant(fields: &Fields<'_>) -> String {
    let name = "tenant_id";
    ensure_there(fields, name, "give the id of the directory in Microsoft Entra");
    let rest = "must be the id of a directory, such as 00000000-0000-0000-0000-000000000000, or one of its domains.";
    named(fields, name, (is_tenant, rest)).unwrap_or_default()
}

fn required_id(fields: &Fields<'_>, name: &str, advice: &str) -> String {
    ensure_there(fields, name, advice);
    id(fields, name).unwrap_or_default()
}

fn ensure_there(fields: &Fields<'_>, name: &str, advice: &str) {
    if fields.is_absent(name) {
        fields.problem(name, &format!("is missing or empty: {advice}."));
    }
}

fn resource_id(fields: &Fields<'_>) -> Option<String> {
    let name = "workspace_resource_id";
    let text = fields.text(name)?;
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'.' | b'_' | b'(' | b')');
    let is_one =
        text.starts_with("/subscriptions/") && text.to_ascii_lowercase().contains("/microsoft.databricks/workspaces/");
    if !is_one || !text.bytes().all(is_sign) {
        fields.problem(
            name,
            "must be the workspace's id in Azure, like /subscriptions/…/resourceGroups/…/providers/Microsoft.Databricks/workspaces/…: \
             the workspace's page in the Azure portal, JSON View.",
        );
    }
    Some(text)
}

/// Where Microsoft Entra gives tokens for workspaces like `hostname`: `AZURE_AUTHORITY_HOST`, or that of the cloud.
fn authority(hostname: &str) -> String {
    let of_cloud = || {
        let found = CLOUDS.iter().find(|(end, authority)| !authority.is_empty() && hostname.ends_with(end));
        found.map_or("https://login.microsoftonline.com", |(_, authority)| authority).to_owned()
    };
    set("AZURE_AUTHORITY_HOST").map_or_else(of_cloud, with_scheme)
}

fn account(fields: &Fields<'_>, hostname: &str) -> Option<Account> {
    let address = fields.text("account_host").map(|host| account_address(fields, &host));
    let id = id(fields, "account_id")?;
    let address = address.or_else(|| account_of(hostname)).unwrap_or_else(|| {
        fields.problem(
            "account_id",
            "is set, but which account console belongs to `databricks_server_hostname` is not known: give its host name in \
             `authentication.account_host`, such as accounts.cloud.databricks.com.",
        );
        String::new()
    });
    Some(Account { id, address })
}

/// The address of the account console for workspaces like `hostname`.
pub fn account_of(hostname: &str) -> Option<String> {
    let hostname = hostname.to_ascii_lowercase();
    let (end, _) = CLOUDS.iter().find(|(end, _)| hostname.ends_with(end))?;
    // A host of a whole account is its own console. Source: databricks-sdk-py, `get_unified_endpoints`.
    let console = if *end == UNIFIED { hostname } else { format!("accounts{end}") };
    Some(format!("https://{console}"))
}

/// Whether `hostname` is of Databricks itself rather than one that somebody has put in front of it.
pub fn is_of_databricks(hostname: &str) -> bool {
    account_of(hostname).is_some()
}

fn account_address(fields: &Fields<'_>, host: &str) -> String {
    let address = with_scheme(host.to_owned());
    let url = Url::parse(&address).ok();
    let is_plain_host = |url: &Url| url.path() == "/" && url.query().is_none() && url.username().is_empty();
    match url.filter(is_plain_host) {
        Some(url) if url.scheme() == "https" || url.scheme() == "http" && is_loopback(&url) => {}
        _ => fields.problem("account_host", "must be only a host name such as accounts.cloud.databricks.com."),
    }
    address
}

#[cfg(test)]
#[path = "authentication_tests.rs"]
mod tests;
