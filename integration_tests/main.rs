//! Drives the real program through pipes and reads its tables with a reader of its own.
//!
//! `program` runs it, `messages` writes its input, `lake` is where it writes, `table` reads what it left; every other file is
//! one topic. Tests
//! run side by side, each in a folder of its own. None measures time: a test that must know how far the program is
//! asks it (see `Living::has_read_so_far`).

// A test that cannot go on says so by panicking; `clippy.toml` allows that inside test functions only, and most of
// the code here is their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

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
mod disk;
mod documentation;
mod environment;
mod failed_sources;
mod features;
mod filters;
mod generations;
mod hostile;
// The beds use more of it.
#[allow(dead_code)]
mod lake;
mod left_overs;
mod malformed_input;
mod messages;
mod names;
mod no_links;
mod on_disk;
mod other_readers;
mod other_versions;
mod place;
mod privileges;
// The beds use more of it.
#[allow(dead_code)]
mod program;
mod protocol_input;
mod pyairbyte;
mod side_by_side;
mod small_machines;
mod states;
mod states_of_all;
mod stops;
mod strangers;
mod table;
