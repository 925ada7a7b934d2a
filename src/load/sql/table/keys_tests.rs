//! Which columns of a key have statistics.

use super::*;
use crate::schema::dedup::{Asked, Dedup};
use crate::schema::json_schema::{ColumnOptions, classic, columns};

/// How many columns are before the key at `path`, in a table with so many properties before `o`.
fn before(others: usize, path: &[&str], make: impl Fn(&str) -> TableSchema) -> Vec<usize> {
    let others: String = (0..others).map(|n| format!(r#""p{n}":{{"type":"integer"}},"#)).collect();
    let o = r#""o":{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"object","properties":{"x":{"type":"integer"},"y":{"type":"integer"}}},
        "c":{"type":"integer"}}},"u":{"type":["string","integer"]}"#;
    let schema = format!(r#"{{"properties":{{{others}{o}}}}}"#);
    let key = vec![path.iter().map(|name| (*name).to_owned()).collect()];
    let dedup = Dedup::new(Some(&schema), &Asked { key, ..Asked::default() }).expect("a key");
    let files = make(&schema);
    let own = files.columns().take_while(|column| !column.name.starts_with(['p', 'o'])).count();
    let places = dedup.places(&files).expect("places");
    places.key.iter().map(|place| leaves_before(&files, place) - own).collect()
}

#[test]
fn fields_before_a_field_count_as_columns_do() {
    let typed = |schema: &str| columns(schema, ColumnOptions::default()).expect("columns");
    assert_eq!(before(3, &["p1"], typed), [1]);
    assert_eq!(before(3, &["o", "a"], typed), [3]);
    assert_eq!(before(3, &["o", "b", "y"], typed), [5]);
    assert_eq!(before(3, &["o", "c"], typed), [6]);
    assert_eq!(before(26, &["o", "c"], typed), [29]);
    let classic = |schema: &str| classic(schema).expect("columns");
    // There, each object has a map of further properties, which is two columns.
    assert_eq!(before(3, &["u"], classic), [11, 12]);
}
