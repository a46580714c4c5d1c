//! The simulation can fail: each planted bug breaks a law within 1,000 seeds.

use usher_sim::many;
use usher_sim::planted::{Bug, plant};

/// One test, because a bug is planted in the whole process.
#[test]
fn every_planted_bug_is_found_within_a_thousand_seeds() {
    let mut missed = Vec::new();
    for bug in Bug::ALL {
        plant(Some(bug));
        match many::first(0..1_000) {
            Some((seed, law)) => println!("{bug:?}: seed {seed}: {law}"),
            None => missed.push(bug),
        }
    }
    plant(None);
    assert!(missed.is_empty(), "nothing finds {missed:?}");
}
