//! The checked head of a request: the input of a handler beside the body.

use super::auth::Caller;
use crate::host::{Head, SOURCE_HEADER};
use crate::message::Payer;

/// Path parameters, headers and caller of a request that its route accepts.
#[derive(Debug)]
pub(super) struct CheckedHead<'a> {
    /// The parameters of the path, in its order; empty beyond the last.
    pub(super) parameters: [&'a str; 3],
    pub(super) head: Head<'a>,
    pub(super) caller: Caller<'a>,
}

impl<'a> CheckedHead<'a> {
    /// The rate that the caller draws on: that of its source, if it calls by a public key or token and the host knows where
    /// it is; a server key's own, if it has one.
    pub(super) fn payer(&self) -> Option<Payer<'a>> {
        if self.caller.is_server {
            return self.caller.own_rate.clone();
        }
        self.head.header(SOURCE_HEADER).map(|source| Payer::Source(source.into()))
    }
}
