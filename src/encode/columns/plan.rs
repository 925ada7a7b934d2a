//! A [`TableSchema`] in the form that `reader` needs to turn records into columns.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::guarded::{Guarded, Role};
use super::json::{Json, Text};
use crate::schema::columns::{Column, Layout, Source, TableSchema};
use crate::schema::kind::{Bits, Decimal, Kind};

/// How records become the columns of a table.
pub struct Plan {
    /// The rules for values.
    pub rules: Rules,
    /// The columns that are filled from the record, in their order.
    pub root: Fields,
    /// Which of them holds what was changed.
    pub meta: Option<usize>,
    /// The number of the sync.
    pub sync_id: i64,
    /// Whether properties without a column go nowhere.
    pub drops_others: bool,
}

/// The rules for values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// A value that does not fit is NULL and named in the row's changes.
    Columns,
    /// Those of connector 1.1.x; a value that does not fit goes into the properties that no column has.
    Classic,
}

/// The columns, or the fields of a structure.
pub struct Fields {
    /// In their order.
    pub all: Vec<Field>,
    /// The field of all other keys.
    pub undeclared: Option<usize>,
    by_key: HashMap<Box<[u8]>, usize, FixedState>,
    by_name: HashMap<Box<[u8]>, usize, FixedState>,
    first: usize,
}

/// A column, or a field of a structure.
pub struct Field {
    /// Its name.
    pub name: String,
    /// The key of its values in a record.
    pub key: Option<Box<[u8]>>,
    /// That key with its quotes and its colon, as records have it that are written without white space; empty if it needs escapes.
    token: Box<[u8]>,
    /// How its values are read.
    pub kind: Type,
    /// Whether it takes values only as they are, by the rules of [`Rules::Columns`].
    pub is_exact: bool,
    /// What its values decide, or those in it.
    pub role: Option<Role>,
}

/// How values are read and kept. The names are those of [`Kind`].
pub enum Type {
    Text,
    Json,
    Boolean,
    Integer(Bits),
    Float,
    Double,
    Decimal(Decimal),
    Date,
    Time,
    Timestamp,
    LocalTimestamp,
    Binary,
    Struct(Arc<Fields>),
    List(Box<Type>),
    /// The members, and the places of those that take values, the first one to be tried first.
    Union(Vec<Type>, Vec<usize>),
    TextMap,
}

/// What is left of the ways to guarded properties.
#[derive(Default)]
struct Ways<'a>(Vec<(&'a [String], Role)>);

impl Plan {
    /// For records of `schema` with the properties `guarded`.
    pub fn new(schema: &TableSchema, sync_id: i64, guarded: &[Guarded]) -> Self {
        let rules = match schema.layout() {
            Layout::Raw | Layout::Columns => Rules::Columns,
            Layout::Classic => Rules::Classic,
        };
        let meta = schema.record().iter().position(|column| column.source == Source::Meta);
        Self { rules, root: Fields::new(schema.record(), &Ways::to(guarded)), meta, sync_id, drops_others: false }
    }

    /// For the values of `columns` alone, by the rules of the layout `columns`.
    pub fn of_values(columns: &[Column]) -> Self {
        Self {
            rules: Rules::Columns,
            root: Fields::new(columns, &Ways::default()),
            meta: None,
            sync_id: 0,
            drops_others: true,
        }
    }
}

impl Fields {
    fn new(columns: &[Column], guarded: &Ways<'_>) -> Self {
        let mut made = Self {
            all: Vec::with_capacity(columns.len()),
            undeclared: columns.iter().position(|column| column.source == Source::Undeclared),
            by_key: HashMap::default(),
            by_name: HashMap::default(),
            first: columns.iter().position(|column| matches!(column.source, Source::Property(_))).unwrap_or(0),
        };
        for (at, column) in columns.iter().enumerate() {
            let key = match &column.source {
                Source::Property(key) => Some(Box::from(key.as_bytes())),
                _ => None,
            };
            if let Some(key) = &key {
                made.by_key.insert(Clone::clone(key), at);
                made.by_name.insert(Box::from(column.name.as_bytes()), at);
            }
            let token = key.as_deref().map(token).unwrap_or_default();
            let guarded = key.as_deref().map(|key| guarded.behind(key)).unwrap_or_default();
            let (kind, is_exact) = (Type::of(&column.kind, &guarded), column.is_exact);
            made.all.push(Field { name: column.name.clone(), key, token, kind, is_exact, role: guarded.role() });
        }
        made
    }

