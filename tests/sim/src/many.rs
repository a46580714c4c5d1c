//! Many runs, on all cores: each run has one thread, and no run knows of another.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use crate::{Options, command, run, shrink};

/// Makes the runs of these seeds; says which break a law and how to make them again, and how fast it was. Returns how many
/// do.
pub fn found(seeds: Range<u64>, say: &mut dyn FnMut(&str)) -> usize {
    let (start, count) = (Instant::now(), seeds.end - seeds.start);
    let (mut steps, mut events, mut failed) = (0, 0, 0);
    let next = AtomicU64::new(seeds.start);
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..cores {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let made = run(&Options { seed, ..Options::default() });
                    if sender.send((seed, made)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (seed, made) in receiver {
            (steps, events) = (steps + made.steps, events + made.events);
            let Some(law) = made.failure else { continue };
            failed += 1;
            if failed <= 10 {
                let shortest = shrink(&Options { seed, ..Options::default() });
                say(&format!("seed {seed}: {law}\n  {}", command(&shortest)));
            }
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    let rate = count as f64 / seconds;
    say(&format!(
        "{count} seeds, {steps} steps, {events} events in {seconds:.1} s: {rate:.0} seeds a second"
    ));
    failed
}

/// The first of these seeds that breaks a law, and the law.
pub fn first(seeds: Range<u64>) -> Option<(u64, String)> {
    seeds.into_iter().find_map(|seed| {
        let failure = run(&Options { seed, ..Options::default() }).failure?;
        Some((seed, failure))
    })
}
