//! Reading ends soon for every file: files at the bound, of the kinds that cost most.

use std::time::{Duration, Instant};

use usher_config::{Source, check};
use usher_engine::diagnostic::Code;

/// Far above what any of them takes, even unoptimized on a busy machine; quadratic work would take minutes.
const SOON: Duration = Duration::from_secs(20);

#[test]
fn the_worst_files_end_soon() {
    // One size stays below the bound on nodes, so that all of it is lowered; the other is at that on bytes.
    for size in [200_000, 1_000_000] {
        check_all(size);
    }
}

fn check_all(size: usize) {
    let fill = |head: &str, piece: &dyn Fn(usize) -> String, tail: &str| {
        let mut text = head.to_owned();
        let mut at = 0;
        while text.len() < size {
            text.push_str(&piece(at));
            at += 1;
        }
        text + tail
    };
    let service =
        "parent_segment_id: '1'\nservice_name: s\nsections:\n- name: a\n  criteria: {operator: ALWAYS}\n";
    let files = [
        ("unknown.yaml", fill("events:\n", &|at| format!("- {{naem{at}: a, tabel{at}: b}}\n"), "")),
        ("events.yaml", fill("events:\n", &|at| format!("- {{name: e{at}, database: a, table: b}}\n"), "")),
        (
            "attributes.yaml",
            fill(
                "attributes:\n",
                &|at| format!("- {{name: a{at}, type: single, source_event: e{at}, source_field: b}}\n"),
                "",
            ),
        ),
        (
            "outputs.yaml",
            fill(&format!("{service}  outputs:\n"), &|at| format!("  - attribute: a{at}\n"), ""),
        ),
        ("segments.yaml", fill(&format!("{service}  batch_segments:\n"), &|at| format!("  - s{at}\n"), "")),
        ("duplicate.json", fill("{\"events\":[", &|_| "{\"a\":1,\"a\":2},".to_owned(), "{}]}")),
        ("line.json", fill("{\"events\":[", &|at| format!("{{\"é{at}\":{at}}},"), "{}]}")),
        ("quotes.yaml", fill("a: 'x", &|_| "''".to_owned(), "'")),
        ("blanks.yaml", fill("a:", &|_| " \n".to_owned(), "")),
        ("keys.yaml", fill("", &|at| format!("k{at}: &a{at} *a{at}\n"), "")),
        ("questions.yaml", fill("", &|_| "? ".to_owned(), "")),
        ("flow.yaml", fill("[", &|_| "a: b, ".to_owned(), "]")),
        (
            "text.yaml",
            fill("personalization_service: {sections: [{criteria: \"", &|_| "a = 1 AND ".to_owned(), "\"}]}"),
        ),
    ];
    for (name, text) in files {
        let start = Instant::now();
        let reading = check(&[Source { name: name.to_owned(), text }]);
        assert!(reading.has_errors(), "{name}");
        assert!(start.elapsed() < SOON, "{name} took {:?}", start.elapsed());
        println!("{name} {:?} {}", start.elapsed(), reading.findings.len());
    }
}

#[test]
fn a_file_over_the_bound_is_said_to_be() {
    for (length, over) in [(1024 * 1024, false), (1024 * 1024 + 1, true)] {
        let text = "#".repeat(length);
        let reading = check(&[Source { name: "a.yaml".to_owned(), text }]);
        assert_eq!(reading.findings[0].diagnostic.code == Code::OverBound, over);
    }
}

#[test]
fn documents_nest_to_the_bound_and_no_further() {
    for (depth, over) in [(64, false), (65, true)] {
        let text = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        for name in ["a.json", "a.yaml"] {
            let reading = check(&[Source { name: name.to_owned(), text: text.clone() }]);
            assert_eq!(reading.findings[0].diagnostic.code == Code::OverBound, over, "{name} {depth}");
        }
    }
}
