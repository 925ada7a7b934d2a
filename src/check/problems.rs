//! All problems that a check found, reported together.

use crate::error::{Error, Kind, Result};

/// What precedes the server's own message: problems that differ only in that are reported once.
const SAID: &str = " Databricks said: ";

/// The problems found so far, in order.
#[derive(Default)]
pub struct Problems(Vec<Error>);

impl Problems {
    /// Notes the error of `outcome`, unless it is noted already; returns whether there was none.
    pub fn note(&mut self, outcome: Result<()>) -> bool {
        let Err(error) = outcome else { return true };
        let sentence = |error: &Error| error.message().split(SAID).next().unwrap_or_default().to_owned();
        if self.0.iter().all(|known| sentence(known) != sentence(&error)) {
            self.0.push(error);
        }
        false
    }

    /// Whether there are no problems.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the server responded every time; if it did not, further tests are pointless.
    pub fn are_answers(&self) -> bool {
        self.0.iter().all(|error| error.kind() == Kind::Config)
    }

    /// All problems as one error.
    pub fn into_result(mut self) -> Result<()> {
        if self.0.len() < 2 {
            return self.0.pop().map_or(Ok(()), Err);
        }
        let kinds = self.0.iter().map(Error::kind);
        let kind = kinds.reduce(|one, other| if one == other { one } else { Kind::Config }).unwrap_or(Kind::Config);
        let messages: Vec<&str> = self.0.iter().map(Error::message).collect();
        // Causes and contexts only: the messages are in the error already.
        let internal: Vec<String> = self
            .0
            .iter()
            .filter(|error| error.internal_message() != error.message())
            .map(Error::internal_message)
            .collect();
        let all = Error::new(kind, messages.join("\n"));
        Err(if internal.is_empty() { all } else { all.with_context(internal.join("; ")) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_told_together_and_each_once() {
        let mut problems = Problems::default();
        assert!(problems.note(Ok(())) && problems.is_empty());
        assert!(!problems.note(Err(Error::config("No bucket."))));
        problems.note(Err(Error::config("No right. Databricks said: on table a")));
        problems.note(Err(Error::config("No right. Databricks said: on table b")));
        assert!(problems.are_answers());
        problems.note(Err(Error::transient("Nobody answers.")));
        assert!(!problems.are_answers());
        let error = problems.into_result().expect_err("problems");
        assert_eq!(error.message(), "No bucket.\nNo right. Databricks said: on table a\nNobody answers.");
        assert_eq!(error.kind(), Kind::Config);
        assert!(Problems::default().into_result().is_ok());
    }
}
