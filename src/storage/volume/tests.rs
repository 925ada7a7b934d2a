//! Volumes over a workspace in memory: every verb of a storage, uploads in each way, and what goes wrong with them.

use std::time::Duration;

use super::testing::fake::{Fake, Fault, refusal};
use super::*;
use crate::config::{Config, Timeouts, Tuning};
use crate::databricks;
use crate::databricks::testing::scripted_server::{Reaction, ReceivedRequest, answer, timeouts};
use crate::error::{Kind, Result as OwnResult, Tag};
use crate::storage::bucket::Failure;
use crate::storage::{Home, Put, Storage, probe};

type Outcome = Result<(), Box<dyn std::error::Error>>;

const VOLUME: &str = "/Volumes/main/default/airbyte_staging";
const SYNC: &str = "0199a1b2-0000-7000-8000-000000000001";

fn tuning() -> Tuning {
    let config =
        r#"{"data_source": {"data_source_type": "LOCAL_STORAGE", "local_path": "/tmp/x"}, "memory_limit_mb": 64}"#;
    let mut tuning = Config::from_json(config).expect("a configuration").tuning;
    // A slow machine must not lose an answer.
    tuning.timeouts =
        Timeouts { request_retry: Duration::from_secs(4), databricks_retry: Duration::from_secs(20), ..timeouts() };
    tuning
}

fn storage_in(fake: &Fake, volumes: Volumes) -> OwnResult<Storage> {
    let tuning = tuning();
    let client = databricks::client(&fake.workspace.settings(), &tuning.timeouts)?;
    Storage::in_volumes(client, volumes, &tuning)
}

fn storage(fake: &Fake) -> OwnResult<Storage> {
    storage_in(fake, Volumes::one("main", "default", "airbyte_staging"))
}

/// A text that is not the same everywhere.
fn text(bytes: usize) -> String {
    (0..bytes).map(|at| char::from(b'a' + u8::try_from((at / 7 + at / 1000) % 26).unwrap_or(0))).collect()
}

async fn upload(storage: &Storage, path: &str, text: &str) -> OwnResult<()> {
    let mut upload = storage.upload(path.to_owned()).await?;
    for piece in text.as_bytes().chunks(1 << 20) {
        if let Err(error) = upload.write(piece.to_vec()).await {
            upload.abort().await;
            return Err(error);
        }
    }
    upload.finish().await
}

async fn assert_uploads(fake: &Fake, bytes: usize) -> Outcome {
    let (storage, text) = (storage(fake)?, text(bytes));
    upload(&storage, "sync/users/part.parquet", &text).await?;
    let state = fake.state();
    let (there, _) = &state.files[&format!("{VOLUME}/sync/users/part.parquet")];
    assert!(*there == text, "{} of {} bytes", there.len(), text.len());
    assert!(state.uploads.is_empty(), "nothing is left of an upload");
    Ok(())
}

/// Answers the first `times` requests for which `is_meant` holds with `reaction`.
fn first(
    mut times: usize,
    is_meant: impl Fn(&ReceivedRequest) -> bool + Send + 'static,
    reaction: Reaction,
) -> impl FnMut(&ReceivedRequest) -> Option<Reaction> + Send {
    move |request| {
        let met = times > 0 && is_meant(request);
        times -= usize::from(met);
        met.then(|| reaction.clone())
    }
}

fn is_part(request: &ReceivedRequest) -> bool {
    request.method == "PUT" && request.path.contains("signature")
}

#[tokio::test]
async fn a_volume_does_what_every_storage_does() -> Outcome {
    let fake = Fake::new(&[VOLUME]);
    fake.state().page = 2;
    let storage = storage(&fake)?;
    assert!(storage.list("").await?.is_empty() && storage.list("nothing").await?.is_empty());
    assert_eq!(storage.put_new("a/x y/z+1.json", b"{}".to_vec()).await?, Put::Created);
    assert_eq!(storage.put_new("a/x y/z+1.json", b"other".to_vec()).await?, Put::Exists);
    assert_eq!(storage.get("a/x y/z+1.json").await?, "{}");
    for number in 0..5 {
        storage.put_new(&format!("a/b/{number}"), b"x".to_vec()).await?;
    }
    upload(&storage, "a/c", "small").await?;
    assert_eq!(storage.list("a").await?, ["a/c", "a/b/0", "a/b/1", "a/b/2", "a/b/3", "a/b/4", "a/x y/z+1.json"]);
    let mut folders = storage.folders("a").await?;
    folders.sort();
    assert_eq!(folders, ["b", "x y"]);
    assert!(storage.has_any("a/b").await? && !storage.has_any("a/d").await?);
    assert_eq!(storage.uri("a/b"), format!("{VOLUME}/a/b"));
    let all = storage.list("").await?;
    storage.delete(&all).await?;
    storage.delete(&all).await?;
    assert!(storage.list("").await?.is_empty());
    let missing = storage.get("a/c").await.expect_err("it is gone");
    assert!(missing.message().contains(&format!("Could not read {VOLUME}/a/c. It is not there")), "{missing}");
    let Home::Bucket(bucket) = storage.home() else { return Err("a bucket".into()) };
    bucket.remove_folders(&storage.path("a")).await?;
    assert_eq!(fake.state().folders.iter().collect::<Vec<_>>(), [VOLUME]);
    Ok(())
}

