//! What requests to S3 are for, and how it says that one has failed.

use super::http::Message;
use super::proxy::Request;

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// An object's bytes, or whether it is there.
    Get,
    /// A list of objects.
    List,
    /// A whole object.
    Put,
    /// A copy inside the store.
    Copy,
    /// A part that is copied inside the store.
    CopyPart,
    /// The beginning of a multipart upload.
    Begin,
    /// A part of one.
    Part,
    /// Its end.
    Complete,
    /// The removal of its parts.
    Abort,
    /// A list of unfinished uploads.
    ListUploads,
    /// The removal of objects, one or many.
    Delete,
    /// Anything else.
    Other,
}

/// A name for messages, and a way to tell the requests.
pub type Kind = (&'static str, fn(&Request) -> bool);

/// The kinds of requests that a sync sends.
pub const KINDS: [Kind; 10] = [
    ("put", |request| request.action == Action::Put && !request.is_commit()),
    ("commit", Request::is_commit),
    ("begin", |request| request.action == Action::Begin),
    ("part", |request| request.action == Action::Part),
    ("complete", |request| request.action == Action::Complete),
    ("copy", |request| request.action == Action::Copy),
    ("list", |request| request.action == Action::List),
    ("list of uploads", |request| request.action == Action::ListUploads),
    ("get", |request| request.action == Action::Get),
    ("delete", |request| request.action == Action::Delete),
];

/// A part of a large object.
pub const PART: Action = Action::Part;
/// The requests of an upload in parts, in their order.
pub const UPLOAD: &[(Action, u32)] = &[(Action::Begin, 1), (Action::Part, 1), (Action::Part, 2), (Action::Complete, 1)];
/// What the store says where too much is asked of it.
pub const BUSY: &str = "SlowDown";
/// What it says where something is not allowed.
pub const DENIED: &str = "AccessDenied";
/// The rights that the user is told of where a part is not allowed, or a copy.
pub const RIGHTS: [&str; 2] = ["s3:PutObject", "s3:GetObject"];

/// What `request` is for, by its method and the rest of it.
pub fn action(method: &str, request: &Request) -> Action {
    let has = |name: &str| request.query().split('&').any(|part| part == name || part.starts_with(&format!("{name}=")));
    let copies = request.header("x-amz-copy-source").is_some();
    match method {
        "GET" if has("uploads") => Action::ListUploads,
        "GET" if has("list-type") => Action::List,
        "GET" | "HEAD" => Action::Get,
        "PUT" if copies && has("partNumber") => Action::CopyPart,
        "PUT" if copies => Action::Copy,
        "PUT" if has("partNumber") => Action::Part,
        "PUT" => Action::Put,
        "POST" if has("uploads") => Action::Begin,
        "POST" if has("uploadId") => Action::Complete,
        "POST" if has("delete") => Action::Delete,
        "DELETE" if has("uploadId") => Action::Abort,
        "DELETE" => Action::Delete,
        _ => Action::Other,
    }
}

/// The id of the access key that a request is signed with.
pub fn signer(request: &Request) -> String {
    let signed = request.header("authorization").unwrap_or_default();
    signed.split_once("Credential=").and_then(|(_, rest)| rest.split('/').next()).unwrap_or_default().to_owned()
}

/// S3's answer that something has failed.
pub fn error_answer(status: u16, code: &str) -> Message {
    Message::answer(status, "application/xml", &error_body(code, "as the test wishes"))
}

/// S3's words that something has failed.
pub fn error_body(code: &str, message: &str) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>")
}
