//! Encodes a call as a message of Thrift's binary protocol, and decodes a reply or an exception.
//!
//! The structures read and write themselves (`tcli_service`); this adds the message envelope. The thrift crate's own client would
//! need a thread for each call that waits for HTTP.

use tcli_service as tcli;
use thrift::TConfiguration;
use thrift::protocol::{
    TBinaryInputProtocol, TBinaryOutputProtocol, TFieldIdentifier, TInputProtocol, TMessageIdentifier, TMessageType,
    TOutputProtocol, TSerializable, TStructIdentifier, TType,
};

use super::limited_protocol::LimitedProtocol;

/// The most elements of one list. A page of rows has far fewer; a greater length is false.
const LONGEST_LIST: usize = 65_536;
/// The deepest nesting of structures: the replies here have six levels.
const DEEPEST: usize = 16;
/// A call has its argument in field 1, a reply its result in field 0.
const ARGUMENT: i16 = 1;
const RESULT: i16 = 0;

/// A call of the service: its request structure.
pub(super) trait Call: TSerializable {
    /// The call's name in the protocol.
    const NAME: &'static str;
    /// The structure of the reply.
    type Reply: Reply;
}

/// What every reply has.
pub(super) trait Reply: TSerializable + Send {
    /// Whether the call succeeded.
    fn status(&self) -> &tcli::TStatus;
}

macro_rules! calls {
    ($($name:literal: $call:ident -> $answer:ident;)*) => {$(
        impl Call for tcli::$call {
            const NAME: &'static str = $name;
            type Reply = tcli::$answer;
        }
        impl Reply for tcli::$answer {
            fn status(&self) -> &tcli::TStatus {
                &self.status
            }
        }
    )*};
}

calls! {
    "OpenSession": TOpenSessionReq -> TOpenSessionResp;
    "CloseSession": TCloseSessionReq -> TCloseSessionResp;
    "ExecuteStatement": TExecuteStatementReq -> TExecuteStatementResp;
    "GetOperationStatus": TGetOperationStatusReq -> TGetOperationStatusResp;
    "GetResultSetMetadata": TGetResultSetMetadataReq -> TGetResultSetMetadataResp;
    "FetchResults": TFetchResultsReq -> TFetchResultsResp;
    "CancelOperation": TCancelOperationReq -> TCancelOperationResp;
    "CloseOperation": TCloseOperationReq -> TCloseOperationResp;
}

/// Why a message holds no reply.
#[derive(Debug)]
pub(super) enum NoReply {
    /// The server rejected the call: it speaks another version, or failed.
    Exception(String),
    /// Not a complete message of this protocol, or the reply to another call.
    Unreadable(String),
}

impl From<thrift::Error> for NoReply {
    fn from(error: thrift::Error) -> Self {
        NoReply::Unreadable(error.to_string())
    }
}

/// The bytes of `call`. The reply repeats `number`.
pub(super) fn encode<C: Call>(call: &C, number: i32) -> thrift::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut out = TBinaryOutputProtocol::new(&mut bytes, true);
    out.write_message_begin(&TMessageIdentifier::new(C::NAME, TMessageType::Call, number))?;
    out.write_struct_begin(&TStructIdentifier::new(C::NAME))?;
    out.write_field_begin(&TFieldIdentifier::new("req", TType::Struct, ARGUMENT))?;
    call.write_to_out_protocol(&mut out)?;
    out.write_field_end()?;
    out.write_field_stop()?;
    out.write_struct_end()?;
    out.write_message_end()?;
    Ok(bytes)
}

/// The reply to the call `C` with this `number`, read from `bytes`.
///
/// Whatever `bytes` are: no value is allocated that is longer than they are, except one list of at most [`LONGEST_LIST`]; all lists
/// together have at most as many elements as [`LimitedProtocol`] allows.
pub(super) fn decode<C: Call>(bytes: &[u8], number: i32) -> Result<C::Reply, NoReply> {
    let limits = TConfiguration::builder()
        .max_message_size(Some(bytes.len()))
        .max_frame_size(Some(bytes.len()))
        .max_string_size(Some(bytes.len()))
        .max_container_size(Some(LONGEST_LIST))
        .max_recursion_depth(Some(DEEPEST))
        .build()?;
    let mut input = LimitedProtocol::new(TBinaryInputProtocol::with_config(bytes, true, limits));
    let message = input.read_message_begin()?;
    if message.message_type == TMessageType::Exception {
        let exception = thrift::Error::read_application_error_from_in_protocol(&mut input)?;
        return Err(NoReply::Exception(exception.message));
    }
    if message.message_type != TMessageType::Reply || message.name != C::NAME || message.sequence_number != number {
        return Err(NoReply::Unreadable(format!("it is no reply to {} number {number}", C::NAME)));
    }
    input.read_struct_begin()?;
    let mut answer = None;
    loop {
        let field = input.read_field_begin()?;
        match (field.field_type, field.id) {
            (TType::Stop, _) => break,
            (TType::Struct, Some(RESULT)) => answer = Some(C::Reply::read_from_in_protocol(&mut input)?),
            (other, _) => input.skip(other)?,
        }
        input.read_field_end()?;
    }
    input.read_struct_end()?;
    answer.ok_or_else(|| NoReply::Unreadable(format!("the reply to {} holds no result", C::NAME)))
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
