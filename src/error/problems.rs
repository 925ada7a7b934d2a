//! Several errors reported as one: the user corrects all of them at once.

use super::{Error, Kind, Result, StreamDescriptor};

/// The errors found so far, in the order in which they were found.
#[derive(Debug, Default)]
pub struct Problems(Vec<Error>);

impl Problems {
    /// Adds an error.
    pub fn add(&mut self, error: Error) {
        self.0.push(error);
    }

    /// Adds the error of `outcome`, unless one with the same reason is there; returns whether `outcome` is `Ok`.
    pub fn note(&mut self, outcome: Result<()>) -> bool {
        let Err(error) = outcome else { return true };
        if self.0.iter().all(|known| known.reason() != error.reason()) {
            self.add(error);
        }
        false
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All errors.
    pub fn iter(&self) -> impl Iterator<Item = &Error> {
        self.0.iter()
    }

    /// All errors as one, each on a line of its own.
    pub fn into_result(self) -> Result<()> {
        self.joined(|lines| lines.join("\n"))
    }

    /// All errors as one: the only one as it is, several below a line that says how many problems `subject` has.
    pub fn into_result_of(self, subject: &str) -> Result<()> {
        self.joined(|lines| format!("{subject} has {} problems:\n- {}", lines.len(), lines.join("\n- ")))
    }

    /// The kind is that of all errors, or [`Kind::Config`] where they differ: then something has to be changed. The stream is
    /// named if all concern the same one. Causes and contexts go into the internal message.
    fn joined(mut self, join: impl Fn(&[String]) -> String) -> Result<()> {
        if self.0.len() < 2 {
            return self.0.pop().map_or(Ok(()), Err);
        }
        let kinds = self.0.iter().map(Error::kind);
        let kind = kinds.reduce(|one, other| if one == other { one } else { Kind::Config }).unwrap_or(Kind::Config);
        let lines: Vec<String> = self.0.iter().map(Error::to_string).collect();
        let internal: Vec<String> = self
            .0
            .iter()
            .zip(&lines)
            .filter_map(|(error, line)| Some(error.internal_message()).filter(|internal| internal != line))
            .collect();
        let mut all = Error::new(kind, join(&lines));
        if let Some(stream) = self.only_stream() {
            all = all.with_stream(stream);
        }
        Err(if internal.is_empty() { all } else { all.with_context(internal.join("; ")) })
    }

    /// The stream that all errors concern, if it is one.
    fn only_stream(&self) -> Option<StreamDescriptor> {
        let first = self.0.first()?.stream()?;
        self.0.iter().all(|error| error.stream() == Some(first)).then(|| first.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_reported_together_and_each_once() {
        let denied = |table: &str| Error::config("No right.").with_detail(format!("Databricks said: on table {table}"));
        let mut problems = Problems::default();
        assert!(problems.note(Ok(())) && problems.is_empty());
        assert!(!problems.note(Err(Error::config("No bucket."))));
        problems.note(Err(denied("a")));
        problems.note(Err(denied("b")));
        problems.note(Err(Error::transient("Could not list s3://b/x: no answer.").with_reason("no answer")));
        problems.note(Err(Error::transient("Could not list s3://b/y: no answer.").with_reason("no answer")));
        let error = problems.into_result().expect_err("problems");
        assert_eq!(
            error.message(),
            "No bucket.\nNo right. Databricks said: on table a\nCould not list s3://b/x: no answer."
        );
        assert_eq!(error.kind(), Kind::Config);
        assert!(Problems::default().into_result().is_ok());
    }

    #[test]
    fn one_problem_is_itself_and_several_are_counted() {
        let mut problems = Problems::default();
        problems.add(Error::transient("No answer."));
        let stream = StreamDescriptor { name: "users".into(), namespace: None };
        let of = |problems: Problems| problems.into_result_of("The catalog").expect_err("a problem");
        let one = of(problems);
        assert_eq!((one.kind(), one.message()), (Kind::Transient, "No answer."));
        let mut problems = Problems::default();
        problems.add(Error::config("No name.").with_stream(stream.clone()));
        problems.add(Error::config("No mode.").with_stream(stream.clone()));
        let several = of(problems);
        assert_eq!(several.message(), "The catalog has 2 problems:\n- No name.\n- No mode.");
        assert_eq!(several.stream(), Some(&stream));
    }
}
