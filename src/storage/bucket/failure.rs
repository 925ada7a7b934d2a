//! A request that a store did not do: what is known of it, whichever kind of store it is.
//!
//! A [`Failure`] has the HTTP status, the code in the store's answer, or the reason why there was no answer. object_store's
//! own error variants are looked at first; its text is read for what they do not say. What a failure means to a user is
//! said by each kind of store: see [`Provider`](super::Provider).

use std::fmt;

use object_store::client::{HttpError, HttpErrorKind};

use crate::error::{Error, Kind, Tag, code};

/// What was asked of the store.
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
    /// Removal of objects.
    Delete,
    /// Removal of an unfinished upload.
    Abort,
    /// Names of unfinished uploads.
    ListUploads,
    /// The bucket's region.
    Locate,
}

impl Action {
    /// The verb for "Could not … <object>".
    pub fn verb(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Get => "read",
            Self::Put => "write",
            Self::Copy => "copy to",
            Self::Delete => "delete",
            Self::Abort => "abort an upload to",
            Self::ListUploads => "list unfinished uploads in",
            Self::Locate => "find",
        }
    }
}

/// Why there was no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAnswer {
    /// The connection was refused.
    Refused,
    /// The host name cannot be resolved.
    UnknownHost,
    /// The host name could be resolved before, and cannot any more.
    LostHost,
    /// No encrypted connection could be made.
    Tls,
    /// The answer took too long.
    TimedOut,
    /// The connection broke.
    Cut,
}

impl NoAnswer {
    /// The same where the store has answered before.
    pub fn after_answers(self) -> Self {
        if self == Self::UnknownHost { Self::LostHost } else { self }
    }
}

/// What a connector knows of an error that passes through object_store, which keeps it as a source.
#[derive(Debug)]
pub enum Recognized {
    /// What answers is no store: it spoke before it was asked, or its listing does not end.
    Foreign(String),
    /// There was no answer, for this reason.
    NoAnswer(NoAnswer, String),
}

impl fmt::Display for Recognized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign(text) | Self::NoAnswer(_, text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Recognized {}

/// What the text of an error contains, in lower case, when the answer is not a store's: a page, or nothing that
/// object_store can read.
const FOREIGN: [&str; 6] = [
    "<html",
    "<!doctype",
    "got invalid list response",
    "got invalid multipart response",
    "header missing from response",
    "invalid http version",
];

/// What is known of a request that failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failure {
    /// The HTTP status.
    pub status: Option<u16>,
    /// The code in the store's answer.
    pub code: Option<String>,
    /// The message in the store's answer.
    pub message: Option<String>,
    /// The region that the answer names.
    pub region: Option<String>,
    /// Why there was no answer.
    pub no_answer: Option<NoAnswer>,
    /// Whether the answer is not one of a store.
    pub foreign: bool,
    /// An error of this program that needs no further explanation.
    pub explained: Option<(Kind, String)>,
    /// Whether that error says that the identity in use lacks a permission.
    pub is_denied: bool,
}

impl Failure {
    /// What `error`, and what caused it, says.
    pub fn of(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut failure = Self::default();
        for error in causes(error) {
            if let Some(explained) = error.downcast_ref::<Error>() {
                failure.explained = Some((explained.kind(), explained.to_string()));
                failure.is_denied = explained.has(Tag::AccessDenied);
            }
            if let Some(store) = error.downcast_ref::<object_store::Error>() {
                failure.status = failure.status.or(status_of(store));
            }
            if let Some(http) = error.downcast_ref::<HttpError>() {
                failure.no_answer.get_or_insert(match http.kind() {
                    HttpErrorKind::Timeout => NoAnswer::TimedOut,
                    HttpErrorKind::Connect => NoAnswer::Refused,
                    _ => NoAnswer::Cut,
                });
            }
            match error.downcast_ref::<Recognized>() {
                Some(Recognized::Foreign(_)) => failure.foreign = true,
                Some(Recognized::NoAnswer(why, _)) => {
                    failure.no_answer = Some(*why);
                    // Its causes say less.
                    break;
                }
                None => failure.read(&error.to_string()),
            }
        }
        failure
    }

