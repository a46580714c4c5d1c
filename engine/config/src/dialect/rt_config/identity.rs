//! `id_stitching`: the keys, and which one is the primary key.

use usher_engine::definition::{Identity, Normalize, StitchKey, Trust};
use usher_engine::diagnostic::Code;
use usher_engine::value::{Number, Value};

use super::super::common::{says_none, spelling};
use crate::document::Node;
use crate::lower::{Fields, Lower};
use crate::suggest::did_you_mean;

/// Reads the identity under `key`.
pub(in crate::dialect) fn identity(lower: &mut Lower, node: &Node, key: &'static str) {
    if lower.places.contains_key("identity") {
        let message = format!("`{key}` says again how keys belong together; an audience says it once");
        lower.leave();
        lower.note(Code::DuplicateName, node.span, message);
        return;
    }
    lower.enter("identity", node.span);
    let known = ["primary_key", "stitching_keys", "ext_lookup_key", "placeholder_list"];
    let Some(fields) = lower.fields(node, key, &known) else { return };
    if fields.get("primary_key").is_some() {
        lower.definition.identity.primary_key = lower.need_text(fields, "primary_key");
    } else if !says_none(fields, "primary_key") {
        let help = "write `primary_key: null` if no key tells people apart".to_owned();
        lower.missing(fields, "primary_key", Some(help));
    }
    lower.mark_key(".primary_key", fields, "primary_key");
    lower.definition.identity.lookup_key = lower.text(fields, "ext_lookup_key");
    lower.mark_key(".lookup_key", fields, "ext_lookup_key");
    placeholder_list(lower, fields, "placeholder_list");
    lower.mark_key(".keys", fields, "stitching_keys");
    for item in lower.items(fields, "stitching_keys").unwrap_or_default() {
        stitch_key(lower, item);
    }
}

/// The version of the placeholder list; the first, unless a key names another. Bodies of the API may have it apart from
/// the keys.
pub(in crate::dialect) fn placeholder_list(lower: &mut Lower, fields: Fields<'_>, key: &str) {
    let Some(node) = fields.get(key) else {
        if !lower.places.contains_key("identity.placeholder_list") {
            lower.definition.identity.placeholder_list = 1;
        }
        return;
    };
    lower.places.insert("identity.placeholder_list".to_owned(), (lower.text, node.span));
    if let Some(Value::Number(Number::Integer(0))) = node.value() {
        lower.definition.identity.placeholder_list = 0;
    } else if let Some(number) = lower.count(fields, key, i64::from(Identity::PLACEHOLDER_LIST)) {
        lower.definition.identity.placeholder_list = u32::try_from(number).unwrap_or_default();
    }
}

pub(in crate::dialect) fn stitch_key(lower: &mut Lower, node: &Node) {
    lower.enter(format!("identity.keys[{}]", lower.definition.identity.keys.len()), node.span);
    let known = [
        "name",
        "exclude_regex",
        "valid_regexp",
        "validRegexp",
        "invalid_texts",
        "invalidTexts",
        "normalize",
        "placeholders",
        "workflow_only",
        "internal",
        "trust",
    ];
    let Some(fields) = lower.fields(node, "a stitching key", &known) else { return };
    let Some(name) = lower.need_text(fields, "name") else { return };
    lower.mark_key(".name", fields, "name");
    lower.mark_key(".exclude_regex", fields, "exclude_regex");
    let valid = spelling(lower, fields, ["valid_regexp", "validRegexp"]);
    lower.mark_key(".valid_regexp", fields, valid);
    let invalid = spelling(lower, fields, ["invalid_texts", "invalidTexts"]);
    lower.mark_key(".invalid_texts", fields, invalid);
    let only = spelling(lower, fields, ["workflow_only", "internal"]);
    let mut texts = Vec::new();
    for (index, item) in lower.items(fields, invalid).unwrap_or_default().iter().enumerate() {
        texts.extend(lower.text_of(item, &format!("{invalid}[{index}]")));
    }
    let trust = match lower.text(fields, "trust").as_deref() {
        None | Some("open") => Trust::Open,
        Some("verified") => Trust::Verified,
        Some(other) => {
            let help = Some("trust is `open` or `verified`".to_owned());
            lower.note_with(
                Code::UnknownName,
                fields.span("trust"),
                format!("unknown trust `{other}`"),
                help,
            );
            Trust::Verified
        }
    };
    let key = StitchKey {
        name,
        normalize: normalize(lower, fields),
        valid_regexp: lower.text(fields, valid),
        exclude_regex: lower.text(fields, "exclude_regex"),
        invalid_texts: texts,
        placeholders: lower.boolean(fields, "placeholders").unwrap_or(false),
        workflow_only: lower.boolean(fields, only).unwrap_or(false),
        trust,
    };
    lower.definition.identity.keys.push(key);
}

/// The normalization steps, in their order.
fn normalize(lower: &mut Lower, fields: Fields<'_>) -> Vec<Normalize> {
    let mut steps = Vec::new();
    for (name, span) in lower.names(fields, "normalize") {
        let step = match name.as_str() {
            "trim" => Normalize::Trim,
            "lowercase" => Normalize::Lowercase,
            _ => {
                let help = did_you_mean(&name, ["trim", "lowercase"]);
                let help =
                    help.unwrap_or_else(|| "a value is normalized by `trim` and `lowercase`".to_owned());
                let message = format!("unknown step `{name}` in `normalize`");
                lower.note_with(Code::UnknownName, span, message, Some(help));
                continue;
            }
        };
        if steps.contains(&step) {
            lower.note(Code::DuplicateName, span, format!("`{name}` is written twice in `normalize`"));
        } else {
            steps.push(step);
        }
    }
    steps
}
