//! Gives Azure's answers what the object store looks for, before it reads them.
//!
//! An answer without a body, as every answer to a HEAD, names its error in a header alone; the object store reads bodies. And it drops what
//! the answer to a copy says: whether the copy has ended. Copies that have not are noted in [`Heard`], and so is the server's time, by which
//! it decides whether a signature has ended. `listings` says what listings may lack.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use object_store::client::{HttpClient, HttpError, HttpRequest, HttpResponse, HttpService};

use super::listings;
use crate::error::code;

/// What the answers said beside what was asked.
#[derive(Debug, Default)]
pub(super) struct Heard(Mutex<Notes>);

#[derive(Debug, Default)]
struct Notes {
    /// Copies that go on after their answer, by the path of their request: the id of each.
    copies: HashMap<String, String>,
    /// The time of the last answer.
    time: Option<DateTime<Utc>>,
}

impl Heard {
    fn note(&self, note: impl FnOnce(&mut Notes)) {
        note(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The id of the copy to `path`, if it goes on; it is forgotten here.
    pub(super) fn take_copy(&self, path: &str) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).copies.remove(path)
    }

    /// The server's time when it answered last.
    pub(super) fn time(&self) -> Option<DateTime<Utc>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).time
    }
}

/// The client of a container.
#[derive(Debug)]
pub(super) struct Answers {
    client: HttpClient,
    heard: Arc<Heard>,
}

impl Answers {
    pub(super) fn new(client: HttpClient, heard: Arc<Heard>) -> Self {
        Self { client, heard }
    }
}

#[async_trait]
impl HttpService for Answers {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let copied = request.headers().contains_key("x-ms-copy-source").then(|| request.uri().path().to_owned());
        let is_head = request.method() == "HEAD";
        let lists = request.method() == "GET" && request.uri().query().is_some_and(|query| query.contains("comp=list"));
        let answer = self.client.execute(request).await?;
        let header =
            |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
        if let (Some(path), Some("pending")) = (copied, header("x-ms-copy-status").as_deref()) {
            let id = header("x-ms-copy-id").unwrap_or_default();
            self.heard.note(|notes| drop(notes.copies.insert(path, id)));
        }
        if let Some(time) = header("date").and_then(|date| DateTime::parse_from_rfc2822(&date).ok()) {
            self.heard.note(|notes| notes.time = Some(time.to_utc()));
        }
        if lists && answer.status().is_success() {
            return with_types(answer).await;
        }
        let is_bare = is_head || header("content-length").as_deref() == Some("0");
        match header("x-ms-error-code").as_deref().and_then(code) {
            Some(code) if is_bare && !answer.status().is_success() => {
                let body = format!("<Error><Code>{code}</Code></Error>");
                let (head, _) = answer.into_parts();
                Ok(HttpResponse::from_parts(head, body.into()))
            }
            _ => Ok(answer),
        }
    }
}

/// The listing `answer` in a form that the object store reads.
async fn with_types(answer: HttpResponse) -> Result<HttpResponse, HttpError> {
    let (head, body) = answer.into_parts();
    let body = body.bytes().await?;
    let mended = std::str::from_utf8(&body).ok().and_then(listings::with_types);
    Ok(HttpResponse::from_parts(head, mended.map_or_else(|| body.into(), Into::into)))
}
