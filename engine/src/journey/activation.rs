//! The step Triggered Activation: something is sent.

use alloc::string::String;

use super::fired::Fired;
use super::here::{Here, StepAt};
use super::render::render;
use crate::objects::event_id;
use crate::progress::Current;
use crate::xxh3;

/// The message, rendered from the profile in hand.
pub(super) fn take(here: Here<'_>, at: StepAt, current: &Current, activation: usize) -> Option<Fired> {
    let plan = here.plan.activations.get(activation)?;
    let journey = here.plan.journeys.get(at.journey)?;
    let stage = journey.stages.get(at.stage)?;
    let text = render(here, plan, at, current);
    Some(Fired {
        id: id(here, at.journey, current),
        event: own_event(here),
        activation: plan.called.clone(),
        journey: journey.key().into(),
        stage: stage.key.clone(),
        step: stage.steps.get(at.step)?.id.clone(),
        connection: plan.connection.clone(),
        connector: plan.connector.clone(),
        method: plan.method.clone(),
        url: text.url,
        headers: text.headers,
        body: text.body,
    })
}

fn own_event(here: Here<'_>) -> Option<String> {
    here.call.event.filter(|event| !event.minted).map(|event| event_id(&event.id).into())
}

/// Two hashes of the journey, the entry, the step, its time and the event that led to it: two events at one time may both lead to
/// the step.
fn id(here: Here<'_>, journey: usize, current: &Current) -> [u8; 16] {
    let journey = here.plan.journeys.get(journey).map_or(0, |journey| xxh3::name(journey.key()));
    let event = here.call.event.map_or(0, |event| xxh3::hash(event.id.as_bytes()));
    let mut bytes = [0; 65];
    let parts = [
        &journey.to_le_bytes()[..],
        &current.by,
        &current.entered_ms.to_le_bytes(),
        &current.step.unwrap_or(0).to_le_bytes(),
        &current.stepped_ms.to_le_bytes(),
        &current.stage.to_le_bytes(),
        &event.to_le_bytes(),
    ];
    for (place, byte) in bytes.iter_mut().zip(parts.into_iter().flatten()) {
        *place = *byte;
    }
    let mut id = [0; 16];
    for (number, half) in id.chunks_exact_mut(8).enumerate() {
        if let Some(last) = bytes.last_mut() {
            *last = number as u8;
        }
        half.copy_from_slice(&xxh3::hash(&bytes).to_le_bytes());
    }
    id
}
