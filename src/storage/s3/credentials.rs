//! Who this program is at AWS: the configured key, or whatever AWS's default chain finds, and the role that is assumed with it.
//!
//! The chain (environment, profile, web identity, container, instance) is AWS's own code and reads the environment: the
//! one exception to the rule that only `config` does. What it gives expires; it is renewed some minutes before, and if
//! that fails, what there is goes on being used until it has expired.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use tokio::sync::Mutex;

use crate::config::S3Settings;
use crate::error::{Error, Kind, Result};

/// Renewed when they are valid for less than this.
const EARLY: Duration = Duration::from_secs(300);
/// What the role's session is called in AWS's logs.
const SESSION: &str = "destination-databricks";

/// Gives credentials, and renews them.
#[derive(Debug)]
pub(super) struct Credentials {
    provider: SharedCredentialsProvider,
    /// What is said when there are none.
    missing: String,
    current: Mutex<Option<Current>>,
}

#[derive(Debug, Clone)]
struct Current {
    credential: Arc<AwsCredential>,
    expires: Option<SystemTime>,
}

impl Current {
    /// How long they stay valid; `None` for ever.
    fn left(&self) -> Option<Duration> {
        // A time to come has not elapsed, and the error says by how much.
        self.expires.map(|expires| expires.elapsed().err().map_or(Duration::ZERO, |ahead| ahead.duration()))
    }
}

impl Credentials {
    pub(super) async fn new(settings: &S3Settings, region: &str) -> Self {
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
                SharedCredentialsProvider::new(DefaultCredentialsChain::builder().region(region.clone()).build().await)
            }
        };
        let Some(role) = &settings.role else {
            let missing = "No AWS credentials were found in the environment, a profile, a web identity, the container or \
                           the instance. Set `data_source.s3_access_key_id` and `data_source.s3_secret_access_key`, or give \
                           this machine a role.";
            return Self::from_provider(base, missing.to_owned());
        };
        let around = aws_config::defaults(BehaviorVersion::latest()).region(region.clone());
        let around = around.credentials_provider(base.clone()).load().await;
        let mut assume = AssumeRoleProvider::builder(&role.arn).session_name(SESSION).region(region).configure(&around);
        if let Some(external_id) = &role.external_id {
            assume = assume.external_id(external_id);
        }
        let missing = format!(
            "The role {} could not be assumed. Check `data_source.s3_role_arn` and `data_source.s3_external_id`, that its \
             trust policy names this identity, and that this identity may call sts:AssumeRole.",
            role.arn
        );
        Self::from_provider(SharedCredentialsProvider::new(assume.build_from_provider(base).await), missing)
    }

    fn from_provider(provider: SharedCredentialsProvider, missing: String) -> Self {
        Self { provider, missing, current: Mutex::default() }
    }

    /// The same identity for AWS's own client.
    pub(super) fn provider(&self) -> SharedCredentialsProvider {
        self.provider.clone()
    }

    async fn renew(&self) -> Result<Current> {
        use aws_credential_types::provider::error::CredentialsError;
        let found = self.provider.provide_credentials().await.map_err(|error| {
            let kind = match &error {
                CredentialsError::ProviderTimedOut(_) => Kind::Transient,
                _ => Kind::Config,
            };
            Error::new(kind, self.missing.clone()).with_source(error)
        })?;
        // They go into headers. Configured ones were looked at already; these may come from a file or a variable.
        let texts = [Some(found.access_key_id()), Some(found.secret_access_key()), found.session_token()];
        if texts.iter().flatten().any(|text| !text.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(Error::config(
                "The AWS credentials of this machine have a space, a line break or another sign in them that no key has: \
                 correct the environment variables or the profile that they stand in.",
            ));
        }
        let credential = AwsCredential {
            key_id: found.access_key_id().to_owned(),
            secret_key: found.secret_access_key().to_owned(),
            token: found.session_token().map(ToOwned::to_owned),
        };
        Ok(Current { credential: Arc::new(credential), expires: found.expiry() })
    }
}

#[async_trait]
impl CredentialProvider for Credentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut current = self.current.lock().await;
        if let Some(known) = current.as_ref()
            && known.left().is_none_or(|left| left > EARLY)
        {
            return Ok(Arc::clone(&known.credential));
        }
        match (self.renew().await, current.as_ref()) {
            (Ok(renewed), _) => Ok(Arc::clone(&current.insert(renewed).credential)),
            (Err(error), Some(known)) if known.left().is_none_or(|left| !left.is_zero()) => {
                tracing::warn!("{}", error.internal_message());
                Ok(Arc::clone(&known.credential))
            }
            (Err(error), _) => Err(object_store::Error::Generic { store: "S3", source: Box::new(error) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_credential_types::provider::{error::CredentialsError, future};
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

    async fn ids(times: u64, valid: Duration) -> Vec<object_store::Result<String>> {
        let counting = Counting { given: AtomicU64::new(0), times, valid };
        let credentials = Credentials::from_provider(SharedCredentialsProvider::new(counting), "None.".into());
        let mut ids = Vec::new();
        for _ in 0..3 {
            ids.push(credentials.get_credential().await.map(|credential| credential.key_id.clone()));
        }
        ids
    }

    #[tokio::test]
    async fn keys_are_renewed_before_they_expire_and_not_more_often() -> object_store::Result<()> {
        let long: object_store::Result<Vec<_>> = ids(9, Duration::from_secs(3600)).await.into_iter().collect();
        assert_eq!(long?, ["key-0", "key-0", "key-0"]);
        let short: object_store::Result<Vec<_>> = ids(9, Duration::from_secs(60)).await.into_iter().collect();
        assert_eq!(short?, ["key-0", "key-1", "key-2"]);
        Ok(())
    }

    #[tokio::test]
    async fn keys_that_are_valid_still_are_used_when_no_new_ones_come() -> object_store::Result<()> {
        let valid: object_store::Result<Vec<_>> = ids(1, Duration::from_secs(60)).await.into_iter().collect();
        assert_eq!(valid?, ["key-0", "key-0", "key-0"]);
        assert!(ids(1, Duration::ZERO).await.iter().skip(1).all(Result::is_err));
        Ok(())
    }

    #[tokio::test]
    async fn keys_of_the_machine_that_no_header_takes_are_refused_and_not_shown() {
        let key = aws_credential_types::Credentials::new("hid\nden", "secret", None, None, "test");
        let credentials = Credentials::from_provider(SharedCredentialsProvider::new(key), "None.".into());
        let told = credentials.get_credential().await.map(drop).map_err(|error| error.to_string());
        assert!(told.is_err_and(|text| text.contains("line break") && !text.contains("hid")));
    }
}
