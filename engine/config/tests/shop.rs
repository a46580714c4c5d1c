//! The shop of `examples/`, one audience in every dialect: all of it must read, and mean what it says.

use std::path::Path;

use usher_config::{Listing, Reading, Source, check, definition_files, read};
use usher_engine::definition::{Aggregation, AttributeKind, Choice, Increment, OutputSource};
use usher_engine::diagnostic::{Code, Diagnostic, Severity};
use usher_engine::limits::DAY_MS;
use usher_engine::value::Value;

#[test]
fn the_directory_holds_six_definitions_examples_and_a_pipeline() {
    let Listing { sources, findings } = listing();
    let names: Vec<&str> = sources.iter().map(|source| file_name(&source.name)).collect();
    let expected = [
        "cart_recovery.yaml",
        "entity.json",
        "examples.yaml",
        "goods_labels.yaml",
        "pipeline.yaml",
        "product_recommendations.yaml",
        "rt_config.yaml",
        "web_personalization.yaml",
    ];
    assert_eq!(names, expected);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].diagnostic.code, Code::Ignored);
    assert_eq!(file_name(&findings[0].place.as_ref().unwrap().file), "credentials.json");
}

#[test]
fn nothing_in_the_shop_is_wrong() {
    let reading = check(&listing().sources);
    let shown: Vec<String> = reading.findings.iter().map(usher_config::render::plain).collect();
    assert!(!reading.has_errors(), "{shown:#?}");
    let warnings =
        |code: Code| reading.findings.iter().filter(|finding| finding.diagnostic.code == code).count();
    assert_eq!(warnings(Code::NoFilter), 5);
    assert_eq!(warnings(Code::OpenIdentity), 2);
    assert_eq!(warnings(Code::LargeAnswer), 3, "lists of 100 items");
    assert_eq!(warnings(Code::Ignored), 1, "the pipeline");
    assert_eq!(warnings(Code::Public), 3, "what devices decide");
    assert_eq!(reading.findings.len(), 14, "{shown:#?}");
}

#[test]
fn the_pipeline_is_skipped_with_an_info() {
    let reading = reading();
    let found: Vec<_> =
        reading.findings.iter().filter(|finding| finding.diagnostic.code == Code::Ignored).collect();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].diagnostic.message, "a pipeline is no part of the definition; skipped");
    assert_eq!(found[0].diagnostic.severity(), Severity::Info);
}

#[test]
fn events_and_attributes_arrive() {
    let definition = reading().definition;
    assert_eq!(definition.audience.id, "1069944");
    assert_eq!(definition.audience.name.as_deref(), Some("RT_Lab_ACME_Shop"));
    assert_eq!(definition.key_events.len(), 6);
    assert_eq!(definition.key_events[0].filter, None);
    let filter = definition.key_events[1].filter.as_ref().unwrap();
    assert_eq!(filter.to_string(), "event.td_path MATCHES '^/product/.*'");
    assert_eq!(definition.attributes.len(), 14);
    let kind =
        |name: &str| &definition.attributes.iter().find(|attribute| attribute.name == name).unwrap().kind;
    assert!(matches!(kind("cart_value"), AttributeKind::Single { aggregation: Aggregation::Sum, .. }));
    assert!(
        matches!(kind("cart_items"), AttributeKind::List { items_max: 20, duration_ms, .. } if *duration_ms == 7 * DAY_MS)
    );
    assert!(matches!(
        kind("page_views_24h"),
        AttributeKind::Counter { increment: Increment::Constant(1), window_ms, .. } if *window_ms == Some(DAY_MS)
    ));
    assert!(matches!(kind("loyalty_tier"), AttributeKind::Batch { column, .. } if column == "loyalty_tier"));
    let sensitive: Vec<&str> =
        definition.attributes.iter().filter(|a| a.sensitive).map(|a| a.name.as_str()).collect();
    assert_eq!(sensitive, ["email"]);
}

#[test]
fn identity_arrives() {
    let identity = reading().definition.identity;
    assert_eq!(identity.primary_key.as_deref(), Some("customer_id"));
    assert_eq!(identity.lookup_key.as_deref(), Some("customer_id"));
    let names: Vec<&str> = identity.keys.iter().map(|key| key.name.as_str()).collect();
    assert_eq!(names, ["td_client_id", "email", "customer_id"]);
    assert_eq!(identity.keys[1].exclude_regex.as_deref(), Some(".*@(test|example)\\.com$"));
    assert!(!identity.keys[2].workflow_only);
}

