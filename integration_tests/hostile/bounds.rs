//! Answers without an end, with a wrong length or with endless names: each ends with a message.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::bucket::{sandbox, source, store};
use super::server::{Body, Reply, Request, Server};
use crate::messages::{append, record, records};
use crate::program::{Living, Run, Sandbox, until};

fn is_list(request: &Request) -> bool {
    request.method == "GET" && request.query.contains("list-type")
}

fn page(names: &str, token: &str) -> Reply {
    let body = format!(
        "<ListBucketResult><IsTruncated>true</IsTruncated>{names}<NextContinuationToken>{token}</NextContinuationToken>\
         </ListBucketResult>"
    );
    Reply::new(200, "application/xml", body)
}

const NAMES: &str = "<Contents><Key>default/a</Key><LastModified>2023-11-24T10:00:00.000Z</LastModified><ETag>\"1\"</ETag>\
                     <Size>1</Size></Contents>";

fn both(sandbox: &Sandbox) -> [Run; 2] {
    [sandbox.check(), sandbox.write(&append(&["users"]), records("users", 0..1))]
}

#[test]
fn a_listing_whose_tokens_come_again_is_no_s3() {
    for names in ["", NAMES] {
        for cycle in [1, 2, 5] {
            let store = store(&[], move |request| {
                is_list(request).then(|| page(names, &format!("t{}", request.number % cycle)))
            });
            for run in both(&sandbox(&store.endpoint(), json!({}))) {
                assert!(run.says("does not answer like S3") && run.says("s3_endpoint"), "{run:#?}");
            }
            assert!(store.seen().len() < 400, "{}", store.seen().len());
        }
    }
}

#[test]
fn a_listing_of_unfinished_uploads_whose_markers_come_again_is_no_s3() {
    let store = store(&[], |request| {
        let body = "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>a</NextKeyMarker>\
                    <NextUploadIdMarker>b</NextUploadIdMarker></ListMultipartUploadsResult>";
        let is_it = request.method == "GET" && request.query.contains("uploads");
        is_it.then(|| Reply::new(200, "application/xml", body))
    });
    let run = sandbox(&store.endpoint(), json!({})).check();
    assert!(run.says("FAILED") && run.says("does not answer like S3"), "{run:#?}");
    assert!(store.seen().len() < 200, "{}", store.seen().len());
}

#[test]
fn a_check_of_a_store_that_always_has_one_more_page_ends() {
    let store = store(&[], |request| is_list(request).then(|| page(NAMES, &format!("t{}", request.number))));
    let mut sandbox = sandbox(&store.endpoint(), json!({}));
    sandbox.set_environment("DESTINATION_DATABRICKS_CHECK_MS", "3000");
    let run = sandbox.check();
    assert!(run.says("FAILED") && run.says("The check did not finish within 3 s"), "{run:#?}");
}

/// A page of a thousand names behind which there is one more.
fn more(request: &Request) -> Reply {
    page(&NAMES.repeat(1000), &format!("t{}", request.number))
}

/// How many listings `store` was asked for.
fn listings(store: &Server) -> usize {
    store.seen().iter().filter(|request| is_list(request)).count()
}

#[test]
fn a_log_whose_listing_always_has_one_more_page_is_no_log() {
    let store = store(&[], |request| {
        let is_it = is_list(request) && request.parameter("prefix").unwrap_or_default().contains("users/_delta_log");
        is_it.then(|| page(NAMES, &format!("t{}", request.number)))
    });
    let run = sandbox(&store.endpoint(), json!({})).write(&append(&["users"]), records("users", 0..1));
    assert!(run.failed_with("config_error").contains("does not answer like S3"), "{run:#?}");
    assert!(listings(&store) < 5000, "{}", listings(&store));
}

