//! The checked head of a request: the input of a handler beside the body.

use super::auth::Caller;
use crate::error::{Refusal, Refused, Result};
use crate::host::{Head, SOURCE_HEADER};
use crate::message::Payer;
use crate::wire::query;

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

    /// Refuses a query with other parameters than these, for routes where one that is not read would lose data.
    pub(super) fn takes_only(&self, parameters: &[&str]) -> Result<()> {
        let mut sent = query::pairs(self.head.target);
        if sent.all(|(name, _)| parameters.contains(&name)) {
            return Ok(());
        }
        let detail = format!("the parameters of this route are `{}`", parameters.join("`, `"));
        Err(Refused::with_detail(Refusal::BODY_INVALID, detail))
    }
}
