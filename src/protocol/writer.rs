//! Everything that leaves on stdout: one protocol message a line, each line whole.
//!
//! The only place that writes stdout, and the place where secrets are taken out of what is said: not out of STATEs, which are
//! the source's own and go as they came.
//! A reader that has gone away is noticed here, remembered, and reported to whoever
//! asks; logging into a closed pipe is no error, a STATE that cannot be delivered is.

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::error::{Error, Result, shortened};
use crate::secret::hide;

/// The most characters of one text: a list of problems may name every stream of a catalog.
const LONGEST_TEXT: usize = 32_768;
/// A stream with a longer name, in bytes, is not described to the platform: no catalog has one.
const LONGEST_DESCRIPTOR: usize = 1024;

/// Writes protocol messages, from any thread.
pub struct ProtocolWriter {
    out: Mutex<Box<dyn Write + Send>>,
    closed: AtomicBool,
    /// Whether it was told why the command failed.
    failed: AtomicBool,
}

/// Severity of a LOG message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Something failed.
    Error,
    /// Something is odd and the sync goes on.
    Warn,
    /// Progress.
    Info,
    /// For developers.
    Debug,
}

impl ProtocolWriter {
    /// A writer to the process's standard output.
    pub fn stdout() -> Self {
        Self::new(Box::new(std::io::stdout()))
    }

    /// A writer to `out`.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out: Mutex::new(out), closed: AtomicBool::new(false), failed: AtomicBool::new(false) }
    }

    /// Whether the reader of stdout has gone away.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Writes messages that are one line of JSON each, in their order, and flushes once.
    ///
    /// # Errors
    /// A system error where they could not be delivered: the other end has gone away or the disk behind it is full.
    pub fn deliver<'a>(&self, lines: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let mut text = String::new();
        for line in lines {
            text.push_str(line);
            text.push('\n');
        }
        let Ok(mut out) = self.out.lock() else {
            return Err(Error::system("Standard output was left in the middle of a message."));
        };
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| {
            self.closed.store(true, Ordering::Release);
            Error::system("Standard output was closed before the sync ended, so nobody reads the answers any more.")
                .with_source(error)
        })
    }

    /// Writes a LOG message; a reader that has gone away does not hear it.
    pub fn log(&self, level: Level, message: &str) {
        let level = match level {
            Level::Error => "ERROR",
            Level::Warn => "WARN",
            Level::Info => "INFO",
            Level::Debug => "DEBUG",
        };
        self.deliver_value(&json!({"type": "LOG", "log": {"level": level, "message": spoken(message)}}));
    }

    /// Writes the TRACE message that says why a command failed; the first one only, whoever writes it. `now_ms`: milliseconds
    /// since the epoch.
    pub fn error(&self, error: &Error, now_ms: i64) {
        if self.failed.swap(true, Ordering::AcqRel) {
            return;
        }
        let policy = error.kind().policy();
        let mut body = json!({
            "message": format!("{} {}", spoken(error.message()), error.hint()),
            "internal_message": spoken(&error.internal_message()),
            "failure_type": policy.failure_type,
        });
        let told = error.stream().filter(|stream| {
            let namespace = stream.namespace.as_deref().unwrap_or_default();
            stream.name.len().max(namespace.len()) <= LONGEST_DESCRIPTOR
        });
        if let (Some(stream), Some(fields)) = (told, body.as_object_mut()) {
            let mut descriptor = json!({"name": stream.name});
            if let (Some(namespace), Some(fields)) = (&stream.namespace, descriptor.as_object_mut()) {
                fields.insert("namespace".into(), json!(namespace));
            }
            fields.insert("stream_descriptor".into(), descriptor);
        }
        self.deliver_value(&json!({"type": "TRACE", "trace": {"type": "ERROR", "emitted_at": now_ms, "error": body}}));
    }

    /// Writes the answer of `check`: `Ok`, or the problems that a user can mend.
    pub fn connection_status(&self, outcome: Result<(), String>) -> Result<()> {
        let status = match outcome {
            Ok(()) => json!({"status": "SUCCEEDED"}),
            Err(message) => json!({"status": "FAILED", "message": spoken(&message)}),
        };
        self.deliver([json!({"type": "CONNECTION_STATUS", "connectionStatus": status}).to_string().as_str()])
    }

    fn deliver_value(&self, message: &Value) {
        // Nobody is left to tell; `closed` is set, and what must be delivered asks for it.
        let _ = self.deliver([message.to_string().as_str()]);
    }
}

/// A text as it may leave.
fn spoken(text: &str) -> String {
    shortened(&hide(text), LONGEST_TEXT).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::StreamDescriptor;
    use std::sync::{Arc, PoisonError};

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_error_message_carries_type_hint_and_stream() -> Result<(), serde_json::Error> {
        let shared = Shared::default();
        let writer = ProtocolWriter::new(Box::new(shared.clone()));
        let stream = StreamDescriptor { name: "users".into(), namespace: Some("public".into()) };
        writer.error(&Error::config("The disk is\nfull.").with_stream(stream), 17);
        writer.error(&Error::system("Too late."), 18);
        let text = shared.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 1, "one whole line");
        let message: Value = serde_json::from_slice(&text)?;
        let error = &message["trace"]["error"];
        assert_eq!(error["failure_type"], "config_error");
        assert_eq!(error["stream_descriptor"], json!({"name": "users", "namespace": "public"}));
        assert_eq!(message["trace"]["emitted_at"], 17);
        Ok(())
    }

    #[test]
    fn a_reader_that_has_gone_away_is_an_error_for_states_and_none_for_logs() {
        let writer = ProtocolWriter::new(Box::new(Gone));
        writer.log(Level::Info, "hello");
        assert!(writer.is_closed());
        assert!(writer.deliver(["{}"]).is_err());
    }
}
