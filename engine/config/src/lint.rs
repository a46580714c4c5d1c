//! Lints: definitions that work but are probably not intended, in any dialect.
//! [`Plan::warnings`](usher_engine::Plan::warnings) adds findings that need compiled criteria.

mod answer;
mod columns;
mod device;
mod journeys;
mod patterns;
mod tables;

use std::fmt;

use usher_engine::Plan;
use usher_engine::definition::{Attribute, Choice, Definition, Personalization, Section, StitchKey, Trust};
use usher_engine::diagnostic::{Code, Diagnostic};
use usher_engine::syntax::Expr;

use crate::columns::Columns;

/// All lints, in the order of the definition; `plan` is the compiled definition, if it compiles.
pub(crate) fn lint(definition: &Definition, plan: Option<&Plan>, columns: &Columns<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    no_filter(definition, &mut found);
    looks_sensitive(&definition.attributes, &mut found);
    identity(definition, &mut found);
    for (index, personalization) in definition.personalizations.iter().enumerate() {
        fallback(index, personalization, plan, &mut found);
    }
    answer::lint(definition, &mut found);
    device::lint(definition, plan, &mut found);
    columns::lint(definition, columns, &mut found);
    patterns::lint(definition, &mut found);
    tables::lint(definition, &mut found);
    found
}

fn no_filter(definition: &Definition, found: &mut Vec<Diagnostic>) {
    for (index, event) in definition.key_events.iter().enumerate().filter(|(_, event)| event.filter.is_none())
    {
        let message = format!("event '{}' has no filter - will process all rows", event.name);
        let help = "give it a `filter` (API: `filterRule`), unless every row of the table counts";
        let at = format_args!("key_events[{index}].name");
        found.push(Diagnostic::new(Code::NoFilter, message).at(at).help(help));
    }
}

/// Words that occur in names of personal data.
const PERSONAL: [&str; 20] = [
    "address",
    "birth",
    "birthdate",
    "birthday",
    "birthyear",
    "dob",
    "email",
    "emailaddress",
    "firstname",
    "fullname",
    "iban",
    "lastname",
    "mail",
    "mobile",
    "passport",
    "phone",
    "phonenumber",
    "ssn",
    "surname",
    "telephone",
];

fn looks_sensitive(attributes: &[Attribute], found: &mut Vec<Diagnostic>) {
    for (index, attribute) in attributes.iter().enumerate().filter(|(_, attribute)| !attribute.sensitive) {
        let words = words(&attribute.name);
        let pairs = words.windows(2).map(|pair| pair.concat());
        if words.iter().cloned().chain(pairs).any(|word| PERSONAL.contains(&word.as_str())) {
            let message = format!(
                "attribute '{}' is marked non-sensitive - consider marking as sensitive",
                attribute.name
            );
            found.push(
                Diagnostic::new(Code::LooksSensitive, message)
                    .at(format_args!("attributes[{index}].sensitive"))
                    .help("write `sensitivity: sensitive` (API: `\"sensitive\": true`), unless everybody may see it"),
            );
        }
    }
}

/// Keys that people type or that systems number consecutively, so that anybody can send another person's.
const LOGINS: [&str; 6] = ["customerid", "email", "mail", "phone", "phonenumber", "userid"];

/// True if events stitch by it without evidence.
fn open(key: &StitchKey) -> bool {
    !key.workflow_only && key.trust == Trust::Open
}

fn looks_like_a_login(name: &str) -> bool {
    let words = words(name);
    let pairs = words.windows(2).map(|pair| pair.concat());
    words.iter().cloned().chain(pairs).any(|word| LOGINS.contains(&word.as_str()))
}

fn identity(definition: &Definition, found: &mut Vec<Diagnostic>) {
    let identity = &definition.identity;
    let mut report = |name: &str, at: fmt::Arguments<'_>, help: &str| {
        let message =
            format!("any event may stitch by `{name}`, so whoever sends one is taken at their word");
        found.push(Diagnostic::new(Code::OpenIdentity, message).at(at).help(help));
    };
    for (index, key) in identity.keys.iter().enumerate().filter(|(_, key)| open(key)) {
        if looks_like_a_login(&key.name) {
            let help = "add `trust: verified`, so that only servers and signed identity tokens stitch by it; `workflow_only: true` \
                        keeps it to imports";
            report(&key.name, format_args!("identity.keys[{index}]"), help);
        }
    }
    // A lookup key that is not listed is an open key.
    let listed = |name: &String| identity.keys.iter().any(|key| key.name == *name);
    if let Some(name) = identity.lookup_key.as_ref().filter(|name| !listed(name) && looks_like_a_login(name))
    {
        let help = "list it among the stitching keys with `trust: verified`, so that only servers and signed identity tokens \
                    stitch by it, or with `workflow_only: true`, which keeps it to imports";
        report(name, format_args!("identity.lookup_key"), help);
    }
}

fn fallback(
    index: usize,
    personalization: &Personalization,
    plan: Option<&Plan>,
    found: &mut Vec<Diagnostic>,
) {
    if personalization.choice == Choice::All {
        return;
    }
    let name = &personalization.name;
    let path = |section: usize| format!("personalizations[{index}].sections[{section}]");
    let mut sections = personalization.sections.iter().enumerate();
    let everybody = |number| plan.is_some_and(|plan| plan.lets_everybody_in(index, number));
    if sections.any(|(number, section)| always(section) || everybody(number)) {
        return;
    }
    let Some(last) = personalization.sections.len().checked_sub(1) else { return };
    let message = format!("No matching section: `{name}` answers nothing to visitors whom no section fits");
    let help = "end with a section that always applies";
    found.push(Diagnostic::new(Code::NoFallback, message).at(path(last)).help(help));
}

/// True if a section lets every visitor in.
fn always(section: &Section) -> bool {
    section.criteria == Expr::Constant(true)
        && section.key_event.is_none()
        && section.event_filter.is_none()
        && section.accept_unknown_profiles
}

/// The words of a name, in lower case: `first_name`, `firstName` and `first-name` have the same two.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut lower_before = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && lower_before) {
            words.push(String::new());
        }
        lower_before = c.is_lowercase();
        if let Some(word) = words.last_mut()
            && c.is_alphanumeric()
        {
            word.extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fall_into_words() {
        assert_eq!(words("first_name"), ["first", "name"]);
        assert_eq!(words("firstName"), ["first", "name"]);
        assert_eq!(words("e-MAIL"), ["e", "mail"]);
        assert_eq!(words("__"), [""; 0]);
    }

    #[test]
    fn names_of_personal_things_are_seen() {
        let attribute = |name: &str| Attribute {
            name: name.to_owned(),
            kind: usher_engine::definition::AttributeKind::Batch { column: String::new(), data_type: None },
            sensitive: false,
            description: None,
        };
        for name in [
            "email",
            "Email",
            "home_address",
            "firstName",
            "last_name",
            "date_of_birth",
            "ssn",
            "phone_number",
        ] {
            let mut found = Vec::new();
            looks_sensitive(&[attribute(name)], &mut found);
            assert_eq!(found.len(), 1, "{name}");
        }
        for name in ["session", "mailing", "product_name", "classname", "birthmark"] {
            let mut found = Vec::new();
            looks_sensitive(&[attribute(name)], &mut found);
            assert_eq!(found.len(), 0, "{name}");
        }
    }
}
