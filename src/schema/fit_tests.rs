//! Streams that are fitted to existing tables.

use std::sync::Arc;

use super::*;
use crate::schema::alter::columns_after;
use crate::schema::json_schema::{ColumnOptions, columns};
use crate::schema::kind::{Bits, Decimal, Kind, Record};

#[path = "fit/names_tests.rs"]
mod names_tests;

const LONG: Kind = Kind::Integer(Bits::B64);

fn property(name: &str, kind: Kind) -> Column {
    Column::new(name, kind, Source::Property(name.into()))
}

fn object(fields: Vec<Column>) -> Kind {
    Kind::Struct(Arc::new(Record { name: "r".into(), namespace: None, fields }))
}

fn list(kind: Kind) -> Kind {
    Kind::List(Arc::new(kind))
}

/// A stream with these properties in layout `columns`.
fn wanted(properties: Vec<Column>) -> TableSchema {
    TableSchema::typed(properties)
}

/// A table of layout `columns` with these columns beside its own.
fn table(columns: &[(&str, &str)]) -> Vec<FoundColumn> {
    let own = [
        ("_airbyte_ab_id", "string"),
        ("_airbyte_emitted_at", "timestamp"),
        ("_airbyte_meta", "string"),
        ("_airbyte_additional_properties", "map<string,string>"),
    ];
    own.iter().chain(columns).map(|(name, kind)| FoundColumn::new(*name, kind)).collect()
}

fn fitted(wanted: &TableSchema, found: &[FoundColumn], terms: Terms) -> Result<Fit> {
    let stream = StreamDescriptor { name: "orders".into(), namespace: None };
    fit(wanted, found, terms, Shown { table: "shop.orders", stream: &stream })
}

const EVOLVES: Terms = Terms { evolution: true, replaces: false, widens: false };
const STAYS: Terms = Terms { evolution: false, replaces: false, widens: false };
const REPLACES: Terms = Terms { evolution: false, replaces: true, widens: false };

/// The changes, as people would write them.
fn written(changes: &[Alter]) -> Vec<String> {
    let write = |change: &Alter| {
        let path = change.path().join(".");
        match change {
            Alter::Add { kind, .. } => format!("+{path} {kind}"),
            Alter::Relax { .. } => format!("{path} NULL"),
            Alter::Widen { kind, .. } => format!("{path} > {kind}"),
            Alter::Retype { kind, .. } => format!("{path} = {kind}"),
            Alter::Drop { .. } => format!("-{path}"),
        }
    };
    changes.iter().map(write).collect()
}

/// The properties' file columns, as people would write them.
fn files(fit: &Fit) -> Vec<String> {
    let properties = fit.files.columns().filter(|column| matches!(column.source, Source::Property(_)));
    properties.map(|column| format!("{} {}", column.name, TableType::of(&column.kind))).collect()
}

fn refused(wanted: &TableSchema, found: &[FoundColumn], terms: Terms) -> String {
    match fitted(wanted, found, terms) {
        Ok(fit) => panic!("it goes: {fit:?}"),
        Err(error) => error.message().to_owned(),
    }
}

#[test]
fn a_table_of_the_same_columns_needs_nothing_and_gives_its_spelling() -> Result<()> {
    let wanted = wanted(vec![property("Id", LONG), property("tags", list(Kind::Text))]);
    for terms in [EVOLVES, STAYS, REPLACES] {
        let fit =
            fitted(&wanted, &table(&[("tags", "array<string>"), ("theirs", "interval day"), ("ID", "bigint")]), terms)?;
        assert_eq!((fit.changes.len(), fit.warnings.len()), (0, 0), "{fit:?}");
        assert_eq!(files(&fit), ["ID BIGINT", "tags ARRAY<STRING>"]);
    }
    Ok(())
}

