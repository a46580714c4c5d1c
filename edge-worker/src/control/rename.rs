//! Names that change: what refers to an object follows it.

use usher_engine::definition::{AttributeKind, Definition};

/// Gives the references to a key event its new name.
pub(super) fn key_event(definition: &mut Definition, before: &str, after: &str) {
    let follow = |name: &mut String| {
        if name == before {
            after.clone_into(name);
        }
    };
    for attribute in &mut definition.attributes {
        match &mut attribute.kind {
            AttributeKind::List { key_event, actions, .. } => {
                follow(key_event);
                actions.iter_mut().for_each(|action| follow(&mut action.key_event));
            }
            AttributeKind::Single { key_event, .. } | AttributeKind::Counter { key_event, .. } => {
                follow(key_event);
            }
            AttributeKind::Batch { .. } | AttributeKind::Catalog { .. } => {}
        }
    }
    for personalization in &mut definition.personalizations {
        personalization.trigger.iter_mut().for_each(follow);
        let sections = personalization.sections.iter_mut();
        sections.filter_map(|section| section.key_event.as_mut()).for_each(follow);
    }
    let gates = definition.journeys.iter_mut().flat_map(|journey| journey.gates_mut());
    gates.filter_map(|gate| gate.key_event.as_mut()).for_each(follow);
}
