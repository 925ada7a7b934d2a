//! `check`, and configurations that cannot work: the message for the user, and that nothing is left behind.

use serde_json::{Value, json};

use crate::messages::{append, record};
use crate::on_disk;
use crate::program::{Run, Sandbox, run, skipped};

const SECRET: &str = "dapi-canary-7f31";

/// The answer of a `check`, which succeeds as a command whatever it found.
fn answer(run: &Run) -> Value {
    assert_eq!(run.code, Some(0), "{run:#?}");
    let is_answer = |message: &Value| message["type"] == "CONNECTION_STATUS";
    let answers: Vec<Value> = run.messages().into_iter().filter(is_answer).collect();
    assert_eq!(answers.len(), 1, "{run:#?}");
    answers[0]["connectionStatus"].clone()
}

/// The message of a `check` that must fail.
fn refusal(run: &Run) -> String {
    let answer = answer(run);
    assert_eq!(answer["status"], "FAILED", "{answer}");
    answer["message"].as_str().unwrap().to_owned()
}

#[test]
fn a_directory_inside_of_a_table_is_refused_since_cleaning_the_table_up_would_empty_it() {
    let mut sandbox = Sandbox::new();
    sandbox.load(&append(&["users"]), record("users", "{}"));
    let table = sandbox.root().join("default/users");
    for inside in [table.clone(), table.join("more")] {
        sandbox.set(json!({"data_source": {"data_source_type": "LOCAL_STORAGE", "local_path": inside}}));
        let message = refusal(&sandbox.check());
        assert!(message.contains(&format!("inside of the Delta table {},", table.display())), "{message}");
    }
}

#[test]
fn a_check_that_succeeds_leaves_nothing_behind() {
    let sandbox = Sandbox::new();
    let succeeded = json!({"status": "SUCCEEDED"});
    assert_eq!(answer(&sandbox.check()), succeeded);
    assert!(sandbox.lake().is_empty());

    sandbox.load(&append(&["users"]), record("users", "{}"));
    let before = on_disk::tree(sandbox.root());
    assert_eq!(answer(&sandbox.check()), succeeded);
    assert_eq!(on_disk::tree(sandbox.root()), before);
}

#[test]
fn a_check_leaves_nothing_behind_where_syncs_keep_what_they_staged() {
    let sandbox = Sandbox::with(json!({"purge_staging_data": false}));
    for _ in 0..2 {
        assert_eq!(answer(&sandbox.check()), json!({"status": "SUCCEEDED"}));
        assert!(sandbox.lake().is_empty());
    }
}

#[test]
fn a_check_warns_of_fields_that_have_no_meaning() {
    let run = Sandbox::with(json!({"flush_sise_mb": 1})).check();
    assert_eq!(answer(&run), json!({"status": "SUCCEEDED"}));
    let warned = run.messages().into_iter().find(|message| message["log"]["level"] == "WARN").unwrap();
    assert!(warned["log"]["message"].as_str().unwrap().contains("flush_sise_mb"), "{warned}");
}

#[test]
fn a_check_in_a_folder_that_is_not_there_yet_makes_it() {
    let mut sandbox = Sandbox::new();
    let path = sandbox.folder().join("not/yet/there");
    sandbox.set(json!({"data_source": {"data_source_type": "LOCAL_STORAGE", "local_path": path}}));
    assert_eq!(answer(&sandbox.check()), json!({"status": "SUCCEEDED"}));
    assert!(on_disk::at(&path).is_empty());
}

#[test]
fn checks_may_run_side_by_side() {
    let sandbox = Sandbox::new();
    sandbox.config();
    std::thread::scope(|scope| {
        let checks: Vec<_> = (0..4).map(|_| scope.spawn(|| answer(&sandbox.check()))).collect();
        for check in checks {
            assert_eq!(check.join().unwrap(), json!({"status": "SUCCEEDED"}));
        }
    });
    assert_eq!(sandbox.lake().objects(), []);
}

#[test]
fn a_check_fails_in_words_where_the_path_is_no_folder() {
    let mut sandbox = Sandbox::new();
    let file = sandbox.file("a file", "content");
    for path in [file.clone(), file.join("below")] {
        sandbox.set(json!({"data_source": {"data_source_type": "LOCAL_STORAGE", "local_path": path}}));
        let message = refusal(&sandbox.check());
        assert!(message.contains(file.to_str().unwrap()) && message.contains("local_path"), "{message}");
    }
    assert_eq!(std::fs::read_to_string(file).unwrap(), "content");
}

