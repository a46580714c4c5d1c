//! The figures: counts since the start, and rates over the last five minutes.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::time::Duration;

use usher_pipelines::{Chain, Counts, JoinCounts, Stream};

/// The time over which rates and means are taken.
const WINDOW_MS: i64 = 5 * 60 * 1_000;
/// The time of one part of it.
const PART_MS: i64 = 10 * 1_000;
/// Upper bounds of the histogram of processing, in seconds.
const SECONDS: [f64; 10] = [0.000_05, 0.000_1, 0.000_2, 0.000_4, 0.000_6, 0.001_2, 0.001_8, 0.005, 0.05, 0.5];
const TENTHS: [f64; 10] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];

/// All figures of a run.
#[derive(Default)]
pub(super) struct Figures {
    pub(super) commits: u64,
    refused: u64,
    wall_ms: i64,
    processing: Histogram,
    streams: Vec<Shown>,
    /// By the topics that are written.
    values: BTreeMap<String, Values>,
}

/// A pipeline as it was at the last look.
struct Shown {
    name: String,
    output: String,
    sources: Vec<String>,
    counts: Counts,
    held: usize,
    ids: usize,
    rows: Vec<usize>,
    bytes: u64,
    /// Counts at the beginning of each part of the window.
    past: VecDeque<(i64, Counts)>,
}

/// Values of the outputs of a topic.
#[derive(Default)]
struct Values {
    affinity: Option<Histogram>,
    /// By the beginning of a part of the window: the number of scores and their sum.
    scores: VecDeque<(i64, u64, f64)>,
}

#[derive(Clone, Default)]
struct Histogram {
    /// The number of values at or below each bound.
    counts: [u64; 10],
    sum: f64,
    count: u64,
}

impl Histogram {
    fn take(&mut self, value: f64, bounds: &[f64; 10]) {
        for (count, bound) in self.counts.iter_mut().zip(bounds) {
            *count += u64::from(value <= *bound);
        }
        self.sum += value;
        self.count += 1;
    }
}

impl Figures {
    /// A record was processed in this time.
    pub(super) fn processed(&mut self, time: Duration) {
        self.processing.take(time.as_secs_f64(), &SECONDS);
    }

    /// Values of a row.
    pub(super) fn row(&mut self, topic: &str, score: Option<f64>, affinity: Option<f64>) {
        if !self.values.contains_key(topic) {
            self.values.insert(topic.to_owned(), Values::default());
        }
        let Some(values) = self.values.get_mut(topic) else { return };
        if let Some(affinity) = affinity {
            values.affinity.get_or_insert_default().take(affinity, &TENTHS);
        }
        if let Some(score) = score {
            let part_ms = self.wall_ms.div_euclid(PART_MS) * PART_MS;
            match values.scores.back_mut().filter(|(of_ms, ..)| *of_ms == part_ms) {
                Some((_, count, sum)) => (*count, *sum) = (*count + 1, *sum + score),
                None => values.scores.push_back((part_ms, 1, score)),
            }
        }
    }

    /// The streams as they are now.
    pub(super) fn look(&mut self, chain: &Chain, refused: u64, wall_ms: i64) {
        (self.refused, self.wall_ms) = (refused, wall_ms);
        if self.streams.is_empty() {
            self.streams = chain.streams().iter().map(Shown::new).collect();
        }
        for (shown, stream) in self.streams.iter_mut().zip(chain.streams()) {
            shown.look(stream, wall_ms);
        }
        for values in self.values.values_mut() {
            while values.scores.front().is_some_and(|(of_ms, ..)| *of_ms <= wall_ms.saturating_sub(WINDOW_MS))
            {
                values.scores.pop_front();
            }
        }
    }

    /// All of them as text.
    pub(super) fn text(&self) -> String {
        let mut page = Page::default();
        self.counts(&mut page);
        self.state(&mut page);
        self.joins(&mut page);
        self.outputs(&mut page);
        page.histogram(
            "kaflowsql_processing_duration_histogram",
            "time of one record, seconds",
            "",
            &self.processing,
            &SECONDS,
        );
        page.histogram(
            "usher_pipeline_processing_seconds",
            "time of one record, seconds",
            "",
            &self.processing,
            &SECONDS,
        );
        page.metric("usher_pipeline_refused_total", "counter", "records that were refused");
        page.line("usher_pipeline_refused_total", "", self.refused as f64);
        page.metric("usher_pipeline_commits_total", "counter", "commits of the state");
        page.line("usher_pipeline_commits_total", "", self.commits as f64);
        if let Some(bytes) = resident_bytes() {
            page.metric("kaflowsql_memory_usage_bytes", "gauge", "resident memory of the process");
            page.line("kaflowsql_memory_usage_bytes", "", bytes as f64);
        }
        page.text
    }

