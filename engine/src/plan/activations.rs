//! The part of the compiler that compiles activations: texts with `{{name}}` placeholders.
//!
//! A name is an attribute, a key, `event_name` and `event_time` of the event that leads to the step, or `step_time`.

use alloc::borrow::ToOwned;
use alloc::vec::Vec;

use super::catalogs;
use super::compile::Compiler;
use super::directory::Directory;
use super::{ActivationPlan, Insert};
use crate::definition::{Activation, key_of};
use crate::diagnostic::{At, NameKind, words};
use crate::expr::scope::Names;

impl Compiler<'_> {
    pub(super) fn activations(&mut self, directory: &Directory) -> Vec<ActivationPlan> {
        let activations = self.definition.activations.iter().enumerate();
        let compile = |(index, activation): (usize, &Activation)| {
            let at = At::item("activations", index);
            let url = activation.url.as_ref().map(|text| self.inserts(directory, text, at.field("url")));
            let headers = activation.headers.iter().enumerate();
            let headers = headers.map(|(number, header)| {
                let value = self.inserts(directory, &header.value, at.inner("headers", number));
                (header.name.clone(), value)
            });
            let headers = headers.collect();
            let body = activation.body.as_ref().map(|text| self.inserts(directory, text, at.field("body")));
            ActivationPlan {
                called: key_of(&activation.id, &activation.name).into(),
                connection: activation.connection.clone(),
                connector: activation.connector.clone(),
                method: activation.method.clone(),
                url,
                headers,
                body,
            }
        };
        activations.map(compile).collect()
    }

    fn inserts(&mut self, directory: &Directory, text: &str, at: At<'_>) -> Vec<Insert> {
        let insert = |compiler: &mut Self, name: &str| compiler.insert(directory, name, at);
        self.pieces(text, at, |text| Insert::Text(text.into()), insert)
    }

    fn insert(&mut self, directory: &Directory, name: &str, at: At<'_>) -> Option<Insert> {
        if directory.attribute(name).is_some() {
            let fact = self.shown(directory, name, None, at)?;
            if directory.is_of_row(fact) {
                self.out.push(catalogs::not_in_journeys().at(at));
            }
            return Some(Insert::Fact(fact));
        }
        let identity = &self.definition.identity;
        let of_lookup = identity.lookup_key.as_deref().or(identity.primary_key.as_deref());
        if of_lookup == Some(name) || identity.keys.iter().any(|key| key.name == name) {
            return Some(Insert::Key(name.to_owned()));
        }
        match name {
            "event_name" => Some(Insert::EventName),
            "event_time" => Some(Insert::EventTime),
            "step_time" => Some(Insert::StepTime),
            _ => {
                let message = words!("unknown attribute or key `{name}`");
                self.unknown(NameKind::Attribute, name, at, message);
                None
            }
        }
    }
}
