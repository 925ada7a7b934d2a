//! A text that must never be shown: it has no `Display`, and its `Debug` says only that it exists. Every [`Secret`] is known to
//! [`hide`], through which every text leaves the program.

mod forms;
mod hiding;
mod view;

pub use self::hiding::{hide, hide_in_answer, know, know_key_id, know_open};

/// A password, token or key. The only way to the text is [`Secret::expose`], which is easy to search for.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`, which is replaced by `***` wherever it would be shown from now on.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        know(&text);
        Self(text)
    }

    /// The same for the name of a key, which may be like other names: this program's own sentences show those.
    pub fn key_id(text: impl Into<String>) -> Self {
        let text = text.into();
        know_key_id(&text);
        Self(text)
    }

    /// The text itself, for the one call that hands it to the service it is for.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_never_shows_the_text() {
        assert_eq!(format!("{:?}", Secret::new("dapi-0123")), "Secret(***)");
    }
}
