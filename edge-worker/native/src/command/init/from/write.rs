//! The files of a proposal, each line with its reason.

use std::fmt::Write as _;

use super::super::use_case::UseCase;
use super::attributes::{Attributes, Form, is_personal, quoted};
use super::keys::Keys;
use super::kinds::{Events, Kind};
use super::words::{bare, percent};
use crate::limits::EVENTS_MAX;
use crate::terminal::clean;

pub(super) fn rt_config(
    audience: &str,
    from: &str,
    events: &Events,
    keys: &Keys,
    attributes: &Attributes,
) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "# Proposed from the events of {}. Every line has its reason behind it; change what you know better.\n# Check it with `usher validate`.\n\nparent_segment_id: {}\n\nevents:",
        clean(from),
        quoted(audience)
    );
    let is_used = |kind: &&Kind| {
        kind.name == attributes.trigger || attributes.all.iter().any(|attribute| attribute.event == kind.name)
    };
    let used = events.kinds.iter().filter(is_used);
    let others = events.kinds.iter().filter(|kind| !is_used(kind)).take(EVENTS_MAX);
    for kind in used.chain(others).take(EVENTS_MAX) {
        let count = kind.events.map_or_else(|| "not counted".to_owned(), |events| format!("{events} events"));
        let _ = writeln!(out, "  - name: {}   # {}: {count}", quoted(&kind.name), kind.shown());
        let _ = writeln!(out, "    database: {}\n    table: {}", quoted(&kind.database), quoted(&kind.table));
        match &kind.by {
            Some((column, value)) => {
                let pattern = format!("^{}$", escaped(value));
                let _ = writeln!(
                    out,
                    "    filter: {{field: {}, pattern: {}}}   # events of other names are in this table, too",
                    quoted(column),
                    quoted(&pattern)
                );
            }
            None => out.push_str("    # no filter: no column names the event, so every row is this one\n"),
        }
    }
    out.push_str("\nattributes:\n");
    for attribute in &attributes.all {
        let form = match attribute.form {
            Form::Single => "single",
            Form::List => "list",
            Form::Counter => "counter",
        };
        let _ = writeln!(out, "  - name: {}   # {}", quoted(&attribute.name), attribute.reason);
        let _ = writeln!(out, "    type: {form}\n    source_event: {}", quoted(&attribute.event));
        for line in &attribute.lines {
            let _ = writeln!(out, "    {line}");
        }
        let sensitivity = if attribute.sensitive {
            "sensitive   # about a person: it never reaches a browser"
        } else {
            "non-sensitive"
        };
        let _ = writeln!(out, "    sensitivity: {sensitivity}");
    }
    for (name, reason) in &attributes.missing {
        let _ = writeln!(out, "  # not proposed: {name}, because {reason}");
    }
    out.push_str("\nid_stitching:\n");
    if let Some((name, reason)) = &keys.primary {
        let _ =
            writeln!(out, "  primary_key: {}   # {reason}: two values of it are two visitors", quoted(name));
    }
    out.push_str("  stitching_keys:\n");
    for key in &keys.used {
        let _ = writeln!(out, "    - name: {}   # {}", quoted(&key.name), key.reason);
        if key.verified {
            out.push_str("      trust: verified   # only your servers may say who somebody is\n");
        }
        if bare_is_mail(&key.name) {
            out.push_str("      normalize: [trim, lowercase]   # people write their address in many ways\n");
        }
    }
    for (name, reason) in &keys.unused {
        let _ = writeln!(out, "    # not a key: {}, because {reason}", clean(name));
    }
    out.push_str(&personal(events));
    out
}

/// A remark about columns with personal data, which no attribute keeps.
fn personal(events: &Events) -> String {
    let columns = events.kinds.iter().flat_map(|kind| &kind.columns);
    let mut names: Vec<&str> = columns.map(|it| it.name.as_str()).filter(|name| is_personal(name)).collect();
    names.sort_unstable();
    names.dedup();
    match names.as_slice() {
        [] => String::new(),
        names => format!(
            "\n# Columns with personal data, which no attribute keeps: {}\n",
            clean(&names.join(", "))
        ),
    }
}

fn bare_is_mail(name: &str) -> bool {
    bare(name).starts_with("email")
}

pub(super) fn service(audience: &str, use_case: UseCase, events: &Events, attributes: &Attributes) -> String {
    let name = use_case.name();
    let trigger = events.kinds.iter().find(|kind| kind.name == attributes.trigger);
    let share = trigger.and_then(|kind| {
        let of = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let all: u64 = events.kinds.iter().filter_map(|kind| kind.events).sum();
        (all > 0).then_some(of(kind.events?) / of(all))
    });
    let mut out = format!(
        "parent_segment_id: {}\nservice_name: {}\ntrigger_event: {}   # its calls are answered: {} of the events\n\nsections:\n",
        quoted(audience),
        quoted(&name),
        quoted(&attributes.trigger),
        percent(share)
    );
    // The first attribute tells visitors of whom something is known.
    if let Some(first) = attributes.all.first() {
        let test = match first.form {
            Form::List => "list_size_greater_than, value: 0",
            Form::Counter => "greater_than, value: 0",
            Form::Single => "exists",
        };
        let _ = writeln!(
            out,
            "  - name: \"known\"   # visitors of whom {} is known\n    criteria:\n      operator: AND\n      conditions:\n        - {{attribute: {}, operator: {test}}}\n    outputs:",
            first.name,
            quoted(&first.name)
        );
        for attribute in attributes.all.iter().filter(|attribute| !attribute.sensitive) {
            let _ = writeln!(out, "      - attribute: {}", quoted(&attribute.name));
        }
    }
    let _ = writeln!(
        out,
        "\n  - name: \"default\"   # everybody else: there is always an answer\n    criteria: {{operator: ALWAYS}}\n    outputs:\n      - name: \"{name}\"\n        value: \"default\""
    );
    out
}

/// A text as a pattern that it alone fits.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        if !letter.is_alphanumeric() && !matches!(letter, ' ' | '_' | '-' | ':' | '/') {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}
