//! What the bed itself does, without the program: Spark has Delta tables and CSV files at the addresses that they have in
//! Databricks.

use crate::program::Sandbox;
use crate::table;

#[test]
fn spark_writes_and_reads_delta_tables_by_their_addresses() {
    let sandbox = Sandbox::new();
    let place = sandbox.place();
    let (name, location) = (place.name("t"), place.location("default/t"));
    assert!(
        location.starts_with("abfss://lake-") && location.contains(".dfs.core.windows.net/lakes/one/"),
        "{location}"
    );
    place.sql(&format!("CREATE SCHEMA `spark_catalog`.`{}`", place.schema()));
    place.sql(&format!("CREATE TABLE {name} (a INT, b STRING) USING delta LOCATION '{location}'"));
    place.sql(&format!("INSERT INTO {name} VALUES (1, 'one'), (2, NULL)"));
    let merge = format!(
        "MERGE INTO {name} AS t USING (SELECT 3 AS a, 'three' AS b) AS s ON t.a = s.a WHEN NOT MATCHED THEN INSERT *"
    );
    place.sql(&merge);
    place.sql(&merge);
    let rows = place.sql(&format!("SELECT concat(a, b) FROM {name} ORDER BY a"));
    assert_eq!(rows, [[Some("1one".to_owned())], [None], [Some("3three".to_owned())]]);
    let detail = place.sql(&format!("DESCRIBE DETAIL {name}"));
    assert!(detail[0].contains(&Some(location)), "{detail:?}");
    let log = table::commit(&sandbox.table("default/t"), 2).text();
    assert!(log.contains("MERGE"), "{log}");
}

#[test]
fn spark_reads_csv_files_that_were_put_into_a_folder() {
    let sandbox = Sandbox::new();
    let place = sandbox.place();
    let (name, folder) = (place.name("c"), sandbox.table("default/c"));
    folder.join("1.csv").put("\"a\",\"b\"\n\"line\r\nbreak\",\"a \"\"quote\"\"\"\n");
    folder.join("2.csv").put("\"a\",\"b\"\n\"ü\",\"\\\"\n");
    place.sql(&format!("CREATE SCHEMA `spark_catalog`.`{}`", place.schema()));
    place.sql(&format!(
        "CREATE TABLE {name} (a STRING, b STRING) USING csv OPTIONS (header 'true', multiLine 'true', quote '\"', escape '\"') \
         LOCATION '{}'",
        place.location("default/c")
    ));
    let mut rows = place.sql(&format!("SELECT concat(a, '|', b) FROM {name}"));
    rows.sort();
    assert_eq!(rows, [[Some("line\r\nbreak|a \"quote\"".to_owned())], [Some("ü|\\".to_owned())]]);
}
