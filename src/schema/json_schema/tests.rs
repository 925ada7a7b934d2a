//! The rules for columns: types, names, limits.

use super::*;
use crate::schema::columns::TableSchema;

/// The columns of the record, as SQL.
fn sql(table: &TableSchema) -> Vec<String> {
    table.record().iter().map(|column| format!("{} {}", column.name, column.kind.sql())).collect()
}

#[test]
fn a_property_becomes_a_column_in_the_order_of_the_schema() {
    let schema = r#"{"properties":{"b":{"type":["null","integer"]},"a":{"type":"string","format":"date"}}}"#;
    let columns = columns(schema, ColumnOptions::default()).unwrap();
    assert_eq!(
        sql(&columns),
        ["_airbyte_meta STRING", "b BIGINT", "a DATE", "_airbyte_additional_properties MAP<STRING, STRING>"]
    );
    assert_eq!(
        sql(&classic(schema).unwrap()),
        [
            "b BIGINT",
            "a STRUCT<`member0`: DATE, `member1`: STRING>",
            "_airbyte_additional_properties MAP<STRING, STRING>"
        ]
    );
}
