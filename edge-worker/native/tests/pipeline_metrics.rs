//! `usher pipeline run` over files and a pipe that stays open: its figures, and the times of its events.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bed;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bed::{Directory, command, page, run, text};

/// The time after which something that should come does not come any more.
const DEADLINE: Duration = Duration::from_secs(120);

const PIPELINE: &str = "
name: scored
query: |
  SELECT c.event_id, c.score AS recommendation_score, c.affinity AS category_affinity, p.category FROM clicks c
  LEFT JOIN products p ON c.product = p.product WHERE c.kind = 'view'
output: {topic: rows, format: json}
state: {events: {default_ttl: 1h}, dimensions: [products]}
";

/// Two rows, one of them joined; a copy, an event that WHERE drops and that met no row, and a line that is no JSON.
const EVENTS: &str = "
{\"event_id\": \"e1\", \"kind\": \"view\", \"product\": \"p1\", \"score\": 0.5, \"affinity\": 0.25}
{\"event_id\": \"e1\", \"kind\": \"view\", \"product\": \"p1\", \"score\": 0.5, \"affinity\": 0.25}
{\"event_id\": \"e2\", \"kind\": \"view\", \"product\": \"p2\", \"score\": 1, \"affinity\": 0.95}
{\"event_id\": \"e3\", \"kind\": \"scroll\"}
{\"event_id\":
";

/// The lines that the page has for them.
const FIGURES: &str = "
usher_pipeline_events_total{pipeline=\"scored\"} 4
kaflowsql_events_processed_total{pipeline=\"scored\"} 4
usher_pipeline_rows_total{pipeline=\"scored\"} 2
usher_pipeline_duplicates_total{pipeline=\"scored\"} 1
usher_pipeline_filtered_total{pipeline=\"scored\"} 1
usher_pipeline_undated_total{pipeline=\"scored\"} 4
usher_pipeline_refused_total 1
usher_pipeline_held{pipeline=\"scored\"} 0
usher_pipeline_ids{pipeline=\"scored\"} 2
usher_pipeline_rows{pipeline=\"scored\",source=\"products\"} 1
kaflowsql_state_entries_total{pipeline=\"scored\"} 3
join_hit_rate{pipeline=\"scored\",source=\"products\"} 0.3333333333333333
kaflowsql_join_hit_rate{pipeline=\"scored\",source=\"products\"} 0.3333333333333333
kaflowsql_join_success_rate{pipeline=\"scored\"} 0.3333333333333333
personalization_score_avg{pipeline=\"scored\"} 0.75
category_affinity_histogram_bucket{pipeline=\"scored\",le=\"0.2\"} 0
category_affinity_histogram_bucket{pipeline=\"scored\",le=\"0.3\"} 1
category_affinity_histogram_bucket{pipeline=\"scored\",le=\"1\"} 2
category_affinity_histogram_bucket{pipeline=\"scored\",le=\"+Inf\"} 2
category_affinity_histogram_sum{pipeline=\"scored\"} 1.2
category_affinity_histogram_count{pipeline=\"scored\"} 2
kaflowsql_processing_duration_histogram_count 6
usher_pipeline_processing_seconds_count 6
";

#[test]
fn figures_of_a_run_are_shown_while_it_runs() {
    let directory = Directory::new();
    let pipeline = directory.write("p.yaml", PIPELINE);
    let products = directory.write("products", "{\"product\": \"p1\", \"category\": \"c\"}\n");
    let input = format!("products={}", products.display());
    let args = ["pipeline", "run", text(&pipeline), "--input", &input, "--metrics=127.0.0.1:0"];
    let piped = || Stdio::piped();
    let mut child = command(&args).stdin(piped()).stdout(piped()).stderr(piped()).spawn().unwrap();
    let (mut said, mut address) = (BufReader::new(child.stderr.take().unwrap()), String::new());
    said.read_line(&mut address).unwrap();
    let address = address.trim().trim_start_matches("metrics at ");
    let mut events = child.stdin.take().unwrap();
    events.write_all(EVENTS.trim_start().as_bytes()).unwrap();
    let since = Instant::now();
    let lacks = loop {
        let found = page(address);
        assert_eq!(found.status, 200);
        assert_eq!(found.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        let lines: Vec<&str> = found.text.lines().collect();
        let lacks: Vec<&str> =
            FIGURES.lines().filter(|line| !line.is_empty() && !lines.contains(line)).collect();
        if lacks.is_empty() || since.elapsed() > DEADLINE {
            break format!("{lacks:#?} of\n{}", found.text);
        }
        thread::sleep(Duration::from_millis(50));
    };
    assert!(lacks.starts_with("[]"), "{lacks}");
    assert_eq!(page(&address.replace("/metrics", "/")).status, 404);
    drop(events);
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    // The refused line has no file.
    assert_eq!(child.wait().unwrap().code(), Some(1), "{rest}");
}

#[test]
fn an_event_of_a_pipe_may_be_younger_than_the_run() {
    let directory = Directory::new();
    let query = "SELECT c.event_id FROM clicks c";
    let pipeline =
        directory.write("p.yaml", format!("name: p\nquery: {query}\noutput: {{topic: o, format: json}}\n"));
    let args = ["pipeline", "run", text(&pipeline)];
    let mut child =
        command(&args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut events = child.stdin.take().unwrap();
    let mut rows = BufReader::new(child.stdout.take().unwrap());
    let mut row = String::new();
    // With the first row the run has begun, and the second event is younger.
    for number in 1..=2 {
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        writeln!(events, "{{\"event_id\": \"e{number}\", \"time\": {now_ms}}}").unwrap();
        rows.read_line(&mut row).unwrap();
        thread::sleep(Duration::from_millis(2));
    }
    drop(events);
    assert_eq!(row, "{\"event_id\":\"e1\"}\n{\"event_id\":\"e2\"}\n");
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said.lines().next(), Some("p: 2 rows of 2 events"), "no event is dated by its arrival");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn an_address_that_is_taken_is_an_error() {
    let directory = Directory::new();
    let pipeline = directory
        .write("p.yaml", "name: p\nquery: SELECT c.event_id FROM c\noutput: {topic: o, format: json}\n");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let held = std::net::TcpListener::bind(taken).unwrap();
    let ended = run(&mut command(&["pipeline", "run", text(&pipeline), &format!("--metrics={taken}")]), "");
    assert_eq!((ended.code, &*ended.out), (1, ""), "{ended:?}");
    assert!(ended.err.contains(&format!("cannot listen at {taken} for --metrics")), "{ended:?}");
    drop(held);
}
