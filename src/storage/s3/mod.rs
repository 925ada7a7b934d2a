//! S3 and stores that speak like it: from settings to a bucket.
//!
//! Identity: `credentials` gives the keys, `refusals` says why there are none. Requests: `bucket::http` is the client, which asks
//! `led_away` for the error of a redirection, `embedded` reads errors in answers with status 200, `sums` sends
//! checksums to stores that accept them, `remote` makes requests that an object store has no verb for, `trust` says which
//! certificates are valid. Errors: `conditions` and `rows` are the table of what answers mean, `demands` tells some of them
//! apart by their message, `provider` makes sentences of them. The SHA-256 of every body is part of the request's signature, so
//! that a store refuses changed bytes even if it knows no checksums.

mod conditions;
mod credentials;
mod demands;
mod embedded;
mod led_away;
mod provider;
mod refusals;
mod remote;
mod rows;
mod sdk_client;
mod sums;
mod trust;

use std::sync::Arc;
use std::time::Duration;

use object_store::ClientOptions;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::path::Path;
use object_store::{BackoffConfig, RetryConfig};

use self::conditions::BucketAddress;
use self::credentials::Credentials;
use self::embedded::OneWay;
use self::led_away::redirected;
use self::provider::S3;
use self::remote::S3Remote;
use self::sums::{ChecksumSupport, Sums};
use super::bucket::http::{Connector, Dialect};
use super::bucket::{Action, Failure, explained};
use super::{Storage, bucket};
use crate::config::{S3Encryption, S3Settings, Timeouts, Tuning, ensure_aws_files};
use crate::error::{Error, Result, code};

/// A request without an answer after this time is repeated; a part may be sent at 100 kB/s.
const REQUEST: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(10);
/// How long an idle connection is kept. Servers close idle connections after some seconds; this must be shorter.
const IDLE: Duration = Duration::from_secs(8);
/// S3's requests and responses. Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>.
pub(super) const DIALECT: Dialect = Dialect {
    name: "S3",
    endpoint: "data_source.s3_endpoint",
    list_query: "list-type=",
    page_query: "continuation-token=",
    next_page: "<NextContinuationToken>",
    names: &["<Contents>", "<CommonPrefixes>"],
    redirected,
};
/// The region of stores that have none.
const NO_REGION: &str = "us-east-1";

/// Opens the bucket of `settings`; asks AWS for its region if the settings have none.
pub(super) async fn open(settings: &S3Settings, tuning: &Tuning) -> Result<Storage> {
    let timeouts = &tuning.timeouts;
    let trust = trust::store_trust(settings)?;
    let connector = Connector {
        request: REQUEST.min(one_try(timeouts)),
        connect: CONNECT.min(one_try(timeouts)),
        idle: IDLE,
        plain: settings.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://")),
        is_here: settings.is_on_this_machine(),
        trust: trust.clone(),
        dialect: DIALECT,
    };
    let region = region(settings, &connector).await?;
    if settings.credentials.is_none() || settings.role.is_some() {
        ensure_aws_files()?;
    }
    let credentials = Arc::new(Credentials::new(settings, &region, timeouts, &trust).await);
    let unusable = |error| {
        Error::config("The S3 settings make no usable address. Check bucket, region and endpoint.").with_source(error)
    };
    let way = OneWay::of(&connector, &ClientOptions::new()).map_err(unusable)?;
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&settings.bucket)
        .with_region(&region)
        .with_credentials(Arc::clone(&credentials) as _)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_virtual_hosted_style_request(!settings.path_style)
        .with_allow_http(connector.plain)
        .with_http_connector(way)
        .with_retry(retry(timeouts));
    if let Some(endpoint) = address(settings) {
        builder = builder.with_endpoint(endpoint);
    }
    let checksums = ChecksumSupport::default();
    let encrypted = |builder| encrypted(builder, settings.encryption.as_ref());
    let store = Sums::build(builder, encrypted, checksums.clone()).map_err(unusable)?;
    let root = Path::parse(&settings.path).map_err(|error| {
        Error::config(format!("`data_source.s3_bucket_path` {} is no path of a bucket: correct it.", settings.path))
            .with_source(error)
    })?;
    let provider = S3(BucketAddress { bucket: settings.bucket.clone(), region, endpoint: address(settings) });
    let remote = S3Remote::new(settings, provider.clone(), credentials, checksums, tuning, &trust);
    Ok(bucket::open(Arc::new(store), Some(Box::new(remote)), Box::new(provider), root, tuning))
}

