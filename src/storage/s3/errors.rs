//! What an answer of S3, or the lack of one, means to a user: one table from status and code to a sentence with a cure.
//!
//! An [`Answer`] is what is known: the status, the code in the body, or why there was no answer at all. It is read from the
//! text of an error where the store's client keeps its types to itself. [`Answer::explain`] is a pure function of it.

use object_store::client::{HttpError, HttpErrorKind};

use crate::error::{Error, Kind, code};

/// What only the sentence about a missing permission says.
pub const DENIED: &str = "access is denied";

/// The text of an error of a server that spoke before it was asked, when nothing had ever come from it before.
pub(super) const SPOKE_FIRST: &str = "something came before anything was asked";
/// The text of an error of a host that had answered before and whose name leads nowhere now.
pub(super) const NAME_LOST: &str = "the name led to an answer before";

/// The text of an error of a listing that comes to no end.
pub(super) const ENDLESS: &str = "a listing goes in circles, or comes to no end";

/// What the text of an error says, in lower case, when the answer was not S3's: a page, or nothing that its client can read.
const FOREIGN: [&str; 8] = [
    SPOKE_FIRST,
    ENDLESS,
    "<html",
    "<!doctype",
    "got invalid list response",
    "got invalid multipart response",
    "header missing from response",
    "invalid http version",
];

/// What was asked of S3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Names of objects.
    List,
    /// An object's bytes.
    Get,
    /// A new object, or a part of one.
    Put,
    /// A copy inside the bucket.
    Copy,
    /// Objects are removed.
    Delete,
    /// An upload is given up.
    Abort,
    /// Names of unfinished uploads.
    ListUploads,
    /// Where the bucket is.
    Locate,
}

impl Action {
    /// What an IAM policy has to allow for it.
    pub fn permission(self) -> &'static str {
        match self {
            Self::List | Self::Locate => "s3:ListBucket",
            Self::Get => "s3:GetObject",
            Self::Put => "s3:PutObject",
            Self::Copy => "s3:GetObject and s3:PutObject",
            Self::Delete => "s3:DeleteObject",
            Self::Abort => "s3:AbortMultipartUpload",
            Self::ListUploads => "s3:ListBucketMultipartUploads",
        }
    }

    fn verb(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Get => "read",
            Self::Put => "write",
            Self::Copy => "copy to",
            Self::Delete => "delete",
            Self::Abort => "give up an upload to",
            Self::ListUploads => "list unfinished uploads in",
            Self::Locate => "find",
        }
    }
}

/// Where the request went, for the sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The bucket.
    pub bucket: String,
    /// The region that requests are signed for.
    pub region: String,
    /// The address that requests go to, with the bucket's name where it stands in the host's; none for AWS.
    pub endpoint: Option<String>,
}

/// Why there was no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// Nobody listens there.
    Refused,
    /// The host's name leads nowhere.
    UnknownHost,
    /// The host's name leads nowhere any more.
    LostHost,
    /// No encrypted connection came about.
    Tls,
    /// It took too long.
    TimedOut,
    /// The connection broke off.
    Cut,
}

impl Silence {
    /// What it means where the store has answered before.
    pub fn later(self) -> Self {
        if self == Self::UnknownHost { Self::LostHost } else { self }
    }
}

/// Codes with a status of 400 that are about what happened on the way, not about what was asked.
const PASSING: [&str; 5] =
    ["BadDigest", "IncompleteBody", "RequestTimeout", "ThrottlingException", "XAmzContentSHA256Mismatch"];

/// What is known of a request that failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: Option<u16>,
    /// The code in S3's own answer.
    pub code: Option<String>,
    /// The region that the answer names.
    pub region: Option<String>,
    /// Why there was no answer.
    pub silence: Option<Silence>,
    /// The answer is not one of S3.
    pub foreign: bool,
    /// An error of ours that says all that there is to say.
    pub told: Option<(Kind, String)>,
}

