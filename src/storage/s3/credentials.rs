//! The identity at AWS: the configured key, or what AWS's default chain finds, and the role that is assumed with it.
//!
//! The chain (environment, profile, web identity, container, instance) is AWS's own code and reads the environment: the one
//! exception to the rule that only `config` does. Credentials are renewed some time before they expire (`kept`); if that fails, the old
//! ones are used until they have expired. All clients share one set.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::provider_config::ProviderConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;

use super::sdk_client::sdk_client;
use super::{one_try, refusals};
use crate::config::{S3Settings, Timeouts, know_secrets};
use crate::error::{Error, Result};
use crate::kept::{Kept, Lasting};
use crate::secret::{know, know_key_id};
use crate::tls::Trust;

/// What the role's session is called in AWS's logs.
const SESSION: &str = "destination-databricks";

/// Returns credentials, and renews them.
#[derive(Debug)]
pub(super) struct Credentials {
    provider: SharedCredentialsProvider,
    /// The role that is assumed.
    role: Option<String>,
    /// How long to wait for new ones.
    deadline: Duration,
    kept: Kept<Current>,
}

#[derive(Debug, Clone)]
struct Current {
    credential: Arc<AwsCredential>,
    expires: Option<SystemTime>,
}

impl Credentials {
    pub(super) async fn new(settings: &S3Settings, region: &str, timeouts: &Timeouts, trust: &Trust) -> Self {
        let client = sdk_client(trust, settings.allow_http);
        let region = Region::new(region.to_owned());
        let base = match &settings.credentials {
            Some(key) => SharedCredentialsProvider::new(aws_credential_types::Credentials::new(
                key.access_key_id.expose(),
                key.secret_access_key.expose(),
                key.session_token.as_ref().map(|token| token.expose().to_owned()),
                None,
                "configuration",
            )),
            None => {
                let around = ProviderConfig::default().with_http_client(client.clone());
                let chain = DefaultCredentialsChain::builder().configure(around).region(region.clone());
                SharedCredentialsProvider::new(chain.build().await)
            }
        };
        let base = SharedCredentialsProvider::new(SecretsKnown(base));
        let Some(role) = &settings.role else { return Self::from_provider(base, None, timeouts.request_retry) };
        let sdk_timeouts = TimeoutConfig::builder().operation_attempt_timeout(one_try(timeouts)).build();
        let around =
            aws_config::defaults(BehaviorVersion::latest()).region(region.clone()).timeout_config(sdk_timeouts);
        let around = around.http_client(client).credentials_provider(base.clone()).load().await;
        let mut assume = AssumeRoleProvider::builder(&role.arn).session_name(SESSION).region(region).configure(&around);
        if let Some(external_id) = &role.external_id {
            assume = assume.external_id(external_id);
        }
        let assumed = assume.build_from_provider(base).await;
        Self::from_provider(SharedCredentialsProvider::new(assumed), Some(role.arn.clone()), timeouts.request_retry)
    }

    fn from_provider(provider: SharedCredentialsProvider, role: Option<String>, deadline: Duration) -> Self {
        Self { provider, role, deadline, kept: Kept::default() }
    }

    /// Credentials that are valid now.
    async fn current(&self) -> Result<Current> {
        self.kept.get(|_| self.renew()).await
    }

    async fn renew(&self) -> Result<Lasting<Current>> {
        // AWS's chain waits for some of its services for ever.
        let found = tokio::time::timeout(self.deadline, self.provider.provide_credentials()).await;
        let found = found.unwrap_or_else(|_| Err(CredentialsError::provider_timed_out(self.deadline)));
        let found = found.map_err(|error| refusals::explain(self.role.as_deref(), error))?;
        // They go into headers. Configured ones were looked at already; these may come from a file or a variable.
        let texts = [Some(found.access_key_id()), Some(found.secret_access_key()), found.session_token()];
        if texts.iter().flatten().any(|text| !text.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(Error::config(
                "The AWS credentials of this machine have a space, a line break or another character in them that no key has: \
                 correct the environment variables or the profile that they stand in.",
            ));
        }
        know_all(&found);
        let credential = AwsCredential {
            key_id: found.access_key_id().to_owned(),
            secret_key: found.secret_access_key().to_owned(),
            // Services that know no tokens give an empty one.
            token: found.session_token().filter(|token| !token.is_empty()).map(ToOwned::to_owned),
        };
        let expires = found.expiry();
        // A time to come has not elapsed, and the error says by how much.
        let lasts = expires.map(|expires| expires.elapsed().err().map_or(Duration::ZERO, |ahead| ahead.duration()));
        Ok(Lasting { value: Current { credential: Arc::new(credential), expires }, lasts })
    }
}

