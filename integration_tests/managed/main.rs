//! The program with Spark and Delta Lake in place of Databricks, which keeps the tables: files are staged in volumes by the Files API, and
//! there is no bucket.
//!
//! What is started, and how a test uses it, is in the bed of Databricks on S3 (`integration_tests/databricks`). Its cases that hold for managed
//! tables too run here again: `kinds` lists them, one of each kind for CI and the others with `--include-ignored`, which `just bed-managed-all`
//! does. The other files of this folder are about what only managed tables have.
//!
//!     TEST_DATABRICKS="$(integration_tests/databricks/server)" cargo test --locked --test managed

// A test that cannot go on says so by panicking; `clippy.toml` allows that inside test functions only, and most of
// the code here is their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
// The cases and helpers that are shared with the folders above are not all used here.
#![allow(dead_code)]

/// Gives `kinds` the cases that are also those of S3.
macro_rules! over_both {
    ($($case:ident),+ $(,)?) => {
        pub mod cases {
            $(pub fn $case() {
                super::$case();
            })+
        }
    };
}

/// The same: whether the transport makes a difference is only told where CI runs them all.
macro_rules! over_one {
    (in_ci = $($transport:ident: $($case:ident),+);+ $(,)?) => {
        over_both!($($($case),+),+);
    };
}

/// The same for cases that choose their transport.
macro_rules! once {
    ($($case:ident),+ $(,)?) => {
        pub mod single_cases {
            $(pub fn $case() {
                super::$case();
            })+
        }
    };
}

#[path = "testing/place.rs"]
mod bucket;
#[path = "../testing/http.rs"]
mod http;
#[path = "../testing/lake.rs"]
mod lake;
#[path = "../testing/large_rows.rs"]
mod large_rows;
#[path = "../testing/messages.rs"]
mod messages;
#[path = "../testing/on_disk.rs"]
mod on_disk;
#[path = "../databricks/testing/place.rs"]
mod place;
#[path = "../testing/program.rs"]
mod program;
#[path = "../testing/python.rs"]
mod python;
#[path = "../testing/recorded.rs"]
mod recorded;
#[path = "testing/server.rs"]
mod server;
#[path = "../databricks/testing/stand_in.rs"]
mod stand_in;
#[path = "../testing/table.rs"]
mod table;

#[path = "../databricks/column_values.rs"]
mod column_values;
#[path = "../databricks/columns.rs"]
mod columns;
#[path = "../databricks/copies.rs"]
mod copies;
#[path = "../databricks/evolving_kills.rs"]
mod evolving_kills;
#[path = "../databricks/faults.rs"]
mod faults;
#[path = "../databricks/kills.rs"]
mod kills;
#[path = "../databricks/loading.rs"]
mod loading;
#[path = "../databricks/replaced_columns.rs"]
mod replaced_columns;
#[path = "../databricks/service.rs"]
mod service;

mod check;
mod file_faults;
mod file_kills;
mod kinds;
mod late_statements;
mod layouts;
mod many_streams;
mod protocol_cases;
mod tables;