impl Answer {
    /// What `error`, and what caused it, says.
    pub fn of(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut answer = Self::default();
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(told) = error.downcast_ref::<Error>() {
                answer.told = Some((told.kind(), told.message().to_owned()));
            }
            if let Some(http) = error.downcast_ref::<HttpError>() {
                answer.silence.get_or_insert(match http.kind() {
                    HttpErrorKind::Timeout => Silence::TimedOut,
                    HttpErrorKind::Connect => Silence::Refused,
                    _ => Silence::Cut,
                });
            }
            let text = error.to_string();
            answer.read(&text);
            cause = error.source();
        }
        answer
    }

    /// An answer of which only the text is known.
    fn read(&mut self, text: &str) {
        let status = text.split_once("status code: ").and_then(|(_, rest)| rest.get(..3)?.parse().ok());
        self.status = self.status.or(status);
        if text.contains("redirect without LOCATION") {
            self.status = self.status.or(Some(301));
        }
        let element = |name: &str| {
            let (_, rest) = text.split_once(&format!("<{name}>"))?;
            rest.split_once('<').and_then(|(value, _)| code(value)).map(ToOwned::to_owned)
        };
        // An object that could not be deleted is named with its code in words.
        let in_words =
            || text.split_once("(code: ").and_then(|(_, rest)| code(rest.split_once(')')?.0).map(ToOwned::to_owned));
        if let Some(code) = element("Code").or_else(in_words) {
            self.code.get_or_insert(code);
        }
        self.region = self.region.take().or_else(|| element("Region"));
        let lower = text.to_ascii_lowercase();
        self.foreign |= FOREIGN.iter().any(|sign| lower.contains(sign));
        if lower.contains(NAME_LOST) {
            self.silence = Some(Silence::LostHost);
        } else if self.silence == Some(Silence::LostHost) {
            // What caused it says less.
        } else if lower.contains("dns error") || lower.contains("failed to lookup address") {
            self.silence = Some(Silence::UnknownHost);
        } else if lower.contains("certificate")
            || lower.contains("tls handshake")
            || lower.contains("invalidcontenttype")
        {
            self.silence = Some(Silence::Tls);
        }
    }

    /// Whether the connection broke off, so that it is not known what has happened, and the request is worth another try.
    pub fn is_cut(&self) -> bool {
        let cut = matches!(self.silence, Some(Silence::Cut | Silence::TimedOut | Silence::Refused));
        cut && self.status.is_none() && self.told.is_none() && !self.foreign
    }

    /// The kind of the error and a sentence that says what to do, when `action` on `path` was answered so.
    pub fn explain(&self, action: Action, place: &Place, path: &str) -> (Kind, String) {
        if let Some(told) = &self.told {
            return told.clone();
        }
        let (kind, why) = match &self.silence {
            Some(silence) if self.status.is_none() && !self.foreign => silent(*silence, place),
            _ => self.answered(action, place),
        };
        let what =
            if path.is_empty() { format!("s3://{}", place.bucket) } else { format!("s3://{}/{path}", place.bucket) };
        (kind, format!("Could not {} {what}: {why}.", action.verb()))
    }

    fn answered(&self, action: Action, place: &Place) -> (Kind, String) {
        const KEYS: &str = "`data_source.s3_access_key_id` and `data_source.s3_secret_access_key`";
        let code = self.code.as_deref().unwrap_or_default();
        let why = match (code, self.status) {
            _ if code.is_empty() && self.is_no_s3(action) => {
                format!("{} does not answer like S3: correct `data_source.s3_endpoint`", host(place))
            }
            // The second one is versitygw's.
            ("InvalidAccessKeyId" | "XAdminUserNotFound", _) => {
                "the access key id is not known there: correct `data_source.s3_access_key_id`".to_owned()
            }
            ("SignatureDoesNotMatch", _) => {
                format!("the secret key does not belong to the access key id: correct {KEYS}")
            }
            ("ExpiredToken" | "TokenRefreshRequired", _) => {
                "the temporary key has expired: give a new key with its session token, or a role that is assumed anew"
                    .to_owned()
            }
            ("InvalidToken" | "InvalidTokenId", _) => {
                format!(
                    "the session token is not valid: correct `data_source.s3_session_token`, or remove it if {KEYS} are permanent"
                )
            }
            ("RequestTimeTooSkewed", _) => {
                "this machine's clock differs from the store's by more than 15 minutes: set it right".to_owned()
            }
            ("NoSuchBucket", _) => {
                format!("there is no bucket {}: create it or correct `data_source.s3_bucket_name`", place.bucket)
            }
            ("InvalidBucketName", _) => {
                "the bucket's name is not valid: correct `data_source.s3_bucket_name`".to_owned()
            }
            (
                "PermanentRedirect"
                | "AuthorizationHeaderMalformed"
                | "IllegalLocationConstraintException"
                | "TemporaryRedirect",
                _,
            )
            | ("", Some(300..=303 | 305..=399)) => {
                let right = self.region.as_ref().filter(|region| **region != place.region);
                let cure = right.map_or_else(
                    || "correct `data_source.s3_bucket_region`, or remove it to have it found".to_owned(),
                    |region| format!("it is in {region}: set `data_source.s3_bucket_region` to {region}"),
                );
                format!("the bucket is not in the region {}; {cure}", place.region)
            }
            ("NotImplemented" | "MethodNotAllowed", _) | (_, Some(501)) => {
                format!(
                    "this store does not know the request ({code}), so it cannot hold Delta tables safely: use another store"
                )
            }
            ("InvalidArgument" | "InvalidRequest" | "InvalidURI", Some(400)) => format!(
                "{} does not take the request ({code}): check that `data_source.s3_endpoint` is the address of its S3 \
                 interface, and region and path",
                host(place)
            ),
            ("KMS.DisabledException" | "KMS.NotFoundException" | "KMS.KMSInvalidStateException", _) => {
                format!("the bucket's encryption key cannot be used ({code}): enable it for this identity in AWS KMS")
            }
            ("KeyTooLongError", _) => "the name is longer than the 1,024 bytes that a store takes: shorten \
                                       `data_source.s3_bucket_path`, or the names of stream and namespace"
                .to_owned(),
            ("QuotaExceeded" | "InsufficientStorage" | "XMinioStorageFull", _) | (_, Some(507)) => {
                "the store has no space left, or the bucket's quota is used up: free space there, or raise the quota"
                    .to_owned()
            }
            ("AccessDenied" | "AllAccessDisabled" | "AccountProblem", _) | ("", Some(401 | 403)) if !self.foreign => {
                format!("{DENIED}; allow {} for this identity in its policy or the bucket's", action.permission())
            }
            _ if self.foreign && !self.is_gateway() => {
                format!("{} does not answer like S3: correct `data_source.s3_endpoint`", host(place))
            }
            (code, Some(status)) if self.is_refusal(status) => format!(
                "the store refuses the request ({}): another try would meet the same, and the internal message has what \
                 it says; ask who runs the store",
                if code.is_empty() { format!("status {status}") } else { format!("{code}, status {status}") }
            ),
            _ => return (Kind::Transient, self.in_passing(code)),
        };
        (Kind::Config, why)
    }

    /// Whether an answer that nothing else is known of says that the request itself is not taken. What is not there may
    /// have been taken away by another sync's sweep, and a conflict is with somebody who comes to an end.
    fn is_refusal(&self, status: u16) -> bool {
        let is_passing = self.code.as_deref().is_some_and(|code| PASSING.contains(&code));
        (400..500).contains(&status) && !matches!(status, 404 | 408 | 409 | 425 | 429) && !is_passing
    }

    /// Whether what answered is something else. S3 gives every 404 a code, unless it is asked for the head of an object.
    fn is_no_s3(&self, action: Action) -> bool {
        let is_page = self.foreign && !self.is_gateway();
        is_page || (self.status == Some(404) && !matches!(action, Action::Get | Action::Copy))
    }

    /// Whether a page comes from what stands before the store and does not reach it just now.
    fn is_gateway(&self) -> bool {
        matches!(self.status, Some(429 | 500 | 502..=504 | 507))
    }

    /// Whether what is there spoke before it was asked, as no S3 does. A connection that has rested may be told its end so.
    pub(super) fn spoke_first(error: &(dyn std::error::Error + 'static)) -> bool {
        let causes = std::iter::successors(Some(error), |error| error.source());
        causes.map(ToString::to_string).any(|text| text.contains("received unexpected message from connection"))
    }

    /// Whether another try meets the same: what is there speaks no TLS, or its certificate is not good.
    pub(super) fn is_hopeless(error: &(dyn std::error::Error + 'static)) -> bool {
        let causes = std::iter::successors(Some(error), |error| error.source());
        causes.map(|error| error.to_string().to_ascii_lowercase()).any(|text| {
            // What is cut off in the middle of a handshake is no answer.
            text.contains("invalidcontenttype") || text.contains("invalid peer certificate")
        })
    }

    fn in_passing(&self, code: &str) -> String {
        match (code, self.status) {
            ("SlowDown" | "ServiceUnavailable" | "ThrottlingException" | "TooManyRequests", _)
            | (_, Some(429 | 503)) => {
                "the store is too busy and went on refusing requests until the deadline".to_owned()
            }
            (_, Some(status)) if code.is_empty() => format!("the store answered with status {status}"),
            (_, Some(status)) => format!("the store answered {code} with status {status}"),
            _ => "see the internal message for the cause".to_owned(),
        }
    }
}

fn silent(silence: Silence, place: &Place) -> (Kind, String) {
    let host = host(place);
    match silence {
        Silence::Refused => (
            Kind::Transient,
            format!("{host} accepts no connection: check that it runs, and that address and network are right"),
        ),
        Silence::UnknownHost if place.endpoint.is_none() => (
            Kind::Config,
            format!(
                "the name of {host} leads nowhere: correct `data_source.s3_bucket_region`, or let this machine reach AWS"
            ),
        ),
        Silence::UnknownHost if has_bucket(&host, &place.bucket) => (
            Kind::Config,
            format!(
                "{host} has a name that leads nowhere: set `data_source.s3_path_style` to true, so that the bucket's name \
                 is not put before the host's, or correct `data_source.s3_endpoint`"
            ),
        ),
        Silence::UnknownHost => (
            Kind::Config,
            format!("{host} has a name that leads nowhere: correct `data_source.s3_endpoint` or the region"),
        ),
        Silence::LostHost => (
            Kind::Transient,
            format!("the name of {host} leads nowhere any more: check this machine's network and name service"),
        ),
        Silence::Tls => (
            Kind::Config,
            format!(
                "no encrypted connection to {host} came about: its certificate must be valid for this name and known to \
                 this machine, or stand in the file that the variable SSL_CERT_FILE names, and the address must be one \
                 that speaks TLS"
            ),
        ),
        Silence::TimedOut => (Kind::Transient, format!("{host} did not answer in time")),
        Silence::Cut => (Kind::Transient, format!("the connection to {host} broke off again and again")),
    }
}

/// Whether the bucket's name stands in the host's name of the address `host`.
fn has_bucket(host: &str, bucket: &str) -> bool {
    host.split_once("://").and_then(|(_, host)| host.strip_prefix(bucket)).is_some_and(|rest| rest.starts_with('.'))
}

fn host(place: &Place) -> String {
    place.endpoint.clone().unwrap_or_else(|| format!("S3 in {}", place.region))
}

#[cfg(test)]
#[path = "errors_tests.rs"]
mod tests;
