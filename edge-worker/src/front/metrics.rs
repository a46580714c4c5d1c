//! `GET /metrics`: what this process counts, as Prometheus reads it.

use std::fmt::Write;

use super::checked_head::CheckedHead;
use crate::edge::Edge;
use crate::error::{Refusal, Refused, Result};
use crate::host::Step;
use crate::metrics::{AGES_MS, COMPUTED_US, DURATIONS_US, Histogram, METRICS, Metrics, STATUSES};
use crate::wire::Response;

/// Counters, histograms, and the state that `/healthz` tells.
pub(super) fn metrics(edge: &Edge, checked: &CheckedHead<'_>, _: &[u8]) -> Result<Step> {
    let Some(metrics) = &edge.metrics else {
        let detail = "this host keeps no counts: docs/operate.md says where they are";
        return Err(Refused::with_detail(Refusal::NOT_FOUND, detail));
    };
    let mut text = Text::default();
    text.begin("usher_build_info", "gauge", "The running build, and the form in which it writes.");
    let form = edge.form().number();
    text.sample(
        "usher_build_info",
        &format!("version=\"{}\",form=\"{form}\"", env!("CARGO_PKG_VERSION")),
        "1",
    );
    text.begin("usher_bundle_number", "gauge", "The number of the bundle that an audience runs.");
    for (audience, running) in edge.all_running().filter(|(audience, _)| checked.caller.covers(audience)) {
        // An audience's id has no letter that would need an escape.
        text.sample("usher_bundle_number", &format!("audience=\"{audience}\""), &running.number.to_string());
    }
    text.begin("usher_degraded", "gauge", "1 while a bundle cannot run, or a setting does not hold.");
    text.sample("usher_degraded", "", if edge.is_degraded() { "1" } else { "0" });
    write(&mut text, metrics);
    let body = text.0.into_bytes();
    Ok(Step::Respond(Response::typed(200, "text/plain; version=0.0.4; charset=utf-8", body)))
}

fn write(text: &mut Text, metrics: &Metrics) {
    text.begin("usher_answers_total", "counter", "Answers by HTTP status; 429 is a rate that was used up.");
    for (place, count) in metrics.statuses.iter().enumerate() {
        let status = STATUSES.get(place).map_or_else(|| "other".to_owned(), u16::to_string);
        text.sample("usher_answers_total", &format!("status=\"{status}\""), &count.to_string());
    }
    for (name, help, series) in METRICS {
        text.begin(name, "counter", help);
        for (count, label, value) in *series {
            let labels = if label.is_empty() { String::new() } else { format!("{label}=\"{value}\"") };
            text.sample(name, &labels, &metrics.of(*count).to_string());
        }
    }
    let name = "usher_request_duration_seconds";
    text.begin(name, "histogram", "Time from the arrival of a request's head to its answer, by route.");
    for ((method, path), durations) in &metrics.durations {
        let label = format!("route=\"{method} {path}\"");
        text.histogram(name, &label, &DURATIONS_US, 1_000_000, &durations.whole);
    }
    let name = "usher_computing_duration_seconds";
    text.begin(
        name,
        "histogram",
        "Time of it in which the service computed, without waiting, storage and the network, by route.",
    );
    for ((method, path), durations) in &metrics.durations {
        let label = format!("route=\"{method} {path}\"");
        text.histogram(name, &label, &COMPUTED_US, 1_000_000, &durations.computing);
    }
    let (open, oldest_ms) = metrics.merges;
    text.begin("usher_open_merges", "gauge", "Merges that are under way between shards.");
    text.sample("usher_open_merges", "", &open.to_string());
    text.begin("usher_oldest_merge_seconds", "gauge", "Age of the oldest of them; 0 without any.");
    text.sample("usher_oldest_merge_seconds", "", &(oldest_ms as f64 / 1_000.0).to_string());
    let (waiting, oldest_ms, parked) = metrics.activations;
    text.begin("usher_activations_waiting", "gauge", "Activations that are not delivered yet.");
    text.sample("usher_activations_waiting", "", &waiting.to_string());
    text.begin("usher_oldest_activation_seconds", "gauge", "Age of the oldest of them; 0 without any.");
    text.sample("usher_oldest_activation_seconds", "", &(oldest_ms as f64 / 1_000.0).to_string());
    text.begin("usher_activations_parked", "gauge", "Activations that nobody tries to deliver any more.");
    text.sample("usher_activations_parked", "", &parked.to_string());
    let name = "usher_snapshot_age_seconds";
    text.begin(name, "histogram", "Age of the snapshot of a known visitor that answered a lookup.");
    text.histogram(name, "", &AGES_MS, 1_000, &metrics.ages);
}

