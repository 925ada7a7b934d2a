//! What requests to Azure Blob Storage are for, and how it says that one has failed.

use super::http::Message;
use super::proxy::Request;

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// A blob's bytes, or whether it is there.
    Get,
    /// A list of blobs.
    List,
    /// A whole blob.
    Put,
    /// A copy inside the store.
    Copy,
    /// A block of a blob.
    Block,
    /// A block that is copied inside the store.
    CopyBlock,
    /// The list that makes blocks a blob.
    BlockList,
    /// The list of a blob's blocks.
    ReadBlocks,
    /// The removal of a blob.
    Delete,
    /// The making of a container.
    CreateContainer,
    /// The properties of a container, an account or a service.
    Properties,
    /// Anything else.
    Other,
}

/// A name for messages, and a way to tell the requests.
pub type Kind = (&'static str, fn(&Request) -> bool);

/// The kinds of requests that a sync sends.
pub const KINDS: [Kind; 9] = [
    ("put", |request| request.action == Action::Put && !request.is_commit()),
    ("commit", Request::is_commit),
    ("part", |request| request.action == Action::Block),
    ("complete", |request| request.action == Action::BlockList),
    ("copy", |request| request.action == Action::Copy),
    ("list", |request| request.action == Action::List),
    ("get", |request| request.action == Action::Get),
    ("delete", |request| request.action == Action::Delete),
    ("properties", |request| request.action == Action::Properties),
];

/// A part of a large blob.
pub const PART: Action = Action::Block;
/// The requests of an upload in parts, in their order.
pub const UPLOAD: &[(Action, u32)] = &[(Action::Block, 1), (Action::Block, 2), (Action::BlockList, 1)];
/// What the store says where too much is asked of it.
pub const BUSY: &str = "ServerBusy";
/// What it says where something is not allowed.
pub const DENIED: &str = "AuthorizationPermissionMismatch";
/// The rights that the user is told of where a part is not allowed, or a copy.
pub const RIGHTS: [&str; 2] = ["write", "create"];

/// What `request` is for, by its method and the rest of it.
pub fn action(method: &str, request: &Request) -> Action {
    let has = |part: &str| request.query().split('&').any(|found| found.eq_ignore_ascii_case(part));
    let copies = request.header("x-ms-copy-source").is_some();
    let container = has("restype=container");
    match method {
        "GET" if has("comp=list") => Action::List,
        "GET" if has("comp=blocklist") => Action::ReadBlocks,
        "GET" | "HEAD" if container || has("restype=service") || has("restype=account") => Action::Properties,
        "GET" | "HEAD" => Action::Get,
        "PUT" if container && !request.query().contains("comp=") => Action::CreateContainer,
        "PUT" if has("comp=block") && copies => Action::CopyBlock,
        "PUT" if has("comp=block") => Action::Block,
        "PUT" if has("comp=blocklist") => Action::BlockList,
        "PUT" if copies => Action::Copy,
        "PUT" if !request.query().contains("comp=") => Action::Put,
        "DELETE" if !container => Action::Delete,
        _ => Action::Other,
    }
}

/// Who signed a request: the signature of its token, or what it has for authorization.
pub fn signer(request: &Request) -> String {
    let of_token = request.query().split('&').find_map(|part| part.strip_prefix("sig="));
    of_token.or_else(|| request.header("authorization")).unwrap_or_default().to_owned()
}

/// Azure's answer that something has failed, as it is where there is a body and where there can be none.
pub fn error_answer(status: u16, code: &str) -> Message {
    let mut answer = Message::answer(status, "application/xml", &error_body(code, "as the test wishes"));
    answer.add_header("x-ms-error-code", code);
    answer
}

/// Azure's words that something has failed.
pub fn error_body(code: &str, message: &str) -> String {
    format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>")
}
