//! Follow-up findings: an attribute that could not be read has no parts and an unknown type, so findings about its uses
//! are suppressed.

use std::collections::BTreeSet;

use usher_engine::definition::{Aggregation, AttributeKind, Definition, Input, OutputSource};
use usher_engine::diagnostic::{Code, Diagnostic};
use usher_engine::syntax::{Expr, Name};
use usher_engine::value::DataType;

/// True if a finding is about a use of an attribute that is broken itself. `broken` holds paths of the definition.
pub(crate) fn follows(definition: &Definition, broken: &BTreeSet<String>, diagnostic: &Diagnostic) -> bool {
    // The unreadable part of a journey may be the one that is missing.
    let of_journeys = |path: &String| path.starts_with("journeys[") || path.starts_with("activations[");
    if diagnostic.code == Code::UnknownName
        && diagnostic.unknown.is_none()
        && diagnostic.path.starts_with("journeys[")
        && broken.iter().any(of_journeys)
    {
        return true;
    }
    let of_use = matches!(
        diagnostic.code,
        Code::UnknownName
            | Code::TypeMismatch
            | Code::MissingKey
            | Code::LargeAnswer
            | Code::SensitiveCriteria
            | Code::Withheld
    );
    let names = if of_use { used(definition, &diagnostic.path) } else { None };
    names.unwrap_or_default().into_iter().any(|name| {
        definition.attributes.iter().enumerate().any(|(index, attribute)| {
            let path = format!("attributes[{index}]");
            let own = name.strip_prefix(attribute.name.as_str());
            own.is_some_and(|rest| rest.is_empty() || rest.starts_with('.')) && broken.contains(&path)
        })
    })
}

/// The attribute that contains a path: `attributes[3]`.
pub(crate) fn attribute_of(path: &str) -> Option<String> {
    let end = path.strip_prefix("attributes[")?.find(']')?;
    path.get(..="attributes[".len() + end).map(str::to_owned)
}

/// The names that the part of a section at a path uses.
fn used<'d>(definition: &'d Definition, path: &str) -> Option<Vec<&'d str>> {
    let (personalization, rest) = indexed(path, "personalizations")?;
    let (section, rest) = indexed(rest.strip_prefix('.')?, "sections")?;
    let section = definition.personalizations.get(personalization)?.sections.get(section)?;
    if let Some((output, _)) = rest.strip_prefix('.').and_then(|rest| indexed(rest, "outputs")) {
        return section.outputs.get(output).map(|output| shown(&output.source));
    }
    // A finding about the section's name is about all its outputs.
    if rest == ".name" {
        return Some(section.outputs.iter().flat_map(|output| shown(&output.source)).collect());
    }
    let (condition, _) = indexed(rest.strip_prefix(".criteria.")?, "conditions")?;
    let mut names = Vec::new();
    conditions(&section.criteria, &mut names);
    names.get(condition).map(|names| names.iter().map(|name| name.0.as_str()).collect())
}

/// The names in an output.
fn shown(source: &OutputSource) -> Vec<&str> {
    match source {
        OutputSource::Attribute { name, .. } => vec![name.as_str()],
        OutputSource::Template(text) => {
            let names = text.split("{{").skip(1).filter_map(|rest| rest.split_once("}}"));
            names.map(|(name, _)| name.trim()).collect()
        }
        OutputSource::Expression(expr) => {
            let mut names = Vec::new();
            expr.names(&mut |name| names.push(name.0.as_str()));
            names
        }
        OutputSource::Constant(_) | OutputSource::Text(_) => Vec::new(),
    }
}

/// The declared type of the attribute in the condition at a path; counters and sums are numbers.
pub(crate) fn declared(definition: &Definition, path: &str) -> Option<DataType> {
    let name = *used(definition, path)?.first()?;
    if let Some(input) = inputs(definition, path).iter().find(|input| input.name == name) {
        return Some(input.data_type);
    }
    let whole = |name: &str| definition.attributes.iter().find(|attribute| attribute.name == name);
    let attribute = whole(name).or_else(|| whole(name.rsplit_once('.')?.0))?;
    match &attribute.kind {
        AttributeKind::Counter { .. } | AttributeKind::Single { aggregation: Aggregation::Sum, .. } => {
            Some(DataType::Number)
        }
        AttributeKind::Single { data_type, .. } | AttributeKind::Batch { data_type, .. } => *data_type,
        AttributeKind::List { .. } | AttributeKind::Catalog { .. } => None,
    }
}

/// The inputs that the criterion at a path can name.
pub(crate) fn inputs<'d>(definition: &'d Definition, path: &str) -> &'d [Input] {
    let reads = path.contains(".criteria.") || path.contains(".outputs[");
    let index = indexed(path, "personalizations").filter(|_| reads);
    let personalization = index.and_then(|(index, _)| definition.personalizations.get(index));
    personalization.map_or(&[], |personalization| &personalization.inputs)
}

/// The index of a list's item at the start of a path, and the rest of the path.
fn indexed<'p>(path: &'p str, list: &str) -> Option<(usize, &'p str)> {
    let (index, rest) = path.strip_prefix(list)?.strip_prefix('[')?.split_once(']')?;
    Some((index.parse().ok()?, rest))
}

/// The names in each of a criterion's conditions, in the order of the text; segments have none.
pub(crate) fn conditions<'e>(expr: &'e Expr, out: &mut Vec<Vec<&'e Name>>) {
    match expr {
        Expr::Constant(_) => {}
        Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|part| conditions(part, out)),
        Expr::Not(inner) => conditions(inner, out),
        Expr::Segment(_) | Expr::Test { .. } | Expr::Computed(_) => {
            let mut names = Vec::new();
            expr.names(&mut |name| names.push(name));
            out.push(names);
        }
    }
}
