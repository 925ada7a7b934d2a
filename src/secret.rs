//! Secrets: texts that must never be shown. A [`Secret`] has no `Display`, and its `Debug` shows `***`. [`hide`], through which
//! every text for people leaves the program, replaces every secret.

mod forms;
mod hiding;
mod view;

use std::sync::Arc;

use self::hiding::know_passing;
pub use self::hiding::{hide, hide_in_answer, know, know_key_id, know_open};

/// A password, token or key. Only [`Secret::expose`] gives its text.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps `text`; from now on [`hide`] replaces it by `***`.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        know(&text);
        Self(text.into())
    }

    /// The same for the id of a key, which may resemble other names: see [`know_key_id`].
    pub fn key_id(text: impl Into<String>) -> Self {
        let text = text.into();
        know_key_id(&text);
        Self(text.into())
    }

    /// Wraps `text`, of which only `part` is secret: the rest, such as the end of a signed token, may be shown.
    pub fn by_its_part(text: impl Into<String>, part: &str) -> Self {
        know(part);
        let text: String = text.into();
        Self(text.into())
    }

    /// Wraps `text`, which another one replaces before long, as with tokens: some time after nobody has it any more, it is forgotten.
    pub fn passing(text: &str) -> Self {
        Self(know_passing(text))
    }

    /// The text, to be passed only to the service that it is for.
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
