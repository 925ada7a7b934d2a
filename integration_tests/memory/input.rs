//! A source that generates its messages while they are read, and never holds them all.

use std::io::Read;
use std::sync::Arc;

/// What a source sends: every stream in turn, record by record.
#[derive(Clone, Copy)]
pub struct Plan {
    /// How many streams.
    pub streams: usize,
    /// How many records of each.
    pub records: usize,
    /// Bytes of a record's `data`, about.
    pub size: usize,
    /// A STATE follows each so many records of its stream; divides `records`, so that the last message of a stream is one.
    pub state_every: usize,
    /// Typed columns of each stream beside the raw layout's, with a value in each record; 0 for the raw layout.
    pub columns: usize,
    /// Records replace one another by their keys, of which there are so many; 0 where they are appended.
    pub keys: usize,
}

impl Plan {
    /// Bytes of all records' data, about.
    pub fn bytes(&self) -> usize {
        self.streams * self.records * (self.size + self.values().len())
    }

    /// How many STATEs there are.
    pub fn states(&self) -> usize {
        self.streams * self.records / self.state_every
    }

    /// The names of the properties that every record has in this plan, beside `text`; their values are whole numbers.
    pub fn properties(&self) -> impl Iterator<Item = String> + use<> {
        (0..self.columns).map(|column| format!("c{column}"))
    }

    /// Those properties with their values, as they stand in a record.
    fn values(&self) -> String {
        self.properties().map(|name| format!("\"{name}\":{},", name.len())).collect()
    }

    /// The name of a stream.
    pub fn name(stream: usize) -> String {
        format!("stream_{stream}")
    }
}

/// Words in no order, as texts have them: they compress to about a third, and no part comes twice in one Parquet page.
pub fn words() -> Arc<[u8]> {
    const WORDS: [&str; 16] = [
        "order ",
        "checkout ",
        "basket ",
        "delivery ",
        "invoice ",
        "refund ",
        "ticket ",
        "priority ",
        "customer ",
        "x",
        "1",
        "7",
        "b",
        "k",
        "renewal ",
        "contract ",
    ];
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut text = Vec::with_capacity(POOL + 16);
    while text.len() < POOL {
        // Xorshift: no quality is needed, only that nothing repeats.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        for nibble in 0..16_u32 {
            text.extend_from_slice(WORDS[(random >> (nibble * 4)) as usize % WORDS.len()].as_bytes());
        }
    }
    text.truncate(POOL);
    text.into()
}

/// More than zstd looks back, and no multiple of a record's size.
const POOL: usize = (4 << 20) + 13;

/// The messages of a plan.
pub struct Messages {
    plan: Plan,
    words: Arc<[u8]>,
    /// Where in `words` the next text begins.
    at: usize,
    /// The next record; they are counted over all streams.
    record: usize,
    /// What is given out next, from `given` on: the end of one record and the beginning of the next.
    line: Vec<u8>,
    given: usize,
    /// Bytes of text that follow it.
    text: usize,
    begun: bool,
    /// The values of the plan's columns.
    values: String,
}

impl Messages {
    /// The messages of `plan`, with texts from `words`.
    pub fn new(plan: Plan, words: Arc<[u8]>) -> Self {
        Self { plan, words, at: 0, record: 0, line: Vec::new(), given: 0, text: 0, begun: false, values: plan.values() }
    }

    /// Ends the record at hand and begins the next one, if there is one.
    fn advance(&mut self) {
        self.line.clear();
        self.given = 0;
        if self.begun {
            self.line.extend_from_slice(b"\"},\"emitted_at\":1700000000123}}\n");
            let (stream, count) = (self.record % self.plan.streams, self.record / self.plan.streams + 1);
            if count.is_multiple_of(self.plan.state_every) {
                let name = Plan::name(stream);
                let state = format!(
                    "{{\"type\":\"STATE\",\"state\":{{\"type\":\"STREAM\",\"stream\":{{\"stream_descriptor\":\
                     {{\"name\":\"{name}\"}},\"stream_state\":{{\"count\":{count}}}}}}}}}\n"
                );
                self.line.extend_from_slice(state.as_bytes());
            }
            self.record += 1;
            self.begun = false;
        }
        if self.record < self.plan.streams * self.plan.records {
            let name = Plan::name(self.record % self.plan.streams);
            let head = format!(
                "{{\"type\":\"RECORD\",\"record\":{{\"stream\":\"{name}\",\"data\":{{\"id\":{},{}\"text\":\"",
                if self.plan.keys > 0 { self.record % self.plan.keys } else { self.record },
                self.values
            );
            self.line.extend_from_slice(head.as_bytes());
            self.text = self.plan.size;
            self.begun = true;
        }
    }
}

impl Read for Messages {
    fn read(&mut self, target: &mut [u8]) -> std::io::Result<usize> {
        let mut filled = 0;
        while filled < target.len() {
            if self.given == self.line.len() && self.text == 0 {
                self.advance();
                if self.line.is_empty() {
                    break;
                }
            }
            let in_line = self.given < self.line.len();
            let (from, left) =
                if in_line { (&self.line[self.given..], usize::MAX) } else { (&self.words[self.at..], self.text) };
            let count = from.len().min(left).min(target.len() - filled);
            target[filled..filled + count].copy_from_slice(&from[..count]);
            filled += count;
            if in_line {
                self.given += count;
            } else {
                self.text -= count;
                self.at = (self.at + count) % self.words.len();
            }
        }
        Ok(filled)
    }
}
