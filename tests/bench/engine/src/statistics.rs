//! Of rounds a ratio: the median, and the interval that the bootstrap puts around it.

use usher_bench_work::random::Random;

/// A ratio of two subjects, below 1 where the first needs less.
#[derive(Clone, Copy, Debug)]
pub struct Ratio {
    pub median: f64,
    /// 95 % of resamples have their median from here
    pub low: f64,
    /// to here.
    pub high: f64,
}

impl Ratio {
    /// A figure that was counted, not timed.
    pub fn exact(value: f64) -> Ratio {
        Ratio { median: value, low: value, high: value }
    }

    /// The median of the rounds' ratios.
    pub fn of(rounds: &[f64]) -> Ratio {
        const RESAMPLES: usize = 2_000;
        let mut random = Random::new(11);
        let mut medians: Vec<f64> = (0..RESAMPLES)
            .map(|_| median((0..rounds.len()).map(|_| *random.one(rounds)).collect()))
            .collect();
        medians.sort_by(f64::total_cmp);
        let at = |part: f64| medians[((RESAMPLES - 1) as f64 * part).round() as usize];
        Ratio { median: median(rounds.to_vec()), low: at(0.025), high: at(0.975) }
    }
}

/// The middle; of an even number the mean of both.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}
