//! Golden files of statements by keys. `integration_tests/databricks` has Spark run them.

use uuid::Uuid;

use super::super::{SchemaName, all_staged_rows, create_table, files, forget_key, set_key};
use super::*;
use crate::schema::dedup::{Asked, Dedup};
use crate::schema::json_schema::{ColumnOptions, Nested, Number, columns};
use crate::schema::stats::{RowStats, Span};
use crate::schema::table_type::FoundColumn;

const SCHEMA: &str = r#"{"properties":{"id":{"type":"integer"},"o":{"type":"object","properties":{"it's `x`":{"type":"string"}}},
    "at":{"type":"string","format":"date-time"},"_ab_cdc_deleted_at":{"type":"string"}}}"#;

fn load() -> RowStats {
    let [first, last] = ["0", "2"].map(|last| format!("01a1fac5-7000-7000-8000-00000000000{last}"));
    RowStats { rows: 3, ids: Span { first, last }, emitted_at: Span { first: 0, last: 1 } }
}

fn dedup(deletes: bool) -> Dedup {
    let path = |path: &[&str]| path.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let asked =
        Asked { key: vec![path(&["id"]), path(&["o", "it's `x`"])], cursor: path(&["at"]), is_cursor_of_source: false };
    let mut dedup = Dedup::new(Some(SCHEMA), &asked).expect("a key");
    if !deletes {
        dedup.keep_deleted();
    }
    dedup
}

fn typed() -> TableSchema {
    columns(SCHEMA, ColumnOptions { number: Number::Double, nested: Nested::Typed }).expect("columns")
}

