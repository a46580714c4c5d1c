//! Bodies of the API lower to what they mean: ids and names resolve, in any order, over several files.

use usher_config::{Source, check};
use usher_engine::definition::{
    Aggregation, AttributeKind, Backfill, Definition, Increment, ListAggregation, Normalize, OutputSource,
    Removal,
};
use usher_engine::limits::DAY_MS;
use usher_engine::value::DataType;

const GOOD: &str = include_str!("cases/api.json");

fn definition(texts: &[&str]) -> Definition {
    let sources: Vec<Source> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| Source { name: format!("{index}.json"), text: (*text).to_owned() })
        .collect();
    let reading = check(&sources);
    assert!(!reading.has_errors(), "{:?}", reading.findings);
    reading.definition
}

#[test]
fn every_body_means_what_it_says() {
    let definition = definition(&[GOOD]);
    assert_eq!(definition.audience.id, "1");
    assert_eq!(definition.tables.len(), 2);
    assert_eq!(definition.identity.lookup_key.as_deref(), Some("customer_id"));
    assert_eq!(definition.identity.primary_key.as_deref(), Some("customer_id"));
    assert_eq!(definition.identity.keys[1].valid_regexp.as_deref(), Some("^[a-z]+$"));
    assert!(definition.identity.keys[1].workflow_only);
    let key_events: Vec<_> =
        definition.key_events.iter().map(|k| (k.name.as_str(), k.filter.is_some())).collect();
    assert_eq!(key_events, [("viewed", true), ("added", true)]);
    let names: Vec<_> = definition.attributes.iter().map(|a| (a.name.as_str(), a.sensitive)).collect();
    let expected = [
        ("last_page", false),
        ("cheapest", false),
        ("cart", false),
        ("views", false),
        ("total", false),
        ("loyalty", false),
        ("Orders", true),
        ("orders_at", true),
    ];
    assert_eq!(
        names, expected,
        "what the setting imports comes last, and `tier` is imported under its own name"
    );
    let AttributeKind::Single { key_event, filter, aggregation, duration_ms, data_type, .. } =
        &definition.attributes[0].kind
    else {
        panic!("a single")
    };
    assert_eq!((key_event.as_str(), filter, *aggregation), ("viewed", &None, Aggregation::Last));
    assert_eq!((*duration_ms, *data_type), (Some(DAY_MS), Some(DataType::String)));
    let AttributeKind::Single { aggregation, .. } = &definition.attributes[1].kind else {
        panic!("a single")
    };
    assert_eq!(*aggregation, Aggregation::Min);
    let AttributeKind::List { key_event, column, items_max, duration_ms, parts, actions, .. } =
        &definition.attributes[2].kind
    else {
        panic!("a list")
    };
    assert_eq!((key_event.as_str(), column.as_deref()), ("added", Some("item")));
    assert_eq!((*items_max, *duration_ms), (20, 7 * DAY_MS));
    let parts: Vec<_> = parts.iter().map(|p| (p.name.as_str(), p.column.as_str(), p.aggregation)).collect();
    let expected = [
        ("items", "item", ListAggregation::DistinctList),
        ("total", "price", ListAggregation::Sum),
        ("newest", "price", ListAggregation::Last),
    ];
    assert_eq!(parts, expected);
    let actions: Vec<_> =
        actions.iter().map(|a| (a.action, a.key_event.as_str(), a.filter.is_some())).collect();
    assert_eq!(actions, [(Removal::DeleteItem, "viewed", true), (Removal::Clear, "viewed", false)]);
    let AttributeKind::Counter { increment, window_ms, parts, .. } = &definition.attributes[3].kind else {
        panic!("a counter")
    };
    assert_eq!((increment, *window_ms), (&Increment::Constant(2), Some(DAY_MS)));
    assert_eq!((parts[0].name.as_str(), parts[0].window_ms), ("half", DAY_MS / 48));
    let AttributeKind::Counter { increment, window_ms, backfill, .. } = &definition.attributes[4].kind else {
        panic!("a counter")
    };
    assert_eq!((increment, *window_ms), (&Increment::Column("price".to_owned()), None));
    let base = Backfill { attribute: "Orders".to_owned(), time_attribute: Some("orders_at".to_owned()) };
    assert_eq!(*backfill, Some(base), "a backfill names columns of the batch");
    let section = &definition.personalizations[0].sections[0];
    assert_eq!(section.key_event.as_deref(), Some("added"));
    assert_eq!(
        section.criteria.to_string(),
        "loyalty = 'Gold' AND cart.total > 5 AND last_page CONTAINS 'a'"
    );
    let attribute = |name: &str, part: Option<&str>| OutputSource::Attribute {
        name: name.to_owned(),
        part: part.map(str::to_owned),
    };
    let sources: Vec<_> = section.outputs.iter().map(|output| output.source.clone()).collect();
    let template = OutputSource::Template("{{loyalty}} since {{last_page}}".to_owned());
    let expected = [
        attribute("cart", Some("items")),
        attribute("views", Some("half")),
        attribute("loyalty", None),
        template,
    ];
    assert_eq!(sources, expected);
}

#[test]
fn bodies_name_each_other_over_files_in_any_order() {
    let setting = r#"{"keyColumns": [{"name": "td_client_id"}]}"#;
    let later = r#"{"extLookupKey": "customer_id", "primaryKey": "td_client_id"}"#;
    let attribute = r#"{"name": "n", "type": "counter", "realtimeKeyEventId": "810", "duration": {"value": 1, "unit": "hour"}}"#;
    let event = r#"[{"id": "810", "name": "e", "databaseName": "web", "tableName": "pages", "filterRule": null, "audienceId": "1"}]"#;
    let one = definition(&[setting, later, attribute, event]);
    let other = definition(&[event, attribute, later, setting]);
    assert_eq!(one, other);
    assert_eq!(one.identity.primary_key.as_deref(), Some("td_client_id"));
    let AttributeKind::Counter { key_event, .. } = &one.attributes[0].kind else { panic!("a counter") };
    assert_eq!(key_event, "e");
}

#[test]
fn keys_say_how_they_are_spelled_and_which_texts_mean_nobody() {
    let setting = r#"{"audienceId": "1", "keyColumns": [
        {"name": "email", "normalize": ["trim", "lowercase"], "trust": "verified"},
        {"name": "code", "placeholders": true}
    ], "extLookupKey": "email"}"#;
    let read = definition(&[setting]);
    let [email, code] = read.identity.keys.as_slice() else { panic!("two keys") };
    assert_eq!(email.normalize, [Normalize::Trim, Normalize::Lowercase]);
    assert_eq!((email.placeholders, code.placeholders), (false, true));
    // What names no list has the first, wherever another body says it.
    assert_eq!(read.identity.placeholder_list, 1);
    let without = r#"{"audienceId": "1", "eventTables": [], "placeholderList": 0}"#;
    for bodies in [[setting, without], [without, setting]] {
        assert_eq!(definition(&bodies).identity.placeholder_list, 0);
    }
    assert_eq!(
        definition(&[r#"{"audienceId": "1", "eventTables": []}"#]).identity.placeholder_list,
        0,
        "nothing is said of keys"
    );
}
