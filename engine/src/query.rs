//! Queries: the request for an answer about a profile, and the caller's access.

use alloc::string::String;

use crate::event::Event;
use crate::value::Value;

/// A request for an answer.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// The event of an event call, or the one that a lookup names.
    pub event: Option<&'a Event>,
    /// The personalizations to answer.
    pub asked: Asked<'a>,
    /// The caller's inputs, for names that the event, if any, has no column for.
    pub inputs: &'a [(String, Value)],
    /// The edge's context of the request: `country`, `city`, `device`.
    pub edge: &'a [(String, String)],
    /// The caller's access.
    pub access: Access,
    /// True if the profile could not be read. Only sections without criteria may enter then: an unreadable profile is
    /// not the same as an empty one.
    pub blind: bool,
}

/// The personalizations to answer.
#[derive(Clone, Copy, Debug)]
pub enum Asked<'a> {
    /// The personalizations that a key event on the event's table triggers.
    Triggered,
    /// These, by index, as a token or lookup names them.
    Named(&'a [usize]),
}

/// The caller's access to sensitive values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// True if the route is a server route; a public one never shows sensitive values.
    pub server_route: bool,
    /// True if the server key has the scope for sensitive values.
    pub sensitive_scope: bool,
}
