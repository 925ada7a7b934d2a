//! The identifier rule: from a stream's or namespace's name to the name of a schema, a table and its folder, and from a
//! property's name to that of its column.
//!
//! The rule is that of Airbyte's connector 1.1.x, so that its tables go on being loaded: decompose (NFKD), drop combining
//! marks, replace white space and everything but ASCII letters, digits and `_` by `_`, lower case. A name of which no letter
//! and no digit remains gets a hash, which it did not get in that connector: otherwise all names of one length in Cyrillic or
//! Chinese would be one table. An identifier cannot leave its folder and needs no escaping in a path.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The longest identifier that Databricks takes, in characters.
pub const MAX_IDENTIFIER: usize = 255;

/// Turns `name` into an identifier: `[a-z0-9_]`, at most [`MAX_IDENTIFIER`] characters; empty only for an empty name.
///
/// A longer one is cut and gets a hash of the whole name, so that two long names with the same beginning stay different. So
/// does one of which only underscores remain, such as `заказы`.
pub fn identifier(name: &str) -> String {
    let out = older_identifier(name);
    if out != name && out.bytes().all(|byte| byte == b'_') && !out.is_empty() {
        return with_hash(out, name);
    }
    out
}

/// The identifier of `name` in tables of connector 1.1.x and of the first versions of this program: without a hash where only
/// underscores remain.
pub fn older_identifier(name: &str) -> String {
    let mut out = base(name);
    out.make_ascii_lowercase();
    if out.is_empty() && !name.is_empty() {
        out.push('_');
    }
    cut(out, name)
}

/// The name of a column or a record by the rules of Avro, as connector 1.1.x made it: that of an identifier with its case kept,
/// and `_` in front of a digit. Empty for a `name` of which nothing remains; of any length.
///
/// Source: `AvroNameTransformer` in `airbytehq/airbyte`.
pub fn avro_name(name: &str) -> String {
    let mut out = base(name);
    if out.starts_with(|first: char| first.is_ascii_digit()) {
        out.insert(0, '_');
    }
    out
}

/// The namespace of a record by the rules of Avro: the parts between dots, each by the rule of [`avro_name`], without those of
/// which nothing remains.
pub fn avro_namespace(namespace: &str) -> String {
    let parts: Vec<String> = namespace.split('.').map(avro_name).filter(|part| !part.is_empty()).collect();
    parts.join(".")
}

/// The name of a column: that of [`avro_name`], with a hash where only underscores remain and where it would have more than
/// [`MAX_IDENTIFIER`] characters. Never empty.
pub fn column_name(name: &str) -> String {
    let out = avro_name(name);
    if out.is_empty() || (out != name && out.bytes().all(|byte| byte == b'_')) {
        return with_hash(out, name);
    }
    cut(out, name)
}

/// `name` with a hash of `whole` behind it, at most [`MAX_IDENTIFIER`] characters.
pub fn with_hash(mut name: String, whole: &str) -> String {
    let hash = hash(whole);
    name.truncate(MAX_IDENTIFIER - hash.len());
    name.push_str(&hash);
    name
}

/// Whether `name` is a result of [`identifier`].
pub fn is_identifier(name: &str) -> bool {
    !name.is_empty() && identifier(name) == name
}

/// A folder's name for `identifier` in the staging area.
///
/// Spark ignores folders that begin with `_`, so these begin with a sign instead that no identifier has.
pub fn staging_folder(identifier: &str) -> String {
    match identifier.strip_prefix('_') {
        Some(rest) => format!("-{rest}"),
        None => identifier.to_owned(),
    }
}

/// The rule that all names have in common: only ASCII letters, digits and `_` remain, in their case.
fn base(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut in_white_space = false;
    for c in name.nfkd().filter(|c| !is_combining_mark(*c)) {
        if c.is_whitespace() {
            if !in_white_space {
                out.push('_');
            }
            in_white_space = true;
            continue;
        }
        in_white_space = false;
        out.push(if c.is_ascii_alphanumeric() { c } else { '_' });
    }
    out
}

/// Cuts a `name` that is too long and appends a hash of `whole`. The limit is also that of file systems.
fn cut(name: String, whole: &str) -> String {
    if name.len() > MAX_IDENTIFIER { with_hash(name, whole) } else { name }
}

