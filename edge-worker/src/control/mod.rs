//! The control API of RT 2.0: calls that edit an audience's draft, which becomes a bundle.
//!
//! A call is folded in the control object, together with the draft, the bundles and the ids of the audience: what it
//! changes and what it publishes is one commit. A draft that has rested for [`DRAFT_REST_MS`](crate::limits::DRAFT_REST_MS) is published by the next call
//! that only reads, or by a host's timer.

mod activations;
mod answer;
mod attributes;
mod auths;
mod bodies;
mod call;
mod conditions;
mod drafts;
mod entities;
mod fault;
mod finding;
mod journeys;
mod key_events;
mod lowering;
mod pages;
mod pointer;
mod rename;
mod services;
mod settings;
mod state;

use usher_engine::value::Value;

use answer::{Answer, Answered, response};
pub(crate) use auths::auth;
use call::Call;
use fault::Fault;

use crate::error::Refusal;
use crate::form::Form;
use crate::message::{Api, Op};
use crate::outcome::{Folded, Outcome};
use crate::store::{ControlRead, Found, Read};
use crate::wire::Response;

/// A call whose read is pending.
#[derive(Debug)]
pub(crate) struct Work(Api);

/// Determines the read that a call needs.
pub(crate) fn open(api: Api) -> (Read, Work) {
    let [first, _] = &api.parameters;
    let object = if api.audience.is_empty() { first.parse().unwrap_or(0) } else { 0 };
    let due_ms = if api.op == Op::DraftDue { api.now_ms } else { i64::MIN };
    (Read::Control(ControlRead { audience: api.audience.clone(), object, due_ms }), Work(api))
}

/// Decides a call, given the result of its read. `form` is the one to write.
pub(crate) fn fold(work: &Work, found: Found, form: Form) -> Folded {
    let Found::Control(found) = found else { return Outcome::of(Response::refused(Refusal::INTERNAL)) };
    let Work(api) = work;
    if found.audience.is_empty() {
        let nothing = Ok(Answer::plain(200, Value::Object(Vec::new())));
        let answer = if api.op == Op::DraftDue { nothing } else { Err(vec![Fault::not_found()]) };
        return Outcome::of(response(answer));
    }
    let mut call = match Call::new(api, *found, form) {
        Ok(call) => call,
        Err(refused) => return Outcome::of(refused),
    };
    if !call.is_covered() {
        return Outcome::of(response(Err(vec![Fault::not_found()])));
    }
    if !is_edit(api.op) {
        call.publish_if_rested();
    }
    let answer = answer(&mut call);
    call.outcome(answer)
}

/// The answer when storage fails.
pub(crate) fn unavailable() -> Response {
    Response::failed_call(Refusal::STORAGE, None)
}

/// True for calls that change the draft: they are not the ones that publish it when it has rested.
fn is_edit(op: Op) -> bool {
    matches!(
        op,
        Op::SettingPatch
            | Op::KeyEventCreate
            | Op::KeyEventPatch
            | Op::KeyEventDelete
            | Op::AttributeCreate
            | Op::AttributePatch
            | Op::AttributeDelete
            | Op::ImportedUpdate
            | Op::ServiceCreate
            | Op::ServicePatch
            | Op::ServiceDelete
            | Op::EntityCreate
            | Op::EntityPatch
            | Op::EntityDelete
            | Op::TokenCreate
            | Op::TokenDelete
            | Op::DraftDiscard
            | Op::DraftPublish
            | Op::ServicePush
            | Op::DraftDue
            | Op::JourneyCreate
            | Op::JourneyPatch
            | Op::JourneyDelete
            | Op::JourneyCheck
            | Op::JourneyPause
            | Op::JourneyResume
            | Op::JourneyCopy
            | Op::ActivationCreate
            | Op::ActivationPatch
    )
}

fn answer(call: &mut Call<'_>) -> Answered {
    match call.api.op {
        Op::SettingRead => settings::read(call),
        Op::SettingPatch => settings::patch(call),
        Op::ImportedUpdate => settings::update_imported(call),
        Op::VersionRead => settings::version(call),
        Op::AudienceRead => settings::audience(call),
        Op::FolderList | Op::FolderTree => settings::folders(call),
        Op::KeyEventList => key_events::list(call),
        Op::KeyEventCreate => key_events::create(call),
        Op::KeyEventRead => key_events::read(call),
        Op::KeyEventPatch => key_events::patch(call),
        Op::KeyEventDelete => key_events::delete(call),
        Op::KeyEventColumns | Op::TableColumns => key_events::columns(call),
        Op::AttributeList | Op::AttributeResources => attributes::list(call),
        Op::AttributeCreate => attributes::create(call),
        Op::AttributeRead => attributes::read(call),
        Op::AttributePatch => attributes::patch(call),
        Op::AttributeDelete => attributes::delete(call),
        Op::ServiceList => services::list(call),
        Op::ServiceCreate => services::create(call),
        Op::ServiceRead => services::read(call),
        Op::ServicePatch => services::patch(call),
        Op::ServiceDelete => services::delete(call),
        Op::TokenCreate => services::create_token(call),
        Op::TokenDelete => services::delete_token(call),
        Op::EntityList => entities::list(call),
        Op::EntityCreate => entities::create(call),
        Op::EntityRead => entities::read(call),
        Op::EntityPatch => entities::patch(call),
        Op::EntityDelete => entities::delete(call),
        Op::DraftRead => drafts::read(call),
        Op::DraftPublish => drafts::publish(call),
        Op::DraftDiscard => drafts::discard(call),
        Op::DraftDue => drafts::due(call),
        Op::ServicePush => drafts::push(call),
        Op::JourneyList => journeys::list(call),
        Op::JourneyCreate => journeys::create(call),
        Op::JourneyRead => journeys::read(call),
        Op::JourneyPatch => journeys::patch(call),
        Op::JourneyDelete => journeys::delete(call),
        Op::JourneyCheck => journeys::check(call),
        Op::JourneyPause => journeys::pause(call, true),
        Op::JourneyResume => journeys::pause(call, false),
        Op::JourneyCopy => journeys::duplicate(call),
        Op::JourneyVariants => journeys::variants(call),
        Op::ActivationsOfAudience | Op::ActivationList => activations::list(call),
        Op::ActivationCreate => activations::create(call),
        Op::ActivationRead => activations::read(call),
        Op::ActivationPatch => activations::patch(call),
    }
}

#[cfg(test)]
mod tests;
