//! `POST /v1/e`: events of several tables in one body, and the offers that they lead to.

use usher_engine::gather::Gather;
use usher_engine::value::Value;

use super::auth;
use super::checked_head::CheckedHead;
use super::events::{ToCut, split, to_writer};
use super::identity;
use crate::edge::{Edge, Running};
use crate::error::{Refusal, Refused, Result};
use crate::form::Form;
use crate::host::Step;
use crate::limits::ASKED_NAMES_MAX;
use crate::message::{Asking, Mode};
use crate::plane::{HAS_CONTROL_PLANE, HAS_SHARDS};
use crate::wire::read;

/// `{"token", "identity", "sentAt", "events": [{"table": "<database>.<table>", …}], "personalize": {"names": […]}}`: receipts,
/// and offers where they are asked for, which takes a public token from an allowed page.
pub(super) fn mixed(edge: &Edge, checked: &CheckedHead<'_>, body: &[u8]) -> Result<Step> {
    if edge.form() < Form::Two {
        let detail = "`/v1/e` needs form 2, and this edge writes form 1: see docs/operate.md";
        return Err(Refused::with_detail(Refusal::NEEDS_FORM, detail));
    }
    let batch = read::batch_beside(body, &["token", "personalize", "identity"]).map_err(Refusal::from)?;
    let field = |name: &str| {
        let (_, value) = batch.beside.iter().rfind(|(known, _)| known == name)?;
        value.present()
    };
    if !HAS_CONTROL_PLANE && field("identity").is_some() {
        return Ok(Step::ControlPlane);
    }
    let of_token = match field("token") {
        None => None,
        Some(Value::String(token)) => {
            let keyring = edge.keyring().ok_or(Refusal::UNCONFIGURED)?;
            Some(auth::with_token(keyring, &checked.head, token)?)
        }
        Some(_) => return Err(Refused::with_detail(Refusal::BODY_INVALID, "`token` is a text")),
    };
    let caller = of_token.as_ref().unwrap_or(&checked.caller);
    let mut asking = None;
    let audiences = match caller.audience.as_deref().filter(|_| of_token.is_some()) {
        Some(audience) => {
            let running = edge.running_or_refuse(audience)?;
            if let Some(asked) = field("personalize") {
                asking = Some(asked_for(asked, &batch, |name| caller.may_ask(&running.plan, name))?);
            }
            vec![(audience.to_owned(), running.number)]
        }
        None if field("personalize").is_some() => return Err(Refusal::TOKEN_MISSING.into()),
        None => {
            let declares = |running: &Running| {
                let mut tables = batch.events.iter().flatten().filter_map(read::Row::table);
                tables.any(|(database, table)| running.plan.table(database, table).is_some())
            };
            let covered = edge.all_running().filter(|(id, running)| caller.covers(id) && declares(running));
            covered.map(|(id, running)| (id.to_owned(), running.number)).gather()
        }
    };
    if audiences.is_empty() && edge.lacks_a_bundle() {
        return Err(Refusal::STORAGE.into());
    }
    let identity =
        identity::read(edge, field("identity"), audiences.iter().map(|(id, _)| id.as_str()), checked)?;
    let caller = (caller, identity);
    if HAS_SHARDS && edge.shards() > 1 {
        let (names, mode) = (["", ""], Mode::Mixed(asking));
        return Ok(split(edge, checked, ToCut { caller, audiences, names, mode, batch }, body));
    }
    Ok(to_writer(edge, checked, caller, 0, (audiences, ["", ""], Mode::Mixed(asking)), body))
}

/// The personalizations that are asked for, and may be.
fn asked_for(asked: &Value, batch: &read::Batch, may_ask: impl Fn(&str) -> bool) -> Result<Asking> {
    let invalid = |detail: &str| Refused::with_detail(Refusal::BODY_INVALID, detail);
    if batch.events.is_empty() {
        return Err(invalid("`personalize` needs an event, which says whose offers they are"));
    }
    let names = match asked.get("names") {
        Some(Value::List(names)) if (1..=ASKED_NAMES_MAX).contains(&names.len()) => names.as_slice(),
        _ => &[],
    };
    let mut asking = Asking { named: Vec::new(), unknown: Vec::new() };
    for name in names.iter().filter_map(Value::as_str) {
        let list = if may_ask(name) { &mut asking.named } else { &mut asking.unknown };
        list.push(name.to_owned());
    }
    // One that is no text is missing.
    if names.is_empty() || asking.named.len() + asking.unknown.len() < names.len() {
        return Err(invalid("`personalize.names` is a list of 1 to 64 names"));
    }
    Ok(asking)
}

const _: () = assert!(ASKED_NAMES_MAX == 64, "a refusal says how many");
