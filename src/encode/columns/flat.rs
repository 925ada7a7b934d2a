//! Cuts the values of some keys out of the texts of flat records, without looking at the others.
//!
//! In an object without another object, list or backslash in it, every quotation mark begins or ends a string. So where a key stands in
//! quotation marks with a colon behind, it is a key of the object. Other texts are left to `reader`.

use memchr::memchr3;
use memchr::memmem::Finder;

use super::json::Json;
use super::plan::{Plan, Type};

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

    /// Puts an object with nothing but these keys into `out`; `false` where that is for others to do.
    #[inline]
    pub fn shrink(&self, text: &[u8], out: &mut Vec<u8>) -> bool {
        let Some((b'{', inner)) = text.split_first() else { return false };
        if memchr3(b'{', b'[', b'\\', inner).is_some() {
            return false;
        }
        out.clear();
        out.push(b'{');
        for key in &self.keys {
            let mut value = None;
            for at in key.find_iter(inner) {
                // A value, or a key with white space before its colon.
                let Some((b':', behind)) = inner.get(at + key.needle().len()..).and_then(<[u8]>::split_first) else {
                    return false;
                };
                value = Some(behind);
            }
            let Some(value) = value else { continue };
            let Ok(value) = Json::new(value).skip() else { return false };
            if out.len() > 1 {
                out.push(b',');
            }
            out.extend_from_slice(key.needle());
            out.push(b':');
            out.extend_from_slice(value.text);
        }
        out.push(b'}');
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::columns::{Column, Source};
    use crate::schema::kind::Kind;

    #[test]
    fn keys_are_cut_out_of_flat_texts_and_other_texts_are_left_alone() {
        let column = |name: &str| Column::new(name, Kind::Json, Source::Property(name.into()));
        let flat = Flat::new(&Plan::of_values(&[column("id"), column("at")])).unwrap();
        for (text, cut) in [
            (r#"{"x":1,"at":"a, b","id":7,"y":null}"#, Some(r#"{"id":7,"at":"a, b"}"#)),
            (r#"{"id":1,"ids":3,"id":2}"#, Some(r#"{"id":2}"#)),
            (r#"{ "id": true }"#, Some(r#"{"id":true}"#)),
            (r#"{"x":"id:","at:":1}"#, Some("{}")),
            ("{}", Some("{}")),
            (r#"{"id" :1}"#, None),
            (r#"{"x":"id","id":1}"#, None),
            (r#"{"x":{"id":1}}"#, None),
            (r#"{"x":"\"id\":1"}"#, None),
            (r#"{"x":"["}"#, None),
            ("[]", None),
            ("", None),
        ] {
            let mut out = Vec::new();
            let is_cut = flat.shrink(text.as_bytes(), &mut out);
            assert_eq!(is_cut.then(|| String::from_utf8(out).unwrap()).as_deref(), cut, "{text}");
        }
        let escaped = Plan::of_values(&[column("a\"b")]);
        assert!(Flat::new(&escaped).is_none());
    }
}
