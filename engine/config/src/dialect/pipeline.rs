//! KaflowSQL pipelines: recognized, said to be skipped, not read.

use usher_engine::diagnostic::Code;

use super::first_key;
use crate::document::Node;
use crate::lower::Lower;

pub(super) fn lower(lower: &mut Lower, node: &Node) {
    lower.note(Code::Ignored, first_key(node), "pipelines are not supported yet; skipped");
}
