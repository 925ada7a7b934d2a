//! `write`: read messages, load their records, give back the STATEs, and say what was done.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use indicatif::HumanBytes;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::pipeline::progress::{Progress, STREAMS_SHOWN, StreamProgress};
use crate::pipeline::stop::Reason;
use crate::pipeline::{Outcome, heartbeat, watch_for_stop};
use crate::protocol::catalog::Catalog;
use crate::sync::{CleanUp, Surroundings, Sync, TERMINAL_INTERVAL};
use crate::telemetry::{Terminal, describe, peak_memory, rate};

/// How a `write` ended: what went wrong, and who stopped it.
pub struct Ended {
    /// Everything is in the tables, or what was in the way.
    pub result: Result<()>,
    /// The signal that stopped it.
    pub stopped: Option<Reason>,
}

/// How long cleaning up may take for a sync that was stopped: whoever stopped it does not wait for long.
const STOPPED: Duration = Duration::from_secs(2);

/// Runs `write` with the files `config` and `catalog` on the messages of `input`.
pub async fn run(config: &Path, catalog: &Path, input: impl Read + Send + 'static, around: &Surroundings) -> Ended {
    match transfer(config, catalog, input, around).await {
        Ok(outcome) => Ended { result: outcome.result, stopped: outcome.stopped },
        Err(error) => Ended { result: Err(error), stopped: around.stop.reason() },
    }
}

async fn transfer(
    config: &Path,
    catalog: &Path,
    input: impl Read + Send + 'static,
    around: &Surroundings,
) -> Result<Outcome> {
    let config = Config::from_file(config)?;
    config.ensure_supported()?;
    config.warn();
    let catalog = Catalog::from_file(catalog)?;
    watch_for_stop(&around.stop, &around.writer)?;

    let sync = Sync::prepare(&config, &catalog, around).await?;
    tracing::info!("Sync {} begins: {} streams.", sync.id(), catalog.streams.len());

    let progress = sync.progress();
    let beats = {
        let progress = Arc::clone(&progress);
        let mut before = progress.streams();
        heartbeat(config.tuning.heartbeat, move || tell_progress(&progress, &mut before))
    };
    let terminal = Arc::new(Terminal::start());
    let display = terminal.is_shown().then(|| {
        let (terminal, progress) = (Arc::clone(&terminal), Arc::clone(&progress));
        heartbeat(TERMINAL_INTERVAL, move || terminal.show(&progress))
    });
    let (outcome, clean_up) = sync.transfer(input).await;
    drop((beats, display));
    terminal.end();

    let cleaned = clean(clean_up, &outcome, config.tuning.patience.clean_up()).await;
    if let Err(error) = cleaned {
        // Everything is loaded and acknowledged, or the reason why not is told already. The next sync sweeps again.
        tracing::warn!("{}", error.internal_message());
    }
    summarise(&progress, &outcome);
    Ok(outcome)
}

/// Cleans up; after a failure for `most`, since whoever waits for its reason is not to wait for a store that is gone. A sync
/// whose work goes on has to end its clean-up, or it would be taken for dead.
async fn clean(clean_up: CleanUp, outcome: &Outcome, most: Duration) -> Result<()> {
    let cleaning = clean_up.run(outcome);
    let is_stopped = outcome.stopped.is_some();
    if outcome.result.is_ok() || !(outcome.idle || is_stopped) {
        return cleaning.await;
    }
    let most = if is_stopped { most.min(STOPPED) } else { most };
    tokio::time::timeout(most, cleaning).await.unwrap_or_else(|_| {
        Err(Error::transient(format!(
            "Cleaning up after the failure was given up after {most:.0?}: what is left is cleared away by the next sync."
        )))
    })
}

/// One message for all, and one for each stream whose rows have become more since `before`.
fn tell_progress(progress: &Progress, before: &mut Vec<StreamProgress>) {
    tracing::info!("{}.", describe(&progress.snapshot()));
    let now = progress.streams();
    let changed = now.iter().zip(before.iter()).filter(|(now, before)| now.loaded_rows != before.loaded_rows);
    for (stream, _) in changed.take(STREAMS_SHOWN) {
        tracing::info!("Stream {}: rows loaded {}.", stream.name, stream.loaded_rows);
    }
    *before = now;
}

fn summarise(progress: &Progress, outcome: &Outcome) {
    let now = progress.snapshot();
    let mut streams = progress.streams();
    let total = streams.iter().fold(StreamProgress::default(), |mut total, stream| {
        total.loaded_rows += stream.loaded_rows;
        total.loaded_bytes += stream.loaded_bytes;
        total.files += stream.files;
        total.rejected += stream.rejected;
        total
    });
    streams.sort_by_key(|stream| std::cmp::Reverse(stream.loaded_rows));
    for stream in streams.iter().take(STREAMS_SHOWN) {
        tracing::info!(
            "Stream {}: rows loaded {}, rejected {}, JSON {}, files {} ({}).",
            stream.name,
            stream.loaded_rows,
            stream.rejected,
            HumanBytes(stream.bytes),
            stream.files,
            HumanBytes(stream.loaded_bytes),
        );
    }
    if streams.len() > STREAMS_SHOWN {
        tracing::info!("And {} more streams with fewer rows.", streams.len() - STREAMS_SHOWN);
    }
    let (given_back, kept) = outcome.states;
    tracing::info!(
        "The sync {}: records read {}, rows loaded {}, rejected {}, files {} ({}), states given back {}, kept back {}, \
         seconds {:.1}, MB/s {:.1}, peak memory {}.",
        if outcome.result.is_ok() { "is complete" } else { "has failed" },
        now.records,
        total.loaded_rows,
        total.rejected,
        total.files,
        HumanBytes(total.loaded_bytes),
        given_back,
        kept,
        now.seconds,
        rate(now.bytes, now.seconds),
        HumanBytes(peak_memory().unwrap_or(0)),
    );
}
