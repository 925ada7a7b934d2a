//! Files that go up in parts: to the cloud's storage by signed URLs, on Google's piece by piece, or, where this machine gets no such URLs
//! or cannot reach that storage, in one request through the workspace.
//!
//! Which of these is possible is known when the first part of the first file has arrived or was refused; until then one part is under
//! way. A file whose parts are collected for one request is in memory, so files are to be ended early then: [`Uploads::largest_file`].

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use object_store::multipart::PartId;
use object_store::path::Path;
use object_store::{Error as StoreError, MultipartId, PutPayload, Result as StoreResult};
use tokio::sync::Mutex;

use super::cloud::{Answer, Cloud, SignedUrl};
use super::files_api::{Begun, FilesApi, Refused, STORE, store_error};
use super::resumable::Resumable;
use crate::error::Error;

/// URLs that are fetched at once.
const URLS: usize = 8;
/// How often a part gets a new URL for one that has expired.
const NEW_URLS: usize = 5;
/// How long a storage is tried that has never been reached.
const FIRST_CONTACT: Duration = Duration::from_secs(15);

/// All uploads of a sync.
pub(super) struct Uploads {
    api: Arc<FilesApi>,
    cloud: Cloud,
    sessions: SyncMutex<HashMap<MultipartId, Arc<Session>>>,
    next: AtomicU64,
    /// A part has arrived in the cloud's storage.
    arrives: AtomicBool,
    /// None ever will.
    is_blocked: AtomicBool,
    first: Mutex<()>,
    largest_file: u64,
}

struct Session {
    /// The file.
    path: String,
    way: Way,
    /// Parts that are kept for one request.
    kept: SyncMutex<BTreeMap<usize, PutPayload>>,
    urls: Mutex<BTreeMap<usize, SignedUrl>>,
}

enum Way {
    Parts(String),
    Pieces(Resumable),
    Whole,
}

/// Why a part was not sent.
enum Unsent {
    /// This machine gets no URLs, or does not reach the storage.
    Blocked(String),
    Failed(Error),
}

impl Uploads {
    /// `largest_file`: how many bytes of one file may be kept in memory.
    pub(super) fn new(api: Arc<FilesApi>, cloud: Cloud, largest_file: u64) -> Self {
        Self {
            api,
            cloud,
            sessions: SyncMutex::default(),
            next: AtomicU64::new(0),
            arrives: AtomicBool::new(false),
            is_blocked: AtomicBool::new(false),
            first: Mutex::default(),
            largest_file,
        }
    }

    /// At how many bytes a file is to be ended, where it is kept in memory.
    pub(super) fn largest_file(&self) -> Option<u64> {
        self.is_blocked().then_some(self.largest_file)
    }

