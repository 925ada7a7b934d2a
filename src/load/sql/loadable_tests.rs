//! Tables that are there, and whether they are taken.

use super::*;
use crate::error::{Kind, StreamDescriptor};
use crate::load::sql::found_columns;
use crate::load::sql::statements::SchemaName;
use crate::protocol::catalog::WriteMode;
use crate::schema::columns::TableSchema;
use crate::schema::fit::Terms;

const PLACE: &str = "s3://lake/raw/shop/orders";

fn older_connector() -> Description {
    let column = |name: &str, kind: &str| (name.to_owned(), kind.to_owned());
    Description {
        columns: vec![
            column("_airbyte_data", "string"),
            column("_airbyte_ab_id", "string"),
            column("_airbyte_emitted_at", "timestamp"),
        ],
        clustered_by: Vec::new(),
        partitioned: false,
        kind: Some("EXTERNAL".into()),
        provider: Some("delta".into()),
        location: Some(PLACE.into()),
        comment: Some("Created from stream Orders".into()),
        filtered: false,
        is_keyed: false,
        masked: Vec::new(),
    }
}

fn said_of(found: &Description) -> Option<String> {
    said_of_one(found, WriteMode::Append)
}

fn said_of_one(found: &Description, write_mode: WriteMode) -> Option<String> {
    let target = Target {
        stream: StreamDescriptor { name: "Orders".into(), namespace: None },
        schema: "raw".into(),
        write_mode,
        generation_id: None,
        table: "shop/orders".into(),
        older: None,
        earlier: None,
        raw: None,
        staging: "x/orders".into(),
        columns: TableSchema::raw(),
        sync_id: 0,
        dedup: None,
    };
    let name = SchemaName::new("main", "shop").table("orders");
    let loadable = ensure_loadable(found, &target, &name)
        .and_then(|()| found_columns::fit(&target, &name, found, &[], Terms::default()))
        .and_then(|_| ensure_own(found, &target, &name));
    let error = loadable.err()?;
    assert_eq!(error.kind(), Kind::Config);
    assert!(error.message().contains("Orders") || error.message().contains("orders"), "{error}");
    Some(error.message().to_owned())
}

#[test]
fn a_table_of_the_older_connector_is_taken_whatever_the_order_of_its_columns() {
    assert_eq!(said_of(&older_connector()), None);
    for same in ["s3a://lake/raw/shop/orders/", "s3n://lake/raw/shop/orders"] {
        assert!(is_same_place(same, PLACE), "{same}");
    }
    assert!(is_same_place("s3://b/my%20lake/t", "s3://b/my lake/t"));
    assert!(is_same_place("file:///tmp/t", "/tmp/t"));
}

#[test]
fn a_table_is_taken_wherever_it_lies() {
    for (kind, location) in [
        ("EXTERNAL", Some("s3://other/Public/Orders")),
        ("MANAGED", Some("s3://metastore/__unitystorage/tables/1")),
        ("MANAGED", Some("dbfs:/user/hive/warehouse/shop.db/orders")),
        ("MANAGED", None),
    ] {
        let (kind, location) = (Some(kind.into()), location.map(Into::into));
        assert_eq!(said_of(&Description { kind, location, ..older_connector() }), None);
    }
}

#[test]
fn a_mask_of_the_records_alone_hides_nothing_that_is_compared() {
    assert_eq!(said_of(&Description { masked: vec!["_airbyte_data".into()], ..older_connector() }), None);
}

#[test]
fn a_table_of_another_stream_is_added_to_but_not_replaced() {
    let of = |comment: Option<&str>| Description { comment: comment.map(Into::into), ..older_connector() };
    let replace = WriteMode::Replace;
    for own in [Some("Created from stream Orders"), Some("What was ordered"), Some(""), None] {
        assert_eq!(said_of_one(&of(own), replace), None, "{own:?}");
    }
    let other = of(Some("Created from stream shop.orders"));
    assert_eq!(said_of(&other), None);
    let message = said_of_one(&other, replace).unwrap_or_default();
    for part in ["`main`.`shop`.`orders`", "from stream shop.orders", "stream Orders would replace"] {
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[test]
fn what_cannot_be_loaded_is_refused_with_what_was_found_and_what_to_do() {
    let columns = |edit: fn(&mut Vec<(String, String)>)| {
        let mut found = older_connector();
        edit(&mut found.columns);
        found
    };
    let cases = [
        (columns(|columns| columns.push(("id".into(), "bigint".into()))), "other columns", "id bigint"),
        (columns(|columns| columns[2].1 = "timestamp_ntz".into()), "other columns", "timestamp_ntz"),
        (columns(|columns| drop(columns.pop())), "other columns", "Expected"),
        (Description { kind: Some("VIEW".into()), provider: None, ..older_connector() }, "is a view", "Drop or rename"),
        (
            Description { kind: Some("MATERIALIZED_VIEW".into()), ..older_connector() },
            "is a view",
            "`main`.`shop`.`orders`",
        ),
        (Description { provider: Some("parquet".into()), ..older_connector() }, "format parquet", "only delta"),
        (Description { provider: None, ..older_connector() }, "no known format", "only delta"),
        (
            Description { kind: Some("STREAMING_TABLE".into()), ..older_connector() },
            "STREAMING_TABLE",
            "Drop or rename",
        ),
        (
            Description { kind: Some("FOREIGN".into()), ..older_connector() },
            "of the kind FOREIGN",
            "only managed and external",
        ),
        (Description { kind: None, ..older_connector() }, "of no known kind", "Drop or rename"),
        (Description { filtered: true, ..older_connector() }, "it has a row filter", "DROP ROW FILTER"),
        (
            Description { masked: vec!["_airbyte_ab_id".into()], ..older_connector() },
            "column _airbyte_ab_id has a mask",
            "ALTER COLUMN `_airbyte_ab_id` DROP MASK",
        ),
        (Description { partitioned: true, ..older_connector() }, "is partitioned", "rename the stream"),
    ];
    for (found, said, advice) in cases {
        let message = said_of(&found).unwrap_or_else(|| panic!("{found:?} is taken"));
        assert!(message.contains(said) && message.contains(advice), "{said}, {advice}: {message}");
    }
}