fn know_all(found: &aws_credential_types::Credentials) {
    know_key_id(found.access_key_id());
    [Some(found.secret_access_key()), found.session_token()].into_iter().flatten().for_each(know);
}

/// Makes the secrets of what it asks with, and of what it gives, known: with a role, they go to the service that gives another identity.
#[derive(Debug)]
struct SecretsKnown(SharedCredentialsProvider);

impl ProvideCredentials for SecretsKnown {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            know_secrets();
            let found = self.0.provide_credentials().await?;
            know_all(&found);
            Ok(found)
        })
    }
}

#[async_trait]
impl CredentialProvider for Credentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let current = self.current().await;
        current
            .map(|current| current.credential)
            .map_err(|error| object_store::Error::Generic { store: "S3", source: Box::new(error) })
    }
}

/// The same identity for AWS's own client.
impl ProvideCredentials for Credentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let current = self.current().await.map_err(CredentialsError::provider_error)?;
            let AwsCredential { key_id, secret_key, token } = current.credential.as_ref();
            let (expires, token) = (current.expires, token.clone());
            let found = aws_credential_types::Credentials::new(key_id, secret_key, token, expires, SESSION);
            provider::Result::Ok(found)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Gives keys that are valid for `valid`, and after `times` no more.
    #[derive(Debug)]
    struct Counting {
        given: AtomicU64,
        times: u64,
        valid: Duration,
    }

    impl ProvideCredentials for Counting {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let number = self.given.fetch_add(1, Ordering::Relaxed);
            let expires = std::time::UNIX_EPOCH.elapsed().map(|now| std::time::UNIX_EPOCH + now + self.valid);
            future::ProvideCredentials::ready(if number < self.times {
                let id = format!("key-{number}");
                Ok(aws_credential_types::Credentials::new(id, "secret", None, expires.ok(), "test"))
            } else {
                Err(CredentialsError::not_loaded("nothing there"))
            })
        }
    }

    /// The ids of the keys that three requests get, `pause` apart.
    async fn ids(times: u64, valid: Duration, pause: Duration) -> Vec<object_store::Result<String>> {
        let counting = Counting { given: AtomicU64::new(0), times, valid };
        let credentials =
            Credentials::from_provider(SharedCredentialsProvider::new(counting), None, Duration::from_secs(9));
        let mut ids = Vec::new();
        for _ in 0..3 {
            ids.push(credentials.get_credential().await.map(|credential| credential.key_id.clone()));
            tokio::time::sleep(pause).await;
        }
        ids
    }

    #[tokio::test]
    async fn keys_are_renewed_before_they_expire_and_not_more_often() -> object_store::Result<()> {
        for valid in [3600, 60] {
            let ids: object_store::Result<Vec<_>> =
                ids(9, Duration::from_secs(valid), Duration::from_millis(1)).await.into_iter().collect();
            assert_eq!(ids?, ["key-0", "key-0", "key-0"]);
        }
        let (valid, pause) = (Duration::from_millis(900), Duration::from_millis(620));
        let short: object_store::Result<Vec<_>> = ids(9, valid, pause).await.into_iter().collect();
        assert_eq!(short?, ["key-0", "key-1", "key-2"]);
        Ok(())
    }

    #[tokio::test]
    async fn keys_that_are_valid_still_are_used_when_no_new_ones_come() -> object_store::Result<()> {
        let valid: object_store::Result<Vec<_>> =
            ids(1, Duration::from_secs(2), Duration::from_millis(700)).await.into_iter().collect();
        assert_eq!(valid?, ["key-0", "key-0", "key-0"]);
        assert!(ids(1, Duration::ZERO, Duration::ZERO).await.iter().skip(1).all(Result::is_err));
        Ok(())
    }

    #[tokio::test]
    async fn keys_of_the_machine_that_no_header_takes_are_refused_and_not_shown() {
        let key = aws_credential_types::Credentials::new("hid\nden", "secret", None, None, "test");
        let credentials = Credentials::from_provider(SharedCredentialsProvider::new(key), None, Duration::from_secs(9));
        let told = credentials.get_credential().await.map(drop).map_err(|error| error.to_string());
        assert!(told.is_err_and(|text| text.contains("line break") && !text.contains("hid")));
    }
}
