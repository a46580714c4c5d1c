//! Rows of tables: which a call needs, which it may read, and what is missing.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test that panics has found something"
)]

use usher_engine::definition::{
    Aggregation, Attribute, AttributeKind, Audience, CatalogColumn, Choice, Definition, EventTable, Identity,
    Keep, KeyEvent, Output, OutputSource, Personalization, Section, StitchKey, Table, TableColumn, Trust,
};
use usher_engine::diagnostic::Code;
use usher_engine::profile::Key;
use usher_engine::value::{DataType, Value};
use usher_engine::{
    Access, Asked, Event, Evidence, FoundRow, Missed, Plan, Profile, ProfileId, Query, RowKey, Rows, syntax,
};

const NOW_MS: i64 = 1_790_000_000_000;
const SERVER: Access = Access { server_route: true, sensitive_scope: false };

fn table(name: &str, key: &str, public: bool, columns: &[(&str, Option<DataType>)]) -> Table {
    let column = |(name, data_type): &(&str, Option<DataType>)| TableColumn {
        name: (*name).to_owned(),
        data_type: *data_type,
        sensitive: None,
    };
    let columns = columns.iter().map(column).collect();
    Table { name: name.to_owned(), key: key.to_owned(), public, columns, ..Table::default() }
}

fn catalog(name: &str, table: &str, key: &str, columns: &[&str], limit: u32) -> Attribute {
    let column = |name: &&str| CatalogColumn { name: (*name).to_owned(), data_type: None };
    let (table, key) = (table.to_owned(), key.to_owned());
    let kind = AttributeKind::Catalog { table, key, columns: columns.iter().map(column).collect(), limit };
    Attribute { name: name.to_owned(), kind, sensitive: false, description: None }
}

fn output(name: &str) -> Output {
    let (attribute, part) = match name.rsplit_once('.') {
        Some((attribute, part)) => (attribute.to_owned(), Some(part.to_owned())),
        None => (name.to_owned(), None),
    };
    Output { name: name.to_owned(), source: OutputSource::Attribute { name: attribute, part } }
}

fn section(name: &str, criteria: &str, outputs: &[&str]) -> Section {
    Section {
        name: name.to_owned(),
        key_event: None,
        event_filter: None,
        criteria: syntax::parse(criteria).unwrap(),
        accept_unknown_profiles: true,
        outputs: outputs.iter().map(|name| output(name)).collect(),
        segments: Vec::new(),
        include_sensitive: false,
    }
}

/// A shop: products are public, plans are each visitor's own.
fn shop(sections: Vec<Section>) -> Definition {
    let pages = EventTable { database: "web".to_owned(), table: "pages".to_owned() };
    let view = "view".to_owned();
    let key_event =
        KeyEvent { name: view.clone(), table: pages, filter: None, columns: Vec::new(), description: None };
    let attribute =
        |name: &str, kind| Attribute { name: name.to_owned(), kind, sensitive: false, description: None };
    let last = AttributeKind::Single {
        key_event: view.clone(),
        filter: None,
        column: "sku".to_owned(),
        aggregation: Aggregation::Last,
        duration_ms: None,
        data_type: None,
        backfill: None,
    };
    let seen = AttributeKind::List {
        key_event: view.clone(),
        filter: None,
        column: Some("sku".to_owned()),
        keep: Keep::Newest,
        items_max: 20,
        duration_ms: 1_000_000,
        parts: Vec::new(),
        actions: Vec::new(),
    };
    let key = |name: &str, trust| StitchKey { name: name.to_owned(), trust, ..StitchKey::default() };
    Definition {
        audience: Audience { id: "7".to_owned(), name: None },
        key_events: vec![key_event],
        attributes: vec![
            attribute("last", last),
            attribute("seen", seen),
            catalog("product", "products", "last", &["name", "price"], 1),
            catalog("products", "products", "seen", &["price"], 3),
            catalog("viewed", "products", "event.sku", &["name"], 1),
            catalog("plan", "plans", "user", &["tier"], 1),
            catalog("account", "plans", "browser", &["tier"], 1),
            catalog("guess", "plans", "last", &["tier"], 1),
        ],
        identity: Identity {
            primary_key: Some("browser".to_owned()),
            keys: vec![key("browser", Trust::Open), key("user", Trust::Verified)],
            ..Identity::default()
        },
        personalizations: vec![Personalization {
            name: "home".to_owned(),
            id: None,
            description: None,
            choice: Choice::All,
            segments_as: usher_engine::definition::SegmentsAs::Names,
            device: false,
            trigger: Some(view),
            inputs: Vec::new(),
            sections,
        }],
        lookup_tables: vec![
            table("products", "sku", true, &[("name", None), ("price", Some(DataType::Number))]),
            table("plans", "user", false, &[("tier", Some(DataType::String))]),
        ],
        ..Definition::default()
    }
}

