//! The position within a JSON schema, for error messages, and its depth.

use std::fmt;

use crate::error::{Error, LONGEST_NAME, shortened};

/// A place in a schema: `address.lines[].text`.
#[derive(Clone, Copy)]
pub(super) struct Path<'a> {
    outer: Option<&'a Path<'a>>,
    step: Step<'a>,
    depth: usize,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Property(&'a str),
    Items,
    Member,
}

impl<'a> Path<'a> {
    /// The schema itself.
    pub const ROOT: Path<'static> = Path { outer: None, step: Step::Member, depth: 0 };

    /// A property of the object here.
    pub fn property(&'a self, name: &'a str) -> Self {
        self.inside(Step::Property(name))
    }

    /// The items of the array here.
    pub fn items(&'a self) -> Self {
        self.inside(Step::Items)
    }

    /// One of the schemas of `anyOf`, `allOf` or `oneOf` here.
    pub fn member(&'a self) -> Self {
        self.inside(Step::Member)
    }

    /// Whether it is the schema itself.
    pub fn is_root(&self) -> bool {
        self.outer.is_none()
    }

    /// Whether it is deeper than what is read.
    pub fn is_too_deep(&self) -> bool {
        self.depth > super::MAX_NESTING
    }

    /// The error that the schema is refused: `what` the property is or has, and a `cure` beside the raw layout.
    pub fn refused(&self, what: &str, cure: &str) -> Error {
        let place = self.to_string();
        let place = shortened(&place, LONGEST_NAME);
        let subject = if place.is_empty() { "its root".to_owned() } else { format!("property `{place}`") };
        Error::config(format!(
            "The stream's JSON schema cannot become a table with a column per property: {subject} {what}. To load the stream, \
             {cure}, or set `table_layout` of this stream to `raw`."
        ))
    }

    fn inside(&'a self, step: Step<'a>) -> Self {
        Self { outer: Some(self), step, depth: self.depth + 1 }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut steps = Vec::new();
        let mut here = Some(self);
        while let Some(path) = here {
            steps.push(path.step);
            here = path.outer;
        }
        let mut is_first = true;
        for step in steps.into_iter().rev() {
            match step {
                Step::Property(name) => {
                    if !is_first {
                        f.write_str(".")?;
                    }
                    f.write_str(name)?;
                }
                Step::Items => f.write_str("[]")?,
                Step::Member => continue,
            }
            is_first = false;
        }
        Ok(())
    }
}
