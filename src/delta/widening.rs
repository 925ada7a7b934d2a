//! Wider types for the columns of a table whose owner allows them (`delta.enableTypeWidening`): older files stay as they are, and
//! readers cast what is in them.
//!
//! Source: <https://github.com/delta-io/delta/blob/master/PROTOCOL.md>, section "Type Widening".

use delta_kernel::snapshot::SnapshotRef;
use serde_json::{Value, json};

use crate::schema::alter::ELEMENT;

/// The feature of tables with widened columns.
pub const FEATURE: &str = "typeWidening";
/// The same before it was final: its changes need the version of the commit, which is not known before it is made.
const PREVIEW: &str = "typeWidening-preview";
/// Where the metadata of a field name the changes of its type.
const CHANGES: &str = "delta.typeChanges";

/// Whether the columns of the table may get wider types. Not where it is read as an Iceberg table too, which takes fewer of them.
pub fn is_allowed(inner: &SnapshotRef) -> bool {
    let properties = inner.table_properties();
    let iceberg =
        [properties.enable_iceberg_compat_v1, properties.enable_iceberg_compat_v2, properties.enable_iceberg_compat_v3];
    let protocol = serde_json::to_value(inner.table_configuration().protocol()).unwrap_or_default();
    let features = protocol.get("writerFeatures").and_then(Value::as_array).into_iter().flatten();
    let is_preview = features.into_iter().any(|feature| feature.as_str() == Some(PREVIEW));
    properties.enable_type_widening == Some(true) && !iceberg.contains(&Some(true)) && !is_preview
}

/// Notes in the metadata of `field` that what `path` leads to from it gets the type `to`, both as a log writes them. Below a
/// structure another field is the nearest, and nothing is noted here. `None` where the path leads nowhere.
pub fn note(field: &mut Value, path: &[&str], to: &Value) -> Option<()> {
    let (mut within, mut steps) = (field.get("type")?, path.iter());
    while let Some(kind) = within.get("type") {
        if kind.as_str() != Some("array") {
            return Some(());
        }
        steps.next()?;
        within = within.get("elementType")?;
    }
    let mut change = json!({"fromType": within, "toType": to});
    if !path.is_empty() {
        // Only lists are between the field and the type.
        change.as_object_mut()?.insert("fieldPath".to_owned(), Value::from(vec![ELEMENT; path.len()].join(".")));
    }
    let metadata = field.as_object_mut()?.entry("metadata").or_insert_with(|| json!({})).as_object_mut()?;
    metadata.entry(CHANGES).or_insert_with(|| json!([])).as_array_mut()?.push(change);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_noted_with_the_nearest_field() {
        let list = |kind: Value| json!({"type": "array", "elementType": kind, "containsNull": true});
        let field =
            |kind: Value| json!({"name": "a", "type": kind, "nullable": true, "metadata": {"comment": "theirs"}});
        let noted = |mut field: Value, path: &[&str], to: &str| {
            note(&mut field, path, &json!(to)).map(|()| field["metadata"].take())
        };
        let expected = json!({"comment": "theirs", "delta.typeChanges": [{"fromType": "integer", "toType": "long"}]});
        assert_eq!(noted(field(json!("integer")), &[], "long"), Some(expected));
        let nested = field(list(list(json!("integer"))));
        let change = json!({"fromType": "integer", "toType": "long", "fieldPath": "element.element"});
        let expected = json!({"comment": "theirs", "delta.typeChanges": [change]});
        assert_eq!(noted(nested, &["element", "element"], "long"), Some(expected));
        let structure = list(json!({"type": "struct", "fields": [field(json!("integer"))]}));
        assert_eq!(noted(field(structure), &["element", "a"], "long"), Some(json!({"comment": "theirs"})));
        // An older change stays, in front.
        let mut twice = field(json!("short"));
        for to in ["integer", "long"] {
            assert_eq!(note(&mut twice, &[], &json!(to)), Some(()));
            twice["type"] = json!(to);
        }
        let changes = json!([{"fromType": "short", "toType": "integer"}, {"fromType": "integer", "toType": "long"}]);
        assert_eq!(twice["metadata"]["delta.typeChanges"], changes);
    }
}
