//! Folders as blobs: Hadoop marks each by an empty blob of its name, in accounts without a hierarchical namespace. And what is there under
//! immutability.

use serde_json::json;

use super::place::Place;
use super::proxy::{Action, Fault, Proxy, Request, Rule};
use super::server::server;
use crate::messages::{append, overwrite, padded, record, records, state};
use crate::program::Sandbox;
use crate::table;

#[test]
fn folders_that_hadoop_marked_are_no_tables_and_no_files() {
    let sandbox = Sandbox::new();
    for folder in ["default", "default/users", "default/users/_delta_log"] {
        sandbox.place().make_folder(folder);
    }
    let check = sandbox.check();
    assert!(check.says("SUCCEEDED"), "{check:#?}");
    for round in 1..=2 {
        sandbox.load(&append(&["users"]), records("users", 0..3));
        assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), 3 * round);
    }
    sandbox.load(&overwrite(&["users"]), records("users", 0..2));
    assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), 2);
}

#[test]
fn an_upload_of_somebody_else_is_not_dropped_with_those_of_a_sync() {
    let sandbox = Sandbox::new();
    let key = sandbox.place().table("default/of_others").key().to_owned();
    let block = [("x-ms-blob-type", "BlockBlob")];
    let (status, said) =
        sandbox.place().requests().asked(reqwest::Method::PUT, &key, "comp=block&blockid=MDAx", &block, b"12");
    assert_eq!(status, 201, "{said}");
    sandbox.load(&append(&["users"]), records("users", 0..3));
    assert_eq!(sandbox.place().requests().unfinished_uploads(), [key]);
}

#[test]
fn blobs_under_immutability_stay_with_one_warning_and_puts_of_theirs_are_a_config_error() {
    for code in ["BlobImmutableDueToPolicy", "BlobImmutableDueToLegalHold"] {
        // What was staged may not be deleted: the rows are in their table all the same.
        let deletes = |request: &Request| request.action == Action::Delete;
        let proxy = Proxy::start(server().port(), vec![Rule::every(deletes, Fault::Answer(409, code))]);
        let place = Place::at("lake");
        let sandbox = Sandbox::with(json!({"data_source": place.source_through(&proxy.endpoint())}));
        let run = sandbox.load(&append(&["users"]), record("users", &padded(1, 100)) + &state("users", 1));
        assert_eq!(run.states().len(), 1, "{code}: {run:#?}");
        let warned = run.logs("WARN").into_iter().filter(|warning| warning.contains("immutability")).count();
        assert_eq!(warned, 1, "{code}: {run:#?}");
        assert!(run.says("a lifecycle rule of the container"), "{code}: {run:#?}");
        assert_eq!(table::read(&place.lake().join("default/users")).rows.len(), 1);
        // Nothing may be put over what is there.
        let puts = |request: &Request| request.action == Action::Put;
        proxy.set(vec![Rule::every(puts, Fault::Answer(409, code))]);
        let failed = sandbox.write(&append(&["users"]), records("users", 0..1)).failure();
        assert_eq!(failed["failure_type"], "config_error", "{code}: {failed}");
        assert!(failed["message"].as_str().unwrap().contains("immutability policy or a legal hold"), "{failed}");
    }
}
