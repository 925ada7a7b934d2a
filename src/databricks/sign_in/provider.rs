//! The tokens of one workspace, whatever the way to sign in: asked for when they are needed, kept, renewed before their end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use tokio::sync::{Mutex, OnceCell};

use super::endpoints::{Endpoints, Issuer};
use super::grants::{Asking, Granted, SCOPE, of_databricks, of_entra, of_machine};
use super::jwt_sources::jwt;
use super::requests::Patience;
use super::row::Asker;
use super::user::User;
use crate::clock::{Clock, SystemClock};
use crate::config::{Authentication, DatabricksSettings, ENTRA_APPLICATION, RefreshToken, Timeouts};
use crate::databricks::token::TokenProvider;
use crate::databricks::who::Who;
use crate::error::{Error, Result};
use crate::kept::{Kept, Lasting};
use crate::secret::Secret;

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const ENTRA_SETTING: &str = "`authentication.tenant_id`, and the variable AZURE_AUTHORITY_HOST where it is set";
const MACHINE_SETTING: &str =
    "that this is a machine in Azure with an identity, and the variable IDENTITY_ENDPOINT where it is set";
/// Headers of a principal that is not yet a user of the workspace. Source: databricks-sdk-py, `azure.py`.
const MANAGEMENT_TOKEN: &str = "x-databricks-azure-sp-management-token";
const RESOURCE_ID: &str = "x-databricks-azure-workspace-resource-id";

/// Tokens that are asked for.
pub(super) struct SignedIn {
    authentication: Authentication,
    hostname: String,
    issuer: Issuer,
    who: String,
    patience: Patience,
    /// Whether there was a token ever: then all who are asked have answered.
    has_signed_in: AtomicBool,
    endpoints: OnceCell<Endpoints>,
    user: Option<Arc<User>>,
    token: Kept<Secret>,
    /// For Azure's own management, where it has to vouch for the principal.
    management: Kept<Secret>,
}

impl SignedIn {
    pub(super) fn new(settings: &DatabricksSettings, timeouts: &Timeouts) -> Self {
        let who = Who::of(&settings.authentication).named;
        let user = match &settings.authentication {
            Authentication::User { client_id, client_secret, refresh_token } => Some(Arc::new(User {
                issuer: match refresh_token {
                    // `login` writes the account into the file, where there is one.
                    RefreshToken::File(_) => Issuer::workspace(settings.address()),
                    RefreshToken::Configured(_) => Issuer::of(settings),
                },
                hostname: settings.hostname.clone(),
                client_id: client_id.clone(),
                client_secret: client_secret.clone(),
                refresh_token: refresh_token.clone(),
                newest: Mutex::new(None),
                endpoints: OnceCell::new(),
                who: who.clone(),
            })),
            _ => None,
        };
        Self {
            authentication: settings.authentication.clone(),
            hostname: settings.hostname.clone(),
            issuer: Issuer::of(settings),
            who,
            patience: Patience::of(timeouts),
            has_signed_in: AtomicBool::new(false),
            endpoints: OnceCell::new(),
            user,
            token: Kept::default(),
            management: Kept::default(),
        }
    }

    async fn renew(&self, is_urgent: bool) -> Result<Lasting<Secret>> {
        let Granted { token, lasts, .. } = self.granted(self.patience(is_urgent)).await?;
        self.has_signed_in.store(true, Ordering::Relaxed);
        Ok(Lasting { value: token, lasts })
    }

    fn patience(&self, is_urgent: bool) -> Patience {
        self.patience.when(is_urgent).of_host(self.has_signed_in.load(Ordering::Relaxed))
    }

