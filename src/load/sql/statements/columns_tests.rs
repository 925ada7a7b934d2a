//! Golden files of statements that change columns. `integration_tests/databricks/columns.rs` has Spark run each of them.

use uuid::Uuid;

use super::super::SchemaName;
use super::*;
use crate::schema::columns::{Column, Source};
use crate::schema::kind::{Bits, Kind};
use crate::schema::stats::Span;
use crate::schema::table_type::TableType;

fn orders() -> TableName {
    SchemaName::new("hive_metastore", "shop").table("orders")
}

fn path(path: &[&str]) -> Vec<String> {
    path.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn all_new_columns_come_with_one_statement_and_the_rest_one_by_one() {
    let changes = [
        Alter::Relax { path: path(&["theirs"]) },
        Alter::Add { path: path(&["at"]), kind: TableType::parse("timestamp_ntz") },
        Alter::Add { path: path(&["address", "geo"]), kind: TableType::parse("struct<lat:double,`l``n`:double>") },
        Alter::Add { path: path(&["items", "element", "qty"]), kind: TableType::parse("array<bigint>") },
        Alter::Widen { path: path(&["small"]), kind: TableType::parse("bigint") },
    ];
    let text = alter(&orders(), &changes).join("\n\n");
    assert_eq!(text, include_str!("../golden/columns/alter.sql").trim_end(), "{text}");
    assert_eq!(alter(&orders(), &[]), [""; 0]);
    let widened = [Alter::Widen { path: path(&["day"]), kind: TableType::parse("timestamp_ntz") }];
    assert!(alter(&orders(), &widened)[0].contains("delta.feature.timestampNtz"), "{:?}", alter(&orders(), &widened));
    let named = [Alter::Add { path: path(&["a"]), kind: TableType::parse("struct<TIMESTAMP_NTZ:array<string>>") }];
    assert_eq!(alter(&orders(), &named).len(), 1, "{:?}", alter(&orders(), &named));
}

#[test]
fn a_table_that_is_replaced_with_other_columns_stays_where_and_what_it_is() {
    let columns = [
        ("_airbyte_ab_id", "string"),
        ("_airbyte_emitted_at", "timestamp"),
        ("n", "bigint"),
        ("theirs", "array<int>"),
        ("odd", "struct<a b:int>"),
    ];
    let properties = [
        ("airbyte.destinationSyncMode", "overwrite"),
        ("delta.minReaderVersion", "3"),
        ("delta.feature.timestampNtz", "supported"),
        ("owner's", "it is"),
    ];
    let mut replaced = Replaced {
        location: Some("s3://lake/raw/shop/orders".into()),
        comment: Some("Created from stream shop.Orders".into()),
        properties: properties.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        clustered_by: vec![path(&["n"])],
        columns: columns.into_iter().map(|(name, kind)| FoundColumn::new(name, kind)).collect(),
    };
    let wanted = TableSchema::raw();
    let n = Column::new("n", Kind::Integer(Bits::B64), Source::Property("n".into()));
    let columns = wanted.columns().take(2).cloned().chain([n]).collect();
    let files = wanted.with_columns(columns).unwrap();
    let staging = orders().staging_table(None, Uuid::from_u128(0x0123_4567_89ab_7000_8000_dead_beef_cafe), 0);
    let ids = Span {
        first: "01a1fac5-7000-7000-8000-000000000000".into(),
        last: "01a1fac5-7000-7000-8000-000000000002".into(),
    };
    let load = RowStats { rows: 3, ids, emitted_at: Span { first: 0, last: 0 } };
    let text = recreate(&files, &orders(), &staging, &replaced, Some(&load));
    assert_eq!(text, include_str!("../golden/columns/recreate.sql").trim_end(), "{text}");
    replaced =
        Replaced { location: None, comment: None, properties: BTreeMap::new(), clustered_by: Vec::new(), ..replaced };
    let text = recreate(&files, &orders(), &staging, &replaced, None);
    assert_eq!(text, include_str!("../golden/columns/recreate_managed_empty.sql").trim_end(), "{text}");
}

#[test]
fn types_are_asked_for_without_reading_rows() {
    let text = types(&orders(), &["address", "it`s"]);
    assert_eq!(text, include_str!("../golden/columns/types.sql").trim_end(), "{text}");
    assert!(
        is_cut("struct<a:int,... 3 more fields>")
            && is_cut("struct<a:int,... 1 more field>")
            && !is_cut("struct<a:int>")
    );
}
