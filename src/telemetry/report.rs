//! The texts that report a sync's counters: while it runs, and the summary at its end.

use indicatif::HumanBytes;

use crate::counted::counted;
use crate::pipeline::Outcome;
use crate::pipeline::progress::{Progress, STREAMS_SHOWN, StreamProgress, Totals};

/// Streams that one report of a running sync names.
const MOVED_SHOWN: usize = 10;

/// Logs the sync's totals, and the rows of the few streams that got most rows since the last report. `before` holds the
/// streams' counters of that report, and is set to those of this one.
pub fn report_progress(progress: &Progress, before: &mut Vec<StreamProgress>) {
    tracing::info!("{}.", describe(&progress.totals()));
    let now = progress.streams();
    for stream in moved_most(&now, before) {
        tracing::info!("Stream {}: rows loaded {}.", stream.name, stream.loaded_rows);
    }
    *before = now;
}

/// Logs one line for each of the streams with most rows, and one for the whole sync.
pub fn summarise(progress: &Progress, outcome: &Outcome) {
    let now = progress.totals();
    let mut streams = progress.streams();
    let total = streams.iter().fold(StreamProgress::default(), |mut total, stream| {
        total.loaded_rows += stream.loaded_rows;
        total.loaded_bytes += stream.loaded_bytes;
        total.files += stream.files;
        total.changed += stream.changed;
        total.misfits += stream.misfits;
        total
    });
    streams.sort_by_key(|stream| std::cmp::Reverse(stream.loaded_rows));
    for stream in streams.iter().take(STREAMS_SHOWN) {
        tracing::info!(
            "Stream {}: rows loaded {}, JSON {}, files {} ({}){}.",
            stream.name,
            stream.loaded_rows,
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
    tracing::info!(
        "The sync {}: records read {}, rows loaded {}, files {} ({}){}, states given back {}, kept back {}, seconds {:.1}, \
         MB/s {:.1}, peak memory {}.",
        if outcome.result.is_ok() { "is complete" } else { "has failed" },
        now.records,
        total.loaded_rows,
        total.files,
        HumanBytes(total.loaded_bytes),
        changed(&total),
        outcome.states.released,
        outcome.states.waiting,
        now.seconds,
        rate(now.bytes, now.seconds),
        HumanBytes(peak_memory().unwrap_or(0)),
    );
}

/// The sync's totals in one sentence, without a full stop.
pub fn describe(now: &Totals) -> String {
    let memory = peak_memory().map(|bytes| format!(", peak memory {}", HumanBytes(bytes))).unwrap_or_default();
    format!(
        "{} read, {} of input, {:.1} MB/s, {} staged, {} read{memory}",
        counted(now.records, "record"),
        HumanBytes(now.bytes),
        rate(now.bytes, now.seconds),
        counted(now.staged_rows, "row"),
        counted(now.states_in, "state"),
    )
}

/// The streams that got rows since `before`, those with most new rows first.
fn moved_most<'a>(now: &'a [StreamProgress], before: &[StreamProgress]) -> Vec<&'a StreamProgress> {
    let gained = now.iter().zip(before).map(|(now, before)| (now.loaded_rows.saturating_sub(before.loaded_rows), now));
    let mut moved: Vec<_> = gained.filter(|(rows, _)| *rows > 0).collect();
    moved.sort_by_key(|(rows, _)| std::cmp::Reverse(*rows));
    moved.into_iter().take(MOVED_SHOWN).map(|(_, stream)| stream).collect()
}

/// The part of a line about values that were changed before they came here, or did not fit here; empty if there are none.
fn changed(stream: &StreamProgress) -> String {
    let part = |what: &str, count: u64| if count == 0 { String::new() } else { format!(", values {what} {count}") };
    part("changed on their way here", stream.changed) + &part("that did not fit their columns", stream.misfits)
}

/// Megabytes (10^6 bytes) a second.
fn rate(bytes: u64, seconds: f64) -> f64 {
    let bytes = bytes as f64;
    bytes / 1e6 / seconds.max(1e-3)
}

/// The most memory that this process has held so far, in bytes; `None` where the system does not say.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_the_ten_streams_that_moved_most() {
        let stream = |n: u64| StreamProgress { name: n.to_string(), loaded_rows: n * 100, ..Default::default() };
        let before: Vec<_> = (0..100).map(stream).collect();
        let mut now = before.clone();
        now.iter_mut().enumerate().skip(50).for_each(|(n, stream)| stream.loaded_rows += 100 - n as u64);
        let named: Vec<&str> = moved_most(&now, &before).iter().map(|stream| stream.name.as_str()).collect();
        assert_eq!(named, ["50", "51", "52", "53", "54", "55", "56", "57", "58", "59"]);
        assert!(moved_most(&before, &before).is_empty());
    }
}
