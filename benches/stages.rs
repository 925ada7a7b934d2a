//! Times each stage of the pipeline, alone and on one core: `cargo bench`.
//!
//! Every figure is bytes of input per second, on messages that this file makes. `benches/end_to_end` times whole syncs.

use std::hint::black_box;

use destination_databricks::clock::random;
use destination_databricks::config::Compression;
use destination_databricks::encode::encoder::Encoder;
use destination_databricks::encode::ids::IdGenerator;
use destination_databricks::encode::rows::Rows;
use destination_databricks::protocol::message::{self, Message};
use destination_databricks::protocol::reader::ChunkReader;
use destination_databricks::protocol::scan::{Record, Scanned, scan};
use destination_databricks::schema::columns::TableSchema;
use divan::Bencher;
use divan::counter::BytesCount;

#[path = "../src/protocol/testing/serde_reference.rs"]
mod serde_reference;

use serde_reference::{Body, Envelope, comparable, reference};

/// Bytes of input of one iteration: the size of a block of rows that is encoded at once.
const BLOCK: usize = 4 << 20;
/// Bytes of a record's data: a narrow row, and a wide one.
const SIZES: [usize; 2] = [500, 3000];
/// The longest line; every message here is far shorter.
const MAX_LINE: usize = 1 << 20;

fn main() {
    let differs = |line: &&str| scan(line).ok().map(comparable) != reference(line);
    for size in SIZES {
        // Two readers that find different values cannot be compared.
        assert_eq!(records(size).lines().find(differs), None);
    }
    divan::main();
}

/// A record's data of about `size` bytes: short fields with numbers and words in random order.
fn data(number: usize, size: usize) -> String {
    const WORDS: [&str; 16] = [
        "order",
        "checkout",
        "basket",
        "delivery",
        "invoice",
        "refund",
        "ticket",
        "priority",
        "customer",
        "support",
        "renewal",
        "contract",
        "größe",
        "a \\\"quote\\\"",
        "line\\nbreak",
        "\\u00e9t\\u00e9",
    ];
    let mut random = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(number as u64 + 1);
    let mut text = format!("{{\"id\":{number}");
    while text.len() < size {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let word = |shift: u32| WORDS.get((random >> shift) as usize % WORDS.len()).copied().unwrap_or_default();
        text += &format!(
            ",\"field_{}\":\"{} {} {}\",\"amount_{}\":{}.{}",
            random % 100,
            word(8),
            word(16),
            word(24),
            random % 90,
            random % 100_000,
            random % 10
        );
    }
    text + "}"
}

/// The data of a block of rows.
fn rows(size: usize) -> Vec<String> {
    (0..BLOCK / size).map(|number| data(number, size)).collect()
}

/// A block of records, one a line.
fn records(size: usize) -> String {
    let record = |data: String| {
        format!(
            "{{\"type\":\"RECORD\",\"record\":{{\"stream\":\"orders\",\"data\":{data},\"emitted_at\":1700000000123}}}}\n"
        )
    };
    rows(size).into_iter().map(record).collect()
}

fn bytes(text: &str) -> BytesCount {
    BytesCount::of_slice(text.as_bytes())
}

#[divan::bench(args = SIZES)]
fn blocks_are_read(bencher: Bencher<'_, '_>, size: usize) {
    // Several reads long, so that the end of a read weighs little.
    let text = records(size).repeat(8);
    bencher.counter(bytes(&text)).bench_local(|| {
        let mut reader = ChunkReader::new(text.as_bytes(), MAX_LINE, || {});
        let mut buffer = Vec::new();
        while let Ok(Some(block)) = reader.next_chunk(std::mem::take(&mut buffer)) {
            buffer = black_box(block);
        }
    });
}

#[divan::bench(args = SIZES)]
fn lines_are_scanned(bencher: Bencher<'_, '_>, size: usize) {
    let text = records(size);
    bencher.counter(bytes(&text)).bench_local(|| {
        let is_record = |line: &&str| matches!(scan(line), Ok(Scanned::Record(record)) if !record.data.is_empty());
        black_box(&text).lines().filter(is_record).count()
    });
}

/// What the scanner is compared with: the same fields, read at once by code that serde derives.
#[divan::bench(args = SIZES)]
fn lines_are_scanned_by_serde(bencher: Bencher<'_, '_>, size: usize) {
    let text = records(size);
    bencher.counter(bytes(&text)).bench_local(|| {
        let is_record = |line: &&str| {
            let envelope: Option<Envelope<'_, Body<'_>>> = serde_json::from_str(line).ok();
            let body = envelope.filter(|envelope| envelope.kind == "RECORD").and_then(|envelope| envelope.record);
            black_box(body.map(|body| (body.stream, body.namespace, body.data.get().len(), body.emitted_at))).is_some()
        };
        black_box(&text).lines().filter(is_record).count()
    });
}

fn pushed(data: &[String]) -> Rows {
    let mut rows = Rows::default();
    for (number, json) in data.iter().enumerate() {
        rows.push(json.as_bytes(), 1_700_000_000_000_000 + number as i64, BLOCK);
    }
    rows
}

#[divan::bench(args = SIZES)]
fn rows_are_pushed(bencher: Bencher<'_, '_>, size: usize) {
    let data = rows(size);
    let total = BytesCount::new(data.iter().map(String::len).sum::<usize>());
    bencher.counter(total).bench_local(|| pushed(black_box(&data)));
}

fn encode(bencher: Bencher<'_, '_>, size: usize, compression: Compression) {
    let encoder = Encoder::new(TableSchema::raw(), compression);
    let data = rows(size);
    let total = BytesCount::new(data.iter().map(String::len).sum::<usize>());
    let mut ids = IdGenerator::new(random);
    bencher
        .with_inputs(|| (pushed(&data), ids.range(1_700_000_000_000, data.len() as u64)))
        .input_counter(move |_| total)
        .bench_local_values(|(rows, ids)| encoder.encode(rows, ids).ok().map(|encoded| encoded.group.size()));
}

#[divan::bench(args = SIZES)]
fn a_block_is_encoded_with_zstd(bencher: Bencher<'_, '_>, size: usize) {
    encode(bencher, size, Compression::Zstd);
}

#[divan::bench(args = SIZES)]
fn a_block_is_encoded_with_snappy(bencher: Bencher<'_, '_>, size: usize) {
    encode(bencher, size, Compression::Snappy);
}

/// A STATE with only a cursor, and one whose state is a document.
#[divan::bench(args = [50, 3000])]
fn states_are_read_and_given_back(bencher: Bencher<'_, '_>, size: usize) {
    let state = data(1, size);
    let line = format!(
        "{{\"type\":\"STATE\",\"state\":{{\"type\":\"STREAM\",\"stream\":{{\"stream_descriptor\":{{\"name\":\"orders\",\
         \"namespace\":\"shop\"}},\"stream_state\":{state}}},\"sourceStats\":{{\"recordCount\":2.0}}}}}}"
    );
    bencher.counter(bytes(&line)).bench_local(|| match message::read(black_box(&line)) {
        Ok(Message::State(state)) => state.acknowledge(2).ok(),
        _ => None,
    });
}
