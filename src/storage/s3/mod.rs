//! S3 and stores that speak like it: from settings to a bucket.
//!
//! `credentials` says who this program is there, `refusals` why it is nobody, `connector` gives up at once what cannot be mended by waiting, `remote`
//! does what an object store has no verb for, `sums` sends checksums to stores that take them, `errors` says what an answer
//! means, `embedded` where its status does not say it, `demands` what a bucket wants of what is written. Every request is signed together with the SHA-256 of its body,
//! so that bytes which arrive changed are refused, also by a store that knows no checksums.

mod action;
mod connector;
mod credentials;
pub(super) mod demands;
mod embedded;
pub(super) mod errors;
mod refusals;
mod remote;
mod sums;

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut, resolve_bucket_region};
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, RetryConfig};

use self::connector::Connector;
use self::credentials::Credentials;
use self::embedded::OneWay;
use self::errors::{Action, Answer, Place};
use self::remote::S3Remote;
use self::sums::{Sums, Taken};
use super::{Storage, bucket};
use crate::config::{Patience, S3Encryption, S3Settings, Tuning};
use crate::error::{Error, Result};

/// A request that has no answer after so long is given up and made again; a part has at least 100 kB/s then.
const REQUEST: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(10);
/// Connections that are kept for the next request. Servers close them after some seconds; ours must go first.
const IDLE: Duration = Duration::from_secs(8);
/// Every address of this machine, as proxies exclude them.
const THIS_MACHINE: &str = "localhost,127.0.0.0/8,::1";
/// The region of stores that have none.
const NO_REGION: &str = "us-east-1";

/// Opens the bucket of `settings`; asks for its region where that is not given.
pub(super) async fn open(settings: &S3Settings, tuning: &Tuning) -> Result<Storage> {
    let patience = &tuning.patience;
    let mut options = ClientOptions::new()
        .with_timeout(REQUEST.min(one_try(patience)))
        .with_connect_timeout(CONNECT.min(one_try(patience)))
        .with_pool_idle_timeout(IDLE)
        .with_allow_http(settings.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://")));
    if settings.is_on_this_machine() {
        // A proxy that is asked for nothing takes the place of the environment's, which does not lead to this machine.
        options = options.with_proxy_url("http://localhost").with_proxy_excludes(THIS_MACHINE);
    }
    let region = region(settings, &options).await?;
    let credentials = Arc::new(Credentials::new(settings, &region, patience).await);
    let unusable = |error| {
        Error::config("The S3 settings make no usable address. Check bucket, region and endpoint.").with_source(error)
    };
    let way = OneWay::of(&Connector, &options).map_err(unusable)?;
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&settings.bucket)
        .with_region(&region)
        .with_credentials(Arc::clone(&credentials) as _)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_virtual_hosted_style_request(!settings.path_style)
        .with_client_options(options)
        .with_http_connector(way)
        .with_retry(retry(patience));
    if let Some(endpoint) = address(settings) {
        builder = builder.with_endpoint(endpoint);
    }
    let taken = Taken::default();
    let encrypted = |builder| encrypted(builder, settings.encryption.as_ref());
    let store = Sums::build(builder, encrypted, taken.clone()).map_err(unusable)?;
    let root = Path::parse(&settings.path).map_err(|error| {
        Error::config(format!("`data_source.s3_bucket_path` {} is no path of a bucket: correct it.", settings.path))
            .with_source(error)
    })?;
    let place = Place { bucket: settings.bucket.clone(), region, endpoint: address(settings) };
    let remote = S3Remote::new(settings, place.clone(), credentials, taken, tuning);
    Ok(bucket::open(Arc::new(store), Some(Box::new(remote)), place, root, tuning))
}

/// What makes objects asks for `encryption`.
fn encrypted(builder: AmazonS3Builder, encryption: Option<&S3Encryption>) -> object_store::Result<AmazonS3Builder> {
    let kind: AmazonS3ConfigKey = "aws_server_side_encryption".parse()?;
    Ok(match encryption {
        None => builder,
        Some(S3Encryption::Own) => builder.with_config(kind, "AES256"),
        Some(S3Encryption::Kms { key_id: None }) => builder.with_config(kind, "aws:kms"),
        Some(S3Encryption::Kms { key_id: Some(id) }) => builder.with_sse_kms_encryption(id),
    })
}

async fn region(settings: &S3Settings, options: &ClientOptions) -> Result<String> {
    match (&settings.region, &settings.endpoint) {
        (Some(region), _) => Ok(region.clone()),
        (None, Some(_)) => Ok(NO_REGION.to_owned()),
        (None, None) => resolve_bucket_region(&settings.bucket, options).await.map_err(|error| {
            if error.to_string().contains("not found") {
                return Error::config(format!(
                    "There is no bucket {}: create it or correct `data_source.s3_bucket_name`.",
                    settings.bucket
                ))
                .with_source(error);
            }
            let place = Place { bucket: settings.bucket.clone(), region: NO_REGION.to_owned(), endpoint: None };
            let (kind, sentence) = Answer::of(&error).explain(Action::Locate, &place, "");
            Error::new(kind, format!("{sentence} Set `data_source.s3_bucket_region` if it cannot be asked for."))
                .with_source(error)
        }),
    }
}

/// The endpoint as the object store takes it: with the bucket in the host's name if that is the style.
fn address(settings: &S3Settings) -> Option<String> {
    let endpoint = settings.endpoint.as_ref()?;
    match endpoint.split_once("://") {
        Some((scheme, host)) if !settings.path_style => Some(format!("{scheme}://{}.{host}", settings.bucket)),
        _ => Some(endpoint.clone()),
    }
}

/// However soon the deadline is, one try gets so long.
const SHORTEST_TRY: Duration = Duration::from_millis(500);

/// The longest time that one try may take: a request without an answer is to be made again before the deadline.
fn one_try(patience: &Patience) -> Duration {
    (patience.retry / 3).max(SHORTEST_TRY)
}

/// The deadline decides when to give up, not a number of tries.
fn retry(patience: &Patience) -> RetryConfig {
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(15).min(patience.retry / 4),
        base: 2.,
    };
    RetryConfig { backoff, max_retries: usize::MAX, retry_timeout: patience.retry }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_stands_in_the_path_or_in_the_hosts_name() {
        let mut settings = S3Settings {
            bucket: "lake".into(),
            path: String::new(),
            region: None,
            credentials: None,
            role: None,
            endpoint: Some("https://s3.example.com:9000".into()),
            path_style: true,
            file_name_pattern: crate::config::FileNamePattern::default(),
            encryption: None,
        };
        assert_eq!(address(&settings).as_deref(), Some("https://s3.example.com:9000"));
        settings.path_style = false;
        assert_eq!(address(&settings).as_deref(), Some("https://lake.s3.example.com:9000"));
        settings.endpoint = None;
        assert_eq!(address(&settings), None);
    }
}
