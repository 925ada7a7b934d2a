//! What is read before the tables are opened, and that all of it comes again.

use super::*;
use crate::tasks::stop::StopReason;

const STATE: &str =
    r#"{"type":"STATE","state":{"type":"STREAM","stream":{"stream_descriptor":{"name":"a"},"stream_state":{}}}}"#;
const COMPLETE: &str = r#"{"type":"TRACE","trace":{"type":"STREAM_STATUS","emitted_at":1764000000.5,"stream_status":{"stream_descriptor":{"name":"a"},"status":"COMPLETE"}}}"#;
const LOG: &str = r#"{"type":"LOG","log":{"level":"INFO","message":"m"}}"#;
const OF_CACHE: &str = r#"{"type":"RECORD","record":{"stream":"a","data":{"id":1,"_airbyte_raw_id":"r","_airbyte_extracted_at":"t"},"emitted_at":1}}"#;
const OF_SOURCE: &str = r#"{"type":"RECORD","record":{"stream":"a","data":{"id":1},"emitted_at":1}}"#;

/// A record as connectors send it, of a table that Airbyte has loaded.
const OF_TABLE: &str = r#"{"type":"RECORD","record":{"stream":"a","data":{"id":1,"_airbyte_raw_id":"r","_airbyte_extracted_at":"t"},"emitted_at":1764000000123}}"#;

/// Gives what it has, so many bytes at a time. Behind its end nothing may be asked of it, as a terminal would wait there.
struct Pipe {
    bytes: Vec<u8>,
    given: usize,
    at_once: usize,
    ends: bool,
    ended: bool,
}

/// Gives one chunk after the other as they come.
struct Live(std::sync::mpsc::Receiver<String>);

impl Read for Live {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let Ok(text) = self.0.recv() else { return Ok(0) };
        target[..text.len()].copy_from_slice(text.as_bytes());
        Ok(text.len())
    }
}

async fn begun<R: Read + Send + 'static>(input: R) -> Begun<R> {
    read(input, &Stop::default()).await.unwrap()
}

/// All that comes of it, on a thread that may wait.
async fn all<R: Read + Send + 'static>(mut begun: Begun<R>) -> (String, io::Result<usize>) {
    let reading = move || {
        let has_ended = matches!(begun.rest, Rest::End);
        let mut text = String::new();
        let read = begun.read_to_string(&mut text);
        assert!(!has_ended || begun.read(&mut [0]).unwrap() == 0, "the end stays the end");
        (text, read)
    };
    tokio::task::spawn_blocking(reading).await.unwrap()
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

#[tokio::test]
async fn the_first_record_tells_behind_messages_that_the_cache_sends_too() {
    for (lines, is_of_cache) in [
        (&[OF_CACHE, OF_SOURCE][..], true),
        (&[STATE, COMPLETE, COMPLETE, STATE, COMPLETE, OF_CACHE], true),
        (&[STATE, OF_CACHE], true),
        (&[OF_SOURCE, OF_CACHE], false),
        (&[OF_TABLE, OF_CACHE], false),
        (&[STATE, STATE, OF_CACHE], false),
        (&[STATE, LOG, OF_CACHE], false),
        (&[LOG, OF_CACHE], false),
        (&["", OF_CACHE], false),
        (&[&OF_CACHE[1..], OF_CACHE], false),
        (&[STATE, COMPLETE], false),
        (&[], false),
    ] {
        for at_once in [1, 100, 1 << 20] {
            let begun = begun(pipe(lines, at_once, true)).await;
            assert_eq!(begun.is_of_cache(), is_of_cache, "{lines:?}");
            assert_eq!(all(begun).await.0, lines.iter().map(|line| format!("{line}\n")).collect::<String>());
        }
    }
}

#[tokio::test]
async fn nothing_behind_the_line_that_tells_is_waited_for() {
    for line in [OF_CACHE, OF_SOURCE, LOG, "{", STATE] {
        let Rest::Input(input) = begun(pipe(&[STATE, line], 1 << 20, false)).await.rest else { panic!("{line}") };
        assert!(!input.ended, "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_state_is_not_kept_back_for_long_and_what_comes_later_is_read_on() {
    for later in [OF_CACHE, OF_SOURCE] {
        let (lines, input) = std::sync::mpsc::channel();
        lines.send(format!("{STATE}\n")).unwrap();
        let mut begun = begun(Live(input)).await;
        assert!(!begun.is_of_cache());
        let mut first = [0; 1000];
        let length = begun.read(&mut first).unwrap();
        assert_eq!(&first[..length], format!("{STATE}\n").as_bytes());
        lines.send(later.to_owned()).unwrap();
        lines.send("more".to_owned()).unwrap();
        drop(lines);
        assert_eq!(all(begun).await.0, format!("{later}more"));
    }
}

#[tokio::test]
async fn a_stop_ends_the_waiting() {
    let (_lines, input) = std::sync::mpsc::channel();
    let stop = Stop::default();
    let reading = read(Live(input), &stop);
    let (outcome, ()) = tokio::join!(reading, async { stop.request(StopReason::Terminated) });
    assert!(outcome.is_err_and(|error| error.to_string().contains("stopped before it began")));
}

#[tokio::test]
async fn a_failure_of_the_input_comes_behind_what_was_read_before_it() {
    let (text, read) = all(begun(pipe(&[STATE, COMPLETE], 10, false)).await).await;
    assert_eq!(read.unwrap_err().to_string(), "nothing more comes");
    assert_eq!(text, format!("{STATE}\n{COMPLETE}\n"));
}

#[tokio::test]
async fn a_beginning_that_is_too_long_tells_nothing_and_is_not_lost() {
    let long = OF_CACHE.replace('t', &"t".repeat(LONGEST));
    let begun = begun(pipe(&[&long], usize::MAX, true)).await;
    assert!(!begun.is_of_cache() && begun.bytes.len() < LONGEST + READ_SIZE);
    assert!(all(begun).await.0.trim_end() == long);
}
