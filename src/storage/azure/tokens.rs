//! Tokens of Microsoft Entra: asked for again before they end, and when one is refused; errors that say what to do.
//!
//! A token may end before its time: the application's secret is replaced, its sessions are revoked, this machine's clock is wrong. The
//! answer to such a request is 401; it is sent once more with a new token.

use std::sync::Arc;

use async_trait::async_trait;
use object_store::CredentialProvider;
use object_store::azure::{AzureCredential, AzureCredentialProvider, MicrosoftAzureBuilder};
use object_store::client::{HttpClient, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService};

use crate::config::{AzureIdentity, know_secrets};
use crate::error::{Error, Kind, Result};
use crate::kept::{Kept, Lasting};
use crate::secret::Secret;
use crate::storage::bucket::{Failure, NoAnswer, causes};

const AUTHORIZATION: &str = "authorization";
const BEARER: &str = "Bearer ";

/// The tokens of one identity.
#[derive(Debug)]
pub(super) struct Tokens {
    /// Makes a source of tokens that remembers none.
    builder: MicrosoftAzureBuilder,
    /// What remembers tokens, until one of them is refused.
    source: Kept<AzureCredentialProvider>,
    identity: AzureIdentity,
    address: String,
}

impl Tokens {
    /// The tokens that `builder` is set for, of `identity`, which are asked for at `address`.
    pub(super) fn new(
        builder: MicrosoftAzureBuilder,
        identity: AzureIdentity,
        address: String,
    ) -> object_store::Result<Self> {
        // Whether it can be made shows now.
        source(&builder)?;
        Ok(Self { builder, source: Kept::default(), identity, address })
    }

    async fn source(&self) -> Result<AzureCredentialProvider> {
        let unusable = |error| Error::config("The Azure settings make no usable credentials.").with_source(error);
        let make = |_| async { Ok(Lasting { value: source(&self.builder).map_err(unusable)?, lasts: None }) };
        self.source.get(make).await
    }

    /// A token other than `refused`. Of many requests with the same token that are refused together, one asks for a new one.
    async fn other_than(&self, refused: &str) -> object_store::Result<Option<String>> {
        let asked = self.source().await.map_err(generic)?;
        if let Some(token) = self.bearer().await?.filter(|token| token != refused) {
            return Ok(Some(token));
        }
        self.source.forget(|kept| Arc::ptr_eq(kept, &asked));
        Ok(self.bearer().await?.filter(|token| token != refused))
    }

    async fn bearer(&self) -> object_store::Result<Option<String>> {
        match self.get_credential().await?.as_ref() {
            AzureCredential::BearerToken(token) => Ok(Some(token.clone())),
            _ => Ok(None),
        }
    }
}

fn generic(error: Error) -> object_store::Error {
    object_store::Error::Generic { store: "MicrosoftAzure", source: Box::new(error) }
}

fn source(builder: &MicrosoftAzureBuilder) -> object_store::Result<AzureCredentialProvider> {
    Ok(Arc::clone(builder.clone().build()?.credentials()))
}

#[async_trait]
impl CredentialProvider for Tokens {
    type Credential = AzureCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AzureCredential>> {
        // A token in a file changes while a sync runs.
        know_secrets();
        let asked = self.source().await.map_err(generic)?.get_credential().await;
        if let Ok(AzureCredential::BearerToken(token)) = asked.as_deref() {
            // Each request uses it, and so it stays known.
            drop(Secret::passing(token));
        }
        asked.map_err(|error| generic(refusal(&self.identity, &self.address, error)))
    }
}

/// A client that sends a request whose token is refused once more, with a new one.
#[derive(Debug)]
pub(super) struct Renewing {
    client: HttpClient,
    tokens: Arc<Tokens>,
}

impl Renewing {
    pub(super) fn new(client: HttpClient, tokens: Arc<Tokens>) -> Self {
        Self { client, tokens }
    }
}

#[async_trait]
impl HttpService for Renewing {
    async fn call(&self, request: HttpRequest) -> std::result::Result<HttpResponse, HttpError> {
        let mut again = request.clone();
        let answer = self.client.execute(request).await?;
        let sent = again.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix(BEARER));
        let Some(refused) = sent.filter(|_| answer.status() == 401) else { return Ok(answer) };
        let token = self.tokens.other_than(refused).await;
        let token = token.map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        let Some(header) = token.and_then(|token| format!("{BEARER}{token}").parse().ok()) else { return Ok(answer) };
        tracing::debug!("A token was refused and is replaced.");
        again.headers_mut().insert(AUTHORIZATION, header);
        self.client.execute(again).await
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
    causes(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
