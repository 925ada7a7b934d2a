//! The Airbyte protocol: messages on stdin, read line by line, and messages on stdout, written one whole line at a time.

pub mod cache;
pub mod catalog;
pub mod message;
pub mod meta;
pub mod named;
pub mod reader;
pub mod scan;
pub mod writer;
mod wrong_field;
