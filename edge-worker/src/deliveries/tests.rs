//! Calls of a host, with a clock of their own and answers of turns as the writer gives them.

mod overlap;

use super::*;
use crate::message::{AttemptOutcome, SignedRequest};
use crate::metrics::Counts;
use crate::wire::frame::FrameWriter;

const NOON: i64 = 1_790_000_000_000;
const BOUNDS: Bounds = Bounds { most: 2, time_ms: 20_000, wait_ms: 2_000, again_ms: 5_000 };

fn attempt(number: i64) -> Attempt {
    let request = SignedRequest {
        destination: "a".to_owned(),
        private: false,
        method: "POST".to_owned(),
        url: "https://a.example/".to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
    };
    Attempt { number, id: [1; 16], request }
}

fn ended(number: i64) -> AttemptResult {
    AttemptResult { number, id: [1; 16], at_ms: NOON, outcome: AttemptOutcome::NotBegun }
}

/// The answer to a turn.
fn answer(numbers: &[i64], next_ms: Option<i64>) -> Response {
    let attempts: Vec<Attempt> = numbers.iter().copied().map(attempt).collect();
    let mut frame = FrameWriter::default();
    frame.list(&attempts, Attempt::write);
    let answer = Response::typed(200, "application/octet-stream", frame.0);
    let answer = Response { counts: Counts::default(), ..answer };
    next_ms.into_iter().fold(answer, |answer, next_ms| answer.header(NEXT, next_ms.to_string()))
}

fn step(deliveries: &mut Deliveries, edge: &Edge, now_ms: i64) -> DeliveryStep {
    deliveries.step(edge, Ambient { now_ms, entropy: [7; 32] })
}

fn is_turn(step: &DeliveryStep) -> bool {
    matches!(step, DeliveryStep::Turn(_))
}

#[test]
fn a_call_goes_on_until_nothing_is_due_soon() {
    let (mut edge, mut deliveries) = (Edge::new(None, false), Deliveries::new(BOUNDS, false));
    deliveries.begin(NOON);
    assert!(is_turn(&step(&mut deliveries, &edge, NOON)));
    assert_eq!(deliveries.turned(&mut edge, NOON, &answer(&[1, 2], None)).len(), 2);
    assert_eq!(step(&mut deliveries, &edge, NOON), DeliveryStep::Wait(20_000));
    deliveries.ended(ended(1));
    assert!(is_turn(&step(&mut deliveries, &edge, NOON)), "its result is noted");
    deliveries.turned(&mut edge, NOON, &answer(&[], Some(1_500)));
    assert_eq!(step(&mut deliveries, &edge, NOON), DeliveryStep::Wait(1_500));
    deliveries.ended(ended(2));
    assert!(is_turn(&step(&mut deliveries, &edge, NOON)));
    deliveries.turned(&mut edge, NOON, &answer(&[], Some(2_000)));
    assert_eq!(step(&mut deliveries, &edge, NOON), DeliveryStep::Wait(2_000), "it is due soon");
    assert!(is_turn(&step(&mut deliveries, &edge, NOON + 2_000)));
    deliveries.turned(&mut edge, NOON + 2_000, &answer(&[], Some(2_001)));
    assert_eq!(step(&mut deliveries, &edge, NOON + 2_000), DeliveryStep::Rest);
    assert_eq!(deliveries.due_ms(), NOON + 4_001);
}

#[test]
fn after_its_time_a_call_only_ends_what_is_under_way() {
    let (mut edge, mut deliveries) = (Edge::new(None, false), Deliveries::new(BOUNDS, false));
    deliveries.begin(NOON);
    assert!(is_turn(&step(&mut deliveries, &edge, NOON)));
    deliveries.turned(&mut edge, NOON, &answer(&[1], Some(1)));
    let late = NOON + BOUNDS.time_ms;
    assert_eq!(step(&mut deliveries, &edge, late), DeliveryStep::Wait(ATTEMPT_MS), "what is due stays");
    deliveries.ended(ended(1));
    let DeliveryStep::Turn(message) = step(&mut deliveries, &edge, late) else {
        panic!("its result is noted")
    };
    let told = vec![ended(1)];
    let ambient = Ambient { now_ms: late, entropy: [7; 32] };
    assert_eq!(message, message::send_turn(ambient, false, 0, told, Route::ONLY, edge.form()));
    deliveries.turned(&mut edge, late, &answer(&[], Some(1)));
    assert_eq!(step(&mut deliveries, &edge, late), DeliveryStep::Rest);
}

