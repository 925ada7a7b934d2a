//! Where a file has the values that rows are compared by: columns, fields of structures, or values in the JSON texts of a column.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Float32Array, Float64Array, Int32Array, Int64Array,
    PrimitiveArray, make_array,
};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;
use memchr::memmem;
use parquet::basic::Repetition;
use parquet::schema::types::{SchemaDescriptor, Type};

use super::leaf::LeafValues;
use super::value::Value;
use crate::encode::json_values::{JsonValues, is_kept};
use crate::error::{Error, Result};
use crate::schema::dedup::Place;
use crate::schema::kind::Kind;

/// What a text without a value is read as.
const NO_TEXT: &[u8] = b"{}";

/// The places of values in a file.
pub struct Spots {
    file: SchemaDescriptor,
    spots: Vec<Spot>,
    /// The columns that are read, and from which definition level on their place is there.
    leaves: Vec<(usize, i16)>,
    texts: Vec<TextColumn>,
}

/// A place of a value.
enum Spot {
    /// The file has no such column: no row has a value.
    Nowhere,
    /// A column, by its number.
    Leaf(usize),
    /// In the JSON texts of `texts[0]`, the value number `1` of those that are read there.
    Text(usize, usize),
}

/// A column of JSON texts.
struct TextColumn {
    leaf: usize,
    /// Paths, types, and whether it is a part of the key.
    wanted: Vec<(Vec<String>, Kind, bool)>,
    values: Option<JsonValues>,
}

/// The values of some rows.
pub struct Taken<'a> {
    spots: &'a [Spot],
    leaves: &'a [(usize, LeafValues)],
    texts: Vec<Vec<Values>>,
}

/// Texts behind their lengths, as `encode` has them.
pub fn pack<'v>(texts: impl Iterator<Item = Value<'v>>) -> Vec<u8> {
    let mut packed = Vec::new();
    for text in texts {
        let text = if let Value::Bytes(text) = text { text } else { NO_TEXT };
        packed.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        packed.extend_from_slice(text);
    }
    packed
}

/// Whether a JSON text among `texts` may have half a surrogate pair, which is no character.
fn may_have_half_pairs(texts: &[u8]) -> bool {
    memmem::find_iter(texts, b"\\u").any(|at| matches!(texts.get(at + 2), Some(b'd' | b'D')))
}

/// The values of an array.
pub enum Values {
    Boolean(BooleanArray),
    Int32(Int32Array),
    Int64(Int64Array),
    Float(Float32Array),
    Double(Float64Array),
    Decimal(Decimal128Array, u8),
    Days(PrimitiveArray<Date32Type>),
    Micros(PrimitiveArray<TimestampMicrosecondType>),
    Bytes(BinaryArray),
    /// Of a type that is made of others: only whether it is there.
    Other(ArrayRef),
    /// Where there is no value, this text, if there is one: what the type of its key does not keep.
    OrText(Box<Values>, BinaryArray),
}

impl Spots {
    /// Nothing yet, of a file with the columns `file`.
    pub fn new(file: &SchemaDescriptor) -> Self {
        let file = SchemaDescriptor::new(file.root_schema_ptr());
        Self { file, spots: Vec::new(), leaves: Vec::new(), texts: Vec::new() }
    }

    /// Adds the value at `place`, and returns its number.
    pub fn value(&mut self, place: &Place) -> Result<usize> {
        self.add(place, &place.kind, (true, false))
    }

    /// The same for a part of the key, which is read as `kind` in a JSON text.
    pub fn key(&mut self, place: &Place, kind: &Kind) -> Result<usize> {
        self.add(place, kind, (true, true))
    }

    /// The same for a value of which only is asked whether it is there.
    pub fn presence(&mut self, place: &Place) -> Result<usize> {
        self.add(place, &Kind::Json, (false, false))
    }

    /// The same for the column `name`.
    pub fn column(&mut self, name: &str) -> Result<usize> {
        let found = self.find(&[name], true)?;
        Ok(self.push(found))
    }

    /// To be called when all are added.
    pub fn end(&mut self) {
        for text in &mut self.texts {
            text.values = Some(JsonValues::new(text.wanted.iter().map(|(path, kind, _)| (path.as_slice(), kind))));
        }
    }

    /// The numbers of the columns that are read.
    pub fn leaves(&self) -> Vec<usize> {
        self.leaves.iter().map(|(leaf, _)| *leaf).collect()
    }

    /// From which definition level on the place in the column `leaf` is there.
    pub fn present_from(&self, leaf: usize) -> Option<i16> {
        self.leaves.iter().find(|(own, _)| *own == leaf).map(|(_, from)| *from)
    }

