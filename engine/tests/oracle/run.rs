//! Tries a law on many cases with all threads, and shrinks what breaks it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use usher_engine::definition::Definition;

use crate::generate::{Bent, Case, Dice, What, case};

pub type Law = fn(&Case) -> Result<(), String>;

/// The beginning of findings that are not about a law: a case without a plan shows nothing.
pub const NO_PLAN: &str = "no plan: ";

/// Tries a law on so many cases, times the factor in `USHER_CASES`; or on the one in `USHER_SEED`.
pub fn hold(name: &str, cases: u64, bent: Bent, law: Law) {
    if let Ok(wanted) = std::env::var("USHER_SEED") {
        if let Some(seed) = wanted.strip_prefix(name).and_then(|rest| rest.strip_prefix(':')) {
            let seed = u64::from_str_radix(seed, 16).expect("USHER_SEED is a law and a hexadecimal number");
            if let Err(found) = tried(law, &case(seed, bent)) {
                tell(name, law, seed, bent, &found);
            }
        }
        return;
    }
    let factor =
        std::env::var("USHER_CASES").map_or(1.0, |factor| factor.parse().expect("USHER_CASES is a factor"));
    let cases = ((cases as f64 * factor) as u64).max(1);
    let mut first = name.bytes().fold(Dice(0), |dice, byte| Dice(Dice(dice.0 ^ u64::from(byte)).roll()));
    let first = first.roll();
    let next = AtomicU64::new(0);
    let failed: Mutex<Option<(u64, String)>> = Mutex::new(None);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while failed.lock().expect("whole").is_none() {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= cases {
                        break;
                    }
                    let seed = Dice(first.wrapping_add(index)).roll();
                    if let Err(found) = tried(law, &case(seed, bent)) {
                        failed.lock().expect("whole").get_or_insert((seed, found));
                    }
                }
            });
        }
    });
    if let Some((seed, found)) = failed.into_inner().expect("whole") {
        tell(name, law, seed, bent, &found);
    }
}

/// A panic is a finding, too.
fn tried(law: Law, case: &Case) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| law(case))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("panicked: {}", text.unwrap_or_default()))
    })
}

fn tell(name: &str, law: Law, seed: u64, bent: Bent, found: &str) {
    // What is tried while shrinking may panic over and over; once was enough to know.
    std::panic::set_hook(Box::new(|_| {}));
    let (small, found_there) = shrunk(law, case(seed, bent), found.to_owned());
    let _ = std::panic::take_hook();
    // No trace: where this stands says nothing about what broke.
    eprintln!(
        "the law `{name}` does not hold\n{small}{found_there}\n\nthis case alone: USHER_SEED={name}:{seed:x} cargo test \
         -p usher-engine --test oracle"
    );
    panic!("the law `{name}` does not hold; see above");
}

/// Leaves out whatever can be left out.
fn shrunk(law: Law, mut case: Case, mut found: String) -> (Case, String) {
    loop {
        let before = size(&case);
        for index in (0..case.steps.len()).rev() {
            attempt(law, &mut case, &mut found, |case| {
                case.steps.remove(index);
            });
        }
        for index in (0..case.looks_ms.len()).rev() {
            attempt(law, &mut case, &mut found, |case| {
                case.looks_ms.remove(index);
            });
        }
        for definition in 0..case.definitions.len() {
            for index in (0..case.definitions[definition].attributes.len()).rev() {
                attempt(law, &mut case, &mut found, |case| {
                    case.definitions[definition].attributes.remove(index);
                });
            }
            for index in 0..case.definitions[definition].key_events.len() {
                attempt(law, &mut case, &mut found, |case| {
                    case.definitions[definition].key_events[index].filter = None;
                });
            }
        }
        for step in 0..case.steps.len() {
            for column in (0..columns(&case, step)).rev() {
                attempt(law, &mut case, &mut found, |case| match &mut case.steps[step].what {
                    What::Event { columns, .. } | What::Row(columns) => {
                        columns.remove(column);
                    }
                    What::Bundle(_) => {}
                });
            }
        }
        if size(&case) == before {
            return (case, found);
        }
    }
}

fn attempt(law: Law, case: &mut Case, found: &mut String, change: impl FnOnce(&mut Case)) {
    let mut smaller = case.clone();
    change(&mut smaller);
    if let Err(other) = tried(law, &smaller)
        && !other.starts_with(NO_PLAN)
        && other.starts_with("panicked") == found.starts_with("panicked")
    {
        *case = smaller;
        *found = other;
    }
}

fn columns(case: &Case, step: usize) -> usize {
    match &case.steps[step].what {
        What::Event { columns, .. } | What::Row(columns) => columns.len(),
        What::Bundle(_) => 0,
    }
}

fn size(case: &Case) -> usize {
    let of = |definition: &Definition| {
        definition.attributes.len()
            + definition.key_events.iter().filter(|key_event| key_event.filter.is_some()).count()
    };
    let columns: usize = (0..case.steps.len()).map(|step| columns(case, step)).sum();
    columns + case.steps.len() + case.looks_ms.len() + case.definitions.iter().map(of).sum::<usize>()
}
