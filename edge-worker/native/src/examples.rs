//! Examples of a definition, played by the service itself: what does not come out as it says, and why, in words.

use serde_json::Value;
use usher_edge::{Excess, Failed, Rehearsal};
use usher_engine::Plan;
use usher_engine::definition::{Definition, Example};
use usher_engine::diagnostic::{Code, Diagnostic};
use usher_engine::limits::EXAMPLE_EVENT_BYTES_MAX;
use usher_engine::value::Value as EngineValue;

/// The findings of examples that fail. A definition that does not compile has findings of its own.
pub(crate) fn play(definition: &Definition, examples: &[Example]) -> Vec<Diagnostic> {
    if examples.is_empty() {
        return Vec::new();
    }
    let Ok(plan) = Plan::compile(definition) else { return Vec::new() };
    let rehearsal = Rehearsal::new(plan);
    if let Some(excess) = rehearsal.excess(examples) {
        return vec![beyond(excess, examples)];
    }
    let mut findings = Vec::new();
    for (index, example) in examples.iter().enumerate() {
        let Some(failed) = rehearsal.failure(example) else { continue };
        let explanation = rehearsal.explanation(example);
        let explanation = explanation.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        findings.push(finding(index, example, &failed, &explanation.unwrap_or(Value::Null)));
    }
    findings
}

/// None of them is played then: it could take for ever.
fn beyond(excess: Excess, examples: &[Example]) -> Diagnostic {
    let (index, message, help) = match excess {
        Excess::Bytes(index) => (
            index,
            format!("an event, a record or the inputs are over {EXAMPLE_EVENT_BYTES_MAX} bytes"),
            "keep the columns that the definition looks at",
        ),
        Excess::Work(index) => (
            index,
            "with this one, examples are more work than an edge takes on before it runs a bundle".to_owned(),
            "use fewer events, shorter texts where filters have regular expressions, or fewer examples",
        ),
    };
    let name = examples.get(index).map_or("", |example| example.name.as_str());
    Diagnostic::new(Code::OverBound, format!("example `{name}`: {message}"))
        .at(format!("examples[{index}]"))
        .help(help)
}

