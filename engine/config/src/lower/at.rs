//! Places in the texts.

use crate::document::Span;

/// A place: the index of the text, and the range in it.
pub(crate) type At = (usize, Span);