#[test]
fn a_check_fails_in_words_where_nobody_may_write() {
    let mut sandbox = Sandbox::new();
    // Not even root makes a folder there.
    let path = "/proc/airbyte_lake";
    if std::fs::create_dir(path).is_ok() {
        return skipped("a_check_fails_in_words_where_nobody_may_write", "/proc can be written to");
    }
    sandbox.set(json!({"data_source": {"data_source_type": "LOCAL_STORAGE", "local_path": path}}));
    let message = refusal(&sandbox.check());
    assert!(message.contains(path), "{message}");
}

#[test]
fn all_problems_of_a_configuration_are_told_together() {
    let mut sandbox = Sandbox::new();
    sandbox.set(json!({
        "data_source": {"data_source_type": "LOCAL_STORAGE"}, "memory_limit_mb": 3, "purge_staging_data": "yes",
    }));
    let message = refusal(&sandbox.check());
    for field in ["local_path", "memory_limit_mb", "purge_staging_data"] {
        assert!(message.contains(field), "no {field} in: {message}");
    }
    let failed = sandbox.write(&append(&["users"]), "").failed_with("config_error");
    assert!(failed.contains("memory_limit_mb"), "{failed}");
}

#[test]
fn a_configuration_that_is_none_is_a_config_error() {
    let sandbox = Sandbox::new();
    let missing = sandbox.folder().join("missing.json");
    let broken = sandbox.file("broken.json", "{\"data_source\":");
    let list = sandbox.file("list.json", "[]");
    let bytes = sandbox.file("bytes.json", b"\xff\xfe{}");
    let catalog = sandbox.file("catalog.json", append(&["users"]).to_string());
    for config in [&missing, &broken, &list, &bytes] {
        let message = refusal(&run(["check".as_ref(), "--config".as_ref(), config.as_os_str()], b""));
        assert!(!message.is_empty());
        let words =
            ["write".as_ref(), "--config".as_ref(), config.as_os_str(), "--catalog".as_ref(), catalog.as_os_str()];
        run(words, b"").failed_with("config_error");
    }
}

#[test]
fn a_storage_or_an_engine_that_does_not_work_yet_is_a_config_error_and_never_a_fallback() {
    let azure = json!({
        "data_source_type": "AZURE_BLOB_STORAGE", "azure_blob_storage_account_name": "a",
        "azure_blob_storage_container_name": "tables", "azure_blob_storage_sas_token": SECRET,
    });
    let mut sandbox = Sandbox::new();
    let local = json!({"data_source_type": "LOCAL_STORAGE", "local_path": sandbox.root()});
    let databricks = |data_source: Value| {
        json!({
            "accept_terms": true, "databricks_server_hostname": "abc.cloud.databricks.com", "databricks_port": "443",
            "databricks_http_path": "/sql/1.0/warehouses/0", "databricks_personal_access_token": SECRET,
            "data_source": data_source,
        })
    };
    for (settings, named) in [
        (json!({"data_source": azure}), ["azure_blob_storage_sas_token", "is no SAS"]),
        (
            json!({"data_source": {"data_source_type": "MANAGED_TABLES_STORAGE"}}),
            ["MANAGED_TABLES_STORAGE", "databricks"],
        ),
        (databricks(local), ["databricks_server_hostname", "remove"]),
        (databricks(json!({"data_source_type": "MANAGED_TABLES_STORAGE"})), ["MANAGED", "S3_STORAGE"]),
        (json!({"data_source": {"data_source_type": "FLOPPY_DISK"}}), ["FLOPPY_DISK", "LOCAL_STORAGE"]),
    ] {
        sandbox.set(settings);
        let check = sandbox.check();
        let message = refusal(&check);
        let write = sandbox.write(&append(&["users"]), record("users", "{}"));
        let failed = write.failed_with("config_error");
        for part in named {
            assert!(message.contains(part) && failed.contains(part), "no {part} in: {message} / {failed}");
        }
        assert!(!check.says(SECRET) && !write.says(SECRET), "a secret is told");
    }
    assert!(sandbox.lake().is_empty());
}

#[test]
fn the_table_of_a_check_that_was_killed_long_ago_is_removed_by_the_next_one() {
    let sandbox = Sandbox::new();
    let old = sandbox.path("default/airbyte_check_0189000000007000800000000000abcd");
    std::fs::create_dir_all(old.join("_delta_log")).unwrap();
    std::fs::write(old.join("_delta_log/00000000000000000000.json"), "{}").unwrap();
    let other = sandbox.path("default/airbyte_check_of_something_else");
    std::fs::create_dir_all(&other).unwrap();
    assert!(sandbox.check().says("SUCCEEDED"));
    assert!(!old.exists());
    assert!(sandbox.lake().is_empty());
}
