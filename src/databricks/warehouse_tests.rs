//! Warehouses in every state.

use serde_json::json;

use super::testing::scripted_server::{Reaction, ScriptedServer, answer, timeouts};
use super::{Warehouse, WarehouseState, warehouse};
use crate::error::Kind;

fn warehouse_of(server: &ScriptedServer) -> Warehouse {
    warehouse(&server.settings(), &timeouts()).expect("a path").expect("a warehouse")
}

fn in_state(state: &str) -> Reaction {
    answer(200, json!({"id": "abc", "name": "Starter", "state": state, "health": {"status": "HEALTHY"}}))
}

#[tokio::test]
async fn the_state_is_told() {
    for (text, state) in [
        ("RUNNING", WarehouseState::Running),
        ("STARTING", WarehouseState::Starting),
        ("STOPPED", WarehouseState::Stopped),
        ("STOPPING", WarehouseState::Stopping),
    ] {
        assert_eq!(warehouse_of(&ScriptedServer::with(vec![in_state(text)])).state().await.expect("a state"), state);
    }
    for (reaction, kind) in [
        (in_state("DELETED"), Kind::Config),
        (in_state("MELTED"), Kind::System),
        (answer(404, json!({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "No warehouse abc"})), Kind::Config),
        (answer(200, json!({})), Kind::System),
    ] {
        let error = warehouse_of(&ScriptedServer::with(vec![reaction])).state().await.expect_err("no state");
        assert_eq!(error.kind(), kind, "{}", error.message());
    }
}

#[tokio::test]
async fn a_stopped_warehouse_is_started_and_waited_for() {
    let states = ["STOPPING", "STOPPED", "", "STARTING", "RUNNING"];
    let server = ScriptedServer::new(move |_, before| in_state(states[before.min(4)]));
    warehouse_of(&server).ensure_started().await.expect("started");
    assert_eq!(server.count("POST", "/api/2.0/sql/warehouses/abc/start"), 1);
}

#[tokio::test]
async fn a_warehouse_that_never_runs_is_given_up() {
    let error =
        warehouse_of(&ScriptedServer::with(vec![in_state("STARTING")])).ensure_started().await.expect_err("never");
    assert_eq!(error.kind(), Kind::Transient);
    let reason = json!({"failure_reason": {"code": "AWS_INSUFFICIENT_INSTANCE_CAPACITY_FAILURE"}});
    let server = ScriptedServer::with(vec![answer(200, json!({"state": "STOPPED", "health": reason}))]);
    let error = warehouse_of(&server).ensure_started().await.expect_err("always stops");
    assert!(error.message().contains("AWS_INSUFFICIENT_INSTANCE_CAPACITY_FAILURE"), "{}", error.message());
    assert_eq!(server.count("POST", "/start"), 3);
}
