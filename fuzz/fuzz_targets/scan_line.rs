//! The scanner against code that serde derives: each line is accepted by both with the same values, or by neither.
#![no_main]

use destination_databricks::protocol::scan::{Record, Scanned, scan};
use libfuzzer_sys::fuzz_target;

#[path = "../../src/protocol/testing/serde_reference.rs"]
#[allow(dead_code)]
mod serde_reference;

use serde_reference::{comparable, reference};

fuzz_target!(|input: &[u8]| {
    // The caller of the scanner has checked the block to be UTF-8.
    let Ok(block) = std::str::from_utf8(input) else { return };
    for line in block.split('\n') {
        let scanned = scan(line);
        if let Err(malformed) = &scanned {
            assert!(malformed.at <= line.len(), "an error behind the line's end");
        }
        assert_eq!(scanned.clone().ok().map(comparable), reference(line), "{:?}", scanned.as_ref().err());
    }
});