#[test]
fn new_properties_are_added_or_are_undeclared() -> Result<()> {
    let wanted = wanted(vec![
        property("id", LONG),
        property("name", Kind::Text),
        property("address", object(vec![property("zip", Kind::Text), property("geo", Kind::Double)])),
        property("items", list(object(vec![property("sku", Kind::Text), property("qty", LONG)]))),
    ]);
    let found = table(&[("id", "bigint"), ("address", "struct<Zip:string>"), ("items", "array<struct<qty:bigint>>")]);
    let fit = fitted(&wanted, &found, EVOLVES)?;
    assert_eq!(written(&fit.changes), ["+name STRING", "+address.geo DOUBLE", "+items.element.sku STRING"]);
    assert_eq!(
        files(&fit),
        [
            "id BIGINT",
            "name STRING",
            "address STRUCT<`Zip`: STRING, `geo`: DOUBLE>",
            "items ARRAY<STRUCT<`qty`: BIGINT, `sku`: STRING>>"
        ]
    );
    let fit = fitted(&wanted, &found, STAYS)?;
    assert_eq!(fit.changes, []);
    assert_eq!(files(&fit), ["id BIGINT", "address STRUCT<`Zip`: STRING>", "items ARRAY<STRUCT<`qty`: BIGINT>>"]);
    Ok(())
}

#[test]
fn a_field_that_the_stream_has_no_more_stays_in_its_structure() -> Result<()> {
    let wanted = wanted(vec![property("address", object(vec![property("zip", Kind::Text)]))]);
    let fit = fitted(&wanted, &table(&[("address", "struct<city:string,zip:string>"), ("gone", "date")]), STAYS)?;
    assert_eq!(files(&fit), ["address STRUCT<`city`: STRING, `zip`: STRING>"]);
    let Kind::Struct(address) = &fit.files.columns().find(|column| column.name == "address").unwrap().kind else {
        panic!("no structure")
    };
    assert_eq!(address.fields[0].source, Source::Vacant);
    Ok(())
}

#[test]
fn files_have_the_tables_type_where_it_differs_and_one_sentence_says_so() -> Result<()> {
    let size = |precision, scale| Kind::Decimal(Decimal { precision, scale });
    let geo = object(vec![property("lat", Kind::Double)]);
    for (kind, in_table, in_files, may_be_written) in [
        (LONG, "string", Kind::Text, true),
        (Kind::Text, "bigint", LONG, true),
        (LONG, "int", Kind::Integer(Bits::B32), true),
        (LONG, "tinyint", Kind::Integer(Bits::B8), true),
        (Kind::Double, "bigint", LONG, true),
        (LONG, "double", Kind::Double, true),
        (size(38, 0), "decimal(10,2)", size(10, 2), true),
        (Kind::Timestamp, "timestamp_ntz", Kind::LocalTimestamp, true),
        (Kind::LocalTimestamp, "date", Kind::Date, true),
        (geo.clone(), "string", Kind::Json, true),
        (list(Kind::Text), "string", Kind::Json, true),
        (Kind::Union([Kind::Date, Kind::Text].into()), "string", Kind::Text, true),
        (Kind::Json, "array<bigint>", list(LONG), true),
        (Kind::Text, "binary", Kind::Binary, true),
        (Kind::Text, "variant", Kind::Text, false),
        (Kind::Text, "varchar(10)", Kind::Text, false),
        (Kind::Text, "map<string,bigint>", Kind::Text, false),
        (geo, "struct<lat:variant>", Kind::Text, false),
    ] {
        let wanted = wanted(vec![property("a", kind.clone())]);
        let found = table(&[("a", in_table)]);
        let fit = fitted(&wanted, &found, EVOLVES)?;
        assert_eq!((fit.changes.len(), fit.warnings.len()), (0, 1), "{in_table}: {fit:?}");
        let warning = fit.warnings[0].as_str();
        for part in ["Column a of table shop.orders", "stream orders", "A refresh in mode overwrite"] {
            assert!(warning.contains(part), "{part}: {warning}");
        }
        let filled = fit.files.columns().find(|column| column.name == "a").map(|column| column.kind.clone());
        assert_eq!(filled, may_be_written.then_some(in_files), "{in_table}");
        let message = refused(&wanted, &found, STAYS);
        assert!(message.contains("its column a is") && message.contains("`enable_schema_evolution`"), "{message}");
        let fit = fitted(&wanted, &found, REPLACES)?;
        assert_eq!(written(&fit.changes), [format!("a = {}", TableType::of(&kind))]);
        assert_eq!((fit.files == wanted, fit.warnings.len()), (true, 0));
    }
    Ok(())
}

