//! Column builders: values are appended, and can be removed from the end.
//!
//! A builder may be shorter than the number of rows so far: the missing values are NULL, and are added before the next value or
//! at the end. So the cost of a record depends on the properties that it has, not on the columns of the table. Texts become
//! arrays of bytes: they were checked to be UTF-8 when they were read, and the Parquet schema says that they are texts.

use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type,
    TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, ListArray, MapArray, PrimitiveArray, StructArray};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBuffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields};

use super::plan::Type;
use crate::schema::kind::{Bits, Decimal, member};

/// The values of a column so far.
pub struct Column {
    nulls: NullBufferBuilder,
    values: Values,
}

/// They, by their type; where the column is NULL, some value.
pub enum Values {
    Boolean(BooleanBufferBuilder),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    Decimal(Vec<i128>, Decimal),
    Date(Vec<i32>),
    Timestamp(Vec<i64>),
    LocalTimestamp(Vec<i64>),
    Bytes(Bytes),
    /// The fields, and their names.
    Struct(Vec<Column>, Vec<String>),
    /// Where each list ends, and the items of all.
    List(Ends, Box<Column>),
    Map(Map),
}

/// Where each value ends.
pub struct Ends(Vec<i32>);

/// Byte strings, one behind the other.
pub struct Bytes {
    ends: Ends,
    bytes: Vec<u8>,
}

/// Texts by their names.
pub struct Map {
    ends: Ends,
    keys: Bytes,
    values: Bytes,
}

impl Column {
    /// No value yet, of type `kind`.
    pub fn new(kind: &Type) -> Self {
        let values = match kind {
            Type::Boolean => Values::Boolean(BooleanBufferBuilder::new(0)),
            Type::Integer(Bits::B64) | Type::Time => Values::Int64(Vec::new()),
            Type::Integer(_) => Values::Int32(Vec::new()),
            Type::Float => Values::Float(Vec::new()),
            Type::Double => Values::Double(Vec::new()),
            Type::Decimal(decimal) => Values::Decimal(Vec::new(), *decimal),
            Type::Date => Values::Date(Vec::new()),
            Type::Timestamp => Values::Timestamp(Vec::new()),
            Type::LocalTimestamp => Values::LocalTimestamp(Vec::new()),
            Type::Text | Type::Json | Type::Binary => Values::Bytes(Bytes::new()),
            Type::Struct(fields) => {
                let names = fields.all.iter().map(|field| field.name.clone()).collect();
                Values::Struct(fields.all.iter().map(|field| Self::new(&field.kind)).collect(), names)
            }
            Type::Union(members, _) => {
                Values::Struct(members.iter().map(Self::new).collect(), (0..members.len()).map(member).collect())
            }
            Type::List(item) => Values::List(Ends::new(), Box::new(Self::new(item))),
            Type::TextMap => Values::Map(Map { ends: Ends::new(), keys: Bytes::new(), values: Bytes::new() }),
        };
        Self { nulls: NullBufferBuilder::new(0), values }
    }

    /// How many values there are, NULL among them.
    pub fn len(&self) -> usize {
        self.nulls.len()
    }

    /// The values. Who appends one says so with [`Column::appended`].
    #[inline]
    pub fn values(&mut self) -> &mut Values {
        &mut self.values
    }

    /// A value was appended that is not NULL.
    #[inline]
    pub fn appended(&mut self) {
        self.nulls.append_non_null();
    }

    /// Makes the column `len` values long: more of them are NULL, those beyond are taken back.
    #[inline]
    pub fn set_len(&mut self, len: usize) {
        let before = self.len();
        if len > before {
            self.nulls.append_n_nulls(len - before);
            self.values.set_len(len);
        } else if len < before {
            self.take_back(len);
        }
    }

    /// Takes back the values beyond `len`, and what of a value was appended that is not whole.
    pub fn take_back(&mut self, len: usize) {
        self.nulls.truncate(len);
        self.values.set_len(len);
    }

