//! Settings for tests, read from the environment so that the documented configuration does not have them. Each is
//! `DESTINATION_DATABRICKS_` and a name, and a whole number above zero; any other value is ignored.

/// What the hidden setting `name` is set to.
pub(super) fn number(name: &str) -> Option<u64> {
    parsed(&std::env::var(format!("DESTINATION_DATABRICKS_{name}")).ok()?)
}

fn parsed(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_number_above_zero_is_a_setting() {
        assert_eq!(parsed(" 12 "), Some(12));
        assert!(["", "0", "-1", "never", "1.5"].iter().all(|text| parsed(text).is_none()));
    }
}
