//! Lints of a section's answer: outputs that are always withheld, sensitive values that the answer reveals, and its
//! size. RT 2.0 ends at 10 KB, and a page waits for every byte.
//!
//! The size is computed from the bounds of the outputs: a stored value has at most 500 bytes, and so has each item of a
//! list. Escapes in JSON are not counted: they are rare, and would make every bound six times as large.

use usher_engine::definition::{
    Aggregation, Attribute, AttributeKind, Definition, ListAggregation, Output, OutputSource, Section,
};
use usher_engine::diagnostic::{Code, Diagnostic};
use usher_engine::limits::{EXPRESSION_TEXT_BYTES_MAX, VALUE_BYTES_MAX};
use usher_engine::syntax::{Arithmetic, Function, Name, ValueExpr};
use usher_engine::value::DataType;

use crate::consequence::conditions;
use crate::limits::ANSWER_BYTES_MAX;

/// A number, boolean or time.
const SMALL_BYTES: usize = 32;
/// The quotes and the comma of an item.
const AROUND_BYTES: usize = 3;

pub(super) fn lint(definition: &Definition, found: &mut Vec<Diagnostic>) {
    for (index, personalization) in definition.personalizations.iter().enumerate() {
        for (number, section) in personalization.sections.iter().enumerate() {
            if section.outputs.is_empty() && section.segments.is_empty() {
                let message = format!("section `{}` answers nothing: it has no payload", section.name);
                let help = "give it `outputs` or `batch_segments` (`attributes` beside text criteria; API: an `attributePayload`, \
                            a `segmentPayload` or a `stringBuilder`)";
                let at = format_args!("personalizations[{index}].sections[{number}].outputs");
                found.push(Diagnostic::new(Code::NoPayload, message).at(at).help(help));
            }
            for (position, output) in section.outputs.iter().enumerate() {
                let finding = withheld(definition, section, output).or_else(|| tests(definition, output));
                found.extend(finding.map(|diagnostic| {
                    diagnostic
                        .at(format_args!("personalizations[{index}].sections[{number}].outputs[{position}]"))
                }));
            }
            found.extend(gated(definition, section).map(|(condition, diagnostic)| {
                diagnostic.at(format_args!(
                    "personalizations[{index}].sections[{number}].criteria.conditions[{condition}].name"
                ))
            }));
            found.extend(large(definition, section).map(|diagnostic| {
                diagnostic.at(format_args!("personalizations[{index}].sections[{number}].name"))
            }));
        }
    }
}

/// Sensitive values leave only through sections that include them.
fn withheld(definition: &Definition, section: &Section, output: &Output) -> Option<Diagnostic> {
    if section.include_sensitive {
        return None;
    }
    let shown = shown(definition, &output.source);
    let (attribute, part) = shown.into_iter().find(|(it, part)| is_sensitive(definition, it, *part))?;
    let of_row = matches!(attribute.kind, AttributeKind::Catalog { .. });
    let (output, attribute, section) = (&output.name, called(attribute, part), &section.name);
    let message = if *output == attribute {
        format!(
            "output `{output}` never leaves: its value is sensitive, and `{section}` does not include sensitive values"
        )
    } else {
        format!(
            "output `{output}` never leaves: `{attribute}` is sensitive, and `{section}` does not include sensitive values"
        )
    };
    let mend = if of_row {
        "mark the column `sensitive: false`, or the table `public: true`,"
    } else {
        "mark the attribute `sensitivity: non-sensitive` (API: `\"sensitive\": false`)"
    };
    let help = format!(
        "{mend} if everybody may see it, or write `include_sensitive: true` (API: `includeSensitive`) in the section, with which \
         it leaves to servers"
    );
    Some(Diagnostic::new(Code::Withheld, message).help(help))
}

/// The number of the first condition on a sensitive value, in a section that a page can ask: the page would learn about
/// the value from whether the section answers.
fn gated(definition: &Definition, section: &Section) -> Option<(usize, Diagnostic)> {
    let mut names = Vec::new();
    conditions(&section.criteria, &mut names);
    let mut asked = names.iter().enumerate().filter_map(|(at, names)| {
        let (attribute, part) = names.iter().find_map(|name| sensitive(definition, name))?;
        Some((at, called(attribute, part)))
    });
    let (first, attribute) = asked.next()?;
    let section = &section.name;
    let message = format!(
        "on a public route the answer `{section}` reveals something about `{attribute}`, which is sensitive"
    );
    let help = "the section is entered by its value; mark it `sensitivity: non-sensitive` (API: `\"sensitive\": false`) if pages may \
                know it, or name this personalization in tokens of servers only";
    Some((first, Diagnostic::new(Code::SensitiveCriteria, message).help(help)))
}

