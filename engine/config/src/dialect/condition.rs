//! Condition JSON: `filterRule`, `keyEventFilters` and `profileCriteria` of API bodies.

use std::collections::BTreeSet;

use usher_engine::definition::{Attribute, AttributeKind, Definition};
use usher_engine::diagnostic::Code;
use usher_engine::syntax::{Comparison, Expr, Name, Quantity, Test};
use usher_engine::value::{DataType, Value};

use super::operator_tree::quantity;
use crate::document::Node;
use crate::lower::{Fields, Lower};
use crate::suggest::{did_you_mean, one_of_these};

/// The subject of conditions: the event or the visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Event,
    Profile,
}

const TYPES: [&str; 4] = ["And", "Or", "Column", "RealtimeAttribute"];

/// A group, or a bare condition.
pub(super) fn condition(lower: &mut Lower, node: &Node, subject: Subject) -> Option<Expr> {
    let known = [
        "type",
        "conditions",
        "column",
        "realtimeAttributeId",
        "subAttributeIdentifier",
        "operator",
        "arrayMatching",
        "text",
    ];
    let fields = lower.fields_and(node, "a condition", &known, &["id", "name", "description"])?;
    let text = lower.need_text(fields, "type")?;
    match (text.as_str(), subject) {
        ("And" | "Or", _) => group(lower, fields, subject, text == "Or"),
        // Answers of the control API have it for criteria that only texts can say, and callers send it back.
        ("Text", _) => {
            let node = lower.need(fields, "text")?;
            lower.criteria_text(node, "a condition")
        }
        ("Column", Subject::Event) => {
            let column = lower.need_text(fields, "column");
            let name = column.map(|column| Name::column(&column));
            operator(lower, fields, name)
        }
        ("RealtimeAttribute", Subject::Profile) => {
            let id = lower.attribute_id(fields, "realtimeAttributeId");
            let part = lower.text(fields, "subAttributeIdentifier");
            let name = id.map(|id| Name(part.map_or(id.clone(), |part| format!("{id}.{part}"))));
            operator(lower, fields, name)
        }
        ("Column" | "RealtimeAttribute", _) => {
            let (here, help) = match subject {
                Subject::Event => ("an event's filter", "ask about event columns by the type `Column`"),
                Subject::Profile => {
                    ("profile criteria", "ask about attributes by the type `RealtimeAttribute`")
                }
            };
            let message = format!("conditions of type `{text}` have no place in {here}");
            lower.note_with(Code::NotSupported, fields.span("type"), message, Some(help.to_owned()));
            None
        }
        _ => {
            let help =
                did_you_mean(&text, TYPES).unwrap_or_else(|| format!("types are {}", TYPES.join(", ")));
            lower.note_with(
                Code::UnknownName,
                fields.span("type"),
                format!("unknown condition type `{text}`"),
                Some(help),
            );
            None
        }
    }
}

fn group(lower: &mut Lower, fields: Fields<'_>, subject: Subject, any: bool) -> Option<Expr> {
    let items = lower.need(fields, "conditions").and_then(|node| lower.items_of(node, "conditions"))?;
    if any && items.is_empty() {
        let help = "write null for no conditions".to_owned();
        let message = "an `Or` needs at least one condition";
        lower.note_with(Code::EmptyList, fields.span("conditions"), message, Some(help));
        return None;
    }
    // All parts are read before an error ends the group, so that all findings come at once.
    let parts: Vec<Option<Expr>> = items.iter().map(|item| condition(lower, item, subject)).collect();
    let parts = parts.into_iter().collect::<Option<Vec<_>>>()?;
    if any { Expr::any(parts) } else { Some(Expr::all(parts)) }
}

/// The operators; those in one row are synonyms.
const OPERATORS: [&[&str]; 12] = [
    &["Equal"],
    &["Greater", "GreaterThan"],
    &["GreaterEqual", "GreaterThanOrEqual"],
    &["Less", "LessThan"],
    &["LessEqual", "LessThanOrEqual"],
    &["IsNull"],
    &["In"],
    &["Contain"],
    &["StartWith"],
    &["EndWith"],
    &["Regexp"],
    &["Between"],
];

