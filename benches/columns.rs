//! Times how records become typed columns in Parquet: `benches/columns` makes the messages and compares with DuckDB.
//!
//! `cargo bench --bench columns -- PREFIX [THREADS]` reads `PREFIX.messages.jsonl` and `PREFIX.catalog.json`, as
//! `gen_messages.py` writes them for one stream, and prints seconds: to read the messages into rows on one thread, then to encode
//! their blocks, and the bytes of all row groups.

#![allow(clippy::print_stdout, reason = "a benchmark prints what it has measured")]

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use destination_databricks::clock::random;
use destination_databricks::config::Compression;
use destination_databricks::encode::encoder::Encoder;
use destination_databricks::encode::ids::{IdGenerator, IdRange};
use destination_databricks::encode::rows::Rows;
use destination_databricks::error::Result;
use destination_databricks::protocol::scan::{Scanned, scan};
use destination_databricks::schema::json_schema::{self, ColumnOptions, Nested, Number};

/// Bytes of memory for rows with the default limit of memory.
const MEMORY: usize = 64 << 20;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let Some(prefix) = arguments.next() else {
        println!("benches/columns runs this; alone it needs the prefix of messages and a catalog");
        return;
    };
    let threads = arguments.next().and_then(|threads| threads.parse().ok()).unwrap_or(2);
    if let Err(error) = run(&prefix, threads) {
        println!("{error}");
    }
}

fn run(prefix: &str, threads: usize) -> Result<()> {
    let messages = fs::read_to_string(format!("{prefix}.messages.jsonl")).unwrap_or_default();
    let catalog = fs::read_to_string(format!("{prefix}.catalog.json")).unwrap_or_default();
    // The catalog has the schema's properties in their order, which a tree of values would not keep.
    let begin = catalog.find("\"json_schema\":").map_or(0, |at| at + "\"json_schema\":".len());
    let mut values = serde_json::Deserializer::from_str(catalog.get(begin..).unwrap_or_default())
        .into_iter::<Box<serde_json::value::RawValue>>();
    let Some(Ok(schema)) = values.next() else {
        println!("{prefix}.catalog.json has no schema");
        return Ok(());
    };
    let schema = json_schema::columns(schema.get(), ColumnOptions { number: Number::Double, nested: Nested::Typed })?;
    let encoder = Encoder::new(schema.into(), Compression::Zstd);
    let begin = Instant::now();
    let blocks = blocks(&messages, encoder.block_size(MEMORY));
    let read = begin.elapsed();
    let begin = Instant::now();
    let (next, bytes) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let blocks: Vec<Mutex<Option<(Rows, IdRange)>>> = blocks.into_iter().map(|block| Mutex::new(Some(block))).collect();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(block) = blocks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let block = block.lock().ok().and_then(|mut block| block.take());
                    let encoded = block.and_then(|(rows, ids)| encoder.encode(rows, ids).ok());
                    bytes.fetch_add(encoded.map_or(0, |encoded| encoded.group.size()), Ordering::Relaxed);
                }
            });
        }
    });
    println!("{} {} {}", read.as_secs_f64(), begin.elapsed().as_secs_f64(), bytes.into_inner());
    Ok(())
}

fn blocks(messages: &str, size: usize) -> Vec<(Rows, IdRange)> {
    let mut ids = IdGenerator::new(random);
    let (mut blocks, mut rows) = (Vec::new(), Rows::default());
    for line in messages.lines() {
        if let Ok(Scanned::Record(record)) = scan(line) {
            rows.push(record.data, record.emitted_at * 1000, size);
        }
        if rows.data_bytes() >= size {
            let ids = ids.range(1_700_000_000_000, rows.len() as u64);
            blocks.push((std::mem::take(&mut rows), ids));
        }
    }
    if !rows.is_empty() {
        let ids = ids.range(1_700_000_000_000, rows.len() as u64);
        blocks.push((rows, ids));
    }
    blocks
}
