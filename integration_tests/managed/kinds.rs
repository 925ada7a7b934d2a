//! Cases that are also those of S3 and hold for managed tables: one of each kind, with the other transport where it matters, and the others
//! where there is time for them.

/// Makes a test of each case, over the transport that is named.
macro_rules! kinds {
    ($($transport:ident: $module:ident::$cases:ident::$case:ident),+ $(,)?) => {
        $(#[test]
        fn $case() {
            crate::place::$transport(crate::$module::$cases::$case);
        })+
    };
}

/// The same, ignored without `--include-ignored`, over both transports.
macro_rules! others {
    ($($module:ident::$cases:ident::$case:ident),+ $(,)?) => {
        mod over_statements {
            $(#[test]
            #[ignore = "there is time for one of each kind"]
            fn $case() {
                crate::place::over_statements(crate::$module::$cases::$case);
            })+
        }
        mod over_thrift {
            $(#[test]
            #[ignore = "there is time for one of each kind"]
            fn $case() {
                crate::place::over_thrift(crate::$module::$cases::$case);
            })+
        }
    };
}

kinds!(
    over_statements: column_values::cases::the_faker_source_has_the_same_values_by_sql_for_every_reader,
    over_thrift: columns::cases::new_properties_become_columns_and_fields,
    over_statements: replaced_columns::cases::another_schema_comes_with_the_rows_in_one_statement,
    over_thrift: kills::cases::a_sync_that_is_killed_at_any_statement_loses_nothing_acknowledged_and_is_swept,
    over_statements: kills::cases::a_statement_of_a_killed_sync_does_not_replace_what_came_after_it,
    over_statements: copies::cases::two_overwrites_at_the_same_moment_are_one_after_the_other_or_one_gives_way,
);

others!(
    loading::cases::rows_are_there_once_for_sql_and_for_every_reader,
    faults::cases::statements_whose_answer_is_lost_are_not_loaded_twice,
    faults::cases::a_conflict_with_another_writer_is_tried_again,
    faults::cases::a_token_that_expires_in_mid_sync_ends_it_and_the_next_one_goes_on,
    loading::cases::streams_with_many_batches_get_few_statements,
    loading::cases::purging_leaves_nothing_but_the_tables,
    loading::cases::a_table_of_the_older_connector_is_loaded_on,
    loading::cases::streams_without_records_get_their_empty_tables,
    loading::cases::a_schema_whose_name_begins_with_a_digit_is_found_again,
    loading::cases::a_stream_that_is_called_like_another_ones_namespace_is_staged_beside_it,
    loading::cases::columns_with_a_collation_are_loaded,
    columns::single_cases::without_evolution_new_properties_are_undeclared_and_another_type_is_refused_before_anything_is_loaded,
    columns::single_cases::types_are_widened_where_the_table_allows_it_and_else_values_that_do_not_fit_are_null_and_told,
    columns::single_cases::columns_that_must_have_a_value_are_relaxed_with_evolution_and_else_told,
    columns::single_cases::a_table_with_a_hundred_columns_of_others_gets_its_own_and_keeps_theirs,
    columns::single_cases::two_syncs_at_once_add_the_same_column_and_different_ones,
    replaced_columns::cases::the_statement_may_be_lost_and_is_repeated,
    replaced_columns::single_cases::a_sync_that_is_killed_at_the_statement_is_run_again,
    replaced_columns::single_cases::a_stream_without_records_leaves_an_empty_table_with_its_columns,
    faults::cases::statements_that_never_reach_the_server_are_sent_again,
    faults::cases::a_storm_of_too_many_requests_and_of_unavailability_passes,
    faults::cases::a_server_that_is_starting_is_waited_for_and_the_user_told,
    faults::cases::a_table_that_somebody_else_rewrites_again_and_again_gets_every_row_once,
    faults::cases::a_failure_that_will_not_go_away_is_one_clear_error,
    faults::cases::a_statement_that_outlives_the_sync_is_cancelled,
    faults::single_cases::sessions_that_a_cluster_loses_in_mid_sync_are_opened_again,
    faults::single_cases::input_that_cannot_be_read_does_not_end_a_load_that_takes_long,
    faults::single_cases::a_statement_that_takes_too_long_is_cancelled_and_the_sync_fails,
    kills::cases::an_overwrite_that_is_killed_at_any_statement_shows_the_old_rows_or_the_new_ones,
    kills::cases::a_sync_that_is_killed_after_a_state_goes_on_from_there,
    evolving_kills::cases::a_sync_that_evolves_its_table_and_is_killed_at_any_statement_is_run_again,
    evolving_kills::cases::statements_that_evolve_a_table_may_lose_their_answers,
    evolving_kills::cases::a_sync_that_replaces_rows_and_columns_and_is_killed_at_any_statement_shows_the_old_or_the_new_ones,
    service::cases::a_workspace_on_a_shared_host_is_reached_by_its_number,
    service::cases::statements_that_somebody_else_cancels_are_sent_again,
    service::cases::a_statement_that_is_cancelled_again_and_again_ends_the_sync_with_the_reason,
    service::single_cases::sessions_that_a_cluster_loses_are_opened_again_however_it_tells_of_that,
);
