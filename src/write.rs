//! `write`: read messages, load their records, give back the STATEs, and say what was done.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use indicatif::HumanBytes;

use crate::config::{Config, ensure_standard_input, is_job_of_platform};
use crate::counted::counted;
use crate::error::{Error, Result};
use crate::pipeline::progress::{Progress, STREAMS_SHOWN, StreamProgress};
use crate::pipeline::stop::Reason;
use crate::pipeline::{Outcome, heartbeat, watch_for_stop};
use crate::protocol::catalog::{Caller, Catalog, Disposition};
use crate::sync::{CleanUp, STOPPED, Surroundings, Sync, TERMINAL_INTERVAL};
use crate::telemetry::{Terminal, describe, peak_memory, rate};

/// How a `write` ended: what went wrong, and who stopped it.
pub struct Ended {
    /// Everything is in the tables, or what was in the way.
    pub result: Result<()>,
    /// The signal that stopped it.
    pub stopped: Option<Reason>,
}

/// Streams that a heartbeat names.
const MOVED_SHOWN: usize = 10;

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
    ensure_standard_input()?;
    let config = Config::from_file(config)?;
    config.ensure_supported()?;
    config.warn();
    let caller = if is_job_of_platform() { Caller::Platform } else { Caller::Other };
    let catalog = Catalog::from_file(catalog, caller)?;
    watch_for_stop(&around.stop, &around.writer, &around.givens.clock)?;

    let adds = catalog.streams.iter().all(|stream| stream.disposition == Disposition::Append);
    let prepared = Sync::prepare(&config, &catalog, around).await;
    let sync = prepared.map_err(|error| if adds { error } else { error.starting_over() })?;
    tracing::info!("Sync {} begins: {}.", sync.id(), counted(catalog.streams.len() as u64, "stream"));

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

/// One message for all, and one for each of the few streams whose rows have become most since `before`.
fn tell_progress(progress: &Progress, before: &mut Vec<StreamProgress>) {
    tracing::info!("{}.", describe(&progress.snapshot()));
    let now = progress.streams();
    for stream in moved_most(&now, before) {
        tracing::info!("Stream {}: rows loaded {}.", stream.name, stream.loaded_rows);
    }
    *before = now;
}

/// The streams that have got most rows since `before`, the first one first.
fn moved_most<'a>(now: &'a [StreamProgress], before: &[StreamProgress]) -> Vec<&'a StreamProgress> {
    let gained = now.iter().zip(before).map(|(now, before)| (now.loaded_rows.saturating_sub(before.loaded_rows), now));
    let mut moved: Vec<_> = gained.filter(|(rows, _)| *rows > 0).collect();
    moved.sort_by_key(|(rows, _)| std::cmp::Reverse(*rows));
    moved.into_iter().take(MOVED_SHOWN).map(|(_, stream)| stream).collect()
}

/// The part of a summary that tells of values changed before they came here, if there are any.
fn changed(stream: &StreamProgress) -> String {
    if stream.changed == 0 { String::new() } else { format!(", values changed on their way here {}", stream.changed) }
}

fn summarise(progress: &Progress, outcome: &Outcome) {
    let now = progress.snapshot();
    let mut streams = progress.streams();
    let total = streams.iter().fold(StreamProgress::default(), |mut total, stream| {
        total.loaded_rows += stream.loaded_rows;
        total.loaded_bytes += stream.loaded_bytes;
        total.files += stream.files;
        total.rejected += stream.rejected;
        total.changed += stream.changed;
        total
    });
    streams.sort_by_key(|stream| std::cmp::Reverse(stream.loaded_rows));
    for stream in streams.iter().take(STREAMS_SHOWN) {
        tracing::info!(
            "Stream {}: rows loaded {}, rejected {}, JSON {}, files {} ({}){}.",
            stream.name,
            stream.loaded_rows,
            stream.rejected,
            HumanBytes(stream.bytes),
            stream.files,
            HumanBytes(stream.loaded_bytes),
            changed(stream),
        );
    }
    if streams.len() > STREAMS_SHOWN {
        let others = counted((streams.len() - STREAMS_SHOWN) as u64, "other stream");
        tracing::info!("And {others} with fewer rows.");
    }
    let (given_back, kept) = outcome.states;
    tracing::info!(
        "The sync {}: records read {}, rows loaded {}, rejected {}, files {} ({}){}, states given back {}, kept back {}, \
         seconds {:.1}, MB/s {:.1}, peak memory {}.",
        if outcome.result.is_ok() { "is complete" } else { "has failed" },
        now.records,
        total.loaded_rows,
        total.rejected,
        total.files,
        HumanBytes(total.loaded_bytes),
        changed(&total),
        given_back,
        kept,
        now.seconds,
        rate(now.bytes, now.seconds),
        HumanBytes(peak_memory().unwrap_or(0)),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_names_the_ten_streams_that_moved_most() {
        let stream = |n: u64| StreamProgress { name: n.to_string(), loaded_rows: n * 100, ..Default::default() };
        let before: Vec<_> = (0..100).map(stream).collect();
        let mut now = before.clone();
        now.iter_mut().enumerate().skip(50).for_each(|(n, stream)| stream.loaded_rows += 100 - n as u64);
        let named: Vec<&str> = moved_most(&now, &before).iter().map(|stream| stream.name.as_str()).collect();
        assert_eq!(named, ["50", "51", "52", "53", "54", "55", "56", "57", "58", "59"]);
        assert!(moved_most(&before, &before).is_empty());
    }
}
