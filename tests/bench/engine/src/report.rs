//! The table: one line per comparison, with what it must be and whether it is.

use crate::statistics::Ratio;

/// One comparison.
pub struct Line {
    pub what: String,
    pub peer: String,
    pub ratio: Ratio,
    /// One run of each, in nanoseconds.
    pub times: Option<(f64, f64)>,
    /// The ratio of instructions.
    pub instructions: Option<f64>,
    /// The required ratio, and the desired one.
    pub must: Option<(f64, f64)>,
}

/// Prints as it goes, and counts what is missed.
#[derive(Default)]
pub struct Report {
    met: usize,
    pub missed: usize,
}

impl Report {
    /// A sentence.
    pub fn say(&self, text: &str) {
        println!("\n{text}");
    }

    pub fn head(&self) {
        println!(
            "\n| what | beside | ratio | 95 % interval | instructions | one run | must | aim | verdict |"
        );
        println!("|---|---|--:|--:|--:|--:|--:|--:|---|");
    }

    pub fn line(&mut self, line: Line) {
        let Line { what, peer, ratio, times, instructions, must } = line;
        let verdict = self.verdict(ratio.high, must);
        let interval = if ratio.low == ratio.high {
            "exact".to_owned()
        } else {
            format!("{}–{}", figures(ratio.low), figures(ratio.high))
        };
        let times = times.map_or("–".to_owned(), |(a, b)| format!("{} : {}", span(a), span(b)));
        let instructions = instructions.map_or("–".to_owned(), figures);
        let (most, aim) =
            must.map_or(("–".to_owned(), "–".to_owned()), |(a, b)| (figures(a), figures(b)));
        println!(
            "| {what} | {peer} | {} | {interval} | {instructions} | {times} | {most} | {aim} | {verdict} |",
            figures(ratio.median)
        );
    }

    /// A line about bytes, which have no peer.
    pub fn weight(&mut self, what: &str, bytes: f64, must: u32, aim: u32) {
        let verdict = self.verdict(bytes, Some((f64::from(must), f64::from(aim))));
        println!("| {what} | – | {bytes} B | exact | – | – | {must} B | {aim} B | {verdict} |");
    }

    /// By the interval's upper end: what may be above the must has not met it.
    fn verdict(&mut self, high: f64, must: Option<(f64, f64)>) -> &'static str {
        let Some((must, aim)) = must else { return "no must" };
        if high > must {
            self.missed += 1;
            return "**missed**";
        }
        self.met += 1;
        if high <= aim { "met, and the aim" } else { "met" }
    }

    pub fn end(&self) {
        println!("\n{} musts met, {} missed", self.met, self.missed);
    }
}

/// Three figures.
fn figures(ratio: f64) -> String {
    match ratio {
        ratio if ratio >= 100.0 => format!("{ratio:.0}"),
        ratio if ratio >= 10.0 => format!("{ratio:.1}"),
        ratio if ratio >= 1.0 => format!("{ratio:.2}"),
        ratio => format!("{ratio:.3}"),
    }
}

fn span(nanos: f64) -> String {
    match nanos {
        nanos if nanos >= 1e6 => format!("{:.2} ms", nanos / 1e6),
        nanos if nanos >= 1e4 => format!("{:.1} µs", nanos / 1e3),
        nanos if nanos >= 100.0 => format!("{nanos:.0} ns"),
        nanos => format!("{nanos:.1} ns"),
    }
}
