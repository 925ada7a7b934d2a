//! Spark reads and goes on with a table of its own whose columns the program has widened in a commit of its own.

use serde_json::json;

use super::columns::{row, rows, users};
use super::readers::direct;

#[test]
fn spark_goes_on_with_a_table_whose_columns_were_widened_directly() {
    let (mut sandbox, name) = direct();
    let mut settings = sandbox.settings().clone();
    settings["table_layout"] = json!("columns");
    settings["enable_schema_evolution"] = json!(true);
    sandbox.set(settings);
    let place = sandbox.place();
    place.sql(&format!(
        "CREATE TABLE {name} (_airbyte_ab_id STRING, _airbyte_emitted_at TIMESTAMP, _airbyte_meta STRING, n INT, f FLOAT, \
         whole BIGINT, day DATE, l ARRAY<INT>, o STRUCT<x: INT>, _airbyte_additional_properties MAP<STRING, STRING>) \
         USING delta TBLPROPERTIES ('delta.enableTypeWidening' = 'true')"
    ));
    let narrow = "SELECT '0', now(), '{}', 7, FLOAT(0.5), 7, DATE'2026-01-31', array(7), named_struct('x', 7), NULL";
    place.sql(&format!("INSERT INTO {name} {narrow}"));
    let integer = json!({"type": "integer"});
    let streams = users(json!({
        "n": integer, "f": {"type": "number"}, "whole": {"type": "integer", "airbyte_type": "big_integer"},
        "day": {"type": "string", "format": "date-time", "airbyte_type": "timestamp_without_timezone"},
        "l": {"type": "array", "items": integer}, "o": {"type": "object", "properties": {"x": integer}},
    }));
    let large = 1_i64 << 40;
    let wide = json!({
        "n": large, "f": 0.1, "whole": "123456789012345678901234567890", "day": "2026-01-31T10:15:00.123456", "l": [large],
        "o": {"x": large},
    });
    sandbox.load(&streams, row("users", &wide));
    let seen = || {
        let fields = ["n", "f", "whole", "day", "l", "o"];
        let told = rows(place, &name).into_iter().map(|row| fields.map(|field| row[field].to_string()).join(" "));
        told.collect::<Vec<_>>()
    };
    let old = r#"7 0.5 7 "2026-01-31T00:00:00.000000" [7] {"x":7}"#;
    let new = seen().into_iter().next_back().unwrap();
    assert_eq!(seen(), [old.to_owned(), new.clone()]);
    assert!(new.starts_with("1099511627776 0.1 1.23456789012345"), "{new}");
    assert!(new.ends_with(r#""2026-01-31T10:15:00.123456" [1099511627776] {"x":1099511627776}"#), "{new}");
    let whole = place.sql(&format!("SELECT CAST(max(whole) AS STRING) FROM {name} WHERE whole > 7"));
    assert_eq!(whole, [[Some("123456789012345678901234567890".to_owned())]]);
    // Statistics of the older files still tell which files a filter needs.
    let found = place.sql(&format!(
        "SELECT count(*) FROM {name} WHERE n = 7 AND f < 1 AND day = TIMESTAMP_NTZ'2026-01-31 00:00:00' AND o.x = 7"
    ));
    assert_eq!(found, [[Some("1".to_owned())]]);
    place.sql(&format!("UPDATE {name} SET n = n + 1 WHERE n = 7"));
    place.sql(&format!("OPTIMIZE {name}"));
    place.sql(&format!("ALTER TABLE {name} ADD COLUMNS (theirs STRING)"));
    sandbox.load(&streams, row("users", &wide));
    assert_eq!(seen(), [old.replacen('7', "8", 1), new.clone(), new]);
    let detail = place.sql(&format!("DESCRIBE TABLE {name}"));
    let kind =
        |column: &str| detail.iter().find(|row| row[0].as_deref() == Some(column)).and_then(|row| row[1].clone());
    let kinds = ["n", "f", "whole", "day", "l", "o"].map(|column| kind(column).unwrap_or_default());
    assert_eq!(kinds, ["bigint", "double", "decimal(38,0)", "timestamp_ntz", "array<bigint>", "struct<x:bigint>"]);
}
