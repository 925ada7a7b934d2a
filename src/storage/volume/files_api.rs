//! Requests of the Files API: files and folders by their absolute paths, each with the current token, repeated while the workspace is
//! overloaded or out of reach.
//!
//! Source: <https://docs.databricks.com/api/workspace/files>, and for uploads in parts databricks-sdk-py (`mixins/files.py`).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use object_store::Error as StoreError;
use object_store::path::Path;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::cloud::SignedUrl;
use crate::databricks::conditions;
use crate::databricks::http::{HttpClient, Request};
use crate::databricks::rate_limit::Priority;
use crate::databricks::server_error::ServerError;
use crate::databricks::workspace::Response;
use crate::error::Error;

/// What object_store's own errors name this store.
pub(super) const STORE: &str = "volume";
const FILES: &str = "api/2.0/fs/files";
const FOLDERS: &str = "api/2.0/fs/directories";
/// Requests at the same time. The service admits 10, and 100 a second (databricks/cli, `libs/filer/files_client.go`, which sends 5).
const REQUESTS: usize = 5;
/// Reasons for which there are no signed URLs (databricks-sdk-py, `mixins/files.py`).
const NO_URLS: [&str; 2] = ["FILES_API_API_IS_NOT_ENABLED", "FILES_API_REQUESTER_NETWORK_ZONE_UNKNOWN"];
/// What stays as it is in the path of a URL.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// A body may be sent at 100 kB/s.
const SLOWEST: u64 = 100_000;
const SHORTEST: Duration = Duration::from_secs(60);
/// How long URLs for parts are valid.
const URLS_LAST: chrono::Duration = chrono::Duration::hours(1);

/// Makes requests to one workspace.
pub(super) struct FilesApi {
    client: Arc<HttpClient>,
    deadline: Duration,
    turns: Semaphore,
    /// The server's time when it answered last: URLs end by its clock, not by ours.
    time: Mutex<Option<DateTime<Utc>>>,
}

/// A request that was not done.
#[derive(Debug)]
pub(super) struct Refused {
    /// What the workspace answered; `None` where there was no answer.
    pub(super) said: Option<Box<ServerError>>,
    /// The error for the user.
    pub(super) error: Box<Error>,
}

impl Refused {
    /// There was no answer, or none that is understood.
    pub(super) fn unanswered(error: Error) -> Self {
        Self { said: None, error: Box::new(error) }
    }

    fn status(&self) -> Option<u16> {
        self.said.as_ref()?.status
    }

    /// Whether there is no such file or folder; `false` where it is the volume that is missing.
    pub(super) fn is_missing(&self) -> bool {
        self.said.as_ref().is_some_and(|said| said.status == Some(404) && !is_above_files(said))
    }

    /// Whether the volume is missing, or what is above it.
    pub(super) fn is_without_volume(&self) -> bool {
        self.said.as_ref().is_some_and(|said| {
            said.status == Some(404) && is_above_files(said) && said.code.as_deref() != Some("ENDPOINT_NOT_FOUND")
        })
    }

    /// Whether there is such a file.
    pub(super) fn exists(&self) -> bool {
        matches!(self.status(), Some(409 | 412))
    }

    /// Whether a folder is not empty.
    pub(super) fn is_not_empty(&self) -> bool {
        self.said.as_ref().is_some_and(|said| said.reason.as_deref() == Some("FILES_API_DIRECTORY_IS_NOT_EMPTY"))
    }

    /// Whether files cannot go up in parts here: signed URLs are not enabled, this network gets none, or the workspace knows none.
    pub(super) fn has_no_upload_urls(&self) -> bool {
        let is_reason = |reason: &str| NO_URLS.contains(&reason);
        self.said.as_ref().is_some_and(|said| {
            said.reason.as_deref().is_some_and(is_reason)
                || said.code.as_deref() == Some("ENDPOINT_NOT_FOUND")
                || said.status == Some(501)
        })
    }

    /// Whether the workspace has answered, which a request that is repeated later may not change.
    pub(super) fn is_answer(&self) -> bool {
        self.said.is_some()
    }
}

/// `refused` in the form in which an object store reports it.
pub(super) fn store_error(path: &Path, refused: Refused) -> StoreError {
    let (path, is_missing, exists) = (path.to_string(), refused.is_missing(), refused.exists());
    let source = refused.error;
    match (is_missing, exists) {
        (true, _) => StoreError::NotFound { path, source },
        (_, true) => StoreError::AlreadyExists { path, source },
        _ => StoreError::Generic { store: STORE, source },
    }
}

