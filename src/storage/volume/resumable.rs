//! An upload that goes piece by piece, as Google's storage takes it: each piece follows the one before it, and the last one says how long
//! the file is. So one piece is held until the next one comes.
//!
//! Source: <https://cloud.google.com/storage/docs/performing-resumable-uploads>.

use std::time::Duration;

use bytes::Bytes;
use object_store::PutPayload;
use tokio::sync::{Mutex, watch};

use super::cloud::{Answer, Cloud, SignedUrl};
use crate::retry::Backoff;

/// How often one piece is sent that does not arrive as a whole.
const TRIES: usize = 100;
/// How long one piece is tried without any progress.
const LONGEST: Duration = Duration::from_secs(180);

/// One upload.
pub(super) struct Resumable {
    url: SignedUrl,
    /// The number of the piece that may come next.
    next: watch::Sender<usize>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Bytes that have arrived.
    sent: u64,
    held: Option<PutPayload>,
    has_ended: bool,
}

impl Resumable {
    pub(super) fn new(url: SignedUrl) -> Self {
        Self { url, next: watch::Sender::new(0), state: Mutex::default() }
    }

    /// Takes the piece `number`, counted from 0, and sends the one before it.
    pub(super) async fn put(&self, cloud: &Cloud, number: usize, payload: PutPayload) -> Result<(), Answer> {
        // Fails only without a sender, which is here.
        let _ = self.next.subscribe().wait_for(|next| *next == number).await;
        let mut state = self.state.lock().await;
        if let Some(held) = state.held.clone() {
            self.send(cloud, &mut state, &held, false).await?;
        }
        state.held = Some(payload);
        self.next.send_replace(number + 1);
        Ok(())
    }

    /// Sends the last piece; can be repeated.
    pub(super) async fn end(&self, cloud: &Cloud) -> Result<(), Answer> {
        let mut state = self.state.lock().await;
        if state.has_ended {
            return Ok(());
        }
        let held = state.held.clone().unwrap_or_default();
        self.send(cloud, &mut state, &held, true).await?;
        state.has_ended = true;
        Ok(())
    }

    pub(super) async fn abort(&self, cloud: &Cloud) -> Answer {
        cloud.delete(&self.url).await
    }

    async fn send(&self, cloud: &Cloud, state: &mut State, piece: &PutPayload, is_last: bool) -> Result<(), Answer> {
        let begin = state.sent;
        let end = begin + piece.content_length() as u64;
        let total = if is_last { end.to_string() } else { "*".to_owned() };
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5), Some(LONGEST));
        for _ in 0..TRIES {
            let rest = rest(piece, state.sent - begin);
            let range = match end.checked_sub(1).filter(|_| end > state.sent) {
                Some(last) => format!("bytes {}-{last}/{total}", state.sent),
                None => format!("bytes */{total}"),
            };
            let answer = match cloud.put_piece(&self.url, &rest, &range).await {
                // What has arrived is asked, and no more is sent before that is known.
                Answer::Unreachable(_) if backoff.wait(None).await => cloud.ask(&self.url, None).await,
                answer => answer,
            };
            match answer {
                Answer::Done(_) if is_last => return Ok(()),
                Answer::Received(there) if (begin..=end).contains(&there) => {
                    if there > state.sent {
                        backoff.restart();
                    }
                    state.sent = there;
                    if there == end && !is_last {
                        return Ok(());
                    }
                    if there == end && !backoff.wait(None).await {
                        return Err(Answer::Received(there));
                    }
                }
                answer => return Err(answer),
            }
        }
        Err(Answer::Received(state.sent))
    }
}

/// `payload` without its first `skip` bytes.
fn rest(payload: &PutPayload, skip: u64) -> PutPayload {
    let mut skip = usize::try_from(skip).unwrap_or(usize::MAX);
    let mut behind = |chunk: &Bytes| {
        let here = skip.min(chunk.len());
        skip -= here;
        chunk.slice(here..)
    };
    payload.iter().map(&mut behind).filter(|chunk| !chunk.is_empty()).collect()
}
