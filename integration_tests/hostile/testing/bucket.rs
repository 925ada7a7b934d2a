//! An S3 store in memory that knows what a sync asks for. A test may answer any request itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::server::{Reply, Request, Server};
use crate::program::Sandbox;

/// The keys that tests give the program: made to be found again wherever they turn up.
pub const KEY_ID: &str = "AKIACANARY0123456789";
pub const KEY: &str = "c4n/ry+S3cretKey/abcdef0123456789ABCDEFG";
pub const TOKEN: &str = "FwoGZXIv+canary//0123456789abcdefghijklmnop==";

type Objects = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// A store that does what it should, where `instead` does not say otherwise.
pub fn store(objects: &[(&str, &str)], instead: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static) -> Server {
    let objects: Objects = Arc::new(Mutex::new(
        objects.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect(),
    ));
    Server::start(move |request| instead(request).unwrap_or_else(|| answer(request, &objects)))
}

/// `data_source` for the store at `endpoint`.
pub fn source(endpoint: &str) -> Value {
    json!({
        "data_source_type": "S3_STORAGE", "s3_bucket_name": "lake", "s3_bucket_region": "eu-west-1",
        "s3_endpoint": endpoint, "s3_access_key_id": KEY_ID, "s3_secret_access_key": KEY, "s3_session_token": TOKEN,
    })
}

/// A sandbox whose tables lie there, and which does not wait for long.
pub fn sandbox(endpoint: &str, settings: Value) -> Sandbox {
    let mut all = json!({"data_source": source(endpoint)});
    all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    let mut sandbox = Sandbox::with(all);
    for name in ["RETRY_MS", "DATABRICKS_RETRY_MS", "DATABRICKS_START_MS"] {
        sandbox.set_environment(&format!("DESTINATION_DATABRICKS_{name}"), "1500");
    }
    sandbox
}

fn xml(body: String) -> Reply {
    Reply::new(200, "application/xml", format!("<?xml version=\"1.0\"?>{body}"))
}

fn answer(request: &Request, objects: &Objects) -> Reply {
    let mut objects = objects.lock().unwrap();
    let key = request.path.trim_start_matches("/lake").trim_start_matches('/').to_owned();
    let has = |name: &str| request.query.split(['&', '=']).any(|part| part == name);
    let e_tag = |bytes: &[u8]| {
        format!("\"{:x}\"", bytes.iter().fold(7_u64, |sum, byte| sum * 31 % 1_000_003 + u64::from(*byte)))
    };
    let error =
        |status, code: &str| Reply::new(status, "application/xml", format!("<Error><Code>{code}</Code></Error>"));
    match request.method.as_str() {
        "GET" if has("uploads") => {
            xml("<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>".into())
        }
        "GET" if has("list-type") => list(request, &objects),
        "POST" if has("uploads") => {
            xml("<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>".into())
        }
        "POST" if has("delete") => {
            let text = String::from_utf8_lossy(&request.body).into_owned();
            let keys: Vec<&str> =
                text.split("<Key>").skip(1).filter_map(|rest| Some(rest.split_once("</Key>")?.0)).collect();
            keys.iter().for_each(|key| drop(objects.remove(*key)));
            let deleted: String = keys.iter().map(|key| format!("<Deleted><Key>{key}</Key></Deleted>")).collect();
            xml(format!("<DeleteResult>{deleted}</DeleteResult>"))
        }
        "POST" => {
            objects.insert(key, Vec::new());
            xml("<CompleteMultipartUploadResult><ETag>\"1\"</ETag></CompleteMultipartUploadResult>".into())
        }
        "PUT" if has("partNumber") => Reply::new(200, "text/plain", "").with("ETag", "\"1\""),
        "PUT" if request.header("x-amz-copy-source").is_some() => {
            let from = request.header("x-amz-copy-source").unwrap().trim_start_matches('/').trim_start_matches("lake/");
            let bytes = objects.get(from).cloned().unwrap_or_default();
            let answer = format!("<CopyObjectResult><ETag>{}</ETag></CopyObjectResult>", e_tag(&bytes));
            objects.insert(key, bytes);
            xml(answer)
        }
        "PUT" if request.header("if-none-match").is_some() && objects.contains_key(&key) => {
            error(412, "PreconditionFailed")
        }
        "PUT" => {
            let tag = e_tag(&request.body);
            objects.insert(key, request.body.clone());
            Reply::new(200, "text/plain", "").with("ETag", &tag)
        }
        "DELETE" => {
            objects.remove(&key);
            Reply::new(204, "text/plain", "")
        }
        _ => match objects.get(&key) {
            Some(bytes) => Reply::new(200, "application/octet-stream", bytes.clone())
                .with("ETag", &e_tag(bytes))
                .with("Last-Modified", "Fri, 24 Nov 2023 10:00:00 GMT"),
            None => error(404, "NoSuchKey"),
        },
    }
}

fn list(request: &Request, objects: &BTreeMap<String, Vec<u8>>) -> Reply {
    let prefix = request.parameter("prefix").unwrap_or_default();
    let is_flat = request.parameter("delimiter").is_none();
    let mut names = String::new();
    let mut folders = std::collections::BTreeSet::new();
    for (key, bytes) in objects.iter().filter(|(key, _)| key.starts_with(&prefix)) {
        match key[prefix.len()..].split_once('/') {
            Some((folder, _)) if !is_flat => drop(folders.insert(format!("{prefix}{folder}/"))),
            _ => names.push_str(&format!(
                "<Contents><Key>{key}</Key><LastModified>2023-11-24T10:00:00.000Z</LastModified><ETag>\"1\"</ETag>\
                 <Size>{}</Size></Contents>",
                bytes.len()
            )),
        }
    }
    let folders: String =
        folders.iter().map(|folder| format!("<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>")).collect();
    xml(format!("<ListBucketResult><IsTruncated>false</IsTruncated>{names}{folders}</ListBucketResult>"))
}

/// `check` on a store that does all it should; the tests around stand on it.
#[test]
fn the_store_in_memory_is_one() {
    let store = store(&[], |_| None);
    let sandbox = sandbox(&store.endpoint(), json!({}));
    let run = sandbox.check();
    assert!(run.says("SUCCEEDED"), "{run:#?}");
    sandbox.load(&crate::messages::append(&["users"]), crate::messages::records("users", 0..3));
}
