//! The Avro schema of a row: the base of the Arrow schema, by Avro's own rules for logical types.
//!
//! RecordNames of records are unique within a schema, as Avro wants them: each has the path to it as its namespace, and where two are
//! the same all the same, the later one gets a number.

use std::collections::HashSet;

use apache_avro::Schema;
use serde_json::{Map, Value, json};

use super::columns::{Column, Source, TableSchema};
use super::kind::{Bits, Decimal, Kind, Record};
use super::naming::{avro_name, avro_namespace};
use crate::error::{Error, Result};

/// The name of the record that is a row.
pub const ROW: &str = "airbyte_row";

impl TableSchema {
    /// The Avro record of a row, called `name` in `namespace` by Avro's rules for names: one field per column, in the columns'
    /// order.
    pub fn avro(&self, name: &str, namespace: Option<&str>) -> Result<Schema> {
        let record = self.avro_json(name, namespace);
        Schema::parse(&record).map_err(|error| Error::system("The row's Avro schema is not valid.").with_source(error))
    }

    /// The JSON of [`Self::avro`].
    pub fn avro_json(&self, name: &str, namespace: Option<&str>) -> Value {
        let namespace = namespace.map(avro_namespace);
        RecordNames::default().record(name, namespace.as_deref(), "", self.columns())
    }
}

/// The full names of the records of a schema so far.
#[derive(Default)]
struct RecordNames(HashSet<String>);

impl RecordNames {
    /// A record. `enclosing`: the namespace of the record around it, which is also its own if it has none.
    fn record<'a>(
        &mut self,
        original: &str,
        namespace: Option<&str>,
        enclosing: &str,
        columns: impl Iterator<Item = &'a Column>,
    ) -> Value {
        let around = namespace.unwrap_or(enclosing);
        let name = self.unique(avro_name(original), around);
        let fields: Vec<Value> = columns.map(|column| self.field(column, around)).collect();
        let mut record = Map::from_iter([
            ("type".to_owned(), json!("record")),
            ("name".to_owned(), json!(name)),
            ("fields".to_owned(), Value::Array(fields)),
        ]);
        record.extend(namespace.map(|namespace| ("namespace".to_owned(), json!(namespace))));
        record.extend(original_name(original, &name));
        Value::Object(record)
    }

    fn unique(&mut self, name: String, namespace: &str) -> String {
        let full = |name: &str| format!("{namespace}.{name}");
        if self.0.insert(full(&name)) {
            return name;
        }
        let mut numbered = (2_usize..).map(|number| format!("{name}_{number}"));
        numbered.find(|name| self.0.insert(full(name))).unwrap_or(name)
    }

    fn field(&mut self, column: &Column, enclosing: &str) -> Value {
        let mut field = Map::from_iter([("name".to_owned(), json!(column.name))]);
        if column.is_required() {
            field.insert("type".to_owned(), self.avro(&column.kind, enclosing));
            return Value::Object(field);
        }
        field.insert("type".to_owned(), self.nullable(&column.kind, enclosing));
        field.insert("default".to_owned(), Value::Null);
        if let Source::Property(original) = &column.source {
            field.extend(original_name(original, &column.name));
        }
        Value::Object(field)
    }

    /// The type in a union with null, which comes first because it is the default.
    fn nullable(&mut self, kind: &Kind, enclosing: &str) -> Value {
        let members = match kind {
            Kind::Union(members) => &**members,
            kind => std::slice::from_ref(kind),
        };
        [json!("null")].into_iter().chain(members.iter().map(|member| self.avro(member, enclosing))).collect()
    }

    fn avro(&mut self, kind: &Kind, enclosing: &str) -> Value {
        match kind {
            Kind::Uuid => json!({"type": "string", "logicalType": "uuid"}),
            Kind::Text | Kind::Json => json!("string"),
            Kind::Boolean => json!("boolean"),
            Kind::Integer(Bits::B64) => json!("long"),
            Kind::Integer(_) => json!("int"),
            Kind::Float => json!("float"),
            Kind::Double => json!("double"),
            Kind::Decimal(Decimal { precision, scale }) => {
                json!({"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale})
            }
            Kind::Date => json!({"type": "int", "logicalType": "date"}),
            Kind::Time => json!({"type": "long", "logicalType": "time-micros"}),
            Kind::Timestamp => json!({"type": "long", "logicalType": "timestamp-micros"}),
            Kind::LocalTimestamp => json!({"type": "long", "logicalType": "local-timestamp-micros"}),
            Kind::Binary => json!("bytes"),
            Kind::Struct(record) => {
                let Record { name, namespace, fields } = &**record;
                self.record(name, namespace.as_deref(), enclosing, fields.iter())
            }
            Kind::List(item) => json!({"type": "array", "items": self.nullable(item, enclosing)}),
            Kind::Union(_) => self.nullable(kind, enclosing),
            Kind::TextMap => json!({"type": "map", "values": "string"}),
        }
    }
}

/// What the older connector wrote where it changed a name.
fn original_name(original: &str, name: &str) -> Option<(String, Value)> {
    (name != original).then(|| ("doc".to_owned(), json!(format!("_airbyte_original_name:{original}"))))
}
