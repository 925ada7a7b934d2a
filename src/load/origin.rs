//! Which stream a table was created from: its description names it, in a sentence that the older connector wrote too.
//!
//! Two streams can get the same table name if their names differ only in characters that the identifier rule replaces. Within one
//! Airbyte catalog that is refused; across connections only the table's description tells. A Delta log keeps every character, so
//! its description is compared exactly. A metastore may return other characters: such a name permits adding rows, with a WARN, but
//! not replacing them.

use std::fmt;

use crate::delta::table::Logs;
use crate::error::{Error, Kind, Result, StreamDescriptor, shortened};
use crate::target::Target;

const BEGINNING: &str = "Created from stream ";
/// The most characters of a name in a description: metastores take 4000 for the whole of it.
const LONGEST_IN_DESCRIPTION: usize = 1000;

/// A table's description, and where it was read.
#[derive(Debug, Clone, Copy)]
pub enum StoredDescription<'a> {
    /// The table's log, which is UTF-8.
    InLog(Option<&'a str>),
    /// A metastore, which may return question marks for characters, and other white space.
    InCatalog(Option<&'a str>),
}

/// Which stream a table's description names, compared with one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// This stream.
    Own,
    /// Possibly this stream: characters of the name may have been lost.
    PossiblyOwn,
    /// Another stream.
    Other,
    /// None.
    NotNamed,
}

/// The description of a new table of `stream`.
pub fn description(stream: &StreamDescriptor) -> String {
    format!("{BEGINNING}{}", full(stream))
}

/// Compares the description of a table with the stream of `target`.
///
/// The older connector wrote the name without the namespace, and a namespace may since have become the configured schema: those
/// forms of the name count as the stream's own.
pub fn find_origin(said: StoredDescription<'_>, target: &Target) -> Origin {
    let Some(other) = said.stream() else { return Origin::NotNamed };
    if is_name_of(other, target, |one, other| one == other) {
        Origin::Own
    } else if matches!(said, StoredDescription::InCatalog(_)) && is_name_of(other, target, are_alike) {
        Origin::PossiblyOwn
    } else {
        Origin::Other
    }
}

/// Whether a description from a catalog may mean the stream of `target`, and another one as well.
pub fn is_ambiguous(said: StoredDescription<'_>, target: &Target) -> bool {
    let could_be_another = |stream: &str| stream.contains(|c: char| c.is_whitespace() || is_garbled(c));
    match find_origin(said, target) {
        Origin::Own => said.stream().is_some_and(could_be_another),
        Origin::PossiblyOwn => true,
        Origin::Other | Origin::NotNamed => false,
    }
}

/// Whether the table in `folder` was created from the stream of `target`. The folder has a log, and the name that an older version
/// gave to that stream.
///
/// # Errors
/// The log cannot be read. Without the answer, a second table would be created beside the stream's own.
pub fn is_own_log(logs: &Logs, folder: &str, shown: &str, target: &Target) -> Result<bool> {
    let stream = &target.stream;
    let found = logs.describe(folder).map_err(|error| {
        let said = format!(
            "An older version may have made table {shown} from stream {stream}, and its log cannot be read: {error} If \
             it belongs to another stream, move it away."
        );
        match error.kind() {
            Kind::Config => Error::config(said).with_source(error),
            Kind::Transient => error,
            Kind::System => Error::system(said).with_source(error),
        }
    })?;
    let said = found.as_ref().and_then(|(found, _)| found.description.as_deref());
    let is_own = find_origin(StoredDescription::InLog(said), target) == Origin::Own;
    if !is_own && find_origin(StoredDescription::InCatalog(said), target) == Origin::PossiblyOwn {
        tracing::warn!(
            "Table {shown} is not used for stream {stream}: its description is {:?}, which does not name that stream. If it is the \
             stream's table, change its description to '{}' before the sync.",
            said.unwrap_or_default(),
            description(stream)
        );
    }
    Ok(is_own)
}

/// Checks that the existing table `shown` was not created from another stream than that of `target`. Logs a WARN if rows of two
/// streams come together in it.
///
/// # Errors
/// A config error if rows of another stream, or of one that may be another, would be replaced.
pub fn ensure_own(
    shown: &dyn fmt::Display,
    said: StoredDescription<'_>,
    target: &Target,
    replaces: bool,
) -> Result<()> {
    let stream = &target.stream;
    let other = said.stream().unwrap_or_default();
    // Names that look alike are shown with their invisible characters.
    let quoted = format!("{:?}", shortened(other, LONGEST_IN_DESCRIPTION));
    let other = if is_name_of(other, target, are_alike) { &quoted } else { other };
    match find_origin(said, target) {
        Origin::Own | Origin::NotNamed => Ok(()),
        Origin::PossiblyOwn if replaces => Err(possibly_own_error(shown, said, target)),
        Origin::PossiblyOwn => {
            tracing::warn!(
                "Table {shown} was created from stream {other}, as the catalog says, and stream {stream} is added to it: it \
                 may be the same name. If it is, set the table's comment (COMMENT ON TABLE) to '{}'.",
                description(stream)
            );
            Ok(())
        }
        Origin::Other if replaces => Err(Error::config(format!(
            "Table {shown} was created from stream {other}, and stream {stream} would replace its rows: both names become \
             the same table. Rename one of the streams or give it a namespace of its own, or move the table away. If both \
             are the same stream, change the table's description to '{}'.",
            description(stream)
        ))),
        Origin::Other => {
            tracing::warn!(
                "Table {shown} was created from stream {other}, and stream {stream} is added to it: both names become the \
                 same table. To keep them apart, rename one of the streams or give it a namespace of its own."
            );
            Ok(())
        }
    }
}

