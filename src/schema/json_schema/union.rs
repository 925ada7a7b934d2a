//! Unions by the rules of connector 1.1.x: types without null, in order, no type twice, and at most one record.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::names::ColumnNames;
use super::path::Path;
use crate::error::Result;
use crate::schema::columns::{Column, Source, UNDECLARED};
use crate::schema::kind::{Kind, Record};
use crate::schema::naming::{avro_name, avro_namespace};

/// What Avro tells the members of a union apart by.
#[derive(PartialEq, Eq)]
enum Base {
    String,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    Array,
    Map,
    Record,
}

/// Without what was there before.
pub(super) fn distinct(mut kinds: Vec<Kind>) -> Vec<Kind> {
    let mut seen = HashSet::with_capacity(kinds.len());
    kinds.retain(|kind| seen.insert(kind.clone()));
    kinds
}

/// The type of a field with these members; `None` if there are none, and it can only be null.
pub(super) fn kind_of(mut members: Vec<Kind>) -> Option<Kind> {
    if members.len() > 1 { Some(Kind::Union(members.into())) } else { members.pop() }
}

/// One member of each of Avro's types, as a union can have no more: a plain number takes the place of a time that is stored as
/// one, lists become a list of what both have, and records a record. `path`: where they stand.
pub(super) fn one_of_each(members: Vec<Kind>, path: &Path<'_>) -> Result<Vec<Kind>> {
    let has_plain_long = members.iter().any(|kind| matches!(kind, Kind::Integer(_)));
    let mut out: Vec<Kind> = Vec::with_capacity(members.len());
    for member in members {
        if has_plain_long && matches!(member, Kind::Timestamp | Kind::Time) {
            continue;
        }
        match (out.iter_mut().find(|other| base(other) == base(&member)), member) {
            (None, member) => out.push(member),
            (Some(Kind::List(one)), Kind::List(other)) => {
                let items = distinct([members_of(one), members_of(&other)].concat());
                *one = Arc::new(kind_of(one_of_each(items, &path.items())?).unwrap_or(Kind::Text));
            }
            (Some(Kind::Struct(one)), Kind::Struct(other)) => {
                let namespace = one.namespace.clone().filter(|namespace| !namespace.is_empty());
                let name = one.name.clone();
                *one = Arc::new(merged(&name, namespace.as_deref(), &[Arc::clone(one), other], path)?);
            }
            (Some(_), _) => {}
        }
    }
    Ok(out)
}

/// The members, with text behind dates and times for values that are none.
pub(super) fn with_text_behind_logical(mut members: Vec<Kind>) -> Vec<Kind> {
    let is_logical = |kind: &Kind| matches!(kind, Kind::Date | Kind::Time | Kind::Timestamp);
    if members.iter().any(is_logical) && !members.contains(&Kind::Text) {
        members.push(Kind::Text);
    }
    members
}

/// The members with all records as one record, which comes last: its fields are those of all, and a field that several have
/// has the types of all.
pub(super) fn merge_records(
    name: &str,
    namespace: Option<&str>,
    members: Vec<Kind>,
    path: &Path<'_>,
) -> Result<Vec<Kind>> {
    let mut out = Vec::with_capacity(members.len());
    let mut records = Vec::new();
    for member in members {
        match member {
            Kind::Struct(record) => records.push(record),
            other => out.push(other),
        }
    }
    if !records.is_empty() {
        out.push(Kind::Struct(Arc::new(merged(name, namespace, &records, path)?)));
    }
    Ok(out)
}

fn merged(name: &str, namespace: Option<&str>, records: &[Arc<Record>], path: &Path<'_>) -> Result<Record> {
    let mut merged: Vec<(&Column, Vec<Kind>)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    let fields = records.iter().flat_map(|record| &record.fields);
    for field in fields.filter(|field| !UNDECLARED.contains(&field.name.as_str())) {
        match places.entry(&field.name) {
            Entry::Vacant(place) => {
                place.insert(merged.len());
                merged.push((field, members_of(&field.kind)));
            }
            Entry::Occupied(place) => {
                if let Some((_, kinds)) = merged.get_mut(*place.get()) {
                    kinds.extend(members_of(&field.kind));
                }
            }
        }
    }
    let inner = match namespace {
        None => avro_name(name),
        Some(namespace) => format!("{namespace}.{}", avro_name(name)),
    };
    let mut names = ColumnNames::default();
    let mut fields = Vec::with_capacity(merged.len() + 1);
    for (field, kinds) in merged {
        let Source::Property(property) = &field.source else { continue };
        let path = path.property(property);
        names.claim(&field.name, property, &path)?;
        let kinds = one_of_each(merge_records(&field.name, Some(&inner), distinct(kinds), &path)?, &path)?;
        fields.extend(kind_of(kinds).map(|kind| Column::new(field.name.clone(), kind, field.source.clone())));
    }
    fields.push(Column::undeclared());
    Ok(Record { name: name.to_owned(), namespace: Some(avro_namespace(namespace.unwrap_or_default())), fields })
}

fn members_of(kind: &Kind) -> Vec<Kind> {
    match kind {
        Kind::Union(members) => members.to_vec(),
        other => vec![other.clone()],
    }
}

fn base(kind: &Kind) -> Base {
    match kind {
        Kind::Uuid | Kind::Text | Kind::Json => Base::String,
        Kind::Boolean => Base::Boolean,
        Kind::Date => Base::Int,
        Kind::Integer(_) | Kind::Time | Kind::Timestamp | Kind::LocalTimestamp => Base::Long,
        Kind::Float => Base::Float,
        Kind::Double => Base::Double,
        Kind::Decimal(_) | Kind::Binary => Base::Bytes,
        Kind::List(_) => Base::Array,
        Kind::TextMap => Base::Map,
        Kind::Struct(_) | Kind::Union(_) => Base::Record,
    }
}