/// How the workspace takes a large file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Begun {
    /// In parts, in any order.
    Parts(String),
    /// In parts, one after the other.
    Resumable(String),
}

/// One page of a folder.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Page {
    #[serde(default)]
    pub(super) contents: Vec<Entry>,
    pub(super) next_page_token: Option<String>,
}

/// A file or folder in a folder.
#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    pub(super) path: Option<String>,
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) is_directory: bool,
    #[serde(default)]
    pub(super) file_size: u64,
    /// In milliseconds.
    #[serde(default)]
    pub(super) last_modified: i64,
}

impl FilesApi {
    /// `deadline`: how long one request is repeated.
    pub(super) fn new(client: Arc<HttpClient>, deadline: Duration) -> Self {
        Self { client, deadline, turns: Semaphore::new(REQUESTS), time: Mutex::default() }
    }

    /// Writes a whole file.
    pub(super) async fn put(&self, path: &str, body: Bytes, overwrite: bool) -> Result<(), Refused> {
        let timeout = SHORTEST + Duration::from_secs(body.len() as u64 / SLOWEST);
        let url = format!("{FILES}{}?overwrite={overwrite}", encoded(path));
        let request =
            Request { content_type: "application/octet-stream", timeout: Some(timeout), ..Request::put(url, body) };
        self.send("write", path, request).await.map(drop)
    }

    /// The whole of a small file.
    pub(super) async fn get(&self, path: &str) -> Result<Response, Refused> {
        let url = format!("{FILES}{}", encoded(path));
        self.send("read", path, Request { content_type: "application/octet-stream", ..Request::get(url) }).await
    }

    /// The length and the time of a file, in headers.
    pub(super) async fn head(&self, path: &str) -> Result<Response, Refused> {
        let url = format!("{FILES}{}", encoded(path));
        self.send("find", path, Request::head(url)).await
    }

    /// Removes a file.
    pub(super) async fn delete(&self, path: &str) -> Result<(), Refused> {
        let url = format!("{FILES}{}", encoded(path));
        self.send("delete", path, Request::delete(url)).await.map(drop)
    }

    /// The page `token` of the folder `path`; `None`: the first one.
    pub(super) async fn list(&self, path: &str, token: Option<&str>) -> Result<Page, Refused> {
        let query = token.map(|token| format!("?page_token={}", in_query(token))).unwrap_or_default();
        let answer = self.send("list", path, Request::get(format!("{FOLDERS}{}{query}", encoded(path)))).await?;
        self.json(&answer)
    }

    /// Makes a folder, and those above it; one that is there is no error.
    pub(super) async fn make_folder(&self, path: &str) -> Result<(), Refused> {
        let url = format!("{FOLDERS}{}", encoded(path));
        self.send("create", path, Request::put(url, Bytes::new())).await.map(drop)
    }

    /// Removes an empty folder.
    pub(super) async fn remove_folder(&self, path: &str) -> Result<(), Refused> {
        let url = format!("{FOLDERS}{}", encoded(path));
        self.send("remove", path, Request::delete(url)).await.map(drop)
    }

    /// Begins an upload in parts.
    pub(super) async fn begin_upload(&self, path: &str) -> Result<Begun, Refused> {
        let url = format!("{FILES}{}?action=initiate-upload&overwrite=true", encoded(path));
        let answer = self.send("write", path, Request::post(url, "{}")).await?;
        let answer: Value = self.json(&answer)?;
        let token =
            |way: &str| answer.pointer(&format!("/{way}/session_token")).and_then(Value::as_str).map(str::to_owned);
        let parts = token("multipart_upload").map(Begun::Parts);
        parts.or_else(|| token("resumable_upload").map(Begun::Resumable)).ok_or_else(|| unknown_answer(path))
    }

    /// URLs for `count` parts from `first` on, counted from 1.
    pub(super) async fn part_urls(
        &self,
        path: &str,
        session: &str,
        first: usize,
        count: usize,
    ) -> Result<Vec<(usize, SignedUrl)>, Refused> {
        let mut body = json!({"path": path, "session_token": session, "start_part_number": first, "count": count});
        self.with_end(&mut body);
        let request = Request::post("api/2.0/fs/create-upload-part-urls", body.to_string());
        let answer: Value = self.json(&self.send("write", path, request).await?)?;
        let urls = answer.get("upload_part_urls").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let url = |url: &Value| {
            let number = url.get("part_number")?.as_u64().and_then(|number| usize::try_from(number).ok())?;
            Some((number, SignedUrl::read(url)?))
        };
        let urls: Vec<_> = urls.iter().filter_map(url).collect();
        if urls.is_empty() { Err(unknown_answer(path)) } else { Ok(urls) }
    }

