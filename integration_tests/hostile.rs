//! Servers that answer wrongly, repeat what they receive or never end, and other users of the same folder.
//!
//! `testing/server` answers HTTP as a test says, `testing/bucket` is an S3 store in memory; the other files are one topic
//! each.

#[path = "hostile/testing/bucket.rs"]
pub mod bucket;
#[path = "hostile/testing/server.rs"]
pub mod server;

mod bounds;
mod escaped;
mod files;
mod logs;
mod profiles;
mod redirects;
mod secrets;
mod tokens;
