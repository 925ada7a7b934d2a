//! A workspace's Files API and the cloud's storage behind it, in memory, for tests: files, folders, uploads in parts and piece by piece.
//! `State` says what goes wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};

use crate::databricks::testing::scripted_server::{Reaction, ReceivedRequest, ScriptedServer, answer};

pub(in crate::storage::volume) type Fault = Box<dyn FnMut(&ReceivedRequest) -> Option<Reaction> + Send>;

/// What is there, and what goes wrong.
#[derive(Default)]
pub(in crate::storage::volume) struct State {
    pub(in crate::storage::volume) files: BTreeMap<String, (String, i64)>,
    pub(in crate::storage::volume) folders: BTreeSet<String>,
    /// Uploads that have not ended: the file, and its parts.
    pub(in crate::storage::volume) uploads: BTreeMap<String, (String, BTreeMap<usize, String>)>,
    /// Names on a page.
    pub(in crate::storage::volume) page: usize,
    /// The cloud is Google's: at most so many bytes of a piece are taken.
    pub(in crate::storage::volume) google: Option<usize>,
    /// So many requests to the cloud meet a URL that has expired.
    pub(in crate::storage::volume) expired: usize,
    /// Asked before anything is done.
    pub(in crate::storage::volume) fault: Option<Fault>,
    begun: usize,
    time: i64,
    cloud: u16,
}

/// The servers.
pub(in crate::storage::volume) struct Fake {
    state: Arc<Mutex<State>>,
    pub(in crate::storage::volume) workspace: ScriptedServer,
    pub(in crate::storage::volume) cloud: ScriptedServer,
}

impl Fake {
    /// Servers with the volumes `volumes`, absolute paths.
    pub(in crate::storage::volume) fn new(volumes: &[&str]) -> Self {
        let state = Arc::new(Mutex::new(State { page: 1000, ..State::default() }));
        let with = |answer: fn(&mut State, &ReceivedRequest) -> Reaction| {
            let state = Arc::clone(&state);
            ScriptedServer::new(move |request, _| {
                let mut state = state.lock().unwrap();
                let mut fault = state.fault.take();
                let met = fault.as_mut().and_then(|fault| fault(request));
                state.fault = fault;
                met.unwrap_or_else(|| answer(&mut state, request))
            })
        };
        let (workspace, cloud) = (with(State::of_workspace), with(State::of_cloud));
        state.lock().unwrap().cloud = cloud.settings().port;
        state.lock().unwrap().folders.extend(volumes.iter().map(|path| (*path).to_owned()));
        Self { state, workspace, cloud }
    }

    pub(in crate::storage::volume) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// From now on, `fault` is asked first what happens to a request.
    pub(in crate::storage::volume) fn goes_wrong(
        &self,
        fault: impl FnMut(&ReceivedRequest) -> Option<Reaction> + Send + 'static,
    ) {
        self.state().fault = Some(Box::new(fault));
    }
}

/// An error as the Files API words it.
pub(in crate::storage::volume) fn refusal(status: u16, code: &str, message: &str, reason: &str) -> Reaction {
    let details = json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "filesystem.databricks.com"}]);
    answer(status, json!({"error_code": code, "message": message, "details": details}))
}

fn missing() -> Reaction {
    refusal(404, "NOT_FOUND", "The file being accessed is not found.", "FILES_API_FILE_NOT_FOUND")
}

