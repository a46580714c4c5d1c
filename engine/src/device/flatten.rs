//! The bytes of a program: a head that names the build, then the tables of the plan.

use alloc::string::String;
use alloc::vec::Vec;

use super::reduce::Reduced;
use super::unusable::Unusable;
use crate::bytes::{Damaged, Reader, Writer};
use crate::definition::{Definition, Input, Output, OutputSource, Personalization, Section, Segment};
use crate::flat::{Flat, flat};
use crate::plan::Plan;
use crate::syntax::Expr;

const MAGIC: &[u8] = b"UDP";

/// The number of the layout. A program is read by the build that wrote it, or by one with the same layout. Who changes a type
/// below changes this number, too: `tests/vectors/http/device.toml` has the hash of a program, and fails then.
const LAYOUT: u8 = 1;

impl Reduced {
    /// The bytes of its program. Two definitions that differ only in private parts have the same.
    pub fn program(&self) -> Vec<u8> {
        let mut w = Writer::default();
        w.bytes(MAGIC);
        w.byte(LAYOUT);
        self.keys.write(&mut w);
        let plan = &self.plan;
        plan.tables.write(&mut w);
        plan.program.write(&mut w);
        plan.key_events.write(&mut w);
        plan.attributes.write(&mut w);
        plan.facts.write(&mut w);
        plan.id_columns.write(&mut w);
        plan.personalizations.write(&mut w);
        plan.definition.personalizations.write(&mut w);
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
    let plan = Plan {
        tables: Flat::read(r),
        program: Flat::read(r),
        key_events: Flat::read(r),
        attributes: Flat::read(r),
        facts: Flat::read(r),
        id_columns: Flat::read(r),
        personalizations: Flat::read(r),
        definition: Definition { personalizations: Flat::read(r), ..Definition::default() },
        key_rules: Vec::new(),
        primary_key: None,
        lookup_key: None,
    };
    r.finish()?;
    Ok((plan, keys))
}

impl From<Damaged> for Unusable {
    fn from(Damaged(why): Damaged) -> Unusable {
        Unusable::Damaged(why)
    }
}

impl Flat for Personalization {
    fn write(&self, w: &mut Writer) {
        self.name.write(w);
        self.id.write(w);
        self.choice.write(w);
        self.segments_as.write(w);
        self.inputs.write(w);
        self.sections.write(w);
    }

    fn read(r: &mut Reader<'_>) -> Personalization {
        Personalization {
            name: Flat::read(r),
            id: Flat::read(r),
            choice: Flat::read(r),
            segments_as: Flat::read(r),
            inputs: Flat::read(r),
            sections: Flat::read(r),
            description: None,
            device: true,
            trigger: None,
        }
    }
}

impl Flat for Section {
    fn write(&self, w: &mut Writer) {
        self.name.write(w);
        // Of key event and filter an answer only needs to know that they are there.
        self.key_event.is_some().write(w);
        self.event_filter.is_some().write(w);
        self.accept_unknown_profiles.write(w);
        self.outputs.write(w);
        self.segments.write(w);
    }

    fn read(r: &mut Reader<'_>) -> Section {
        Section {
            name: Flat::read(r),
            key_event: bool::read(r).then(String::new),
            event_filter: bool::read(r).then_some(Expr::Constant(true)),
            accept_unknown_profiles: Flat::read(r),
            outputs: Flat::read(r),
            segments: Flat::read(r),
            criteria: Expr::Constant(true),
            include_sensitive: false,
        }
    }
}

impl Flat for Output {
    fn write(&self, w: &mut Writer) {
        self.name.write(w);
        match &self.source {
            OutputSource::Constant(value) => {
                w.byte(0);
                value.write(w);
            }
            // The plan beside it has the rest.
            OutputSource::Attribute { .. } | OutputSource::Template(_) => w.byte(1),
            OutputSource::Text(texts) => {
                w.byte(2);
                texts.write(w);
            }
        }
    }

    fn read(r: &mut Reader<'_>) -> Output {
        let name = Flat::read(r);
        let source = match r.byte() {
            0 => OutputSource::Constant(Flat::read(r)),
            1 => OutputSource::Template(String::new()),
            2 => OutputSource::Text(Flat::read(r)),
            _ => {
                r.fail("an output is of an unknown kind");
                OutputSource::Template(String::new())
            }
        };
        Output { name, source }
    }
}

flat!(struct Input { name, data_type, required });
flat!(struct Segment { name, id });
