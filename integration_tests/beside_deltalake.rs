//! The `deltalake` package writes to a table between two syncs: its changes stay, and the next sync loads the table as
//! usual.

use std::path::Path;

use serde_json::{Value, json};

use crate::messages::{append, overwrite, records};
use crate::on_disk::at;
use crate::program::Sandbox;
use crate::python::{has, python};

/// Runs `operation` on the table `t` in `folder`; the number of its rows afterwards, and whatever it was before.
fn with_deltalake(folder: &Path, operation: &str) -> Value {
    let script = format!(
        r#"
import datetime, json, os, sys
import pyarrow
from deltalake import DeltaTable, write_deltalake
from deltalake.table import *
t = DeltaTable(sys.argv[1])
{operation}
t = DeltaTable(sys.argv[1])
rows = t.to_pyarrow_table().to_pydict()
print(json.dumps([len(rows["_airbyte_data"]), len(set(rows["_airbyte_ab_id"]))]))
sys.stdout.flush()
os._exit(0)
"#
    );
    let output = python(&script, &[folder.to_owned()]).unwrap();
    assert!(output.status.success(), "{operation}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn what_deltalake_does_to_a_table_stays_done() {
    if !has("what_deltalake_does_to_a_table_stays_done", "deltalake") {
        return;
    }
    // What is done to a table of two loads of ten rows, and how many rows it has then.
    let cases = [
        ("", 20),
        (r#"t.delete("_airbyte_data = '{\"n\":3}'")"#, 19),
        (r#"t.delete()"#, 0),
        (r#"t.update(predicate="_airbyte_data = '{\"n\":3}'", updates={"_airbyte_data": "'{}'"})"#, 20),
        ("t.optimize.compact()", 20),
        (r#"t.optimize.z_order(["_airbyte_data"])"#, 20),
        (
            "t.optimize.compact(); t.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False, full=True)",
            20,
        ),
        ("t.create_checkpoint()", 20),
        (
            r#"t.alter.set_table_properties({"delta.logRetentionDuration": "interval 0 days"}); t = DeltaTable(sys.argv[1]); t.create_checkpoint(); t.cleanup_metadata()"#,
            20,
        ),
        ("t.restore(0)", 10),
        (r#"t.alter.set_table_properties({"delta.checkpointInterval": "1"})"#, 20),
        (r#"t.alter.set_table_properties({"delta.dataSkippingNumIndexedCols": "1"})"#, 20),
        (r#"t.alter.set_table_properties({"delta.setTransactionRetentionDuration": "interval 1 second"})"#, 20),
        (r#"t.alter.set_table_name("x"); t.alter.set_table_description("y")"#, 20),
        ("write_deltalake(sys.argv[1], t.to_pyarrow_table().slice(0, 5), mode='append')", 25),
        ("write_deltalake(sys.argv[1], t.to_pyarrow_table().slice(0, 5), mode='overwrite')", 5),
        (
            r#"t.merge(t.to_pyarrow_table().slice(0, 5), "s._airbyte_ab_id = t._airbyte_ab_id", source_alias="s", target_alias="t").when_matched_delete().execute()"#,
            15,
        ),
    ];
    for (operation, rows) in cases {
        let sandbox = Sandbox::with(json!({"compression": "snappy"}));
        let folder = sandbox.path("default/users");
        (0..2).for_each(|n| drop(sandbox.load(&append(&["users"]), records("users", n * 10..n * 10 + 10))));
        assert_eq!(with_deltalake(&folder, operation)[0], rows, "{operation}");
        sandbox.load(&append(&["users"]), records("users", 20..23));
        assert_eq!(with_deltalake(&folder, "")[0], rows + 3, "{operation}");
        assert!(with_deltalake(&folder, operation_again(operation))[0].is_u64(), "{operation}");
        sandbox.load(&overwrite(&["users"]), records("users", 30..34));
        assert_eq!(with_deltalake(&folder, ""), json!([4, 4]), "{operation}");
        sandbox.load(&append(&["users"]), records("users", 40..41));
        assert_eq!(with_deltalake(&folder, ""), json!([5, 5]), "{operation}");
    }
}

/// What can be done a second time without another outcome than the first.
fn operation_again(operation: &str) -> &str {
    if operation.contains("optimize") || operation.contains("checkpoint") { operation } else { "" }
}

#[test]
fn a_path_with_odd_characters_is_one_table_to_everybody() {
    if !has("a_path_with_odd_characters_is_one_table_to_everybody", "deltalake") {
        return;
    }
    for name in [
        "with space",
        "key=value",
        "é漢😀",
        "a+b&c",
        "hash#tag",
        "what?",
        "semi;colon,comma",
        "(x)[y]{z}",
        "~tilde'quote\"",
        ".hidden",
        "_private",
    ] {
        let sandbox = Sandbox::new();
        let lake = sandbox.folder().join(name);
        let config = json!({"data_source": {"data_source_type": "LOCAL_STORAGE", "local_path": lake}});
        let config = sandbox.file("odd.json", config.to_string());
        let folder = lake.join("default/users");
        for (n, streams) in
            [append(&["users"]), append(&["users"]), overwrite(&["users"]), append(&["users"])].iter().enumerate()
        {
            let catalog = sandbox.file("odd-catalog.json", streams.to_string());
            let mut program = sandbox.program();
            program.arg("write").arg("--config").arg(&config).arg("--catalog").arg(catalog);
            let mut living = crate::program::Living::start(&mut program);
            living.send(records("users", n as u64..n as u64 + 1));
            let run = living.end();
            assert_eq!(run.code, Some(0), "{name}: {run:#?}");
        }
        assert_eq!(crate::table::data(&at(&folder)).len(), 2, "{name}");
        crate::table::assert_tidy(&at(&lake));
        assert_eq!(with_deltalake(&folder, "t.create_checkpoint()"), json!([2, 2]), "{name}");
    }
}