fn operator(lower: &mut Lower, condition: Fields<'_>, name: Option<Name>) -> Option<Expr> {
    let node = lower.need(condition, "operator")?;
    if is_time_operator(lower, node) {
        return None;
    }
    let known = ["type", "not", "rightValue", "rightValues", "minValue", "maxValue", "arrayMatching"];
    let fields = lower.fields(node, "an operator", &known)?;
    let matching = array_matching(lower, [condition, fields]);
    let text = lower.need_text(fields, "type")?;
    let negated = lower.boolean(fields, "not").unwrap_or(false);
    let operator = known_operator(lower, fields, &text)?;
    if operator == "IsNull"
        && let Some(node) = [condition, fields].iter().find_map(|owner| owner.get("arrayMatching"))
    {
        lower.note(Code::WrongType, node.span, "`IsNull` takes no `arrayMatching`");
        return None;
    }
    let mut tests = tests(lower, fields, operator, &text, matching != Ok(None))?;
    let name = name?;
    let asked = ["column", "realtimeAttributeId"].into_iter().find(|key| condition.get(key).is_some());
    let value = fields.span(value_key(fields).unwrap_or("type"));
    let conditions = if matching == Ok(None) { tests.len() } else { 1 };
    for _ in 0..conditions {
        lower.mark_condition(condition.node.span, condition.span(asked.unwrap_or("type")), value);
    }
    if let Some(quantity) = matching.ok()? {
        return Some(Expr::new_test(name, Test::Items(quantity, tests), negated));
    }
    if tests.len() == 1 {
        return tests.pop().map(|test| Expr::new_test(name, test, negated));
    }
    // Several values mean any of them; the opposite means none of them.
    let any = Expr::any(tests.into_iter().map(|test| Expr::new_test(name.clone(), test, false)).collect())?;
    Some(if negated { Expr::Not(Box::new(any)) } else { any })
}

/// True for an operator about times, which is reported.
fn is_time_operator(lower: &mut Lower, node: &Node) -> bool {
    let kind = node.get("type").and_then(|node| node.value());
    let Some(kind) = kind.as_ref().and_then(Value::as_str).filter(|kind| kind.starts_with("Time")) else {
        return false;
    };
    let message = format!("the operator `{kind}` is not supported yet");
    let help = "attributes know `within_days` in the YAML dialects".to_owned();
    lower.note_with(Code::NotSupported, node.span, message, Some(help));
    true
}