#[test]
fn a_table_is_widened_where_it_can_be() -> Result<()> {
    let widens = Terms { widens: true, ..EVOLVES };
    let decimal = |precision, scale| Kind::Decimal(Decimal { precision, scale });
    for (from, to, can) in [
        ("int", LONG, true),
        ("bigint", Kind::Integer(Bits::B32), false),
        ("int", Kind::Double, true),
        ("bigint", Kind::Double, false),
        ("float", Kind::Double, true),
        ("bigint", decimal(38, 0), true),
        ("bigint", decimal(19, 0), false),
        ("int", decimal(10, 0), true),
        ("decimal(10,2)", decimal(12, 2), true),
        ("decimal(10,2)", decimal(12, 4), true),
        ("decimal(10,2)", decimal(12, 5), false),
        ("date", Kind::LocalTimestamp, true),
        ("date", Kind::Timestamp, false),
        ("string", LONG, false),
    ] {
        let fit = fitted(&wanted(vec![property("a", to.clone())]), &table(&[("a", from)]), widens)?;
        let changes = if can { vec![format!("a > {}", TableType::of(&to))] } else { Vec::new() };
        assert_eq!((written(&fit.changes), fit.warnings.is_empty()), (changes, can), "{from} {to:?}");
    }
    Ok(())
}

#[test]
fn what_must_have_a_value_is_relaxed_or_refused() -> Result<()> {
    let mut found = table(&[("a", "bigint"), ("theirs", "date")]);
    found.iter_mut().for_each(|column| column.nullable = false);
    let wanted = wanted(vec![property("a", LONG)]);
    let relaxed = ["_airbyte_additional_properties NULL", "a NULL", "theirs NULL"];
    for terms in [EVOLVES, REPLACES] {
        let mut changes = written(&fitted(&wanted, &found, terms)?.changes);
        changes.sort();
        assert_eq!(changes, relaxed);
    }
    let message = refused(&wanted, &found, STAYS);
    assert!(message.contains("a is NOT NULL") && message.contains("theirs is NOT NULL"), "{message}");
    Ok(())
}

#[test]
fn a_table_of_another_layout_is_refused_with_the_one_that_fits_unless_its_rows_go() -> Result<()> {
    let wanted = wanted(vec![property("a", LONG)]);
    let column = |name: &str, kind: &str| FoundColumn::new(name, kind);
    let base = || vec![column("_airbyte_ab_id", "string"), column("_AIRBYTE_emitted_at", "timestamp")];
    let raw = [base(), vec![column("_airbyte_data", "string")]].concat();
    let classic = [base(), vec![column("_airbyte_additional_properties", "map<string,string>")]].concat();
    for (found, layout) in [(&raw, "`raw`"), (&classic, "`classic`")] {
        for terms in [EVOLVES, STAYS] {
            let message = refused(&wanted, found, terms);
            assert!(message.contains(&format!("has the columns of layout {layout}")), "{message}");
        }
    }
    let mut changes = written(&fitted(&wanted, &raw, REPLACES)?.changes);
    changes.sort();
    let map = "+_airbyte_additional_properties MAP<STRING, STRING>";
    assert_eq!(changes, [map, "+_airbyte_meta STRING", "+a BIGINT", "-_airbyte_data"]);
    // A table of somebody else, of no layout.
    let theirs = vec![column("a", "bigint")];
    let added = written(&fitted(&wanted, &theirs, EVOLVES)?.changes);
    assert_eq!(added, ["+_airbyte_ab_id STRING", "+_airbyte_emitted_at TIMESTAMP", "+_airbyte_meta STRING", map]);
    let message = refused(&wanted, &theirs, STAYS);
    assert!(message.contains("lacks column _airbyte_ab_id STRING") && message.contains("of no layout"), "{message}");
    Ok(())
}