    /// The values of `rows` rows, of which `leaves` are the columns.
    pub fn take<'a>(&'a self, leaves: &'a [(usize, LeafValues)], rows: usize) -> Result<Taken<'a>> {
        let mut texts = Vec::with_capacity(self.texts.len());
        for column in &self.texts {
            let values = leaves.iter().find(|(leaf, _)| *leaf == column.leaf).map(|(_, values)| values);
            let packed = pack((0..rows).map(|row| values.map_or(Value::Null, |values| values.get(row))));
            let arrays = column.values.as_ref().map_or(Ok(Vec::new()), |values| values.read(&packed))?;
            let mut values = Vec::with_capacity(arrays.len());
            for (array, (path, kind, is_key)) in arrays.into_iter().zip(&column.wanted) {
                values.push(if *is_key { Values::of_key(array, path, kind, &packed)? } else { Values::of(array) });
            }
            texts.push(values);
        }
        Ok(Taken { spots: &self.spots, leaves, texts })
    }

    fn add(&mut self, place: &Place, kind: &Kind, (is_value, is_key): (bool, bool)) -> Result<usize> {
        let path: Vec<&str> = [&place.column].into_iter().chain(&place.fields).map(String::as_str).collect();
        let found = self.find(&path, is_value || !place.json.is_empty())?;
        if place.json.is_empty() {
            return Ok(self.push(found));
        }
        let Some((leaf, from)) = found else { return Ok(self.push(None)) };
        self.read_leaf(leaf, from);
        let at = self.texts.iter().position(|text| text.leaf == leaf).unwrap_or_else(|| {
            self.texts.push(TextColumn { leaf, wanted: Vec::new(), values: None });
            self.texts.len() - 1
        });
        let wanted = (place.json.clone(), kind.clone(), is_key);
        let number = self.texts.get_mut(at).map_or(0, |text| {
            text.wanted.iter().position(|other| *other == wanted).unwrap_or_else(|| {
                text.wanted.push(wanted);
                text.wanted.len() - 1
            })
        });
        self.spots.push(Spot::Text(at, number));
        Ok(self.spots.len() - 1)
    }

    fn push(&mut self, found: Option<(usize, i16)>) -> usize {
        match found {
            Some((leaf, from)) => {
                self.read_leaf(leaf, from);
                self.spots.push(Spot::Leaf(leaf));
            }
            None => self.spots.push(Spot::Nowhere),
        }
        self.spots.len() - 1
    }

    fn read_leaf(&mut self, leaf: usize, from: i16) {
        if !self.leaves.iter().any(|(own, _)| *own == leaf) {
            self.leaves.push((leaf, from));
        }
    }

    /// The first column at `path` or below, and from which definition level on the path is there; `None` where the file lacks it.
    fn find(&self, path: &[&str], is_value: bool) -> Result<Option<(usize, i16)>> {
        let (mut here, mut level, mut real) = (self.file.root_schema_ptr(), 0, Vec::with_capacity(path.len()));
        for name in path {
            // Delta has no two columns that differ in case alone.
            let found = match here.as_ref() {
                Type::GroupType { fields, .. } => {
                    let exact = fields.iter().find(|field| field.name() == *name);
                    exact.or_else(|| fields.iter().find(|field| field.name().eq_ignore_ascii_case(name))).cloned()
                }
                Type::PrimitiveType { .. } => None,
            };
            let Some(found) = found else { return Ok(None) };
            level += i16::from(found.get_basic_info().repetition() != Repetition::REQUIRED);
            real.push(found.name().to_owned());
            here = Arc::clone(&found);
        }
        let below = |parts: &[String]| parts.starts_with(&real);
        let leaf = self.file.columns().iter().position(|column| below(column.path().parts()));
        let Some((leaf, column)) = leaf.and_then(|leaf| Some((leaf, self.file.columns().get(leaf)?))) else {
            return Ok(None);
        };
        if is_value && (column.path().parts().len() != real.len() || column.max_rep_level() > 0) {
            return Err(Error::config(format!(
                "A file of the table has a structure or a list in column {:?}, where the primary key or the cursor needs a single \
                 value. Move the table away, or replace its rows (a refresh).",
                path.join(".")
            )));
        }
        Ok(Some((leaf, level)))
    }
}