    /// Begins an upload of the file `path`.
    pub(super) async fn begin(&self, path: &str) -> Result<MultipartId, Refused> {
        let way = if self.is_blocked() { Way::Whole } else { self.choose(path).await? };
        let (kept, urls) = Default::default();
        let session = Arc::new(Session { path: path.to_owned(), way, kept, urls });
        let id = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), session);
        Ok(id)
    }

    async fn choose(&self, path: &str) -> Result<Way, Refused> {
        match self.api.begin_upload(path).await {
            Ok(Begun::Parts(session)) => Ok(Way::Parts(session)),
            Ok(Begun::Resumable(session)) => match self.begin_pieces(path, &session).await {
                Ok(pieces) => Ok(Way::Pieces(pieces)),
                Err(Unsent::Blocked(why)) => {
                    self.block(&why);
                    Ok(Way::Whole)
                }
                Err(Unsent::Failed(error)) => Err(Refused::unanswered(error)),
            },
            Err(refused) if refused.has_no_upload_urls() => {
                self.block(refused.error.message());
                Ok(Way::Whole)
            }
            Err(refused) => Err(refused),
        }
    }

    async fn begin_pieces(&self, path: &str, session: &str) -> Result<Resumable, Unsent> {
        let url = self.api.resumable_url(path, session).await.map_err(|refused| self.unsent(refused))?;
        match self.cloud.ask(&url, Some(FIRST_CONTACT)).await {
            Answer::Received(_) => {
                self.arrives.store(true, Ordering::Relaxed);
                Ok(Resumable::new(url))
            }
            answer if self.arrives.load(Ordering::Relaxed) => Err(Unsent::Failed(failed(path, &answer))),
            answer => Err(Unsent::Blocked(reason(&answer))),
        }
    }

    /// Sends the part `number`, counted from 0.
    pub(super) async fn put(&self, id: &MultipartId, number: usize, payload: PutPayload) -> StoreResult<PartId> {
        let session = self.session(id)?;
        let token = match &session.way {
            Way::Parts(token) => token,
            Way::Pieces(pieces) => {
                let sent = pieces.put(&self.cloud, number, payload).await;
                return sent.map(|()| part(String::new())).map_err(|answer| generic(failed(&session.path, &answer)));
            }
            Way::Whole => return Ok(session.keep(number, payload)),
        };
        if !self.arrives.load(Ordering::Relaxed) {
            let _first = self.first.lock().await;
            if !self.arrives.load(Ordering::Relaxed) {
                if self.is_blocked() {
                    return Ok(session.keep(number, payload));
                }
                return match self.send(&session, token, number, &payload, Some(FIRST_CONTACT)).await {
                    Ok(part) => {
                        self.arrives.store(true, Ordering::Relaxed);
                        Ok(part)
                    }
                    Err(Unsent::Blocked(why)) => {
                        self.block(&why);
                        Ok(session.keep(number, payload))
                    }
                    Err(Unsent::Failed(error)) => Err(generic(error)),
                };
            }
        }
        self.send(&session, token, number, &payload, None).await.map_err(|unsent| match unsent {
            Unsent::Blocked(why) => generic(failed(&session.path, &Answer::Refused(why))),
            Unsent::Failed(error) => generic(error),
        })
    }

    async fn send(
        &self,
        session: &Session,
        token: &str,
        number: usize,
        payload: &PutPayload,
        deadline: Option<Duration>,
    ) -> Result<PartId, Unsent> {
        let mut answer = Answer::Expired;
        for _ in 0..NEW_URLS {
            let url = self.url(session, token, number + 1).await.map_err(|refused| self.unsent(refused))?;
            answer = self.cloud.put(&url, payload, deadline).await;
            match answer {
                Answer::Done(tag) => return Ok(part(tag)),
                // The others that came with it have expired too.
                Answer::Expired => session.urls.lock().await.clear(),
                _ => break,
            }
        }
        match answer {
            Answer::Refused(_) | Answer::Unreachable(_) => Err(Unsent::Blocked(reason(&answer))),
            answer => Err(Unsent::Failed(failed(&session.path, &answer))),
        }
    }

    /// The URL of the part `number`, counted from 1; with it, those of the next ones are fetched.
    async fn url(&self, session: &Session, token: &str, number: usize) -> Result<SignedUrl, Refused> {
        let mut urls = session.urls.lock().await;
        if let Some(url) = urls.get(&number) {
            return Ok(url.clone());
        }
        // Whoever comes later finds them.
        urls.extend(self.api.part_urls(&session.path, token, number, URLS).await?);
        let missing = || {
            Refused::unanswered(Error::system(format!(
                "The workspace gave no URL for part {number} of {}.",
                session.path
            )))
        };
        urls.get(&number).cloned().ok_or_else(missing)
    }

    /// Ends an upload of `parts`, in their order.
    pub(super) async fn complete(&self, path: &Path, id: &MultipartId, parts: Vec<PartId>) -> StoreResult<()> {
        let session = self.session(id)?;
        let kept = session.take_kept();
        let ended = match &session.way {
            Way::Parts(token) if kept.is_empty() => {
                let parts: Vec<_> =
                    parts.iter().enumerate().map(|(at, part)| (at + 1, part.content_id.as_str())).collect();
                self.api.complete(&session.path, token, &parts).await
            }
            Way::Pieces(pieces) => {
                let ended = pieces.end(&self.cloud).await;
                ended.map_err(|answer| Refused::unanswered(failed(&session.path, &answer)))
            }
            Way::Parts(_) | Way::Whole => {
                let all: PutPayload = kept.values().flatten().cloned().collect();
                let put = self.api.put(&session.path, Bytes::from(all), true).await;
                if put.is_err() {
                    session.restore(kept);
                }
                put
            }
        };
        ended.map_err(|refused| store_error(path, refused))?;
        self.forget(id);
        Ok(())
    }

    /// Aborts an upload: nothing of it stays.
    pub(super) async fn abort(&self, path: &Path, id: &MultipartId) -> StoreResult<()> {
        let Ok(session) = self.session(id) else { return Ok(()) };
        self.forget(id);
        let answer = match &session.way {
            Way::Parts(token) => match self.api.abort_url(&session.path, token).await {
                Ok(url) => self.cloud.delete(&url).await,
                // It is gone, or there are no URLs here.
                Err(refused) if refused.is_missing() || self.is_blocked() => return Ok(()),
                Err(refused) => return Err(store_error(path, refused)),
            },
            Way::Pieces(pieces) => pieces.abort(&self.cloud).await,
            Way::Whole => return Ok(()),
        };
        match answer {
            Answer::Unreachable(_) if !self.is_blocked() => Err(generic(failed(&session.path, &answer))),
            // One that does not exist any more is refused.
            _ => Ok(()),
        }
    }

    fn session(&self, id: &MultipartId) -> StoreResult<Arc<Session>> {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let unknown = || generic(Error::system(format!("There is no upload {id}.")));
        sessions.get(id).cloned().ok_or_else(unknown)
    }

    fn forget(&self, id: &MultipartId) {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    fn is_blocked(&self) -> bool {
        self.is_blocked.load(Ordering::Relaxed)
    }

    fn block(&self, why: &str) {
        if !self.is_blocked.swap(true, Ordering::Relaxed) {
            tracing::info!(
                "Files go to the volume in one request each, and are ended at {} MiB: this machine cannot send parts of files to the \
                 cloud's storage ({why}).",
                self.largest_file >> 20
            );
        }
    }

    fn unsent(&self, refused: Refused) -> Unsent {
        // As Databricks' own client does: what is wrong with the file itself, the one request that follows tells.
        let is_blocked = refused.is_answer() && !self.arrives.load(Ordering::Relaxed);
        if is_blocked { Unsent::Blocked(refused.error.message().to_owned()) } else { Unsent::Failed(*refused.error) }
    }
}

impl Session {
    fn keep(&self, number: usize, payload: PutPayload) -> PartId {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(number, payload);
        part(String::new())
    }

    fn take_kept(&self) -> BTreeMap<usize, PutPayload> {
        std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn restore(&self, kept: BTreeMap<usize, PutPayload>) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = kept;
    }
}

fn part(content_id: String) -> PartId {
    PartId { content_id }
}

fn generic(error: Error) -> StoreError {
    StoreError::Generic { store: STORE, source: Box::new(error) }
}

fn reason(answer: &Answer) -> String {
    match answer {
        Answer::Refused(why) | Answer::Unreachable(why) => why.clone(),
        Answer::Expired => "its URLs expire at once".to_owned(),
        Answer::Done(_) | Answer::Received(_) => "it answers something else than it was asked".to_owned(),
    }
}

fn failed(path: &str, answer: &Answer) -> Error {
    Error::transient(format!(
        "Could not write {path}. The cloud's storage did not take a part of it. Check that this machine reaches that storage: a proxy or \
         a firewall may stand between."
    ))
    .with_source(reason(answer))
}