/// A visitor who saw these products, the last one now.
fn visitor(plan: &Plan, skus: &[Value]) -> (Profile, Option<Event>) {
    let mut profile = Profile::new(ProfileId([1; 16]), NOW_MS);
    profile.edit_keys(|keys| {
        for (name, value) in [("browser", "b"), ("user", "anna")] {
            keys.push(Key { name: name.to_owned(), value: value.to_owned(), seen_ms: NOW_MS });
        }
    });
    let mut last = None;
    for (number, sku) in (0_i64..).zip(skus) {
        let columns = vec![("browser".to_owned(), "b".into()), ("sku".to_owned(), sku.clone())];
        let event = Event::resolve(0, columns, NOW_MS - 100 + number, format!("e{number}"));
        plan.ingest(&mut profile, &event, NOW_MS);
        last = Some(event);
    }
    (profile, last)
}

fn query(event: Option<&Event>, access: Access) -> Query<'_> {
    Query { event, asked: Asked::Named(&[0]), inputs: &[], edge: &[], access, blind: false }
}

fn found(row: &RowKey) -> Result<FoundRow, Missed> {
    let columns: &[(&str, Value)] = match (row.table.as_str(), row.key.as_str()) {
        ("products", "5") => &[("name", "five".into()), ("price", 5.into())],
        ("products", "a") => &[("name", "A".into()), ("price", 10.into())],
        ("products", "b") => &[("name", "B".into())],
        ("products", "c") => &[("price", "30".into())],
        ("plans", "anna" | "b") => &[("tier", "gold".into())],
        _ => return Err(Missed::Absent),
    };
    let columns = columns.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Ok(FoundRow { at_ms: NOW_MS - 60_000, columns })
}

/// The offers of a call by section and output, what it missed, and the rows that it wanted.
type Answered = (Vec<(String, Value)>, Vec<(String, Missed)>, Vec<String>);

/// Answers a visitor who saw these products.
fn answer(definition: &Definition, skus: &[Value], access: Access, evidence: &Evidence<'_>) -> Answered {
    let plan = Plan::compile(definition).unwrap_or_else(|found| panic!("{found:#?}"));
    // As a module for visitors reads it.
    let plan = Plan::from_bytes(&plan.to_bytes()).unwrap();
    let (profile, event) = visitor(&plan, skus);
    let query = query(event.as_ref(), access);
    let mut rows = plan.rows(&profile, &query, evidence, NOW_MS, 16);
    let wanted = rows.wanted().iter().map(|row| format!("{}/{}", row.table, row.key)).collect();
    plan.hand_in(&mut rows, found);
    let answer = plan.call(&profile, &query, NOW_MS).with(&rows).personalize();
    let outputs = answer.offers.iter().flat_map(|offer| {
        let entered = [(offer.section.to_owned(), Value::from(true))];
        entered
            .into_iter()
            .chain(offer.attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())))
    });
    let missed = plan.missed(&rows).map(|(name, why)| (name.to_owned(), why)).collect();
    (outputs.collect(), missed, wanted)
}

fn values(skus: &[&str]) -> Vec<Value> {
    skus.iter().map(|sku| Value::from(*sku)).collect()
}

#[test]
fn a_row_is_found_by_the_value_of_an_attribute() {
    let definition = shop(vec![
        section("Dear", "product.price > 9", &["product.name", "product.price"]),
        section("Cheap", "product.price <= 9", &[]),
    ]);
    let (outputs, missed, wanted) = answer(&definition, &values(&["a"]), Access::default(), &Evidence::NONE);
    let expected = [("Dear", Value::from(true)), ("product.name", "A".into()), ("product.price", 10.into())];
    assert_eq!(outputs, expected.map(|(name, value)| (name.to_owned(), value)));
    assert_eq!((missed, wanted), (vec![], vec!["products/a".to_owned()]));
    // A row that is not there is missing, and a comparison with it unknown.
    for (sku, why) in [("b", None), ("none", Some(Missed::Absent))] {
        let (outputs, missed, _) = answer(&definition, &values(&[sku]), Access::default(), &Evidence::NONE);
        assert_eq!(outputs, [], "{sku}");
        assert_eq!(missed, why.map(|why| ("product".to_owned(), why)).into_iter().collect::<Vec<_>>());
    }
    // A number is one key however it is written.
    for sku in [Value::from(5), Value::from("5"), Value::Number(usher_engine::value::Number::Float(5.0))] {
        let (outputs, ..) = answer(&definition, &[sku], Access::default(), &Evidence::NONE);
        assert_eq!(outputs, [("Cheap".to_owned(), Value::from(true))]);
    }
}

