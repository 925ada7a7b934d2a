//! Requests that an object store has no verb for, through AWS's own client: aborting unfinished uploads, and copies of more
//! than 5 GB.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, IdentityCache, Region, RequestChecksumCalculation, ResponseChecksumValidation,
};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart, ServerSideEncryption};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::time::timeout;

use super::led_away::led_away;
use super::provider::S3;
use super::sdk_client::sdk_client;
use super::sums::ChecksumSupport;
use super::{CONNECT, REQUEST, one_try};
use crate::config::{S3Encryption, S3Settings, Tuning};
use crate::error::{Error, Result, code};
use crate::storage::bucket::{Action, Failure, NoAnswer, Remote, explained};
use crate::tls::Trust;

const MOST_PARTS: u64 = 10_000;
/// Pages of a listing of unfinished uploads, a thousand uploads each.
const MOST_PAGES: usize = 1000;
/// Parts of one object that are copied at the same time.
const COPIES: usize = 8;

/// A bucket through AWS's own client.
pub(super) struct S3Remote {
    client: Client,
    s3: S3,
    /// The length of a copied part, unless ten thousand such parts are too few.
    copied_part: u64,
    /// How long aborting a failed copy may take.
    clean_up: Duration,
    encryption: Option<S3Encryption>,
    checksums: ChecksumSupport,
}

impl S3Remote {
    pub(super) fn new(
        settings: &S3Settings,
        s3: S3,
        credentials: Arc<dyn ProvideCredentials>,
        checksums: ChecksumSupport,
        tuning: &Tuning,
        trust: &Trust,
    ) -> Self {
        let timeouts = &tuning.timeouts;
        let sdk_timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT.min(one_try(timeouts)))
            .operation_attempt_timeout(REQUEST.min(one_try(timeouts)))
            .operation_timeout(timeouts.request_retry)
            .build();
        let mut config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(sdk_client(trust, settings.allow_http))
            .region(Region::new(s3.0.region.clone()))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            // The provider keeps them, for both clients.
            .identity_cache(IdentityCache::no_cache())
            .force_path_style(settings.path_style)
            .retry_config(RetryConfig::standard().with_max_attempts(8))
            .timeout_config(sdk_timeouts)
            // Checksums are requested below, if the store supports them.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        if let Some(endpoint) = &settings.endpoint {
            config = config.endpoint_url(endpoint);
        }
        let (copied_part, clean_up) = (tuning.copied_at_once / 2, timeouts.clean_up());
        let encryption = settings.encryption.clone();
        Self { client: Client::from_conf(config.build()), s3, copied_part, clean_up, encryption, checksums }
    }

    async fn copy(&self, from: &Path, to: &Path, size: u64) -> Result<()> {
        let copied = match self.begin(to).await {
            Ok(id) => self.copy_parts(from, to, &id, size).await,
            Err(error) => Err(error),
        };
        // The failed upload, or one that began and whose answer was lost. No other upload has this name.
        let aborted = self.abort_all(to.as_ref(), |name| name == to.as_ref());
        if let Ok(Err(error)) = timeout(self.clean_up, aborted).await {
            tracing::warn!("{}", error.internal_message());
        }
        copied
    }

    /// Begins an upload and returns its id. The store computes the checksums of what it copies: CRC-64, which adds up to that of
    /// the whole object, since some stores give each part the checksum of the whole source.
    async fn begin(&self, to: &Path) -> Result<String> {
        loop {
            let summed = self.checksums.may_be_sent();
            let begun = self.client.create_multipart_upload().bucket(&self.s3.0.bucket).key(to.as_ref());
            let (sse, key_id) = match &self.encryption {
                None => (None, None),
                Some(S3Encryption::Own) => (Some(ServerSideEncryption::Aes256), None),
                Some(S3Encryption::Kms { key_id }) => (Some(ServerSideEncryption::AwsKms), key_id.clone()),
            };
            let begun = begun.set_server_side_encryption(sse).set_ssekms_key_id(key_id);
            let begun = begun.set_checksum_algorithm(summed.then_some(ChecksumAlgorithm::Crc64Nvme));
            match begun.send().await {
                Ok(begun) => return Ok(begun.upload_id().unwrap_or_default().to_owned()),
                Err(error) if summed && self.checksums.is_refused_by(&failure(&error)) => {}
                Err(error) => return Err(self.failed(Action::Copy, to, error)),
            }
        }
    }

    async fn copy_parts(&self, from: &Path, to: &Path, id: &str, size: u64) -> Result<()> {
        let source = format!("{}/{}", self.s3.0.bucket, utf8_percent_encode(from.as_ref(), ESCAPED));
        let parts = ranges(size, self.copied_part).into_iter().zip(1_i32..).map(|((first, last), number)| {
            let part = self.client.upload_part_copy().bucket(&self.s3.0.bucket).key(to.as_ref()).upload_id(id);
            let part = part.part_number(number).copy_source(&source).copy_source_range(format!("bytes={first}-{last}"));
            async move {
                let copied = part.send().await.map_err(|error| self.failed(Action::Copy, to, error))?;
                let part = copied.copy_part_result();
                let e_tag = part.and_then(|part| part.e_tag()).unwrap_or_default();
                let sum = part.and_then(|part| part.checksum_crc64_nvme()).map(ToOwned::to_owned);
                let part = CompletedPart::builder().part_number(number).e_tag(e_tag);
                Ok::<_, Error>(part.set_checksum_crc64_nvme(sum).build())
            }
        });
        let parts: Vec<CompletedPart> = stream::iter(parts.collect::<Vec<_>>()).buffered(COPIES).try_collect().await?;
        let whole = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let ended = self.client.complete_multipart_upload().bucket(&self.s3.0.bucket).key(to.as_ref()).upload_id(id);
        match ended.multipart_upload(whole).send().await {
            Ok(_) => Ok(()),
            // It may have ended and the answer be lost.
            Err(_) if self.size(to).await == Some(size) => Ok(()),
            Err(error) => Err(self.failed(Action::Copy, to, error)),
        }
    }

    /// The size of an existing object.
    async fn size(&self, path: &Path) -> Option<u64> {
        let there = self.client.head_object().bucket(&self.s3.0.bucket).key(path.as_ref()).send().await.ok()?;
        there.content_length()?.try_into().ok()
    }

    /// Aborts the unfinished uploads of all names that begin with `prefix` and are `ours`.
    async fn abort_all(&self, prefix: &str, ours: impl Fn(&str) -> bool) -> Result<()> {
        let (mut key, mut upload): (Option<String>, Option<String>) = (None, None);
        let mut markers = HashSet::new();
        loop {
            let page = self.client.list_multipart_uploads().bucket(&self.s3.0.bucket).prefix(prefix);
            let page = page.set_key_marker(key).set_upload_id_marker(upload).send().await;
            let page = page.map_err(|error| self.failed(Action::ListUploads, &Path::from(prefix), error))?;
            for unfinished in page.uploads() {
                let (Some(name), Some(id)) = (unfinished.key(), unfinished.upload_id()) else { continue };
                // A store that ignores the prefix also lists other uploads.
                if name.starts_with(prefix) && ours(name) {
                    self.abort(name, id).await?;
                }
            }
            if page.is_truncated() != Some(true) || page.next_key_marker().is_none() {
                return Ok(());
            }
            key = page.next_key_marker().map(ToOwned::to_owned);
            upload = page.next_upload_id_marker().map(ToOwned::to_owned);
            if !markers.insert((key.clone(), upload.clone())) || markers.len() > MOST_PAGES {
                let failure = Failure { foreign: true, ..Failure::default() };
                let error = explained(&self.s3, Action::ListUploads, &Path::from(prefix), &failure);
                return Err(error.with_source("the listing does not end"));
            }
        }
    }

    async fn abort(&self, name: &str, id: &str) -> Result<()> {
        let aborted = self.client.abort_multipart_upload().bucket(&self.s3.0.bucket).key(name).upload_id(id);
        match aborted.send().await {
            Err(error) if error.code() != Some("NoSuchUpload") => {
                Err(self.failed(Action::Abort, &Path::from(name), error))
            }
            _ => Ok(()),
        }
    }

    fn failed<E>(&self, action: Action, path: &Path, error: SdkError<E>) -> Error
    where
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let led = error.raw_response().and_then(|response| {
            let (headers, asked) = (response.headers(), self.s3.0.endpoint.as_deref().unwrap_or_default());
            led_away(response.status().as_u16(), headers.get("location"), headers.get("x-amz-bucket-region"), asked)
        });
        if let Some(led) = led {
            return led;
        }
        explained(&self.s3, action, path, &failure(&error)).with_source(error)
    }
}

