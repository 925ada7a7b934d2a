//! A stream of people with a key of two numbers, for the cases of Airbyte's own tests.

use serde_json::{Value, json};

use super::streams::{Stream, rows};
use crate::lake::Location;
use crate::program::Sandbox;

/// What says that a row was deleted.
pub const DELETED: &str = "_ab_cdc_deleted_at";

/// A table for each layout, and how the deletes of change data capture count.
pub fn sandbox(layout: &str, deletes: &str) -> Sandbox {
    Sandbox::with(json!({"table_layout": layout, "cdc_deletion_mode": deletes, "enable_schema_evolution": true}))
}

/// The folder of the table of `users`.
pub fn users(sandbox: &Sandbox) -> Location {
    sandbox.table("default/users")
}

/// The type of a whole number, or nothing.
pub fn integer() -> Value {
    json!({"type": ["null", "integer"]})
}

/// The type of a text, or nothing.
pub fn text() -> Value {
    json!({"type": ["null", "string"]})
}

/// The type of a time with a zone.
pub fn moment() -> Value {
    json!({"type": "string", "format": "date-time", "airbyte_type": "timestamp_with_timezone"})
}

/// People with a key of two numbers, as change data capture sends them.
pub fn people() -> Stream {
    let address = json!({"type": ["null", "object"], "properties": {"city": text(), "state": text()}});
    let properties = json!({
        "id1": integer(), "id2": integer(), "updated_at": moment(), DELETED: moment(), "name": text(), "address": address,
        "age": integer(), "registration_date": {"type": ["null", "string"], "format": "date"},
    });
    Stream::users(properties, &["id1", "id2"], &["updated_at"])
}

/// Somebody as they were on a day.
pub fn person(id1: i64, id2: i64, day: u32, name: &str) -> Value {
    json!({"id1": id1, "id2": id2, "updated_at": format!("2000-01-{day:02}T00:00:00Z"), "name": name})
}

/// They were deleted on that day.
pub fn gone(id1: i64, id2: i64, day: u32) -> Value {
    let at = format!("2000-01-{day:02}T00:00:00Z");
    json!({"id1": id1, "id2": id2, "updated_at": at, DELETED: at})
}

/// Records that were emitted at one time.
pub fn at<const N: usize>(later: i64, data: [Value; N]) -> Vec<(i64, Value)> {
    data.into_iter().map(|data| (later, data)).collect()
}

/// What the tests look at of people.
pub fn seen(sandbox: &Sandbox) -> Vec<String> {
    rows(&users(sandbox), &["id1", "id2", "name"])
}

/// What [`seen`] sees of somebody.
pub fn named(id1: i64, id2: i64, name: &str) -> Value {
    json!({"id1": id1, "id2": id2, "name": name})
}