#[tokio::test]
async fn a_new_file_whose_answer_was_lost_is_known_as_ones_own() -> Outcome {
    let fake = Fake::new(&[VOLUME]);
    let storage = storage(&fake)?;
    storage.list("").await?;
    let path = format!("{VOLUME}/x");
    fake.state().files.insert(path, ("mine".to_owned(), 1));
    fake.goes_wrong(first(1, |request| request.method == "PUT", Reaction::DropConnection));
    assert_eq!(storage.put_new("x", b"mine".to_vec()).await?, Put::Created);
    assert_eq!(storage.put_new("x", b"other".to_vec()).await?, Put::Exists);
    Ok(())
}

#[tokio::test]
async fn large_files_go_up_in_parts_to_the_clouds_storage() -> Outcome {
    let fake = Fake::new(&[VOLUME]);
    assert_uploads(&fake, 20 << 20).await?;
    assert_eq!(fake.cloud.received().len(), 4);
    assert_eq!(fake.workspace.count("POST", "create-upload-part-urls"), 1, "URLs are fetched together");
    Ok(())
}

#[tokio::test]
async fn urls_that_have_expired_are_renewed() -> Outcome {
    let fake = Fake::new(&[VOLUME]);
    fake.state().expired = 2;
    assert_uploads(&fake, 13 << 20).await?;
    assert!(fake.workspace.count("POST", "create-upload-part-urls") >= 2);
    Ok(())
}

#[tokio::test]
async fn parts_and_requests_that_fail_for_a_while_are_repeated() -> Outcome {
    let busy = |status| Reaction::Respond(status, vec![("retry-after", "0".to_owned())], String::new());
    for reaction in [busy(429), busy(503), busy(500), Reaction::DropConnection] {
        let fake = Fake::new(&[VOLUME]);
        fake.goes_wrong(first(2, is_part, reaction.clone()));
        assert_uploads(&fake, 13 << 20).await?;
        // The workspace was there before.
        storage(&fake)?.list("").await?;
        fake.goes_wrong(first(2, |request| request.path.starts_with("/api/"), reaction));
        assert_uploads(&fake, 13 << 20).await?;
    }
    Ok(())
}

#[tokio::test]
async fn without_urls_or_behind_a_firewall_files_go_up_in_one_request_and_are_ended_early() -> Outcome {
    let disabled = "Presigned URLs API is not enabled";
    let faults: [Fault; 4] = [
        Box::new(|request| {
            let refused = refusal(403, "PERMISSION_DENIED", disabled, "FILES_API_API_IS_NOT_ENABLED");
            request.path.contains("create-upload-part-urls").then_some(refused)
        }),
        Box::new(|request| {
            let message = "Network zone is unknown.";
            let refused = refusal(400, "BAD_REQUEST", message, "FILES_API_REQUESTER_NETWORK_ZONE_UNKNOWN");
            request.path.contains("initiate-upload").then_some(refused)
        }),
        Box::new(|request| {
            let body = "<Error><Code>AuthorizationFailure</Code></Error>".to_owned();
            is_part(request).then_some(Reaction::Respond(403, Vec::new(), body))
        }),
        Box::new(|request| is_part(request).then_some(Reaction::DropConnection)),
    ];
    for fault in faults {
        let fake = Fake::new(&[VOLUME]);
        fake.goes_wrong(fault);
        let (storage, text) = (storage(&fake)?, text(14 << 20));
        assert_eq!(storage.largest_file(), None);
        upload(&storage, "sync/a.parquet", &text).await?;
        assert_eq!(storage.largest_file(), Some(SMALLEST_FILE));
        let before = fake.workspace.received().len();
        upload(&storage, "sync/b.parquet", &text).await?;
        assert_eq!(fake.workspace.received().len(), before + 1, "it is known now");
        for name in ["a", "b"] {
            assert!(fake.state().files[&format!("{VOLUME}/sync/{name}.parquet")].0 == text);
        }
    }
    Ok(())
}

