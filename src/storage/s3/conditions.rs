//! What S3's failures mean: by what they are recognized beside the keys of every store, and what is known of the failed request.
//!
//! The rows are in `rows`; `docs/s3-errors.md` shows the same table, and a test keeps the two equal.

use super::demands;
use super::rows::ROWS;
use crate::storage::bucket::conditions::{self, Failed};
use crate::storage::bucket::{Action, Explanation, Failure};

/// One row.
pub(super) type Condition = conditions::Condition<Own, When>;
/// What a condition is recognized by.
pub(super) type Key = conditions::Key<Own>;

/// What only S3 has to recognize a condition by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Own {
    /// This code with this status.
    CodeAt(&'static str, u16),
    /// Any code that begins so.
    Codes(&'static str),
    /// The answer has no code, and S3 would have given one: a page, or a 404 for anything but an object's bytes.
    NotS3,
    /// A page, whatever code was found in it.
    Page,
    /// The object is under retention or a legal hold.
    Retained,
}

/// What must be true besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// The request was to write an object.
    Writing,
    /// The answer names another region than the one in use.
    OtherRegion,
    /// There is no `data_source.s3_endpoint`.
    Aws,
    /// The bucket's name is part of the host name in use.
    BucketInHost,
}

/// Where requests go, for the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BucketAddress {
    /// The bucket.
    pub(crate) bucket: String,
    /// The region that requests are signed for.
    pub(crate) region: String,
    /// The address that requests go to, with the bucket's name if that is part of the host name; none for AWS.
    pub(crate) endpoint: Option<String>,
}

impl BucketAddress {
    fn host(&self) -> String {
        self.endpoint.clone().unwrap_or_else(|| format!("S3 in {}", self.region))
    }

    /// Whether the bucket's name is the first part of the host name.
    fn has_bucket_in_host(&self) -> bool {
        let host = self.endpoint.as_deref().and_then(|endpoint| endpoint.split_once("://"));
        host.and_then(|(_, host)| host.strip_prefix(&self.bucket)).is_some_and(|rest| rest.starts_with('.'))
    }
}

/// What it means that `action` at `address` ended in `failure`.
pub(super) fn explain(failure: &Failure, action: Action, address: &BucketAddress) -> Explanation {
    conditions::explain(ROWS, failure, &Request { failure, action, address })
}

/// A request that failed.
struct Request<'a> {
    failure: &'a Failure,
    action: Action,
    address: &'a BucketAddress,
}

impl Failed<Own, When> for Request<'_> {
    fn is_known_by(&self, key: Own) -> bool {
        let failure = self.failure;
        let code = failure.code.as_deref().unwrap_or_default();
        let is_page = failure.foreign && !failure.is_gateway();
        match key {
            Own::CodeAt(known, status) => code == known && failure.status == Some(status),
            Own::Codes(beginning) => code.starts_with(beginning),
            Own::NotS3 => {
                let is_unlike = failure.status == Some(404) && !matches!(self.action, Action::Get | Action::Copy);
                code.is_empty() && (is_page || is_unlike)
            }
            Own::Page => is_page,
            Own::Retained => demands::is_retained(failure),
        }
    }

    fn is(&self, when: When) -> bool {
        match when {
            When::Writing => matches!(self.action, Action::Put | Action::Copy),
            When::OtherRegion => self.failure.region.as_ref().is_some_and(|region| *region != self.address.region),
            When::Aws => self.address.endpoint.is_none(),
            When::BucketInHost => self.address.has_bucket_in_host(),
        }
    }

    fn value(&self, name: &str) -> Option<String> {
        Some(match name {
            "host" => self.address.host(),
            "bucket" => self.address.bucket.clone(),
            "region" => self.address.region.clone(),
            "named region" => self.failure.region.clone().unwrap_or_default(),
            "code" => self.failure.code.clone().unwrap_or_else(|| "no code".to_owned()),
            "status" => self.failure.status.map_or_else(|| "none".to_owned(), |status| status.to_string()),
            "permission" => permission(self.action).to_owned(),
            _ => return None,
        })
    }
}

/// What an IAM policy must allow for `action`.
fn permission(action: Action) -> &'static str {
    match action {
        Action::List | Action::Locate => "s3:ListBucket",
        Action::Get => "s3:GetObject",
        Action::Put => "s3:PutObject",
        Action::Copy => "s3:GetObject and s3:PutObject",
        Action::Delete => "s3:DeleteObject",
        Action::Abort => "s3:AbortMultipartUpload",
        Action::ListUploads => "s3:ListBucketMultipartUploads",
    }
}

/// The table, for the docs.
#[cfg(test)]
pub(super) fn markdown() -> String {
    let own = |key| match key {
        Own::CodeAt(code, status) => format!("`{code}` with HTTP {status}"),
        Own::Codes(beginning) => format!("`{beginning}…`"),
        Own::NotS3 => "no code where S3 gives one".to_owned(),
        Own::Page => "a page in HTML, or nothing that can be read".to_owned(),
        Own::Retained => "object lock, retention or a legal hold is named".to_owned(),
    };
    let when = |when| match when {
        When::Writing => "when an object is written",
        When::OtherRegion => "and another region is named",
        When::Aws => "without `s3_endpoint`",
        When::BucketInHost => "and the bucket's name is part of the host name",
    };
    conditions::markdown(ROWS, own, when)
}

#[cfg(test)]
#[path = "conditions_tests.rs"]
mod tests;
