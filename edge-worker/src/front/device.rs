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
    let Some(devices) = running.for_devices().filter(|devices| devices.hash == wanted) else {
        return Err(Refusal::PROGRAM_UNKNOWN.into());
    };
    let response = Response::typed(200, "application/octet-stream", devices.program.clone());
    Ok(Step::Respond(response.with_cors(checked.caller.origin)))
}
