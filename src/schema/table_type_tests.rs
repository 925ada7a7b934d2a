//! Parsing of the texts of types.

use std::sync::Arc;

use super::*;
use crate::schema::columns::Source;
use crate::schema::kind::{Bits, Decimal, Record};

fn field(name: &str, kind: TableType) -> FoundColumn {
    FoundColumn { name: name.into(), kind, nullable: true }
}

fn simple(name: &str) -> TableType {
    TableType::Simple(name.into())
}

#[test]
fn texts_of_types_are_read_however_they_are_written() {
    let address = TableType::Struct(vec![field("zip", simple("string")), field("Geo: `x`", simple("double"))]);
    for (text, expected) in [
        ("bigint", simple("bigint")),
        ("LONG", simple("bigint")),
        ("STRING", simple("string")),
        ("string collate UTF8_LCASE", simple("string")),
        ("decimal(38, 10)", simple("decimal(38,10)")),
        ("decimal", simple("decimal(10,0)")),
        ("timestamp_ntz", simple("timestamp_ntz")),
        ("varchar(10)", simple("varchar(10)")),
        ("array<array<int>>", TableType::list(TableType::list(simple("int")))),
        (
            "map<string, array<date>>",
            TableType::Map(Box::new(simple("string")), Box::new(TableType::list(simple("date")))),
        ),
        ("struct<>", TableType::Struct(Vec::new())),
        ("struct<zip:string,`Geo: ``x```:double>", address.clone()),
        ("STRUCT<zip: STRING COLLATE UTF8_LCASE COMMENT 'a\\'>, b', `Geo: ``x```: DOUBLE>", address),
        ("struct<order-id:int>", TableType::Struct(vec![field("order-id", simple("int"))])),
    ] {
        assert_eq!(TableType::parse(text), expected, "{text}");
    }
    let required = FoundColumn { nullable: false, ..field("a", simple("int")) };
    assert_eq!(
        TableType::parse("struct<a:int NOT NULL,b:int>"),
        TableType::Struct(vec![required, field("b", simple("int"))])
    );
}

#[test]
fn a_text_that_is_not_understood_is_no_type_of_ours() {
    for text in [
        "struct<a:int,... 3 more fields>",
        "array<int",
        "map<string>",
        "struct<a int",
        "interval year to month",
        "",
        "é",
    ] {
        assert_eq!(TableType::parse(text), simple(text), "{text}");
    }
}

#[test]
fn what_is_printed_is_read_again_and_the_type_of_a_kind_is_that_of_its_sql() {
    let column = |name: &str, kind| Column::new(name, kind, Source::Property(name.into()));
    let fields = vec![
        column("a `b", Kind::Decimal(Decimal { precision: 38, scale: 10 })),
        column("c", Kind::List(Arc::new(Kind::Union([Kind::Integer(Bits::B64), Kind::LocalTimestamp].into())))),
        column("d", Kind::TextMap),
        column("e", Kind::Time),
    ];
    let kind = Kind::Struct(Arc::new(Record { name: "r".into(), namespace: None, fields }));
    let found = TableType::of(&kind);
    assert_eq!(TableType::parse(&kind.sql()), found);
    assert_eq!(TableType::parse(&found.to_string()), found);
    assert_eq!(found.to_string(), kind.sql());
}
