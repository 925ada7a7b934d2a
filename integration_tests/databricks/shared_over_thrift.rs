//! The cases of the folder above over Thrift; over the Statement Execution API they run by themselves.

use crate::{conformance, generations};

#[test]
fn a_recorded_sync_of_the_faker_source_lands_whole() {
    crate::place::over_thrift(conformance::a_recorded_sync_of_the_faker_source_lands_whole);
}

#[test]
fn the_faker_source_overwrites_and_resumes_from_every_flush() {
    crate::place::over_thrift(conformance::the_faker_source_overwrites_and_resumes_from_every_flush);
}

#[test]
#[ignore = "one of all combinations"]
fn every_protocol_case_lands_in_both_modes() {
    crate::place::over_thrift(conformance::every_protocol_case_lands_in_both_modes);
}

#[test]
fn a_second_attempt_of_the_same_generation_appends_and_a_new_generation_replaces() {
    crate::place::over_thrift(
        generations::a_second_attempt_of_the_same_generation_appends_and_a_new_generation_replaces,
    );
}