    /// The URL to which parts go one after the other.
    pub(super) async fn resumable_url(&self, path: &str, session: &str) -> Result<SignedUrl, Refused> {
        let body = json!({"path": path, "session_token": session});
        let request = Request::post("api/2.0/fs/create-resumable-upload-url", body.to_string());
        let answer: Value = self.json(&self.send("write", path, request).await?)?;
        answer.get("resumable_upload_url").and_then(SignedUrl::read).ok_or_else(|| unknown_answer(path))
    }

    /// The URL whose deletion aborts an upload in parts.
    pub(super) async fn abort_url(&self, path: &str, session: &str) -> Result<SignedUrl, Refused> {
        let mut body = json!({"path": path, "session_token": session});
        self.with_end(&mut body);
        let request = Request::post("api/2.0/fs/create-abort-upload-url", body.to_string());
        let answer: Value = self.json(&self.send("abort an upload to", path, request).await?)?;
        answer.get("abort_upload_url").and_then(SignedUrl::read).ok_or_else(|| unknown_answer(path))
    }

    /// Ends an upload of parts: the number of each, from 1, with its tag.
    pub(super) async fn complete(&self, path: &str, session: &str, parts: &[(usize, &str)]) -> Result<(), Refused> {
        let part = |(number, tag): &(usize, &str)| json!({"part_number": number, "etag": tag});
        let body = json!({"parts": parts.iter().map(part).collect::<Vec<_>>()});
        let query = format!("action=complete-upload&upload_type=multipart&session_token={}", in_query(session));
        let request = Request::post(format!("{FILES}{}?{query}", encoded(path)), body.to_string());
        self.send("write", path, request).await.map(drop)
    }

    fn with_end(&self, body: &mut Value) {
        let time = *self.time.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(time), Some(body)) = (time, body.as_object_mut()) {
            let end = (time + URLS_LAST).format("%Y-%m-%dT%H:%M:%SZ").to_string();
            body.insert("expire_time".to_owned(), end.into());
        }
    }

    fn json<T: serde::de::DeserializeOwned>(&self, answer: &Response) -> Result<T, Refused> {
        answer.json(self.client.workspace()).map_err(Refused::unanswered)
    }

    /// Sends a request; an answer that is no success is an error. `verb`: for "Could not … <path>".
    async fn send(&self, verb: &str, path: &str, request: Request) -> Result<Response, Refused> {
        let what = format!("Could not {verb} {path}. ");
        let _turn = self.turns.acquire().await;
        // The rate limit is that of statements.
        let request = request.with_priority(Priority::Immediate);
        let answer = self.client.repeat_within(&request, self.deadline).await;
        let answer = answer.map_err(|error| Refused::unanswered(error.preceded_by(&what)))?;
        let date = answer.headers.get("date").and_then(|date| date.to_str().ok());
        if let Some(time) = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok()) {
            *self.time.lock().unwrap_or_else(PoisonError::into_inner) = Some(time.to_utc());
        }
        if answer.status.is_success() {
            return Ok(answer);
        }
        let said = ServerError::of_response(&answer);
        let error = match answer.status.as_u16() {
            404 if !is_above_files(&said) => Error::transient(
                "It is not there: another sync, or somebody else, has removed it, or its folder, from the volume.",
            ),
            409 => Error::transient("It is there already, and somebody else has made it."),
            _ => conditions::explain(&said, self.client.workspace()),
        };
        Err(Refused { said: Some(Box::new(said)), error: Box::new(error.preceded_by(&what)) })
    }
}

/// Whether a 404 is about the volume, what is above it, or the whole interface, and not about a file or a folder.
fn is_above_files(said: &ServerError) -> bool {
    let message = said.message.to_ascii_lowercase();
    let names = ["volume '", "volume \"", "volume `", "schema '", "catalog '", "no api"];
    let is_code = |code: &str| code.contains("DOES_NOT_EXIST") || code == "ENDPOINT_NOT_FOUND";
    names.iter().any(|word| message.contains(word)) || said.code.as_deref().is_some_and(is_code)
}

fn unknown_answer(path: &str) -> Refused {
    Refused::unanswered(Error::system(format!(
        "Could not write {path}. The workspace answered in a form that this version does not know: it says in no known way how a file \
         is uploaded in parts."
    )))
}

fn encoded(path: &str) -> String {
    utf8_percent_encode(path, IN_PATH).to_string()
}

fn in_query(text: &str) -> String {
    utf8_percent_encode(text, IN_QUERY).to_string()
}