#[tokio::test]
async fn on_googles_cloud_pieces_follow_each_other() -> Outcome {
    for (most, bytes) in [(usize::MAX, 20 << 20), (5 << 20, 20 << 20), (usize::MAX, 12 << 20)] {
        let fake = Fake::new(&[VOLUME]);
        fake.state().google = Some(most);
        // The answer to one piece is lost.
        fake.goes_wrong(first(1, |request| is_part(request) && request.body.len() > 100, Reaction::DropConnection));
        assert_uploads(&fake, bytes).await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_upload_that_is_given_up_leaves_nothing() -> Outcome {
    for google in [None, Some(usize::MAX)] {
        let fake = Fake::new(&[VOLUME]);
        fake.state().google = google;
        let storage = storage(&fake)?;
        let mut upload = storage.upload("sync/a.parquet".to_owned()).await?;
        upload.write(text(13 << 20).into_bytes()).await?;
        upload.abort().await;
        assert!(fake.state().uploads.is_empty() && fake.state().files.is_empty());
    }
    Ok(())
}

#[tokio::test]
async fn what_is_refused_is_said_with_what_to_do() -> Outcome {
    let cases = [
        (
            refusal(
                403,
                "PERMISSION_DENIED",
                "User does not have WRITE VOLUME on Volume 'main.default.airbyte_staging'.",
                "X",
            ),
            "GRANT WRITE VOLUME ON VOLUME `main`.`default`.`airbyte_staging`",
            true,
        ),
        (
            refusal(403, "PERMISSION_DENIED", "The Files API is not available.", "FILES_API_API_IS_NOT_ENABLED"),
            "S3_STORAGE or AZURE_BLOB_STORAGE",
            false,
        ),
        (
            refusal(404, "NOT_FOUND", "Volume 'main.default.airbyte_staging' does not exist.", "X"),
            "create it with CREATE VOLUME",
            false,
        ),
        (
            answer(403, serde_json::json!({"error_code": 403, "message": "Invalid access token."})),
            "refuses the token",
            false,
        ),
    ];
    for (reaction, expected, is_denied) in cases {
        let fake = Fake::new(&[VOLUME]);
        fake.goes_wrong(move |request| (request.method == "PUT").then(|| reaction.clone()));
        let error = storage(&fake)?.put_new("x", b"x".to_vec()).await.expect_err(expected);
        assert_eq!(error.kind(), Kind::Config, "{error}");
        assert!(error.message().starts_with(&format!("Could not write {VOLUME}/x. ")), "{error}");
        assert!(error.message().contains(expected), "{error}");
        assert_eq!(error.has(Tag::AccessDenied), is_denied, "{error}");
    }
    Ok(())
}

#[tokio::test]
async fn a_probe_tries_everything_and_leaves_nothing() -> Outcome {
    let fake = Fake::new(&[VOLUME]);
    probe(&storage(&fake)?, "default/airbyte_check_1").await?;
    assert!(fake.state().files.is_empty() && fake.state().uploads.is_empty());
    assert_eq!(fake.state().folders.iter().collect::<Vec<_>>(), [VOLUME], "no folder stays");
    let denied = "User does not have WRITE VOLUME on Volume 'main.default.airbyte_staging'.";
    fake.goes_wrong(move |request| {
        (request.method != "GET").then(|| refusal(403, "PERMISSION_DENIED", denied, "FILES_API_X"))
    });
    let error = probe(&storage(&fake)?, "default/airbyte_check_1").await.expect_err("a missing right");
    assert!(error.message().contains("GRANT WRITE VOLUME ON VOLUME"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_listing_that_does_not_end_is_an_error() -> Outcome {
    let fake = Fake::new(&[VOLUME]);
    fake.goes_wrong(|request| {
        let page = serde_json::json!({"contents": [], "next_page_token": "same"});
        (request.method == "GET").then(|| answer(200, page))
    });
    let error = storage(&fake)?.list("").await.expect_err("no end");
    assert!(error.message().contains("does not end"), "{error}");
    assert!(!Failure::of(&error).is_cut());
    Ok(())
}

#[tokio::test]
async fn the_end_of_an_upload_whose_answer_was_lost_is_seen_by_the_file() -> Outcome {
    let fake = Fake::new(&[VOLUME]);
    let is_end = |request: &ReceivedRequest| request.path.contains("action=complete-upload");
    let storage = storage(&fake)?;
    let text = text(7 << 20);
    // It is done, and the second copy of the request finds no upload any more.
    fake.state().files.insert(format!("{VOLUME}/x"), (text.clone(), 1));
    let gone = refusal(404, "NOT_FOUND", "The upload session is not found.", "FILES_API_UPLOAD_SESSION_NOT_FOUND");
    fake.goes_wrong(first(1, is_end, gone));
    upload(&storage, "x", &text).await?;
    // A file of another length is not the one.
    fake.state().files.insert(format!("{VOLUME}/x"), ("x".to_owned(), 1));
    let gone = refusal(404, "NOT_FOUND", "The upload session is not found.", "FILES_API_UPLOAD_SESSION_NOT_FOUND");
    fake.goes_wrong(first(1, is_end, gone));
    assert!(upload(&storage, "x", &text).await.is_err());
    Ok(())
}

#[tokio::test]
async fn files_in_the_volumes_of_several_schemas_are_found_and_removed_from_the_home() -> Outcome {
    const SHOP: &str = "/Volumes/main/shop/airbyte_staging";
    let fake = Fake::new(&[VOLUME, SHOP]);
    let storage = storage_in(&fake, Volumes::in_each_schema("main", "default", "airbyte_staging"))?;
    storage.put_new(&format!("{SYNC}/sync.lease"), b"x".to_vec()).await?;
    upload(&storage, &format!("{SYNC}/default/users/a.parquet"), "users").await?;
    upload(&storage, &format!("{SYNC}/shop/orders/b.parquet"), &text(7 << 20)).await?;
    upload(&storage, &format!("{SYNC}/shop/orders/c.parquet"), "orders").await?;
    assert!(fake.state().files.contains_key(&format!("{SHOP}/{SYNC}/orders/b.parquet")));
    assert_eq!(storage.uri(&format!("{SYNC}/shop/orders")), format!("{SHOP}/{SYNC}/orders"), "for statements");
    assert_eq!(storage.folders("").await?, [SYNC]);
    let files = storage.list(SYNC).await?;
    let expected = ["sync.lease", "default/users/a.parquet", "shop/orders/b.parquet", "shop/orders/c.parquet"];
    assert_eq!(files, expected.map(|path| format!("{SYNC}/{path}")));
    assert_eq!(storage.list(&format!("{SYNC}/shop/orders")).await?.len(), 2);
    storage.delete(&files).await?;
    let Home::Bucket(bucket) = storage.home() else { return Err("a bucket".into()) };
    bucket.remove_folders(&storage.path(SYNC)).await?;
    assert_eq!(fake.state().folders.iter().collect::<Vec<_>>(), [VOLUME, SHOP], "no folder stays");
    Ok(())
}

#[tokio::test]
async fn a_schema_that_was_dropped_keeps_no_folder_of_a_killed_sync_from_being_cleared_away() -> Outcome {
    const SHOP: &str = "/Volumes/main/shop/airbyte_staging";
    let fake = Fake::new(&[VOLUME, SHOP]);
    let storage = storage_in(&fake, Volumes::in_each_schema("main", "default", "airbyte_staging"))?;
    storage.put_new(&format!("{SYNC}/sync.lease"), b"x".to_vec()).await?;
    upload(&storage, &format!("{SYNC}/shop/orders/a.parquet"), "orders").await?;
    {
        let mut state = fake.state();
        state.files.retain(|path, _| !path.starts_with(SHOP));
        state.folders.retain(|path| !path.starts_with(SHOP));
    }
    let gone = |name: &'static str| -> Fault {
        Box::new(move |request| {
            let said =
                || refusal(404, "NOT_FOUND", &format!("Schema '{name}' does not exist."), "SCHEMA_DOES_NOT_EXIST");
            request.path.contains(&format!("/Volumes/main/{name}/")).then(said)
        })
    };
    fake.state().fault = Some(gone("shop"));
    let files = storage.list(SYNC).await?;
    assert_eq!(files, [format!("{SYNC}/sync.lease")]);
    storage.delete(&files).await?;
    let Home::Bucket(bucket) = storage.home() else { return Err("a bucket".into()) };
    bucket.remove_folders(&storage.path(SYNC)).await?;
    assert_eq!(fake.state().folders.iter().collect::<Vec<_>>(), [VOLUME], "no folder stays");
    // Without its home a sync knows of no other.
    fake.state().fault = Some(gone("default"));
    assert_eq!(storage.list(SYNC).await.map_err(|error| error.kind()), Err(Kind::Config));
    Ok(())
}
