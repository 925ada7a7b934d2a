//! The program with Spark and Delta Lake in place of Databricks, and its tables in a container of an Azure Blob Storage server.
//!
//! What is started, and how a test uses it, is in the bed of Databricks on S3 (`integration_tests/databricks`); its cases run here
//! again. The files of this folder are about what only Databricks on Azure has.
//!
//!     TEST_AZURE="$(integration_tests/azure/server)" \
//!     TEST_DATABRICKS="$(integration_tests/databricks/server)" cargo test --locked --test azure_databricks

// A test that cannot go on says so by panicking; `clippy.toml` allows that inside test functions only, and most of
// the code here is their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
// The cases and helpers that are shared with the folders above are not all used here.
#![allow(dead_code)]

#[path = "../testing/action.rs"]
mod action;
#[path = "../testing/place.rs"]
mod bucket;
#[path = "../../testing/http.rs"]
mod http;
#[path = "../../testing/lake.rs"]
mod lake;
#[path = "../../testing/messages.rs"]
mod messages;
#[path = "../../databricks/testing/place.rs"]
mod place;
#[path = "../../testing/program.rs"]
mod program;
#[path = "../../testing/proxy.rs"]
mod proxy;
#[path = "../testing/requests.rs"]
mod requests;
#[path = "../testing/sas.rs"]
mod sas;
#[path = "../testing/server.rs"]
mod server;
#[path = "../../databricks/testing/stand_in.rs"]
mod stand_in;
#[path = "../../testing/table.rs"]
mod table;
#[path = "../../testing/victim.rs"]
mod victim;

mod bed;
mod csv;
