//! Rows of journeys: when visitors have to be led on, and what steps send.

use crate::message::DeliveryRow;

/// When a profile has to be led on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitRow {
    /// The audience's id.
    pub audience: String,
    /// The profile's id.
    pub profile: [u8; 16],
    /// Unix milliseconds; None: it waits for nothing.
    pub due_ms: Option<i64>,
}

/// A message that a step sends, and that is not sent yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendRow {
    /// The audience's id.
    pub audience: String,
    /// The profile's id.
    pub profile: [u8; 16],
    /// The same for every attempt.
    pub id: [u8; 16],
    /// When the step was taken, Unix milliseconds.
    pub at_ms: i64,
    /// As JSON: the activation, its journey, stage and step, and the request.
    pub message: String,
    /// How its delivery stood in the shard that handed it over; None: it was not handed over, or no turn had seen it.
    pub delivery: Option<Box<DeliveryRow>>,
}
