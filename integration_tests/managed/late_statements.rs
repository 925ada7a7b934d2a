//! Statements whose answers are lost, and copies of them that come late: whenever one begins, no row is there twice, and none is lost.

use serde_json::{Value, json};

use super::tables::{all, managed, rows, staged};
use crate::messages::{append, overwrite, records, state, status};
use crate::program::Sandbox;
use crate::table;

/// A sync of a stream that adds and one that replaces.
fn load(sandbox: &Sandbox, from: u64) {
    let streams = json!({"streams": [append(&["added"])["streams"][0], overwrite(&["replaced"])["streams"][0]]});
    let both = records("added", from..from + 20) + &records("replaced", from..from + 20);
    let input = both + &state("added", 1) + &state("replaced", 1);
    let run = sandbox.load(&streams, input + &status("added", "COMPLETE") + &status("replaced", "COMPLETE"));
    assert_eq!(run.states().len(), 2);
}

/// Two syncs while the same goes wrong for what adds and for what replaces.
fn gets_over(sandbox: &Sandbox, rule: &Value, what: &str) {
    let place = sandbox.place();
    for round in 0..2 {
        let mut rules = [rule.clone(), rule.clone()];
        rules[0]["statement"] = json!("^COPY INTO");
        rules[1]["statement"] = json!("^INSERT OVERWRITE");
        place.goes_wrong(json!(rules));
        load(sandbox, round * 20);
    }
    assert_eq!(rows(place, "added"), all(0..40), "{what}");
    assert_eq!(rows(place, "replaced"), all(20..40), "{what}");
    let fenced = |table: &str| {
        let sent = place.statements().into_iter().filter(|sent| sent.contains("fence") && sent.contains(table));
        sent.count()
    };
    assert!(fenced("added") >= 1 && fenced("replaced") >= 1, "{what}: {:#?}", place.statements());
}

#[test]
fn a_copy_that_begins_at_any_moment_does_no_harm() {
    for begins in ["before", "between", "after"] {
        let sandbox = managed();
        gets_over(&sandbox, &json!({"action": "double", "on": "submit", "times": 2, "value": begins}), begins);
        assert_eq!(staged(sandbox.place()), Vec::<String>::new(), "{begins}");
    }
}

/// What is staged stays, but not for a statement that may still come.
#[test]
fn a_lost_answer_does_no_harm_where_staged_files_are_kept() {
    crate::place::over_thrift(|| {
        let sandbox = Sandbox::with(json!({"purge_staging_data": false}));
        gets_over(&sandbox, &json!({"action": "lose", "on": "submit", "times": 1}), "lost");
        let kept: Vec<_> = table::staging(&sandbox.lake());
        assert_eq!(kept.len(), 2);
        let files: Vec<_> = kept.iter().flat_map(|folder| folder.objects()).collect();
        assert!(files.iter().all(|file| !file.name().ends_with(".parquet")), "{files:?}");
        sandbox.place().goes_wrong(json!([]));
        load(&sandbox, 40);
        let kept = table::staging(&sandbox.lake());
        let files = kept.iter().flat_map(|folder| folder.objects());
        assert_eq!(files.filter(|file| file.name().ends_with(".parquet")).count(), 2, "those of the last sync");
    });
}

/// In the words of Databricks: another COPY INTO of the same files, and another writer of the table.
#[test]
fn conflicts_are_tried_again_and_a_slow_warehouse_is_waited_for() {
    let sandbox = managed();
    let failed = |class: &str, state: &str| {
        let message = format!("[{class}] Please try again later. SQLSTATE: {state}");
        json!({"error_code": "BAD_REQUEST", "message": message, "sql_state": state})
    };
    let rule = |value: Value| json!({"action": "fail", "statement": "^(COPY|INSERT)", "times": 2, "value": value});
    sandbox.place().goes_wrong(json!([
        rule(failed("COPY_INTO_DUPLICATED_FILES_COPY_NOT_ALLOWED", "25000")),
        rule(failed("DELTA_CONCURRENT_APPEND.WITHOUT_HINT", "2D521")),
        {"action": "hold", "statement": "^(COPY|INSERT)", "times": 2, "value": 25},
    ]));
    load(&sandbox, 0);
    assert_eq!(rows(sandbox.place(), "added"), all(0..20));
    assert_eq!(rows(sandbox.place(), "replaced"), all(0..20));
    assert_eq!(staged(sandbox.place()), Vec::<String>::new());
}

/// A replacement that begins while its files are being deleted would otherwise leave what is left of them.
#[test]
fn a_replacement_of_which_files_are_missing_replaces_nothing() {
    let mut sandbox = Sandbox::with(json!({"purge_staging_data": false, "file_size_mb": 1}));
    sandbox.load(&overwrite(&["users"]), records("users", 0..5) + &status("users", "COMPLETE"));
    let place = sandbox.place();
    let statement = place.statements().into_iter().rfind(|sent| sent.starts_with("INSERT OVERWRITE")).unwrap();
    let folder = sandbox.lake().join(table::staging(&sandbox.lake())[0].name()).join(place.schema()).join("users");
    let file = folder.objects().into_iter().next().unwrap();
    let content = file.get().unwrap();
    // As many files, and not all rows.
    file.put(std::fs::read(empty_parquet(&sandbox)).unwrap());
    let said = place.refused(&statement);
    assert!(said.contains("do not have the 5 rows"), "{said}");
    file.put(content);
    place.sql(&statement);
    file.delete();
    let said = place.refused(&statement);
    assert!(said.contains("PATH_NOT_FOUND"), "{said}");
    assert_eq!(table::data(&sandbox.table("default/users")), all(0..5));
    sandbox.set(json!({}));
}

/// A Parquet file of the same columns without rows.
fn empty_parquet(sandbox: &Sandbox) -> std::path::PathBuf {
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;
    let columns = "message rows { required binary _airbyte_ab_id (STRING); required int64 _airbyte_emitted_at \
                   (TIMESTAMP(MICROS,true)); required binary _airbyte_data (STRING); }";
    let path = sandbox.folder().join("empty.parquet");
    let file = std::fs::File::create(&path).unwrap();
    let schema = std::sync::Arc::new(parse_message_type(columns).unwrap());
    SerializedFileWriter::new(file, schema, std::sync::Arc::default()).unwrap().close().unwrap();
    path
}