#[test]
fn a_list_finds_a_row_for_each_of_its_newest_items() {
    let definition = shop(vec![section("Any", "products.price CONTAINS 30", &["products.price"])]);
    let skus = values(&["x", "a", "b", "c"]);
    let (outputs, missed, wanted) = answer(&definition, &skus, Access::default(), &Evidence::NONE);
    // Newest first, three at most; a row without the column is left out, a numeric text is a number.
    assert_eq!(wanted, ["products/c", "products/b", "products/a"]);
    let prices = Value::List(vec![30.into(), 10.into()]);
    assert_eq!(outputs, [("Any".to_owned(), Value::from(true)), ("products.price".to_owned(), prices)]);
    assert_eq!(missed, []);
}

#[test]
fn a_row_of_the_event_needs_no_state() {
    let definition = shop(vec![section("Now", "viewed.name = 'A'", &["viewed.name"])]);
    let (outputs, ..) = answer(&definition, &values(&["b", "a"]), Access::default(), &Evidence::NONE);
    assert_eq!(outputs.len(), 2);
    // A lookup without an event has no such key, and misses nothing.
    let (outputs, missed, wanted) = answer(&definition, &[], Access::default(), &Evidence::NONE);
    assert_eq!((outputs, missed, wanted), (vec![], vec![], vec![]));
}

#[test]
fn a_public_route_reads_rows_of_its_own_visitor_alone() {
    let tier = |name: &str| {
        let criteria = format!("{name}.tier = 'gold'");
        shop(vec![section("Gold", &criteria, &[])])
    };
    let vouched = [("user".to_owned(), "anna".to_owned())];
    let vouched = Evidence { server: false, keys: &vouched };
    let entered = |name: &str, access, evidence: &Evidence<'_>| {
        let (outputs, missed, _) = answer(&tier(name), &values(&["anna"]), access, evidence);
        (!outputs.is_empty(), missed.first().map(|(_, why)| *why))
    };
    let refused = (false, Some(Missed::NotYours));
    // A verified key needs its token.
    assert_eq!(entered("plan", Access::default(), &Evidence::NONE), refused);
    assert_eq!(entered("plan", Access::default(), &vouched), (true, None));
    assert_eq!(entered("plan", SERVER, &Evidence::NONE), (true, None));
    // An open key is the visitor's own.
    assert_eq!(entered("account", Access::default(), &Evidence::NONE), (true, None));
    // A value that a page sends may be anybody's.
    assert_eq!(entered("guess", Access::default(), &vouched), refused);
    assert_eq!(entered("guess", SERVER, &Evidence::NONE), (true, None));
}

#[test]
fn a_sensitive_column_leaves_as_a_sensitive_attribute_does() {
    let full = Access { server_route: true, sensitive_scope: true };
    let outputs = |definition: &Definition, access| {
        answer(definition, &values(&["a"]), access, &Evidence::NONE)
            .0
            .into_iter()
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
    };
    let mut definition = shop(vec![section("All", "", &["product.name", "account.tier"])]);
    assert_eq!(outputs(&definition, full), ["All", "product.name"]);
    definition.personalizations[0].sections[0].include_sensitive = true;
    assert_eq!(outputs(&definition, full), ["All", "product.name", "account.tier"]);
    assert_eq!(outputs(&definition, SERVER), ["All", "product.name"]);
    assert_eq!(outputs(&definition, Access::default()), ["All", "product.name"]);
    // A column may say otherwise than its table, and the attribute may say more.
    definition.lookup_tables[0].columns[0].sensitive = Some(true);
    definition.lookup_tables[1].columns[0].sensitive = Some(false);
    assert_eq!(outputs(&definition, Access::default()), ["All", "account.tier"]);
    definition.attributes[6].sensitive = true;
    assert_eq!(outputs(&definition, Access::default()), ["All"]);
}

#[test]
fn a_call_reads_no_more_rows_than_it_may() {
    let definition = shop(vec![section("All", "", &["products.price", "product.name"])]);
    let plan = Plan::compile(&definition).unwrap();
    let (profile, event) = visitor(&plan, &values(&["a", "b", "c"]));
    let query = query(event.as_ref(), Access::default());
    let wanted = |most| {
        let rows: Rows = plan.rows(&profile, &query, &Evidence::NONE, NOW_MS, most);
        (rows.wanted().len(), plan.missed(&rows).map(|(_, why)| why).collect::<Vec<_>>())
    };
    // The product is one of the three.
    assert_eq!(wanted(3), (3, vec![]));
    assert_eq!(wanted(2), (2, vec![Missed::Unavailable]));
    // Only the personalizations that are asked read any.
    let nothing = Query { asked: Asked::Named(&[]), ..query };
    assert_eq!(plan.rows(&profile, &nothing, &Evidence::NONE, NOW_MS, 16).wanted(), []);
}