    async fn granted(&self, patience: Patience) -> Result<Granted> {
        let now = now();
        let asking = |asker, setting| Asking { asker, who: &self.who, setting, patience, now };
        match &self.authentication {
            Authentication::PersonalAccessToken(own) => {
                Ok(Granted { token: own.token.clone(), lasts: None, refresh_token: None })
            }
            Authentication::ClientCredentials { client_id, client_secret } => {
                let form = [("grant_type", "client_credentials"), ("scope", SCOPE)];
                let asking = asking(Asker::Secret, self.issuer.setting());
                let url = &self.endpoints(patience).await?.token;
                of_databricks(url, &form, Some((client_id, client_secret)), None, asking).await
            }
            Authentication::WorkloadIdentity { client_id, source, audience } => {
                let url = &self.endpoints(patience).await?.token;
                // Source: databricks-sdk-py, `credentials_provider.py`; policies expect the account's id if they name no audience.
                let audience = audience.as_deref().or(self.issuer.account_id()).unwrap_or(url.as_str());
                let (jwt, claims) = jwt(source, audience, patience, &self.who, now).await?;
                let mut form = vec![
                    ("grant_type", EXCHANGE),
                    ("subject_token", jwt.expose()),
                    ("subject_token_type", JWT),
                    ("scope", SCOPE),
                ];
                form.extend(client_id.as_deref().map(|id| ("client_id", id)));
                of_databricks(url, &form, None, Some(&claims), asking(Asker::Jwt, self.issuer.setting())).await
            }
            Authentication::User { .. } => match &self.user {
                Some(user) => user.renew(patience, now).await,
                None => Err(Error::system("The user's tokens are missing.")),
            },
            Authentication::AzureServicePrincipal { .. } | Authentication::AzureManagedIdentity { .. } => {
                self.of_azure(ENTRA_APPLICATION, patience).await
            }
        }
    }

    /// A token of Microsoft Entra for `resource`.
    async fn of_azure(&self, resource: &str, patience: Patience) -> Result<Granted> {
        let asking = |asker, setting| Asking { asker, who: &self.who, setting, patience, now: now() };
        match &self.authentication {
            Authentication::AzureServicePrincipal { tenant, client_id, client_secret, authority, .. } => {
                let asking = asking(Asker::Entra, ENTRA_SETTING);
                of_entra(authority, tenant, (client_id, client_secret), resource, asking).await
            }
            Authentication::AzureManagedIdentity { client_id, endpoint, header, .. } => {
                let asking = asking(Asker::Machine, MACHINE_SETTING);
                of_machine(endpoint.as_deref(), header.as_ref(), client_id.as_deref(), resource, asking).await
            }
            _ => Err(Error::system("A token of Microsoft Entra was asked for another way to sign in.")),
        }
    }

    async fn endpoints(&self, patience: Patience) -> Result<&Endpoints> {
        self.endpoints.get_or_try_init(|| self.issuer.endpoints(patience)).await
    }

    /// The workspace's id in Azure, where Azure has to vouch for the principal.
    fn resource_id(&self) -> Option<&str> {
        match &self.authentication {
            Authentication::AzureServicePrincipal { resource_id, .. }
            | Authentication::AzureManagedIdentity { resource_id, .. } => resource_id.as_deref(),
            _ => None,
        }
    }

    /// Azure's own management, in the cloud of the workspace. Source: databricks-sdk-py, `environments.py`.
    fn management(&self) -> &'static str {
        if self.hostname.ends_with(".azure.us") {
            "https://management.core.usgovcloudapi.net/"
        } else if self.hostname.ends_with(".azure.cn") {
            "https://management.core.chinacloudapi.cn/"
        } else {
            "https://management.core.windows.net/"
        }
    }
}

#[async_trait]
impl TokenProvider for SignedIn {
    async fn token(&self) -> Result<Secret> {
        self.token.get(|is_urgent| self.renew(is_urgent)).await
    }

    async fn headers(&self) -> Result<Vec<(&'static str, String)>> {
        let Some(resource_id) = self.resource_id() else { return Ok(Vec::new()) };
        let ask = |is_urgent| async move {
            let granted = self.of_azure(self.management(), self.patience(is_urgent)).await?;
            Ok(Lasting { value: granted.token, lasts: granted.lasts })
        };
        let token = self.management.get(ask).await?;
        Ok(vec![(MANAGEMENT_TOKEN, token.expose().to_owned()), (RESOURCE_ID, resource_id.to_owned())])
    }

    async fn forget(&self, token: &Secret) {
        self.token.forget(|kept| kept == token);
        self.management.forget(|_| true);
    }
}

fn now() -> i64 {
    SystemClock.now_ms() / 1000
}
