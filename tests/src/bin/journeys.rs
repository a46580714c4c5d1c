//! Measures what journeys cost an event in the engine: `journeys WITHOUT WITH`, two folders of the same definition without journeys and
//! with them (`make bench-journeys` makes both).
//!
//! An event goes as in a writer: the profile is decoded, the event stitched and ingested, the visitor led on, the next due time asked
//! and the profile encoded. Both definitions run in turns, each from the same profiles in every round. Prints a line of JSON for each
//! kind of visitor: the nanoseconds of CPU an event of each round, without journeys and with them.

use std::path::Path;
use std::process::ExitCode;

use usher_engine::profile::codec::{Form, decode, encode};
use usher_engine::value::Value;
use usher_engine::{Evidence, Plan, ProfileId, SentAt};

const VISITORS: usize = 64;
/// Page views that each visitor has made before.
const HISTORY: usize = 50;
/// Events of each visitor in a round.
const EVENTS: usize = 20;
const START_MS: i64 = 1_790_000_000_000;

/// The campaigns that visitors have seen: none that leads into a journey, that of one, or those of all.
const CAMPAIGNS: [(&str, &str); 3] = [("none", "none"), ("one", "c3"), ("all", "all")];

fn main() -> ExitCode {
    let folders: Vec<String> = std::env::args().skip(1).collect();
    let [without, with] = folders.as_slice() else {
        eprintln!("usage: journeys <definition without journeys> <the same with them>");
        return ExitCode::from(64);
    };
    let plans = [plan(without), plan(with)];
    let rounds = if std::env::var_os("QUICK").is_some() { 5 } else { 25 };
    for (name, campaign) in CAMPAIGNS {
        let states = plans.each_ref().map(|plan| states(plan, campaign));
        let led = states[1].iter().filter(|state| plans[1].has_progress(&decode(state).expect("a profile")));
        assert_eq!(led.count(), if name == "none" { 0 } else { VISITORS }, "{name}");
        let mut nanos = [Vec::new(), Vec::new()];
        for _ in 0..rounds {
            for ((plan, states), nanos) in plans.iter().zip(&states).zip(&mut nanos) {
                nanos.push(round(plan, states.clone()));
            }
        }
        println!("{}", serde_json::json!({ "in": name, "without": nanos[0], "with": nanos[1] }));
    }
    ExitCode::SUCCESS
}

fn plan(folder: &str) -> Plan {
    let listing = usher_config::definition_files(Path::new(folder)).expect("a folder of definitions");
    let reading = usher_config::check(&listing.sources);
    Plan::compile(&reading.definition).expect("a definition that compiles")
}

/// The stored profiles of visitors with a history.
fn states(plan: &Plan, campaign: &str) -> Vec<Vec<u8>> {
    let states = (0..VISITORS).map(|visitor| {
        let mut state = Vec::new();
        fold(plan, &mut state, visitor, ("campaigns", "campaign", campaign), 0);
        for number in 1..=HISTORY {
            view(plan, &mut state, visitor, number);
        }
        state
    });
    states.collect()
}

/// Nanoseconds of CPU an event.
fn round(plan: &Plan, mut states: Vec<Vec<u8>>) -> u64 {
    let before = ran();
    for number in 0..EVENTS {
        for (visitor, state) in states.iter_mut().enumerate() {
            view(plan, state, visitor, HISTORY + 1 + number);
        }
    }
    (ran() - before) / (VISITORS * EVENTS) as u64
}

fn view(plan: &Plan, state: &mut Vec<u8>, visitor: usize, number: usize) {
    let product = format!("P-{}", (visitor + number * 7) % 40);
    fold(plan, state, visitor, ("pageviews", "product_id", &product), number);
}

/// Folds an event into a stored profile.
fn fold(
    plan: &Plan,
    state: &mut Vec<u8>,
    visitor: usize,
    (table, column, text): (&str, &str, &str),
    number: usize,
) {
    let now_ms = START_MS + number as i64 * 60_000;
    let table = plan.table("web", table).expect("the table");
    let columns = vec![
        ("customer_id".to_owned(), Value::from(format!("c-{visitor}").as_str())),
        (column.to_owned(), Value::from(text)),
        ("category".to_owned(), Value::from(["shoes", "bags", "coats"][number % 3])),
    ];
    let event = plan.event(table, columns, now_ms, format!("{visitor}-{number}"), SentAt::Absent);
    let keys = plan.keys(&event, &Evidence::NONE);
    let found = if state.is_empty() { Vec::new() } else { vec![decode(state).expect("a profile")] };
    let fresh = ProfileId([visitor as u8 + 1; 16]);
    let mut profile = plan.stitch(&keys, found, fresh, now_ms).profile;
    plan.ingest(&mut profile, &event, now_ms);
    plan.advance(&mut profile, Some(&event), &[], now_ms);
    if plan.has_progress(&profile) {
        std::hint::black_box(plan.due_ms(&profile));
    }
    *state = encode(&profile, Form::Three);
}

/// Nanoseconds that this thread ran.
fn ran() -> u64 {
    let said = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells it");
    said.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("a number")
}
