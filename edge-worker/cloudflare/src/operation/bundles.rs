//! The operations that compile and install bundles.

use usher_edge::store::Pointer;
use usher_edge::wire::frame::{FrameReader, FrameWriter};
use usher_edge::{Bundle, Edge, Unrunnable};

use crate::fault::fault;
use crate::plane::IS_CONTROL_PLANE;

/// `pointer · body` → `complaint · 1 if a newer build wrote it · 1 if criteria read facts of requests`; where there is
/// no compiler, `pointer · what compiling gave`
pub(super) fn install(
    edge: Option<&mut Edge>,
    mut input: FrameReader<'_>,
    out: &mut FrameWriter,
) -> Option<()> {
    let pointer = Pointer::read(&mut input)?;
    let edge = edge?;
    let installed = if IS_CONTROL_PLANE {
        let body = input.bytes()?;
        fault(body, "install", pointer.number);
        edge.install(&pointer, body.to_vec())
    } else {
        let compiled = compiled(&mut input)?;
        fault(compiled.as_deref().unwrap_or_default(), "install", pointer.number);
        edge.install_compiled(&pointer, compiled)
    };
    out.text(&installed.err().unwrap_or_default());
    out.byte(u8::from(edge.is_too_new(&pointer.audience))).byte(u8::from(edge.reads_facts()));
    Some(())
}

/// `pointer · hash · body` → `complaint · 1 if criteria read facts of requests`; where there is no compiler, `pointer ·
/// hash · what compiling gave`
pub(super) fn stand_in(
    edge: Option<&mut Edge>,
    mut input: FrameReader<'_>,
    out: &mut FrameWriter,
) -> Option<()> {
    let pointer = Pointer::read(&mut input)?;
    let hash = input.text()?;
    let edge = edge?;
    let stands_in = if IS_CONTROL_PLANE {
        edge.stand_in(&pointer, hash, input.bytes()?.to_vec())
    } else {
        let compiled = compiled(&mut input)?;
        compiled.map_err(|it| it.reason).and_then(|plan| edge.stand_in_compiled(&pointer, hash, plan))
    };
    out.text(&stands_in.err().unwrap_or_default());
    out.byte(u8::from(edge.reads_facts()));
    Some(())
}

/// `pointer · body` → `0 complaint · 1 if a newer build wrote it | 1 plan`, for the other module, which has no compiler
pub(super) fn compile(mut input: FrameReader<'_>, out: &mut FrameWriter) -> Option<()> {
    let pointer = Pointer::read(&mut input)?;
    let body = input.bytes()?;
    fault(body, "compile", pointer.number);
    match Bundle::compile(body, &pointer.hash, &pointer.audience) {
        Ok(plan) => out.byte(1).bytes(&plan),
        Err(it) => out.byte(0).text(&it.reason).byte(u8::from(it.is_too_new)),
    };
    Some(())
}

/// The result of compiling a bundle.
fn compiled<'f>(input: &mut FrameReader<'f>) -> Option<Result<&'f [u8], Unrunnable>> {
    Some(match input.byte()? {
        0 => Err(Unrunnable { reason: input.text()?.to_owned(), is_too_new: input.byte()? != 0 }),
        _ => Ok(input.bytes()?),
    })
}
