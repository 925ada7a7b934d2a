//! How much memory a sync takes, without a clock: the bytes that are allocated are counted, against ceilings.
//!
//! Whole syncs run in this process, one after the other (the count is the process's), on messages that are made while
//! they are read. A ceiling is what was measured and about 30 % more. Longer input was measured to take no more: four
//! times for 10,000 streams and for STATEs, three times for large records. Streams in typed columns have the ceilings of raw ones.
//! `cargo test --test memory -- --nocapture` shows the figures.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]

mod counting;
mod input;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use destination_databricks::clock::{ClockAndIds, SystemClock};
use destination_databricks::protocol::writer::ProtocolWriter;
use destination_databricks::sync::Context;
use destination_databricks::tasks::stop::Stop;
use destination_databricks::tasks::threads::Threads;
use destination_databricks::write;
use serde_json::json;
use uuid::Uuid;

use counting::{Counting, peak_of};
use input::{Messages, Plan, words};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const MB: usize = 1_000_000;

/// What a sync may hold at most, in megabytes, and what it is given.
const CASES: [(&str, usize, Plan); 10] = [
    ("one stream", 25, Plan { streams: 1, records: 340_000, size: 590, state_every: 10_000, columns: 0, keys: 0 }),
    (
        "1,000 interleaved streams",
        76,
        Plan { streams: 1000, records: 100, size: 1000, state_every: 50, columns: 0, keys: 0 },
    ),
    (
        "10,000 interleaved streams",
        112,
        Plan { streams: 10_000, records: 10, size: 600, state_every: 10, columns: 0, keys: 0 },
    ),
    (
        "50,000 streams of one record and a STATE",
        200,
        Plan { streams: 50_000, records: 1, size: 100, state_every: 1, columns: 0, keys: 0 },
    ),
    (
        "a STATE after every record",
        60,
        Plan { streams: 1, records: 85_000, size: 590, state_every: 1, columns: 0, keys: 0 },
    ),
    (
        "1,000 interleaved streams in typed columns",
        76,
        Plan { streams: 1000, records: 80, size: 1000, state_every: 40, columns: 20, keys: 0 },
    ),
    (
        "10,000 interleaved streams in typed columns",
        112,
        Plan { streams: 10_000, records: 4, size: 600, state_every: 2, columns: 10, keys: 0 },
    ),
    (
        "2,000 typed columns",
        112,
        Plan { streams: 1, records: 3_000, size: 100, state_every: 1000, columns: 2000, keys: 0 },
    ),
    (
        "append + dedup where every key comes twice",
        34,
        Plan { streams: 1, records: 400_000, size: 60, state_every: 100_000, columns: 0, keys: 200_000 },
    ),
    ("records of 20 MB", 160, Plan { streams: 1, records: 8, size: 20 * MB, state_every: 4, columns: 0, keys: 0 }),
];

#[test]
fn a_sync_stays_below_its_ceiling_however_many_streams_states_and_bytes_there_are() {
    let words = words();
    let mut above = Vec::new();
    for (name, ceiling, plan) in CASES {
        let peak = peak_of(|| sync(plan, Messages::new(plan, Arc::clone(&words)))) / MB;
        println!("{name}: {} MB of input, at most {peak} MB allocated, ceiling {ceiling} MB", plan.bytes() / MB);
        if peak > ceiling {
            above.push(format!("{name}: {peak} MB were allocated at once, {ceiling} MB are allowed"));
        }
    }
    assert!(above.is_empty(), "{above:#?}");
}

/// Counts the STATEs that it is told.
#[derive(Clone, Default)]
struct Heard(Arc<AtomicUsize>);

impl Write for Heard {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        let states = text.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{\"type\":\"STATE\"")).count();
        self.0.fetch_add(states, Ordering::Relaxed);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// `write`, as `main` runs it, into a folder of its own. All STATEs must come back: each record was loaded.
fn sync(plan: Plan, input: Messages) {
    let folder = tempfile::tempdir().unwrap();
    let (config, catalog) = (folder.path().join("config.json"), folder.path().join("catalog.json"));
    // The default of a large machine, whatever this one has.
    let settings = json!({
        "table_layout": if plan.columns > 0 { "columns" } else { "raw" },
        "data_source": {"data_source_type": "LOCAL_STORAGE", "local_path": folder.path().join("lake")},
        "memory_limit_mb": 256,
    });
    std::fs::write(&config, settings.to_string()).unwrap();
    write_catalog(plan, &catalog);

    let heard = Heard::default();
    let context = Context {
        writer: Arc::new(ProtocolWriter::new(Box::new(heard.clone()))),
        clock_and_ids: ClockAndIds { clock: Arc::new(SystemClock), new_id: Uuid::now_v7 },
        stop: Stop::default(),
        threads: Threads::plenty(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(64).build().unwrap();
    let ended = runtime.block_on(write::run(&config, &catalog, input, &context));
    runtime.shutdown_background();
    ended.unwrap();
    assert_eq!(heard.0.load(Ordering::Relaxed), plan.states(), "not all STATEs came back");
}

/// Writes the catalog of `plan` to `path`, stream by stream: what the test holds is counted, too.
fn write_catalog(plan: Plan, path: &Path) {
    let mut schema = json!({});
    let (mode, key) = if plan.keys > 0 { ("append_dedup", json!([["id"]])) } else { ("append", json!([])) };
    if plan.keys > 0 {
        schema = json!({"properties": {"id": {"type": "integer"}}});
    }
    if plan.columns > 0 {
        let integers = plan.properties().map(|name| (name, json!({"type": "integer"})));
        let properties: serde_json::Map<_, _> =
            integers.chain([("text".to_owned(), json!({"type": "string"}))]).collect();
        schema = json!({"properties": properties});
    }
    let mut file = BufWriter::new(File::create(path).unwrap());
    for stream in 0..plan.streams {
        let name = Plan::name(stream);
        let opening = if stream == 0 { "{\"streams\":[" } else { "," };
        let stream = json!({"name": name, "json_schema": schema, "supported_sync_modes": ["full_refresh"]});
        let mut stream = json!({"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": mode});
        if plan.keys > 0 {
            stream["primary_key"] = key.clone();
        }
        write!(file, "{opening}{stream}").unwrap();
    }
    write!(file, "]}}").unwrap();
    file.flush().unwrap();
}
