//! Two subjects in turns, each on its own CPU time.

use std::time::Duration;

use cpu_time::ThreadTime;

use crate::statistics::{Ratio, median};

/// Something that runs so many times and says what came of it.
pub type Run = Box<dyn FnMut(u64) -> u64>;

/// The minimum time of a subject in one round.
const ROUND: Duration = Duration::from_millis(25);

/// The result of a measurement.
pub struct Measured {
    pub ratio: Ratio,
    /// One run of each, in nanoseconds: the median.
    pub ours_ns: f64,
    pub theirs_ns: f64,
    /// The number of runs of the first in a round.
    pub ours_count: u64,
    pub theirs_count: u64,
}

/// Every measured call goes through this function, so that callgrind can separate it from its surroundings.
#[inline(never)]
#[unsafe(export_name = "usher_bench_measured")]
pub fn measured(run: &mut dyn FnMut(u64) -> u64, count: u64) -> u64 {
    run(count)
}

/// Something that is measured: how long so many runs take, in nanoseconds.
pub trait Clocked {
    fn clock(&mut self, count: u64) -> f64;
}

impl Clocked for Run {
    fn clock(&mut self, count: u64) -> f64 {
        let start = ThreadTime::now();
        std::hint::black_box(measured(self, count));
        start.elapsed().as_nanos() as f64
    }
}

/// The number of runs that fill a round.
fn count(run: &mut dyn Clocked) -> u64 {
    let wanted = ROUND.as_nanos() as f64;
    let mut count = 1;
    loop {
        let took = run.clock(count);
        if took >= wanted {
            return count;
        }
        let factor = (1.2 * wanted / took.max(1.0)).clamp(1.5, 10.0);
        count = (count as f64 * factor).ceil() as u64;
    }
}

/// Rounds in turns; who begins changes, too.
pub fn measure(ours: &mut dyn Clocked, theirs: &mut dyn Clocked, rounds: usize) -> Measured {
    let (ours_count, theirs_count) = (count(ours), count(theirs));
    let (mut a, mut b, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let (mine, other);
        if round % 2 == 0 {
            mine = ours.clock(ours_count) / ours_count as f64;
            other = theirs.clock(theirs_count) / theirs_count as f64;
        } else {
            other = theirs.clock(theirs_count) / theirs_count as f64;
            mine = ours.clock(ours_count) / ours_count as f64;
        }
        a.push(mine);
        b.push(other);
        ratios.push(mine / other);
    }
    let (ours_ns, theirs_ns) = (median(a), median(b));
    Measured { ratio: Ratio::of(&ratios), ours_ns, theirs_ns, ours_count, theirs_count }
}
