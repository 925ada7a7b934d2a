//! The settings of `S3_STORAGE`: the bucket, its address, and the identity to use.
//!
//! The address consists of endpoint and style, the identity of keys, session token and role. Without keys the identity comes from
//! AWS's default chain: environment, profile, web identity, container, instance. Libraries build addresses and headers from these
//! settings without checking them, so malformed ones are refused here.

use url::{Host, Url};

use super::fields::{Fields, shown};
use super::file_name_pattern::FileNamePattern;
use super::host::{is_host, is_loopback};
use crate::secret::{Secret, know_open};

/// Settings of `S3_STORAGE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Settings {
    /// The bucket's name.
    pub bucket: String,
    /// The folder that everything is below, without slashes at its ends; empty for the whole bucket.
    pub path: String,
    /// The bucket's region, if it was given.
    pub region: Option<String>,
    /// The access key, if one was given.
    pub credentials: Option<S3Credentials>,
    /// The role to assume, if one was given.
    pub role: Option<S3Role>,
    /// The address of a store other than AWS, without a slash at its end; `None` for AWS.
    pub endpoint: Option<String>,
    /// Whether data may be sent to other machines without TLS.
    pub allow_http: bool,
    /// Whether the bucket's name is part of the path of an address, not of the host name.
    pub path_style: bool,
    /// The pattern of the names of staged files.
    pub file_name_pattern: FileNamePattern,
    /// The encryption to ask for when objects are written; `None` leaves it to the bucket.
    pub encryption: Option<S3Encryption>,
}

/// How the store encrypts objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum S3Encryption {
    /// With the store's own keys: `AES256`.
    Own,
    /// With a key of AWS KMS: `aws:kms`.
    Kms {
        /// `s3_sse_kms_key_id`; `None` for AWS's own key for S3.
        key_id: Option<String>,
    },
}

/// An AWS access key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Credentials {
    /// `s3_access_key_id`
    pub access_key_id: Secret,
    /// `s3_secret_access_key`
    pub secret_access_key: Secret,
    /// `s3_session_token`, for temporary keys.
    pub session_token: Option<Secret>,
}

/// An AWS role to assume.
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
const ALLOW_HTTP: &str = "s3_allow_http";
const SSE: &str = "s3_sse";
const KMS_KEY: &str = "s3_sse_kms_key_id";

impl S3Settings {
    /// Whether the store runs on the same machine as this program.
    pub fn is_on_this_machine(&self) -> bool {
        self.endpoint.as_ref().and_then(|endpoint| Url::parse(endpoint).ok()).is_some_and(|url| is_loopback(&url))
    }

    pub(super) fn read(fields: &Fields<'_>) -> Self {
        let endpoint = endpoint(fields);
        let bucket = bucket(fields, endpoint.is_some());
        // The certificate for *.s3.amazonaws.com does not cover bucket names with dots.
        let path_style = fields.boolean("s3_path_style", endpoint.is_some() || bucket.contains('.'));
        let by_number = |endpoint: &Url| matches!(endpoint.host(), Some(Host::Ipv4(_) | Host::Ipv6(_)));
        if !path_style && endpoint.as_ref().is_some_and(by_number) {
            fields.problem(
                "s3_path_style",
                "is false, which puts the bucket's name before the host's, but the host of `data_source.s3_endpoint` is an \
                 IP address and has no name: set it to true or remove it, or give the endpoint by its name.",
            );
        }
        let path = folder(fields);
        let host = endpoint.as_ref().and_then(Url::host_str);
        [Some(path.as_str()), host].into_iter().flatten().for_each(know_open);
        Self {
            path,
            region: region(fields),
            credentials: credentials(fields),
            role: role(fields),
            endpoint: endpoint.map(|endpoint| endpoint.as_str().trim_end_matches('/').to_owned()),
            allow_http: fields.boolean(ALLOW_HTTP, false),
            path_style,
            file_name_pattern: file_name_pattern(fields),
            encryption: encryption(fields),
            bucket,
        }
    }
}

/// Reads the bucket's name by AWS's rule; other stores allow more letters.
fn bucket(fields: &Fields<'_>, is_elsewhere: bool) -> String {
    const NAME: &str = "s3_bucket_name";
    let bucket = fields.required_text(NAME, "give the name of the bucket").unwrap_or_default();
    let is_end = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || is_elsewhere && is_more(*byte);
    let is_name = (3..=63).contains(&bucket.len())
        && bucket.bytes().all(|byte| is_end(&byte) || matches!(byte, b'.' | b'-'))
        && [bucket.bytes().next(), bucket.bytes().next_back()].iter().flatten().all(is_end)
        && !bucket.contains("..");
    if bucket.contains('/') {
        fields.problem(
            NAME,
            "must be only the bucket's name, without s3:// and /: a folder goes into `data_source.s3_bucket_path`.",
        );
    } else if !bucket.is_empty() && !is_name {
        let more = if is_elsewhere { "letters, digits, underscores" } else { "lower case letters, digits" };
        fields.problem(
            NAME,
            &format!(
                "must be a bucket's name, not {}: 3 to 63 {more}, single dots and hyphens, with neither dot nor hyphen at \
                 its ends.",
                shown(&bucket)
            ),
        );
    } else {
        know_open(&bucket);
    }
    bucket
}

