//! The head of a request that was checked: what a handler is told besides the body.

use super::auth::Caller;
use crate::host::Head;

/// Path parameters, headers and caller of a request that its route admits.
#[derive(Debug)]
pub(super) struct CheckedHead<'a> {
    /// Of the path, in its order.
    pub(super) parameters: [&'a str; 2],
    pub(super) head: Head<'a>,
    pub(super) caller: Caller<'a>,
}