fn hash(whole: &str) -> String {
    format!("_{:016x}", fnv1a(whole.as_bytes()))
}

/// FNV-1a, 64 bits. Defined here and not by a library: a table's name must be the same in every version.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_become_identifiers_as_the_older_connector_made_them() {
        for (name, expected) in [
            ("streamWithCamelCase", "streamwithcamelcase"),
            ("STREAM_WITH_ALL_CAPS", "stream_with_all_caps"),
            ("stream-with:spécial:character_names", "stream_with_special_character_names"),
            ("namespace_with_spécial_character", "namespace_with_special_character"),
            ("dest_1001_namespace", "dest_1001_namespace"),
            ("a \t b", "a_b"),
            ("ﬁancé", "fiance"),
            ("../../etc/passwd", "______etc_passwd"),
            ("1こ", "1_"),
            ("___", "___"),
            ("", ""),
        ] {
            assert_eq!((identifier(name), older_identifier(name)), (expected.into(), expected.into()), "{name}");
        }
    }

    #[test]
    fn names_of_which_nothing_remains_stay_different_and_keep_their_identifier() {
        assert_eq!(identifier("заказы"), "_______605db677b22bb463");
        let names = ["заказы", "клиент", "こ", "の", "!", "?", " ", "\u{301}", "\u{302}", "ЗАКАЗЫ"];
        let identifiers: std::collections::BTreeSet<String> = names.map(identifier).into();
        assert_eq!(identifiers.len(), names.len(), "{identifiers:?}");
        for (name, before) in [("заказы", "______"), ("こ", "_"), ("\u{301}", "_"), (" \t ", "_"), ("!?", "__")]
        {
            assert_eq!(older_identifier(name), before);
            assert!(identifier(name).starts_with(&format!("{before}_")), "{name}");
        }
        let (one, other) = ("ж".repeat(300), "ж".repeat(301));
        assert_eq!(identifier(&one).len(), MAX_IDENTIFIER);
        assert_ne!(identifier(&one), identifier(&other));
    }

    #[test]
    fn long_names_with_the_same_beginning_stay_different() {
        let (a, b) = ("a".repeat(300) + "1", "a".repeat(300) + "2");
        assert_eq!(identifier(&a).len(), MAX_IDENTIFIER);
        assert_ne!(identifier(&a), identifier(&b));
    }

    #[test]
    fn names_of_columns_keep_their_case_and_are_legal_in_avro() {
        for (name, avro) in [
            ("5field_name", "_5field_name"),
            ("node:id", "node_id"),
            ("Spécial \t Name", "Special_Name"),
            ("filters.items", "filters_items"),
            ("заказ", "_____"),
            ("", ""),
        ] {
            assert_eq!(avro_name(name), avro, "{name}");
        }
        assert_eq!(avro_namespace("1st.a b.c"), "_1st.a_b.c");
        assert_eq!((avro_namespace("."), avro_namespace("a..b")), (String::new(), "a.b".to_owned()));
        assert_eq!(column_name("node:id"), "node_id");
        // A hash is the same in every version: a column keeps its name.
        assert_eq!(column_name("заказ"), format!("______{:016x}", fnv1a("заказ".as_bytes())));
        assert_eq!(column_name(&"x".repeat(300)).len(), MAX_IDENTIFIER);
        assert!(!column_name("").is_empty());
    }

    #[test]
    fn no_staging_folder_begins_with_an_underscore() {
        assert_eq!(staging_folder("_users"), "-users");
        assert_eq!(staging_folder("users"), "users");
        for identifier in ["_users", "users", "__", "_", &"_".repeat(MAX_IDENTIFIER), &"x_".repeat(MAX_IDENTIFIER / 2)]
        {
            let folder = staging_folder(identifier);
            assert!(!folder.starts_with('_') && folder.len() == identifier.len(), "{folder}");
            assert_eq!(folder.replacen('-', "_", 1), identifier, "the identifier can be told from it");
        }
    }

    proptest! {
        #[test]
        fn every_identifier_is_safe_in_a_path_and_stays_as_it_is(name in ".*") {
            let once = identifier(&name);
            prop_assert!(once.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'));
            prop_assert!(once.len() <= MAX_IDENTIFIER);
            prop_assert_eq!(once.is_empty(), name.is_empty());
            prop_assert_eq!(identifier(&once), once);
        }
    }
}