/// Characters that stores other than AWS also allow in names of buckets.
fn is_more(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte == b'_'
}

fn region(fields: &Fields<'_>) -> Option<String> {
    const NAME: &str = "s3_bucket_region";
    let region = fields.text(NAME)?;
    if !region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        fields.problem(
            NAME,
            &format!(
                "must be the name of a region such as eu-central-1, not {}: letters, digits, hyphens.",
                shown(&region)
            ),
        );
    }
    Some(region)
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
    if parts.contains(&"_delta_log") {
        fields.problem(
            "s3_bucket_path",
            "lies in the log of a Delta table: give a folder that is no table, above all tables.",
        );
    }
    if parts.iter().any(|part| matches!(*part, "." | "..")) {
        fields
            .problem("s3_bucket_path", "has a part . or .., which a bucket does not resolve: write the folder itself.");
    } else if text.contains(|c: char| c.is_control() || matches!(c, '%' | '?' | '#' | '\\')) {
        fields.problem(
            "s3_bucket_path",
            "has a %, ?, #, a backslash or a control character in it, which Delta readers misread: choose a folder without one.",
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
        (key_text(fields, ID), key_text(fields, KEY), key_text(fields, TOKEN));
    Some(S3Credentials { access_key_id: access_key_id?, secret_access_key: secret_access_key?, session_token })
}

/// Reads a part of a key, which is sent in a header and never shown.
fn key_text(fields: &Fields<'_>, name: &str) -> Option<Secret> {
    let secret = if name == ID { fields.key_id(name) } else { fields.secret(name) }?;
    if !secret.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        fields.problem(
            name,
            "has a space, a line break or another character in it that no key has: copy it again, without anything around it.",
        );
    }
    Some(secret)
}

fn role(fields: &Fields<'_>) -> Option<S3Role> {
    if fields.is_absent(ROLE) && !fields.is_absent(EXTERNAL_ID) {
        fields.problem(
            EXTERNAL_ID,
            &format!(
                "is set without `data_source.{ROLE}`: an external id is used only to assume a role: give the role too."
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

fn encryption(fields: &Fields<'_>) -> Option<S3Encryption> {
    let sse = fields.choice(SSE, &[("none", Sse::Unasked), ("AES256", Sse::Own), ("aws:kms", Sse::Kms)]);
    let key_id = fields.text(KMS_KEY);
    let is_other = fields.is_absent(SSE) || matches!(sse, Some(Sse::Unasked | Sse::Own));
    if key_id.is_some() && is_other {
        fields.problem(
            KMS_KEY,
            &format!(
                "is set, but `data_source.{SSE}` is not aws:kms, which alone uses a key: set that too, or remove it."
            ),
        );
    }
    if key_id.as_ref().is_some_and(|key_id| !key_id.bytes().all(|byte| byte.is_ascii_graphic())) {
        fields.problem(
            KMS_KEY,
            "must be the id or the ARN of a key such as arn:aws:kms:eu-central-1:123456789012:key/…, without a space or \
             line break in it.",
        );
    }
    match sse? {
        Sse::Unasked => None,
        Sse::Own => Some(S3Encryption::Own),
        Sse::Kms => Some(S3Encryption::Kms { key_id }),
    }
}

/// The value of `s3_sse`.
#[derive(Clone, Copy)]
enum Sse {
    Unasked,
    Own,
    Kms,
}

fn endpoint(fields: &Fields<'_>) -> Option<Url> {
    let allow_http = fields.boolean(ALLOW_HTTP, false);
    let text = fields.text(ENDPOINT)?;
    let wrong = |rest: &str| {
        fields.problem(ENDPOINT, rest);
        None
    };
    let example = "an address such as https://minio.example.com:9000";
    // The parser would silently drop line breaks and change other characters.
    if text.contains(|sign: char| sign.is_whitespace() || sign.is_control()) {
        return wrong(&format!("must be {example}, without a space or line break in it."));
    }
    let parsed = Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && is_host(url));
    // Not shown: the value may be a key.
    let Some(url) = parsed else { return wrong(&format!("must be {example}.")) };
    let user_info = !url.username().is_empty() || url.password().is_some();
    let surplus = [
        (user_info, "a user or password before the @, which belong in the fields for keys"),
        (!matches!(url.path(), "" | "/"), "a path, but S3 is served only at the root of an address"),
        (url.query().is_some(), "a query after a ?"),
        (url.fragment().is_some(), "a fragment after a #"),
    ];
    let surplus: Vec<&str> = surplus.iter().filter(|(is_there, _)| *is_there).map(|(_, what)| *what).collect();
    if !surplus.is_empty() {
        let address = url.origin().ascii_serialization();
        return wrong(&format!("must be only an address: it has {}. Give {address}.", surplus.join(", and ")));
    }
    if url.scheme() == "http" && !allow_http && !is_loopback(&url) {
        fields.problem(
            ENDPOINT,
            "begins with http://, which sends all data readable over the network: use https://, or set \
             `data_source.s3_allow_http` to true if you want that.",
        );
    }
    Some(url)
}