/// A page in Prometheus' text format.
#[derive(Default)]
struct Text(String);

impl Text {
    fn begin(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &str, value: &str) {
        let _ = match labels {
            "" => writeln!(self.0, "{name} {value}"),
            labels => writeln!(self.0, "{name}{{{labels}}} {value}"),
        };
    }

    /// The ends are in parts of a second, of which it has `parts`.
    fn histogram<const N: usize>(
        &mut self,
        name: &str,
        label: &str,
        ends: &[u64; N],
        parts: u64,
        histogram: &Histogram<N>,
    ) {
        let seconds = |value: u64| value as f64 / parts as f64;
        let comma = if label.is_empty() { "" } else { "," };
        let mut below = 0;
        for (end, count) in ends.iter().zip(&histogram.buckets) {
            below += count;
            let labels = format!("{label}{comma}le=\"{}\"", seconds(*end));
            self.sample(&format!("{name}_bucket"), &labels, &below.to_string());
        }
        let all = histogram.count().to_string();
        self.sample(&format!("{name}_bucket"), &format!("{label}{comma}le=\"+Inf\""), &all);
        self.sample(&format!("{name}_sum"), label, &seconds(histogram.sum).to_string());
        self.sample(&format!("{name}_count"), label, &all);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::front;
    use crate::host::Request;
    use crate::message::Ambient;
    use crate::metrics::Took;
    use crate::store::memory::MemoryStore;
    use crate::wire::hex::hex;
    use sha2::{Digest, Sha256};

    /// Texts that were sent besides, and must not be seen.
    const SECRETS: [&str; 4] = ["admin-key", "write-key", "anna@example.com", "shop-of-anna"];

    fn edge() -> Edge {
        let hash = |key: &str| hex(&Sha256::digest(key.as_bytes()));
        let secret = format!(
            r#"{{"signing_key":"{}","keys":[{{"kind":"admin","sha256":"{}","audience":"*"}},
                {{"kind":"write","sha256":"{}","audience":"7"}},
                {{"kind":"server","sha256":"{}","audience":"7","scopes":["personalize"]}}]}}"#,
            "07".repeat(32),
            hash("admin-key"),
            hash("write-key"),
            hash("server-key"),
        );
        let mut edge = Edge::new(Some(&secret), false);
        edge.keep_metrics();
        edge
    }

    fn ask(
        edge: &mut Edge,
        store: &mut MemoryStore,
        key: &str,
        method: &str,
        target: &str,
        body: &str,
    ) -> String {
        let headers = [("authorization".to_owned(), format!("TD1 {key}"))];
        let ambient = Ambient { now_ms: 1_790_000_000_000, entropy: [7; 32] };
        let request = Request { method, target, headers: &headers, body: body.as_bytes(), ambient };
        let answer = crate::serve(edge, store, &request, &mut |_| ());
        front::count(edge, &request.head(), &answer, Took { whole_us: 700, computing_us: 90 });
        String::from_utf8(answer.body).unwrap()
    }

    fn page() -> String {
        let (mut edge, mut store) = (edge(), MemoryStore::default());
        let mut ask = |key, method, target, body: &str| ask(&mut edge, &mut store, key, method, target, body);
        let bundle = r#"{"format":2,"definition":{"audience":{"id":"7"},
            "key_events":[{"name":"view","table":{"database":"web","table":"pages"}}],
            "attributes":[{"name":"n","sensitive":false,"kind":{"single":{"key_event":"view","column":"n","aggregation":"sum"}}}],
            "identity":{"placeholder_list":1,"keys":[{"name":"email"}]},
            "personalizations":[{"name":"home","choice":"first","sections":[{"name":"A","criteria":"","segments":["s"]}]}]}}"#;
        ask("admin-key", "PUT", "/v1/audiences/7/bundle", bundle);
        let events = r#"{"events":[{"email":"anna@example.com","event_id":"1"},{"email":"anna@example.com","event_id":"1"},
            {"shop":"shop-of-anna"},{"email":"anna@example.com","n":"many","event_id":"2"},7,{"email":"undefined"}]}"#;
        ask("write-key", "POST", "/web/pages", events);
        let lookup =
            r#"{"audience":"7","personalization":"home","key":{"name":"email","value":"anna@example.com"}}"#;
        ask("server-key", "POST", "/v1/personalize", lookup);
        ask("server-key", "POST", "/v1/personalize?anna@example.com", "{");
        ask("server-key", "GET", "/shop-of-anna", "");
        ask("admin-key", "GET", "/metrics", "")
    }

    #[test]
    fn each_thing_is_counted_once() {
        let page = page();
        for line in [
            "usher_bundle_number{audience=\"7\"} 1",
            "usher_degraded 0",
            "usher_answers_total{status=\"200\"} 3",
            "usher_answers_total{status=\"400\"} 1",
            "usher_answers_total{status=\"404\"} 1",
            "usher_decisions_total{reason=\"default\"} 1",
            "usher_decisions_total{reason=\"targeting_match\"} 0",
            "usher_events_total{result=\"accepted\"} 2",
            "usher_events_total{result=\"duplicate\"} 1",
            "usher_events_total{result=\"not_stored\"} 2",
            "usher_events_total{result=\"invalid\"} 1",
            "usher_snapshots_total{source=\"writer\"} 1",
            "usher_snapshot_age_seconds_count 1",
            "usher_refused_total{part=\"key\"} 1",
            "usher_refused_total{part=\"value\"} 1",
            "usher_request_duration_seconds_bucket{route=\"POST /v1/personalize\",le=\"0.0005\"} 0",
            "usher_request_duration_seconds_bucket{route=\"POST /v1/personalize\",le=\"0.001\"} 2",
            "usher_request_duration_seconds_bucket{route=\"POST /v1/personalize\",le=\"+Inf\"} 2",
            "usher_request_duration_seconds_sum{route=\"POST /v1/personalize\"} 0.0014",
            "usher_request_duration_seconds_count{route=\"POST /{database}/{table}\"} 1",
            "usher_computing_duration_seconds_bucket{route=\"POST /v1/personalize\",le=\"0.00005\"} 0",
            "usher_computing_duration_seconds_bucket{route=\"POST /v1/personalize\",le=\"0.0001\"} 2",
            "usher_computing_duration_seconds_sum{route=\"POST /v1/personalize\"} 0.00018",
            "usher_open_merges 0",
            "usher_oldest_merge_seconds 0",
            "usher_store_errors_total 0",
        ] {
            assert!(page.lines().any(|known| known == line), "{line} in\n{page}");
        }
    }

    #[test]
    fn no_label_is_a_word_of_a_caller() {
        let page = page();
        for secret in SECRETS {
            assert!(!page.contains(secret), "{secret} in\n{page}");
        }
    }

    #[test]
    fn the_page_of_operators_lists_every_metric_and_label() {
        let document = include_str!("../../../docs/operate.md");
        let (_, table) = document.split_once("| metric | labels | counts |\n|---|---|---|\n").unwrap();
        let rows: Vec<&str> = table.split("\n\n").next().unwrap().lines().collect();
        let page = page();
        let named = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
        let known: BTreeSet<&str> = named.collect();
        let listed: BTreeSet<&str> = rows.iter().filter_map(|row| row.split('`').nth(1)).collect();
        assert_eq!(known, listed);
        for (name, _, series) in METRICS {
            let row = rows.iter().find(|row| row.starts_with(&format!("| `{name}` |"))).unwrap();
            for (_, label, value) in series.iter().filter(|(_, label, _)| !label.is_empty()) {
                assert!(
                    row.contains(&format!("`{label}`")) && row.contains(&format!("`{value}`")),
                    "{name} {value}"
                );
            }
        }
    }

    #[test]
    fn a_host_that_keeps_none_says_so() {
        let mut edge = edge();
        edge.metrics = None;
        let answer = ask(&mut edge, &mut MemoryStore::default(), "admin-key", "GET", "/metrics", "");
        assert!(answer.contains("\"status\":404") && answer.contains("keeps no counts"), "{answer}");
    }
}