    /// The array of `len` values.
    pub fn finish(mut self, len: usize) -> Result<ArrayRef, ArrowError> {
        self.set_len(len);
        let nulls = self.nulls.finish();
        Ok(match self.values {
            Values::Boolean(mut bits) => Arc::new(BooleanArray::new(bits.finish(), nulls)),
            Values::Int32(values) => primitive::<Int32Type>(values, nulls)?,
            Values::Int64(values) => primitive::<Int64Type>(values, nulls)?,
            Values::Float(values) => primitive::<Float32Type>(values, nulls)?,
            Values::Double(values) => primitive::<Float64Type>(values, nulls)?,
            Values::Date(values) => primitive::<Date32Type>(values, nulls)?,
            Values::LocalTimestamp(values) => primitive::<TimestampMicrosecondType>(values, nulls)?,
            Values::Timestamp(values) => {
                let array = PrimitiveArray::<TimestampMicrosecondType>::try_new(ScalarBuffer::from(values), nulls)?;
                Arc::new(array.with_timezone("UTC"))
            }
            Values::Decimal(values, Decimal { precision, scale }) => {
                let array = PrimitiveArray::<Decimal128Type>::try_new(ScalarBuffer::from(values), nulls)?;
                Arc::new(array.with_precision_and_scale(precision, i8::try_from(scale).unwrap_or(i8::MAX))?)
            }
            Values::Bytes(bytes) => bytes.finish(nulls)?,
            Values::Struct(columns, names) => {
                let arrays = columns.into_iter().map(|column| column.finish(len)).collect::<Result<Vec<_>, _>>()?;
                let fields: Fields =
                    names.into_iter().zip(&arrays).map(|(name, array)| field(&name, array, true)).collect();
                Arc::new(StructArray::try_new_with_length(fields, arrays, nulls, len)?)
            }
            Values::List(ends, item) => {
                let items = item.finish(ends.last())?;
                Arc::new(ListArray::try_new(field("element", &items, true), ends.finish(), items, nulls)?)
            }
            Values::Map(Map { ends, keys, values }) => {
                let (keys, values) = (keys.finish(None)?, values.finish(None)?);
                let fields = Fields::from(vec![field("key", &keys, false), field("value", &values, true)]);
                let entries = StructArray::try_new(fields, vec![keys, values], None)?;
                let entry = Arc::new(Field::new("key_value", entries.data_type().clone(), false));
                Arc::new(MapArray::try_new(entry, ends.finish(), entries, nulls, false)?)
            }
        })
    }
}

impl Values {
    /// Appends NULL's stand-ins, or takes values back.
    fn set_len(&mut self, len: usize) {
        match self {
            Self::Boolean(bits) if len < bits.len() => bits.truncate(len),
            Self::Boolean(bits) => bits.append_n(len - bits.len(), false),
            Self::Int32(values) | Self::Date(values) => values.resize(len, 0),
            Self::Int64(values) | Self::Timestamp(values) | Self::LocalTimestamp(values) => values.resize(len, 0),
            Self::Float(values) => values.resize(len, 0.0),
            Self::Double(values) => values.resize(len, 0.0),
            Self::Decimal(values, _) => values.resize(len, 0),
            Self::Bytes(bytes) => bytes.set_len(len),
            // Fields are filled up when they have a value again.
            Self::Struct(columns, _) => {
                columns.iter_mut().filter(|column| column.len() > len).for_each(|column| column.set_len(len));
            }
            Self::List(ends, item) => {
                ends.set_len(len);
                if item.len() > ends.last() {
                    item.set_len(ends.last());
                }
            }
            Self::Map(map) => {
                map.ends.set_len(len);
                map.keys.set_len(map.ends.last());
                map.values.set_len(map.ends.last());
            }
        }
    }
}

impl Ends {
    fn new() -> Self {
        Self(vec![0])
    }

    /// The next value ends at `end`.
    #[inline]
    pub fn push(&mut self, end: usize) {
        // Beyond, the column is refused at the end.
        self.0.push(i32::try_from(end).unwrap_or(i32::MAX));
    }

    /// Where the last value ends.
    #[inline]
    pub fn last(&self) -> usize {
        self.0.last().map_or(0, |end| usize::try_from(*end).unwrap_or(0))
    }

    fn set_len(&mut self, len: usize) {
        let last = self.0.last().copied().unwrap_or(0);
        self.0.resize(len + 1, last);
    }

    fn finish(self) -> OffsetBuffer<i32> {
        OffsetBuffer::new(ScalarBuffer::from(self.0))
    }
}

impl Bytes {
    fn new() -> Self {
        Self { ends: Ends::new(), bytes: Vec::new() }
    }

    /// Appends what `write` appends.
    #[inline]
    pub fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    fn set_len(&mut self, len: usize) {
        self.ends.set_len(len);
        self.bytes.truncate(self.ends.last());
    }

    fn finish(self, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        if i32::try_from(self.bytes.len()).is_err() {
            return Err(ArrowError::OffsetOverflowError(self.bytes.len()));
        }
        Ok(Arc::new(BinaryArray::try_new(self.ends.finish(), Buffer::from_vec(self.bytes), nulls)?))
    }
}

impl Map {
    /// Appends `entries` as one value.
    pub fn push<'a>(&mut self, entries: impl Iterator<Item = (&'a [u8], &'a [u8])>) {
        for (key, value) in entries {
            self.keys.push(|bytes| bytes.extend_from_slice(key));
            self.values.push(|bytes| bytes.extend_from_slice(value));
        }
        self.ends.push(self.keys.ends.0.len() - 1);
    }
}

fn primitive<T: ArrowPrimitiveType>(values: Vec<T::Native>, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
    Ok(Arc::new(PrimitiveArray::<T>::try_new(ScalarBuffer::from(values), nulls)?))
}

fn field(name: &str, array: &ArrayRef, nullable: bool) -> FieldRef {
    Arc::new(Field::new(name, DataType::clone(array.data_type()), nullable))
}
