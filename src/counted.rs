//! A number with its noun, as people write it: "1 stream", "1,234 streams".

use indicatif::HumanCount;

/// `count` and the noun whose singular is `one`; its plural has an `s` at the end.
pub fn counted(count: u64, one: &str) -> String {
    format!("{} {one}{}", HumanCount(count), if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_told_in_the_singular_and_everything_else_in_the_plural() {
        let said = [0, 1, 2, 1_234_567].map(|count| counted(count, "state"));
        assert_eq!(said, ["0 states", "1 state", "2 states", "1,234,567 states"]);
    }
}
