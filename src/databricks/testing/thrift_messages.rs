//! Calls and replies as bytes, for the tests' server: how they are read and written on the server's side.

use tcli_service as tcli;
use thrift::protocol::{
    TBinaryInputProtocol, TBinaryOutputProtocol, TFieldIdentifier, TInputProtocol, TMessageIdentifier, TMessageType,
    TOutputProtocol, TSerializable, TStructIdentifier, TType,
};

/// The answer to a call that was not taken: every one begins with its status.
pub(in crate::databricks) fn refusal(body: &[u8], state: &str, message: &str) -> Vec<u8> {
    let call = TBinaryInputProtocol::new(body, true).read_message_begin().expect("a call");
    encode(&call.name, call.sequence_number, &tcli::TCloseOperationResp { status: failed(state, message) })
}

pub(in crate::databricks) fn fine() -> tcli::TStatus {
    tcli::TStatus {
        status_code: tcli::TStatusCode::SUCCESS_STATUS,
        sql_state: None,
        error_code: None,
        error_message: None,
        display_message: None,
    }
}

pub(in crate::databricks) fn failed(sql_state: &str, message: &str) -> tcli::TStatus {
    tcli::TStatus {
        status_code: tcli::TStatusCode::ERROR_STATUS,
        sql_state: Some(sql_state.to_owned()),
        error_code: Some(0),
        error_message: Some(message.to_owned()),
        display_message: None,
    }
}

pub(in crate::databricks) fn call_name(body: &[u8]) -> String {
    TBinaryInputProtocol::new(body, true).read_message_begin().expect("a call").name
}

/// The envelope and the structure of a call.
pub(in crate::databricks) fn request<C: TSerializable>(body: &[u8]) -> (TMessageIdentifier, C) {
    let mut input = TBinaryInputProtocol::new(body, true);
    let message = input.read_message_begin().expect("a call");
    input.read_struct_begin().expect("arguments");
    assert_eq!(input.read_field_begin().expect("an argument").id, Some(1));
    (message, C::read_from_in_protocol(&mut input).expect("the structure"))
}

pub(in crate::databricks) fn reply<C: TSerializable, A: TSerializable>(
    body: &[u8],
    answer: impl FnOnce(C) -> A,
) -> Vec<u8> {
    let (message, asked) = request(body);
    encode(&message.name, message.sequence_number, &answer(asked))
}

/// A reply as servers write it.
pub(in crate::databricks) fn encode<A: TSerializable>(name: &str, number: i32, answer: &A) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut out = TBinaryOutputProtocol::new(&mut bytes, true);
    out.write_message_begin(&TMessageIdentifier::new(name, TMessageType::Reply, number)).expect("memory");
    out.write_struct_begin(&TStructIdentifier::new("result")).expect("memory");
    out.write_field_begin(&TFieldIdentifier::new("success", TType::Struct, 0)).expect("memory");
    answer.write_to_out_protocol(&mut out).expect("memory");
    out.write_field_stop().expect("memory");
    bytes
}

pub(in crate::databricks) fn exception(body: &[u8], message: &str) -> Vec<u8> {
    let call = TBinaryInputProtocol::new(body, true).read_message_begin().expect("a call");
    let mut bytes = Vec::new();
    let mut out = TBinaryOutputProtocol::new(&mut bytes, true);
    let head = TMessageIdentifier::new(call.name, TMessageType::Exception, call.sequence_number);
    out.write_message_begin(&head).expect("memory");
    let error = thrift::ApplicationError::new(thrift::ApplicationErrorKind::ProtocolError, message);
    thrift::Error::write_application_error_to_out_protocol(&error, &mut out).expect("memory");
    bytes
}