fn finding(index: usize, example: &Example, failed: &Failed, explanation: &Value) -> Diagnostic {
    let whole = format!("examples[{index}]");
    let name = &example.name;
    let (path, message, help) = match failed {
        Failed::Unplayable(why) => (whole, format!("example `{name}` cannot be played: {why}"), None),
        Failed::Sections(found) => {
            let wanted: Vec<&str> = example.expect.iter().map(|one| one.section.as_str()).collect();
            let got: Vec<&str> = found.iter().map(String::as_str).collect();
            let message = format!("example `{name}`: expected {}, got {}", list(&wanted), list(&got));
            (format!("{whole}.expect"), message, why(&wanted, &got, explanation))
        }
        Failed::Attribute { section, name: output, expected, found } => {
            let at = example.expect.iter().position(|one| one.section == *section).unwrap_or(0);
            let message = format!(
                "example `{name}`: expected `{output}` of `{section}` to be {}, got {}",
                written(expected),
                written(found)
            );
            (format!("{whole}.expect[{at}].attributes"), message, None)
        }
    };
    let diagnostic = Diagnostic::new(Code::FailedExample, message).at(path);
    match help {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

/// The reason for the first section that should have answered and did not, or that did and should not have.
fn why(wanted: &[&str], got: &[&str], explanation: &Value) -> Option<String> {
    let missing = wanted.iter().find(|name| !got.contains(name));
    let section = missing.or_else(|| got.iter().find(|name| !wanted.contains(name)))?;
    let personalizations = explanation["personalizations"].as_array()?;
    let sections = personalizations.iter().filter_map(|one| one["sections"].as_array()).flatten();
    let Some(trace) = sections.into_iter().find(|trace| trace["name"] == **section) else {
        return Some(format!(
            "`{section}` was not asked: its personalization is not triggered by this event"
        ));
    };
    let result = trace["result"].as_str().unwrap_or_default().replace('_', " ");
    if let Some(reason) = trace["reason"].as_str() {
        return Some(format!("`{section}` is {result}: {reason}"));
    }
    let criteria = &trace["criteria"];
    Some(match decisive(criteria) {
        Some(part) => {
            let seen = part["seen"].as_array().map(Vec::as_slice).unwrap_or_default();
            let seen: String = seen.iter().map(|seen| format!("; {}", observed(seen))).collect();
            let result = part["result"].as_str().unwrap_or_default().replace('_', " ");
            let text = part["text"].as_str().filter(|text| !text.is_empty()).unwrap_or("always");
            format!("`{section}`: `{text}` is {result}{seen}")
        }
        None => format!("`{section}` is {result}"),
    })
}

/// The innermost condition that decides as the whole does.
fn decisive(condition: &Value) -> Option<&Value> {
    let result = condition.get("result")?;
    let parts = condition["parts"].as_array().map(Vec::as_slice).unwrap_or_default();
    let alike = parts.iter().find(|part| part["result"] == *result);
    alike.and_then(decisive).or(Some(condition))
}

fn observed(seen: &Value) -> String {
    let name = seen["name"].as_str().unwrap_or_default();
    match seen.get("value") {
        _ if seen["redacted"] == true => format!("{name} is withheld"),
        None | Some(Value::Null) => format!("{name} is missing"),
        Some(value) => format!("{name} is {value}"),
    }
}

fn list(names: &[&str]) -> String {
    if names.is_empty() {
        return "no section".to_owned();
    }
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn written(value: &EngineValue) -> String {
    match value {
        EngineValue::Null => "missing".to_owned(),
        value => serde_json::to_string(value).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use usher_config::{Source, check, codes};

    use super::*;

    #[test]
    fn the_page_of_the_code_is_true() {
        let page = codes::page(Code::FailedExample).unwrap();
        let mut failed = page.text.split("\n```").skip(1).step_by(2).map(|block| {
            let (_, text) = block.split_once('\n').unwrap();
            let reading = check(&[Source { name: "page.yaml".to_owned(), text: format!("{text}\n") }]);
            assert_eq!((reading.findings.len(), reading.examples.len()), (0, 1), "{:?}", reading.findings);
            play(&reading.definition, &reading.examples).len()
        });
        assert_eq!((failed.next(), failed.next(), failed.next()), (Some(1), Some(0), None));
    }

    #[test]
    fn more_than_an_edge_plays_is_told_by_its_place_and_not_played() {
        let attributes: String = (0..600)
            .map(|index| {
                format!("  - {{name: a{index}, type: single, source_event: view, source_field: c, aggregation: sum, sensitivity: non-sensitive}}\n")
            })
            .collect();
        let events = vec!["{table: web.pages, at: -1h, columns: {id: a, c: 1}}"; 50].join(", ");
        let text = |examples: usize| {
            let examples: String = (0..examples)
                .map(|index| format!("  - {{name: e{index}, events: [{events}], lookup: {{id: a}}, personalization: p, expect: [s]}}\n"))
                .collect();
            format!(
                "parent_segment_id: '7'\nevents:\n  - {{name: view, database: web, table: pages}}\nattributes:\n{attributes}id_stitching:\n  primary_key: id\n  stitching_keys: [{{name: id}}]\nexamples:\n{examples}---\nparent_segment_id: '7'\nservice_name: p\nsections:\n  - {{name: s, criteria: {{operator: ALWAYS}}, outputs: [{{attribute: a0}}]}}\n"
            )
        };
        for (examples, expected) in [(1, None), (7, Some("examples[6]"))] {
            let reading = check(&[Source { name: "page.yaml".to_owned(), text: text(examples) }]);
            assert_eq!(reading.examples.len(), examples, "{:?}", reading.findings);
            let found = play(&reading.definition, &reading.examples);
            let places: Vec<_> = found.iter().map(|one| (one.code, one.path.as_str())).collect();
            assert_eq!(places, expected.map(|path| (Code::OverBound, path)).into_iter().collect::<Vec<_>>());
        }
    }
}
