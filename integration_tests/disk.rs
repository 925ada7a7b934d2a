//! Folders, files and tables that the program did not make itself, or may not write to.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::lake::Location;
use crate::messages::{append, catalog, configured, overwrite, padded, record, records, state, status};
use crate::on_disk::at;
use crate::privileges::Unprivileged;
use crate::program::{Living, Sandbox, program, skipped};
use crate::table;

/// A table without rows, made by somebody else: `columns` are names and types.
fn foreign_table(folder: &Location, columns: &[(&str, &str)], protocol: Value, partitioned_by: &[&str]) {
    let field = |(name, kind): &(&str, &str)| json!({"name": name, "type": kind, "nullable": true, "metadata": {}});
    let schema = json!({"type": "struct", "fields": columns.iter().map(field).collect::<Vec<_>>()});
    let metadata = json!({
        "id": "c64a9d77-5d10-4a1f-8a34-6b5f2f0f9d01", "format": {"provider": "parquet", "options": {}},
        "schemaString": schema.to_string(), "partitionColumns": partitioned_by, "configuration": {}, "createdTime": 1,
    });
    let text = format!("{}\n{}\n", json!({"protocol": protocol}), json!({"metaData": metadata}));
    table::commit(folder, 0).put(text);
}

fn plain() -> Value {
    json!({"minReaderVersion": 1, "minWriterVersion": 2})
}

const RAW: [(&str, &str); 3] =
    [("_airbyte_ab_id", "string"), ("_airbyte_data", "string"), ("_airbyte_emitted_at", "timestamp")];

/// A sync into that table must be refused, name the stream, and change nothing.
fn refused(make: impl Fn(&Location)) -> String {
    let sandbox = Sandbox::new();
    make(&sandbox.table("default/users"));
    let before = sandbox.lake().objects();
    for streams in [append(&["pets", "users"]), overwrite(&["users"])] {
        let run = sandbox.write(&streams, records("users", 0..3));
        run.failed_with("config_error");
        assert_eq!(run.error()["stream_descriptor"]["name"], "users", "{run:#?}");
        assert_eq!(sandbox.lake().objects(), before);
        assert!(table::staging(&sandbox.lake()).is_empty());
    }
    sandbox.write(&append(&["users"]), "").failed_with("config_error")
}

#[test]
fn a_table_with_foreign_columns_is_refused_before_the_first_record() {
    let message = refused(|folder| foreign_table(folder, &[("id", "long"), ("name", "string")], plain(), &[]));
    assert!(message.contains("name") && message.contains("_airbyte_data"), "{message}");
    let wrong_type = [RAW[0], RAW[1], ("_airbyte_emitted_at", "long")];
    refused(|folder| foreign_table(folder, &wrong_type, plain(), &[]));
    let one_more = [RAW[0], RAW[1], RAW[2], ("extra", "string")];
    refused(|folder| foreign_table(folder, &one_more, plain(), &[]));
}

#[test]
fn a_table_that_is_partitioned_or_has_features_of_the_future_is_refused() {
    refused(|folder| foreign_table(folder, &RAW, plain(), &["_airbyte_ab_id"]));
    let future = json!({
        "minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["timeTravelling"],
        "writerFeatures": ["timeTravelling"],
    });
    refused(|folder| foreign_table(folder, &RAW, future.clone(), &[]));
}

