//! The bytes of a program: a head that names the build, then the tables of the plan.

use alloc::string::String;
use alloc::vec::Vec;

use super::reduce::Reduced;
use super::unusable::Unusable;
use crate::bytes::{Damaged, Reader, Writer};
use crate::flat::Flat;
use crate::plan::Plan;

const MAGIC: &[u8] = b"UDP";

/// The number of the layout. A program is read by the build that wrote it, or by one with the same layout. Who changes a type
/// of a plan changes this number, too: `tests/vectors/http/device.toml` has the hash of a program, and fails then.
const LAYOUT: u8 = 2;

impl Reduced {
    /// The bytes of its program. Two definitions that differ only in private parts have the same.
    pub fn program(&self) -> Vec<u8> {
        let mut w = Writer::default();
        w.bytes(MAGIC);
        w.byte(LAYOUT);
        self.keys.write(&mut w);
        self.plan.write_parts(&mut w);
        w.0
    }
}

/// The plan and the names of the keys.
pub(super) fn read(bytes: &[u8]) -> Result<(Plan, Vec<String>), Unusable> {
    let mut r = Reader::new(bytes);
    let (magic, layout) = (r.take(MAGIC.len()), r.byte());
    r.sound()?;
    if magic != MAGIC {
        return Err(Unusable::Damaged("not a program"));
    }
    if layout != LAYOUT {
        return Err(Unusable::OtherEngine);
    }
    let r = &mut r;
    let keys = Flat::read(r);
    let plan = Plan::read_parts(r);
    r.finish()?;
    Ok((plan, keys))
}

impl From<Damaged> for Unusable {
    fn from(Damaged(why): Damaged) -> Unusable {
        Unusable::Damaged(why)
    }
}