/// The statements over `columns` with deletes or without, and their golden files.
fn statements(columns: &TableSchema, deletes: bool, others: &[String], work: impl Fn(Keyed<'_>, &TableName, &str)) {
    let table = SchemaName::new("main", "shop").table("orders");
    let staging = table.staging_table(None, Uuid::from_u128(0x0123_4567_89ab_7000_8000_dead_beef_cafe), 0);
    let places = dedup(deletes).places(columns).expect("places");
    work(
        Keyed { columns, places: &places, others, emptied: others },
        &table,
        &all_staged_rows(columns, &staging, &load()),
    );
}

fn assert_golden(cases: &[(&str, String, &str)]) {
    let wrong = cases.iter().filter(|(_, text, golden)| text != golden.trim_end());
    let wrong: Vec<String> = wrong.map(|(name, text, _)| format!("--- {name}\n{text}")).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_statement_over_columns_reads_as_its_golden_file() {
    let (schema, others) = (typed(), ["theirs".to_owned()]);
    statements(&schema, true, &others, |keyed, table, rows| {
        let told = ["1", "9", "2", "2", "2", "3"].map(ToOwned::to_owned);
        let range = keyed.surveyed(&told, 3).and_then(|survey| survey.range);
        let replaced = Replaced {
            location: None,
            comment: None,
            properties: [].into(),
            clustered_by: vec![vec!["id".into()]],
            columns: [("_airbyte_ab_id", "string"), ("id", "bigint"), ("theirs", "int")]
                .map(|(name, kind)| FoundColumn::new(name, kind))
                .into(),
        };
        assert_golden(&[
            ("upsert", keyed.upsert(table, rows, range.as_ref()), include_str!("../golden/dedup/upsert.sql")),
            ("overwrite", keyed.overwrite(table, rows), include_str!("../golden/dedup/overwrite.sql")),
            ("recreate", keyed.recreate(table, &replaced, rows), include_str!("../golden/dedup/recreate.sql")),
            ("count", keyed.count(table, rows, range.as_ref()), include_str!("../golden/dedup/count.sql")),
            ("survey", keyed.survey(table, rows), include_str!("../golden/dedup/survey.sql")),
            ("remove_older", keyed.remove_older(table), include_str!("../golden/dedup/remove_older.sql")),
            ("remove_copies", keyed.remove_copies(table, None), include_str!("../golden/dedup/remove_copies.sql")),
            (
                "remove_copies_of_load",
                keyed.remove_copies(table, Some((rows, range.as_ref()))),
                include_str!("../golden/dedup/remove_copies_of_load.sql"),
            ),
            ("set_key", set_key(table, &dedup(true).id()), include_str!("../golden/dedup/set_key.sql")),
            ("forget_key", forget_key(table), include_str!("../golden/dedup/forget_key.sql")),
        ]);
    });
    // Without deletes, and as texts with a collation.
    statements(&schema, false, &[], |keyed, table, rows| {
        let table = table.clone().with_collation();
        assert_golden(&[
            (
                "upsert_without_deletes",
                keyed.upsert(&table, rows, None),
                include_str!("../golden/dedup/upsert_without_deletes.sql"),
            ),
            (
                "count_without_deletes",
                keyed.count(&table, rows, None),
                include_str!("../golden/dedup/count_without_deletes.sql"),
            ),
            (
                "remove_older_collated",
                keyed.remove_older(&table),
                include_str!("../golden/dedup/remove_older_collated.sql"),
            ),
        ]);
    });
}

#[test]
fn every_statement_over_records_and_over_files_reads_as_its_golden_file() {
    let schema = TableSchema::raw();
    statements(&schema, true, &[], |keyed, table, _| {
        let folder = "/Volumes/main/shop/airbyte_staging/01234567-89ab-7000-8000-deadbeefcafe/orders";
        let rows = files::staged_rows(&schema, folder, &load());
        assert!(!keyed.has_range(), "records have no statistics");
        assert_golden(&[
            ("survey_records", keyed.survey(table, &rows), include_str!("../golden/dedup/survey_records.sql")),
            ("upsert_records", keyed.upsert(table, &rows, None), include_str!("../golden/dedup/upsert_records.sql")),
            (
                "remove_older_records",
                keyed.remove_older(table),
                include_str!("../golden/dedup/remove_older_records.sql"),
            ),
        ]);
    });
}

#[test]
fn a_new_table_is_clustered_by_what_it_is_told() {
    let (columns, name) = (typed(), SchemaName::new("main", "shop").table("orders"));
    let new = super::super::NewTable {
        name: &name,
        columns: &columns,
        location: None,
        stream: crate::error::StreamDescriptor { name: "orders".into(), namespace: None },
        mode: "append_dedup",
        generation: None,
        key: Some(dedup(true).id()),
        clustered_by: vec![vec!["id".into()], vec!["o".into(), "x".into()]],
    };
    let text = create_table(&new);
    assert!(text.contains("USING delta\nCLUSTER BY (`id`, `o`.`x`)\nCOMMENT"), "{text}");
    assert!(text.contains("'destination-databricks.primaryKey' = '[[\"id\"],[\"o\",\"it\\'s `x`\"]]'"), "{text}");
}

#[test]
fn a_survey_counts_only_where_all_rows_were_seen_and_a_range_where_all_have_a_key() {
    statements(&typed(), true, &[], |keyed, _, _| {
        let surveyed = |texts: [&str; 6]| keyed.surveyed(&texts.map(ToOwned::to_owned), 3);
        let whole = surveyed(["-1", "9", "2", "2", "1", "3"]);
        assert!(whole.is_some_and(|survey| survey.range.is_some() && survey.live == 1));
        for without in [
            ["1", "9", "1", "2", "1", "3"],
            ["", "", "2", "2", "1", "3"],
            ["1", "x", "2", "2", "1", "3"],
            ["1)", "9", "2", "2", "1", "3"],
        ] {
            assert_eq!(surveyed(without), Some(Survey { range: None, live: 1 }), "{without:?}");
        }
        for unknown in [["1", "9", "2", "2", "1", "2"], ["1", "9", "2", "2", "x", "3"]] {
            assert_eq!(surveyed(unknown), None, "{unknown:?}");
        }
        assert_eq!(keyed.surveyed(&[], 3), None);
    });
}

#[test]
fn a_column_of_the_statement_has_a_name_that_no_property_has() {
    let schema = r#"{"properties":{"_AIRBYTE_KEY_0":{"type":"integer"},"_airbyte_rank":{"type":"string"},"_airbyte_rank_":{"type":"string"}}}"#;
    let asked = Asked { key: vec![vec!["_AIRBYTE_KEY_0".into()]], cursor: Vec::new(), is_cursor_of_source: false };
    let columns = columns(schema, ColumnOptions::default()).expect("columns");
    let places = Dedup::new(Some(schema), &asked).expect("a key").places(&columns).expect("places");
    let others = ["_airbyte_rank__".to_owned()];
    let keyed = Keyed { columns: &columns, places: &places, others: &others, emptied: &[] };
    let text = keyed.overwrite(&SchemaName::new("c", "s").table("t"), "SELECT 1");
    assert!(text.contains("AS `_airbyte_key_0_`") && text.contains("AS `_airbyte_rank___`"), "{text}");
}
