//! A message there and a message back: one HTTP POST with the login that the server wants.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client as Http, Url};

use crate::error::{Error, Result};
use crate::secret::Secret;

const KIND: HeaderValue = HeaderValue::from_static("application/x-thrift");
/// The largest answer that is read: a page of rows.
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// Where Databricks says in words what is wrong, in the order of how well it does.
const WORDS: [&str; 3] =
    ["x-thriftserver-error-message", "x-databricks-error-or-redirect-message", "x-databricks-reason-phrase"];

/// An HTTP answer.
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Bytes,
    headers: HeaderMap,
}

impl Response {
    /// What the server says about an error; may be nothing.
    pub(super) fn said(&self) -> String {
        let words = WORDS.iter().find_map(|name| self.headers.get(*name)?.to_str().ok());
        words.map_or_else(
            || String::from_utf8_lossy(self.body.get(..300).unwrap_or(&self.body)).into_owned(),
            str::to_owned,
        )
    }
}

pub(super) struct Wire {
    pub(super) http: Http,
    pub(super) url: Url,
    pub(super) place: String,
    pub(super) token: Secret,
    pub(super) is_databricks: bool,
}

impl Wire {
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    pub(super) fn explain(&self, status: Option<u16>, sql_state: Option<&str>, code: Option<i32>, said: &str) -> Error {
        Error::config(format!("{status:?} {sql_state:?} {code:?} {said}"))
    }

    pub(super) async fn post(&self, body: Vec<u8>) -> Result<Response> {
        let login = match self.is_databricks {
            true => format!("Bearer {}", self.token.expose()),
            false => format!("Basic {}", BASE64.encode(format!("token:{}", self.token.expose()))),
        };
        let request = self
            .http
            .post(self.url.clone())
            .header(CONTENT_TYPE, KIND)
            .header(ACCEPT, KIND)
            .header(AUTHORIZATION, login)
            .body(body);
        let cut =
            |error: reqwest::Error| Error::transient(format!("{} cannot be reached.", self.place)).with_source(error);
        let mut response = request.send().await.map_err(cut)?;
        let headers = response.headers().clone();
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(cut)? {
            body.extend_from_slice(&chunk);
            if body.len() > MOST_BYTES {
                return Err(Error::system(format!("An answer of {} is too long.", self.place)));
            }
        }
        let retry_after =
            headers.get(RETRY_AFTER).and_then(|after| after.to_str().ok()?.parse().ok()).map(Duration::from_secs);
        Ok(Response { status: response.status().as_u16(), retry_after, body: body.freeze(), headers })
    }
}
