//! Imports over several shards: what one read holds, and what is left of an import that ends between its pieces (docs/shards.md,
//! "Batches, imports, lookups").
//!
//! `cargo test -p usher-tests --test imports`.

use usher_edge::Step;
use usher_edge::limits::{IMPORT_PIECE_ROWS, PART_BYTES_MAX};
use usher_edge::wire::Response;
use usher_tests::bed::Bed;

/// Columns of the batch records.
const COLUMNS: usize = 200;

fn bed(shards: u32) -> Bed {
    let columns: String = (0..COLUMNS).map(|column| {
        format!(r#"{{"name": "c{column}", "kind": {{"batch": {{"column": "c{column}"}}}}, "sensitive": false}},"#)
    }).collect();
    let bundle = format!(
        r#"{{"format": 2, "definition": {{"audience": {{"id": "1069944"}},
        "key_events": [{{"name": "view", "table": {{"database": "web", "table": "pages"}}}}],
        "attributes": [{columns}
            {{"name": "views", "kind": {{"counter": {{"key_event": "view", "increment": {{"column": "n"}}}}}}, "sensitive": false}}],
        "identity": {{"keys": [{{"name": "a"}}, {{"name": "b"}}], "lookup_key": "a"}},
        "personalizations": [{{"name": "home", "choice": "first", "sections": [
            {{"name": "All", "criteria": "", "outputs": [
                {{"name": "views", "source": {{"attribute": {{"name": "views", "part": null}}}}}}]}}]}}]}}}}"#
    );
    Bed::running(shards, bundle.as_bytes(), "/web/pages")
}

/// Sends an import; its number is that of its answer.
fn send(bed: &mut Bed, rows: &str) -> usize {
    match bed.front("POST", "/v1/audiences/1069944/profiles/import", "server", rows.as_bytes()) {
        Step::Write { shard, message } => bed.shards.send(shard, message),
        other => panic!("an import is for a writer: {other:?}"),
    }
}

fn text(answer: Option<&Response>) -> String {
    let answer = answer.expect("answered");
    format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body))
}

/// Sends an import, and delivers everything; status and body.
fn import(bed: &mut Bed, rows: &str) -> String {
    let number = send(bed, rows);
    bed.shards.settle();
    text(bed.shards.answer(number))
}

/// So many values of the key whose home is this shard.
fn values_in(bed: &mut Bed, shard: u32, count: usize) -> Vec<String> {
    let values: Vec<String> = (0..count * 20).map(|number| format!("a{number}")).collect();
    let here: Vec<String> = values.into_iter().filter(|value| bed.home("a", value) == shard).collect();
    here.into_iter().take(count).collect()
}

/// Profiles of a hundred kilobytes each, all in one shard: no read has more of them than fit a part, and every row is imported.
#[test]
fn a_read_of_an_import_has_no_more_than_a_part() {
    let mut bed = bed(2);
    let values = values_in(&mut bed, 1, 60);
    let long = "x".repeat(480);
    let columns: String = (0..COLUMNS).map(|column| format!(", \"c{column}\": \"{long}\"")).collect();
    for value in &values {
        let answer = import(&mut bed, &format!("{{\"a\": \"{value}\"{columns}}}"));
        assert!(answer.starts_with(r#"200 {"imported":1,"unchanged":0,"values_refused":0,"#), "{answer}");
    }
    bed.shards.most_read = 0;
    let patches: String =
        values.iter().map(|value| format!("{{\"a\": \"{value}\", \"c0\": \"gold\"}}\n")).collect();
    let rows = format!("[]\n{patches}");
    let answer = import(&mut bed, &rows);
    assert!(answer.starts_with(r#"200 {"imported":60,"unchanged":0,"values_refused":0,"refused":[],"rejected_count":1,"rejected":[{"line":1,"#), "{answer}");
    let most = bed.shards.most_read;
    assert!(most > PART_BYTES_MAX / 2 && most <= PART_BYTES_MAX, "{most} bytes were read at once");
}

/// Shards end between the pieces of an import, at each of its steps: its caller hears of a failure, what was stored stays, and the
/// same import sent again stores the rest and nothing twice.
#[test]
fn an_import_that_ends_between_its_pieces_is_sent_again() {
    let rows_of_each = IMPORT_PIECE_ROWS + 100;
    let mut cut_short = 0;
    for steps in [2, 3, 5, 8] {
        let mut bed = bed(3);
        let values: Vec<String> = (0..rows_of_each * 3).map(|number| format!("a{number}")).collect();
        // Every third is known, half of these by an older profile in another shard.
        for (number, value) in values.iter().enumerate().step_by(99) {
            if number % 2 == 0 {
                bed.tell(&format!(r#"{{"b": "b{number}", "uuid": "0{number}", "n": 1}}"#));
                bed.shards.now_ms += 1;
            }
            bed.tell(&format!(r#"{{"a": "{value}", "b": "b{number}", "uuid": "{number}", "n": 2}}"#));
        }
        let rows: String =
            values.iter().map(|value| format!("{{\"a\": \"{value}\", \"c0\": \"gold\"}}\n")).collect();
        let number = send(&mut bed, &rows);
        for _ in 0..steps {
            bed.shards.step(0);
        }
        (0..3).for_each(|shard| bed.shards.crash(shard));
        bed.shards.queue.clear();
        bed.shards.settle();
        let answer = text(bed.shards.answer(number));
        cut_short += usize::from(answer.starts_with("503"));
        let answer = import(&mut bed, &rows);
        let count = |name: &str| -> usize {
            let (_, rest) = answer.split_once(&format!("\"{name}\":")).expect("a count");
            rest[..rest.find(',').expect("an end")].parse().expect("a number")
        };
        assert_eq!(count("imported") + count("unchanged"), values.len(), "{steps} steps: {answer}");
        assert!(count("rejected_count") == 0 && count("imported") > 0, "{steps} steps: {answer}");
        let keys: Vec<(&str, &str)> = values.iter().map(|value| ("a", value.as_str())).collect();
        assert_eq!(bed.profiles(&keys).len(), values.len(), "{steps} steps: one profile for each key");
        for (number, value) in values.iter().enumerate().step_by(99) {
            assert_eq!(
                bed.views("a", value),
                Some(if number % 2 == 0 { 3 } else { 2 }),
                "{steps} steps: {value}"
            );
        }
    }
    assert!(cut_short > 1, "{cut_short} imports were cut short");
}
