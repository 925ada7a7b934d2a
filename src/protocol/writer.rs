//! The only writer of stdout: one protocol message a line, each line whole.
//!
//! Secrets are removed from all messages but STATEs, which are the source's own text, and CONTROL, which is for the platform alone. If stdout is closed, that is noticed
//! here and [remembered](ProtocolWriter::is_closed); a LOG message is then lost, a STATE that cannot be written is an error.

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::error::{Error, Result, shortened};
use crate::secret::hide;

/// Most characters of one text: a list of problems may name every stream of a catalog.
const LONGEST_TEXT: usize = 32_768;
/// A stream with a longer name, in bytes, is not described to the platform: no catalog has one.
const LONGEST_DESCRIPTOR: usize = 1024;

/// Writes protocol messages, from any thread.
pub struct ProtocolWriter {
    out: Mutex<Box<dyn Write + Send>>,
    closed: AtomicBool,
    /// Whether the TRACE that says why the command failed was written.
    failed: AtomicBool,
}

/// Severity of a LOG message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Something failed.
    Error,
    /// Something is unusual and the sync goes on.
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

    /// Whether a write to stdout has failed, as it does when its reader has gone away.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Writes messages, each one line of JSON, in their order, and flushes once.
    ///
    /// # Errors
    /// A system error where they could not be written: the reader has gone away, or the disk is full.
    pub fn deliver<'a>(&self, lines: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let mut text = String::new();
        for line in lines {
            text.push_str(line);
            text.push('\n');
        }
        let Ok(mut out) = self.out.lock() else {
            return Err(Error::system("A thread failed while it wrote a message to standard output."));
        };
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| {
            self.closed.store(true, Ordering::Release);
            Error::system("Standard output was closed before the sync ended, so nobody reads its answers any more.")
                .with_source(error)
        })
    }

    /// Writes a LOG message. It is lost if stdout is closed.
    pub fn log(&self, level: Level, message: &str) {
        let level = match level {
            Level::Error => "ERROR",
            Level::Warn => "WARN",
            Level::Info => "INFO",
            Level::Debug => "DEBUG",
        };
        self.deliver_value(&json!({"type": "LOG", "log": {"level": level, "message": spoken(message)}}));
    }

    /// Writes the TRACE message that says why a command failed, unless one was written before. `now_ms`: the time in
    /// milliseconds since the epoch.
    pub fn error(&self, error: &Error, now_ms: i64) {
        if self.failed.swap(true, Ordering::AcqRel) {
            return;
        }
        let policy = error.kind().policy();
        let mut body = json!({
            "message": format!("{} {}", spoken(&error.to_string()), error.hint()),
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

    /// Writes the CONNECTION_STATUS of `check`: SUCCEEDED, or FAILED with the message of `outcome`.
    pub fn connection_status(&self, outcome: Result<(), String>) -> Result<()> {
        let status = match outcome {
            Ok(()) => json!({"status": "SUCCEEDED"}),
            Err(message) => json!({"status": "FAILED", "message": spoken(&message)}),
        };
        self.deliver([json!({"type": "CONNECTION_STATUS", "connectionStatus": status}).to_string().as_str()])
    }

    /// Writes the CONTROL message that gives the platform another configuration: `config`, whole, with its secrets. `now_ms`: the
    /// time in milliseconds since the epoch.
    ///
    /// # Errors
    /// As for [`ProtocolWriter::deliver`].
    pub fn configuration(&self, config: &Value, now_ms: i64) -> Result<()> {
        let control = json!({"type": "CONNECTOR_CONFIG", "emitted_at": now_ms, "connectorConfig": {"config": config}});
        self.deliver([json!({"type": "CONTROL", "control": control}).to_string().as_str()])
    }

    fn deliver_value(&self, message: &Value) {
        // A failure sets `closed`, which the sync asks for.
        let _ = self.deliver([message.to_string().as_str()]);
    }
}

/// A text as it may be written: without secrets, and not too long.
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
