//! The operation that gives the schema.

use usher_edge::store::sql;
use usher_edge::wire::frame::FrameWriter;

/// Nothing → the statements that create the tables
pub(super) fn schema(out: &mut FrameWriter) -> Option<()> {
    out.list(sql::SCHEMA, |w, text| {
        w.text(text);
    });
    Some(())
}
