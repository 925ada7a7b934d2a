//! The program with a real Azure Blob Storage server, also over a connection with faults.
//!
//! `testing`, here and in the folder above, has what tests share: `server` starts the server, `place` gives each test a
//! container, `requests` sees what is in it, `sas` signs tokens, `proxy` makes faults. Cases of the folder above run here
//! again, in containers; the files of this folder are about what only Azure has.
//!
//!     TEST_AZURE="$(integration_tests/azure/server)" cargo test --locked --test azure

// A test that cannot go on says so by panicking; `clippy.toml` allows that inside test functions only, and most of
// the code here is their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
// The cases and helpers that are shared with the folder above are not all used here.
#![allow(dead_code)]

#[path = "testing/action.rs"]
mod action;
#[path = "testing/entra.rs"]
mod entra;
#[path = "testing/gate.rs"]
mod gate;
#[path = "../testing/http.rs"]
mod http;
#[path = "../testing/lake.rs"]
mod lake;
#[path = "../testing/messages.rs"]
mod messages;
#[path = "testing/place.rs"]
mod place;
#[path = "../testing/program.rs"]
mod program;
#[path = "../testing/proxy.rs"]
mod proxy;
#[path = "../testing/python.rs"]
mod python;
#[path = "../testing/recorded.rs"]
mod recorded;
#[path = "testing/requests.rs"]
mod requests;
#[path = "testing/sas.rs"]
mod sas;
#[path = "testing/server.rs"]
mod server;
#[path = "../testing/table.rs"]
mod table;
#[path = "../testing/victim.rs"]
mod victim;

#[path = "../append_and_overwrite.rs"]
mod append_and_overwrite;
#[path = "../conformance.rs"]
mod conformance;
#[path = "../dedup/mod.rs"]
mod dedup;
#[path = "../s3/dedup_kills.rs"]
mod dedup_kills;
#[path = "../s3/faults.rs"]
mod faults;
#[path = "../generations.rs"]
mod generations;
#[path = "../s3/kills.rs"]
mod kills;
#[path = "../side_by_side.rs"]
mod side_by_side;
#[path = "../states.rs"]
mod states;
#[path = "../states_of_all.rs"]
mod states_of_all;
#[path = "../stops.rs"]
mod stops;

mod bed;
mod copies;
mod folders;
mod identities;
mod layouts;
mod readers;
mod refusals;
mod tokens;