    /// The field at the place `next` and its key, if that is the key that follows in `json`, which it passes then; `next` becomes
    /// the place behind it. Objects mostly have their keys in one order.
    #[inline]
    pub fn eat_next(&self, json: &mut Json<'_>, is_first: &mut bool, next: &mut usize) -> Option<(usize, Text<'_>)> {
        let at = (*next).max(self.first);
        let field = self.all.get(at)?;
        let key = field.key.as_deref()?;
        if field.token.is_empty() || !json.eat_key(&field.token, is_first) {
            return None;
        }
        *next = at + 1;
        Some((at, Text::plain(key)))
    }

    /// The field of `key`. `next` is where the search begins, and then the place behind the field: objects mostly have their keys
    /// in one order.
    #[inline]
    pub fn find(&self, key: &[u8], next: &mut usize) -> Option<usize> {
        let guess = (*next).max(self.first);
        let at = match self.all.get(guess) {
            Some(field) if field.key.as_deref() == Some(key) => guess,
            _ => *self.by_key.get(key)?,
        };
        *next = at + 1;
        Some(at)
    }

    /// The field with the name `name`, which is made of a key.
    pub fn named(&self, name: &str) -> Option<usize> {
        self.by_name.get(name.as_bytes()).copied()
    }
}

/// `key` as a JSON text without white space has it, with its colon; empty if it needs escapes there.
fn token(key: &[u8]) -> Box<[u8]> {
    if key.iter().any(|byte| matches!(byte, b'"' | b'\\' | ..b' ')) {
        return Box::default();
    }
    [b"\"", key, b"\":"].concat().into()
}

impl Type {
    fn of(kind: &Kind, guarded: &Ways<'_>) -> Self {
        match kind {
            Kind::Uuid | Kind::Text => Self::Text,
            Kind::Json => Self::Json,
            Kind::Boolean => Self::Boolean,
            Kind::Integer(bits) => Self::Integer(*bits),
            Kind::Float => Self::Float,
            Kind::Double => Self::Double,
            Kind::Decimal(decimal) => Self::Decimal(*decimal),
            Kind::Date => Self::Date,
            Kind::Time => Self::Time,
            Kind::Timestamp => Self::Timestamp,
            Kind::LocalTimestamp => Self::LocalTimestamp,
            Kind::Binary => Self::Binary,
            Kind::Struct(record) => Self::Struct(Arc::new(Fields::new(&record.fields, guarded))),
            Kind::List(item) => Self::List(Box::new(Self::of(item, &Ways::default()))),
            Kind::Union(members) => {
                Self::Union(members.iter().map(|kind| Self::of(kind, guarded)).collect(), members.turns())
            }
            Kind::TextMap => Self::TextMap,
        }
    }
}

impl<'a> Ways<'a> {
    fn to(guarded: &'a [Guarded]) -> Self {
        Self(guarded.iter().map(|guarded| (guarded.path.as_slice(), guarded.role)).collect())
    }

    /// Those that lead through the key `key`, from behind it.
    fn behind(&self, key: &[u8]) -> Self {
        let through = self.0.iter().filter_map(|(path, role)| Some((path.split_first()?, *role)));
        let through = through.filter(|((name, _), _)| name.as_bytes() == key);
        Self(through.map(|((_, rest), role)| (rest, role)).collect())
    }

    /// What they lead to: a part of a key rather than anything else.
    fn role(&self) -> Option<Role> {
        self.0.iter().map(|(_, role)| *role).min_by_key(|role| *role != Role::Key)
    }
}
