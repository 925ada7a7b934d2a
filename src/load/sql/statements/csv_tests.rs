//! Golden files of statements over CSV files. `integration_tests/databricks` and `integration_tests/azure` have Spark run them.

use uuid::Uuid;

use super::super::{SchemaName, empty, merge, overwrite};
use super::*;
use crate::load::sql::statements::columns::{Replaced, recreate};
use crate::schema::columns::{Layout, Source};
use crate::schema::kind::{Bits, Decimal};
use crate::schema::stats::{RowStats, Span};
use crate::schema::table_type::FoundColumn;

fn typed() -> TableSchema {
    let column = |name: &str, kind| Column::new(name, kind, Source::Property(name.to_owned()));
    TableSchema::of(
        Layout::Columns,
        vec![
            Column::new("_airbyte_meta", Kind::Json, Source::Meta),
            column("name", Kind::Text),
            column("n", Kind::Integer(Bits::B64)),
            column("price", Kind::Decimal(Decimal { precision: 38, scale: 2 })),
            column("photo", Kind::Binary),
            column("it's `odd`", Kind::List(Kind::Double.into())),
            Column::new("_airbyte_additional_properties", Kind::TextMap, Source::Undeclared),
        ],
    )
}

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

#[test]
fn every_statement_over_csv_files_reads_as_its_golden_file() {
    let columns = typed();
    let table = SchemaName::new("hive_metastore", "shop").table("orders");
    let sync = Uuid::from_u128(0x0123_4567_89ab_7000_8000_dead_beef_cafe);
    let staging = table.staging_table(None, sync, 0).of_texts();
    let folder = format!("{sync}/shop/orders");
    let location = format!("abfss://lake@account.dfs.core.windows.net/{folder}");
    let replaced = Replaced {
        location: None,
        comment: None,
        properties: [].into(),
        clustered_by: Vec::new(),
        columns: [("_airbyte_ab_id", "string"), ("n", "bigint"), ("theirs", "int")]
            .map(|(name, kind)| FoundColumn::new(name, kind))
            .into(),
    };
    let statements = [
        (
            create_over(&staging, &columns, &location, &format!("NULL of {folder}")),
            include_str!("../golden/csv/create_staging_table.sql"),
        ),
        (merge(&columns, &table, &staging, &load()), include_str!("../golden/csv/merge.sql")),
        (overwrite(&columns, &table, &staging, &load()), include_str!("../golden/csv/overwrite.sql")),
        (empty(&columns, &table, &staging), include_str!("../golden/csv/empty.sql")),
        (recreate(&columns, &table, &staging, &replaced, Some(&load())), include_str!("../golden/csv/recreate.sql")),
    ];
    let wrong: Vec<String> =
        statements.into_iter().filter(|(text, golden)| text != golden.trim_end()).map(|(text, _)| text).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn the_reader_takes_as_many_columns_as_there_are() {
    let column = |at: usize| Column::new(format!("c{at}"), Kind::Text, Source::Property(at.to_string()));
    let schema = TableSchema::of(Layout::Columns, (0..30_000).map(column).collect());
    let table = SchemaName::new("main", "shop").table("orders");
    assert!(create_over(&table, &schema, "abfss://x", "null").contains("'maxColumns' = '30002'"));
}
