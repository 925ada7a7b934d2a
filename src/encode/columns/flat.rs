//! Finds the values of some keys in the texts of flat records, without looking at the others.
//!
//! In an object without another object, list or backslash in it, every quotation mark begins or ends a string. So where a key stands in
//! quotation marks with a colon behind, it is a key of the object. Other texts are left to `reader`.

use memchr::memchr3;
use memchr::memmem::Finder;

use super::column::Column;
use super::json::Json;
use super::plan::{Plan, Type};
use super::reader::{Object, Reader, Result};

/// Finds the keys of a plan.
pub struct Flat {
    keys: Vec<Finder<'static>>,
}

impl Flat {
    /// For the keys of `plan`; `None` where one of them has to be escaped in a text, or leads to an object.
    pub fn new(plan: &Plan) -> Option<Self> {
        let finder = |field: &super::plan::Field| {
            let key = field.key.as_deref()?;
            let is_plain =
                !matches!(field.kind, Type::Struct(_)) && !key.iter().any(|byte| matches!(byte, b'"' | b'\\' | ..b' '));
            let quoted = is_plain.then(|| [b"\"", key, b"\""].concat())?;
            Some(Finder::new(&quoted).into_owned())
        };
        let keys = plan.root.all.iter().map(finder).collect::<Option<Vec<_>>>()?;
        Some(Self { keys })
    }

    /// Finds the last value of each key in the object `text`: `values` become their first bytes and what is behind, where there is one;
    /// `false` where that is for others to do.
    #[inline]
    pub fn find<'t>(&self, text: &'t [u8], values: &mut Vec<Option<&'t [u8]>>) -> bool {
        values.clear();
        let Some((b'{', inner)) = text.split_first() else { return false };
        if memchr3(b'{', b'[', b'\\', inner).is_some() {
            return false;
        }
        for key in &self.keys {
            let mut value = None;
            for at in key.find_iter(inner) {
                // A value, or a key with white space before its colon.
                let Some((b':', behind)) = inner.get(at + key.needle().len()..).and_then(<[u8]>::split_first) else {
                    return false;
                };
                value = Some(behind);
            }
            values.push(value);
        }
        true
    }
}

impl Reader<'_> {
    /// Appends the value of each column that has one in `found`, where it begins, as their value number `row`.
    pub fn found(&mut self, columns: &mut [Column], row: usize, found: &[Option<&[u8]>]) -> Result<()> {
        self.notes.clear();
        let plan = self.plan;
        let object = Object { row, parent: None, mark: self.notes.mark(), strict: false };
        for (at, ((field, column), value)) in plan.root.all.iter().zip(columns).zip(found).enumerate() {
            let Some(value) = value else { continue };
            let mut json = Json::new(value);
            if json.peek() != b'n' {
                self.root = at;
                self.field(field, column, &mut json, object)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::columns::{Column as TableColumn, Source};
    use crate::schema::kind::Kind;

    #[test]
    fn values_are_found_in_flat_texts_and_other_texts_are_left_alone() {
        let column = |name: &str| TableColumn::new(name, Kind::Json, Source::Property(name.into()));
        let flat = Flat::new(&Plan::of_values(&[column("id"), column("at")])).unwrap();
        for (text, id, at) in [
            (r#"{"x":1,"at":"a, b","id":7,"y":null}"#, Some("7"), Some(r#""a, b""#)),
            (r#"{"id":1,"ids":3,"id":2}"#, Some("2"), None),
            (r#"{ "id": true }"#, Some("true"), None),
            (r#"{"x":"id:","at:":1}"#, None, None),
            ("{}", None, None),
        ] {
            let mut values = Vec::new();
            assert!(flat.find(text.as_bytes(), &mut values), "{text}");
            let read = |value: &Option<&[u8]>| value.map(|value| Json::new(value).skip().unwrap().text.to_vec());
            let expected = [id, at].map(|value| value.map(|value| value.as_bytes().to_vec()));
            assert_eq!(values.iter().map(read).collect::<Vec<_>>(), expected, "{text}");
        }
        for text in [
            r#"{"id" :1}"#,
            r#"{"x":"id","id":1}"#,
            r#"{"x":{"id":1}}"#,
            r#"{"x":"\"id\":1"}"#,
            r#"{"x":"["}"#,
            "[]",
            "",
        ] {
            assert!(!flat.find(text.as_bytes(), &mut Vec::new()), "{text}");
        }
        let escaped = Plan::of_values(&[column("a\"b")]);
        assert!(Flat::new(&escaped).is_none());
    }
}
