//! Counts and lists, as people write them: "1 stream", "1,234 streams", "a, b, and 7 more".

use std::fmt::Display;

use indicatif::HumanCount;

/// `count` and the noun whose singular is `one`; its plural has an `s` at the end.
pub fn counted(count: u64, one: &str) -> String {
    format!("{} {one}{}", HumanCount(count), if count == 1 { "" } else { "s" })
}

/// Most things that one message names.
const NAMED: usize = 100;

/// The names of `things` as a list; of many only the first ones and how many more there are.
pub fn names<T: Display>(things: &[T]) -> String {
    let mut names: Vec<String> = things.iter().take(NAMED).map(ToString::to_string).collect();
    if things.len() > NAMED {
        names.push(format!("and {} more", HumanCount((things.len() - NAMED) as u64)));
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_told_in_the_singular_and_everything_else_in_the_plural() {
        let said = [0, 1, 2, 1_234_567].map(|count| counted(count, "state"));
        assert_eq!(said, ["0 states", "1 state", "2 states", "1,234,567 states"]);
    }

    #[test]
    fn of_many_names_the_first_ones_are_told_and_the_others_counted() {
        assert_eq!((names::<&str>(&[]), names(&["a", "b"])), (String::new(), "a, b".to_owned()));
        assert!(names(&[7; 1_102]).ends_with("7, 7, and 1,002 more"));
    }
}