/// The config error for the table `shown`, which is only [possibly](Origin::PossiblyOwn) that of `target`.
pub fn possibly_own_error(shown: &dyn fmt::Display, said: StoredDescription<'_>, target: &Target) -> Error {
    Error::config(format!(
        "Table {shown} was created from stream {:?}, as the catalog says. That may be stream {}, or another one whose rows \
         would be lost or mixed with its own. If it is the same stream, set the table's comment (COMMENT ON TABLE) to \
         '{}'; if not, move the table away or rename the stream.",
        shortened(said.stream().unwrap_or_default(), LONGEST_IN_DESCRIPTION),
        target.stream,
        description(&target.stream)
    ))
}

impl<'a> StoredDescription<'a> {
    /// The name of the stream in it.
    fn stream(self) -> Option<&'a str> {
        let (Self::InLog(said) | Self::InCatalog(said)) = self;
        said?.strip_prefix(BEGINNING).filter(|stream| !stream.is_empty())
    }
}

/// Whether `said` is, by `same`, one of the names that the stream of `target` may have in a description.
fn is_name_of(said: &str, target: &Target, same: impl Fn(&str, &str) -> bool) -> bool {
    let stream = &target.stream;
    let in_schema = StreamDescriptor { name: stream.name.clone(), namespace: Some(target.schema.clone()) };
    // Older versions cut names in descriptions after 300 characters, as `Display` does.
    let names = [full(stream), full(&in_schema), stream.to_string(), in_schema.to_string(), stream.name.clone()];
    names.iter().any(|name| same(said, name))
}

fn full(stream: &StreamDescriptor) -> String {
    let name = shortened(&stream.name, LONGEST_IN_DESCRIPTION);
    match &stream.namespace {
        Some(namespace) => format!("{}.{name}", shortened(namespace, LONGEST_IN_DESCRIPTION)),
        None => name.into_owned(),
    }
}

/// Whether `said` may be what a metastore returns for `own`.
fn are_alike(said: &str, own: &str) -> bool {
    let may_be_garbled = said.contains(is_garbled);
    plain(said, false) == plain(own, false) || may_be_garbled && plain(said, true) == plain(own, true)
}

fn is_garbled(c: char) -> bool {
    matches!(c, '?' | '\u{fffd}')
}

/// `name` without white space and control characters. If it `may_be_garbled`, each run of characters that some metastores cannot
/// store becomes one question mark.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::catalog::WriteMode;
    use crate::schema::columns::TableSchema;

    fn target(name: &str, namespace: Option<&str>) -> Target {
        Target {
            stream: StreamDescriptor { name: name.into(), namespace: namespace.map(Into::into) },
            schema: namespace.unwrap_or("shop").into(),
            write_mode: WriteMode::Replace,
            generation_id: None,
            table: "shop/t".into(),
            older: None,
            earlier: None,
            raw: None,
            staging: "x/t".into(),
            columns: TableSchema::raw(),
            sync_id: 0,
            dedup: None,
        }
    }

    #[test]
    fn a_table_knows_its_stream_by_its_own_description_and_by_that_of_the_older_connector() {
        use Origin::{Other, Own, PossiblyOwn};
        for (said, target, in_log, in_catalog) in [
            ("users", target("users", None), Own, Own),
            ("sales.users", target("users", Some("sales")), Own, Own),
            ("users", target("users", Some("sales")), Own, Own),
            ("shop.users", target("users", None), Own, Own),
            ("users ", target("users ", None), Own, Own),
            ("users", target("users ", None), Other, PossiblyOwn),
            ("a b", target("a\n b", None), Other, PossiblyOwn),
            ("a b", target("a\u{a0}b", None), Other, PossiblyOwn),
            ("a\u{1}b", target("a\u{2}b", None), Other, PossiblyOwn),
            ("??????", target("заказы", None), Other, PossiblyOwn),
            ("what?", target("whatж", None), Other, PossiblyOwn),
            ("a\u{fffd}", target("aж", None), Other, PossiblyOwn),
            ("new_??????", target("заказы", None), Other, Other),
            ("клиент", target("заказы", None), Other, Other),
            ("sales.users", target("users", None), Other, Other),
            ("Sales.users", target("users", Some("sales")), Other, Other),
            ("Center", target("center", None), Other, Other),
        ] {
            let said = format!("Created from stream {said}");
            let found = [StoredDescription::InLog(Some(&said)), StoredDescription::InCatalog(Some(&said))]
                .map(|said| find_origin(said, &target));
            assert_eq!(found, [in_log, in_catalog], "{said}, {}", target.stream);
        }
        for said in [None, Some("Created from stream "), Some("Everybody who ever bought something")] {
            assert_eq!(find_origin(StoredDescription::InLog(said), &target("users", None)), Origin::NotNamed);
        }
    }

    #[test]
    fn a_long_name_is_stored_whole_and_recognized_as_older_versions_cut_it() {
        let names = [400, 401].map(|count| target(&format!("a{}b", " ".repeat(count)), Some("магазин")));
        for (own, other) in [(&names[0], &names[1]), (&names[1], &names[0])] {
            let said = description(&own.stream);
            assert_eq!(find_origin(StoredDescription::InLog(Some(&said)), own), Origin::Own);
            assert_eq!(find_origin(StoredDescription::InLog(Some(&said)), other), Origin::Other);
            let before = format!("{BEGINNING}{}", own.stream);
            assert_eq!(find_origin(StoredDescription::InLog(Some(&before)), own), Origin::Own);
        }
    }
}
