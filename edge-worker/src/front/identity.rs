//! Identity tokens in bodies of routes under `/v1`.

use usher_engine::gather::Gather;
use usher_engine::value::Value;

use super::checked_head::CheckedHead;
use crate::edge::Edge;
use crate::error::{Refusal, Refused, Result};
use crate::form::Form;
use crate::message::Identity;
use crate::plane::HAS_CONTROL_PLANE;

/// The keys that the token in a body vouches for in these audiences. An invalid token does not refuse the request, which is
/// served as without a token, and the answer says so: no event is lost because its proof is missing.
///
/// It is for the control plane alone: a build without it hands such requests over.
pub(super) fn read<'a>(
    edge: &Edge,
    sent: Option<&Value>,
    audiences: impl Iterator<Item = &'a str>,
    checked: &CheckedHead<'_>,
) -> Result<Identity> {
    let Some(sent) = sent.filter(|_| HAS_CONTROL_PLANE) else { return Ok(Identity::default()) };
    let Value::String(token) = sent else {
        return Err(Refused::with_detail(Refusal::BODY_INVALID, "`identity` is a text"));
    };
    if edge.form() < Form::Two {
        let detail = "`identity` needs form 2, and this edge writes form 1: see docs/operate.md";
        return Err(Refused::with_detail(Refusal::NEEDS_FORM, detail));
    }
    let keyring = edge.keyring().ok_or(Refusal::UNCONFIGURED)?;
    let audiences: Vec<&str> = audiences.gather();
    Ok(keyring.identity(token, &audiences, checked.head.ambient.now_ms))
}
