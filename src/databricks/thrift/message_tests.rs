//! Messages recorded from the real service, and random bytes, which are refused without a panic.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use proptest::prelude::*;
use tcli_service as tcli;

use super::*;
use crate::databricks::testing::thrift_messages::{encode as reply, failed, fine, request};

const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/databricks/thrift.jsonl");

fn bytes(of: &serde_json::Value) -> Vec<u8> {
    BASE64.decode(of.as_str().expect("a text")).expect("base64")
}

/// The call that the official client made, and the answer it got.
fn exchange<C: Call>(line: &serde_json::Value) -> (C, C::Reply) {
    let (message, call) = request::<C>(&bytes(&line["request_base64"]));
    assert_eq!(message.name, C::NAME);
    // Every call of ours that says the same is the same bytes when it is read again.
    let again: (_, C) = request(&encode(&call, 7).expect("memory"));
    assert_eq!((again.0.name.as_str(), again.0.sequence_number), (C::NAME, 7));
    let (mut one, mut other) = (Vec::new(), Vec::new());
    let write = |to: &mut Vec<u8>, call: &C| {
        call.write_to_out_protocol(&mut TBinaryOutputProtocol::new(to, true)).expect("memory");
    };
    write(&mut one, &call);
    write(&mut other, &again.1);
    assert_eq!(one, other);
    let answer = decode::<C>(&bytes(&line["response_base64"]), message.sequence_number);
    (call, answer.unwrap_or_else(|error| panic!("{}: {error:?}", C::NAME)))
}

#[test]
fn recorded_traffic_of_databricks_is_understood() {
    let Ok(text) = std::fs::read_to_string(RECORDED) else {
        let reason = format!("skipped: there is no recorded traffic at {RECORDED}\n");
        return std::io::stderr().write_all(reason.as_bytes()).expect("somebody who reads");
    };
    let mut seen = std::collections::BTreeMap::<String, usize>::new();
    for line in text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")) {
        let call = line["call"].as_str().expect("a name").to_owned();
        match call.as_str() {
            "OpenSession" => {
                let (asked, answer) = exchange::<tcli::TOpenSessionReq>(&line);
                assert_eq!(asked.client_protocol, tcli::TProtocolVersion::DATABRICKS_SEE_I64);
                assert_eq!((asked.client_protocol_i64, asked.can_use_multiple_catalogs), (Some(0xA509), Some(true)));
                assert_eq!(answer.server_protocol_version, 0xA508);
                assert_eq!(answer.session_handle.expect("a session").session_id.guid.len(), 16);
            }
            "ExecuteStatement" => {
                let (asked, answer) = exchange::<tcli::TExecuteStatementReq>(&line);
                assert!(asked.statement.is_ascii() && asked.statement.len() > 5);
                assert_eq!(asked.get_direct_results.expect("direct results").max_rows, 2_000_000);
                let direct = answer.direct_results.expect("direct results");
                let state = direct.operation_status.expect("a status").operation_state;
                assert_eq!(state, Some(tcli::TOperationState::FINISHED_STATE));
                let metadata = direct.result_set_metadata.expect("metadata");
                assert!(!metadata.schema.expect("a schema").columns.is_empty());
                assert_ne!(metadata.result_format, None, "Databricks tells how it writes rows");
                assert_eq!(direct.result_set.expect("rows").has_more_rows, Some(false));
            }
            "CloseOperation" => {
                let (_, answer) = exchange::<tcli::TCloseOperationReq>(&line);
                assert_eq!(answer.status.sql_state.as_deref(), Some("08000"));
                assert!(answer.status.error_message.expect("words").starts_with("Invalid OperationHandle"));
            }
            "CloseSession" => {
                let (_, answer) = exchange::<tcli::TCloseSessionReq>(&line);
                assert_eq!(answer.status.status_code, tcli::TStatusCode::SUCCESS_STATUS);
            }
            _ => continue,
        }
        *seen.entry(call).or_default() += 1;
    }
    assert!(seen["OpenSession"] > 0 && seen["ExecuteStatement"] > 5, "{seen:?}");
}

