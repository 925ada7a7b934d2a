//! In which order fallbacks are tried, and which errors are not taken for damage.

use super::*;

fn files(checkpoints: &[u64]) -> LogFiles {
    LogFiles { checkpoints: checkpoints.to_vec(), ..LogFiles::default() }
}

#[test]
fn the_least_is_hidden_first_and_all_at_last() {
    let from = |files: &LogFiles| fallbacks(files).iter().map(|way| way.checkpoints_from).collect::<Vec<_>>();
    assert_eq!(from(&files(&[])), [None]);
    assert_eq!(from(&files(&[10])), [None, Some(10)]);
    assert_eq!(from(&files(&[10, 20, 30, 40])), [None, Some(40), Some(30), Some(20), Some(0)]);
    assert!(fallbacks(&files(&[10])).iter().all(|way| way.hint));
}

#[test]
fn errors_of_other_causes_are_not_taken_for_damage() {
    let io = KernelError::IOError(std::io::Error::other("no"));
    assert!(!may_be_damage(&io) && !may_be_damage(&KernelError::Unsupported("x".into())));
    assert!(may_be_damage(&KernelError::InvalidCheckpoint("x".into())));
}
