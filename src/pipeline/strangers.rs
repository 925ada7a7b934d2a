//! Strangers: streams that messages name and that the catalog does not have. The user is told once a name, with the streams
//! of the catalog that look alike.
//!
//! Most often only the namespace differs, because the source was set up again or the catalog was edited by hand. Either the
//! source or the catalog has to be corrected; the messages name both.

use std::collections::HashMap;

use super::refusals::At;
use crate::error::{Error, StreamDescriptor};
use crate::protocol::message::StreamStatus;

/// Most strangers that are remembered and logged.
const KNOWN: usize = 100;
/// Most characters of a stranger's name, and of its namespace, that are kept and shown.
const LONGEST: usize = 300;
/// Most streams of the catalog that a message names as alike.
const SHOWN: usize = 3;

/// The strangers of a sync whose statuses have come.
#[derive(Default)]
pub struct Strangers {
    heard: HashMap<StreamDescriptor, StreamStatus>,
}

impl Strangers {
    /// Notes that the source says `status` of `stranger` at `at`; the first time, it logs a warning.
    pub fn heard(&mut self, at: At, stranger: StreamDescriptor, status: StreamStatus, catalog: &[StreamDescriptor]) {
        let stranger = shortened(stranger);
        if let Some(last) = self.heard.get_mut(&stranger) {
            *last = status;
        } else if self.heard.len() < KNOWN {
            tracing::warn!(
                "{at} is a status of stream {stranger}, which is not in the catalog{}.",
                near(&stranger, catalog)
            );
            self.heard.insert(stranger, status);
        }
    }

    /// The error that explains why the streams `incomplete` are not complete, if the source has said COMPLETE of a stream with
    /// the same name in another namespace for each of them.
    pub fn explain(&self, incomplete: &[StreamDescriptor]) -> Option<Error> {
        let namesake = |stream: &StreamDescriptor| {
            let mut complete = self.heard.iter().filter(|(_, status)| **status == StreamStatus::Complete);
            complete.find(|(heard, _)| heard.name == stream.name).map(|(heard, _)| heard)
        };
        let pairs: Option<Vec<_>> = incomplete.iter().map(|stream| Some((namesake(stream)?, stream))).collect();
        let pairs = pairs.filter(|pairs| !pairs.is_empty())?;
        let mut said: Vec<String> =
            pairs.iter().take(SHOWN).map(|(heard, stream)| format!("{heard}, the catalog has {stream}")).collect();
        if pairs.len() > SHOWN {
            said.push(format!("and so on for {} more", pairs.len() - SHOWN));
        }
        let error = Error::config(format!(
            "The source has said COMPLETE of streams that differ from the catalog's only in their namespace: it says {}. \
             Refresh the source's schema in the connection, or correct the namespace in the catalog. What was acknowledged \
             stays; tables that were to be replaced are as they were.",
            said.join("; it says ")
        ));
        Some(match incomplete {
            [one] => error.with_stream(one.clone()),
            _ => error,
        })
    }
}

/// The error for a message at `at` of a stream that is not in the catalog. `what`: the message, as in "a record".
pub fn refused(at: At, what: &str, stranger: StreamDescriptor, catalog: &[StreamDescriptor]) -> Error {
    let stranger = shortened(stranger);
    Error::config(format!(
        "{at} is {what} of stream {stranger}, which is not in the catalog{}. Refresh the source's schema in the \
         connection, or correct the catalog or the source; what was acknowledged before stays.",
        near(&stranger, catalog)
    ))
    .with_stream(stranger)
}

/// The end of a sentence that names the streams of the catalog that are most like `stranger`; empty if there are none.
fn near(stranger: &StreamDescriptor, catalog: &[StreamDescriptor]) -> String {
    let folded = |stream: &StreamDescriptor| -> String {
        stream.name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let name = folded(stranger);
    let in_other_namespace: Vec<_> = catalog.iter().filter(|stream| stream.name == stranger.name).collect();
    let alike = || catalog.iter().filter(|stream| !name.is_empty() && folded(stream) == name).collect();
    let (found, how): (Vec<_>, _) = match in_other_namespace.as_slice() {
        [] => (alike(), ", a similar name"),
        _ => (in_other_namespace, ", the same name in another namespace"),
    };
    let names: Vec<String> = found.iter().take(SHOWN).map(ToString::to_string).collect();
    if names.is_empty() { String::new() } else { format!("; the catalog has {}{how}", names.join(", ")) }
}

/// Shortens a name that would be unreadable; a hundred of them are kept in memory.
fn shortened(stranger: StreamDescriptor) -> StreamDescriptor {
    let short = |text: String| match text.char_indices().nth(LONGEST) {
        None => text,
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    };
    StreamDescriptor { name: short(stranger.name), namespace: stranger.namespace.map(short) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(name: &str) -> StreamDescriptor {
        let (namespace, name) = name.rsplit_once('.').map_or((None, name), |(space, name)| (Some(space), name));
        StreamDescriptor { name: name.into(), namespace: namespace.map(Into::into) }
    }

    #[test]
    fn what_comes_near_is_named() {
        let catalog = ["a.visits", "b.visits", "c.visits", "d.visits", "Users", "pets"].map(stream);
        for (stranger, said) in [
            ("visits", "; the catalog has a.visits, b.visits, c.visits, the same name in another namespace"),
            ("users", "; the catalog has Users, a similar name"),
            ("public.Users", "; the catalog has Users, the same name in another namespace"),
            ("orders", ""),
            ("pet-s", "; the catalog has pets, a similar name"),
            ("?!", ""),
        ] {
            assert_eq!(near(&stream(stranger), &catalog), said, "{stranger}");
        }
    }

    #[test]
    fn only_a_complete_namesake_of_every_stream_explains_an_incomplete_end() {
        let catalog = ["users", "pets"].map(stream);
        let mut strangers = Strangers::default();
        strangers.heard(At { line: 1, byte: 0 }, stream("public.users"), StreamStatus::Running, &catalog);
        assert!(strangers.explain(&catalog[..1]).is_none());
        strangers.heard(At { line: 2, byte: 9 }, stream("public.users"), StreamStatus::Complete, &catalog);
        let error = strangers.explain(&catalog[..1]).expect("an explanation");
        assert!(error.message().contains("says public.users, the catalog has users"), "{error}");
        assert_eq!(error.stream(), Some(&catalog[0]));
        assert!(strangers.explain(&catalog).is_none() && strangers.explain(&[]).is_none());
    }
}