#[test]
fn a_sync_that_a_store_keeps_from_beginning_is_stopped_with_a_message() {
    type Which = fn(&Request) -> bool;
    type Answer = fn(&Request) -> Reply;
    let silent: Answer = |_| {
        std::thread::sleep(std::time::Duration::from_secs(60));
        Reply::new(503, "text/plain", "")
    };
    let of_log: Which = |request| is_list(request) && request.query.contains("_delta_log");
    let all: [(&str, Which, Answer); 5] = [
        ("silence", |_| true, silent),
        ("listings", is_list, more),
        ("listings of a log", of_log, more),
        ("a silent log", of_log, silent),
        ("busy", |request| request.method == "PUT", |_| Reply::new(503, "text/plain", "")),
    ];
    for (what, which, answer) in all {
        let store = store(&[], move |request| which(request).then(|| answer(request)));
        let mut sandbox = sandbox(&store.endpoint(), json!({}));
        sandbox.set_environment("DESTINATION_DATABRICKS_RETRY_MS", "180000");
        let living = sandbox.start(&append(&["users"]));
        until("it has asked", || store.seen().iter().any(which));
        let run = living.signal("TERM");
        assert_eq!((run.code, run.signal), (None, Some(15)), "{what}: {run:#?}");
        assert!(run.says("The sync was stopped"), "{what}: {run:#?}");
        assert_eq!(run.error()["failure_type"], "transient_error", "{what}: {run:#?}");
    }
}

#[test]
fn a_store_that_names_a_length_beyond_all_measure_is_told_and_nothing_is_reserved() {
    for length in [99_999_999_999, u64::MAX / 2, 2 << 30] {
        let store = store(&[], move |request| {
            let is_object = request.method == "GET" && request.query.is_empty();
            is_object.then(|| {
                Reply::new(200, "text/plain", "")
                    .with("ETag", "\"1\"")
                    .with("Last-Modified", "Fri, 24 Nov 2023 10:00:00 GMT")
                    .but(Body::Lie(length, b"{}".to_vec()))
            })
        });
        let run = sandbox(&store.endpoint(), json!({})).check();
        assert!(run.says("FAILED") && run.says("sent a response of more than the"), "{length}: {run:#?}");
    }
}

#[test]
fn answers_of_a_store_without_an_end_are_told() {
    type Which = fn(&Request) -> bool;
    let objects: Which = |request| request.method == "GET" && request.query.is_empty();
    let all: [(&str, Which, u16); 5] = [
        ("list", is_list, 200),
        ("put", |request| request.method == "PUT", 403),
        ("post", |request| request.method == "POST", 200),
        ("list refused", is_list, 403),
        ("get refused", objects, 403),
    ];
    for (what, which, status) in all {
        let store = store(&[], move |request| {
            which(request).then(|| Reply::new(status, "application/xml", "").but(Body::Endless(vec![b'x'; 1 << 16])))
        });
        let run = sandbox(&store.endpoint(), json!({})).check();
        assert!(run.says("FAILED"), "{what}: {run:#?}");
    }
}

/// A sandbox that loads through `workspace`.
fn warehouse(workspace: &Server, store: &Server, timeout: u64) -> Sandbox {
    let mut sandbox = Sandbox::with(json!({
        "data_source": source(&store.endpoint()), "accept_terms": true,
        "databricks_server_hostname": "http://127.0.0.1", "databricks_port": workspace.port().to_string(),
        "databricks_http_path": "/sql/1.0/warehouses/abc", "statement_timeout_seconds": timeout,
        "databricks_personal_access_token": "dapi0ca0a0y1234567890abcdef12345678",
    }));
    for name in ["RETRY_MS", "DATABRICKS_RETRY_MS", "DATABRICKS_START_MS"] {
        sandbox.set_environment(&format!("DESTINATION_DATABRICKS_{name}"), "1500");
    }
    sandbox
}

/// A warehouse that runs, and answers every statement with the chunk number `chunk` of a result of `total` rows.
fn chunks(total: u64, chunk: impl Fn(u64) -> serde_json::Value + Send + Sync + 'static) -> Server {
    Server::start(move |request| {
        if request.path.contains("/warehouses/") {
            return Reply::new(200, "application/json", json!({"state": "RUNNING"}).to_string());
        }
        let index = request.path.rsplit_once("/chunks/").and_then(|(_, index)| index.parse().ok());
        let answer = match index {
            Some(index) => chunk(index),
            None => json!({"statement_id": "s1", "status": {"state": "SUCCEEDED"}, "result": chunk(0),
                "manifest": {"schema": {"columns": [{"name": "namespace"}]}, "total_row_count": total}}),
        };
        Reply::new(200, "application/json", answer.to_string())
    })
}

