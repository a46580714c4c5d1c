//! KaflowSQL pipelines: recognized, and no part of an audience's definition.

use usher_engine::diagnostic::Code;

use crate::document::Node;
use crate::lower::Lower;

pub(super) fn lower(lower: &mut Lower, node: &Node) {
    let help = "`usher pipeline validate` checks it, `usher pipeline run` runs it".to_owned();
    lower.note_with(
        Code::Ignored,
        node.first_key(),
        "a pipeline is no part of the definition; skipped",
        Some(help),
    );
}
