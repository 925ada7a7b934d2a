//! The type of one column in the stream's files, from the stream's column and the table's column of the same name.

use std::sync::Arc;

use super::Terms;
use super::names::pairs;
use super::widening::can_widen;
use crate::schema::alter::{Alter, ELEMENT};
use crate::schema::columns::{Column, Source};
use crate::schema::kind::{Bits, Decimal, Kind, Record, member};
use crate::schema::members::Members;
use crate::schema::table_type::{FoundColumn, TableType};

/// The columns of a table as they are fitted, one after the other.
pub struct Fitting {
    pub terms: Terms,
    pub changes: Vec<Alter>,
    /// Types that differ and are not changed.
    pub differences: Vec<Difference>,
    /// What has to have a value and may not be relaxed, for people.
    pub required: Vec<String>,
}

/// A type that differs.
pub struct Difference {
    /// Where, for people.
    pub path: String,
    /// The table's type.
    pub found: String,
    /// The stream's type.
    pub wanted: String,
    /// Whether the files have the column.
    pub is_filled: bool,
}

impl Fitting {
    pub fn new(terms: Terms) -> Self {
        Self { terms, changes: Vec::new(), differences: Vec::new(), required: Vec::new() }
    }

    /// The file column for `wanted`, where the table has `found`; `None` where no file may have it.
    pub fn column(&mut self, wanted: &Column, found: &FoundColumn) -> Option<Column> {
        let path = vec![found.name.clone()];
        let with = |kind| Column { name: found.name.clone(), kind, ..wanted.clone() };
        let wanted_type = TableType::of(&wanted.kind);
        if self.terms.replaces && !found.kind.is_same(&wanted_type) {
            self.changes.push(Alter::Retype { path: path.clone(), kind: wanted_type });
            self.relax_if(path, found.nullable);
            return Some(with(wanted.kind.clone()));
        }
        self.relax_if(path.clone(), found.nullable);
        let (changes, differences) = (self.changes.len(), self.differences.len());
        let kind = self.kind(&path, &wanted.kind, &found.kind);
        if kind.is_none() {
            self.changes.truncate(changes);
            self.differences.truncate(differences);
            self.differ(&path, &wanted.kind, &found.kind, false);
        }
        let differs = self.differences.len() > differences;
        kind.map(|kind| Column { is_exact: wanted.is_exact || differs && !has_fields(&wanted.kind), ..with(kind) })
    }

    /// What is at `path` may have no value from now on.
    pub fn relax(&mut self, path: Vec<String>) {
        if self.terms.evolution || self.terms.replaces {
            self.changes.push(Alter::Relax { path });
        } else {
            self.required.push(path.join("."));
        }
    }

    fn relax_if(&mut self, path: Vec<String>, nullable: bool) {
        if !nullable {
            self.relax(path);
        }
    }

    fn differ(&mut self, path: &[String], wanted: &Kind, found: &TableType, is_filled: bool) {
        let wanted = TableType::of(wanted).to_string();
        self.differences.push(Difference { path: path.join("."), found: found.to_string(), wanted, is_filled });
    }

    fn kind(&mut self, path: &[String], wanted: &Kind, found: &TableType) -> Option<Kind> {
        match (wanted, found) {
            (Kind::Struct(record), TableType::Struct(fields)) if !is_union(fields) || is_union_record(record) => {
                self.record(path, record, fields)
            }
            (Kind::Union(members), TableType::Struct(fields)) if is_union(fields) => self.union(path, members, fields),
            // Of a union's types the stream has one left.
            (wanted, TableType::Struct(fields))
                if is_union(fields) && fields.iter().any(|field| may_be_member(wanted, &field.kind)) =>
            {
                self.union(path, &Members::from([wanted.clone()]), fields)
            }
            (Kind::List(item), TableType::List(found)) => {
                let path = below(path, ELEMENT);
                self.relax_if(path.clone(), found.nullable);
                Some(Kind::List(Arc::new(self.kind(&path, item, &found.kind)?)))
            }
            (wanted, found) => {
                let wanted_type = TableType::of(wanted);
                if wanted_type == *found {
                    return Some(wanted.clone());
                }
                if self.terms.widens && can_widen(found, &wanted_type) {
                    self.changes.push(Alter::Widen { path: path.to_vec(), kind: wanted_type });
                    return Some(wanted.clone());
                }
                let kind = kind_of(path, found, Some(wanted))?;
                self.differ(path, wanted, found, true);
                self.relax_all(path, found);
                Some(kind)
            }
        }
    }