#[test]
fn a_result_whose_chunks_never_end_is_told() {
    let store = store(&[], |_| None);
    let empty = chunks(1, |index| json!({"data_array": [], "next_chunk_index": index + 1}));
    let run = warehouse(&empty, &store, 60).check();
    assert!(run.says("FAILED") && run.says("without an end"), "{run:#?}");
    assert!(empty.seen().len() < 120, "{}", empty.seen().len());
    let full = chunks(10, |index| json!({"data_array": [["a"], ["b"]], "next_chunk_index": index + 1}));
    let run = warehouse(&full, &store, 60).check();
    assert!(run.says("FAILED") && run.says("a result of 10 rows and sent more"), "{run:#?}");
    assert!(full.seen().len() < 20, "{}", full.seen().len());
}

/// The most memory that a run of `check` held, in MiB, and the run.
fn peak(sandbox: &Sandbox) -> (u64, Run) {
    let living = Living::start(sandbox.program().arg("check").arg("--config").arg(sandbox.config()));
    let status = format!("/proc/{}/status", living.process());
    let peak = std::sync::Arc::new(AtomicUsize::new(0));
    let seen = std::sync::Arc::clone(&peak);
    let watching = std::thread::spawn(move || {
        while let Ok(text) = std::fs::read_to_string(&status) {
            let Some(line) = text.lines().find_map(|line| line.strip_prefix("VmHWM:")) else { break };
            let kilobytes = line.trim().trim_end_matches("kB").trim().parse().unwrap_or(0);
            seen.fetch_max(kilobytes, Ordering::Relaxed);
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    });
    let run = living.end();
    watching.join().unwrap();
    (u64::try_from(peak.load(Ordering::Relaxed) / 1024).unwrap(), run)
}

#[test]
fn an_answer_takes_no_more_than_four_times_its_length_whatever_is_in_it() {
    const LENGTH: usize = 30_000_000;
    let zeros = format!("[{}0]", "0,".repeat(LENGTH / 2));
    let rows = format!(
        r#"{{"statement_id":"s1","status":{{"state":"SUCCEEDED"}},"manifest":{{"schema":{{"columns":[{{"name":"a"}}]}}}},"result":{{"data_array":[{}[null]]}}}}"#,
        "[null],".repeat(LENGTH / 7)
    );
    let nested =
        format!(r#"{{"statement_id":"s1","status":{{"state":"FAILED"}},"result":{{"external_links":{zeros}}}}}"#);
    let store = store(&[], |_| None);
    let columns = format!(
        r#"{{"statement_id":"s1","status":{{"state":"SUCCEEDED"}},"manifest":{{"schema":{{"columns":[{}{{"name":""}}]}}}}}}"#,
        r#"{"name":""},"#.repeat(LENGTH / 12)
    );
    for (what, body) in [("zeros", zeros), ("rows", rows), ("nested", nested), ("columns", columns)] {
        for status in [200, 400] {
            let answer = body.clone();
            let workspace = Server::start(move |request| match request.path.contains("/warehouses/") {
                true => Reply::new(200, "application/json", json!({"state": "RUNNING"}).to_string()),
                false => Reply::new(status, "application/json", answer.clone()),
            });
            let (peak, run) = peak(&warehouse(&workspace, &store, 60));
            assert!(run.says("FAILED"), "{what}: {run:#?}");
            assert!(peak < 50 + 4 * 29, "{what} {status}: {peak} MiB");
        }
    }
}

#[test]
fn a_databricks_whose_answer_has_no_end_or_lies_about_its_length_is_told() {
    let store = store(&[], |_| None);
    let bodies = [Body::Endless(vec![b'x'; 1 << 16]), Body::Lie(99_999_999_999, b"{}".to_vec())];
    for body in bodies {
        for status in [200, 403] {
            let body = body.clone();
            let workspace = Server::start(move |_| Reply::new(status, "application/json", "").but(body.clone()));
            let run = warehouse(&workspace, &store, 60).check();
            assert!(run.says("FAILED"), "{status}: {run:#?}");
        }
    }
}

#[test]
fn names_without_measure_make_short_messages() {
    let long = "ä\u{1F600}x".repeat(300_000);
    let sandbox = Sandbox::new();
    let unknown = sandbox.write(&append(&["users"]), record(&long, "{}"));
    let refused = sandbox.write(&append(&[&long, &long]), "");
    let kind = sandbox.write(&append(&["users"]), format!("{{\"type\":\"{long}\"}}\n"));
    for run in [unknown, refused, kind] {
        let said: usize = run.lines.iter().map(String::len).sum::<usize>() + run.stderr.len();
        assert!(said < 20_000, "{said} bytes");
    }
}