#[test]
fn a_turn_that_failed_is_told_its_results_again() {
    let (mut edge, mut deliveries) = (Edge::new(None, false), Deliveries::new(BOUNDS, true));
    deliveries.begin(NOON);
    let ambient = Ambient { now_ms: NOON, entropy: [7; 32] };
    let turn = |resumes, told, edge: &Edge| {
        DeliveryStep::Turn(message::send_turn(ambient, resumes, 2, told, Route::ONLY, edge.form()))
    };
    assert_eq!(step(&mut deliveries, &edge, NOON), turn(true, Vec::new(), &edge), "what was lost");
    deliveries.turned(&mut edge, NOON, &answer(&[], Some(0)));
    assert_eq!(step(&mut deliveries, &edge, NOON), turn(false, Vec::new(), &edge));
    deliveries.turned(&mut edge, NOON, &answer(&[1], None));
    deliveries.ended(ended(1));
    assert_eq!(step(&mut deliveries, &edge, NOON), turn(false, vec![ended(1)], &edge));
    assert!(deliveries.turned(&mut edge, NOON, &Response::empty(503)).is_empty());
    assert_eq!(step(&mut deliveries, &edge, NOON), DeliveryStep::Rest);
    assert_eq!(deliveries.due_ms(), NOON + BOUNDS.again_ms);
    deliveries.begin(NOON);
    assert_eq!(step(&mut deliveries, &edge, NOON), turn(false, vec![ended(1)], &edge));
}

#[test]
fn a_call_that_waits_long_enough_tells_results_again() {
    let bounds = Bounds { again_ms: 1_000, ..BOUNDS };
    let (mut edge, mut deliveries) = (Edge::new(None, false), Deliveries::new(bounds, false));
    deliveries.begin(NOON);
    assert!(is_turn(&step(&mut deliveries, &edge, NOON)));
    deliveries.turned(&mut edge, NOON, &answer(&[1, 2], None));
    deliveries.ended(ended(1));
    assert!(is_turn(&step(&mut deliveries, &edge, NOON)));
    deliveries.turned(&mut edge, NOON, &Response::empty(503));
    assert_eq!(step(&mut deliveries, &edge, NOON), DeliveryStep::Wait(1_000));
    deliveries.ended(ended(2));
    assert_eq!(step(&mut deliveries, &edge, NOON + 1), DeliveryStep::Wait(999), "the pause lasts");
    let ambient = Ambient { now_ms: NOON + 1_000, entropy: [7; 32] };
    let told = message::send_turn(ambient, false, 2, vec![ended(1), ended(2)], Route::ONLY, edge.form());
    assert_eq!(step(&mut deliveries, &edge, NOON + 1_000), DeliveryStep::Turn(told));
    deliveries.turned(&mut edge, NOON + 1_000, &answer(&[], None));
    assert_eq!(step(&mut deliveries, &edge, NOON + 1_000), DeliveryStep::Rest);
}

#[test]
fn what_is_noted_is_due_and_rest_waits_for_it() {
    let (edge, mut deliveries) = (Edge::new(None, false), Deliveries::new(BOUNDS, false));
    deliveries.begin(NOON);
    deliveries.rest();
    assert_eq!(step(&mut deliveries, &edge, NOON), DeliveryStep::Rest);
    deliveries.note();
    assert!(is_turn(&step(&mut deliveries, &edge, NOON)));
}
