//! `/v1/audiences/{audience}/keys`: the keys that an admin may see, and their revocation.

use super::checked_head::CheckedHead;
use crate::edge::Edge;
use crate::error::{Refusal, Refused, Result};
use crate::host::Step;
use crate::keys::{KeyRecord, Keyring, list};
use crate::message::{Message, Revoke, ToControl};
use crate::wire::Response;

/// `GET`: the keys of the audience, without anything that is secret.
pub(super) fn of_audience(edge: &Edge, checked: &CheckedHead<'_>, _: &[u8]) -> Result<Step> {
    let keyring = edge.keyring().ok_or(Refusal::UNCONFIGURED)?;
    Ok(Step::Respond(Response::json(200, list(visible(keyring, checked)))))
}

/// `DELETE` with a key's tag: nobody may use the key any more, at any place within a minute.
pub(super) fn revoke(edge: &Edge, checked: &CheckedHead<'_>, _: &[u8]) -> Result<Step> {
    let [_, tag, _] = checked.parameters;
    let keyring = edge.keyring().ok_or(Refusal::UNCONFIGURED)?;
    let found = visible(keyring, checked).find(|record| record.tag() == tag);
    let record = found.ok_or_else(|| {
        let detail = "the list of its keys has the tags; those of all audiences are for admin keys of all";
        Refused::with_detail(Refusal::KEY_UNKNOWN, detail)
    })?;
    let revoke = Revoke { sha256: record.sha256(), now_ms: checked.head.ambient.now_ms };
    Ok(Step::Control { message: Message::Control(ToControl::Revoke(revoke)).encode(edge.form()) })
}

/// The keys of the audience; those of all audiences are for admins of all.
fn visible<'k>(keyring: &'k Keyring, checked: &CheckedHead<'_>) -> impl Iterator<Item = &'k KeyRecord> {
    let [audience, ..] = checked.parameters;
    let is_of_all = checked.caller.audience.is_none();
    keyring.records().filter(move |record| match &record.audience {
        Some(own) => own == audience,
        None => is_of_all,
    })
}
