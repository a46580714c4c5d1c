//! Where something stands.

use crate::document::Span;

/// Where something stands: which text, which bytes.
pub(crate) type At = (usize, Span);