/// The first of the operator's synonyms.
fn known_operator(lower: &mut Lower, fields: Fields<'_>, text: &str) -> Option<&'static str> {
    if let Some(names) = OPERATORS.into_iter().find(|names| names.contains(&text)) {
        return names.first().copied();
    }
    let help = one_of_these(text, OPERATORS.iter().flat_map(|names| names.iter().copied()));
    let message = format!("unknown operator `{text}`");
    lower.note_with(Code::UnknownName, fields.span("type"), message, Some(help));
    None
}

/// The key under which an operator has its value.
fn value_key(fields: Fields<'_>) -> Option<&'static str> {
    ["rightValue", "rightValues", "minValue"].into_iter().find(|key| fields.get(key).is_some())
}

/// The tests of an operator: any of them may hold. `text` is the operator as written; `of_items` is true beside
/// `arrayMatching`.
fn tests(
    lower: &mut Lower,
    fields: Fields<'_>,
    operator: &str,
    text: &str,
    of_items: bool,
) -> Option<Vec<Test>> {
    match operator {
        "IsNull" => {
            let value = fields.get("rightValue");
            if let Some(node) = value.filter(|node| node.value() == Some(Value::Boolean(false))) {
                let help = Some("write `\"not\": true` for the opposite".to_owned());
                lower.note_with(Code::WrongType, node.span, "`IsNull` takes no `rightValue`", help);
                return None;
            }
            Some(vec![Test::Null])
        }
        "Between" => {
            let min = lower.need(fields, "minValue").and_then(|node| scalar(lower, node, text));
            let max = lower.need(fields, "maxValue").and_then(|node| scalar(lower, node, text));
            Some(vec![Test::Between(min?, max?)])
        }
        "Equal" | "In" => {
            let mut values = right_values(lower, fields, text)?;
            Some(vec![if values.len() == 1 && operator == "Equal" {
                Test::Equal(values.remove(0))
            } else {
                Test::In(values)
            }])
        }
        operator => {
            let values = right_values(lower, fields, text)?;
            // An item is a single value: containing means being equal.
            let operator = if operator == "Contain" && of_items { "Equal" } else { operator };
            let tests: Option<Vec<Test>> = values.into_iter().map(|value| test(operator, value)).collect();
            if tests.is_none() {
                let span = value_key(fields).map_or(fields.node.span, |key| fields.span(key));
                let help = "put it in quotes".to_owned();
                lower.note_with(Code::WrongType, span, format!("`{text}` takes a text"), Some(help));
            }
            tests
        }
    }
}

/// The quantity of array items for which the operator must hold, if written; `Err` was reported.
fn array_matching(lower: &mut Lower, owners: [Fields<'_>; 2]) -> Result<Option<Quantity>, ()> {
    let mut written = owners.into_iter().filter_map(|owner| owner.get("arrayMatching"));
    let Some(node) = written.next() else { return Ok(None) };
    let words = ["atLeast", "atMost", "exactly"];
    let found = quantity(lower, node, "arrayMatching", words).ok_or(())?;
    if let Some(second) = written.next()
        && quantity(lower, second, "arrayMatching", words) != Some(found)
    {
        lower.note(Code::WrongType, second.span, "two `arrayMatching` of one condition disagree");
        return Err(());
    }
    Ok(Some(found))
}

fn test(operator: &str, value: Value) -> Option<Test> {
    let text = |value: Value| match value {
        Value::String(text) => Some(text),
        _ => None,
    };
    Some(match operator {
        "Greater" => Test::Order(Comparison::Greater, value),
        "GreaterEqual" => Test::Order(Comparison::GreaterEqual, value),
        "Less" => Test::Order(Comparison::Less, value),
        "LessEqual" => Test::Order(Comparison::LessEqual, value),
        "StartWith" => Test::StartsWith(text(value)?),
        "EndWith" => Test::EndsWith(text(value)?),
        "Regexp" => Test::Matches(text(value)?),
        "Equal" => Test::Equal(value),
        _ => Test::Contains(value),
    })
}

/// `rightValue` or `rightValues`, at least one.
fn right_values(lower: &mut Lower, fields: Fields<'_>, operator: &str) -> Option<Vec<Value>> {
    let (one, several) = (fields.get("rightValue"), fields.get("rightValues"));
    match (one, several) {
        (Some(_), Some(node)) => {
            lower.note(Code::WrongType, node.span, "write `rightValue` or `rightValues`, not both");
            None
        }
        (Some(node), None) => Some(vec![scalar(lower, node, operator)?]),
        (None, Some(node)) => {
            let items = lower.items_of(node, "rightValues")?;
            if items.is_empty() {
                lower.note(
                    Code::EmptyList,
                    node.span,
                    format!("`{operator}` needs at least one of `rightValues`"),
                );
                return None;
            }
            let values: Vec<Option<Value>> = items.iter().map(|item| scalar(lower, item, operator)).collect();
            values.into_iter().collect()
        }
        (None, None) if lower.is_misspelled(fields, "rightValue") => None,
        (None, None) => {
            let help = "to ask for a missing value use `IsNull`".to_owned();
            lower.note_with(
                Code::MissingKey,
                fields.node.span,
                format!("missing `rightValue` for `{operator}`"),
                Some(help),
            );
            None
        }
    }
}

fn scalar(lower: &mut Lower, node: &Node, operator: &str) -> Option<Value> {
    match lower.compared(node)? {
        Value::Object(_) => {
            lower.note(
                Code::NotSupported,
                node.span,
                format!("relative values of `{operator}` are not supported yet"),
            );
            None
        }
        Value::List(_) | Value::Null => {
            lower.wrong(node, &format!("a value of `{operator}`"), "a text, a number or a boolean");
            None
        }
        value => Some(value),
    }
}

/// Without `arrayMatching` a condition on a list holds for any item. Lists are known when all bodies are read. `paths` are
/// those of the sections with condition JSON.
pub(super) fn any_of_lists(definition: &mut Definition, paths: &[String]) {
    let lists = lists(&definition.attributes);
    for (index, personalization) in definition.personalizations.iter_mut().enumerate() {
        for (number, section) in personalization.sections.iter_mut().enumerate() {
            if paths.contains(&format!("personalizations[{index}].sections[{number}]")) {
                any_item(&mut section.criteria, &lists);
            }
        }
    }
    for (index, journey) in definition.journeys.iter_mut().enumerate() {
        if paths.contains(&format!("journeys[{index}]")) {
            journey.criteria_mut().for_each(|criteria| any_item(criteria, &lists));
        }
    }
}

fn any_item(expr: &mut Expr, lists: &BTreeSet<String>) {
    match expr {
        Expr::And(parts) | Expr::Or(parts) => parts.iter_mut().for_each(|part| any_item(part, lists)),
        Expr::Not(inner) => any_item(inner, lists),
        Expr::Test { test: Test::Items(..) | Test::Contains(_) | Test::Null, .. } => {}
        Expr::Test { name, test, negated } if lists.contains(&name.0) => {
            *expr = Expr::new_test(name.clone(), Test::Items(Quantity::Any, vec![test.clone()]), *negated);
        }
        _ => {}
    }
}

/// The names of lists in criteria.
fn lists(attributes: &[Attribute]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for Attribute { name, kind, .. } in attributes {
        match kind {
            AttributeKind::List { column, parts, .. } => {
                let of_parts = parts.iter().filter(|part| part.aggregation.is_list());
                names.extend(of_parts.map(|part| format!("{name}.{}", part.name)));
                let first = parts.first().filter(|_| column.is_none());
                if first.is_none_or(|part| part.aggregation.is_list()) {
                    names.insert(name.clone());
                }
                if parts.is_empty() {
                    names.insert(format!("{name}.items"));
                }
            }
            AttributeKind::Single { data_type, .. } | AttributeKind::Batch { data_type, .. }
                if matches!(data_type, Some(DataType::StringArray | DataType::NumberArray)) =>
            {
                names.insert(name.clone());
            }
            _ => {}
        }
    }
    names
}
