//! Golden texts of all statements, and what names and literals do to whatever is in them.

use super::*;
use crate::schema::stats::{RowStats, Span};
use proptest::prelude::*;

/// Where a setting begins that Spark would put in.
const SETTING: &str = "${";

fn load() -> RowStats {
    RowStats {
        rows: 3,
        ids: Span {
            first: "01a1fac5-7000-7000-8000-000000000000".into(),
            last: "01a1fac5-7000-7000-8000-000000000002".into(),
        },
        emitted_at: Span { first: 1_795_208_640_524_000, last: 1_795_208_640_524_123 },
    }
}

fn new_table<'a>(columns: &'a TableSchema, name: &'a TableName, generation: Option<i64>) -> NewTable<'a> {
    let location = "s3://lake/raw/shop/orders";
    let stream = StreamDescriptor { name: "Orders".into(), namespace: Some("shop".into()) };
    NewTable {
        name,
        columns,
        location: Some(location),
        stream,
        mode: "append",
        generation,
        key: None,
        clustered_by: Vec::new(),
    }
}

#[test]
fn every_statement_reads_as_its_golden_file() {
    let columns = TableSchema::raw();
    let schema = SchemaName::new("hive_metastore", "shop");
    let table = schema.table("orders");
    let staging = table.staging_table(None, Uuid::from_u128(0x0123_4567_89ab_7000_8000_dead_beef_cafe), 0);
    let folder = "s3://lake/raw/01234567-89ab-7000-8000-deadbeefcafe/shop/orders";
    let statements = [
        ("show_schemas", show_schemas("hive_metastore", &["hr", "shop"]), include_str!("golden/show_schemas.sql")),
        ("show_tables", show_tables(&schema, &["customers", "orders"]), include_str!("golden/show_tables.sql")),
        ("describe", describe(&table), include_str!("golden/describe.sql")),
        ("show_properties", show_properties(&table), include_str!("golden/show_properties.sql")),
        ("create_schema", create_schema(&schema), include_str!("golden/create_schema.sql")),
        ("drop_schema", drop_schema(&schema), include_str!("golden/drop_schema.sql")),
        ("create_staging_table", create_over(&staging, folder), include_str!("golden/create_staging_table.sql")),
        ("create_table", create_table(&new_table(&columns, &table, None)), include_str!("golden/create_table.sql")),
        ("merge", merge(&columns, &table, &staging, &load()), include_str!("golden/merge.sql")),
        ("overwrite", overwrite(&columns, &table, &staging, &load()), include_str!("golden/overwrite.sql")),
        ("empty", empty(&columns, &table, &staging), include_str!("golden/empty.sql")),
        (
            "fence",
            fence(&table, Uuid::from_u128(0x0123_4567_89ab_7000_8000_dead_beef_cafe), 7),
            include_str!("golden/fence.sql"),
        ),
        ("count", count(&columns, &table, &staging, &load()), include_str!("golden/count.sql")),
        ("read", read(&columns, &table), include_str!("golden/read.sql")),
        ("read_folder", read_folder(&columns, folder), include_str!("golden/read_folder.sql")),
        ("set_generation", set_generation(&table, 7), include_str!("golden/set_generation.sql")),
        ("refresh", refresh(&staging), include_str!("golden/refresh.sql")),
        ("drop_table", drop_table(&staging.to_string()), include_str!("golden/drop_table.sql")),
    ];
    let wrong: Vec<String> = statements
        .iter()
        .filter(|(_, text, golden)| text != golden.trim_end())
        .map(|(name, text, golden)| format!("{name}:\n{text}\nshould be:\n{golden}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn many_names_and_those_that_begin_with_a_digit_make_no_pattern() {
    assert_eq!(show_schemas("c", &["2024", "shop"]), "SHOW SCHEMAS IN `c`");
    assert_eq!(show_schemas("c", &["shop", "1st_shop"]), "SHOW SCHEMAS IN `c`");
    let names: Vec<String> = (0..=NAMED).map(|number| format!("t{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(show_tables(&SchemaName::new("c", "s"), &names), "SHOW TABLES IN `c`.`s`");
}

#[test]
fn staging_tables_of_two_syncs_and_of_long_names_are_different() {
    let schema = SchemaName::new("c", "s");
    // The first 48 bits are the same: two syncs that began in the same millisecond.
    let (one, other) = (Uuid::from_u128(0x01a1_fac5_0000_7000_8000_0000_0000_0001), Uuid::from_u128(2));
    let staging = |table: &str, sync, renamed| schema.table(table).staging_table(None, sync, renamed);
    assert_ne!(staging("t", one, 0), staging("t", other, 0));
    let (a, b) = ("x".repeat(254) + "a", "x".repeat(254) + "b");
    let names = [staging(&a, one, 0), staging(&b, one, 0), staging(&b, one, 1)];
    assert!(names[0] != names[1] && names[1] != names[2]);
    assert!(names.iter().all(|name| name.table.len() <= 255), "{names:?}");
    // In a schema of their own, where the schemas of all tables meet.
    let apart =
        |schema: &str, table: &str| SchemaName::new("c", schema).table(table).staging_table(Some("tmp"), one, 0);
    assert_eq!(apart("shop", "orders").to_string(), "`c`.`tmp`.`_airbyte_tmp_000000000001_4_shop_orders`");
    assert_ne!(apart("a", "b_c"), apart("a_b", "c"));
    assert_ne!(apart(&a, "t"), apart(&a, "u"));
}

#[test]
fn columns_with_a_collation_are_compared_byte_by_byte_and_only_they_say_so() {
    let columns = TableSchema::raw();
    let table = SchemaName::new("c", "s").table("t");
    let staging = SchemaName::new("c", "s").table("u");
    for text in [merge(&columns, &table, &staging, &load()), count(&columns, &table, &staging, &load())] {
        assert!(!text.contains("COLLATE"), "{text}");
    }
    let table = table.with_collation();
    for text in [merge(&columns, &table, &staging, &load()), count(&columns, &table, &staging, &load())] {
        assert_eq!(text.matches("target.`_airbyte_ab_id` COLLATE UTF8_BINARY ").count(), 2, "{text}");
        assert_eq!(text.matches("target.`_airbyte_ab_id`").count(), 2, "{text}");
    }
}

#[test]
fn times_are_exact_and_say_their_zone_or_are_left_out() {
    assert_eq!(time(0).as_deref(), Some("TIMESTAMP '1970-01-01T00:00:00.000000Z'"));
    assert_eq!(time(-1).as_deref(), Some("TIMESTAMP '1969-12-31T23:59:59.999999Z'"));
    assert_eq!(time(1_795_208_640_524_123).as_deref(), Some("TIMESTAMP '2026-11-20T21:04:00.524123Z'"));
    assert_eq!((time(i64::MAX), time(i64::MIN), time(253_402_300_800_000_000)), (None, None, None));
    let mut load = load();
    load.emitted_at.last = i64::MAX;
    let columns = TableSchema::raw();
    let text = merge(&columns, &SchemaName::new("c", "s").table("t"), &SchemaName::new("c", "s").table("u"), &load);
    assert!(!text.contains("TIMESTAMP") && text.contains("AND target.`_airbyte_ab_id` BETWEEN"), "{text}");
}

#[test]
fn a_setting_of_spark_in_a_streams_name_is_a_text_like_any_other() {
    assert_eq!(literal("${env:HOME} $5"), "'\\u0024{env:HOME} $5'");
    assert_eq!(literal("it's\na \\ \0"), "'it\\'s\\na \\\\ \\u0000'");
}

/// Reads a literal as Spark's and Databricks' parsers do; `None` if it ends too early or too late.
fn unescaped(literal: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = literal.strip_prefix('\'')?.chars();
    loop {
        match rest.next()? {
            '\'' => return rest.next().is_none().then_some(out),
            '\\' => match rest.next()? {
                'n' => out.push('\n'),
                'r' => out.push('\r'),
                't' => out.push('\t'),
                'u' => {
                    let digits: String = rest.by_ref().take(4).collect();
                    out.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
                }
                c => out.push(c),
            },
            c => out.push(c),
        }
    }
}

/// Reads a name in backticks; `None` if it ends too early or too late.
fn unquoted(name: &str) -> Option<String> {
    let inner = name.strip_prefix('`')?.strip_suffix('`')?;
    (!inner.replace("``", "").contains('`')).then(|| inner.replace("``", "`"))
}

proptest! {
    #[test]
    fn any_text_comes_back_from_its_literal(text in any::<String>()) {
        let literal = literal(&text);
        prop_assert!(!literal.contains(SETTING) && !literal.contains(char::is_control));
        prop_assert_eq!(unescaped(&literal), Some(text));
    }

    #[test]
    fn texts_that_would_end_a_literal_come_back(text in r"['\\nut$\{\}`%; \r\n-]{0,40}") {
        let literal = literal(&text);
        prop_assert!(!literal.contains(SETTING));
        prop_assert_eq!(unescaped(&literal), Some(text));
    }

    #[test]
    fn any_name_comes_back_from_its_backticks(name in "[`'\\\\a-zé\\.\n]{1,40}") {
        prop_assert_eq!(unquoted(&quoted(&name)), Some(name));
    }
}
