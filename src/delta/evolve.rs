//! Changes the columns of an existing table: makes the actions `metaData` and, if a column needs a feature that the table lacks,
//! `protocol`, for the commit of the rows.
//!
//! The kernel can add columns, but neither enable a feature nor change a type. Here the schema in the log is edited in place, so
//! that what other writers added to it stays. Source:
//! <https://github.com/delta-io/delta/blob/master/PROTOCOL.md>, sections "Change Metadata" and "Protocol Evolution".

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use delta_kernel::actions::{LOG_METADATA_SCHEMA, LOG_PROTOCOL_SCHEMA};
use delta_kernel::engine::arrow_data::ArrowEngineData;
use delta_kernel::schema::SchemaRef;
use delta_kernel::snapshot::SnapshotRef;
use delta_kernel::{Engine, FilteredEngineData, KernelError, KernelResult};
use serde_json::{Value, json};

use super::widening;
use crate::schema::alter::Alter;
use crate::schema::table_type::are_same_names;

/// The feature of tables with times without a zone.
const LOCAL_TIMES: &str = "timestampNtz";
/// The type that needs it.
const LOCAL_TIME: &str = "timestamp_ntz";

/// The actions that make `changes` to the table `inner` and give it `property`, or take it away where there is no value.
pub fn actions(
    inner: &SnapshotRef,
    engine: &dyn Engine,
    changes: &[Alter],
    property: Option<(&str, Option<&str>)>,
) -> KernelResult<Vec<FilteredEngineData>> {
    let configuration = inner.table_configuration();
    let mut metadata = serde_json::to_value(configuration.metadata())?;
    let mut schema: Value = serde_json::from_str(configuration.metadata().schema_string())?;
    for change in changes {
        let path: Vec<&str> = change.path().iter().map(String::as_str).collect();
        change_at(&mut schema, &path, change)
            .ok_or_else(|| KernelError::generic(format!("there is no column {} to change", path.join("."))))?;
    }
    let protocol = serde_json::to_value(configuration.protocol())?;
    let widens = changes.iter().any(|change| matches!(change, Alter::Widen { .. }));
    let needed = [(has_local_times(&schema), LOCAL_TIMES), (widens, widening::FEATURE)];
    let needed = needed.into_iter().filter(|(is_needed, _)| *is_needed).map(|(_, feature)| feature);
    let raised = needed.fold(None, |raised: Option<Value>, feature| {
        with_feature(raised.as_ref().unwrap_or(&protocol), feature).or(raised)
    });
    let schema = schema.to_string();
    let fields = metadata.as_object_mut().ok_or_else(|| KernelError::generic("the table's metadata is no object"))?;
    fields.insert("schemaString".to_owned(), Value::from(schema));
    if let Some((key, value)) = property {
        let configuration = fields.entry("configuration").or_insert_with(|| json!({}));
        let configuration = configuration.as_object_mut();
        let configuration =
            configuration.ok_or_else(|| KernelError::generic("the table's properties are no object"))?;
        match value {
            Some(value) => drop(configuration.insert(key.to_owned(), Value::from(value))),
            None => drop(configuration.remove(key)),
        }
    }
    let mut actions = Vec::new();
    if let Some(protocol) = raised {
        actions.push(action(&json!({"protocol": protocol}), LOG_PROTOCOL_SCHEMA.clone(), engine)?);
    }
    actions.push(action(&json!({"metaData": metadata}), LOG_METADATA_SCHEMA.clone(), engine)?);
    Ok(actions)
}

/// The protocol of a new table with the columns `schema`, as a log writes them: the lowest that they need.
pub fn protocol_of_new(schema: &str) -> Value {
    let lowest = json!({"minReaderVersion": 1, "minWriterVersion": 2});
    let needs_feature = serde_json::from_str(schema).is_ok_and(|schema| has_local_times(&schema));
    if needs_feature { with_feature(&lowest, LOCAL_TIMES).unwrap_or(lowest) } else { lowest }
}

/// Whether a time without a zone is in the type `kind`, as a log writes it, or in one that it is made of. Names may be called so.
fn has_local_times(kind: &Value) -> bool {
    let parts = ["type", "elementType", "keyType", "valueType"].into_iter().filter_map(|key| kind.get(key));
    let fields = kind.get("fields").and_then(Value::as_array).into_iter().flatten();
    kind.as_str() == Some(LOCAL_TIME) || parts.chain(fields).any(has_local_times)
}