fn done(status: u16, headers: Vec<(&'static str, String)>) -> Reaction {
    Reaction::Respond(status, headers, String::new())
}

fn expired() -> Reaction {
    let body = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>";
    Reaction::Respond(403, Vec::new(), body.to_owned())
}

/// The value of `name` in a query.
fn in_query(query: &str, name: &str) -> Option<String> {
    url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

impl State {
    fn of_workspace(&mut self, request: &ReceivedRequest) -> Reaction {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let path = percent_encoding::percent_decode_str(path).decode_utf8().unwrap().into_owned();
        let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
        if let Some(path) = path.strip_prefix("/api/2.0/fs/files") {
            let action = in_query(query, "action");
            return match (request.method.as_str(), action.as_deref()) {
                ("PUT", _) => {
                    self.put(path, request.body.clone(), in_query(query, "overwrite").as_deref() == Some("true"))
                }
                ("GET" | "HEAD", _) => self.get(path, &request.method),
                ("DELETE", _) => match self.files.remove(path) {
                    Some(_) => done(204, Vec::new()),
                    None => missing(),
                },
                ("POST", Some("initiate-upload")) => self.begin(path),
                ("POST", Some("complete-upload")) => self.complete(&in_query(query, "session_token").unwrap(), &body),
                _ => missing(),
            };
        }
        if let Some(path) = path.strip_prefix("/api/2.0/fs/directories") {
            return match request.method.as_str() {
                "PUT" => {
                    self.folders.insert(path.to_owned());
                    done(204, Vec::new())
                }
                "GET" => self.list(path, in_query(query, "page_token")),
                "DELETE" => self.remove_folder(path),
                _ => missing(),
            };
        }
        let token = body["session_token"].as_str().unwrap_or_default().to_owned();
        let url = |what: &str| format!("http://127.0.0.1:{}/{token}/{what}?signature=secret", self.cloud);
        let headers = json!([{"name": "x-signed", "value": "yes"}]);
        match path.as_str() {
            "/api/2.0/fs/create-upload-part-urls" => {
                let (first, count) = (body["start_part_number"].as_u64().unwrap(), body["count"].as_u64().unwrap());
                let part =
                    |number| json!({"part_number": number, "url": url(&format!("{number}")), "headers": headers});
                answer(200, json!({"upload_part_urls": (first..first + count).map(part).collect::<Vec<_>>()}))
            }
            "/api/2.0/fs/create-resumable-upload-url" => {
                answer(200, json!({"resumable_upload_url": {"url": url("all"), "headers": headers}}))
            }
            "/api/2.0/fs/create-abort-upload-url" => {
                answer(200, json!({"abort_upload_url": {"url": url("all"), "headers": headers}}))
            }
            _ => refusal(404, "ENDPOINT_NOT_FOUND", "No API found", "NONE"),
        }
    }

    /// The storage behind it: paths are `/<session>/<part>`.
    fn of_cloud(&mut self, request: &ReceivedRequest) -> Reaction {
        assert_eq!(request.header("authorization"), None, "the token is not for the cloud's storage");
        assert_eq!(request.header("x-signed"), Some("yes"));
        let path = request.path.split('?').next().unwrap().to_owned();
        let (session, part) = path.trim_start_matches('/').split_once('/').unwrap();
        if self.expired > 0 {
            self.expired -= 1;
            return expired();
        }
        if request.method == "DELETE" {
            self.uploads.remove(session);
            return done(200, Vec::new());
        }
        let Some((_, parts)) = self.uploads.get_mut(session) else {
            return Reaction::Respond(404, Vec::new(), "<Error><Code>NoSuchUpload</Code></Error>".to_owned());
        };
        if let Ok(number) = part.parse::<usize>() {
            parts.insert(number, request.body.clone());
            return done(200, vec![("etag", format!("\"{number}\""))]);
        }
        let there = parts.entry(1).or_default();
        let range = request.header("content-range").unwrap().trim_start_matches("bytes ");
        let (piece, total) = range.split_once('/').unwrap();
        if let Some((first, _)) = piece.split_once('-') {
            assert_eq!(first.parse::<usize>().unwrap(), there.len(), "pieces follow each other");
            let most = self.google.unwrap().min(request.body.len());
            there.push_str(&request.body[..most]);
        }
        if total != "*" && total.parse::<usize>().unwrap() == there.len() {
            let whole = there.clone();
            let (file, _) = self.uploads.remove(session).unwrap();
            self.write(&file, whole);
            return done(200, Vec::new());
        }
        let range = there.len().checked_sub(1).map(|last| ("range", format!("bytes=0-{last}")));
        done(308, range.into_iter().collect())
    }

    fn write(&mut self, path: &str, body: String) {
        let mut folder = path;
        while let Some((above, _)) = folder.rsplit_once('/').filter(|(above, _)| above.matches('/').count() >= 4) {
            self.folders.insert(above.to_owned());
            folder = above;
        }
        self.time += 1000;
        self.files.insert(path.to_owned(), (body, self.time));
    }

    fn put(&mut self, path: &str, body: String, overwrite: bool) -> Reaction {
        let volume = path.splitn(6, '/').take(5).collect::<Vec<_>>().join("/");
        if !self.folders.contains(&volume) {
            return refusal(
                404,
                "NOT_FOUND",
                &format!("Volume '{volume}' does not exist."),
                "FILES_API_VOLUME_NOT_FOUND",
            );
        }
        if self.files.contains_key(path) && !overwrite {
            return refusal(
                409,
                "ALREADY_EXISTS",
                "The file being created already exists.",
                "FILES_API_FILE_ALREADY_EXISTS",
            );
        }
        self.write(path, body);
        done(204, Vec::new())
    }

    fn get(&self, path: &str, method: &str) -> Reaction {
        let Some((body, time)) = self.files.get(path) else { return missing() };
        let time = chrono::DateTime::from_timestamp_millis(*time).unwrap().to_rfc2822();
        let length = ("content-length", body.len().to_string());
        let body = if method == "HEAD" { String::new() } else { body.clone() };
        Reaction::Respond(200, vec![("last-modified", time), length], body)
    }

    fn list(&self, path: &str, token: Option<String>) -> Reaction {
        if !self.folders.contains(path) {
            return refusal(
                404,
                "NOT_FOUND",
                "The directory being accessed is not found.",
                "FILES_API_DIRECTORY_NOT_FOUND",
            );
        }
        let inside = |found: &str| {
            found.strip_prefix(path).and_then(|rest| rest.strip_prefix('/')).is_some_and(|name| !name.contains('/'))
        };
        let folders = self.folders.iter().filter(|found| inside(found));
        let folders =
            folders.map(|found| json!({"path": found, "name": found.rsplit('/').next(), "is_directory": true}));
        let files = self.files.iter().filter(|(found, _)| inside(found)).map(|(found, (body, time))| {
            json!({"path": found, "name": found.rsplit('/').next(), "is_directory": false, "file_size": body.len(), "last_modified": time})
        });
        let all: Vec<Value> = folders.chain(files).collect();
        let first = token.and_then(|token| token.parse().ok()).unwrap_or(0);
        let page: Vec<&Value> = all.iter().skip(first).take(self.page).collect();
        let next = Some(first + page.len()).filter(|next| *next < all.len()).map(|next| next.to_string());
        answer(200, json!({"contents": page, "next_page_token": next}))
    }

    fn remove_folder(&mut self, path: &str) -> Reaction {
        let folder = format!("{path}/");
        let is_in = |found: &String| found.starts_with(&folder);
        if self.files.keys().any(is_in) || self.folders.iter().any(is_in) {
            let message = "The directory being deleted is not empty.";
            return refusal(400, "BAD_REQUEST", message, "FILES_API_DIRECTORY_IS_NOT_EMPTY");
        }
        if self.folders.remove(path) { done(204, Vec::new()) } else { missing() }
    }

    fn begin(&mut self, path: &str) -> Reaction {
        self.begun += 1;
        let token = format!("session-{}", self.begun);
        self.uploads.insert(token.clone(), (path.to_owned(), BTreeMap::new()));
        let way = if self.google.is_some() { "resumable_upload" } else { "multipart_upload" };
        answer(200, json!({way: {"session_token": token}}))
    }

    fn complete(&mut self, token: &str, body: &Value) -> Reaction {
        let Some((path, parts)) = self.uploads.remove(token) else { return missing() };
        let said: Vec<(usize, String)> = body["parts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|part| (part["part_number"].as_u64().unwrap() as usize, part["etag"].as_str().unwrap().to_owned()))
            .collect();
        let right: Vec<(usize, String)> = parts.keys().map(|number| (*number, format!("\"{number}\""))).collect();
        assert_eq!(said, right, "every part with its tag");
        self.write(&path, parts.into_values().collect());
        answer(200, json!({}))
    }
}
