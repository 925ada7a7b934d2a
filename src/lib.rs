//! `destination-databricks`: an Airbyte destination that turns protocol messages into Delta tables.

pub mod error;
pub mod secret;
