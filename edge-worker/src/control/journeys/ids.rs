//! The ids of journeys, stages and activations, and the names by which a definition calls them.
//!
//! Profiles keep their progress under the ids of the definition, or under names where a file gives none. So objects are
//! known by these, and neither a rename nor an answer of the API changes them.

use usher_engine::definition::{Journey, Stage, StepKind, key_of};
use usher_engine::value::Value;

use super::super::call::Call;
use super::super::state::{Kind, Object};

impl Call<'_> {
    /// A new object that the definition calls by its id.
    pub(in crate::control) fn add_named_by_id(&mut self, kind: Kind, part_of: &str) -> String {
        let id = self.add(kind, "", Value::Null);
        if let Some(object) = self.object_mut(kind, &id) {
            object.name.clone_from(&id);
            part_of.clone_into(&mut object.part_of);
        }
        id
    }

    /// The object of a stage of this journey.
    fn part(&self, journey: &str, stage: &str) -> Option<&Object> {
        let mut parts = self.state.objects.iter();
        parts.find(|it| it.kind == Kind::Stage && it.part_of == journey && it.name == stage)
    }

    /// The id of a stage of the journey with this id.
    pub(in crate::control) fn part_id(&self, journey: &str, stage: &str) -> &str {
        self.part(journey, stage).map_or("", |object| object.id.as_str())
    }

    /// The activations that belong to a journey, as the definition calls them: those that were made for it, and those that
    /// it sends.
    pub(in crate::control) fn activations_of(&self, id: &str, journey: &Journey) -> Vec<&str> {
        let sent = self.sent_by(journey);
        let is_own = |(index, called): &(usize, &str)| {
            let known = self.object(Kind::Activation, called);
            known.is_some_and(|known| known.part_of == id) || sent.contains(index)
        };
        let all = self.definition.activations.iter().map(|it| key_of(&it.id, &it.name));
        all.enumerate().filter(is_own).map(|(_, called)| called).collect()
    }

    /// The indexes of the activations that a journey sends.
    pub(in crate::control) fn sent_by(&self, journey: &Journey) -> Vec<usize> {
        let steps = journey.stages.iter().flat_map(|stage| &stage.steps);
        let called = steps.filter_map(|step| match &step.kind {
            StepKind::Activation { activation, .. } => Some(activation.as_str()),
            _ => None,
        });
        called.filter_map(|called| self.definition.activation(called)).collect()
    }

    /// Gives journeys, stages and activations of the definition an id that have none yet.
    pub(in crate::control) fn name_journeys(&mut self) {
        let journeys: Vec<(String, Vec<String>)> = self
            .definition
            .journeys
            .iter()
            .map(|it| (it.key().to_owned(), it.stages.iter().map(|stage| stage.key().to_owned()).collect()))
            .collect();
        for (journey, stages) in journeys {
            if self.object(Kind::Journey, &journey).is_none() {
                self.add(Kind::Journey, &journey, Value::Null);
            }
            let id = self.id(Kind::Journey, &journey).to_owned();
            for stage in stages {
                if self.part(&id, &stage).is_none() {
                    let part = self.add(Kind::Stage, &stage, Value::Null);
                    if let Some(part) = self.object_mut(Kind::Stage, &part) {
                        part.part_of.clone_from(&id);
                    }
                }
            }
        }
        let activations = self.definition.activations.iter();
        let activations: Vec<String> = activations.map(|it| key_of(&it.id, &it.name).to_owned()).collect();
        for activation in activations {
            if self.object(Kind::Activation, &activation).is_none() {
                self.add(Kind::Activation, &activation, Value::Null);
            }
        }
    }

    /// Gives the stages of a body their ids, those of `before` where they are the same, and calls the parts of journeys as
    /// the definition does. Returns the body with the ids of its stages; null where it spells them otherwise.
    pub(in crate::control) fn settle(
        &mut self,
        id: &str,
        journey: &mut Journey,
        before: Option<&Journey>,
        attributes: Value,
    ) -> Value {
        let mut called: Vec<(String, String)> = Vec::new();
        let mut ids: Vec<String> = Vec::new();
        let sent: Vec<Option<String>> = journey.stages.iter_mut().map(|stage| stage.id.take()).collect();
        for (stage, sent) in journey.stages.iter_mut().zip(sent) {
            let is_free = |object: &&Object| !ids.contains(&object.id);
            let parts = self.state.objects.iter().filter(|it| it.kind == Kind::Stage && it.part_of == id);
            let mut parts = parts.filter(is_free);
            // Without an id a stage is the one with its name.
            let same = |stage: &Stage| before?.stages.iter().find(|it| it.name == stage.name).map(Stage::key);
            let known = match &sent {
                Some(sent) => parts.find(|it| it.id == *sent),
                None => same(stage).and_then(|key| parts.find(|it| it.name == key)),
            };
            let (object, key) = match known {
                Some(object) => (object.id.clone(), object.name.clone()),
                None => {
                    let new = self.add_named_by_id(Kind::Stage, id);
                    (new.clone(), new)
                }
            };
            called.extend(sent.into_iter().map(|sent| (sent, key.clone())));
            called.push((object.clone(), key.clone()));
            let was_named =
                before.is_some_and(|it| it.stages.iter().any(|it| it.id.is_none() && it.name == key));
            stage.id = Some(key).filter(|key| !was_named || *key != stage.name);
            ids.push(object);
        }
        self.call_by_name(id, journey, &called);
        with_ids(attributes, ids)
    }

    /// Calls other journeys, stages and activations as the definition does, where a body has their ids.
    fn call_by_name(&self, id: &str, journey: &mut Journey, own: &[(String, String)]) {
        let key = journey.key().to_owned();
        let of_id =
            |kind: Kind, id: &str| self.state.objects.iter().find(|it| it.kind == kind && it.id == id);
        for target in journey.targets_mut() {
            let other = target.journey.as_deref().and_then(|called| of_id(Kind::Journey, called));
            let is_own = target.journey.is_none() || other.is_some_and(|other| other.id == id);
            if is_own {
                target.journey = target.journey.take().map(|_| key.clone());
                if let Some((_, key)) = own.iter().find(|(sent, _)| *sent == target.stage) {
                    target.stage.clone_from(key);
                }
                continue;
            }
            let Some(other) = other else { continue };
            target.journey = Some(other.name.clone());
            if let Some(stage) = of_id(Kind::Stage, &target.stage).filter(|it| it.part_of == other.id) {
                target.stage.clone_from(&stage.name);
            }
        }
        for step in journey.stages.iter_mut().flat_map(|stage| &mut stage.steps) {
            if let StepKind::Activation { activation, .. } = &mut step.kind
                && let Some(known) = of_id(Kind::Activation, activation)
            {
                activation.clone_from(&known.name);
            }
        }
    }
}

/// A body with these ids of its stages, in their order; null where it does not list them under the name of the API.
fn with_ids(mut attributes: Value, ids: Vec<String>) -> Value {
    let Value::Object(fields) = &mut attributes else { return Value::Null };
    let stages = fields.iter_mut().find(|(name, _)| name == "realtimeJourneyStages");
    let Some((_, Value::List(stages))) = stages else { return Value::Null };
    if stages.len() != ids.len() {
        return Value::Null;
    }
    for (stage, id) in stages.iter_mut().zip(ids) {
        let taken = core::mem::replace(stage, Value::Null);
        *stage = super::super::bodies::patched(taken, &[("id".to_owned(), Value::String(id))]);
    }
    attributes
}
