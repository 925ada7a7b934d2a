//! Servers that lie, repeat what they hear or never end, and other users of the same folder.
//!
//! `server` answers HTTP as a test says, `bucket` is an S3 store in memory that a test can interrupt; the other files are
//! one topic each.

mod bounds;
mod bucket;
mod escaped;
mod files;
mod logs;
mod profiles;
mod redirects;
mod secrets;
mod server;
mod tokens;
