//! Bodies as parts of a definition, and the findings about them. Only builds with the control plane read them.

/// The kind of a body, which its address says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Setting,
    KeyEvent,
    Attribute,
    Entity,
    Journey,
    Activation,
}

#[cfg(feature = "control-plane")]
mod reading {
    use std::collections::BTreeMap;

    use usher_config::{Body, Names, read_body};
    use usher_engine::Plan;
    use usher_engine::definition::{Definition, Journey};
    use usher_engine::diagnostic::{Code, Diagnostic, Severity};
    use usher_engine::value::Value;

    use super::super::answer::Result;
    use super::super::call::Call;
    use super::super::fault::Fault;
    use super::super::state::Kind;
    use super::super::{bodies, pointer};
    use super::Shape;
    use crate::wire::json::Json;

    /// The fields of a body that only answers have.
    const READ_BACK: [&str; 5] = ["id", "createdAt", "updatedAt", "createdBy", "updatedBy"];

    impl Call<'_> {
        /// The definition with a body's object at the end of its list. References to what does not exist are left to the
        /// checks of the whole.
        pub(in crate::control) fn lower(
            &self,
            shape: Shape,
            body: &Value,
            definition: Definition,
        ) -> Result<Definition> {
            // A caller does not set the fields that only answers have.
            let body = &bodies::without(body, &READ_BACK);
            let names = self.names(&definition);
            let mut json = Json::new();
            json.value(body);
            let (kind, path) = match shape {
                Shape::Setting => (Body::Setting, "identity".to_owned()),
                Shape::KeyEvent => (Body::KeyEvent, format!("key_events[{}]", definition.key_events.len())),
                Shape::Attribute => (Body::Attribute, format!("attributes[{}]", definition.attributes.len())),
                Shape::Entity => {
                    (Body::Entity, format!("personalizations[{}]", definition.personalizations.len()))
                }
                Shape::Journey => (Body::Journey, format!("journeys[{}]", definition.journeys.len())),
                Shape::Activation => {
                    (Body::Activation, format!("activations[{}]", definition.activations.len()))
                }
            };
            let reading = read_body(kind, &json.into_text(), definition, names);
            let mut faults = Vec::new();
            for finding in &reading.findings {
                if finding.diagnostic.severity() == Severity::Error {
                    faults.push(fault(body, finding));
                }
            }
            if !faults.is_empty() {
                return Err(faults);
            }
            // Objects that this one names may be made later.
            let refuses = |finding: &Diagnostic| {
                finding.severity() == Severity::Error
                    && finding.code != Code::UnknownName
                    && is_below(&path, finding)
            };
            let mut definition = reading.definition.clone();
            self.give_id(&mut definition);
            let found = Plan::compile(&definition).err().unwrap_or_default();
            let faults: Vec<Fault> =
                found.into_iter().filter(refuses).map(|it| fault(body, &reading.locate(it))).collect();
            if faults.is_empty() { Ok(reading.definition) } else { Err(faults) }
        }

        /// The faults of a journey, which takes the place of the one with its key, and of what it names. The body is the one
        /// of which it was read.
        pub(in crate::control) fn faults_of_journey(&self, journey: Journey, body: &Value) -> Vec<Fault> {
            let mut definition = self.definition.clone();
            definition.journeys.retain(|other| other.key() != journey.key());
            let path = format!("journeys[{}]", definition.journeys.len());
            let mut json = Json::new();
            json.value(body);
            let names = self.names(&definition);
            let reading = read_body(Body::Journey, &json.into_text(), definition.clone(), names);
            definition.journeys.push(journey);
            let found = Plan::compile(&definition).err().unwrap_or_default();
            let own = found.into_iter().filter(|it| it.severity() == Severity::Error && is_below(&path, it));
            own.map(|it| fault(body, &reading.locate(it))).collect()
        }

        /// The names that bodies refer to, by ids and by names for people.
        fn names(&self, definition: &Definition) -> Names {
            let of = |kind: Kind, names: Vec<&str>| -> BTreeMap<String, String> {
                let mut known = BTreeMap::new();
                for name in names {
                    let Some(object) = self.object(kind, name) else { continue };
                    if let Some(label) = object.body.get("name").and_then(Value::as_str) {
                        known.entry(label.to_owned()).or_insert_with(|| name.to_owned());
                    }
                }
                known
            };
            let with_ids = |kind: Kind, names: Vec<&str>| {
                let mut known = of(kind, names.clone());
                for name in names {
                    known.insert(name.to_owned(), name.to_owned());
                    known.insert(self.id(kind, name).to_owned(), name.to_owned());
                }
                known
            };
            let Definition { key_events, attributes, .. } = definition;
            Names {
                key_events: with_ids(Kind::KeyEvent, key_events.iter().map(|it| it.name.as_str()).collect()),
                attributes: with_ids(Kind::Attribute, attributes.iter().map(|it| it.name.as_str()).collect()),
            }
        }

        /// Gives a new entity an id, as it will have: without one it may not share the name of a service.
        fn give_id(&self, definition: &mut Definition) {
            if let Some(last) = definition.personalizations.last_mut() {
                last.id.get_or_insert_with(|| "0".to_owned());
            }
        }
    }

    /// True for findings about this part of the definition.
    fn is_below(path: &str, finding: &Diagnostic) -> bool {
        let rest = finding.path.strip_prefix(path);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }

    /// A finding at its place in the body.
    fn fault(body: &Value, finding: &usher_config::Finding) -> Fault {
        let column = finding.place.as_ref().map_or(1, |place| place.column);
        let pointer = pointer::at(body, column.saturating_sub(1));
        Fault::of_finding(finding.diagnostic.clone(), pointer)
    }
}

/// The build with the control plane reads and checks.
#[cfg(not(feature = "control-plane"))]
mod reading {
    use usher_engine::definition::{Definition, Journey};
    use usher_engine::diagnostic::{Code, Diagnostic};
    use usher_engine::value::Value;

    use super::super::answer::Result;
    use super::super::call::Call;
    use super::super::fault::Fault;
    use super::super::{bodies, pointer};
    use super::Shape;

    impl Call<'_> {
        pub(in crate::control) fn lower(&self, _: Shape, body: &Value, _: Definition) -> Result<Definition> {
            let finding = Diagnostic::new(Code::NotSupported, "this build reads no bodies");
            Err(vec![Fault::of_finding(finding, pointer::at(&bodies::without(body, &[]), 0))])
        }

        pub(in crate::control) fn faults_of_journey(&self, _: Journey, _: &Value) -> Vec<Fault> {
            Vec::new()
        }
    }
}