impl Taken<'_> {
    /// The value number `spot` of a row.
    #[inline]
    pub fn get(&self, spot: usize, row: usize) -> Value<'_> {
        match self.spots.get(spot) {
            Some(Spot::Leaf(leaf)) => self.leaf(*leaf).map_or(Value::Null, |values| values.get(row)),
            Some(Spot::Text(text, number)) => self
                .texts
                .get(*text)
                .and_then(|values| values.get(*number))
                .map_or(Value::Null, |values| values.get(row)),
            Some(Spot::Nowhere) | None => Value::Null,
        }
    }

    /// Whether the value number `spot` of a row is there.
    pub fn is_present(&self, spot: usize, row: usize) -> bool {
        match self.spots.get(spot) {
            Some(Spot::Leaf(leaf)) => self.leaf(*leaf).is_some_and(|values| values.is_present(row)),
            Some(Spot::Text(text, number)) => {
                let values = self.texts.get(*text).and_then(|values| values.get(*number));
                values.is_some_and(|values| values.is_present(row))
            }
            Some(Spot::Nowhere) | None => false,
        }
    }

    fn leaf(&self, leaf: usize) -> Option<&LeafValues> {
        self.leaves.iter().find(|(own, _)| *own == leaf).map(|(_, values)| values)
    }
}

impl Values {
    /// Whether the row has a value, of whatever type.
    pub fn is_present(&self, row: usize) -> bool {
        match self {
            Self::Other(array) => array.is_valid(row),
            values => values.get(row) != Value::Null,
        }
    }

    /// Those of `array`, a part of a key that was read as `kind` at `path` in `texts`. A value that does not fit its type, or of which that
    /// would not keep all, counts as its text, so that no other value is the same.
    pub fn of_key(array: ArrayRef, path: &[String], kind: &Kind, texts: &[u8]) -> Result<Self> {
        let is_whole = match kind {
            Kind::Json => true,
            Kind::Text | Kind::Uuid => !may_have_half_pairs(texts),
            Kind::Date | Kind::Timestamp | Kind::LocalTimestamp => false,
            _ => array.null_count() == 0,
        };
        if is_whole {
            return Ok(Self::of(array));
        }
        let read = JsonValues::new([(path, &Kind::Json)]).read(texts)?.pop();
        let Some(texts) = read.as_ref().and_then(|array| array.as_binary_opt::<i32>()) else {
            return Ok(Self::of(array));
        };
        let kept = NullBuffer::from_iter(texts.iter().map(|text| text.is_none_or(|text| is_kept(kind, text))));
        let nulls = NullBuffer::union(array.nulls(), Some(&kept));
        let failed = |error| Error::system("The values of a key could not be told apart.").with_source(error);
        let array = make_array(array.to_data().into_builder().nulls(nulls).build().map_err(failed)?);
        Ok(Self::OrText(Box::new(Self::of(array)), texts.clone()))
    }

    /// Those of `array`.
    pub fn of(array: ArrayRef) -> Self {
        match array.data_type() {
            DataType::Boolean => Self::Boolean(array.as_boolean().clone()),
            DataType::Int32 => Self::Int32(array.as_primitive::<Int32Type>().clone()),
            DataType::Int64 => Self::Int64(array.as_primitive::<Int64Type>().clone()),
            DataType::Float32 => Self::Float(array.as_primitive::<Float32Type>().clone()),
            DataType::Float64 => Self::Double(array.as_primitive::<Float64Type>().clone()),
            DataType::Decimal128(_, scale) => {
                let scale = u8::try_from(*scale).unwrap_or(0);
                Self::Decimal(array.as_primitive::<Decimal128Type>().clone(), scale)
            }
            DataType::Date32 => Self::Days(array.as_primitive::<Date32Type>().clone()),
            DataType::Timestamp(_, _) => match array.as_primitive_opt::<TimestampMicrosecondType>() {
                Some(times) => Self::Micros(times.clone()),
                None => Self::Other(array),
            },
            DataType::Binary => Self::Bytes(array.as_binary::<i32>().clone()),
            _ => Self::Other(array),
        }
    }

    /// The value of a row.
    #[inline]
    pub fn get(&self, row: usize) -> Value<'_> {
        macro_rules! value {
            ($array:expr, $make:expr) => {
                if row < $array.len() && $array.is_valid(row) { $make($array.value(row)) } else { Value::Null }
            };
        }
        match self {
            Self::Boolean(array) => value!(array, Value::Boolean),
            Self::Int32(array) => value!(array, |value| Value::Whole(i64::from(value))),
            Self::Int64(array) => value!(array, Value::Whole),
            Self::Float(array) => value!(array, |value| Value::Double(f64::from(value))),
            Self::Double(array) => value!(array, Value::Double),
            Self::Decimal(array, scale) => value!(array, |value| Value::Decimal(value, *scale)),
            Self::Days(array) => value!(array, Value::Days),
            Self::Micros(array) => value!(array, Value::Micros),
            Self::Bytes(array) => value!(array, Value::Bytes),
            Self::Other(_) => Value::Null,
            Self::OrText(values, texts) => match values.get(row) {
                Value::Null => value!(texts, Value::Misfit),
                value => value,
            },
        }
    }
}
