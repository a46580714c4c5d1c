//! The parts of a definition that release 0.1.0 cannot read, or interprets differently.
//!
//! Every field and variant is listed here, without a rest pattern: a new one does not compile until its author decides
//! whether it needs a newer form.

use usher_engine::definition::{
    Attribute, AttributeKind, Audience, Backfill, Definition, Identity, Increment, KeyEvent, ListAction,
    ListPart, Output, OutputSource, Personalization, Section, Segment, SegmentsAs, StitchKey,
};
use usher_engine::syntax::{Expr, Test};

/// The path of the first part that needs [`Form::Two`](crate::Form::Two); None: release 0.1.0 reads all of it.
pub(super) fn form_2(definition: &Definition) -> Option<String> {
    let Definition {
        audience: Audience { id: _, name: _ },
        tables: _,
        key_events,
        attributes,
        identity,
        event_id_column,
        discover,
        personalizations,
        journeys,
        activations,
        lookup_tables,
        pipelines,
    } = definition;
    // 0.1.0 has none.
    if !journeys.is_empty() {
        return Some("journeys".to_owned());
    }
    if !activations.is_empty() {
        return Some("activations".to_owned());
    }
    if !lookup_tables.is_empty() {
        return Some("lookup_tables".to_owned());
    }
    if !pipelines.is_empty() {
        return Some("pipelines".to_owned());
    }
    if event_id_column.is_some() {
        return Some("event_id_column".to_owned());
    }
    if *discover {
        return Some("discover".to_owned());
    }
    identity_needs(identity)
        .or_else(|| first("key_events", key_events, key_event_needs))
        .or_else(|| first("attributes", attributes, attribute_needs))
        .or_else(|| first("personalizations", personalizations, personalization_needs))
}

/// The path of the first item that needs it.
fn first<T>(list: &str, items: &[T], needs: impl Fn(&T) -> Option<String>) -> Option<String> {
    items.iter().enumerate().find_map(|(index, item)| Some(format!("{list}[{index}].{}", needs(item)?)))
}

fn named(name: &str, needed: bool) -> Option<String> {
    needed.then(|| name.to_owned())
}

fn identity_needs(identity: &Identity) -> Option<String> {
    let Identity { primary_key: _, keys, lookup_key: _, placeholder_list } = identity;
    let key_needs = |key: &StitchKey| {
        let StitchKey {
            name: _,
            normalize,
            valid_regexp: _,
            exclude_regex: _,
            invalid_texts: _,
            placeholders,
            workflow_only: _,
            trust: _,
        } = key;
        named("normalize", !normalize.is_empty()).or_else(|| named("placeholders", *placeholders))
    };
    named("identity.placeholder_list", *placeholder_list != 0)
        .or_else(|| first("identity.keys", keys, key_needs))
}

fn key_event_needs(key_event: &KeyEvent) -> Option<String> {
    let KeyEvent { name: _, table: _, filter, columns: _, description: _ } = key_event;
    filter_needs(filter.as_ref())
}

fn attribute_needs(attribute: &Attribute) -> Option<String> {
    let Attribute { name: _, kind, sensitive: _, description: _ } = attribute;
    let backfill_needs = |backfill: &Option<Backfill>| match backfill {
        None | Some(Backfill { attribute: _, time_attribute: _ }) => None,
    };
    match kind {
        AttributeKind::Single {
            key_event: _,
            filter,
            column,
            aggregation: _,
            duration_ms: _,
            data_type: _,
            backfill,
        } => filter_needs(filter.as_ref())
            .or_else(|| column_needs(column))
            .or_else(|| backfill_needs(backfill)),
        AttributeKind::List {
            key_event: _,
            filter,
            column,
            keep: _,
            items_max: _,
            duration_ms: _,
            parts,
            actions,
        } => {
            let part_needs = |ListPart { name: _, column, aggregation: _ }: &ListPart| column_needs(column);
            let action_needs =
                |ListAction { action: _, key_event: _, filter }: &ListAction| filter_needs(filter.as_ref());
            filter_needs(filter.as_ref())
                .or_else(|| column_needs(column.as_deref()?))
                .or_else(|| first("parts", parts, part_needs))
                .or_else(|| first("actions", actions, action_needs))
        }
        AttributeKind::Counter { key_event: _, filter, increment, window_ms: _, parts: _, backfill } => {
            let increment_needs = || match increment {
                Increment::Constant(_) => None,
                Increment::Column(column) => column_needs(column),
            };
            filter_needs(filter.as_ref()).or_else(increment_needs).or_else(|| backfill_needs(backfill))
        }
        AttributeKind::Batch { column: _, data_type: _ } => None,
        // 0.1.0 knows no rows.
        AttributeKind::Catalog { table: _, key: _, columns: _, limit: _ } => Some("kind".to_owned()),
    }
}

fn personalization_needs(personalization: &Personalization) -> Option<String> {
    let Personalization {
        name: _,
        id,
        description: _,
        choice: _,
        segments_as,
        device,
        trigger: _,
        inputs: _,
        sections,
    } = personalization;
    let own = named("id", id.is_some())
        .or_else(|| named("segments_as", *segments_as != SegmentsAs::Names))
        .or_else(|| named("device", *device));
    own.or_else(|| first("sections", sections, section_needs))
}

fn section_needs(section: &Section) -> Option<String> {
    let Section {
        name: _,
        key_event: _,
        event_filter,
        criteria,
        accept_unknown_profiles: _,
        outputs,
        segments,
        include_sensitive: _,
    } = section;
    let segment_needs = |Segment { name: _, id }: &Segment| named("id", id.is_some());
    named("event_filter", event_filter.as_ref().is_some_and(asks_more))
        .or_else(|| named("criteria", asks_more(criteria)))
        .or_else(|| first("outputs", outputs, output_needs))
        .or_else(|| first("segments", segments, segment_needs))
}

fn output_needs(Output { name: _, source }: &Output) -> Option<String> {
    match source {
        OutputSource::Attribute { name: _, part: _ }
        | OutputSource::Constant(_)
        | OutputSource::Text(_)
        | OutputSource::Template(_) => None,
        OutputSource::Expression(_) => Some("expression".to_owned()),
    }
}

fn filter_needs(filter: Option<&Expr>) -> Option<String> {
    named("filter", filter.is_some_and(asks_more))
}

fn column_needs(column: &str) -> Option<String> {
    named("column", is_of_objects(column))
}

/// True for a column of objects in an array, `products[].sku`: 0.1.0 takes it for a plain name.
fn is_of_objects(column: &str) -> bool {
    column.contains("[].")
}

/// True for a criterion with a test that 0.1.0 does not know.
fn asks_more(criterion: &Expr) -> bool {
    match criterion {
        Expr::Constant(_) | Expr::Segment(_) => false,
        Expr::Computed(_) => true,
        Expr::And(parts) | Expr::Or(parts) => parts.iter().any(asks_more),
        Expr::Not(part) => asks_more(part),
        Expr::Test { name, test, negated: _ } => is_of_objects(&name.0) || is_more(test),
    }
}

fn is_more(test: &Test) -> bool {
    match test {
        Test::Equal(_)
        | Test::Order(..)
        | Test::In(_)
        | Test::Between(..)
        | Test::Like(_)
        | Test::StartsWith(_)
        | Test::EndsWith(_)
        | Test::Contains(_)
        | Test::Matches(_)
        | Test::Null
        | Test::WithinDays(_)
        | Test::Size(..) => false,
        Test::MoreThanDaysAgo(_) | Test::Version(..) | Test::Items(..) => true,
    }
}
