//! Routes of one profile, which its key and the key's value name.

use std::borrow::Cow;

use super::checked_head::CheckedHead;
use crate::edge::Edge;
use crate::error::{Refusal, Refused, Result};
use crate::form::Form;
use crate::host::Step;
use crate::message::{Act, KeyOf, Message, OfProfile, Route, ToWriter};
use crate::shard;
use crate::wire::query;

/// `GET /v1/audiences/{audience}/profiles/{key}/{value}`: everything that is stored of the visitor.
pub(super) fn read(edge: &Edge, checked: &CheckedHead<'_>, _: &[u8]) -> Result<Step> {
    step(edge, checked, Act::Read { sensitive: checked.caller.access.sensitive_scope })
}

/// `DELETE /v1/audiences/{audience}/profiles/{key}/{value}`: the visitor is forgotten, in every tier.
pub(super) fn erase(edge: &Edge, checked: &CheckedHead<'_>, _: &[u8]) -> Result<Step> {
    step(edge, checked, Act::Erase)
}

/// `DELETE /v1/audiences/{audience}/suppressions/{key}/{value}`: imports of an erased key are taken again.
pub(super) fn admit(edge: &Edge, checked: &CheckedHead<'_>, _: &[u8]) -> Result<Step> {
    step(edge, checked, Act::Admit)
}

/// The message for the writer of the key. A value is tried as the key's rules normalize it and as it is written; no rule
/// refuses it, because it may have been stored before the rule was.
fn step(edge: &Edge, checked: &CheckedHead<'_>, act: Act) -> Result<Step> {
    if edge.form() < Form::Two {
        let detail = "this route needs form 2, and this edge writes form 1: see docs/operate.md";
        return Err(Refused::with_detail(Refusal::NEEDS_FORM, detail));
    }
    let [audience, name, value] = checked.parameters;
    let (name, value) = (decoded(name)?, decoded(value)?);
    // An audience that was taken out has its profiles still; one that does not run what it should may lack the rules.
    let running = match edge.running_or_refuse(audience) {
        Ok(running) => Some(running),
        Err(refusal) if refusal == Refusal::AUDIENCE_UNKNOWN => None,
        Err(refusal) => return Err(refusal.into()),
    };
    let values = match running {
        Some(running) => running.plan.stored_values(&name, &value),
        None => vec![Cow::Borrowed(&*value)],
    };
    let key = |value: Cow<'_, str>| KeyOf {
        audience: audience.to_owned(),
        name: name.clone().into_owned(),
        value: value.into_owned(),
    };
    let keys: Vec<KeyOf> = values.into_iter().map(key).filter(|key| !key.value.is_empty()).collect();
    let first = keys.first().ok_or(Refusal::PROFILE_UNKNOWN)?;
    let shard = shard::of_key(audience, Some((&first.name, &first.value)), edge.shards());
    let message = Message::Writer(ToWriter::Profile(OfProfile {
        ambient: checked.head.ambient,
        audience: audience.to_owned(),
        number: running.map_or(0, |running| running.number),
        keys,
        act,
    }));
    let to = Route { shard, shards: edge.shards() };
    Ok(Step::Write { shard, message: to.address(message.encode(edge.form()), None) })
}

/// A part of a path without its percent-encoding.
fn decoded(part: &str) -> Result<Cow<'_, str>> {
    let detail = "the path is not percent-encoded UTF-8";
    query::decoded(part).ok_or_else(|| Refused::with_detail(Refusal::BODY_INVALID, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_path_is_decoded_once() {
        let read = |part| decoded(part).ok();
        for (part, text) in [
            ("jane%40x.example", "jane@x.example"),
            ("a%2Fb+c", "a/b+c"),
            ("%2540", "%40"),
            ("%C3%A9", "\u{e9}"),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
            ("%\u{e9}", "%\u{e9}"),
        ] {
            assert_eq!(read(part).as_deref(), Some(text));
        }
        assert_eq!(read("%ff"), None);
    }
}