#[test]
fn an_answer_to_another_question_is_none() {
    let answer = tcli::TCloseSessionResp { status: fine() };
    let bytes = reply("CloseSession", 3, &answer);
    assert!(decode::<tcli::TCloseSessionReq>(&bytes, 3).is_ok());
    assert!(matches!(decode::<tcli::TCloseSessionReq>(&bytes, 4), Err(NoReply::Unreadable(_))));
    assert!(matches!(decode::<tcli::TCloseOperationReq>(&bytes, 3), Err(NoReply::Unreadable(_))));
    assert!(matches!(decode::<tcli::TCloseSessionReq>(&bytes[..bytes.len() - 1], 3), Err(NoReply::Unreadable(_))));
}

#[test]
fn a_length_that_lies_allocates_nothing_of_that_length() {
    let answer = tcli::TCloseSessionResp { status: failed("08000", "a message") };
    let bytes = reply("CloseSession", 3, &answer);
    let at = bytes.windows(9).position(|window| window == b"a message").expect("the message") - 4;
    for length in [i32::MAX, i32::MIN, -1, 1 << 28] {
        let mut bytes = bytes.clone();
        bytes[at..at + 4].copy_from_slice(&length.to_be_bytes());
        assert!(matches!(decode::<tcli::TCloseSessionReq>(&bytes, 3), Err(NoReply::Unreadable(_))), "{length}");
    }
}

fn page() -> Vec<u8> {
    let columns = vec![
        tcli::TColumn {
            i64_val: Some(tcli::TI64Column { values: vec![1, 2, 3], nulls: vec![2] }),
            ..Default::default()
        },
        tcli::TColumn {
            string_val: Some(tcli::TStringColumn { values: vec!["a".to_owned(); 3], nulls: vec![] }),
            ..Default::default()
        },
    ];
    let results =
        Some(tcli::TRowSet { start_row_offset: 0, columns: Some(columns), arrow_batches: None, result_links: None });
    reply("FetchResults", 5, &tcli::TFetchResultsResp { status: fine(), has_more_rows: Some(true), results })
}

#[test]
fn a_page_of_many_lists_each_of_which_is_short_enough_is_refused_before_it_is_held() {
    let page = |columns: usize| {
        let column = tcli::TColumn {
            string_val: Some(tcli::TStringColumn { values: vec![String::new(); 65_536], nulls: vec![] }),
            ..Default::default()
        };
        let columns = Some(vec![column; columns]);
        let results = Some(tcli::TRowSet { start_row_offset: 0, columns, arrow_batches: None, result_links: None });
        reply("FetchResults", 5, &tcli::TFetchResultsResp { status: fine(), has_more_rows: Some(true), results })
    };
    assert!(decode::<tcli::TFetchResultsReq>(&page(7), 5).is_ok());
    assert!(matches!(decode::<tcli::TFetchResultsReq>(&page(9), 5), Err(NoReply::Unreadable(_))));
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(decode::<tcli::TFetchResultsReq>(&bytes, 5).is_err());
    }

    #[test]
    fn what_begins_as_an_answer_and_goes_on_as_anything_stops_nothing(
        cut in 0_usize..400,
        tail in proptest::collection::vec(any::<u8>(), 0..200),
        flips in proptest::collection::vec((0_usize..400, any::<u8>()), 0..6),
    ) {
        let mut bytes = page();
        bytes.truncate(cut);
        bytes.extend(tail);
        for (at, to) in flips {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = to;
            }
        }
        // Every outcome is fine but a panic and an allocation that the machine does not have.
        let _ = decode::<tcli::TFetchResultsReq>(&bytes, 5);
        let _ = decode::<tcli::TExecuteStatementReq>(&bytes, 5);
    }
}
