//! Rows leave in their order, none twice, and batches can be closed at a STATE whatever was spilled and sealed before.

use super::*;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Row,
    State,
    Spill,
    Seal,
    CloseAtCut,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => Just(Step::Row),
        2 => Just(Step::State),
        1 => Just(Step::Spill),
        1 => Just(Step::Seal),
        1 => Just(Step::CloseAtCut),
    ];
    prop::collection::vec(step, 0..120)
}

fn numbers(pending: Pending) -> Result<Vec<i64>> {
    Ok(pending.read()?.parts().1.to_vec())
}

proptest! {
    #[test]
    fn every_row_leaves_once_in_order_and_batches_end_at_states(steps in steps()) {
        let (mut buffer, mut spill) = (StreamBuffer::default(), Spill::default());
        let budget = std::sync::Arc::new(super::super::budget::Budget::default());
        let (mut next, mut sealed, mut last_state) = (0i64, Vec::new(), None);
        for step in steps {
            match step {
                Step::Row => {
                    buffer.push(b"{}", next, 64);
                    next += 1;
                }
                Step::State => {
                    buffer.mark();
                    last_state = Some(next);
                }
                Step::Spill => {
                    buffer.spill(&mut spill)?;
                    spill.flush(budget.hold(0));
                    prop_assert_eq!(buffer.held_bytes(), 0);
                }
                Step::Seal => sealed.extend(numbers(buffer.seal())?),
                Step::CloseAtCut => match buffer.cut() {
                    Cut::After(_) => {
                        sealed.extend(numbers(buffer.seal_to_cut())?);
                        prop_assert_eq!(Some(sealed.len() as i64), last_state, "closed exactly at the STATE");
                        buffer.closed();
                        last_state = None;
                    }
                    Cut::Passed => prop_assert!(sealed.len() as i64 > last_state.unwrap_or(i64::MAX)),
                    Cut::None => prop_assert_eq!(last_state, None),
                },
            }
        }
        sealed.extend(numbers(buffer.seal_all())?);
        prop_assert_eq!(sealed, (0..next).collect::<Vec<_>>());
        prop_assert!(buffer.is_empty());
    }
}

#[test]
fn sealing_prefers_the_last_state_when_most_rows_are_before_it() -> Result<()> {
    let mut buffer = StreamBuffer::default();
    (0..10).for_each(|row| buffer.push(b"{}", row, 64));
    buffer.mark();
    (10..13).for_each(|row| buffer.push(b"{}", row, 64));
    assert_eq!(numbers(buffer.seal())?.len(), 10);
    assert_eq!(buffer.cut(), Cut::After(0));
    assert_eq!(numbers(buffer.seal())?.len(), 3);
    assert_eq!(buffer.cut(), Cut::Passed);
    Ok(())
}
