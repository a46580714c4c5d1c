//! Every bound of a definition, at the bound and one past it: the one compiles, the other is said to be over.

use usher_config::{Source, check};
use usher_engine::diagnostic::{Code, Severity};
use usher_engine::limits;

const HEAD: &str = "parent_segment_id: '1'\n";

/// A definition with a list of so many items, and the bound on them.
type Counted = (&'static str, usize, fn(usize) -> String);

fn errors(text: &str) -> Vec<(Code, String)> {
    let sources = [Source { name: "definition.yaml".to_owned(), text: text.to_owned() }];
    let findings = check(&sources).findings.into_iter().map(|finding| finding.diagnostic);
    let errors = findings.filter(|finding| finding.severity() == Severity::Error);
    errors.map(|finding| (finding.code, finding.message)).collect()
}

fn each(count: usize, part: impl Fn(usize) -> String) -> String {
    (0..count).map(part).collect()
}

fn config(attributes: &str) -> String {
    format!("{HEAD}events:\n- {{name: e, database: web, table: pages}}\nattributes:\n{attributes}")
}

fn service(sections: &str) -> String {
    format!(
        "{}---\n{HEAD}service_name: s\nsections:\n{sections}",
        config("- {name: a, type: imported}\n- {name: n, type: imported, data_type: number}\n")
    )
}

fn criteria(text: &str) -> String {
    let config = config("- {name: a, type: imported}\n- {name: n, type: imported, data_type: number}\n");
    let section = format!("- {{name: x, criteria: \"{text}\", batch_segments: [s]}}");
    format!("{config}---\n{HEAD}personalization_service:\n  name: s\n  sections:\n  {section}\n")
}

fn body(attribute: &str) -> String {
    format!(
        "[{{audienceId: '1', name: e, databaseName: web, tableName: pages}}, {{name: a, realtimeKeyEventId: e, {attribute}}}]"
    )
}

const BOUNDS: [Counted; 18] = [
    ("attributes", limits::ATTRIBUTES_MAX, |n| {
        config(&each(n, |i| format!("- {{name: a{i}, type: imported}}\n")))
    }),
    ("key events", limits::KEY_EVENTS_MAX, |n| {
        let events = each(n, |i| format!("- {{name: e{i}, database: web, table: pages}}\n"));
        format!("{HEAD}events:\n{events}")
    }),
    ("event tables", limits::TABLES_MAX, |n| {
        let tables = each(n, |i| format!("- {{database: web, table: pages_{i}}}\n"));
        format!("{HEAD}events: []\nevent_tables:\n{tables}")
    }),
    ("stitching keys", limits::STITCH_KEYS_MAX, |n| {
        let keys = each(n, |i| format!("  - {{name: k{i}}}\n"));
        format!("{HEAD}id_stitching:\n  primary_key: k0\n  stitching_keys:\n{keys}")
    }),
    ("invalid texts", limits::INVALID_TEXTS_MAX, |n| {
        let texts = each(n, |i| format!("x{i}, "));
        format!(
            "{HEAD}id_stitching:\n  primary_key: k\n  stitching_keys: [{{name: k, invalid_texts: [{texts}]}}]\n"
        )
    }),
    ("inputs", limits::INPUTS_MAX, |n| {
        let inputs = each(n, |i| format!("- {{name: i{i}, type: string}}\n"));
        let section = "- {name: x, criteria: {operator: ALWAYS}, batch_segments: [s]}\n";
        format!("{HEAD}service_name: s\ninput_params:\n{inputs}sections:\n{section}")
    }),
    ("personalizations", limits::PERSONALIZATIONS_MAX, |n| {
        each(n, |i| {
            format!(
                "---\n{HEAD}service_name: s{i}\nsections:\n- {{name: x, criteria: {{operator: ALWAYS}}, batch_segments: [s]}}\n"
            )
        })
    }),
    ("sections", limits::SECTIONS_MAX, |n| {
        let sections = each(n, |i| format!("  - {{name: x{i}, criteria: '', attributes: [n]}}\n"));
        let config = config("- {name: n, type: imported, data_type: number}\n");
        format!("{config}---\n{HEAD}personalization_service:\n  name: s\n  sections:\n{sections}")
    }),
    ("outputs", limits::OUTPUTS_MAX, |n| {
        let outputs = each(n, |i| format!("  - {{name: o{i}, value: 1}}\n"));
        service(&format!("- name: x\n  criteria: {{operator: ALWAYS}}\n  outputs:\n{outputs}"))
    }),
    ("parts of a list", limits::PARTS_MAX, |n| {
        let parts = each(n, |i| format!("{{name: p{i}, column: c, aggregationType: sum}}, "));
        body(&format!("type: list, idColumn: c, aggregations: [{parts}]"))
    }),
    ("windows of a counter", limits::PARTS_MAX, |n| {
        let parts = each(n, |i| format!("{{name: p{i}, value: {}, unit: minute}}, ", i + 1));
        body(&format!("type: counter, duration: {{value: 1, unit: day}}, subDurations: [{parts}]"))
    }),
    ("actions of a list", limits::ACTIONS_MAX, |n| {
        let actions = each(n, |_| "{action: clear, realtimeKeyEventId: e}, ".to_owned());
        body(&format!("type: list, idColumn: c, actions: [{actions}]"))
    }),
    ("items of a list", limits::LIST_ITEMS_MAX as usize, |n| {
        config(&format!("- {{name: a, type: list, source_event: e, source_field: f, max_items: {n}}}\n"))
    }),
    ("values of an IN", limits::IN_VALUES_MAX, |n| {
        let values = each(n, |i| if i == 0 { "0".to_owned() } else { format!(",{i}") });
        criteria(&format!("n IN ({values})"))
    }),
    ("tests of a criterion", limits::CRITERIA_TESTS_MAX, |n| {
        let tests = each(n, |i| format!("{{attribute: n, operator: not_equals, value: {i}}}, "));
        service(&format!(
            "- name: x\n  criteria: {{operator: AND, conditions: [{tests}]}}\n  batch_segments: [s]\n"
        ))
    }),
    // A question is a level of its own.
    ("levels of a criterion", limits::CRITERIA_DEPTH_MAX, |n| {
        criteria(&format!("{}a = 'x'", "NOT ".repeat(n - 1)))
    }),
    ("bytes of a criterion", limits::CRITERIA_BYTES_MAX, |n| {
        let blanks = " ".repeat(n - "a = 'x'".len());
        criteria(&format!("a ={blanks} 'x'"))
    }),
    ("bytes of a pattern", limits::PATTERN_BYTES_MAX, |n| {
        criteria(&format!("a MATCHES '{}'", "x".repeat(n)))
    }),
];

#[test]
fn the_bound_is_allowed_and_one_more_is_not() {
    for (what, max, text) in BOUNDS {
        assert_eq!(errors(&text(max)), [], "{max} {what}");
        let over = errors(&text(max + 1));
        let codes = [Code::OverBound, Code::BadCriteria, Code::BadPattern];
        assert!(over.iter().any(|(code, _)| codes.contains(code)), "{} {what}: {over:?}", max + 1);
    }
}

#[test]
fn windows_and_durations_end_at_640_days() {
    let days = limits::WINDOW_MS_MAX / limits::DAY_MS;
    for written in [
        "type: single, source_event: e, source_field: f, duration: ",
        "type: list, source_event: e, source_field: f, duration: ",
        "type: counter, source_event: e, window_duration: ",
    ] {
        let text = |length: String| config(&format!("- {{name: a, {written}{length}}}\n"));
        assert_eq!(errors(&text(format!("{days}d"))), [], "{written}");
        assert_eq!(errors(&text(format!("{}m", days * 1_440))), [], "{written}");
        for over in [format!("{}d", days + 1), format!("{}m", days * 1_440 + 1), "0d".to_owned()] {
            let found = errors(&text(over.clone()));
            assert!(found.iter().all(|(code, _)| *code == Code::BadDuration), "{written}{over}: {found:?}");
            assert!(!found.is_empty(), "{written}{over}");
        }
    }
}

#[test]
fn many_warnings_are_no_error_and_hide_none() {
    let attributes = |n: usize| each(n, |i| format!("- {{name: a{i}, type: imported}}\n"));
    assert_eq!(errors(&config(&attributes(limits::ATTRIBUTES_MAX))), []);
    let unknown =
        "- {name: last, type: single, source_event: nowhere, source_field: f, sensitivity: sensitive}\n";
    let found = errors(&config(&(attributes(300) + unknown)));
    assert_eq!(found, [(Code::UnknownName, "Unknown event name `nowhere`".to_owned())]);
}
