//! The program with Spark and Delta Lake in place of Databricks, and its tables in a bucket of a real S3 server.
//!
//! `testing/stand_in` starts Spark behind Databricks' interfaces, `testing/place` gives each test a bucket, a schema and a
//! warehouse or cluster of its own. Cases of the folder above run here again; the files of this folder are about what only
//! Databricks has. What has to hold for both transports runs over both.
//!
//!     TEST_S3="$(integration_tests/s3/server)" \
//!     TEST_DATABRICKS="$(integration_tests/databricks/server)" cargo test --locked --test databricks

// A test that cannot go on says so by panicking; `clippy.toml` allows that inside test functions only, and most of
// the code here is their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
// The cases and helpers that are shared with the folders above are not all used here.
#![allow(dead_code)]

/// Makes two tests of each case: over the Statement Execution API, and over Thrift.
macro_rules! over_both {
    ($($case:ident),+ $(,)?) => {
        over!(over_statements: $($case),+;);
        over!(over_thrift: $($case),+;);
    };
}

/// Makes two tests of each case for which the transport should make no difference: over the one that `in_ci` names, and an ignored
/// one over the other, which runs with all combinations (`-- --include-ignored`).
macro_rules! over_one {
    (in_ci = statements: $($case:ident),+ $(,)?) => {
        over!(over_statements: $($case),+;);
        over!(over_thrift: ; $($case),+);
    };
    (in_ci = thrift: $($case:ident),+ $(,)?) => {
        over!(over_statements: ; $($case),+);
        over!(over_thrift: $($case),+;);
    };
    (in_ci = statements: $($one:ident),+; thrift: $($other:ident),+ $(,)?) => {
        over!(over_statements: $($one),+; $($other),+);
        over!(over_thrift: $($other),+; $($one),+);
    };
}

/// Makes a test of each case over one transport; those behind the semicolon are ignored.
macro_rules! over {
    ($transport:ident: $($case:ident),*; $($ignored:ident),*) => {
        mod $transport {
            $(#[test]
            fn $case() {
                crate::place::$transport(super::$case);
            })*
            $(#[test]
            #[ignore = "one of all combinations"]
            fn $ignored() {
                crate::place::$transport(super::$ignored);
            })*
        }
    };
}

/// Makes a test of each case, over the transport that is the default.
macro_rules! once {
    ($($case:ident),+ $(,)?) => {
        mod once {
            $(#[test]
            fn $case() {
                super::$case();
            })+
        }
    };
}

#[path = "../s3/testing/action.rs"]
mod action;
#[path = "../testing/browser.rs"]
mod browser;
#[path = "../s3/testing/place.rs"]
mod bucket;
#[path = "../testing/http.rs"]
mod http;
#[path = "../testing/lake.rs"]
mod lake;
#[path = "../testing/large_rows.rs"]
mod large_rows;
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
#[path = "../s3/testing/requests.rs"]
mod requests;
#[path = "../s3/testing/server.rs"]
mod server;
#[path = "testing/stand_in.rs"]
mod stand_in;
#[path = "../testing/table.rs"]
mod table;
#[path = "../testing/victim.rs"]
mod victim;

#[path = "../conformance.rs"]
mod conformance;
#[path = "../generations.rs"]
mod generations;
#[path = "../dedup/json_keys.rs"]
mod json_keys;

mod certificates;
mod check;
mod clients;
mod column_values;
mod columns;
mod commit_kills;
mod copies;
mod dedup;
mod dedup_faults;
mod dedup_json_keys;
mod dedup_model;
mod dedup_strangers;
mod evolving_kills;
mod faults;
mod kills;
mod layouts;
mod loading;
mod lying_elsewhere;
mod names;
mod older_tables;
mod readers;
mod refusals;
mod replaced_columns;
mod service;
mod shared_over_thrift;
mod signing_in;
mod warehouse_tables;
mod widened;
