//! Where the values of a key, of a cursor and of a delete are in the columns of a table.
//!
//! In the raw layout they are inside the JSON text of the record; in the others they are columns, or fields of structures. With
//! `nested: json` the text of a column has them.

use super::super::columns::{Column, Layout, Source, TableSchema};
use super::super::kind::{Bits, Decimal, Kind, member};
use super::{Dedup, Family, Property, property, shown};

/// Digits of the longest whole number of 64 bits.
const LONG_DIGITS: u8 = 19;

/// Where the values that rows are compared by are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The parts of the key. A part of the catalog may be several here.
    pub key: Vec<Place>,
    /// What tells which row is newer, most important first; empty without a cursor.
    pub cursor: Vec<Place>,
    /// Rows with a value in one of these delete their key; empty where no row does.
    pub deleted: Vec<Place>,
}

/// Where a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The column, as the staged files and the table call it.
    pub column: String,
    /// The fields that lead to it inside of the column, by their names there.
    pub fields: Vec<String>,
    /// The names of properties that lead to it inside of a JSON text; empty where the column, or field, is the value itself.
    pub json: Vec<String>,
    /// The type of the value: of the column or field; in a JSON text, what the stream's JSON schema says.
    pub kind: Kind,
}

impl Dedup {
    /// Where the values are in files with the columns `files`, which may have the types of a table that exists.
    ///
    /// # Errors
    /// Everything that is wrong: parts of sentences whose subject is the table.
    pub fn places(&self, files: &TableSchema) -> Result<Places, Vec<String>> {
        let mut problems = Vec::new();
        let mut all = |what: &str, property: &Property, is_order: bool| {
            let found = place(files, property).and_then(|found| fitting(found, property, is_order));
            found
                .map_err(|why| problems.push(format!("{why} for the {what} {}", shown(&property.path))))
                .unwrap_or_default()
        };
        let key = self.key.iter().flat_map(|part| all("primary key", part, false)).collect();
        let cursor = self.cursor.iter().flat_map(|cursor| all("cursor", cursor, true)).collect();
        // Without the column, rows that say that they were deleted would stay as live ones.
        let mut deletes = |property: &Property| {
            let found = place(files, property).map(|(places, _)| places);
            found
                .map_err(|why| problems.push(format!("{why} for deletes, {}", shown(&property.path))))
                .unwrap_or_default()
        };
        let deleted = self.deleted.iter().flat_map(&mut deletes).collect();
        if problems.is_empty() { Ok(Places { key, cursor, deleted }) } else { Err(problems) }
    }
}

/// The places of one property, and whether their types are those of a table.
type Found = (Vec<Place>, bool);

fn place(files: &TableSchema, property: &Property) -> Result<Found, String> {
    if files.layout() == Layout::Raw {
        let record = files.record().iter().find(|column| column.source == Source::Record);
        let record = record.ok_or("has no column of records")?;
        let json = property.path.clone();
        let place = Place { column: record.name.clone(), fields: Vec::new(), json, kind: property.kind.clone() };
        return Ok((vec![place], false));
    }
    let lacks = || "has no column".to_owned();
    let (name, mut rest) = property.path.split_first().ok_or_else(lacks)?;
    let column = self::property(files.record(), name).ok_or_else(lacks)?;
    let (mut here, mut fields, mut is_exact) = (&column.kind, Vec::new(), column.is_exact);
    while let Some((name, inner)) = rest.split_first() {
        match (here, inner_field(here, name)) {
            (_, Some((path, field))) => {
                fields.extend(path);
                here = &field.kind;
                is_exact |= field.is_exact;
                rest = inner;
            }
            (Kind::Json | Kind::Text, None) => {
                let (json, kind) = (rest.to_vec(), property.kind.clone());
                return Ok((vec![Place { column: column.name.clone(), fields, json, kind }], false));
            }
            _ => return Err(lacks()),
        }
    }
    let one = |fields: Vec<String>, kind: &Kind| Place {
        column: column.name.clone(),
        fields,
        json: Vec::new(),
        kind: kind.clone(),
    };
    let places = match here {
        Kind::Union(members) => {
            let inside = |at| fields.iter().cloned().chain([member(at)]).collect();
            members.iter().enumerate().map(|(at, kind)| one(inside(at), kind)).collect()
        }
        kind => vec![one(fields.clone(), kind)],
    };
    Ok((places, is_exact))
}

/// The field of the property `name` in a structure, or in the member of a union that is one, and the names that lead there.
fn inner_field<'a>(kind: &'a Kind, name: &str) -> Option<(Vec<String>, &'a Column)> {
    match kind {
        Kind::Struct(record) => property(&record.fields, name).map(|field| (vec![field.name.clone()], field)),
        Kind::Union(members) => members.iter().enumerate().find_map(|(at, kind)| {
            let Kind::Struct(record) = kind else { return None };
            property(&record.fields, name).map(|field| (vec![member(at), field.name.clone()], field))
        }),
        _ => None,
    }
}

/// Whether the types of `places` are compared as those of the stream are.
fn fitting((places, is_exact): Found, property: &Property, is_order: bool) -> Result<Vec<Place>, String> {
    let Some(families) = places.iter().map(|place| Family::of(&place.kind)).collect::<Option<Vec<Family>>>() else {
        return Err("has an object or an array".to_owned());
    };
    let wanted = Family::of(&property.kind);
    // As text, all values stay apart, but have another order; and one instant may be written in several ways.
    let as_text = !is_order && wanted != Some(Family::Moment);
    let is_same = |found: &Family| Some(*found) == wanted || as_text && matches!(found, Family::Text | Family::Json);
    let refused = |what: &str| {
        let kinds: Vec<String> = places.iter().map(|place| place.kind.sql()).collect();
        Err(format!("has a column of the type {}, {what},", kinds.join(" or ")))
    };
    if is_exact && !families.iter().any(is_same) {
        return refused("of which values of the stream are not compared alike");
    }
    // Members are compared one after the other: a value has to be in the same one as before.
    let in_several =
        wanted == Some(Family::Moment) && families.iter().filter(|family| Some(**family) == wanted).count() > 1;
    let in_another = wanted != Some(Family::Json) && families.first() != wanted.as_ref();
    if places.len() > 1 && (in_several || in_another) {
        return refused("in which the stream's values are in another member than those of rows that are there");
    }
    // A row whose cursor becomes NULL is older than every other one: it would never be loaded.
    if is_exact && is_order && !places.iter().any(|place| holds_all(&place.kind, &property.kind)) {
        return refused("which does not hold every value of the stream");
    }
    Ok(places)
}

/// Whether a table's column of the type `found`, which is not the stream's own, holds every value of the type `wanted`.
fn holds_all(found: &Kind, wanted: &Kind) -> bool {
    let whole = |size: &Decimal| size.precision.saturating_sub(size.scale);
    match (wanted, found) {
        (Kind::Integer(Bits::B64), Kind::Decimal(found)) => whole(found) >= LONG_DIGITS,
        (Kind::Decimal(wanted), Kind::Decimal(found)) => found.scale >= wanted.scale && whole(found) >= whole(wanted),
        (Kind::Uuid, Kind::Text)
        | (Kind::Date, Kind::Timestamp | Kind::LocalTimestamp)
        | (Kind::LocalTimestamp, Kind::Timestamp) => true,
        // Where it is not the stream's own type, it takes no number with more digits than it has.
        (Kind::Double, _) => false,
        (wanted, found) => wanted == found,
    }
}
