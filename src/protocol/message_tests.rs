//! What each message means, and what a STATE looks like when it leaves.

use super::*;

fn state(line: &str) -> State {
    match read(line) {
        Ok(Message::State(state)) => state,
        _ => unreachable!("not a STATE: {line}"),
    }
}

#[test]
fn a_state_leaves_as_it_came_with_destination_stats_added() -> Result<(), serde_json::Error> {
    let line = r#"{"type":"STATE","x":[1, 2],"state":{"type":"STREAM","stream":{"stream_descriptor":{"name":"a","namespace":""},"stream_state":{"n":1.50,"big":123456789012345678901234567890}},"sourceStats":{"recordCount":2.0},"id":7}}"#;
    let expected = line.replace(r#","id":7}}"#, r#","id":7,"destinationStats":{"recordCount":3.0}}}"#);
    let state = state(line);
    assert_eq!(state.scope, Scope::Stream(StreamDescriptor { name: "a".into(), namespace: None }));
    assert_eq!(state.acknowledge(3)?, expected);
    Ok(())
}

#[test]
fn stats_that_came_in_are_replaced_and_an_empty_state_gets_its_own() -> Result<(), serde_json::Error> {
    let replaced = state(r#"{"type":"STATE","state":{"destinationStats":{"recordCount":9.0},"data":{}}}"#);
    assert_eq!(
        replaced.acknowledge(1)?,
        r#"{"type":"STATE","state":{"data":{},"destinationStats":{"recordCount":1.0}}}"#
    );
    let null = state(r#"{"state":{"destinationStats":null},"type":"STATE"}"#);
    assert_eq!(null.acknowledge(1)?, r#"{"state":{"destinationStats":{"recordCount":1.0}},"type":"STATE"}"#);
    let spaced = state(r#" { "type" : "STATE" , "state" : { } } "#);
    assert_eq!(
        spaced.acknowledge(1)?,
        r#" { "type" : "STATE" , "state" : { "destinationStats":{"recordCount":1.0}} } "#
    );
    let empty = state(r#"{"type":"STATE","state":{}}"#);
    assert_eq!(empty.acknowledge(0)?, r#"{"type":"STATE","state":{"destinationStats":{"recordCount":0.0}}}"#);
    Ok(())
}

#[test]
fn the_beginning_of_a_message_is_told_from_what_is_none() {
    let whole = r#"{"type":"RECORD","record":{"data":{"a":[true,-1.5e-3,"\u00e9\\\""]},"emitted_at":-17}}"#;
    for end in 1..whole.len() {
        assert!(is_cut_off(&whole[..end]), "{}", &whole[..end]);
    }
    for other in [whole, "oops", "{} {", r#"{"a":1,,"#, r#"{"type":7}"#] {
        assert!(!is_cut_off(other), "{other}");
    }
}

#[test]
fn global_legacy_and_untyped_states_speak_for_every_stream() {
    for body in [
        r#"{"data":{"start_date":"2022-02-14"}}"#,
        r#"{"type":null,"data":{}}"#,
        r#"{"type":"LEGACY","data":{}}"#,
        r#"{"type":"GLOBAL","global":{"shared_state":{},"stream_states":[]}}"#,
    ] {
        assert_eq!(state(&format!(r#"{{"type":"STATE","state":{body}}}"#)).scope, Scope::All, "{body}");
    }
}

#[test]
fn a_state_that_cannot_be_understood_is_refused_without_quoting_it() {
    for body in [
        r#""secret""#,
        r#"{"type":"SECRET"}"#,
        r#"{"type":"STREAM"}"#,
        r#"{"type":"STREAM","stream":{"stream_descriptor":{"name":"secret","namespace":5}}}"#,
        r#"{"type":"STREAM","stream":"secret"}"#,
        "null",
    ] {
        match read(&format!(r#"{{"type":"STATE","state":{body}}}"#)) {
            Err(malformed) => {
                assert!(!malformed.reason.to_lowercase().contains("secret"), "{}", malformed.reason);
                assert!(malformed.reason.contains("`state"), "{}", malformed.reason);
            }
            Ok(_) => unreachable!("accepted {body}"),
        }
    }
}

#[test]
fn stream_statuses_are_read_and_all_else_is_passed_over() {
    let status = |status: &str| {
        format!(
            r#"{{"type":"TRACE","trace":{{"type":"STREAM_STATUS","emitted_at":1.5,"stream_status":{{"stream_descriptor":{{"name":"a"}},"status":"{status}"}}}}}}"#
        )
    };
    for (said, expected) in [
        ("STARTED", StreamStatus::Running),
        ("RUNNING", StreamStatus::Running),
        ("COMPLETE", StreamStatus::Complete),
        ("INCOMPLETE", StreamStatus::Incomplete),
    ] {
        assert!(matches!(read(&status(said)), Ok(Message::Status(_, got)) if got == expected), "{said}");
    }
    for line in [
        status("NEVER_HEARD_OF").as_str(),
        r#"{"type":"TRACE","trace":{"type":"ESTIMATE","estimate":{}}}"#,
        r#"{"type":"TRACE"}"#,
        r#"{"type":"LOG","log":{"level":"INFO","message":"x"}}"#,
        r#"{"type":"CONTROL","control":{}}"#,
        r#"{"type":"SPEC"}"#,
    ] {
        assert!(matches!(read(line), Ok(Message::Ignored)), "{line}");
    }
    let error = r#"{"type":"TRACE","trace":{"type":"ERROR","error":{"message":"x"}}}"#;
    assert!(matches!(read(error), Ok(Message::SourceFailed)));
    assert!(matches!(read(r#"{"type":"FILE_TRANSFER"}"#), Ok(Message::Unknown(kind)) if kind == "FILE_TRANSFER"));
}
