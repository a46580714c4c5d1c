//! The results of a fold beside the changed profile.

use alloc::string::String;
use alloc::vec::Vec;

/// The results of an event or a due time, beside the changed profile.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Advanced {
    /// Messages to send, in the order of the steps.
    pub fired: Vec<Fired>,
}

/// A message that a step sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fired {
    /// The same for every attempt, and for nothing else.
    pub id: [u8; 16],
    /// The id of the event that led to the step. None: a due time did, or the event came without an id.
    pub event: Option<String>,
    /// The activation, by its id, or its name where it has none.
    pub activation: String,
    /// The journey, in the same way.
    pub journey: String,
    /// The stage, in the same way.
    pub stage: String,
    /// The step's id.
    pub step: String,
    /// The destination's id. None: it is found by the address.
    pub connection: Option<String>,
    /// The connector's type.
    pub connector: String,
    /// The HTTP method, in capitals.
    pub method: String,
    /// The address, with its placeholders replaced. None: the destination's own.
    pub url: Option<String>,
    /// Headers, by name.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}
