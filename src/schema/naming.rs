//! The identifier rule: from a stream's or namespace's name to the name of a schema, a table and its folder.
//!
//! Pure text in, text out. The rule is that of Airbyte's connector 1.1.x, so that its tables go on being loaded:
//! decompose, drop combining marks, white space and everything outside ASCII letters, digits and `_` become `_`,
//! lower case. Nothing that leaves here can climb out of a folder or needs escaping in a path.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The longest identifier that Databricks takes, in characters.
pub const MAX_IDENTIFIER: usize = 255;

/// Turns `name` into an identifier: `[a-z0-9_]`, at most [`MAX_IDENTIFIER`] characters; empty only for an empty name.
///
/// A longer one is cut and gets a hash of the whole, so that two long names that share a beginning stay two.
pub fn identifier(name: &str) -> String {
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
        out.push(if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' });
    }
    if out.is_empty() && !name.is_empty() {
        out.push('_');
    }
    cut(out, name)
}

/// Whether `name` is one that [`identifier`] can give.
pub fn is_identifier(name: &str) -> bool {
    !name.is_empty() && identifier(name) == name
}

/// A folder's name for `identifier` in the staging area.
///
/// Spark passes over folders that begin with `_`, so such a one gets a prefix that no identifier can have.
pub fn staging_folder(identifier: &str) -> String {
    if identifier.starts_with('_') { cut(format!("x-{identifier}"), identifier) } else { identifier.to_owned() }
}

/// A `name` that is too long is cut and gets a hash of `whole`. Also the longest name that file systems take.
fn cut(mut name: String, whole: &str) -> String {
    if name.len() > MAX_IDENTIFIER {
        let hash = format!("_{:016x}", fnv1a(whole.as_bytes()));
        name.truncate(MAX_IDENTIFIER - hash.len());
        name.push_str(&hash);
    }
    name
}

/// FNV-1a, 64 bits: fixed by its definition, because a table's name must be the same in every version.
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
            ("こ", "_"),
            ("\u{301}", "_"),
            ("", ""),
        ] {
            assert_eq!(identifier(name), expected, "{name}");
        }
    }

    #[test]
    fn long_names_that_share_a_beginning_stay_apart() {
        let (a, b) = ("a".repeat(300) + "1", "a".repeat(300) + "2");
        assert_eq!(identifier(&a).len(), MAX_IDENTIFIER);
        assert_ne!(identifier(&a), identifier(&b));
    }

    #[test]
    fn no_staging_folder_begins_with_an_underscore() {
        assert_eq!(staging_folder("_users"), "x-_users");
        assert_eq!(staging_folder("users"), "users");
        assert_eq!(staging_folder(&"_".repeat(MAX_IDENTIFIER)).len(), MAX_IDENTIFIER);
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
