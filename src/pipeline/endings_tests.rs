//! What ends a stream well, and what leaves its table alone.

use super::*;
use crate::error::Error;
use crate::load::RowsBefore;
use crate::protocol::catalog::WriteMode;

const ADDS: TableState = TableState {
    existed: true,
    replaces: false,
    write_mode: WriteMode::Append,
    own_generation: None,
    rows: RowsBefore::NotAsked,
    is_dedup: false,
};
const REPLACES: TableState = TableState { replaces: true, write_mode: WriteMode::Replace, ..ADDS };
const REFRESHES: TableState = TableState { write_mode: WriteMode::ReplaceOtherGenerations, ..REPLACES };
const GOES_ON: TableState = TableState { replaces: false, own_generation: Some(7), ..REFRESHES };
const MAKES: TableState = TableState { existed: false, ..REPLACES };

fn stream(index: usize) -> StreamIndex {
    StreamIndex::of(index)
}

fn verdict(endings: &Endings, table_states: &[TableState], index: usize, records: u64) -> Result<Verdict> {
    endings.verdict(stream(index), table_states[index], records, true, records > 0)
}

#[test]
fn a_clean_end_without_any_status_ends_only_what_needs_no_complete() -> Result<()> {
    for (table_state, records, expected) in [
        (ADDS, 0, Verdict::Finish),
        (ADDS, 3, Verdict::Finish),
        (REPLACES, 3, Verdict::Finish),
        (REPLACES, 0, Verdict::Leave),
        (MAKES, 0, Verdict::Finish),
        (REFRESHES, 3, Verdict::Fail),
        (REFRESHES, 0, Verdict::Fail),
        (TableState { existed: false, ..REFRESHES }, 3, Verdict::Fail),
        (GOES_ON, 3, Verdict::Fail),
        (GOES_ON, 0, Verdict::Fail),
    ] {
        let endings = Endings::new([table_state].into_iter());
        assert_eq!(verdict(&endings, &[table_state], 0, records)?, expected, "{table_state:?} {records}");
    }
    Ok(())
}

#[test]
fn an_input_without_a_message_fails_a_replacement_and_nothing_else() -> Result<()> {
    let ended = |table_state| Endings::new([table_state].into_iter()).verdict(stream(0), table_state, 0, false, false);
    let found = [ADDS, REPLACES, MAKES].into_iter().map(ended).collect::<Result<Vec<_>>>()?;
    assert_eq!(found, [Verdict::Finish, Verdict::Fail, Verdict::Finish]);
    Ok(())
}

#[test]
fn what_a_state_names_was_heard_and_a_state_without_names_speaks_for_all_only_where_no_record_came() -> Result<()> {
    let table_states = [REPLACES, REPLACES];
    let mut endings = Endings::new(table_states.into_iter());
    assert!(endings.wants_names());
    endings.hear_state(stream(0))?;
    assert_eq!(verdict(&endings, &table_states, 0, 0)?, Verdict::Finish);
    assert_eq!(verdict(&endings, &table_states, 1, 0)?, Verdict::Leave);
    endings.hear_nameless_state(true);
    assert_eq!(endings.verdict(stream(1), REPLACES, 0, true, true)?, Verdict::Leave, "the source may have died");
    assert_eq!(endings.verdict(stream(1), REPLACES, 0, true, false)?, Verdict::Finish, "the platform clears the table");
    endings.hear_nameless_state(false);
    assert_eq!(endings.verdict(stream(1), REPLACES, 0, true, false)?, Verdict::Leave, "a checkpoint clears nothing");
    endings.hear_state(stream(1))?;
    assert!(!endings.wants_names());
    assert!(!Endings::new([ADDS, REFRESHES, MAKES].into_iter()).wants_names(), "it would change nothing");
    Ok(())
}

#[test]
fn one_status_of_any_stream_makes_a_complete_necessary_for_every_one() -> Result<()> {
    let table_states = [ADDS, REPLACES, REFRESHES, MAKES];
    for status in [StreamStatus::Running, StreamStatus::Complete, StreamStatus::Incomplete] {
        let mut endings = Endings::new(table_states.into_iter());
        endings.hear_any_status();
        let answer = endings.hear_status(stream(0), status, false)?;
        let is_complete = status == StreamStatus::Complete;
        assert_eq!(answer, if is_complete { Action::Finish } else { Action::Nothing });
        let expected = if is_complete { Verdict::Finished } else { Verdict::Fail };
        assert_eq!(verdict(&endings, &table_states, 0, 3)?, expected);
        for stream in 1..4 {
            assert_eq!(verdict(&endings, &table_states, stream, 3)?, Verdict::Fail, "{stream}");
        }
    }
    Ok(())
}

#[test]
fn beside_a_stream_that_needs_a_complete_what_adds_is_loaded_up_to_its_state() -> Result<()> {
    let table_states = [ADDS, REPLACES, GOES_ON, MAKES];
    let endings = Endings::new(table_states.into_iter());
    let found: Vec<Verdict> =
        (0..4).map(|stream| verdict(&endings, &table_states, stream, 3)).collect::<Result<_>>()?;
    assert_eq!(found, [Verdict::UpToItsState, Verdict::Fail, Verdict::Fail, Verdict::Fail], "the sync fails anyway");
    assert_eq!(verdict(&endings, &table_states, 1, 0)?, Verdict::Leave);
    Ok(())
}

#[test]
fn behind_a_failure_that_the_source_tells_of_only_complete_ends_a_stream() -> Result<()> {
    let table_states = [ADDS, REPLACES, MAKES, REPLACES];
    let mut endings = Endings::new(table_states.into_iter());
    endings.hear_failure();
    assert!(!endings.wants_names());
    assert_eq!(endings.hear_status(stream(3), StreamStatus::Complete, false)?, Action::Finish);
    let found: Vec<Verdict> =
        (0..4).map(|stream| verdict(&endings, &table_states, stream, 3)).collect::<Result<_>>()?;
    assert_eq!(found, [Verdict::Fail, Verdict::Fail, Verdict::Fail, Verdict::Finished]);
    Ok(())
}

#[test]
fn a_complete_that_is_taken_back_empties_no_table_and_fails_the_sync() -> Result<()> {
    let after = |empties, statuses: &[StreamStatus]| {
        let mut endings = Endings::new([REPLACES].into_iter());
        endings.hear_any_status();
        let answers: Vec<Action> =
            statuses.iter().map(|status| endings.hear_status(stream(0), *status, empties)).collect::<Result<_>>()?;
        Ok::<_, Error>((answers, verdict(&endings, &[REPLACES], 0, u64::from(!empties))?))
    };
    use StreamStatus::{Complete, Incomplete, Running};
    // Nothing to put in the rows' place: there is time until the end.
    assert_eq!(after(true, &[Complete])?, (vec![Action::Nothing], Verdict::Finish));
    let (answers, found) = after(true, &[Complete, Incomplete, Incomplete])?;
    assert_eq!((answers, found), (vec![Action::Nothing; 3], Verdict::Fail));
    assert_eq!(after(true, &[Complete, Incomplete, Complete])?.1, Verdict::Finish);
    assert_eq!(after(false, &[Complete, Running])?, (vec![Action::Finish, Action::Nothing], Verdict::Finished));
    assert_eq!(after(false, &[Complete, Incomplete])?, (vec![Action::Finish, Action::Nothing], Verdict::Fail));
    assert_eq!(after(false, &[Incomplete, Complete])?, (vec![Action::Nothing, Action::Finish], Verdict::Finished));
    Ok(())
}
