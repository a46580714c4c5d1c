//! Definitions that break a rule, in builds with and without the feature `checks`: without it they run, and what cannot
//! run is refused all the same.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics has found something")]

use usher_engine::definition::{
    Aggregation, Attribute, AttributeKind, Audience, Choice, Definition, EventTable, Identity, Increment,
    KeyEvent, Personalization, Section, StitchKey,
};
use usher_engine::limits::{ATTRIBUTES_MAX, CRITERIA_DEPTH_MAX, WINDOW_MS_MAX};
use usher_engine::syntax::Expr;
use usher_engine::{Plan, Profile, ProfileId, SentAt, syntax};

fn counter(name: &str, window_ms: Option<i64>) -> Attribute {
    let (key_event, increment) = ("view".to_owned(), Increment::Constant(1));
    let kind = AttributeKind::Counter {
        key_event,
        filter: None,
        increment,
        window_ms,
        parts: vec![],
        backfill: None,
    };
    Attribute { name: name.to_owned(), kind, sensitive: false, description: None }
}

fn last(name: &str, duration_ms: i64) -> Attribute {
    let kind = AttributeKind::Single {
        key_event: "view".to_owned(),
        filter: None,
        column: "path".to_owned(),
        aggregation: Aggregation::Max,
        duration_ms: Some(duration_ms),
        data_type: None,
        backfill: None,
    };
    Attribute { name: name.to_owned(), kind, sensitive: false, description: None }
}

fn definition(attributes: Vec<Attribute>, criteria: &str) -> Definition {
    let table = EventTable { database: "web".into(), table: "pages".into() };
    let view = KeyEvent { name: "view".into(), table, filter: None, columns: vec![], description: None };
    let section = Section {
        name: "all".into(),
        key_event: None,
        event_filter: None,
        criteria: syntax::parse(criteria).unwrap(),
        accept_unknown_profiles: true,
        outputs: vec![],
        segments: vec![],
        include_sensitive: false,
    };
    let home = Personalization {
        name: "home".into(),
        id: None,
        description: None,
        choice: Choice::All,
        segments_as: Default::default(),
        device: false,
        trigger: Some("view".into()),
        inputs: vec![],
        sections: vec![section],
    };
    let keys = vec![StitchKey { name: "visitor".into(), ..StitchKey::default() }];
    Definition {
        audience: Audience { id: "7".into(), name: None },
        key_events: vec![view],
        attributes,
        identity: Identity { keys, primary_key: Some("visitor".into()), ..Identity::default() },
        personalizations: vec![home],
        ..Definition::default()
    }
}

/// Folds an event, which must not panic whatever the definition says.
fn run(plan: &Plan) {
    let columns = vec![("visitor".to_owned(), "a".into()), ("path".to_owned(), "/".into())];
    let event = plan.event(0, columns, 2_000, "id".to_owned(), SentAt::Absent);
    let mut profile = Profile::new(ProfileId([1; 16]), 2_000);
    plan.ingest(&mut profile, &event, 2_000);
    plan.adopt(&mut profile, 1, 2_000);
}

#[test]
fn rules_are_for_those_who_publish() {
    let twice = definition(vec![counter("n", None), counter("n", None)], "n > 0");
    let windowless = definition(vec![counter("n", Some(0)), counter("m", Some(i64::MIN))], "n > 0");
    let long = definition(vec![counter("n", Some(WINDOW_MS_MAX + 1)), last("l", i64::MAX)], "n > 0");
    let many = (0..=ATTRIBUTES_MAX).map(|index| counter(&format!("n{index}"), None)).collect();
    let many = definition(many, "n1 > 0");
    let mut nameless = definition(vec![counter("", None)], "TRUE");
    nameless.personalizations.push(nameless.personalizations[0].clone());
    let mut reserved = definition(vec![counter("n", None)], "n > 0");
    reserved.key_events[0].table.database = "tree".into();
    for broken in [twice, windowless, long, many, nameless, reserved] {
        let compiled = Plan::compile(&broken);
        assert_eq!(compiled.is_err(), cfg!(feature = "checks"), "{:?}", broken.attributes.first());
        match compiled {
            Ok(plan) => run(&plan),
            Err(findings) => assert!(findings.iter().all(|it| !it.path.is_empty()), "{findings:?}"),
        }
    }
}

#[test]
fn what_cannot_run_is_refused_by_every_build() {
    let fine = definition(vec![counter("n", None)], "n > 0");
    run(&Plan::compile(&fine).unwrap());
    let mut elsewhere = fine.clone();
    elsewhere.personalizations[0].trigger = Some("purchase".into());
    let mut pattern = fine.clone();
    pattern.identity.keys[0].valid_regexp = Some("(".into());
    let mut deep = fine.clone();
    let nested = (0..=CRITERIA_DEPTH_MAX).fold(Expr::Constant(true), |inner, _| Expr::Not(inner.into()));
    deep.personalizations[0].sections[0].criteria = nested;
    let mut newer = fine.clone();
    newer.identity.placeholder_list = Identity::PLACEHOLDER_LIST + 1;
    let unknown = definition(vec![counter("n", None)], "m > 0");
    let text = definition(vec![counter("n", None)], "n = 'many'");
    for broken in [elsewhere, pattern, deep, newer, unknown, text] {
        let findings = Plan::compile(&broken).unwrap_err();
        assert!(findings.iter().all(|it| it.path.is_empty() != cfg!(feature = "checks")), "{findings:?}");
    }
}
