//! The checked head of a request: the input of a handler beside the body.

use super::auth::Caller;
use crate::host::{Head, SOURCE_HEADER};

/// Path parameters, headers and caller of a request that its route accepts.
#[derive(Debug)]
pub(super) struct CheckedHead<'a> {
    /// The parameters of the path, in its order; empty beyond the last.
    pub(super) parameters: [&'a str; 3],
    pub(super) head: Head<'a>,
    pub(super) caller: Caller<'a>,
}

impl<'a> CheckedHead<'a> {
    /// Where a caller by a public key or token is, if the host knows it.
    pub(super) fn source(&self) -> Option<&'a str> {
        self.head.header(SOURCE_HEADER).filter(|_| !self.caller.is_server)
    }
}
