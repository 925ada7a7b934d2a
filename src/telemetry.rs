//! Reports while the program runs: LOG messages for the orchestrator, a live line on the terminal for people.
//!
//! Events of `tracing` become LOG messages on stdout, through the protocol writer: the program's own up to the level that the
//! user asks for, those of libraries only as warnings and errors, because their details may hold values. When stderr is a
//! terminal, a live line there shows how far the sync is.

pub mod report;

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::pipeline::progress::Progress;
use crate::protocol::writer::{Level, ProtocolWriter};
use crate::secret::hide_in_answer;

/// How the targets of this program's own events begin.
const OWN: &str = "destination_databricks";

/// From now on, writes events up to the level `most` to `writer`, as LOG messages.
pub fn start(writer: &Arc<ProtocolWriter>, most: LevelFilter) {
    // A second start (in tests) leaves the first one in place.
    let _ = tracing_subscriber::registry().with(ProtocolLayer { writer: Arc::clone(writer), most }).try_init();
}

struct ProtocolLayer {
    writer: Arc<ProtocolWriter>,
    most: LevelFilter,
}

impl<S: Subscriber> Layer<S> for ProtocolLayer {
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        if *metadata.level() > self.most {
            return false;
        }
        let target = metadata.target();
        if target.starts_with(OWN) {
            return true;
        }
        // These log every error with all its details where it occurs; we log it once, where it is handled.
        let is_logged_by_us = ["delta_kernel", "aws_config"].iter().any(|library| target.starts_with(library));
        !is_logged_by_us && *metadata.level() <= tracing::Level::WARN
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = match *event.metadata().level() {
            tracing::Level::ERROR => Level::Error,
            tracing::Level::WARN => Level::Warn,
            tracing::Level::INFO => Level::Info,
            _ => Level::Debug,
        };
        let mut text = Text::default();
        event.record(&mut text);
        let said = text.0.trim_start();
        match event.metadata().target().starts_with(OWN) {
            true => self.writer.log(level, said),
            // A library may repeat what a server said.
            false => self.writer.log(level, &hide_in_answer(said)),
        }
    }
}

#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // The position in a library's source: a path of the machine that built this program.
        if field.name().starts_with("log.") {
            return;
        }
        // Writing into a String cannot fail.
        let _ = if field.name() == "message" {
            write!(self.0, "{value:?}")
        } else {
            write!(self.0, " {}={value:?}", field.name())
        };
    }
}

/// The live line on the terminal; it does nothing if stderr is not a terminal.
pub struct Terminal(Option<ProgressBar>);

impl Terminal {
    /// Starts the line, if stderr is a terminal.
    pub fn start() -> Self {
        let style = ProgressStyle::with_template("{spinner} {elapsed_precise} {msg}").ok();
        Self(
            style.filter(|_| std::io::stderr().is_terminal()).map(|style| ProgressBar::new_spinner().with_style(style)),
        )
    }

    /// Whether stderr is a terminal.
    pub fn is_shown(&self) -> bool {
        self.0.is_some()
    }

    /// Shows how far `progress` is.
    pub fn show(&self, progress: &Progress) {
        if let Some(bar) = &self.0 {
            bar.set_message(report::describe(&progress.totals()));
            bar.tick();
        }
    }

    /// Removes the line.
    pub fn end(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Mutex, PoisonError};

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

    #[test]
    fn what_a_library_says_is_told_without_the_place_in_its_source() {
        let shared = Shared::default();
        let writer = Arc::new(ProtocolWriter::new(Box::new(shared.clone())));
        let layer = ProtocolLayer { writer, most: LevelFilter::INFO };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::warn!(
                log.target = "rustls",
                log.file = "/home/builder/lib.rs",
                log.line = 7,
                count = 3,
                "a certificate"
            );
        });
        let text = String::from_utf8_lossy(&shared.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned();
        assert!(
            text.contains("a certificate count=3") && !text.contains("builder") && !text.contains("log."),
            "{text}"
        );
    }
}
