//! `GET /cdp/lookup/collect/segments`: the stock SDK's `fetchUserSegments`.

use usher_engine::gather::Gather;
use usher_engine::value::Value;

use super::checked_head::CheckedHead;
use super::lookups::look_up;
use crate::edge::Edge;
use crate::error::{Refusal, Refused, Result};
use crate::host::Step;
use crate::lookup::Shape;
use crate::wire::query;
use crate::wire::read::Repairs;

/// `?version=2&token=<public token>&key.<name>=<value>`: a list with the segments and outputs of the token's
/// personalizations, and the key that found the visitor; an empty one for an unknown visitor.
///
/// The SDK sends values as they are, so that `+` is no space.
pub(super) fn segments(edge: &Edge, checked: &CheckedHead<'_>, _: &[u8]) -> Result<Step> {
    let caller = &checked.caller;
    let running = edge.running_or_refuse(caller.audience.as_deref().unwrap_or(""))?;
    let plan = &running.plan;
    let every = plan.definition().personalizations.iter().enumerate();
    let asked: Vec<usize> =
        every.filter(|(_, known)| caller.may_ask(plan, &known.name)).map(|(index, _)| index).gather();
    if asked.is_empty() {
        return Err(Refusal::PERSONALIZATION_UNKNOWN.into());
    }
    let mut inputs = Vec::new();
    for (name, value) in query::pairs(checked.head.target) {
        let decode = |text| query::decoded(text).ok_or(Refusal::QUERY_INVALID);
        if let Some(name) = decode(name)?.strip_prefix("key.") {
            inputs.push((name.to_owned(), Value::from(&*decode(value)?)));
        }
    }
    if !inputs.is_empty() && !inputs.iter().any(|(name, _)| plan.is_key(name)) {
        let detail = "no `key.<name>` of the query names a key";
        return Err(Refused::with_detail(Refusal::BODY_INVALID, detail));
    }
    let body = Value::Object(vec![("inputs".to_owned(), Value::Object(inputs))]);
    look_up(edge, checked, running, (&body, Repairs::default()), asked, Shape::Segments)
}
