//! Golden files of statements over staged files and about volumes.

use std::collections::BTreeMap;

use super::super::{SchemaName, count, count_staged, volumes};
use super::*;
use crate::schema::stats::{RowStats, Span};
use crate::schema::table_type::FoundColumn;

const FOLDER: &str = "/Volumes/main/shop/airbyte_staging/01234567-89ab-7000-8000-deadbeefcafe/orders";

#[test]
fn every_statement_over_files_reads_as_its_golden_file() {
    let schema = SchemaName::new("main", "shop");
    let (columns, table, volume) = (TableSchema::raw(), schema.table("orders"), "airbyte_staging");
    let [first, last] = ["0", "2"].map(|last| format!("01a1fac5-7000-7000-8000-00000000000{last}"));
    let emitted_at = Span { first: 1_795_208_640_524_000, last: 1_795_208_640_524_123 };
    let stats = RowStats { rows: 3, ids: Span { first, last }, emitted_at };
    let replaced = Replaced {
        location: None,
        comment: Some("Created from stream orders".into()),
        properties: BTreeMap::from([("airbyte.destinationSyncMode".to_owned(), "overwrite".to_owned())]),
        clustered_by: Vec::new(),
        columns: columns.columns().map(|column| FoundColumn::new(column.name.clone(), &column.kind.sql())).collect(),
    };
    let files = ["2026_11_27_1_0_a.parquet".to_owned(), "it's.parquet".to_owned()];
    let cases = [
        ("copy_into", copy_into(&columns, &table, FOLDER, &files), include_str!("../golden/files/copy_into.sql")),
        ("overwrite", overwrite(&columns, &table, FOLDER, 3), include_str!("../golden/files/overwrite.sql")),
        ("recreate", recreate(&columns, &table, FOLDER, &replaced, 3), include_str!("../golden/files/recreate.sql")),
        ("count", count(&columns, &table, &Files(FOLDER), &stats), include_str!("../golden/files/count.sql")),
        (
            "count_staged",
            count_staged(&columns, &Files(FOLDER), &stats),
            include_str!("../golden/files/count_staged.sql"),
        ),
        ("show_volumes", volumes::show_volumes(&schema, volume), include_str!("../golden/files/show_volumes.sql")),
        ("create_volume", volumes::create_volume(&schema, volume), include_str!("../golden/files/create_volume.sql")),
    ];
    let differ = cases.iter().filter(|(_, text, golden)| text != golden.trim_end());
    let differ: Vec<String> = differ.map(|(name, text, _)| format!("--- {name}\n{text}")).collect();
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}
