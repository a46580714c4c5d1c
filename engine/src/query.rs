//! Queries: what a caller asks of a profile, and what it may have.

use alloc::string::String;

use crate::event::Event;
use crate::value::Value;

/// What a caller asks.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// The event of an event call, or the one that a lookup names.
    pub event: Option<&'a Event>,
    /// Which personalizations answer.
    pub asked: Asked<'a>,
    /// What the caller hands in: inputs that the event, if there is one, has no column for.
    pub inputs: &'a [(String, Value)],
    /// What the edge knows of the request: `country`, `city`, `device`.
    pub edge: &'a [(String, String)],
    /// What may leave.
    pub access: Access,
    /// Whether the profile could not be read: only sections without criteria may enter, because nothing is known, which
    /// is not the same as a profile that knows nothing.
    pub blind: bool,
}

/// Which personalizations answer.
#[derive(Clone, Copy, Debug)]
pub enum Asked<'a> {
    /// Those that a key event on the event's table triggers.
    Triggered,
    /// These, by index: what a token names, or what a lookup asks for.
    Named(&'a [usize]),
}

/// What a caller may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Whether the route is the server's; on a public one no sensitive value ever leaves.
    pub server_route: bool,
    /// Whether the server key has the scope for sensitive values.
    pub sensitive_scope: bool,
}