    /// Adds what only the text of an error says.
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
        // object_store names an object that could not be deleted with its code in parentheses.
        let in_parentheses =
            || text.split_once("(code: ").and_then(|(_, rest)| code(rest.split_once(')')?.0).map(ToOwned::to_owned));
        if let Some(code) = element("Code").or_else(in_parentheses) {
            self.code.get_or_insert(code);
        }
        let message = text.split_once("<Message>").and_then(|(_, rest)| rest.split_once('<'));
        let message = message.map(|(message, _)| message).or_else(|| text.contains("(code: ").then_some(text));
        // Azure says why a signature is refused in an element of its own.
        let detail = text.split_once("<AuthenticationErrorDetail>").and_then(|(_, rest)| rest.split_once('<'));
        let message =
            message.map(|message| format!("{message}{}", detail.map_or(String::new(), |(why, _)| format!(" {why}"))));
        self.message = self.message.take().or(message);
        self.region = self.region.take().or_else(|| element("Region"));
        let lower = text.to_ascii_lowercase();
        self.foreign |= FOREIGN.iter().any(|sign| lower.contains(sign));
        if lower.contains("dns error") || lower.contains("failed to lookup address") {
            self.no_answer = Some(NoAnswer::UnknownHost);
        } else if lower.contains("certificate")
            || lower.contains("tls handshake")
            || lower.contains("invalidcontenttype")
        {
            self.no_answer = Some(NoAnswer::Tls);
        }
    }

    /// Whether the connection broke, so that nobody knows what was done, and the request is worth another try.
    pub fn is_cut(&self) -> bool {
        let cut = matches!(self.no_answer, Some(NoAnswer::Cut | NoAnswer::TimedOut | NoAnswer::Refused));
        cut && self.status.is_none() && self.explained.is_none() && !self.foreign
    }

    /// Whether the store does not know such a request.
    pub fn is_unknown_request(&self) -> bool {
        self.code.as_deref() == Some("NotImplemented") || matches!(self.status, Some(405 | 501))
    }

    /// Whether a page comes from what stands before the store and cannot reach it just now.
    pub fn is_gateway(&self) -> bool {
        matches!(self.status, Some(429 | 500 | 502..=504 | 507))
    }
}

/// The status that a variant stands for; none where it stands for several.
fn status_of(error: &object_store::Error) -> Option<u16> {
    match error {
        object_store::Error::NotFound { .. } => Some(404),
        object_store::Error::PermissionDenied { .. } => Some(403),
        object_store::Error::Unauthenticated { .. } => Some(401),
        object_store::Error::NotImplemented { .. } => Some(501),
        _ => None,
    }
}

/// `error` and its causes, outermost first.
pub fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_store(error: impl std::error::Error + Send + Sync + 'static) -> object_store::Error {
        object_store::Error::Generic { store: "S3", source: Box::new(error) }
    }

    #[test]
    fn object_stores_variant_says_the_status_where_the_text_says_none() {
        let denied = |path: &str| object_store::Error::PermissionDenied { path: path.into(), source: "no".into() };
        assert_eq!(Failure::of(&denied("a")).status, Some(403));
        assert_eq!(Failure::of(&denied("status code: 500")).status, Some(403), "a name is no status");
        // 412, or 409 where two requests met.
        let conflict = "status code: 409: <Error><Code>ConditionalRequestConflict</Code></Error>";
        let conflict = object_store::Error::Precondition { path: "a".into(), source: conflict.into() };
        assert_eq!(Failure::of(&conflict).status, Some(409));
    }

    #[test]
    fn what_the_connector_knows_counts_more_than_the_text_of_its_causes() {
        let lookup = || "dns error: failed to lookup address information".to_owned();
        let lost = HttpError::new(HttpErrorKind::Connect, Recognized::NoAnswer(NoAnswer::LostHost, lookup()));
        assert_eq!(Failure::of(&in_store(lost)).no_answer, Some(NoAnswer::LostHost));
        let foreign = HttpError::new(HttpErrorKind::Unknown, Recognized::Foreign("it spoke first".into()));
        assert!(Failure::of(&in_store(foreign)).foreign);
    }

    #[test]
    fn only_a_connection_that_broke_is_worth_another_try() {
        let http = |kind, text: &'static str| in_store(HttpError::new(kind, std::io::Error::other(text)));
        assert!(Failure::of(&http(HttpErrorKind::Interrupted, "x")).is_cut());
        assert!(!Failure::of(&http(HttpErrorKind::Connect, "certificate")).is_cut());
        assert!(!Failure::of(&std::io::Error::other("status code: 403 Forbidden")).is_cut());
        assert!(!Failure::of(&in_store(Error::config("No keys were found."))).is_cut());
    }
}
