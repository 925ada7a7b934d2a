//! Single values out of the JSON texts of records, by the rules of the layout `columns`: those by which rows of the raw layout are
//! compared.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, StructArray};

pub use super::columns::is_kept;
use super::columns::{Plan, build_values};
use crate::error::{Error, Result};
use crate::schema::columns::{Column, Source};
use crate::schema::kind::{Kind, Record};

/// Reads the values at some paths.
pub struct JsonValues {
    /// More than one where a path leads to a value and another one into it.
    plans: Vec<Plan>,
    /// For each path its plan, and the way to its array in there.
    ways: Vec<(usize, Vec<usize>)>,
}

impl JsonValues {
    /// Reads the values at `wanted`, each a path of names of properties and the type that is read there.
    pub fn new<'a>(wanted: impl IntoIterator<Item = (&'a [String], &'a Kind)>) -> Self {
        let mut trees: Vec<Vec<Column>> = Vec::new();
        let mut ways = Vec::new();
        for (path, kind) in wanted {
            let found = trees.iter_mut().enumerate().find_map(|(at, tree)| Some((at, insert(tree, path, kind)?)));
            ways.push(found.unwrap_or_else(|| {
                let mut tree = Vec::new();
                let way = insert(&mut tree, path, kind).unwrap_or_default();
                trees.push(tree);
                (trees.len() - 1, way)
            }));
        }
        Self { plans: trees.iter().map(|tree| Plan::of_values(tree)).collect(), ways }
    }

    /// The values of each path in `texts`, each text behind its length (4 bytes, little-endian). A value that is not there, that does
    /// not fit its type, or whose text is no JSON object, is NULL.
    pub fn read(&self, texts: &[u8]) -> Result<Vec<ArrayRef>> {
        let built = self.plans.iter().map(|plan| build_values(plan, texts)).collect::<Result<Vec<_>>>()?;
        let find = |(plan, way): &(usize, Vec<usize>)| -> Option<ArrayRef> {
            let (first, inner) = way.split_first()?;
            let mut array = built.get(*plan)?.get(*first)?;
            for at in inner {
                array = array.as_any().downcast_ref::<StructArray>()?.columns().get(*at)?;
            }
            Some(Arc::clone(array))
        };
        let lost = || Error::system("A value of a record's text has no column.");
        self.ways.iter().map(|way| find(way).ok_or_else(lost)).collect()
    }
}

/// Adds the value at `path` to the properties `tree`, and returns the way to it; `None` where another path is in the way.
fn insert(tree: &mut Vec<Column>, path: &[String], kind: &Kind) -> Option<Vec<usize>> {
    let (name, inner) = path.split_first()?;
    let is_it = |column: &Column| matches!(&column.source, Source::Property(own) if own == name);
    let at = tree.iter().position(is_it);
    if inner.is_empty() {
        if let Some(at) = at {
            return (tree.get(at)?.kind == *kind).then(|| vec![at]);
        }
        tree.push(Column::new(name.clone(), kind.clone(), Source::Property(name.clone())));
        return Some(vec![tree.len() - 1]);
    }
    let (mut fields, at) = match at {
        Some(at) => match &tree.get(at)?.kind {
            // One that was made here: the types of values are made of no others.
            Kind::Struct(record) => (record.fields.clone(), at),
            _ => return None,
        },
        None => (Vec::new(), tree.len()),
    };
    let rest = insert(&mut fields, inner, kind)?;
    let record = Kind::Struct(Arc::new(Record { name: name.clone(), namespace: None, fields }));
    let column = Column::new(name.clone(), record, Source::Property(name.clone()));
    match tree.get_mut(at) {
        Some(place) => *place = column,
        None => tree.push(column),
    }
    Some([at].into_iter().chain(rest).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::rows::Rows;
    use crate::schema::kind::Bits;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;

    fn texts(all: &[&str]) -> Vec<u8> {
        let mut rows = Rows::default();
        all.iter().for_each(|text| rows.push(text.as_bytes(), 0, 64));
        rows.into_parts().0
    }

    #[test]
    fn values_are_found_at_their_paths_and_are_null_elsewhere() {
        let paths = [vec!["id".to_owned()], vec!["a".to_owned(), "b".to_owned()], vec!["a".to_owned(), "c".to_owned()]];
        let (long, text) = (Kind::Integer(Bits::B64), Kind::Text);
        let wanted = [(&paths[0][..], &long), (&paths[1][..], &text), (&paths[2][..], &long)];
        let values = JsonValues::new(wanted);
        assert_eq!(values.plans.len(), 1);
        let read = values
            .read(&texts(&[
                r#"{"x": [1], "id": 7, "a": {"b": "ä\n", "c": 1}}"#,
                r#"{"id": 1, "a": {"b": "gone"}, "id": 2, "a": null}"#,
                r#"{"id": "no number", "a": 3}"#,
                "no object",
                "{}",
            ]))
            .unwrap();
        let longs = |at: usize| read[at].as_primitive::<Int64Type>().iter().collect::<Vec<_>>();
        assert_eq!(longs(0), [Some(7), Some(2), None, None, None]);
        assert_eq!(longs(2), [Some(1), None, None, None, None]);
        let b = read[1].as_binary::<i32>().iter().collect::<Vec<_>>();
        assert_eq!(b, [Some("ä\n".as_bytes()), None, None, None, None]);
    }

    #[test]
    fn a_value_and_one_inside_of_it_are_both_found() {
        let paths = [vec!["a".to_owned()], vec!["a".to_owned(), "b".to_owned()]];
        let values = JsonValues::new([(&paths[0][..], &Kind::Json), (&paths[1][..], &Kind::Text)]);
        let read = values.read(&texts(&[r#"{"a": {"b": "x"}}"#])).unwrap();
        let all: Vec<_> = read.iter().map(|array| array.as_binary::<i32>().value(0)).collect();
        assert_eq!(all, [&br#"{"b":"x"}"#[..], b"x"]);
    }
}
