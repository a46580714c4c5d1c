//! KaflowSQL pipelines: a part of the definition where they join its tables, and for streams alone otherwise.

use usher_engine::diagnostic::Code;

use crate::document::Node;
use crate::lower::Lower;

pub(super) fn lower(lower: &mut Lower, node: &Node) {
    let text = lower.text;
    lower.pipelines.push((text, node.clone()));
}

/// Reads the pipelines, when the tables are known.
pub(super) fn finish(lower: &mut Lower) {
    for (text, node) in std::mem::take(&mut lower.pipelines) {
        lower.text = text;
        lower.leave();
        if lower.definition.lookup_tables.is_empty() || !read(lower, &node) {
            lower.leave();
            let help = "`usher pipeline validate` checks it, `usher pipeline run` runs it".to_owned();
            lower.note_with(
                Code::Ignored,
                node.first_key(),
                "a pipeline is no part of the definition; skipped",
                Some(help),
            );
        }
        lower.leave();
    }
}

#[cfg(not(target_family = "wasm"))]
use crate::pipeline::beside as read;

/// Texts of the control API have no pipelines, and no reader of SQL is in a wasm module.
#[cfg(target_family = "wasm")]
fn read(_: &mut Lower, _: &Node) -> bool {
    false
}
