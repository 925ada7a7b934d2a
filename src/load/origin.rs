//! Which stream a table was made from, as its description says it: a sentence that the older connector wrote too.
//!
//! Several streams can end in one table: those of two connections, whose names differ in what the identifier rule takes
//! away. One catalog with both is refused; of two catalogs only the table knows.

use std::fmt;

use crate::delta::table::Logs;
use crate::error::{Error, Kind, Result, StreamDescriptor};
use crate::storage::layout::Target;

const BEGINNING: &str = "Created from stream ";

/// What the table of `stream` says of itself.
pub fn description(stream: &impl fmt::Display) -> String {
    format!("{BEGINNING}{stream}")
}

/// Whether `description` says that the table was made from `stream`; `None` where it does not name a stream.
///
/// The older connector wrote the name without the namespace. A metastore may give back a question mark for what is not
/// ASCII, and other white space: what could be the stream's name counts as its name.
pub fn is_of(description: Option<&str>, stream: &StreamDescriptor) -> Option<bool> {
    let said = stream_said(description)?;
    let is_garbled = said.contains(['?', '\u{fffd}']);
    let same =
        |own: &str| plain(said, false) == plain(own, false) || is_garbled && plain(said, true) == plain(own, true);
    Some(same(&stream.to_string()) || same(&stream.name))
}

/// `name` without white space and control characters; where it `may_be_garbled`, one question mark for each run of
/// characters that some metastores cannot keep.
fn plain(name: &str, may_be_garbled: bool) -> String {
    let mut plain = String::with_capacity(name.len());
    for c in name.chars().filter(|c| !c.is_whitespace() && !c.is_control()) {
        if !may_be_garbled || (c.is_ascii() && c != '?') {
            plain.push(c);
        } else if !plain.ends_with('?') {
            plain.push('?');
        }
    }
    plain
}

/// Whether the table in `folder`, which has a log, was made from `stream`.
pub fn is_own_log(logs: &Logs, folder: &str, stream: &StreamDescriptor) -> Result<bool> {
    match logs.find(folder) {
        Ok(snapshot) => Ok(snapshot.is_some_and(|found| is_of(found.description(), stream) == Some(true))),
        Err(error) if error.kind() == Kind::Transient => Err(error),
        Err(error) => {
            tracing::warn!("Whether a table of an older version was made from stream {stream} is not known: {error}");
            Ok(false)
        }
    }
}

/// Looks whether the table `shown`, which is there and says `description`, belongs to another stream than that of `target`.
/// Rows of both in one table are worth a WARN.
///
/// # Errors
/// A config error where the rows of the other stream would be replaced.
pub fn ensure_own(shown: &dyn fmt::Display, description: Option<&str>, target: &Target, replaces: bool) -> Result<()> {
    let stream = &target.stream;
    let (Some(other), Some(false)) = (stream_said(description), is_of(description, stream)) else { return Ok(()) };
    if !replaces {
        tracing::warn!(
            "Table {shown} was created from stream {other}, and stream {stream} is added to it: both names become the same \
             table. To keep them apart, rename one of the streams or give it a namespace of its own."
        );
        return Ok(());
    }
    Err(Error::config(format!(
        "Table {shown} was created from stream {other}, and stream {stream} would replace its rows: both names become the \
         same table. Rename one of the streams or give it a namespace of its own, or move the table away. If both are the \
         same stream, change the table's description to '{}'.",
        self::description(stream)
    )))
}

fn stream_said(description: Option<&str>) -> Option<&str> {
    description?.trim().strip_prefix(BEGINNING).map(str::trim).filter(|stream| !stream.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(name: &str, namespace: Option<&str>) -> StreamDescriptor {
        StreamDescriptor { name: name.into(), namespace: namespace.map(Into::into) }
    }

    #[test]
    fn a_table_knows_its_stream_by_its_own_description_and_by_that_of_the_older_connector() {
        for (said, stream, expected) in [
            ("Created from stream users", stream("users", None), Some(true)),
            ("Created from stream sales.users", stream("users", Some("sales")), Some(true)),
            ("Created from stream users", stream("users", Some("sales")), Some(true)),
            ("Created from stream users ", stream("users ", None), Some(true)),
            ("Created from stream a b", stream("a\n b", None), Some(true)),
            ("Created from stream ??????", stream("заказы", None), Some(true)),
            ("Created from stream new_??????", stream("заказы", None), Some(false)),
            ("Created from stream клиент", stream("заказы", None), Some(false)),
            ("Created from stream sales.users", stream("users", None), Some(false)),
            ("Created from stream Sales.users", stream("users", Some("sales")), Some(false)),
            ("Created from stream Center", stream("center", None), Some(false)),
            ("Created from stream ", stream("center", None), None),
            ("Everybody who ever bought something", stream("center", None), None),
        ] {
            assert_eq!(is_of(Some(said), &stream), expected, "{said}, {stream}");
        }
        assert_eq!(is_of(None, &stream("users", None)), None);
        let own = stream("заказы", Some("магазин"));
        assert_eq!(is_of(Some(&description(&own)), &own), Some(true));
    }
}
