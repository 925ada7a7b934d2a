//! Reads the columns of a table from its log, in the form that is compared with a stream's columns.

use delta_kernel::schema::{DataType, PrimitiveType, StructField, StructType};

use crate::schema::table_type::{FoundColumn, Item, TableType};

/// The columns of `schema`.
pub fn columns(schema: &StructType) -> Vec<FoundColumn> {
    schema.fields().map(column).collect()
}

fn column(field: &StructField) -> FoundColumn {
    FoundColumn { name: field.name().clone(), kind: kind(field.data_type()), nullable: field.is_nullable() }
}

fn kind(found: &DataType) -> TableType {
    match found {
        DataType::Primitive(PrimitiveType::Decimal(size)) => {
            TableType::Simple(format!("decimal({},{})", size.precision(), size.scale()))
        }
        // The log's names of numbers are read as SQL's.
        DataType::Primitive(PrimitiveType::Void) => TableType::Simple("void".to_owned()),
        DataType::Primitive(simple) => TableType::parse(&simple.to_string()),
        DataType::Struct(fields) => TableType::Struct(columns(fields)),
        DataType::Array(list) => {
            let item = Item { kind: kind(list.element_type()), nullable: list.contains_null() };
            TableType::List(Box::new(item))
        }
        DataType::Map(map) => TableType::Map(Box::new(kind(map.key_type())), Box::new(kind(map.value_type()))),
        DataType::Variant(_) => TableType::Simple("variant".to_owned()),
    }
}
