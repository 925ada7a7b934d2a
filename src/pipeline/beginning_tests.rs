//! What is read before the tables are opened, and that all of it comes again.

use super::*;

const STATE: &str =
    r#"{"type":"STATE","state":{"type":"STREAM","stream":{"stream_descriptor":{"name":"a"},"stream_state":{}}}}"#;
const COMPLETE: &str = r#"{"type":"TRACE","trace":{"type":"STREAM_STATUS","emitted_at":1764000000.5,"stream_status":{"stream_descriptor":{"name":"a"},"status":"COMPLETE"}}}"#;
const LOG: &str = r#"{"type":"LOG","log":{"level":"INFO","message":"m"}}"#;
const OF_CACHE: &str = r#"{"type":"RECORD","record":{"stream":"a","data":{"id":1,"_airbyte_raw_id":"r","_airbyte_extracted_at":"t"},"emitted_at":1}}"#;
const OF_SOURCE: &str = r#"{"type":"RECORD","record":{"stream":"a","data":{"id":1},"emitted_at":1}}"#;

/// Gives what it has, so many bytes at a time. Behind its end nothing may be asked of it, as a terminal would wait there.
struct Pipe {
    bytes: Vec<u8>,
    given: usize,
    at_once: usize,
    ends: bool,
    ended: bool,
}

impl Read for Pipe {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let left = &self.bytes[self.given..];
        if left.is_empty() {
            assert!(!std::mem::replace(&mut self.ended, true), "it is read behind its end");
            return if self.ends { Ok(0) } else { Err(io::Error::other("nothing more comes")) };
        }
        let count = left.len().min(target.len()).min(self.at_once);
        target[..count].copy_from_slice(&left[..count]);
        self.given += count;
        Ok(count)
    }
}

fn pipe(lines: &[&str], at_once: usize, ends: bool) -> Pipe {
    let bytes = lines.iter().flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect();
    Pipe { bytes, given: 0, at_once, ends, ended: false }
}

#[test]
fn the_first_record_tells_behind_messages_that_the_cache_sends_too() {
    for (lines, is_of_cache) in [
        (&[OF_CACHE, OF_SOURCE][..], true),
        (&[STATE, COMPLETE, STATE, COMPLETE, OF_CACHE], true),
        (&[OF_SOURCE, OF_CACHE], false),
        (&[STATE, LOG, OF_CACHE], false),
        (&[LOG, OF_CACHE], false),
        (&["", OF_CACHE], false),
        (&[&OF_CACHE[1..], OF_CACHE], false),
        (&[STATE, COMPLETE], false),
        (&[], false),
    ] {
        for at_once in [1, 100, 1 << 20] {
            let mut begun = Begun::read(pipe(lines, at_once, true));
            assert_eq!(begun.is_of_cache(), is_of_cache, "{lines:?}");
            let has_ended = begun.end.is_some();
            let mut again = String::new();
            begun.read_to_string(&mut again).unwrap();
            assert_eq!(again, lines.iter().map(|line| format!("{line}\n")).collect::<String>());
            assert!(!has_ended || begun.read(&mut [0]).unwrap() == 0, "the end stays the end");
        }
    }
}

#[test]
fn nothing_behind_the_line_that_tells_is_waited_for() {
    for line in [OF_CACHE, OF_SOURCE, LOG, "{"] {
        let begun = Begun::read(pipe(&[STATE, line], 1 << 20, false));
        assert!(!begun.input.ended, "{line}");
    }
}

#[test]
fn a_failure_of_the_input_comes_behind_what_was_read_before_it() {
    let mut begun = Begun::read(pipe(&[STATE], 10, false));
    let mut again = String::new();
    let failure = begun.read_to_string(&mut again).unwrap_err();
    assert_eq!((failure.to_string().as_str(), again.trim_end()), ("nothing more comes", STATE));
}

#[test]
fn a_beginning_that_is_too_long_tells_nothing_and_is_not_lost() {
    let long = OF_CACHE.replace('t', &"t".repeat(LONGEST));
    let mut begun = Begun::read(pipe(&[&long], usize::MAX, true));
    assert!(!begun.is_of_cache() && begun.bytes.len() < LONGEST + READ_SIZE);
    let mut again = String::new();
    begun.read_to_string(&mut again).unwrap();
    assert!(again.trim_end() == long);
}
