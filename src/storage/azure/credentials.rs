//! What requests are signed with, by the settings: a signature, a key, or tokens of Microsoft Entra.

use std::sync::Arc;

use object_store::azure::{
    AzureAccessKey, AzureConfigKey, AzureCredential, AzureCredentialProvider, MicrosoftAzureBuilder, split_sas,
};
use object_store::client::HttpConnector;
use object_store::{ClientOptions, StaticCredentialProvider};
use url::Url;

use super::tokens::Tokens;
use super::{OneWay, retry};
use crate::config::{AzureIdentity, AzureSettings, Timeouts, is_near};
use crate::error::{Error, Result};
use crate::storage::bucket::http::Connector;

const NO_SIGNATURE: &str = "`data_source.azure_blob_storage_sas_token` is no SAS: copy it again.";
const NO_KEY: &str = "`data_source.azure_blob_storage_account_key` is no account key: copy it again.";
/// The address at which a machine in Azure learns who it is.
const USUAL: &str = "http://169.254.169.254/metadata/identity/oauth2/token";

/// What requests are signed with.
pub(super) enum Credentials {
    /// The same for all requests.
    Fixed(AzureCredentialProvider),
    /// Tokens of Microsoft Entra.
    Tokens(Arc<Tokens>),
}

impl Credentials {
    /// As the object store takes them.
    pub(super) fn provider(&self) -> AzureCredentialProvider {
        match self {
            Self::Fixed(credentials) => Arc::clone(credentials),
            Self::Tokens(tokens) => Arc::clone(tokens) as AzureCredentialProvider,
        }
    }
}

/// The credentials of `settings`; tokens are asked for through a client like `connector`.
pub(super) fn of(settings: &AzureSettings, connector: &Connector, timeouts: &Timeouts) -> Result<Credentials> {
    let fixed = |credential| Credentials::Fixed(Arc::new(StaticCredentialProvider::new(credential)));
    let entra = match &settings.identity {
        AzureIdentity::Sas(token) => {
            let pairs = split_sas(token.expose()).map_err(|error| Error::config(NO_SIGNATURE).with_source(error))?;
            return Ok(fixed(AzureCredential::SASToken(pairs)));
        }
        AzureIdentity::Key(key) => {
            let key =
                AzureAccessKey::try_new(key.expose()).map_err(|error| Error::config(NO_KEY).with_source(error))?;
            return Ok(fixed(AzureCredential::AccessKey(key)));
        }
        AzureIdentity::ServicePrincipal { tenant, client_id, client_secret } => MicrosoftAzureBuilder::new()
            .with_config(AzureConfigKey::AuthorityId, tenant)
            .with_config(AzureConfigKey::ClientId, client_id)
            .with_config(AzureConfigKey::ClientSecret, client_secret.expose())
            .with_credential_type("client_secret"),
        AzureIdentity::Workload { tenant, client_id, token_file } => MicrosoftAzureBuilder::new()
            .with_config(AzureConfigKey::AuthorityId, tenant)
            .with_config(AzureConfigKey::ClientId, client_id)
            .with_federated_token_file(token_file.display().to_string())
            .with_credential_type("workload_identity"),
        AzureIdentity::Managed { client_id, endpoint } => {
            let mut builder = MicrosoftAzureBuilder::new().with_credential_type("managed_identity");
            if let Some(client_id) = client_id {
                builder = builder.with_config(AzureConfigKey::ClientId, client_id);
            }
            if let Some(endpoint) = endpoint {
                builder = builder.with_msi_endpoint(endpoint);
            }
            builder
        }
    };
    let source = match &settings.identity {
        AzureIdentity::Managed { endpoint, .. } => endpoint.as_deref().unwrap_or(USUAL),
        _ => settings.authority.as_str(),
    };
    let url = Url::parse(source).map_err(|error| {
        Error::config(format!("{source} is no address to get tokens from: correct {}.", named(&settings.identity)))
            .with_source(error)
    })?;
    let is_plain = url.scheme() == "http";
    if is_plain && !is_near(&url) {
        return Err(Error::config(format!(
            "Tokens of Microsoft Entra would be asked for at {source} without encryption: correct {}.",
            named(&settings.identity)
        )));
    }
    let connector = Connector { plain: is_plain, is_here: is_near(&url), ..connector.clone() };
    let unusable = |error| Error::config("The Azure settings make no usable credentials.").with_source(error);
    let client = connector.connect(&ClientOptions::new()).map_err(unusable)?;
    let entra = entra
        .with_account(&settings.account)
        .with_container_name(&settings.container)
        .with_authority_host(&settings.authority)
        .with_http_connector(OneWay(client))
        .with_retry(retry(timeouts));
    let tokens = Tokens::new(entra, settings.identity.clone(), source.to_owned()).map_err(unusable)?;
    Ok(Credentials::Tokens(Arc::new(tokens)))
}

/// The setting or variable with the address of tokens.
fn named(identity: &AzureIdentity) -> &'static str {
    match identity {
        AzureIdentity::Managed { .. } => "the variable IDENTITY_ENDPOINT",
        _ => "the variable AZURE_AUTHORITY_HOST",
    }
}
