//! Where a workspace or an account gives tokens: it says so itself, by well-known documents.

use bytes::Bytes;
use reqwest::Method;
use serde::Deserialize;
use url::Url;

use super::requests::{Asked, Patience, Said, ask, host_of, is_private};
use crate::config::{Account, DatabricksSettings, is_of_databricks};
use crate::error::{Error, Result};

const WORKSPACE_SETTING: &str = "`databricks_server_hostname`";
const ACCOUNT_SETTING: &str = "`authentication.account_id` and `authentication.account_host`";

/// Who gives tokens.
#[derive(Debug, Clone)]
pub(crate) struct Issuer {
    /// Scheme, host and port.
    address: String,
    /// The account, if it is not the workspace.
    account: Option<String>,
    /// Whether the command line names it, not a configuration.
    is_of_command_line: bool,
}

/// Its endpoints.
#[derive(Debug, Clone)]
pub(crate) struct Endpoints {
    /// Where a user's browser goes.
    pub(crate) authorize: Url,
    /// Where tokens are given.
    pub(crate) token: Url,
}

impl Endpoints {
    /// The usual ones.
    fn below(base: &Url) -> Self {
        Self { authorize: below(base, "v1/authorize"), token: below(base, "v1/token") }
    }
}

#[derive(Deserialize)]
struct Document {
    authorization_endpoint: String,
    token_endpoint: String,
}

/// `/.well-known/databricks-config`, of hosts that several workspaces or accounts share.
#[derive(Deserialize)]
struct HostConfig {
    oidc_endpoint: String,
    account_id: Option<String>,
}

impl Issuer {
    /// The account of `settings`, if one is named, or the workspace.
    pub(crate) fn of(settings: &DatabricksSettings) -> Self {
        match &settings.account {
            Some(account) => Self::account(account),
            None => Self::workspace(settings.address()),
        }
    }

    /// An account.
    pub(crate) fn account(account: &Account) -> Self {
        Self { address: account.address.clone(), account: Some(account.id.clone()), is_of_command_line: false }
    }

    /// A workspace at `address`.
    pub(crate) fn workspace(address: String) -> Self {
        Self { address, account: None, is_of_command_line: false }
    }

    /// The same, as the arguments of `login` name it.
    pub(super) fn of_command_line(self) -> Self {
        Self { is_of_command_line: true, ..self }
    }

    /// The account's id, if it is one.
    pub(super) fn account_id(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// What names it in the configuration, or on the command line.
    pub(super) fn setting(&self) -> &'static str {
        match (self.account.is_some(), self.is_of_command_line) {
            (true, false) => ACCOUNT_SETTING,
            (false, false) => WORKSPACE_SETTING,
            (true, true) => "--account-id and --account-host",
            (false, true) => "--host",
        }
    }

    /// Its endpoints, as it says itself; the usual ones where it says nothing.
    ///
    /// # Errors
    /// Where it cannot be reached, is not Databricks, or names addresses that no secret may go to.
    pub(super) async fn endpoints(&self, patience: Patience) -> Result<Endpoints> {
        let path = match &self.account {
            Some(account) => format!("/oidc/accounts/{account}"),
            None => "/oidc".to_owned(),
        };
        let base = self.url(&path)?;
        if let Some(found) = self.document(&base, patience).await? {
            return Ok(found);
        }
        let config = self.get(&self.url("/.well-known/databricks-config")?, patience).await?;
        let config = config.and_then(|body| serde_json::from_slice::<HostConfig>(&body).ok());
        if let Some(HostConfig { oidc_endpoint, account_id }) = config {
            let account = self.account.as_deref().or(account_id.as_deref()).unwrap_or_default();
            let base = self.trusted(&oidc_endpoint.replace("{account_id}", account))?;
            return Ok(self.document(&base, patience).await?.unwrap_or_else(|| Endpoints::below(&base)));
        }
        Ok(Endpoints::below(&base))
    }

    /// What the document below `base` says, if there is one.
    async fn document(&self, base: &Url, patience: Patience) -> Result<Option<Endpoints>> {
        let Some(body) = self.get(&below(base, ".well-known/oauth-authorization-server"), patience).await? else {
            return Ok(None);
        };
        let document: Document = serde_json::from_slice(&body).map_err(|_| {
            Error::config(format!(
                "{} does not say where it gives tokens, as Databricks does: check {}, and whether a proxy responds in its place.",
                host_of(base),
                self.setting()
            ))
        })?;
        let authorize = self.trusted(&document.authorization_endpoint)?;
        Ok(Some(Endpoints { authorize, token: self.trusted(&document.token_endpoint)? }))
    }

    /// A document; `None` where there is none.
    async fn get(&self, url: &Url, patience: Patience) -> Result<Option<Bytes>> {
        let asked = Asked {
            method: Method::GET,
            url,
            form: &[],
            login: None,
            headers: &[],
            setting: self.setting(),
            may_repeat: true,
        };
        let Said { status, body, led_to, .. } = ask(&asked, patience).await?;
        match (status, led_to) {
            (200, _) => Ok(Some(body)),
            (_, Some(address)) => Err(Error::config(format!(
                "{} redirects to {address} where it is asked for its endpoints; redirections are not followed: check {}.",
                host_of(url),
                self.setting()
            ))),
            (429 | 500.., None) => Err(Error::transient(format!(
                "{} does not say at the moment where it gives tokens (status {status}): try again later.",
                host_of(url)
            ))),
            _ => Ok(None),
        }
    }

    fn url(&self, path: &str) -> Result<Url> {
        Url::parse(&format!("{}{path}", self.address)).map_err(|error| {
            Error::config(format!("Tokens cannot be asked for: check {}.", self.setting())).with_source(error)
        })
    }

    /// An address that the issuer has named: secrets go there only if it is the issuer's own host or Databricks'.
    fn trusted(&self, address: &str) -> Result<Url> {
        let own = self.url("/")?;
        let url = Url::parse(address).ok();
        let is_own = |url: &Url| url.origin() == own.origin();
        let is_trusted = |url: &Url| {
            is_private(url) && (is_own(url) || url.scheme() == "https" && url.host_str().is_some_and(is_of_databricks))
        };
        url.filter(is_trusted).ok_or_else(|| {
            Error::config(format!(
                "{} names an address for tokens that is neither its own nor one of Databricks: nothing is sent there. Check {}, and \
                 whether a proxy responds in its place.",
                host_of(&own),
                self.setting()
            ))
        })
    }
}

/// `path` below `base`, with one slash between them.
fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url.set_query(None);
    url
}
