//! Answers whose status does not say what they mean: given the status that does, before the object store acts on it.
//!
//! S3 begins to answer a copy before it knows how it ends: 200, and in the body an error. The object store takes most of
//! these for done, and a commit would name a file that is not there. And a request that a store does not know, 501, is
//! repeated until the deadline as if that were a passing thing.

use async_trait::async_trait;
use object_store::ClientOptions;
use object_store::client::{HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService};

/// Codes of errors that another try may not meet.
const PASSING: [&str; 6] =
    ["InternalError", "OperationAborted", "RequestTimeout", "ServiceUnavailable", "SlowDown", "ThrottlingException"];

/// One way to the store, for all clients that are built with it.
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

/// The status that the error in `body` has, if there is one.
fn embedded(body: &[u8]) -> Option<u16> {
    let text = String::from_utf8_lossy(body);
    let (_, error) = text.split_once("<Error").filter(|(_, rest)| rest.starts_with(['>', ' ']))?;
    let code = error.split_once("<Code>").and_then(|(_, rest)| rest.split('<').next()).unwrap_or_default();
    Some(if PASSING.contains(&code.trim()) { 503 } else { 400 })
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
