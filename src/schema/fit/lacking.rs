//! Files that were made for a table before its structures got more fields.

use crate::schema::columns::{Column, Source, TableSchema};
use crate::schema::kind::{Kind, Record};

/// Whether `files` are those of `fitted` but for fields of structures that take no values. Readers of a Delta log find fields by
/// their names, and take those that a file lacks for NULL.
pub fn lacks_only_vacant_fields(files: &TableSchema, fitted: &TableSchema) -> bool {
    files.columns().count() == fitted.columns().count() && files.columns().zip(fitted.columns()).all(is_like)
}

fn is_like((one, fitted): (&Column, &Column)) -> bool {
    one.name == fitted.name
        && one.source == fitted.source
        && one.is_exact == fitted.is_exact
        && is_like_kind(&one.kind, &fitted.kind)
}

fn is_like_kind(one: &Kind, fitted: &Kind) -> bool {
    match (one, fitted) {
        (Kind::Struct(one), Kind::Struct(fitted)) => {
            one.name == fitted.name && one.namespace == fitted.namespace && has_fields(one, fitted)
        }
        (Kind::List(one), Kind::List(fitted)) => is_like_kind(one, fitted),
        (Kind::Union(one), Kind::Union(fitted)) => {
            one.turns() == fitted.turns()
                && one.len() == fitted.len()
                && one.iter().zip(fitted.iter()).all(|(one, fitted)| is_like_kind(one, fitted))
        }
        (one, fitted) => one == fitted,
    }
}

fn has_fields(one: &Record, fitted: &Record) -> bool {
    let mut fields = one.fields.iter().peekable();
    let all = fitted.fields.iter().all(|fitted| match fields.next_if(|one| is_like((one, fitted))) {
        Some(_) => true,
        None => fitted.source == Source::Vacant,
    });
    all && fields.next().is_none()
}
