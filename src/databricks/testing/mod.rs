//! Servers for the tests of this and other modules, each on a free port of this machine.

pub(crate) mod scripted_server;
pub(super) mod thrift_messages;
pub(super) mod thrift_server;