    /// Everything below may have no value: the file has NULL where a value does not fit.
    fn relax_all(&mut self, path: &[String], found: &TableType) {
        match found {
            TableType::Struct(fields) => {
                for field in fields {
                    let path = below(path, &field.name);
                    self.relax_if(path.clone(), field.nullable);
                    self.relax_all(&path, &field.kind);
                }
            }
            TableType::List(item) => {
                let path = below(path, ELEMENT);
                self.relax_if(path.clone(), item.nullable);
                self.relax_all(&path, &item.kind);
            }
            TableType::Simple(_) | TableType::Map(..) => {}
        }
    }

    /// A structure in a file has all fields of the table's, in its order: SQL takes no other.
    fn record(&mut self, path: &[String], record: &Arc<Record>, found: &[FoundColumn]) -> Option<Kind> {
        let mut fields = Vec::with_capacity(found.len());
        let all: Vec<&Column> = record.fields.iter().collect();
        let pairs = pairs(&all, found);
        for (field, pair) in found.iter().zip(&pairs.wanted) {
            let path = below(path, &field.name);
            self.relax_if(path.clone(), field.nullable);
            fields.push(match pair.and_then(|at| record.fields.get(at)) {
                Some(wanted) => {
                    let differences = self.differences.len();
                    let kind = self.kind(&path, &wanted.kind, &field.kind)?;
                    let differs = self.differences.len() > differences && !has_fields(&wanted.kind);
                    let is_exact = wanted.is_exact || differs;
                    Column { name: field.name.clone(), kind, source: wanted.source.clone(), is_exact }
                }
                None => {
                    self.relax_all(&path, &field.kind);
                    let kind = kind_of(&path, &field.kind, None)?;
                    Column::new(&*field.name, kind, Source::Vacant)
                }
            });
        }
        let new = record.fields.iter().zip(&pairs.found).zip(&pairs.new_names).filter(|((_, pair), _)| pair.is_none());
        for ((wanted, _), name) in new.filter(|_| self.terms.evolution) {
            let path = below(path, name);
            self.changes.push(Alter::Add { path, kind: TableType::of(&wanted.kind) });
            fields.push(Column { name: name.clone(), ..wanted.clone() });
        }
        Some(Kind::Struct(Arc::new(Record { fields, ..Record::clone(record) })))
    }

    /// The members that the table has, and those that it lacks behind them. Values are offered to the stream's alone, in its order:
    /// a member that only the table has would take what belongs into another one.
    fn union(&mut self, path: &[String], wanted: &Members, found: &[FoundColumn]) -> Option<Kind> {
        let mut members = Vec::with_capacity(found.len());
        let mut missing: Vec<(usize, &Kind)> =
            wanted.turns().into_iter().filter_map(|at| wanted.get(at)).enumerate().collect();
        let mut turns = Vec::new();
        for (place, field) in found.iter().enumerate() {
            let path = below(path, &field.name);
            self.relax_if(path.clone(), field.nullable);
            let at = missing.iter().position(|(_, kind)| may_be_member(kind, &field.kind));
            let kind = match at.map(|at| missing.remove(at)) {
                Some((turn, kind)) => {
                    turns.push((turn, place));
                    self.kind(&path, kind, &field.kind)?
                }
                None => {
                    self.relax_all(&path, &field.kind);
                    kind_of(&path, &field.kind, None)?
                }
            };
            members.push(kind);
        }
        for (turn, kind) in missing {
            if self.terms.evolution {
                turns.push((turn, members.len()));
                let path = below(path, &member(members.len()));
                self.changes.push(Alter::Add { path, kind: TableType::of(kind) });
                members.push(kind.clone());
            } else {
                let found = TableType::Struct(found.to_vec());
                self.differ(path, &Kind::Union(wanted.clone()), &found, true);
                break;
            }
        }
        turns.sort_unstable();
        Some(Kind::Union(Members::of_table(members, turns.into_iter().map(|(_, place)| place).collect())))
    }
}

