//! Tables whose rows are replaced by those of another schema, with syncs that are killed in between.

use std::collections::BTreeMap;

use serde_json::Value;

use super::evolution::{ROWS, input, killed, seen, settings, steps, stream};
use super::readers::are_there;
use crate::program::Sandbox;
use crate::table;

#[test]
fn a_table_whose_rows_are_replaced_has_the_columns_and_rows_of_a_new_one() {
    let test = "a_table_whose_rows_are_replaced_has_the_columns_and_rows_of_a_new_one";
    if !are_there(test) {
        return;
    }
    for (at, layout) in ["columns", "classic"].into_iter().enumerate() {
        let mut sandbox = Sandbox::with(settings(layout, false));
        let mut shown = None;
        for (round, step) in (0..).zip(steps()) {
            sandbox.set(settings(layout, step.evolution));
            let (streams, first) = (stream(&step.properties, "overwrite"), round * 100);
            let of_killed = input(&step.data, first + 50);
            let acknowledged = killed(&sandbox, &streams, &of_killed, round * 3 + at as u64);
            if round > 0 {
                let ids: Vec<u64> = seen(test, &sandbox).into_keys().collect();
                let new: Vec<u64> = (first + 50..first + 50 + ROWS).collect();
                assert!(ids == new || !acknowledged && Some(&ids) == shown.as_ref(), "{layout} {round}: {ids:?}");
            }
            sandbox.load(&streams, input(&step.data, first));
            let fresh = Sandbox::with(settings(layout, false));
            fresh.load(&streams, input(&step.data, first));
            let columns = |sandbox: &Sandbox| {
                let text = table::read(&sandbox.table("default/s")).metadata["schemaString"].clone();
                let schema: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
                let fields = schema["fields"].as_array().unwrap().iter();
                fields.map(|field| (field["name"].to_string(), field["type"].clone())).collect::<BTreeMap<_, _>>()
            };
            let (found, new) = (columns(&sandbox), columns(&fresh));
            for (name, kind) in &new {
                assert_eq!(found.get(name), Some(kind), "{layout}: {name} after sync {round}");
            }
            let found = seen(test, &sandbox);
            assert_eq!(found, seen(test, &fresh), "{layout} {round}");
            shown = Some(found.into_keys().collect());
            table::assert_tidy(&sandbox.lake());
        }
    }
}
