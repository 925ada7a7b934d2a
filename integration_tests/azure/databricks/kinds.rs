//! One of each kind of case that is also one of S3: with the other staging and the other transport where these matter. The rest of
//! them is ignored, see `main.rs`.

use crate::bucket::{Staging, staged_as};

/// Makes a test of each case, with a staging and a transport.
macro_rules! kinds {
    ($($staging:ident $transport:ident: $module:ident::$cases:ident::$case:ident),+ $(,)?) => {
        $(#[test]
        fn $case() {
            staged_as(Staging::$staging, || crate::place::$transport(crate::$module::$cases::$case));
        })+
    };
}

kinds!(
    Csv over_thrift: loading::cases::rows_are_there_once_for_sql_and_for_every_reader,
    Csv over_statements: loading::cases::purging_leaves_nothing_but_the_tables,
    Delta over_statements: loading::cases::a_table_of_the_older_connector_is_loaded_on,
    Gzip over_statements: column_values::cases::the_faker_source_has_the_same_values_by_sql_for_every_reader,
    Csv over_statements: columns::cases::new_properties_become_columns_and_fields,
    Csv over_statements: replaced_columns::cases::another_schema_comes_with_the_rows_in_one_statement,
    Csv over_thrift: faults::cases::statements_whose_answer_is_lost_are_not_loaded_twice,
    Csv over_thrift: copies::cases::a_copy_that_begins_before_the_fence_does_no_harm,
    Csv over_statements: copies::cases::two_overwrites_at_the_same_moment_are_one_after_the_other_or_one_gives_way,
    Csv over_thrift: kills::cases::a_sync_that_is_killed_at_any_statement_loses_nothing_acknowledged_and_is_swept,
    Csv over_statements: kills::cases::an_emptying_sync_that_is_killed_is_swept_with_its_staging_table,
    Csv over_statements: dedup_model::single_cases::random_syncs_leave_what_the_model_says,
    Csv over_statements: check::cases::a_check_of_a_setup_that_works_passes_and_leaves_nothing,
    Csv over_thrift: check::cases::rights_that_are_missing_are_named_with_the_grant_that_gives_them,
    Csv over_statements: refusals::cases::a_folder_in_another_tables_folder_is_refused_by_the_server,
);
