//! The bytes of a plan, for a module of the same build that has no compiler: what answers read, and nothing else of the
//! definition. Programs for devices ([`device`](crate::device)) have the same parts.

use alloc::string::String;
use alloc::vec::Vec;

use super::Plan;
use super::journeys::{HAS_JOURNEYS, KindPlan, StepPlan};
use super::keys::KeyRule;
use crate::bytes::{Reader, Writer};
use crate::definition::{
    Audience, Definition, Input, Normalize, Output, OutputSource, Personalization, Section, Segment, Trust,
};
use crate::flat::{Flat, flat};
use crate::syntax::Expr;

impl Plan {
    /// The bytes of the plan, without what only explanations, lists of devices and publishing read of its definition, and without what
    /// steps of journeys do: by such a plan visitors do not move, but [`Plan::advance`] tells that they would.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer::default();
        self.write_parts(&mut w);
        self.key_rules.write(&mut w);
        self.primary_key.write(&mut w);
        self.lookup_key.write(&mut w);
        self.definition.audience.id.write(&mut w);
        // Devices get no sensitive values, so a section has no word for them there.
        let sections = self.definition.personalizations.iter().flat_map(|it| &it.sections);
        sections.for_each(|section| section.include_sensitive.write(&mut w));
        self.catalogs.write(&mut w);
        if HAS_JOURNEYS {
            self.journeys.write(&mut w);
        }
        w.0
    }

    /// The plan in bytes that [`to_bytes`](Plan::to_bytes) of this build wrote.
    ///
    /// # Errors
    ///
    /// The reason why they are none.
    ///
    /// # Examples
    ///
    /// ```
    /// # use usher_engine::{Plan, definition::Definition};
    /// let plan = Plan::compile(&Definition::default()).unwrap();
    /// assert!(Plan::from_bytes(&plan.to_bytes()).is_ok());
    /// assert!(Plan::from_bytes(b"plan").is_err());
    /// ```
    pub fn from_bytes(bytes: &[u8]) -> Result<Plan, &'static str> {
        let r = &mut Reader::new(bytes);
        let mut plan = Plan::read_parts(r);
        plan.key_rules = Flat::read(r);
        plan.primary_key = Flat::read(r);
        plan.lookup_key = Flat::read(r);
        plan.definition.audience = Audience { id: Flat::read(r), name: None };
        let sections = plan.definition.personalizations.iter_mut().flat_map(|it| &mut it.sections);
        sections.for_each(|section| section.include_sensitive = Flat::read(r));
        plan.catalogs = Flat::read(r);
        if HAS_JOURNEYS {
            plan.journeys = Flat::read(r);
        }
        r.finish().map_err(|damaged| damaged.0)?;
        Ok(plan)
    }

    /// The parts that devices read, too.
    pub(crate) fn write_parts(&self, w: &mut Writer) {
        self.tables.write(w);
        self.program.write(w);
        self.key_events.write(w);
        self.attributes.write(w);
        self.facts.write(w);
        self.id_columns.write(w);
        self.personalizations.write(w);
        self.definition.personalizations.write(w);
    }

    /// A plan of those parts, without keys.
    pub(crate) fn read_parts(r: &mut Reader<'_>) -> Plan {
        Plan {
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
            catalogs: Vec::new(),
            journeys: Vec::new(),
            activations: Vec::new(),
            has_steps: false,
        }
    }
}

flat!(struct KeyRule {
    name, normalize, valid, exclude, invalid_texts, placeholder_list, workflow_only, trust,
});
flat!(enum Normalize { 0 = Trim, 1 = Lowercase });
flat!(enum Trust { 0 = Open, 1 = Verified });

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
            OutputSource::Attribute { .. } | OutputSource::Template(_) | OutputSource::Expression(_) => {
                w.byte(1)
            }
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

impl Flat for StepPlan {
    fn write(&self, w: &mut Writer) {
        self.name.write(w);
    }

    fn read(r: &mut Reader<'_>) -> StepPlan {
        StepPlan { name: Flat::read(r), id: String::new(), kind: KindPlan::End }
    }
}

flat!(struct Input { name, data_type, required });
flat!(struct Segment { name, id });