/// `protocol` with the reader's and writer's feature `added`; `None` where it has it. A protocol that lists its features lists those that
/// its versions stood for, too.
fn with_feature(protocol: &Value, added: &str) -> Option<Value> {
    let version = |key: &str| protocol.get(key).and_then(Value::as_i64).unwrap_or_default();
    let listed = |key: &str| -> Vec<String> {
        let features = protocol.get(key).and_then(Value::as_array).into_iter().flatten();
        features.filter_map(|feature| feature.as_str().map(str::to_owned)).collect()
    };
    let (reader, writer) = (version("minReaderVersion"), version("minWriterVersion"));
    let (mut readers, mut writers) = (listed("readerFeatures"), listed("writerFeatures"));
    if [&readers, &writers].into_iter().all(|features| features.iter().any(|feature| feature == added)) {
        return None;
    }
    let stood_for = [
        (2, "appendOnly"),
        (2, "invariants"),
        (3, "checkConstraints"),
        (4, "changeDataFeed"),
        (4, "generatedColumns"),
        (5, "columnMapping"),
        (6, "identityColumns"),
    ];
    if writer < 7 {
        writers.extend(stood_for.iter().filter(|(since, _)| writer >= *since).map(|(_, name)| (*name).to_owned()));
    }
    if reader == 2 {
        readers.push("columnMapping".to_owned());
    }
    for features in [&mut readers, &mut writers] {
        if !features.iter().any(|feature| feature == added) {
            features.push(added.to_owned());
        }
    }
    Some(json!({"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": readers, "writerFeatures": writers}))
}

/// Changes what `path` leads to from the structure `within`; `None` where it leads nowhere.
fn change_at(within: &mut Value, path: &[&str], change: &Alter) -> Option<()> {
    let (name, rest) = path.split_first()?;
    let fields = within.get_mut("fields")?.as_array_mut()?;
    let is_named =
        |field: &Value| field.get("name").and_then(Value::as_str).is_some_and(|found| are_same_names(found, name));
    let at = fields.iter().position(is_named);
    match (at, change) {
        (None, Alter::Add { kind, .. }) if rest.is_empty() => {
            fields.push(json!({"name": name, "type": kind.delta(), "nullable": true, "metadata": {}}));
            Some(())
        }
        (Some(at), Alter::Drop { .. }) if rest.is_empty() => {
            fields.remove(at);
            Some(())
        }
        (Some(at), _) => {
            let field = fields.get_mut(at)?;
            if let Alter::Widen { kind, .. } = change {
                widening::note(field, rest, &kind.delta())?;
            }
            change_field(field, ("type", "nullable"), rest, change)
        }
        (None, _) => None,
    }
}

/// Changes what `path` leads to from a type and what says of it whether there may be no value: the values of `owner` under
/// these keys.
fn change_field(owner: &mut Value, (kind, nullable): (&str, &str), path: &[&str], change: &Alter) -> Option<()> {
    if path.is_empty() {
        match change {
            Alter::Relax { .. } => drop(owner.as_object_mut()?.insert(nullable.to_owned(), Value::Bool(true))),
            Alter::Retype { kind: new, .. } => {
                owner.as_object_mut()?.insert(kind.to_owned(), new.delta());
                // What others have noted of the older type is not true of the new one.
                let metadata = owner.get_mut("metadata").and_then(Value::as_object_mut);
                metadata.into_iter().for_each(|metadata| metadata.retain(|key, _| key == "comment"));
            }
            Alter::Widen { kind: new, .. } => drop(owner.as_object_mut()?.insert(kind.to_owned(), new.delta())),
            Alter::Add { .. } | Alter::Drop { .. } => return None,
        }
        return Some(());
    }
    let within = owner.get_mut(kind)?;
    match within.get("type").and_then(Value::as_str)? {
        "array" => change_field(within, ("elementType", "containsNull"), path.get(1..)?, change),
        _ => change_at(within, path, change),
    }
}

/// The action `line`, of the columns `schema`, as a commit takes it.
fn action(line: &Value, schema: SchemaRef, engine: &dyn Engine) -> KernelResult<FilteredEngineData> {
    let line: ArrayRef = Arc::new(StringArray::from_iter_values([line.to_string()]));
    let batch = RecordBatch::try_from_iter([("action", line)])?;
    let parsed = engine.json_handler().parse_json(Box::new(ArrowEngineData::new(batch)), schema)?;
    Ok(FilteredEngineData::with_all_rows_selected(parsed))
}

#[cfg(test)]
#[path = "evolve_tests.rs"]
mod tests;