#[test]
fn criteria_of_all_spellings_become_one_language() {
    let definition = reading().definition;
    let criteria = |personalization: usize, section: usize| {
        definition.personalizations[personalization].sections[section].criteria.to_string()
    };
    let names: Vec<&str> = definition.personalizations.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(
        names,
        ["cart_recovery", "cart_entity", "goods_labels", "product_recommendations", "web_personalization"]
    );
    assert_eq!(
        criteria(0, 0),
        "SIZE(cart_items) > 0 AND (last_purchase IS NULL OR NOT last_purchase WITHIN 30 DAYS)"
    );
    assert_eq!(criteria(1, 0), "loyalty_tier != 'Bronze'");
    assert_eq!(criteria(3, 0), "purchase_count_30d > 5 AND customer_tier = 'premium'");
    assert_eq!(criteria(3, 1), "browsed_products_list IS NOT NULL");
    assert_eq!(criteria(3, 2), "TRUE");
    assert_eq!(criteria(4, 0), "loyalty_tier = 'VIP'");
    assert_eq!(
        criteria(4, 1),
        "page_views_24h >= 3 AND (loyalty_tier IS NULL OR loyalty_tier IN ('Gold', 'Silver'))"
    );
    assert_eq!(criteria(4, 2), "TRUE");
    for section in definition.personalizations.iter().flat_map(|personalization| &personalization.sections) {
        assert_eq!(
            usher_engine::syntax::parse(&section.criteria.to_string()).as_ref(),
            Ok(&section.criteria)
        );
    }
}

#[test]
fn personalizations_arrive() {
    let definition = reading().definition;
    let [cart, entity, labels, recommendations, web] = definition.personalizations.as_slice() else {
        panic!("five")
    };
    let device = [cart, entity, labels, recommendations, web].map(|personalization| personalization.device);
    assert_eq!(device, [false, true, true, false, true]);
    assert_eq!(labels.sections.len(), 20);
    assert_eq!([cart.choice, entity.choice, web.choice], [Choice::First, Choice::All, Choice::First]);
    assert_eq!(web.trigger.as_deref(), Some("page_view"));
    let listed: Vec<&str> = web.sections[0].segments.iter().map(|segment| segment.name.as_str()).collect();
    assert_eq!(listed, ["high_value", "newsletter"]);
    assert!(recommendations.inputs[0].required && !recommendations.inputs[1].required);
    assert_eq!(cart.sections[0].outputs[2].source, OutputSource::Constant(Value::from(10)));
    let section = &entity.sections[0];
    assert_eq!(section.key_event.as_deref(), Some("add_to_cart"));
    assert_eq!(section.event_filter.as_ref().unwrap().to_string(), "event.price > 20");
    assert!(section.accept_unknown_profiles && !section.include_sensitive);
    let outputs: Vec<&str> = section.outputs.iter().map(|output| output.name.as_str()).collect();
    assert_eq!(outputs, ["last_product", "browsed_products", "cart_total", "banner"]);
    let browsed =
        OutputSource::Attribute { name: "browsed_products_list".to_owned(), part: Some("items".to_owned()) };
    assert_eq!(section.outputs[1].source, browsed);
    assert_eq!(
        section.outputs[3].source,
        OutputSource::Text(vec!["Free shipping".to_owned(), " today".to_owned()])
    );
}

#[test]
fn paths_lead_to_their_place_in_the_text() {
    let reading = reading();
    let at = |path: &str| {
        let place = reading.locate(Diagnostic::new(Code::UnknownName, "").at(path)).place.unwrap();
        (file_name(&place.file).to_owned(), place.line, place.column)
    };
    let rt = |line, column| ("rt_config.yaml".to_owned(), line, column);
    assert_eq!(at("key_events[1].filter"), rt(20, 16));
    assert_eq!(at("attributes[1].key_event"), rt(49, 19));
    assert_eq!(at("attributes[1].key_event.beyond"), rt(49, 19));
    assert_eq!(at("attributes[1].unheard"), rt(47, 5));
    assert_eq!(at("attributes[13].column"), rt(123, 11));
    assert_eq!(at("identity.keys[1].exclude_regex"), rt(135, 22));
    assert_eq!(at("identity.primary_key"), rt(130, 16));
    assert_eq!(at("personalizations[4].trigger"), ("web_personalization.yaml".to_owned(), 6, 18));
    assert_eq!(
        at("personalizations[4].sections[0].segments[1]"),
        ("web_personalization.yaml".to_owned(), 16, 36)
    );
    assert_eq!(at("personalizations[0].inputs[0]"), ("cart_recovery.yaml".to_owned(), 6, 5));
    assert_eq!(at("personalizations[1].sections[0].event_filter"), ("entity.json".to_owned(), 15, 32));
    let nowhere = reading.locate(Diagnostic::new(Code::UnknownName, ""));
    assert_eq!(nowhere.place, None);
}

#[test]
fn files_must_agree_on_the_audience() {
    let source = |name: &str, id: &str| Source {
        name: name.to_owned(),
        text: format!(
            "parent_segment_id: {id}\nservice_name: s\nsections: [{{name: a, criteria: {{operator: ALWAYS}}}}]\n"
        ),
    };
    let reading = read(&[source("a.yaml", "'1'"), source("b.yaml", "1"), source("c.yaml", "2")]);
    let codes: Vec<Code> = reading.findings.iter().map(|finding| finding.diagnostic.code).collect();
    assert_eq!(codes, [Code::AudienceMismatch]);
    assert_eq!(reading.findings[0].place.as_ref().unwrap().file, "c.yaml");
    assert_eq!(reading.findings[0].diagnostic.help.as_deref(), Some("`a.yaml` says `1` on line 1"));
}

fn reading() -> Reading {
    read(&listing().sources)
}

#[expect(clippy::unwrap_used, reason = "a test's own files")]
fn listing() -> Listing {
    definition_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/shop")).unwrap()
}

fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}