#[test]
fn a_column_of_this_program_has_to_be_what_it_is() {
    let mut found = table(&[]);
    found[1].kind = TableType::parse("bigint");
    let message = refused(&wanted(Vec::new()), &found, EVOLVES);
    assert!(message.contains("_airbyte_emitted_at is BIGINT, and has to be TIMESTAMP"), "{message}");
    assert!(!message.contains("enable_schema_evolution") && message.contains("Replace the rows"), "{message}");
    let message = refused(&wanted(vec![property("new", LONG)]), &found, STAYS);
    assert!(!message.contains("enable_schema_evolution"), "it would not help: {message}");
}

#[test]
fn a_time_that_is_a_text_stays_one_until_all_rows_are_replaced() -> Result<()> {
    let mut found = table(&[]);
    found[1].kind = TableType::parse("string");
    let fit = fitted(&wanted(Vec::new()), &found, EVOLVES)?;
    assert!(fit.files.emitted_at().is_time_as_text() && fit.changes.is_empty());
    let fit = fitted(&wanted(Vec::new()), &found, REPLACES)?;
    assert!(!fit.files.emitted_at().is_time_as_text());
    assert_eq!(written(&fit.changes).len(), 1);
    Ok(())
}

#[test]
fn members_of_a_union_go_into_the_members_that_the_table_has() -> Result<()> {
    let union = Kind::Union([Kind::Text, LONG, object(vec![property("x", LONG)])].into());
    let classic = |kind| TableSchema::classic(vec![property("a", kind)]);
    let mut found = table(&[("a", "struct<member0:bigint,member1:struct<x:bigint,y:date>>")]);
    found.retain(|column| column.name != "_airbyte_meta");
    let fit = fitted(&classic(union.clone()), &found, EVOLVES)?;
    assert_eq!(written(&fit.changes), ["+a.member2 STRING"]);
    assert_eq!(
        files(&fit),
        ["a STRUCT<`member0`: BIGINT, `member1`: STRUCT<`x`: BIGINT, `y`: DATE>, `member2`: STRING>"]
    );
    assert!(refused(&classic(union), &found, STAYS).contains("its column a is"));
    // The stream has one of the types left.
    let fit = fitted(&classic(LONG), &found, EVOLVES)?;
    assert_eq!(fit.changes, []);
    assert!(matches!(&fit.files.record()[0].kind, Kind::Union(members) if members.len() == 2), "{:?}", fit.files);
    assert_eq!((turns(&fit), fit.warnings.len()), (vec![0], 0));
    Ok(())
}

/// Which members of the union in the first column take values, in this order.
fn turns(fit: &Fit) -> Vec<usize> {
    let Kind::Union(members) = &fit.files.record()[0].kind else { panic!("no union: {fit:?}") };
    members.turns()
}

#[test]
fn a_member_that_the_stream_has_no_more_takes_nothing_and_the_others_are_tried_in_the_streams_order() -> Result<()> {
    let union = |kinds: &[Kind]| TableSchema::classic(vec![property("a", Kind::Union(kinds.into()))]);
    for (table_has, stream_has, expected) in [
        ("member0:date,member1:string", [Kind::Timestamp, Kind::Text], [2, 1]),
        ("member0:bigint,member1:string", [Kind::Double, Kind::Text], [2, 1]),
        ("member0:string,member1:bigint", [LONG, Kind::Text], [1, 0]),
        ("member0:bigint,member1:string", [LONG, Kind::Text], [0, 1]),
    ] {
        let mut found = table(&[("a", &format!("struct<{table_has}>"))]);
        found.retain(|column| column.name != "_airbyte_meta");
        let fit = fitted(&union(&stream_has), &found, EVOLVES)?;
        assert_eq!(turns(&fit), expected, "{table_has}");
        let after = columns_after(&found, &fit.changes);
        let loaded = fitted(&fit.files, &after, EVOLVES)?;
        assert_eq!((loaded.changes, loaded.files == fit.files), (Vec::new(), true));
    }
    Ok(())
}

