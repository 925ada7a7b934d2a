//! No STATE before its records, none twice, each in its order.

use std::io::Write;

use proptest::prelude::*;

use super::*;
use crate::protocol::message::{self, Message};

#[derive(Clone, Default)]
struct Out(Arc<Mutex<Vec<u8>>>);

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Out {
    /// The numbers of the STATEs that have left.
    fn numbers(&self) -> Vec<u64> {
        let text = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let number = |line: &[u8]| serde_json::from_slice::<serde_json::Value>(line).ok()?["state"]["n"].as_u64();
        text.split(|byte| *byte == b'\n').filter_map(number).collect()
    }
}

fn ledger(streams: usize) -> (Ledger, Out) {
    let out = Out::default();
    (Ledger::new(streams, 100, Arc::new(ProtocolWriter::new(Box::new(out.clone())))), out)
}

fn stream(index: usize) -> StreamIndex {
    StreamIndex::of(index)
}

fn state(number: u64) -> State {
    match message::read(&format!(r#"{{"type":"STATE","state":{{"n":{number}}}}}"#)) {
        Ok(Message::State(state)) => state,
        _ => unreachable!("a STATE"),
    }
}

#[test]
fn a_state_passes_one_whose_records_still_wait_for_their_batch() -> Result<()> {
    let (ledger, out) = ledger(2);
    ledger.opened(stream(0), 1)?;
    ledger.opened(stream(1), 2)?;
    ledger.state(3, Some(stream(0)), state(3), 1)?;
    ledger.state(4, Some(stream(1)), state(4), 1)?;
    ledger.closed(stream(1), None)?;
    ledger.durable(stream(1), 1)?;
    assert_eq!(out.numbers(), [4], "stream 0 does not hold stream 1 up");
    ledger.closed(stream(0), None)?;
    assert_eq!(ledger.counts(), StateCounts { released: 1, waiting: 1 });
    ledger.durable(stream(0), 1)?;
    assert_eq!(out.numbers(), [4, 3]);
    Ok(())
}

#[test]
fn a_state_of_all_streams_waits_for_every_stream() -> Result<()> {
    let (ledger, out) = ledger(2);
    ledger.opened(stream(0), 1)?;
    ledger.opened(stream(1), 2)?;
    ledger.state(3, None, state(3), 2)?;
    ledger.closed(stream(0), Some(4))?;
    ledger.durable(stream(0), 1)?;
    assert!(out.numbers().is_empty(), "stream 1 is not durable");
    ledger.closed(stream(1), None)?;
    ledger.durable(stream(1), 1)?;
    assert_eq!(out.numbers(), [3], "what came after it does not matter");
    Ok(())
}

#[test]
fn a_state_waits_for_an_earlier_one_that_is_on_its_way() -> Result<()> {
    let (ledger, out) = ledger(3);
    ledger.opened(stream(0), 1)?;
    ledger.state(2, Some(stream(0)), state(2), 1)?;
    ledger.opened(stream(1), 3)?;
    ledger.state(4, Some(stream(1)), state(4), 1)?;
    ledger.state(5, Some(stream(0)), state(5), 0)?;
    ledger.closed(stream(0), None)?;
    ledger.closed(stream(1), None)?;
    ledger.state(6, Some(stream(2)), state(6), 0)?;
    ledger.durable(stream(1), 1)?;
    assert!(out.numbers().is_empty());
    ledger.durable(stream(0), 1)?;
    assert_eq!(out.numbers(), [2, 4, 5, 6]);
    Ok(())
}

#[test]
fn after_a_failure_what_is_covered_leaves_and_the_rest_does_not() -> Result<()> {
    let (ledger, out) = ledger(2);
    ledger.opened(stream(0), 1)?;
    ledger.state(2, Some(stream(0)), state(2), 1)?;
    ledger.opened(stream(1), 3)?;
    ledger.state(4, Some(stream(1)), state(4), 1)?;
    ledger.closed(stream(0), None)?;
    ledger.closed(stream(1), None)?;
    ledger.durable(stream(1), 1)?;
    ledger.settle()?;
    assert_eq!(out.numbers(), [4]);
    Ok(())
}

proptest! {
    /// Against the plain rule: a STATE may leave only if every record before it is durable, and has left once none is
    /// on its way.
    #[test]
    fn no_state_leaves_before_its_records(steps in prop::collection::vec((0u8..5, 0usize..3), 0..200)) {
        let (ledger, out) = ledger(3);
        let mut open: Vec<Vec<Position>> = vec![Vec::new(); 3];
        let mut closed: Vec<VecDeque<Vec<Position>>> = vec![VecDeque::new(); 3];
        let mut states: Vec<(Position, Option<usize>)> = Vec::new();
        for (position, (step, stream)) in steps.iter().enumerate().map(|(i, step)| (i as Position, *step)) {
            match step {
                0 | 1 => {
                    if open[stream].is_empty() {
                        ledger.opened(StreamIndex::of(stream), position)?;
                    }
                    open[stream].push(position);
                }
                2 => {
                    let scope = (position % 3 != 0).then_some(stream);
                    states.push((position, scope));
                    ledger.state(position, scope.map(StreamIndex::of), state(position), 0)?;
                }
                3 if !open[stream].is_empty() => {
                    let keep = open[stream].len() / 2;
                    let at = open[stream].len() - keep;
                    let rest = open[stream].split_off(at);
                    ledger.closed(StreamIndex::of(stream), rest.first().copied())?;
                    let batch = std::mem::replace(&mut open[stream], rest);
                    closed[stream].push_back(batch);
                }
                4 if !closed[stream].is_empty() => {
                    closed[stream].pop_front();
                    ledger.durable(StreamIndex::of(stream), 1)?;
                }
                _ => {}
            }
            let undurable = |stream: usize| closed[stream].iter().flatten().chain(&open[stream]).copied().min();
            let oldest_of_all = (0..3).filter_map(undurable).min();
            let gone = out.numbers();
            let none_on_its_way = closed.iter().all(VecDeque::is_empty);
            for (position, scope) in &states {
                let covered = *position < scope.map_or(oldest_of_all, undurable).unwrap_or(Position::MAX);
                prop_assert!(covered || !gone.contains(position), "state {} has left too early", position);
                prop_assert!(!covered || !none_on_its_way || gone.contains(position), "state {} is held up", position);
            }
        }
        for stream in 0..3 {
            ledger.closed(StreamIndex::of(stream), None)?;
        }
        let before = out.numbers().len();
        for stream in 0..3 {
            ledger.durable(StreamIndex::of(stream), usize::MAX)?;
        }
        let gone = out.numbers();
        prop_assert!(gone.iter().skip(before).is_sorted(), "what was on its way together leaves in its order");
        let mut all = gone;
        all.sort_unstable();
        prop_assert_eq!(all, states.iter().map(|(position, _)| *position).collect::<Vec<_>>());
    }
}