#[test]
fn explain_shows_the_age_of_a_row_and_no_sensitive_column() {
    let definition = shop(vec![section("All", "product.price > 9 AND account.tier = 'gold'", &[])]);
    let plan = Plan::compile(&definition).unwrap();
    let (profile, event) = visitor(&plan, &values(&["a"]));
    let query = query(event.as_ref(), SERVER);
    let mut rows = plan.rows(&profile, &query, &Evidence::NONE, NOW_MS, 16);
    plan.hand_in(&mut rows, found);
    let explained = plan.call(&profile, &query, NOW_MS).with(&rows).explain();
    let conditions = &explained.personalizations[0].sections[0].criteria.parts;
    let seen = |number: usize| {
        let observed = conditions[number].observed.first().unwrap();
        (observed.value.clone(), observed.redacted, observed.source.as_str(), observed.age_ms)
    };
    assert_eq!(seen(0), (Some(10.into()), false, "table", Some(60_000)));
    assert_eq!(seen(1), (None, true, "table", Some(60_000)));
}

#[test]
fn what_does_not_fit_is_found() {
    let codes = |change: &dyn Fn(&mut Definition)| {
        let mut definition = shop(vec![section("All", "", &["product.name"])]);
        change(&mut definition);
        let found = Plan::compile(&definition).err().unwrap_or_default();
        found.into_iter().map(|found| (found.code, found.path)).collect::<Vec<_>>()
    };
    let kind = |definition: &mut Definition, kind: &dyn Fn(&mut AttributeKind)| {
        kind(&mut definition.attributes[2].kind)
    };
    let one = |code, path: &str| vec![(code, path.to_owned())];
    assert_eq!(codes(&|_| ()), []);
    let no_table = codes(&|it| it.lookup_tables[0].name = "goods".to_owned());
    assert_eq!(no_table[0], (Code::UnknownName, "attributes[2].table".to_owned()));
    let set_key = |key: &'static str| {
        codes(&move |it| {
            kind(it, &|kind| {
                if let AttributeKind::Catalog { key: known, .. } = kind {
                    *known = key.to_owned()
                }
            })
        })
    };
    assert_eq!(set_key("nobody"), one(Code::UnknownName, "attributes[2].key"));
    assert_eq!(set_key("last.part"), one(Code::UnknownName, "attributes[2].key"));
    assert_eq!(set_key("plan"), one(Code::NotSupported, "attributes[2].key"));
    let set_columns = |columns: &'static [(&'static str, Option<DataType>)]| {
        codes(&move |it| {
            kind(it, &|kind| {
                if let AttributeKind::Catalog { columns: known, .. } = kind {
                    let column = |(name, data_type): &(&str, _)| CatalogColumn {
                        name: (*name).to_owned(),
                        data_type: *data_type,
                    };
                    *known = columns.iter().map(column).collect();
                }
            });
        })
    };
    assert_eq!(
        set_columns(&[("name", None), ("colour", None)]),
        one(Code::UnknownColumn, "attributes[2].columns[1]")
    );
    assert_eq!(
        set_columns(&[("name", None), ("price", Some(DataType::String))]),
        one(Code::TypeMismatch, "attributes[2].columns[1].data_type")
    );
    assert_eq!(set_columns(&[("name", None), ("name", None)])[0].0, Code::DuplicateName);
    let set_limit = |limit| {
        codes(&move |it| {
            kind(it, &|kind| {
                if let AttributeKind::Catalog { limit: known, .. } = kind {
                    *known = limit
                }
            })
        })
    };
    assert_eq!(set_limit(0), one(Code::OverBound, "attributes[2].limit"));
    assert_eq!(set_limit(16), []);
    assert_eq!(set_limit(17), one(Code::OverBound, "attributes[2].limit"));
    let boolean = codes(&|it| it.lookup_tables[0].columns[1].data_type = Some(DataType::Boolean));
    assert_eq!(boolean, one(Code::TypeMismatch, "attributes[3].columns[0]"));
    let whole = codes(&|it| it.personalizations[0].sections[0].outputs = vec![output("product")]);
    assert_eq!(whole, one(Code::UnknownName, "personalizations[0].sections[0].outputs[0]"));
    let twice = codes(&|it| it.lookup_tables.push(table("plans", "k", true, &[])));
    assert_eq!(twice, one(Code::DuplicateName, "lookup_tables[2].name"));
}
