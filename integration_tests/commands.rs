//! The command line: commands, arguments, exit codes, and what goes to stdout and to stderr.

use std::ffi::OsStr;

use serde_json::{Value, json};

use crate::messages::{append, record, state};
use crate::program::{Living, Run, Sandbox, program, run, start_unheard};
use crate::table;

fn run_words(words: &[&str]) -> Run {
    run(words.iter().map(AsRef::<OsStr>::as_ref), b"")
}

#[test]
fn spec_prints_exactly_the_golden_message() {
    let run = run_words(&["spec"]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    assert_eq!(run.lines, [include_str!("golden/spec.json").trim_end()]);
    let spec = &run.messages()[0]["spec"];
    assert_eq!(spec["supportsIncremental"], true);
    assert_eq!(spec["supported_destination_sync_modes"], json!(["overwrite", "append", "append_dedup"]));
    // A page of this project's own would belong there; that of another version of the connector leads astray.
    assert!(spec["documentationUrl"].is_null());
    let storages = spec["connectionSpecification"]["properties"]["data_source"]["oneOf"].as_array().unwrap();
    let refused = |storage: &&Value| storage["title"].as_str().unwrap().ends_with(": not in this version");
    assert_eq!(storages.iter().filter(refused).count(), 0);
    let properties = &spec["connectionSpecification"]["properties"];
    assert_eq!(properties["databricks_personal_access_token"]["airbyte_secret"], true);
}

#[test]
fn help_and_version_are_for_people_and_succeed() {
    for (word, wanted) in [
        ("--help", ["spec", "check", "write", "setup"].as_slice()),
        ("-h", &["Usage"]),
        ("--version", &["destination-databricks", env!("CARGO_PKG_VERSION")]),
    ] {
        let run = run_words(&[word]);
        assert_eq!(run.code, Some(0), "{run:#?}");
        for text in wanted {
            assert!(run.says(text), "{word} does not mention {text}: {run:#?}");
        }
    }
}

#[test]
fn wrong_usage_exits_with_2_and_a_short_usage_text_on_stderr() {
    let wrong: [&[&str]; 11] = [
        &[],
        &["frobnicate"],
        &["write"],
        &["write", "--config", "c.json"],
        &["write", "--catalog", "c.json"],
        &["check"],
        &["check", "--config"],
        &["spec", "--nope"],
        &["check", "--config", "c.json", "left over"],
        &["setup"],
        &["write", "--config", "c.json", "--catalog", "c.json", "--json"],
    ];
    for words in wrong {
        let run = run_words(words);
        assert_eq!(run.code, Some(2), "{words:?}: {run:#?}");
        assert_eq!(run.lines, Vec::<String>::new(), "{words:?} says something on stdout");
        assert!(run.stderr.contains("Usage:"), "{words:?}: {}", run.stderr);
        assert!(run.stderr.lines().count() <= 20, "{words:?}: {}", run.stderr);
    }
}

#[test]
fn the_order_of_the_arguments_is_free() {
    let orders: [&[&str]; 4] = [
        &["write", "--config", "CONFIG", "--catalog", "CATALOG"],
        &["write", "--catalog", "CATALOG", "--config", "CONFIG"],
        &["write", "--catalog=CATALOG", "--config=CONFIG"],
        &["--catalog", "CATALOG", "--config", "CONFIG", "write"],
    ];
    let sandbox = Sandbox::new();
    let config = sandbox.config();
    let catalog = sandbox.file("catalog.json", append(&["users"]).to_string());
    for (done, words) in orders.into_iter().enumerate() {
        let fill = |word: &&str| {
            word.replace("CONFIG", config.to_str().unwrap()).replace("CATALOG", catalog.to_str().unwrap())
        };
        let words: Vec<String> = words.iter().map(fill).collect();
        let run = run(words.iter().map(AsRef::<OsStr>::as_ref), record("users", "{}").as_bytes());
        assert_eq!(run.code, Some(0), "{words:?}: {run:#?}");
        assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), done + 1);
    }
}

