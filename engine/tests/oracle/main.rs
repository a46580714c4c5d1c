//! Attributes and identity against a slow, obvious oracle that keeps every event.
//!
//! `model` is the oracle, `generate` makes cases, `engine` drives the engine, `laws` says what must hold, `run` tries
//! a law on many cases and shrinks what breaks it. `../README.md` says how to run more, and one case alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    unreachable_pub,
    missing_docs,
    reason = "a test that panics has found something, and its parts are nobody else's"
)]

mod device;
mod engine;
mod generate;
mod laws;
mod model;
mod run;

use generate::Bent;
use run::hold;

#[test]
fn values_are_those_of_all_events() {
    hold("values", 40_000, Bent::Values, laws::follows);
}

#[test]
fn visitors_are_who_the_rules_say() {
    hold("people", 20_000, Bent::People, laws::follows);
}

#[test]
fn a_crowd_of_keys_is_held_to_its_bound() {
    hold("crowd", 200, Bent::Crowd, laws::follows);
}

#[test]
fn definitions_change_and_the_rest_stays() {
    hold("changes", 10_000, Bent::Changes, laws::follows);
}

#[test]
fn order_of_arrival_does_not_matter() {
    hold("order", 10_000, Bent::Week, laws::order);
}

#[test]
fn copies_change_nothing() {
    hold("copies", 6_000, Bent::Week, laws::copies);
}

#[test]
fn grouping_does_not_matter() {
    hold("groups", 10_000, Bent::Week, laws::groups);
}

#[test]
fn bytes_change_nothing() {
    hold("bytes", 3_800, Bent::Values, laws::bytes);
}

#[test]
fn devices_decide_as_the_edge() {
    hold("device", 4_000, Bent::Values, device::decides);
}

#[test]
fn devices_learn_nothing_private() {
    hold("private", 2_000, Bent::Values, device::tells_nothing);
}

#[test]
fn devices_survive_damaged_programs() {
    hold("damaged", 600, Bent::Values, device::survives);
}
