//! Findings as SARIF 2.1.0, which code hosts show beside the lines.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use usher_engine::diagnostic::{Code, Severity};

use crate::codes;
use crate::source::{Finding, Location, Source};

/// The whole log. A finding without a place is put at the beginning of the first source, because hosts require one.
///
/// # Examples
///
/// ```
/// let text = "parent_segment_id: '1'\nevents:\n  - {name: view, database: web, tabel: pages}\n";
/// let sources = [usher_config::Source { name: "rt.yaml".to_owned(), text: text.to_owned() }];
/// let log = usher_config::sarif::log(&usher_config::read(&sources).findings, &sources);
/// assert_eq!(log["runs"][0]["results"][0]["ruleId"], "E003");
/// ```
pub fn log(findings: &[Finding], sources: &[Source]) -> Value {
    let raised: BTreeSet<Code> = findings.iter().map(|finding| finding.diagnostic.code).collect();
    let rules: Vec<Value> = raised.iter().filter_map(|code| codes::page(*code)).map(rule).collect();
    let first = sources.first().map(|source| source.name.as_str());
    let results: Vec<Value> = findings.iter().map(|finding| result(finding, &raised, first)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "usher", "semanticVersion": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(page: codes::Page) -> Value {
    let meaning = page.text.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    json!({
        "id": page.code.as_str(),
        "name": format!("{:?}", page.code),
        "shortDescription": {"text": page.title},
        "help": {"text": meaning, "markdown": page.text},
        "defaultConfiguration": {"level": level(page.code.severity())},
    })
}

fn result(finding: &Finding, raised: &BTreeSet<Code>, first: Option<&str>) -> Value {
    let diagnostic = &finding.diagnostic;
    let mut message = diagnostic.message.clone();
    if let Some(help) = &diagnostic.help {
        message.push_str(&format!("\n{help}"));
    }
    let location = match (&finding.place, first) {
        (Some(Location { file, line, column, length }), _) => {
            let region = json!({"startLine": line, "startColumn": column, "endColumn": column + length});
            Some(location(file, region))
        }
        (None, Some(file)) => Some(location(file, json!({"startLine": 1}))),
        (None, None) => None,
    };
    json!({
        "ruleId": diagnostic.code.as_str(),
        "ruleIndex": raised.iter().position(|code| *code == diagnostic.code),
        "level": level(diagnostic.severity()),
        "message": {"text": message},
        "locations": location.into_iter().collect::<Vec<_>>(),
    })
}

fn location(file: &str, region: Value) -> Value {
    json!({"physicalLocation": {"artifactLocation": {"uri": uri(file)}, "region": region}})
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

/// A path as a URI; a relative one stays relative, as a checkout needs it.
fn uri(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    let mut uri = String::from(if path.starts_with('/') { "file://" } else { "" });
    for byte in path.bytes() {
        match byte {
            b'\\' if cfg!(windows) => uri.push('/'),
            b'/' | b'-' | b'.' | b'_' | b'~' => uri.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(byte)),
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_uris() {
        for (path, expected) in [
            ("rt.yaml", "rt.yaml"),
            ("./a b/ü.yaml", "a%20b/%C3%BC.yaml"),
            ("/srv/x#1.json", "file:///srv/x%231.json"),
        ] {
            assert_eq!(uri(path), expected);
        }
    }

    #[test]
    fn every_result_points_at_its_rule() {
        let sources = [Source { name: "rt.yaml".to_owned(), text: "events: 5\n".to_owned() }];
        let findings = crate::check(&sources).findings;
        let log = log(&findings, &sources);
        let run = &log["runs"][0];
        let results = run["results"].as_array().unwrap();
        assert_eq!(results.len(), findings.len());
        assert!(!results.is_empty());
        for result in results {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(run["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
            let region = &result["locations"][0]["physicalLocation"]["region"];
            assert!(region["startLine"].as_u64().unwrap() >= 1, "{result}");
        }
    }
}
