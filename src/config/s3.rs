//! The settings of `S3_STORAGE`: which bucket, where it is, and who this program is there.
//!
//! Endpoint and style make up the address; keys, session token and role make up the identity. With no keys at all the
//! identity comes from where AWS keeps it for programs: environment, profile, web identity, container, instance.

use url::{Host, Url};

use super::fields::{Fields, shown};
use super::file_name_pattern::FileNamePattern;
use crate::secret::Secret;

/// Settings of `S3_STORAGE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Settings {
    /// The bucket's name.
    pub bucket: String,
    /// The folder below which everything lies, without slashes at its ends; empty for the top of the bucket.
    pub path: String,
    /// The bucket's region, where it was given.
    pub region: Option<String>,
    /// The access key, where one was given.
    pub credentials: Option<S3Credentials>,
    /// The role to assume, where one was given.
    pub role: Option<S3Role>,
    /// The address of a store other than AWS, without a slash at its end.
    pub endpoint: Option<String>,
    /// Whether the bucket's name stands in the path of an address, not in the host's name.
    pub path_style: bool,
    /// How staged files are named.
    pub file_name_pattern: FileNamePattern,
}

/// An AWS access key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Credentials {
    /// `s3_access_key_id`
    pub access_key_id: Secret,
    /// `s3_secret_access_key`
    pub secret_access_key: Secret,
    /// `s3_session_token`, which temporary keys have.
    pub session_token: Option<Secret>,
}

/// A role of AWS to act as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Role {
    /// `s3_role_arn`
    pub arn: String,
    /// `s3_external_id`
    pub external_id: Option<String>,
}

const ID: &str = "s3_access_key_id";
const KEY: &str = "s3_secret_access_key";
const TOKEN: &str = "s3_session_token";
const ROLE: &str = "s3_role_arn";
const EXTERNAL_ID: &str = "s3_external_id";
const ENDPOINT: &str = "s3_endpoint";

impl S3Settings {
    pub(super) fn read(fields: &Fields<'_>) -> Self {
        let bucket = fields.required_text("s3_bucket_name", "give the name of the bucket").unwrap_or_default();
        if bucket.contains('/') {
            fields.problem(
                "s3_bucket_name",
                "must be only the bucket's name, without s3:// and /: a folder goes into `data_source.s3_bucket_path`.",
            );
        }
        let endpoint = endpoint(fields);
        // A certificate for *.s3.amazonaws.com does not cover a name with dots.
        let path_style = endpoint.is_some() || bucket.contains('.');
        Self {
            path: folder(fields),
            region: fields.text("s3_bucket_region"),
            credentials: credentials(fields),
            role: role(fields),
            endpoint,
            path_style: fields.boolean("s3_path_style", path_style),
            file_name_pattern: file_name_pattern(fields),
            bucket,
        }
    }
}

fn file_name_pattern(fields: &Fields<'_>) -> FileNamePattern {
    const NAME: &str = "file_name_pattern";
    let pattern =
        fields.text(NAME).map(|text| FileNamePattern::parse(&text).map_err(|rest| fields.problem(NAME, &rest)));
    pattern.and_then(Result::ok).unwrap_or_default()
}

fn folder(fields: &Fields<'_>) -> String {
    let text = fields.text("s3_bucket_path").unwrap_or_default();
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
    if parts.iter().any(|part| matches!(*part, "." | "..")) {
        fields
            .problem("s3_bucket_path", "has a part . or .., which a bucket does not resolve: write the folder itself.");
    } else if text.contains(|c: char| c.is_control() || matches!(c, '%' | '\\')) {
        fields.problem(
            "s3_bucket_path",
            "has a %, a backslash or a control character in it, which Delta readers misread: choose a folder without one.",
        );
    }
    parts.join("/")
}

fn credentials(fields: &Fields<'_>) -> Option<S3Credentials> {
    for (name, other) in [(ID, KEY), (KEY, ID)] {
        if fields.is_absent(name) && !fields.is_absent(other) {
            fields.problem(name, &format!("is missing although `data_source.{other}` is set: give both, or neither."));
        }
    }
    if !fields.is_absent(TOKEN) && fields.is_absent(ID) && fields.is_absent(KEY) {
        let rest = format!(
            "is set without `data_source.{ID}` and `data_source.{KEY}`: a session token belongs to a temporary key, \
             give all three."
        );
        fields.problem(TOKEN, &rest);
    }
    let (access_key_id, secret_access_key, session_token) =
        (fields.secret(ID), fields.secret(KEY), fields.secret(TOKEN));
    Some(S3Credentials { access_key_id: access_key_id?, secret_access_key: secret_access_key?, session_token })
}

fn role(fields: &Fields<'_>) -> Option<S3Role> {
    if fields.is_absent(ROLE) && !fields.is_absent(EXTERNAL_ID) {
        fields.problem(
            EXTERNAL_ID,
            &format!(
                "is set without `data_source.{ROLE}`: an external id is said when a role is assumed, give the role too."
            ),
        );
    }
    let (arn, external_id) = (fields.text(ROLE), fields.text(EXTERNAL_ID));
    let arn = arn?;
    if !(arn.starts_with("arn:") && arn.contains(":role/")) {
        fields.problem(
            ROLE,
            &format!("must be the ARN of a role such as arn:aws:iam::123456789012:role/airbyte, not {}.", shown(&arn)),
        );
    }
    Some(S3Role { arn, external_id })
}

fn endpoint(fields: &Fields<'_>) -> Option<String> {
    let allow_http = fields.boolean("s3_allow_http", false);
    let text = fields.text(ENDPOINT)?;
    let example = "an address such as https://minio.example.com:9000";
    let Ok(url) = Url::parse(&text) else {
        fields.problem(ENDPOINT, &format!("must be {example}."));
        return None;
    };
    let plain =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() || !plain {
        // Not shown: what stands there may be a key.
        fields.problem(ENDPOINT, &format!("must be {example}, without user, password, ? and #."));
        return None;
    }
    if url.scheme() == "http" && !allow_http && !is_loopback(&url) {
        fields.problem(
            ENDPOINT,
            "begins with http://, which sends all data readable over the network: use https://, or set \
             `data_source.s3_allow_http` to true if that is meant.",
        );
    }
    Some(url.as_str().trim_end_matches('/').to_owned())
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