#[test]
fn a_table_of_the_older_connector_is_loaded_whatever_the_order_of_its_columns() {
    let sandbox = Sandbox::new();
    let folder = sandbox.table("default/users");
    foreign_table(&folder, &RAW, plain(), &[]);
    sandbox.load(&append(&["users"]), records("users", 0..3));
    assert_eq!(table::read(&folder).rows.len(), 3);
    sandbox.load(&overwrite(&["users"]), records("users", 3..5));
    assert_eq!(table::data(&folder), [r#"{"n":3}"#, r#"{"n":4}"#]);
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn the_problems_of_several_tables_are_told_together() {
    let sandbox = Sandbox::new();
    for name in ["users", "pets"] {
        foreign_table(&sandbox.table(&format!("default/{name}")), &[("id", "long")], plain(), &[]);
    }
    let message = sandbox.write(&append(&["users", "cars", "pets"]), "").failed_with("config_error");
    assert!(message.contains("users") && message.contains("pets") && !message.contains("cars"), "{message}");
}

#[test]
fn a_file_in_the_way_of_a_folder_fails_the_sync_and_stays() {
    for (way, named) in [("default", "default"), ("default/users", "users"), ("default/users/_delta_log", "users")] {
        let sandbox = Sandbox::new();
        let file = sandbox.lake().join(way);
        file.put("in the way");
        let run = sandbox.write(&append(&["users"]), records("users", 0..3) + &state("users", 3));
        let message = run.failed_with("config_error");
        assert!(message.contains(named), "{way}: {message}");
        assert_eq!(run.states(), Vec::<Value>::new());
        assert_eq!(sandbox.lake().objects(), std::slice::from_ref(&file));
        assert_eq!(file.text(), "in the way");
    }
}

#[test]
fn a_broken_log_fails_the_sync_and_is_left_as_it_is() {
    let sandbox = Sandbox::new();
    let folder = sandbox.table("default/users");
    table::commit(&folder, 0).put("no json\n");
    let run = sandbox.write(&append(&["users"]), records("users", 0..3));
    assert_eq!(run.failure()["stream_descriptor"]["name"], "users", "{run:#?}");
    assert_eq!(table::commit(&folder, 0).text(), "no json\n");
    assert!(table::staging(&sandbox.lake()).is_empty());
}

#[test]
fn a_folder_that_may_not_be_written_is_a_config_error() {
    let sandbox = Sandbox::new();
    let Some(user) = Unprivileged::for_runs_in(&sandbox) else {
        return skipped("a_folder_that_may_not_be_written_is_a_config_error", "root needs setpriv to lose its rights");
    };
    let set = |mode| std::fs::set_permissions(sandbox.root(), std::fs::Permissions::from_mode(mode)).unwrap();
    set(0o555);
    let run = user.write(&sandbox, &append(&["users"]), records("users", 0..3));
    let check = user.check(&sandbox);
    set(0o755);
    assert!(run.failed_with("config_error").contains(sandbox.root().to_str().unwrap()), "{run:#?}");
    assert!(check.code == Some(0) && check.says("FAILED"), "{check:#?}");
}

#[test]
fn a_table_folder_that_may_not_be_written_fails_the_sync_with_nothing_acknowledged() {
    let sandbox = Sandbox::new();
    let Some(user) = Unprivileged::for_runs_in(&sandbox) else {
        return skipped("a_table_folder_that_may_not_be_written…", "root needs setpriv to lose its rights");
    };
    sandbox.load(&append(&["users"]), records("users", 0..3));
    let folder = sandbox.path("default/users");
    let set = |mode| std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode)).unwrap();
    set(0o555);
    let run = user.write(&sandbox, &append(&["users"]), records("users", 3..5) + &state("users", 5));
    set(0o755);
    run.failed_with("config_error");
    assert_eq!(run.states(), Vec::<Value>::new());
    assert_eq!(table::read(&at(&folder)).rows.len(), 3);
    table::assert_tidy(&sandbox.lake());
}

/// Runs two appends and a `check` in a lake of this name.
fn sync_in(name: &str) -> Result<(), String> {
    let mut sandbox = Sandbox::new();
    let lake = sandbox.folder().join(name);
    sandbox.set(json!({"data_source": {"data_source_type": "LOCAL_STORAGE", "local_path": lake}}));
    for round in 1..=2 {
        let run = sandbox.write(&append(&["users"]), records("users", 0..3) + &state("users", 3));
        if run.code != Some(0) {
            return Err(format!("{name:?}, sync {round}: {}", run.error()["internal_message"]));
        }
    }
    assert_eq!(table::read(&at(&lake.join("default/users"))).rows.len(), 6, "{name:?}");
    table::assert_tidy(&at(&lake));
    let check = sandbox.check();
    if check.says("SUCCEEDED") { Ok(()) } else { Err(format!("{name:?}, check: {}", check.stderr)) }
}

#[test]
fn the_lake_may_have_any_path() {
    let names = ["with space", "späcial 日本", "hash#1", "question?", "a+b&c=d;e", "quote'\"", "[x]{y}", "..dots"];
    let failed: Vec<String> = names.into_iter().filter_map(|name| sync_in(name).err()).collect();
    assert_eq!(failed, Vec::<String>::new());
}

#[test]
fn a_percent_sign_in_the_lakes_path_is_refused_before_anything_is_written() {
    let said = sync_in("per%20cent").err().unwrap_or_default();
    assert!(said.contains("has a % in it"), "{said}");
    let said = sync_in("back\\slash").err().unwrap_or_default();
    assert!(said.contains("has a \\\\ in it"), "{said}");
}

#[test]
fn the_lake_may_be_a_link_or_relative() {
    let mut sandbox = Sandbox::new();
    let link = sandbox.folder().join("link");
    std::os::unix::fs::symlink(sandbox.root(), &link).unwrap();
    sandbox.set(json!({"data_source": {"data_source_type": "LOCAL_STORAGE", "local_path": link}}));
    sandbox.load(&append(&["users"]), records("users", 0..3));
    sandbox.set(json!({"data_source": {"data_source_type": "LOCAL_STORAGE", "local_path": "./x/../lake/"}}));
    let (config, streams) = (sandbox.config(), sandbox.file("c.json", append(&["users"]).to_string()));
    let mut command = program();
    command.current_dir(sandbox.folder()).arg("write").arg("--config").arg(config).arg("--catalog").arg(streams);
    let mut living = Living::start(&mut command);
    living.send(records("users", 3..5));
    assert_eq!(living.end().code, Some(0));
    assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), 5);
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn a_hundred_streams_interleaved_in_little_memory_all_land() {
    let sandbox = Sandbox::with(json!({"memory_limit_mb": 16}));
    let names: Vec<String> = (0..100).map(|n| format!("stream {n}")).collect();
    let line = |n: usize| crate::messages::record(&names[n % 100], &crate::messages::padded(n as u64, 1000));
    let input: String = (0..20_000).map(line).collect();
    sandbox.load(&catalog(names.iter().map(|name| configured(name, "append"))), input);
    for (number, name) in names.iter().enumerate() {
        let table = table::read(&sandbox.table(&format!("default/{}", name.replace(' ', "_"))));
        let expected = (0..200).map(|row| crate::messages::padded((row * 100 + number) as u64, 1000));
        assert!(table.data().into_iter().eq(expected.collect::<Vec<_>>().iter()), "{name}");
    }
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn without_a_folder_for_the_spill_file_every_row_lands_all_the_same() {
    let sandbox = Sandbox::with(json!({"memory_limit_mb": 16}));
    let names: Vec<String> = (0..20).map(|stream| format!("s{stream}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut input = String::new();
    for n in 0..2000 {
        for name in &names {
            input += &record(name, &padded(n, 120));
            if n % 37 == 36 {
                input += &state(name, n + 1);
            }
        }
    }
    let (config, catalog) = (sandbox.config(), sandbox.file("catalog.json", append(&names).to_string()));
    let mut command = program();
    command.env("TMPDIR", sandbox.folder().join("is-not-there"));
    command.arg("write").arg("--config").arg(config).arg("--catalog").arg(catalog);
    let mut living = Living::start(&mut command);
    living.send(input);
    let run = living.end();
    assert_eq!(run.code, Some(0), "{run:#?}");
    assert_eq!(run.logs("WARN").len(), 1, "the user is told once");
    assert_eq!(run.states().len(), 20 * (2000 / 37));
    for name in names {
        assert_eq!(table::read(&sandbox.table(&format!("default/{name}"))).rows.len(), 2000, "{name}");
    }
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn streams_that_end_while_memory_is_short_do_not_wait_for_what_nobody_gives_back() {
    let sandbox = Sandbox::with(json!({"memory_limit_mb": 16}));
    let names: Vec<String> = (0..1200).flat_map(|n| [format!("ends_{n}"), format!("waits_{n}")]).collect();
    let mut input = String::new();
    for pair in names.chunks(2) {
        input += &record(&pair[0], "{}");
        input += &record(&pair[1], &padded(1, 4000));
        input += &status(&pair[0], "COMPLETE");
    }
    names.iter().skip(1).step_by(2).for_each(|name| input += &status(name, "COMPLETE"));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let run = sandbox.load(&append(&names), input);
    assert!(run.says("rows loaded 2400"), "{:?}", run.logs("INFO").last());
}
