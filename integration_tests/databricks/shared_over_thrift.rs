//! The cases of the folder above over Thrift; over the Statement Execution API they run by themselves.

use super::place::{Transport, over};
use crate::{conformance, generations};

#[test]
fn a_recorded_sync_of_the_faker_source_lands_whole() {
    over(Transport::Thrift, conformance::a_recorded_sync_of_the_faker_source_lands_whole);
}

#[test]
fn the_faker_source_overwrites_and_resumes_from_every_flush() {
    over(Transport::Thrift, conformance::the_faker_source_overwrites_and_resumes_from_every_flush);
}

#[test]
fn every_protocol_case_lands_in_both_modes() {
    over(Transport::Thrift, conformance::every_protocol_case_lands_in_both_modes);
}

#[test]
fn a_second_attempt_of_the_same_generation_appends_and_a_new_generation_replaces() {
    over(Transport::Thrift, generations::a_second_attempt_of_the_same_generation_appends_and_a_new_generation_replaces);
}
