//! KaflowSQL pipelines: recognized and reported as skipped, not read.

use usher_engine::diagnostic::Code;

use crate::document::Node;
use crate::lower::Lower;

pub(super) fn lower(lower: &mut Lower, node: &Node) {
    lower.note(Code::Ignored, node.first_key(), "pipelines are not supported yet; skipped");
}
