//! The one error type: what went wrong (kind), a sentence for the user, a server's own words, where it happened, and the cause.
//!
//! A function that fails returns an [`Error`]; callers add context on the way up with [`ResultExt`]; the command
//! that handles it turns it into one Airbyte TRACE message. `Kind` alone decides what the orchestrator and the
//! user are told to do: see [`Kind::policy`]. What a caller must recognize has a field of its own ([`Tag`], reason, detail):
//! nobody searches the text of a message. [`Problems`] collects several errors and reports them as one.

mod cause;
mod limits;
mod problems;

use std::borrow::Cow;
use std::fmt;

pub use self::problems::Problems;

/// What a caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The user must change the configuration, the catalog, rights or the input.
    Config,
    /// The same sync may succeed when it is tried again.
    Transient,
    /// A defect here, or a machine that does not work.
    System,
}

/// What a caller recognizes an error by, where it has to decide something that the kind does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// The identity in use lacks a permission.
    AccessDenied,
    /// What was to be created exists, although the identity in use may not see it.
    AlreadyExists,
    /// A statement did not begin, because its user lacks a privilege on what it names.
    MissingPrivilege,
    /// A statement did not begin, because its user may not use the catalog or the schema: nothing in it can be reached.
    MissingParentPrivilege,
    /// A statement compares texts of different collations.
    CollationMismatch,
    /// A column of a table must have a value, and a row of a statement has none.
    NeedsValue,
    /// A statement changes a column whose values the table makes or checks itself.
    ChecksValue,
    /// A statement did not see all rows that are staged for it, and changed nothing.
    UnseenRows,
}

/// What follows from a [`Kind`]: one row of the table that the rest of the program asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// `failure_type` of Airbyte's TRACE ERROR message.
    pub failure_type: &'static str,
    /// One sentence: what the user does next.
    pub hint: &'static str,
}

impl Kind {
    /// The table from kind to consequence.
    pub const fn policy(self) -> Policy {
        match self {
            Kind::Config => Policy { failure_type: "config_error", hint: "Correct it and run the sync again." },
            Kind::Transient => Policy {
                failure_type: "transient_error",
                hint: "Run the sync again; it goes on from the last acknowledged state.",
            },
            Kind::System => Policy {
                failure_type: "system_error",
                hint: "If it comes again, report it together with the internal message.",
            },
        }
    }
}

/// The stream an error belongs to, as Airbyte's `stream_descriptor` names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamDescriptor {
    /// The stream's name as the catalog spells it.
    pub name: String,
    /// The stream's namespace; `None` where it has none.
    pub namespace: Option<String>,
}

impl fmt::Display for StreamDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => {
                write!(f, "{}.{}", shortened(namespace, LONGEST_NAME), shortened(&self.name, LONGEST_NAME))
            }
            None => f.write_str(&shortened(&self.name, LONGEST_NAME)),
        }
    }
}

/// The most characters of a name in a message.
pub const LONGEST_NAME: usize = 300;

/// The first `most` characters of `text`, for messages.
pub fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
    }
}

/// `text`, if it looks like an error code: a server may send anything in its place.
pub fn code(text: &str) -> Option<&str> {
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    Some(text).filter(|text| (1..=64).contains(&text.len()) && text.bytes().all(is_sign))
}

/// The reason in a message where none is known.
pub const UNEXPLAINED: &str = "see the internal message for the cause";
type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// An error with everything that the user and the log need. Never contains a secret or a cell value.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    // Boxed: every result carries the room for them.
    detail: Option<Box<str>>,
    reason: Option<Box<str>>,
    tag: Option<Box<(Tag, Option<String>)>>,
    context: Vec<String>,
    stream: Option<Box<StreamDescriptor>>,
    starts_over: bool,
    /// [`Error::unexplained`] made the message.
    is_unexplained: bool,
    source: Option<Source>,
}

