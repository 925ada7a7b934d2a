//! Runs the real program through pipes and reads its tables with an independent Delta reader.
//!
//! `testing` has what tests share: `program` runs the program, `messages` makes its input, `lake` sees what it has written,
//! `table` reads tables. Every other file is one topic. A test of what only a folder has (locks, links, permissions) uses
//! paths: `Sandbox::path`, `on_disk`. Tests run at the same time, each in a folder of its own. None measures time: a test
//! that must know how far the program is asks it (see `Living::has_read_so_far`).

// A test that cannot go on says so by panicking; `clippy.toml` allows that inside test functions only, and most of
// the code here is their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "testing/browser.rs"]
mod browser;
#[allow(dead_code)] // The beds use more of it.
#[path = "testing/lake.rs"]
mod lake;
#[path = "testing/messages.rs"]
mod messages;
#[path = "testing/on_disk.rs"]
mod on_disk;
#[path = "testing/place.rs"]
mod place;
#[allow(dead_code)] // The beds use more of it.
#[path = "testing/program.rs"]
mod program;
#[path = "testing/python.rs"]
mod python;
#[path = "testing/recorded.rs"]
mod recorded;
#[path = "testing/table.rs"]
mod table;
#[path = "testing/traced.rs"]
mod traced;

mod append_and_overwrite;
mod architecture;
mod beside_deltalake;
mod catalog;
mod check;
mod clean_ends;
mod closing_lines;
mod commands;
mod conformance;
mod containers;
mod crashes;
mod damaged_logs;
mod dedup;
mod dedup_in_folders;
mod disk;
mod documentation;
mod environment;
mod failed_sources;
mod features;
mod filters;
mod generations;
mod hostile;
mod json_schemas;
mod layouts;
mod left_overs;
mod malformed_input;
mod names;
mod no_links;
mod other_readers;
mod other_versions;
mod privileges;
mod protocol_input;
mod pyairbyte;
mod setup;
mod side_by_side;
mod signing_in;
mod small_machines;
mod states;
mod states_of_all;
mod stops;
mod strangers;