/// Whether a union's member of this kind goes into a field of the type `found`: there is one structure and one list in a union.
fn may_be_member(kind: &Kind, found: &TableType) -> bool {
    match (kind, found) {
        (Kind::Struct(_), TableType::Struct(fields)) => !is_union(fields),
        (Kind::List(_), TableType::List(_)) => true,
        (kind, found) => TableType::of(kind) == *found,
    }
}

/// The kind that fills a column of the type `found` with whatever fits; `None` for types that this program does not write, and
/// for names that an Avro schema cannot have.
fn kind_of(path: &[String], found: &TableType, wanted: Option<&Kind>) -> Option<Kind> {
    match found {
        TableType::Simple(name) => simple_kind(name, wanted),
        TableType::List(item) => Some(Kind::List(Arc::new(kind_of(&below(path, ELEMENT), &item.kind, None)?))),
        TableType::Map(keys, values) => (keys.is_text() && values.is_text()).then_some(Kind::TextMap),
        TableType::Struct(fields) if is_union(fields) => {
            let member = |field: &FoundColumn| kind_of(&below(path, &field.name), &field.kind, None);
            Some(Kind::Union(fields.iter().map(member).collect::<Option<Vec<_>>>()?.into()))
        }
        TableType::Struct(fields) => {
            let (name, parents) = path.split_last()?;
            let field = |field: &FoundColumn| {
                let kind = kind_of(&below(path, &field.name), &field.kind, None)?;
                let column = Column::new(&*field.name, kind, Source::Property(field.name.clone()));
                is_avro_name(&field.name).then_some(Column { is_exact: true, ..column })
            };
            let is_legal = !fields.is_empty() && path.iter().all(|name| is_avro_name(name));
            let fields = fields.iter().map(field).collect::<Option<Vec<_>>>().filter(|_| is_legal)?;
            Some(Kind::Struct(Arc::new(Record { name: name.clone(), namespace: Some(parents.join(".")), fields })))
        }
    }
}

fn simple_kind(name: &str, wanted: Option<&Kind>) -> Option<Kind> {
    Some(match name {
        "string" => match wanted {
            Some(Kind::Json | Kind::Struct(_) | Kind::List(_) | Kind::TextMap) => Kind::Json,
            _ => Kind::Text,
        },
        "boolean" => Kind::Boolean,
        "tinyint" => Kind::Integer(Bits::B8),
        "smallint" => Kind::Integer(Bits::B16),
        "int" => Kind::Integer(Bits::B32),
        "bigint" => Kind::Integer(Bits::B64),
        "float" => Kind::Float,
        "double" => Kind::Double,
        "date" => Kind::Date,
        "timestamp" => Kind::Timestamp,
        "timestamp_ntz" => Kind::LocalTimestamp,
        "binary" => Kind::Binary,
        decimal => {
            let (precision, scale) = decimal.strip_prefix("decimal(")?.strip_suffix(')')?.split_once(',')?;
            let (precision, scale) = (precision.parse().ok()?, scale.parse().ok()?);
            (precision <= 38 && scale <= precision).then_some(Kind::Decimal(Decimal { precision, scale }))?
        }
    })
}

/// Whether the difference of a type is one of its fields.
fn has_fields(kind: &Kind) -> bool {
    matches!(kind, Kind::Struct(_))
}

/// Whether the fields are those of a union as Airbyte's connector 1.1.x wrote it.
fn is_union(fields: &[FoundColumn]) -> bool {
    !fields.is_empty() && fields.iter().enumerate().all(|(at, field)| field.name == member(at))
}

/// Whether a stream has an object with just these properties.
fn is_union_record(record: &Record) -> bool {
    !record.fields.is_empty() && record.fields.iter().enumerate().all(|(at, field)| field.name == member(at))
}

/// Whether an Avro schema takes the name.
fn is_avro_name(name: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(is_letter) && name.chars().all(|c| is_letter(c) || c.is_ascii_digit())
}

fn below(path: &[String], name: &str) -> Vec<String> {
    path.iter().cloned().chain([name.to_owned()]).collect()
}
