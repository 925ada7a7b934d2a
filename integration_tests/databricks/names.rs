//! Which stream a table belongs to, by its comment in the catalog: names without a Latin letter, tables of older versions,
//! tables of other streams.

use super::loading::data;
use crate::messages::{append, catalog, configured, overwrite, record};
use crate::program::Sandbox;

over_one!(in_ci = thrift: a_table_is_known_by_its_comment);

fn a_table_is_known_by_its_comment() {
    let sandbox = Sandbox::new();
    let place = sandbox.place();
    place.sql(&format!("CREATE SCHEMA `spark_catalog`.`{}`", place.schema()));
    place.sql(&format!(
        "CREATE TABLE {} (_airbyte_ab_id STRING, _airbyte_emitted_at TIMESTAMP, _airbyte_data STRING) USING delta \
         LOCATION '{}' COMMENT 'Created from stream заказы'",
        place.name("______"),
        place.location("default/______")
    ));
    let row = |stream: &str, n: u64| record(stream, &format!("{{\"n\":{n}}}"));

    // The stream that the older table was made from goes on with it, another one gets a table of its own.
    let streams = append(&["заказы", "клиент", "Center"]);
    sandbox.load(&streams, row("заказы", 1) + &row("клиент", 2) + &row("Center", 3));
    assert_eq!(data(place, "______"), [r#"{"n":1}"#]);
    let tables = place.tables();
    let new = tables.iter().find(|name| name.starts_with("_______")).unwrap_or_else(|| panic!("{tables:?}"));
    assert_eq!(data(place, new), [r#"{"n":2}"#]);

    // Each is replaced by its own stream alone.
    sandbox.load(&overwrite(&["заказы", "клиент"]), row("заказы", 4) + &row("клиент", 5));
    assert_eq!(data(place, "______"), [r#"{"n":4}"#]);
    assert_eq!(data(place, new), [r#"{"n":5}"#]);
    let run = sandbox.write(&catalog([configured("center", "overwrite")]), row("center", 6));
    let message = run.failed_with("config_error");
    assert!(message.contains("from stream Center, and stream center would replace"), "{message}");
    assert_eq!(run.failure()["stream_descriptor"]["name"], "center");
    assert_eq!(data(place, "center"), [r#"{"n":3}"#]);
    let warnings = sandbox.load(&append(&["center"]), row("center", 7)).logs("WARN");
    assert!(warnings.iter().any(|text| text.contains("from stream Center")), "{warnings:#?}");
    assert_eq!(data(place, "center"), [r#"{"n":3}"#, r#"{"n":7}"#]);
}
