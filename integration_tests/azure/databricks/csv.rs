//! Rows that are staged as CSV: in the table they are what they are when they are staged in Delta tables.

use serde_json::json;

use super::any_json;
use crate::lake::Location;
use crate::messages::{append, catalog, configured, overwrite, record, records, status};
use crate::program::Sandbox;
use crate::table;

/// The ways to stage.
const DELTA: (&str, &str) = ("delta", "none");
const CSV: (&str, &str) = ("csv", "none");
const GZIP: (&str, &str) = ("csv", "gzip");

fn sandbox(layout: &str, (format, compression): (&str, &str)) -> Sandbox {
    let mut sandbox = Sandbox::with(json!({"table_layout": layout, "enable_schema_evolution": true}));
    let mut source = sandbox.place().source();
    source["azure_staging_format"] = json!(format);
    source["azure_csv_compression"] = json!(compression);
    sandbox.set(json!({"table_layout": layout, "enable_schema_evolution": true, "data_source": source}));
    sandbox
}

/// The rows of `default/<name>` in the order of their ids, without these: every value as a text that is exact.
fn rows(sandbox: &Sandbox, name: &str) -> Vec<String> {
    let place = sandbox.place();
    let options = "map('ignoreNullFields', 'false', 'timestampFormat', \"yyyyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX\", \
                   'timestampNTZFormat', \"yyyyyy-MM-dd'T'HH:mm:ss.SSSSSS\", 'dateFormat', 'yyyyyy-MM-dd')";
    let table = place.name(name);
    let told = place.sql(&format!(
        "SELECT to_json(struct(*), {options}) FROM (SELECT * EXCEPT (_airbyte_ab_id), _airbyte_ab_id AS id FROM {table}) \
         ORDER BY id"
    ));
    let row = |told: &Vec<Option<String>>| {
        let told = told[0].clone().unwrap();
        let (row, _id) = told.rsplit_once(",\"id\":").unwrap();
        row.to_owned()
    };
    told.iter().map(row).collect()
}

#[test]
fn any_json_is_the_same_in_the_table_whether_it_was_staged_as_csv_or_in_delta_tables() {
    let seed = any_json::seed();
    let mut random = fastrand::Rng::with_seed(seed);
    let properties = any_json::properties(&mut random);
    let data: Vec<String> = (0..1500).map(|_| any_json::record_of(&properties, &mut random)).collect();
    let input: String = data.iter().map(|data| record("users", data)).collect();
    for layout in ["raw", "columns", "classic"] {
        let mut expected = Vec::new();
        for how in [DELTA, CSV, GZIP] {
            let sandbox = sandbox(layout, how);
            let mut stream = configured("users", "append");
            stream["stream"]["json_schema"] = json!({"type": "object", "properties": properties});
            sandbox.load(&catalog([stream]), &input);
            let found = rows(&sandbox, "users");
            assert_eq!(found.len(), data.len(), "{layout} {how:?} with TEST_SEED={seed}");
            if how == DELTA {
                expected = found;
                continue;
            }
            for ((found, expected), data) in found.iter().zip(&expected).zip(&data) {
                assert_eq!(found, expected, "{layout} {how:?} with TEST_SEED={seed}: {data}");
            }
            let over_csv = |statement: &String| statement.contains("USING csv");
            assert!(sandbox.place().statements().iter().any(over_csv), "{layout} {how:?}");
        }
    }
}

/// The staged files.
fn staged(lake: &Location) -> Vec<Location> {
    let folders = table::staging(lake);
    folders.iter().flat_map(Location::objects).filter(|object| object.name().contains(".csv")).collect()
}

#[test]
fn staged_files_have_a_header_and_lie_by_sync_and_stream_and_a_purge_leaves_the_tables_alone() {
    for (how, extension) in [(CSV, ".csv"), (GZIP, ".csv.gz")] {
        let mut sandbox = sandbox("raw", how);
        let mut settings = sandbox.settings().clone();
        settings["purge_staging_data"] = json!(false);
        sandbox.set(settings.clone());
        sandbox.load(&append(&["users"]), records("users", 0..3));
        let files = staged(&sandbox.lake());
        let with_rows = files.iter().filter(|file| file.name().ends_with(extension) && file.name() != "columns.csv");
        let with_rows: Vec<&Location> = with_rows.collect();
        assert_eq!(with_rows.len(), 1, "{:?}", files.iter().map(Location::key).collect::<Vec<_>>());
        if how == CSV {
            let text = with_rows[0].text();
            let (header, first) = text.split_once('\n').unwrap();
            assert_eq!(header, "\"_airbyte_ab_id\",\"_airbyte_emitted_at\",\"_airbyte_data\"");
            assert!(first.starts_with('"') && text.ends_with("\"\n"), "{text}");
        }
        settings["purge_staging_data"] = json!(true);
        sandbox.set(settings);
        sandbox.load(&append(&["users"]), records("users", 3..6));
        assert_eq!(staged(&sandbox.lake()).len(), files.len(), "only what was kept");
        assert_eq!(rows(&sandbox, "users").len(), 6);
        assert_eq!(sandbox.place().tables().len(), 2, "the table, and the staging table that was kept");
    }
}

#[test]
fn an_overwrite_replaces_rows_and_one_without_rows_empties_the_table() {
    let sandbox = sandbox("columns", CSV);
    for count in [3, 5, 0] {
        sandbox.load(&overwrite(&["users"]), records("users", 0..count) + &status("users", "COMPLETE"));
        assert_eq!(rows(&sandbox, "users").len() as u64, count);
    }
    assert_eq!(sandbox.place().tables(), ["users"]);
    assert!(staged(&sandbox.lake()).is_empty());
}
