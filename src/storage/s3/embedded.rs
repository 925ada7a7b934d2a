//! Gives answers whose status is misleading the right status, before the object store reads it.
//!
//! S3 begins to answer a copy with 200 before it knows how the copy ends, and may put an error into the body. The object store
//! takes most of these for success, and a commit would name a missing file. And a request that a store does not know (501)
//! would be repeated until the deadline.

use async_trait::async_trait;
use object_store::ClientOptions;
use object_store::client::{HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService};

/// Codes of transient errors.
const TRANSIENT: [&str; 6] =
    ["InternalError", "OperationAborted", "RequestTimeout", "ServiceUnavailable", "SlowDown", "ThrottlingException"];

/// A connector that gives all clients built with it the same HTTP client.
#[derive(Debug)]
pub(super) struct OneWay(HttpClient);

impl OneWay {
    /// That of `connector`.
    pub(super) fn of(connector: &impl HttpConnector, options: &ClientOptions) -> object_store::Result<Self> {
        Ok(Self(HttpClient::new(Reading(connector.connect(options)?))))
    }
}

impl HttpConnector for OneWay {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(self.0.clone())
    }
}

#[derive(Debug)]
struct Reading(HttpClient);

#[async_trait]
impl HttpService for Reading {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let is_copy = request.headers().contains_key("x-amz-copy-source");
        let (mut head, mut body) = self.0.execute(request).await?.into_parts();
        let mut status = head.status.as_u16();
        if is_copy && status == 200 {
            let bytes = body.bytes().await?;
            status = embedded(&bytes).unwrap_or(status);
            body = bytes.into();
        } else if status == 501 {
            status = 405;
        }
        head.status = status.try_into().unwrap_or(head.status);
        Ok(HttpResponse::from_parts(head, body))
    }
}

/// The status for the error in `body`, if it has one.
fn embedded(body: &[u8]) -> Option<u16> {
    let text = String::from_utf8_lossy(body);
    let (_, error) = text.split_once("<Error").filter(|(_, rest)| rest.starts_with(['>', ' ']))?;
    let code = error.split_once("<Code>").and_then(|(_, rest)| rest.split('<').next()).unwrap_or_default();
    Some(if TRANSIENT.contains(&code.trim()) { 503 } else { 400 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_in_the_body_of_a_copy_has_its_status() {
        let error =
            |code: &str| format!("<?xml version=\"1.0\"?>\n  \n<Error><Code>{code}</Code><Message>m</Message></Error>");
        assert_eq!(embedded(error("SlowDown").as_bytes()), Some(503));
        assert_eq!(embedded(error("AccessDenied").as_bytes()), Some(400));
        assert_eq!(embedded(b"<Error xmlns=\"x\"><Message>m</Message></Error>"), Some(400));
        assert_eq!(embedded(b"<CopyObjectResult><ETag>e</ETag></CopyObjectResult>"), None);
        assert_eq!(embedded(b""), None);
    }
}