#[test]
fn files_may_be_relative_and_begin_with_a_dash() {
    let sandbox = Sandbox::new();
    let config = std::fs::read(sandbox.config()).unwrap();
    sandbox.file("-config.json", config);
    sandbox.file("--catalog", append(&["users"]).to_string());
    for words in [
        ["write", "--config", "-config.json", "--catalog", "--catalog"],
        ["write", "--config", "./-config.json", "--catalog", "./--catalog"],
    ] {
        let mut living = Living::start(program().args(words).current_dir(sandbox.folder()));
        living.send(record("users", "{}"));
        let run = living.end();
        assert_eq!(run.code, Some(0), "{run:#?}");
    }
    assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), 2);
}

#[test]
fn every_line_on_stdout_is_a_protocol_message_and_stderr_stays_quiet_when_all_is_well() {
    let mut sandbox = Sandbox::new();
    sandbox.set(json!({"heartbeat_seconds": 1, "a_misspelt_field": "x"}));
    let mut living = sandbox.start(&append(&["users"]));
    living.send(record("users", "{}") + &state("users", 1));
    living
        .next_message(|message| message["log"]["message"].as_str().is_some_and(|text| text.contains("1 record read")));
    let run = living.end();
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    let kinds: Vec<Value> = run.messages().iter().map(|message| message["type"].clone()).collect();
    assert!(kinds.contains(&json!("LOG")) && kinds.contains(&json!("STATE")), "{kinds:?}");
    assert!(run.logs("WARN").iter().any(|text| text.contains("a_misspelt_field")), "{run:#?}");
    assert!(run.logs("INFO")[0].ends_with("begins: 1 stream."), "{run:#?}");
    assert!(run.logs("INFO").iter().any(|text| text.contains("1 state read")), "{run:#?}");
}

#[test]
fn the_summary_counts_rows_files_and_states() {
    let sandbox = Sandbox::new();
    let input = [record("users", "{}"), record("users", "{}"), state("users", 2), record("pets", "{}")].concat();
    let run = sandbox.load(&append(&["users", "pets"]), input);
    let logs = run.logs("INFO");
    let summary = logs.last().unwrap();
    for part in ["records read 3", "rows loaded 3", "states given back 1", "seconds", "MB/s", "memory"] {
        assert!(summary.contains(part), "no {part} in: {summary}");
    }
    for stream in ["Stream users: rows loaded 2", "Stream pets: rows loaded 1"] {
        assert!(logs.iter().any(|text| text.contains(stream)), "no {stream} in {logs:#?}");
    }
}

#[test]
fn no_command_panics_when_nobody_reads_its_answer() {
    let sandbox = Sandbox::new();
    let config = sandbox.config();
    let check = ["check".as_ref(), "--config".as_ref(), config.as_os_str()];
    // Whether `--help` into a closed pipe fails is nobody's business; that it does not panic is.
    start_unheard(program().arg("--help")).end();
    for words in [vec![OsStr::new("spec")], check.to_vec()] {
        let run = start_unheard(program().args(&words)).end();
        assert_eq!(run.code, Some(1), "{words:?}: {run:#?}");
    }
}

#[test]
fn the_metadata_of_the_image_say_that_refreshes_are_supported_and_are_of_this_version() {
    let read =
        |name: &str| std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
    let metadata = read("metadata.yaml");
    let fields: Vec<&str> = metadata.lines().map(str::trim).collect();
    let version = env!("CARGO_PKG_VERSION");
    for field in ["supportsRefreshes: true", "connectorType: destination", &format!("dockerImageTag: {version}")] {
        assert!(fields.contains(&field), "{field} is not in {metadata}");
    }
    assert!(read("Dockerfile").contains(&format!("io.airbyte.version=\"{version}\"")));
}
