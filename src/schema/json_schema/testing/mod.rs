//! Properties that hold for the columns of every table, whatever its JSON schema.

use std::collections::BTreeSet;

use parquet::arrow::ArrowSchemaConverter;

use crate::schema::avro::ROW;
use crate::schema::columns::{Column, TableSchema};
use crate::schema::kind::Kind;

/// Holds that every form of the columns can be read by the library for it, and that no names are in each other's way.
pub fn check(table: &TableSchema) {
    for name in [ROW, "stream", "o"] {
        let avro = table.avro(name, None).unwrap();
        apache_avro::schema::ResolvedSchema::try_from(&avro).unwrap();
    }
    let arrow = table.arrow().unwrap();
    assert_eq!(arrow.fields().len(), table.columns().count());
    ArrowSchemaConverter::new().convert(&arrow).unwrap();
    let delta: delta_kernel::schema::StructType = serde_json::from_str(&table.delta()).unwrap();
    assert_eq!(delta.fields().count(), table.columns().count());
    names(table.columns());
    for column in table.columns() {
        let sql = column.kind.sql();
        assert_eq!(sql.matches('<').count(), sql.matches('>').count(), "{sql}");
        assert_eq!(sql.matches('(').count(), sql.matches(')').count(), "{sql}");
        assert_eq!(sql.matches('`').count() % 2, 0, "{sql}");
    }
}

fn names<'a>(columns: impl Iterator<Item = &'a Column>) {
    let mut seen = BTreeSet::new();
    for column in columns {
        assert!((1..=255).contains(&column.name.len()), "{}", column.name);
        assert!(column.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{}", column.name);
        assert!(seen.insert(column.name.to_ascii_lowercase()), "{}", column.name);
        inside(&column.kind);
    }
}

fn inside(kind: &Kind) {
    match kind {
        Kind::Struct(record) => names(record.fields.iter()),
        Kind::List(item) => inside(item),
        Kind::Union(members) => members.iter().for_each(inside),
        _ => {}
    }
}