    fn counts(&self, page: &mut Page) {
        type Of = fn(&Counts) -> u64;
        let all: [(&str, &str, Of); 12] = [
            ("kaflowsql_events_processed_total", "events that were read", |of| of.events),
            ("usher_pipeline_events_total", "events that were read", |of| of.events),
            ("usher_pipeline_rows_total", "rows that were written", |of| of.emitted),
            ("usher_pipeline_duplicates_total", "events whose id is known", |of| of.duplicates),
            ("usher_pipeline_filtered_total", "events that WHERE dropped", |of| of.filtered),
            ("usher_pipeline_unjoined_total", "events without the row of a JOIN", |of| of.unjoined),
            ("usher_pipeline_expired_total", "events whose TTL ended", |of| of.expired),
            ("usher_pipeline_state_full_total", "events that left a full state", |of| of.state_full),
            ("usher_pipeline_written_before_total", "events whose row another process wrote", |of| {
                of.written_before
            }),
            ("usher_pipeline_undated_total", "events without a time of their own", |of| of.undated),
            ("usher_pipeline_ids_forgotten_total", "ids that left a full state", |of| of.ids_forgotten),
            ("kaflowsql_state_evictions_total", "rows, events and ids that left the state", evictions),
        ];
        for (name, help, of) in all {
            page.metric(name, "counter", help);
            for shown in &self.streams {
                page.line(name, &shown.label(), of(&shown.counts) as f64);
            }
        }
        page.metric(
            "kaflowsql_events_per_second",
            "gauge",
            "events of the last five minutes by their seconds",
        );
        for shown in &self.streams {
            let Some((since_ms, past)) = shown.past.front() else { continue };
            let seconds = (self.wall_ms - since_ms).max(1) as f64 / 1_000.0;
            let rate = shown.counts.events.saturating_sub(past.events) as f64 / seconds;
            page.line("kaflowsql_events_per_second", &shown.label(), rate);
        }
    }

    fn state(&self, page: &mut Page) {
        type Of = fn(&Shown) -> f64;
        let all: [(&str, &str, Of); 6] = [
            ("usher_pipeline_held", "events that wait", |of| of.held as f64),
            ("usher_pipeline_ids", "ids that are remembered", |of| of.ids as f64),
            ("usher_pipeline_state_bytes", "bytes of the state, roughly", |of| of.bytes as f64),
            ("kaflowsql_state_size_bytes", "bytes of the state, roughly", |of| of.bytes as f64),
            // All of the store's entries are in memory.
            ("kaflowsql_rocksdb_cache_usage", "bytes of the store's entries in memory, roughly", |of| {
                of.bytes as f64
            }),
            ("kaflowsql_state_entries_total", "rows, waiting events and ids", |of| {
                (of.held + of.ids + of.rows.iter().sum::<usize>()) as f64
            }),
        ];
        for (name, help, of) in all {
            page.metric(name, "gauge", help);
            for shown in &self.streams {
                page.line(name, &shown.label(), of(shown));
            }
        }
        page.metric("usher_pipeline_rows", "gauge", "rows of a joined topic");
        for shown in &self.streams {
            for (source, rows) in shown.sources.iter().zip(&shown.rows) {
                page.line("usher_pipeline_rows", &shown.label_of(source), *rows as f64);
            }
        }
    }

    fn joins(&self, page: &mut Page) {
        for name in ["join_hit_rate", "kaflowsql_join_hit_rate"] {
            page.metric(name, "gauge", "events of the last five minutes that had a row");
            for shown in &self.streams {
                for (at, source) in shown.sources.iter().enumerate() {
                    if let Some(rate) = shown.hit_rate(|place| place == at) {
                        page.line(name, &shown.label_of(source), rate);
                    }
                }
            }
        }
        page.metric(
            "kaflowsql_join_success_rate",
            "gauge",
            "lookups of the last five minutes that found a row",
        );
        for shown in &self.streams {
            if let Some(rate) = shown.hit_rate(|_| true) {
                page.line("kaflowsql_join_success_rate", &shown.label(), rate);
            }
        }
    }

    /// The pipelines whose outputs have values that are shown.
    fn shown_values(&self) -> impl Iterator<Item = (&Shown, &Values)> {
        self.streams.iter().filter_map(move |shown| Some((shown, self.values.get(&shown.output)?)))
    }

    fn outputs(&self, page: &mut Page) {
        page.metric("personalization_score_avg", "gauge", "mean of recommendation_score over five minutes");
        for (shown, values) in self.shown_values() {
            let count: u64 = values.scores.iter().map(|(_, count, _)| count).sum();
            let sum: f64 = values.scores.iter().map(|(_, _, sum)| sum).sum();
            if count > 0 {
                page.line("personalization_score_avg", &shown.label(), sum / count as f64);
            }
        }
        for (shown, values) in self.shown_values() {
            if let Some(affinity) = &values.affinity {
                let help = "category_affinity of the rows";
                page.histogram("category_affinity_histogram", help, &shown.label(), affinity, &TENTHS);
            }
        }
    }
}