/// `builder` for requests that create objects, with `encryption`.
fn encrypted(builder: AmazonS3Builder, encryption: Option<&S3Encryption>) -> object_store::Result<AmazonS3Builder> {
    let kind: AmazonS3ConfigKey = "aws_server_side_encryption".parse()?;
    Ok(match encryption {
        None => builder,
        Some(S3Encryption::Own) => builder.with_config(kind, "AES256"),
        Some(S3Encryption::Kms { key_id: None }) => builder.with_config(kind, "aws:kms"),
        Some(S3Encryption::Kms { key_id: Some(id) }) => builder.with_sse_kms_encryption(id),
    })
}

async fn region(settings: &S3Settings, connector: &Connector) -> Result<String> {
    match (&settings.region, &settings.endpoint) {
        (Some(region), _) => Ok(region.clone()),
        (None, Some(_)) => Ok(NO_REGION.to_owned()),
        (None, None) => asked_region(&settings.bucket, connector).await,
    }
}

/// The region of the bucket according to AWS, which names it in every answer, even to clients without access.
async fn asked_region(bucket: &str, connector: &Connector) -> Result<String> {
    let cure = "Set `data_source.s3_bucket_region`, so that it need not be asked for.";
    // A certificate for *.s3.amazonaws.com does not cover a name with dots.
    let url = match bucket.contains('.') {
        true => format!("https://s3.amazonaws.com/{bucket}"),
        false => format!("https://{bucket}.s3.amazonaws.com"),
    };
    match connector.header_of(&url, "x-amz-bucket-region").await {
        Ok((404, _)) => Err(Error::config(format!(
            "There is no bucket {bucket}: create it or correct `data_source.s3_bucket_name`."
        ))),
        Ok((status, region)) => region.as_deref().and_then(code).map(ToOwned::to_owned).ok_or_else(|| {
            Error::transient(format!("AWS did not name the region of bucket {bucket} (status {status}). {cure}"))
        }),
        Err(error) => {
            let s3 = S3(BucketAddress { bucket: bucket.to_owned(), region: NO_REGION.to_owned(), endpoint: None });
            let explained = explained(&s3, Action::Locate, &Path::default(), &Failure::of(&error));
            Err(Error::new(explained.kind(), format!("{explained} {cure}")).with_source(error))
        }
    }
}

/// For tests: what the bucket `bucket` of AWS and its failures are called.
#[cfg(test)]
pub(super) fn provider(bucket: &str) -> S3 {
    S3(BucketAddress { bucket: bucket.to_owned(), region: NO_REGION.to_owned(), endpoint: None })
}

/// The endpoint for the object store: with the bucket in the host name unless the path style is set.
fn address(settings: &S3Settings) -> Option<String> {
    let endpoint = settings.endpoint.as_ref()?;
    match endpoint.split_once("://") {
        Some((scheme, host)) if !settings.path_style => Some(format!("{scheme}://{}.{host}", settings.bucket)),
        _ => Some(endpoint.clone()),
    }
}

/// One try gets at least this time, however short the deadline is.
const SHORTEST_TRY: Duration = Duration::from_millis(500);

/// The longest time for one try: a request without an answer must be repeated before the deadline.
fn one_try(timeouts: &Timeouts) -> Duration {
    (timeouts.request_retry / 3).max(SHORTEST_TRY)
}

/// The deadline decides when to give up, not a number of tries.
fn retry(timeouts: &Timeouts) -> RetryConfig {
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(15).min(timeouts.request_retry / 4),
        base: 2.,
    };
    RetryConfig { backoff, max_retries: usize::MAX, retry_timeout: timeouts.request_retry }
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
            allow_http: false,
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