#[test]
fn a_property_may_have_the_name_of_a_column_of_another_layout() -> Result<()> {
    let classic = TableSchema::classic(["_airbyte_data", "_airbyte_meta"].map(|name| property(name, LONG)).into());
    let mut found = table(&[("_airbyte_data", "bigint")]);
    found[2] = FoundColumn::new("_airbyte_meta", "bigint");
    for terms in [EVOLVES, STAYS] {
        assert_eq!(fitted(&classic, &found, terms)?.changes, []);
    }
    let schema = r#"{"properties":{"_airbyte_data":{"type":"integer"}}}"#;
    let columns = columns(schema, ColumnOptions::default())?;
    let fit = fitted(&columns, &table(&[]), EVOLVES)?;
    assert!(!written(&fit.changes).contains(&"+_airbyte_data BIGINT".to_owned()), "{fit:?}");
    assert_eq!(layout_of(["_airbyte_ab_id", "_airbyte_emitted_at", "_airbyte_data"].into_iter()), Some(Layout::Raw));
    Ok(())
}

/// All pairs of some kinds and some types, alone, in a structure and in a list: what has been changed needs no change any more.
#[test]
fn a_table_that_got_its_changes_needs_none_and_gives_the_same_files() -> Result<()> {
    let kinds = [
        LONG,
        Kind::Double,
        Kind::Text,
        Kind::Json,
        Kind::Date,
        Kind::LocalTimestamp,
        Kind::TextMap,
        Kind::Decimal(Decimal { precision: 38, scale: 10 }),
        list(object(vec![property("x", LONG), property("y", Kind::Text)])),
        object(vec![property("x", list(Kind::Text)), property("z", Kind::Boolean)]),
        Kind::Union([Kind::Text, LONG].into()),
    ];
    let simple =
        ["bigint", "int", "string", "double", "decimal(10,0)", "timestamp_ntz", "variant", "map<string,string>"];
    let made =
        ["struct<X:int>", "array<struct<y:string,Q:date>>", "struct<member0:string>", "struct<x:array<int>,z:boolean>"];
    let types: Vec<String> = simple.iter().chain(&made).map(|kind| (*kind).to_owned()).collect();
    let nested: Vec<String> =
        types.iter().flat_map(|kind| [format!("struct<f:{kind}>"), format!("array<{kind}>")]).collect();
    let mut fits = 0;
    for kind in &kinds {
        let inside = [kind.clone(), object(vec![property("f", kind.clone()), property("g", LONG)]), list(kind.clone())];
        for kind in inside {
            let wanted = wanted(vec![property("a", kind.clone()), property("b", Kind::Text)]);
            for in_table in types.iter().chain(&nested) {
                for bits in 0..16 {
                    let is = |bit: u32| bits & (1 << bit) != 0;
                    let terms = Terms { evolution: is(0), replaces: is(1), widens: is(2) };
                    let mut found = table(&[("A", in_table), ("theirs", "int")]);
                    found.iter_mut().for_each(|column| column.nullable = is(3));
                    let Ok(fit) = fitted(&wanted, &found, terms) else { continue };
                    let after = columns_after(&found, &fit.changes);
                    let again = fitted(&wanted, &after, terms)?;
                    assert_eq!(again.changes, [], "{kind:?} {in_table} {terms:?}");
                    assert_eq!(again.files, fit.files, "{kind:?} {in_table} {terms:?}");
                    // What was staged is what is loaded.
                    let loaded = fitted(&fit.files, &after, terms)?;
                    assert_eq!(
                        (loaded.changes, loaded.files == fit.files),
                        (Vec::new(), true),
                        "{kind:?} {in_table} {terms:?}"
                    );
                    for column in fit.files.columns() {
                        let there = after.iter().find(|found| found.name == column.name);
                        assert_eq!(there.map(|there| &there.kind), Some(&TableType::of(&column.kind)), "{in_table}");
                    }
                    fits += 1;
                }
            }
        }
    }
    assert!(fits > 5_000, "{fits}");
    Ok(())
}
