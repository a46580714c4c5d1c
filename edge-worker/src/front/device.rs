//! Routes for decisions on a visitor's device.

use usher_engine::value::Value;

use super::checked_head::CheckedHead;
use super::lookups::{audience_of, look_up, object};
use crate::edge::Edge;
use crate::error::{Refusal, Refused, Result};
use crate::host::Step;
use crate::keys::Seen;
use crate::limits::DEVICE_IDS_MAX;
use crate::lookup::Shape;
use crate::message::{Message, Revoke, ToControl, revocable};
use crate::wire::Response;

/// `POST /v1/device`: the part of the visitor's profile that may be on a device. Only who holds the token of the profile's
/// last answer gets it; anybody else gets that of an unknown visitor, so that nobody learns who is known.
pub(super) fn extract(edge: &Edge, checked: &CheckedHead<'_>, body: &[u8]) -> Result<Step> {
    let (body, repairs) = object(body)?;
    let running = edge.running_or_refuse(audience_of(&checked.caller, &body)?)?;
    if body.get("ids").and_then(Value::as_list).is_some_and(|ids| ids.len() > DEVICE_IDS_MAX) {
        let detail = format!("`ids` has more than {DEVICE_IDS_MAX}");
        return Err(Refused::with_detail(Refusal::BODY_INVALID, detail));
    }
    let token = body.get("seen").and_then(Value::as_str);
    let seen = edge.keyring().and_then(|keyring| Seen::verify(token?, &keyring.signer));
    let body = match seen {
        Some(_) => body,
        None => Value::Object(Vec::new()),
    };
    look_up(edge, checked, running, (&body, repairs), Vec::new(), Shape::Extract)
}

/// `GET /v1/audiences/{audience}/programs/{program}`: the program of this hash, if it is the running bundle's.
pub(super) fn program(edge: &Edge, checked: &CheckedHead<'_>, _: &[u8]) -> Result<Step> {
    let [audience, wanted, _] = checked.parameters;
    if !checked.caller.covers(audience) {
        return Err(Refusal::SCOPE.into());
    }
    let running = edge.running_or_refuse(audience)?;
    let devices = edge.for_devices(audience, running).filter(|devices| devices.hash == wanted);
    let devices = devices.ok_or(Refusal::PROGRAM_UNKNOWN)?;
    let response = Response::typed(200, "application/octet-stream", devices.program.clone());
    Ok(Step::Respond(response.with_cors(checked.caller.origin)))
}

/// `DELETE` of a program: no edge gives it or an extract for it any more, at any place within a minute. Devices drop it when they
/// ask the next time.
pub(super) fn revoke(edge: &Edge, checked: &CheckedHead<'_>, _: &[u8]) -> Result<Step> {
    let [audience, wanted, _] = checked.parameters;
    let running = edge.running_or_refuse(audience)?;
    if running.reduced().is_none_or(|devices| devices.hash != wanted) {
        return Err(Refusal::PROGRAM_UNKNOWN.into());
    }
    let revoke = Revoke { sha256: revocable(wanted, audience), now_ms: checked.head.ambient.now_ms };
    Ok(Step::Control { message: Message::Control(ToControl::Revoke(revoke)).encode(edge.form()) })
}