/// An output whose expression tests a sensitive value, and does not show it.
fn tests(definition: &Definition, output: &Output) -> Option<Diagnostic> {
    let OutputSource::Expression(expr) = &output.source else { return None };
    if shown(definition, &output.source).into_iter().any(|(it, part)| is_sensitive(definition, it, part)) {
        return None;
    }
    let mut asked = None;
    expr.names(&mut |name| asked = asked.or_else(|| sensitive(definition, name)));
    let (attribute, part) = asked?;
    let (output, attribute) = (&output.name, called(attribute, part));
    let message = format!(
        "on a public route the output `{output}` reveals something about `{attribute}`, which is sensitive"
    );
    let help = "its conditions decide the value; mark it `sensitivity: non-sensitive` (API: `\"sensitive\": false`) if pages may know it, \
                or name this personalization in tokens of servers only";
    Some(Diagnostic::new(Code::SensitiveCriteria, message).help(help))
}

/// The attribute of a name, with its part, if it is sensitive.
fn sensitive<'a>(definition: &'a Definition, name: &'a Name) -> Option<(&'a Attribute, Option<&'a str>)> {
    find(definition, &name.0).filter(|(attribute, part)| is_sensitive(definition, attribute, *part))
}

/// True if a value is sensitive: of a row the column may be.
fn is_sensitive(definition: &Definition, attribute: &Attribute, part: Option<&str>) -> bool {
    let AttributeKind::Catalog { table, .. } = &attribute.kind else { return attribute.sensitive };
    let of_column = || {
        let table = definition.lookup_table(table)?;
        Some(table.is_sensitive(table.column(part?)?))
    };
    attribute.sensitive || of_column().unwrap_or(false)
}

/// An attribute as a finding names it: of a row the column.
fn called(attribute: &Attribute, part: Option<&str>) -> String {
    match part.filter(|_| matches!(attribute.kind, AttributeKind::Catalog { .. })) {
        Some(column) => format!("{}.{column}", attribute.name),
        None => attribute.name.clone(),
    }
}

fn large(definition: &Definition, section: &Section) -> Option<Diagnostic> {
    let size = |output: &Output| output.name.len() + bytes(definition, &output.source);
    let segments: usize = section.segments.iter().map(|segment| segment.name.len() + AROUND_BYTES).sum();
    let total = section.outputs.iter().map(size).sum::<usize>() + segments;
    if total <= ANSWER_BYTES_MAX {
        return None;
    }
    let largest = section.outputs.iter().max_by_key(|output| size(output))?;
    let (name, kilobytes) = (&section.name, total.div_ceil(1024));
    let message = format!("section `{name}` can answer up to {kilobytes} KB; RT 2.0 sends at most 10 KB");
    let of_list = shown(definition, &largest.source)
        .iter()
        .any(|(attribute, _)| matches!(attribute.kind, AttributeKind::List { .. }));
    let mend = if of_list {
        "lower the `max_items` (API: `maxItems`) of its list, whose items may have 500 bytes each; or show fewer outputs"
    } else {
        "show fewer outputs"
    };
    let help =
        format!("the largest output is `{}`, with up to {} bytes: {mend}", largest.name, size(largest));
    Some(Diagnostic::new(Code::LargeAnswer, message).help(help))
}

fn bytes(definition: &Definition, source: &OutputSource) -> usize {
    let shown = shown(definition, source);
    let written = match source {
        OutputSource::Expression(expr) => return of_value(definition, expr),
        OutputSource::Attribute { .. } => 0,
        OutputSource::Constant(value) => value.to_string().len(),
        OutputSource::Text(texts) => texts.iter().map(String::len).sum(),
        OutputSource::Template(text) => text.len(),
    };
    written + shown.into_iter().map(|it| of_shown(definition, it)).sum::<usize>()
}

fn of_shown(definition: &Definition, (attribute, part): (&Attribute, Option<&str>)) -> usize {
    rows(definition, attribute).saturating_mul(of_attribute(attribute, part))
}

