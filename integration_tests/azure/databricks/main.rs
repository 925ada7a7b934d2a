//! The program with Spark and Delta Lake in place of Databricks, and its tables in a container of an Azure Blob Storage server.
//!
//! What is started, and how a test uses it, is in the bed of Databricks on S3 (`integration_tests/databricks`). Its cases run here
//! again, where there is time for all of them: with `--include-ignored`, and once for each staging with `TEST_STAGING`, which
//! `just bed-databricks-azure-all` does. Without it, `kinds` has one of each kind. The other files of this folder are about what only
//! Databricks on Azure has.
//!
//!     TEST_AZURE="$(integration_tests/azure/server)" \
//!     TEST_DATABRICKS="$(integration_tests/databricks/server)" cargo test --locked --test azure_databricks

// A test that cannot go on says so by panicking; `clippy.toml` allows that inside test functions only, and most of
// the code here is their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
// The cases and helpers that are shared with the folders above are not all used here.
#![allow(dead_code)]

/// Makes two tests of each case that is also one of S3: over the Statement Execution API, and over Thrift. `kinds` calls some of `cases`.
macro_rules! over_both {
    ($($case:ident),+ $(,)?) => {
        mod over_statements {
            $(#[test]
            #[ignore = "there is time for one of each kind: see kinds.rs"]
            fn $case() {
                crate::place::over_statements(super::$case);
            })+
        }
        mod over_thrift {
            $(#[test]
            #[ignore = "there is time for one of each kind: see kinds.rs"]
            fn $case() {
                crate::place::over_thrift(super::$case);
            })+
        }
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

/// Makes a test of each case that is also one of S3, over the transport that is the default. `kinds` calls some of `single_cases`.
macro_rules! once {
    ($($case:ident),+ $(,)?) => {
        mod once {
            $(#[test]
            #[ignore = "there is time for one of each kind: see kinds.rs"]
            fn $case() {
                super::$case();
            })+
        }
        pub mod single_cases {
            $(pub fn $case() {
                super::$case();
            })+
        }
    };
}

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
#[path = "../../testing/python.rs"]
mod python;
#[path = "../../testing/recorded.rs"]
mod recorded;
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

#[path = "../../databricks/check.rs"]
mod check;
#[path = "../../databricks/column_values.rs"]
mod column_values;
#[path = "../../databricks/columns.rs"]
mod columns;
#[path = "../../databricks/commit_kills.rs"]
mod commit_kills;
#[path = "../../conformance.rs"]
mod conformance;
#[path = "../../databricks/copies.rs"]
mod copies;
#[path = "../../databricks/dedup.rs"]
mod dedup;
#[path = "../../databricks/dedup_model.rs"]
mod dedup_model;
#[path = "../../databricks/evolving_kills.rs"]
mod evolving_kills;
#[path = "../../databricks/faults.rs"]
mod faults;
#[path = "../../generations.rs"]
mod generations;
#[path = "../../databricks/kills.rs"]
mod kills;
#[path = "../../databricks/layouts.rs"]
mod layouts;
#[path = "../../databricks/loading.rs"]
mod loading;
#[path = "../../databricks/lying_elsewhere.rs"]
mod lying_elsewhere;
#[path = "../../databricks/names.rs"]
mod names;
#[path = "../../databricks/older_tables.rs"]
mod older_tables;
#[path = "../../databricks/refusals.rs"]
mod refusals;
#[path = "../../databricks/replaced_columns.rs"]
mod replaced_columns;
#[path = "../../databricks/service.rs"]
mod service;
#[path = "../../databricks/warehouse_tables.rs"]
mod warehouse_tables;

mod any_json;
mod bed;
mod csv;
mod kinds;
mod requests_that_fail;
mod tables_of_1_1;
