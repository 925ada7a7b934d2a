//! Signs requests: a signature, a key, or tokens of Microsoft Entra, which are asked for again before they end.

use std::sync::Arc;

use async_trait::async_trait;
use object_store::azure::{
    AzureAccessKey, AzureConfigKey, AzureCredential, AzureCredentialProvider, MicrosoftAzureBuilder, split_sas,
};
use object_store::{CredentialProvider, StaticCredentialProvider};
use url::Url;

use super::{OneWay, retry};
use crate::config::{AzureIdentity, AzureSettings, Timeouts, is_near, know_secrets};
use crate::error::{Error, Kind, Result};
use crate::storage::bucket::http::Connector;
use crate::storage::bucket::{Failure, NoAnswer};
use object_store::ClientOptions;
use object_store::client::HttpConnector;

const NO_SIGNATURE: &str = "`data_source.azure_blob_storage_sas_token` is no SAS: copy it again.";
const NO_KEY: &str = "`data_source.azure_blob_storage_account_key` is no account key: copy it again.";
/// The address at which a machine in Azure learns who it is.
const USUAL: &str = "http://169.254.169.254/metadata/identity/oauth2/token";

/// The credentials of `settings`; tokens are asked for through a client like `connector`.
pub(super) fn of(
    settings: &AzureSettings,
    connector: &Connector,
    timeouts: &Timeouts,
) -> Result<AzureCredentialProvider> {
    let fixed = |credential| Arc::new(StaticCredentialProvider::new(credential)) as AzureCredentialProvider;
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
    let store = entra
        .with_account(&settings.account)
        .with_container_name(&settings.container)
        .with_authority_host(&settings.authority)
        .with_http_connector(OneWay(client))
        .with_retry(retry(timeouts))
        .build()
        .map_err(unusable)?;
    Ok(Arc::new(Explained {
        inner: Arc::clone(store.credentials()),
        identity: settings.identity.clone(),
        source: source.to_owned(),
    }))
}

/// The setting or variable with the address of tokens.
fn named(identity: &AzureIdentity) -> &'static str {
    match identity {
        AzureIdentity::Managed { .. } => "the variable IDENTITY_ENDPOINT",
        _ => "the variable AZURE_AUTHORITY_HOST",
    }
}

/// Tokens, with errors that say what to do.
#[derive(Debug)]
struct Explained {
    inner: AzureCredentialProvider,
    identity: AzureIdentity,
    source: String,
}

#[async_trait]
impl CredentialProvider for Explained {
    type Credential = AzureCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AzureCredential>> {
        // A token in a file changes while a sync runs.
        know_secrets();
        let asked = self.inner.get_credential().await;
        if let Ok(AzureCredential::BearerToken(token)) = asked.as_deref() {
            crate::secret::know(token);
        }
        asked.map_err(|error| object_store::Error::Generic {
            store: "MicrosoftAzure",
            source: Box::new(refusal(&self.identity, &self.source, error)),
        })
    }
}

/// Why there is no token.
fn refusal(identity: &AzureIdentity, source: &str, error: object_store::Error) -> Error {
    let failure = Failure::of(&error);
    let text = chain(&error);
    let aadsts =
        text.split_once("AADSTS").map(|(_, rest)| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
    let (kind, what) = match (identity, aadsts.as_deref(), failure.status, failure.no_answer) {
        (_, Some("7000215" | "7000222"), ..) => (
            Kind::Config,
            "the client secret is wrong or has ended: create a new one and set `data_source.azure_client_secret`",
        ),
        (_, Some("700016"), ..) => (
            Kind::Config,
            "the directory has no such application: correct `data_source.azure_client_id` or `data_source.azure_tenant_id`",
        ),
        (_, Some("90002" | "900023" | "900021"), ..) => {
            (Kind::Config, "there is no such directory: correct `data_source.azure_tenant_id`")
        }
        (_, Some("70021" | "700213" | "700211" | "700212"), ..) => (
            Kind::Config,
            "the application trusts no such token: add a federated credential with its issuer, subject and audience",
        ),
        (_, Some("53003" | "530003"), ..) => {
            (Kind::Config, "a policy of conditional access forbids it: ask who administers the directory")
        }
        (_, Some("700024"), ..) => (Kind::Transient, "the token in the file has ended"),
        (AzureIdentity::Workload { .. }, _, None, None) if text.contains("federated token file") => {
            (Kind::Config, "the file that AZURE_FEDERATED_TOKEN_FILE names cannot be read: correct the variable")
        }
        (AzureIdentity::Managed { .. }, _, Some(400 | 404), _) => (
            Kind::Config,
            "the machine has no such identity: assign one to it, or correct `data_source.azure_client_id`",
        ),
        (AzureIdentity::Managed { .. }, _, None, Some(_)) => (
            Kind::Config,
            "nothing answers there: a managed identity exists only on a machine in Azure; elsewhere sign in in another way",
        ),
        (_, _, Some(400..=499), _) => (
            Kind::Config,
            "the request is refused: the internal message has the reason; correct tenant, client id and secret",
        ),
        (_, _, None, Some(NoAnswer::UnknownHost)) => {
            (Kind::Config, "the host name cannot be resolved: correct AZURE_AUTHORITY_HOST, or the network")
        }
        (_, _, None, Some(NoAnswer::Tls)) => {
            (Kind::Config, "TLS fails there: add the authority of its certificate to SSL_CERT_FILE")
        }
        _ => (Kind::Transient, "there was no usable answer"),
    };
    Error::new(kind, format!("No token of Microsoft Entra could be had from {source}: {what}.")).with_source(error)
}

/// All texts of `error` and its causes.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    crate::storage::bucket::causes(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
