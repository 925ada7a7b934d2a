//! Streams whose properties clash, and the columns that these fill in tables that exist.

use super::*;

/// Which property fills which column.
fn filled(fit: &Fit) -> Vec<(&str, &str)> {
    fn pair(column: &Column) -> Option<(&str, &str)> {
        if let Source::Property(property) = &column.source { Some((property, &column.name)) } else { None }
    }
    fit.files.columns().filter_map(pair).collect()
}

#[test]
fn a_property_fills_the_column_that_it_filled_whatever_clashes_with_it_later() -> Result<()> {
    let stream = |properties: &[&str]| {
        let properties: Vec<String> =
            properties.iter().map(|name| format!(r#""{name}":{{"type":"integer"}}"#)).collect();
        columns(&format!(r#"{{"properties":{{{}}}}}"#, properties.join(",")), ColumnOptions::default())
    };
    let names = ["id", "ID", "My-Id", "my_id"];
    let orders: [&[&str]; 12] = [
        &["id"],
        &["ID"],
        &["id", "ID"],
        &["ID", "id"],
        &["Id", "ID"],
        &["ID", "Id", "id"],
        &["My-Id"],
        &["my_id", "My-Id"],
        &["My-Id", "my_id"],
        &["My-Id", "My Id"],
        &["My Id", "my_id", "My-Id"],
        &names,
    ];
    for first in orders {
        for second in orders.iter().filter(|second| first.iter().all(|name| second.contains(name))) {
            let mut found = table(&[]);
            let mut columns: Vec<(String, String)> = Vec::new();
            // The last one has only one of the properties again.
            for properties in [first, second, &second[second.len() - 1..]] {
                for terms in [EVOLVES, REPLACES] {
                    let fit = fitted(&stream(properties)?, &found, terms)?;
                    found = columns_after(&found, &fit.changes);
                    for (property, column) in filled(&fit) {
                        let owner = columns.iter().find(|(_, other)| other == column);
                        assert!(owner.is_none_or(|(owner, _)| owner == property), "{first:?} {second:?}: {property}");
                        columns.push((property.to_owned(), column.to_owned()));
                    }
                }
            }
        }
    }
    let objects = |names: &[&str]| object(names.iter().map(|name| property(name, LONG)).collect());
    let fit = fitted(&wanted(vec![property("o", objects(&["id"]))]), &table(&[("o", "struct<ID:bigint>")]), EVOLVES)?;
    assert_eq!(files(&fit), ["o STRUCT<`ID`: BIGINT>"]);
    Ok(())
}