/// What is known of an error of AWS's own client.
fn failure<E>(error: &SdkError<E>) -> Failure
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    let read = Failure::of(error);
    Failure {
        status: error.raw_response().map(|response| response.status().as_u16()),
        code: error.code().and_then(code).map(ToOwned::to_owned),
        message: error.message().map(ToOwned::to_owned),
        // The object store was answered before this client asks anything.
        no_answer: read.no_answer.map(NoAnswer::after_answers).or(match error {
            SdkError::TimeoutError(_) => Some(NoAnswer::TimedOut),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => Some(NoAnswer::TimedOut),
            SdkError::DispatchFailure(_) => Some(NoAnswer::Refused),
            _ => None,
        }),
        ..read
    }
}

impl Remote for S3Remote {
    fn copy_large<'a>(&'a self, from: &'a Path, to: &'a Path, size: u64) -> BoxFuture<'a, Result<()>> {
        self.copy(from, to, size).boxed()
    }

    fn remove_unfinished<'a>(&'a self, folder: &'a Path, part: &'a str) -> BoxFuture<'a, Result<()>> {
        let prefix = format!("{folder}/");
        async move {
            self.abort_all(&prefix, |name| name.strip_prefix(&prefix).is_some_and(|name| name.contains(part))).await
        }
        .boxed()
    }
}

/// First and last bytes of the parts of `part` bytes in which an object of `size` bytes is copied.
fn ranges(size: u64, part: u64) -> Vec<(u64, u64)> {
    let length = part.max(size.div_ceil(MOST_PARTS));
    (0..size.div_ceil(length)).map(|part| (part * length, (part * length + length).min(size) - 1)).collect()
}

/// Which characters are escaped in the name of an object in a header.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_object_is_copied_whole_in_few_parts() {
        const PART: u64 = 512 << 20;
        for size in [1, PART, PART + 1, 5 << 30, 5 << 40] {
            let parts = ranges(size, PART);
            assert!(parts.len() <= 10_000);
            assert_eq!(parts.iter().map(|(first, last)| last - first + 1).sum::<u64>(), size);
            assert!(parts.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0));
        }
    }

    #[test]
    fn a_name_is_encoded_for_a_header() {
        assert_eq!(utf8_percent_encode("a b/ä=1.parquet", ESCAPED).to_string(), "a%20b/%C3%A4%3D1.parquet");
    }
}