impl Shown {
    fn new(stream: &Stream) -> Shown {
        let plan = stream.plan();
        Shown {
            name: plan.name().to_owned(),
            output: plan.output().to_owned(),
            sources: plan.topics().skip(1).map(str::to_owned).collect(),
            counts: Counts::default(),
            held: 0,
            ids: 0,
            rows: Vec::new(),
            bytes: 0,
            past: VecDeque::new(),
        }
    }

    fn look(&mut self, stream: &Stream, wall_ms: i64) {
        if self.past.back().is_none_or(|(at_ms, _)| wall_ms.saturating_sub(*at_ms) >= PART_MS) {
            self.past.push_back((wall_ms, stream.counts().clone()));
        }
        let is_over = |at: Option<&(i64, Counts)>| {
            at.is_some_and(|(at_ms, _)| wall_ms.saturating_sub(*at_ms) >= WINDOW_MS)
        };
        // The one before the window is what the window is counted from.
        while is_over(self.past.get(1)) {
            self.past.pop_front();
        }
        self.counts = stream.counts().clone();
        (self.held, self.ids, self.bytes) = (stream.held(), stream.ids(), stream.bytes());
        self.rows = (0..self.sources.len()).map(|join| stream.rows(join)).collect();
    }

    fn label(&self) -> String {
        format!("pipeline=\"{}\"", escaped(&self.name))
    }

    fn label_of(&self, source: &str) -> String {
        format!("{},source=\"{}\"", self.label(), escaped(source))
    }

    /// The part of lookups of the window that found a row; None without one.
    fn hit_rate(&self, is_meant: impl Fn(usize) -> bool) -> Option<f64> {
        let (_, past) = self.past.front()?;
        let (mut hits, mut all) = (0, 0);
        for (place, now) in self.counts.joins.iter().enumerate().filter(|(place, _)| is_meant(*place)) {
            let nothing = JoinCounts::default();
            let past = past.joins.get(place).unwrap_or(&nothing);
            hits += now.hits.saturating_sub(past.hits);
            all += (now.hits + now.misses).saturating_sub(past.hits + past.misses);
        }
        (all > 0).then(|| hits as f64 / all as f64)
    }
}

fn evictions(counts: &Counts) -> u64 {
    let rows: u64 = counts.joins.iter().map(|join| join.forgotten).sum();
    rows + counts.expired + counts.state_full + counts.ids_forgotten
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// The text of figures.
#[derive(Default)]
struct Page {
    text: String,
    told: Vec<String>,
}

impl Page {
    /// The kind of a metric and what it says, once.
    fn metric(&mut self, name: &str, kind: &str, help: &str) {
        if !self.told.iter().any(|told| told == name) {
            self.told.push(name.to_owned());
            self.text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        }
    }

    fn line(&mut self, name: &str, labels: &str, value: f64) {
        let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        // A text takes everything.
        let _ = writeln!(self.text, "{name}{labels} {value}");
    }

    fn histogram(&mut self, name: &str, help: &str, labels: &str, of: &Histogram, bounds: &[f64; 10]) {
        self.metric(name, "histogram", help);
        let comma = if labels.is_empty() { "" } else { "," };
        for (bound, count) in bounds.iter().zip(of.counts) {
            self.line(&format!("{name}_bucket"), &format!("{labels}{comma}le=\"{bound}\""), count as f64);
        }
        self.line(&format!("{name}_bucket"), &format!("{labels}{comma}le=\"+Inf\""), of.count as f64);
        self.line(&format!("{name}_sum"), labels, of.sum);
        self.line(&format!("{name}_count"), labels, of.count as f64);
    }
}

/// The memory of this process that is in use; None where the system does not say.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_of_scores_is_that_of_five_minutes() {
        let chain = Chain::new(Vec::new()).unwrap();
        let mut figures = Figures::default();
        let mean = |figures: &Figures| {
            let scores = &figures.values["rows"].scores;
            let (count, sum) = scores.iter().fold((0, 0.0), |(n, s), (_, count, sum)| (n + count, s + sum));
            sum / f64::from(u32::try_from(count).unwrap())
        };
        figures.look(&chain, 0, 1_000_000);
        figures.row("rows", Some(0.2), None);
        figures.row("rows", Some(0.4), Some(0.35));
        assert!((mean(&figures) - 0.3).abs() < 1e-9);
        figures.look(&chain, 0, 1_000_000 + WINDOW_MS - PART_MS);
        figures.row("rows", Some(0.9), None);
        assert!((mean(&figures) - 0.5).abs() < 1e-9);
        figures.look(&chain, 0, 1_000_000 + WINDOW_MS + PART_MS);
        assert!((mean(&figures) - 0.9).abs() < 1e-9);
        assert_eq!(
            figures.values["rows"].affinity.as_ref().map(|of| of.counts),
            Some([0, 0, 0, 1, 1, 1, 1, 1, 1, 1])
        );
    }
}