/// The bytes of an expression's value.
fn of_value(definition: &Definition, expr: &ValueExpr) -> usize {
    let parts = |expr: &ValueExpr| {
        let mut all = Vec::new();
        expr.parts(&mut |part| all.push(of_value(definition, part)));
        all
    };
    match expr {
        ValueExpr::Name(name) => {
            find(definition, &name.0).map_or(VALUE_BYTES_MAX, |it| of_shown(definition, it))
        }
        ValueExpr::Constant(value) => value.to_string().len(),
        ValueExpr::Arithmetic(_, rest) if !rest.iter().all(|(sign, _)| *sign == Arithmetic::Join) => {
            SMALL_BYTES
        }
        ValueExpr::Arithmetic(..) | ValueExpr::Call(Function::Concat, _) => {
            parts(expr).into_iter().sum::<usize>().min(EXPRESSION_TEXT_BYTES_MAX)
        }
        ValueExpr::Call(
            Function::Coalesce
            | Function::Greatest
            | Function::Least
            | Function::Lower
            | Function::Substr
            | Function::Upper,
            _,
        )
        | ValueExpr::Case(..)
        | ValueExpr::Switch(..) => parts(expr).into_iter().max().unwrap_or(0),
        ValueExpr::Null
        | ValueExpr::Now
        | ValueExpr::Interval(..)
        | ValueExpr::Negative(_)
        | ValueExpr::Call(..)
        | ValueExpr::Condition(_) => SMALL_BYTES,
    }
}

/// The attributes that an output shows, with the part of each.
fn shown<'a>(definition: &'a Definition, source: &'a OutputSource) -> Vec<(&'a Attribute, Option<&'a str>)> {
    match source {
        OutputSource::Attribute { name, part } => {
            let attribute = definition.attributes.iter().find(|attribute| attribute.name == *name);
            attribute.map(|attribute| (attribute, part.as_deref())).into_iter().collect()
        }
        OutputSource::Template(text) => {
            let names = text.split("{{").skip(1).filter_map(|rest| rest.split_once("}}"));
            names.filter_map(|(name, _)| find(definition, name.trim())).collect()
        }
        OutputSource::Expression(expr) => {
            let mut names = Vec::new();
            expr.results(&mut |name| names.extend(find(definition, &name.0)));
            names
        }
        OutputSource::Constant(_) | OutputSource::Text(_) => Vec::new(),
    }
}

/// The attribute of a name, with its part if it names one.
fn find<'a>(definition: &'a Definition, name: &'a str) -> Option<(&'a Attribute, Option<&'a str>)> {
    let named = |name: &str| definition.attributes.iter().find(|attribute| attribute.name == name);
    match named(name) {
        Some(attribute) => Some((attribute, None)),
        None => name.rsplit_once('.').and_then(|(name, part)| Some((named(name)?, Some(part)))),
    }
}

/// The number of rows that an attribute may show; 1 for what is no row.
fn rows(definition: &Definition, attribute: &Attribute) -> usize {
    let AttributeKind::Catalog { key, limit, .. } = &attribute.kind else { return 1 };
    let whole = |name: &str| definition.attributes.iter().find(|known| known.name == name);
    let of_key = whole(key).or_else(|| whole(key.rsplit_once('.')?.0));
    match of_key.map(|known| &known.kind) {
        Some(AttributeKind::List { .. }) => usize::try_from(*limit).unwrap_or(usize::MAX),
        _ => 1,
    }
}

fn of_attribute(attribute: &Attribute, part: Option<&str>) -> usize {
    let of_type = |data_type: Option<DataType>| match data_type {
        Some(DataType::Number | DataType::Boolean | DataType::Timestamp | DataType::Date) => SMALL_BYTES,
        _ => VALUE_BYTES_MAX,
    };
    match &attribute.kind {
        AttributeKind::Single { aggregation: Aggregation::Sum, .. } | AttributeKind::Counter { .. } => {
            SMALL_BYTES
        }
        AttributeKind::Single { data_type, .. } | AttributeKind::Batch { data_type, .. } => {
            of_type(*data_type)
        }
        AttributeKind::Catalog { .. } => VALUE_BYTES_MAX + AROUND_BYTES,
        AttributeKind::List { items_max, parts, .. } => {
            let items = usize::try_from(*items_max).unwrap_or(usize::MAX);
            let items = items.saturating_mul(VALUE_BYTES_MAX + AROUND_BYTES);
            match parts.iter().find(|known| Some(known.name.as_str()) == part).map(|part| part.aggregation) {
                Some(ListAggregation::Sum) => SMALL_BYTES,
                Some(
                    ListAggregation::First
                    | ListAggregation::Last
                    | ListAggregation::Min
                    | ListAggregation::Max,
                ) => VALUE_BYTES_MAX,
                _ => items,
            }
        }
    }
}