/// The result of everything here that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind`; `message` is one or more whole sentences for the user.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            detail: None,
            reason: None,
            tag: None,
            context: Vec::new(),
            stream: None,
            starts_over: false,
            is_unexplained: false,
            source: None,
        }
    }

    /// Shorthand for [`Kind::Config`].
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(Kind::Config, message)
    }

    /// Shorthand for [`Kind::Transient`].
    pub fn transient(message: impl Into<String>) -> Self {
        Self::new(Kind::Transient, message)
    }

    /// Shorthand for [`Kind::System`].
    pub fn system(message: impl Into<String>) -> Self {
        Self::new(Kind::System, message)
    }

    /// An error of which only the cause, in the internal message, tells the reason. `what` is a sentence without a full stop.
    pub fn unexplained(kind: Kind, what: &str) -> Self {
        let mut error = Self::new(kind, format!("{what}: {UNEXPLAINED}."));
        error.is_unexplained = true;
        error
    }

    /// Adds the error that caused this one. If that is a limit of the system which the process has met, the message
    /// names the limit and how to raise it, unless it has advice already.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Source>) -> Self {
        let source = source.into();
        if let Some(limit) = limits::met(&*source).filter(|_| self.kind != Kind::Config) {
            self.kind = Kind::Config;
            let end = format!(": {UNEXPLAINED}.");
            self.message = match self.message.strip_suffix(&end).filter(|_| self.is_unexplained) {
                Some(what) => format!("{what}. {limit}"),
                None => format!("{} {limit}", self.message),
            };
        }
        self.source = Some(source);
        self
    }

    /// Adds `text` to the message, right behind it.
    #[must_use]
    pub fn followed_by(mut self, text: &str) -> Self {
        self.message.push_str(text);
        self
    }

    /// Adds `text` to the message, right before it. What was the whole message is the reason then.
    #[must_use]
    pub fn preceded_by(mut self, text: &str) -> Self {
        self.reason.get_or_insert_with(|| self.message.as_str().into());
        self.message.insert_str(0, text);
        self
    }

    /// Adds what a server said, with who said it: shown behind the message, and not part of it. Must hold no secret and no value.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into().into());
        self
    }

    /// Says which part of the message is the reason: errors with one reason are reported once, whatever they happened to.
    #[must_use]
    pub fn with_reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into().into());
        self
    }

    /// Adds what a caller recognizes it by.
    #[must_use]
    pub fn with_tag(mut self, tag: Tag) -> Self {
        self.tag = Some(Box::new((tag, None)));
        self
    }

    /// The same with the name of what it is about, for a caller that can do something about it.
    #[must_use]
    pub fn with_tag_of(mut self, tag: Tag, name: impl Into<String>) -> Self {
        self.tag = Some(Box::new((tag, Some(name.into()))));
        self
    }

    /// Adds what was being done, outermost last.
    #[must_use]
    pub fn with_context(mut self, context: impl Into<String>) -> Self {
        self.context.push(context.into());
        self
    }

    /// Adds the stream it concerns; the first one stays.
    #[must_use]
    pub fn with_stream(mut self, stream: StreamDescriptor) -> Self {
        self.stream.get_or_insert(Box::new(stream));
        self
    }

    /// Marks that a table which was to be replaced was not: the next sync cannot continue from a state.
    #[must_use]
    pub fn starting_over(mut self) -> Self {
        self.starts_over = true;
        self
    }

    /// One sentence: what the user does next.
    pub fn hint(&self) -> &'static str {
        match self.kind {
            Kind::Transient if self.starts_over => {
                "Run the sync again; what was to replace a table and did not is sent from its beginning."
            }
            kind => kind.policy().hint,
        }
    }

    /// What a caller can do about it.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The sentence for the user, without what a server said; `to_string` gives both.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The reason that the message names, or the whole message.
    pub fn reason(&self) -> &str {
        self.reason.as_deref().unwrap_or(&self.message)
    }

    /// Whether it was given `tag`.
    pub fn has(&self, tag: Tag) -> bool {
        self.tag.as_ref().is_some_and(|own| own.0 == tag)
    }

    /// The name of what it is about, if it is known.
    pub fn name(&self) -> Option<&str> {
        self.tag.as_ref()?.1.as_deref()
    }

    /// The stream it concerns, if it concerns one.
    pub fn stream(&self) -> Option<&StreamDescriptor> {
        self.stream.as_deref()
    }

    /// The text for logs: what was being done, the message, and every cause, each shortened.
    pub fn internal_message(&self) -> String {
        let mut text = String::new();
        for context in self.context.iter().rev() {
            text.push_str(context);
            text.push_str(": ");
        }
        text.push_str(&self.to_string());
        let mut cause = self.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static));
        while let Some(error) = cause {
            let whole = error.to_string();
            let said = cause::summary(&whole);
            // An error of ours that passed through a library has the library's name before it.
            if !text.contains(&said) && !whole.ends_with(&self.message) {
                text.push_str(": ");
                text.push_str(&said);
            }
            cause = error.source();
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.detail.as_ref().map_or(Ok(()), |detail| write!(f, " {detail}"))
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Adds context to the error of a result.
pub trait ResultExt<T> {
    /// Says what was being done when it failed.
    fn context(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T> ResultExt<T> for Result<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| error.with_context(what()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_internal_message_names_every_step_and_every_cause() {
        let cause = std::io::Error::other("disk is full");
        let error = Error::system("The file could not be written.")
            .with_source(cause)
            .with_context("part 3")
            .with_context("stream users");
        assert_eq!(error.internal_message(), "stream users: part 3: The file could not be written.: disk is full");
        assert_eq!(error.to_string(), "The file could not be written.");
    }

    #[test]
    fn a_servers_words_are_shown_behind_the_message_and_are_no_part_of_it() {
        let error = Error::config("No right.").with_detail("Databricks said: no").with_context("table a");
        assert_eq!((error.message(), error.to_string().as_str()), ("No right.", "No right. Databricks said: no"));
        assert_eq!(error.internal_message(), "table a: No right. Databricks said: no");
    }

    #[test]
    fn a_sentence_that_went_through_a_library_is_told_once() {
        let inner = Error::config("No keys.").with_source("the chain is empty");
        let through = object_store::Error::Generic { store: "S3", source: Box::new(inner) };
        let error = Error::config("No keys.").with_source(through);
        assert_eq!(error.internal_message(), "No keys.: the chain is empty");
    }

    #[test]
    fn a_cause_is_told_in_short_and_without_the_document_of_a_server() {
        let answer = "status code: 403 Forbidden: <?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch</Code>\
                      <StringToSign>AWS4-HMAC-SHA256</StringToSign></Error>";
        let error = Error::config("No.").with_source(answer);
        assert_eq!(error.internal_message(), "No.: status code: 403 Forbidden: SignatureDoesNotMatch");
    }

    #[test]
    fn a_limit_of_the_system_that_was_met_is_named_with_its_remedy_and_can_be_mended() {
        let limit = || std::io::Error::from_raw_os_error(libc::EMFILE);
        let error = Error::unexplained(Kind::Transient, "Could not write a file").with_source(limit());
        assert_eq!(error.kind(), Kind::Config);
        assert!(error.message().starts_with("Could not write a file. This process may have no more files"), "{error}");
        let error = Error::config("The folder is no good: choose another one.").with_source(limit());
        assert_eq!(error.message(), "The folder is no good: choose another one.");
    }
}
