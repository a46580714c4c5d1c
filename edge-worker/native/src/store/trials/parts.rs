//! A batch of more profiles than are read at once: all of it is stored, or nothing.

use usher_edge::store::{Basis, CommitError, Found, Read, Store, StoreFailure, Write};

use super::two_writers::{Shared, contested, on_both};
use super::{Writer, bundle_of, text};

/// Six lists make a profile of 200 KB, so that 20 profiles are a part.
const DEFINITION: &str = r#"
parent_segment_id: "7"
events:
  - {name: view, database: web, table: views, filter: {field: ref, pattern: "."}}
attributes:
  - {name: views, type: counter, source_event: view, aggregation: count, sensitivity: non-sensitive}
  - {name: tier, type: imported_batch, column: tier, data_type: string, sensitivity: non-sensitive}
  - {name: l0, type: list, source_event: view, source_field: c0, aggregation: distinct_list, sensitivity: non-sensitive}
  - {name: l1, type: list, source_event: view, source_field: c1, aggregation: distinct_list, sensitivity: non-sensitive}
  - {name: l2, type: list, source_event: view, source_field: c2, aggregation: distinct_list, sensitivity: non-sensitive}
  - {name: l3, type: list, source_event: view, source_field: c3, aggregation: distinct_list, sensitivity: non-sensitive}
  - {name: l4, type: list, source_event: view, source_field: c4, aggregation: distinct_list, sensitivity: non-sensitive}
  - {name: l5, type: list, source_event: view, source_field: c5, aggregation: distinct_list, sensitivity: non-sensitive}
id_stitching:
  primary_key: customer_id
  stitching_keys: [{name: cookie}, {name: customer_id}]
"#;

const VISITORS: usize = 50;
/// Events that fill a profile.
const VIEWS: usize = 70;

fn fill<S: Store>(writer: &mut Writer<S>) {
    for visitor in 0..VISITORS {
        let view = |at: usize| {
            let columns: String = (0..6).map(|list| format!(",\"c{list}\":\"{at:0>450}\"")).collect();
            format!("{{\"cookie\":\"v{visitor}\",\"ref\":\"r\"{columns}}}")
        };
        let views: Vec<String> = (0..VIEWS).map(view).collect();
        let answer = writer.ask("POST", "/web/views", &format!("{{\"events\":[{}]}}", views.join(",")));
        assert_eq!(answer.status, 200, "{}", text(&answer));
    }
}

/// One event for each visitor.
fn batch() -> String {
    let view =
        |visitor: usize| format!("{{\"cookie\":\"v{visitor}\",\"ref\":\"r\",\"event_id\":\"e{visitor}\"}}");
    format!("{{\"events\":[{}]}}", (0..VISITORS).map(view).collect::<Vec<_>>().join(","))
}

fn has_views<S: Store>(writer: &mut Writer<S>, visitor: usize, views: usize) {
    let offer = writer.offer("cookie", &format!("v{visitor}"));
    assert!(offer.contains(&format!("\"views\":{views}")), "{visitor}: {offer}");
}

on_both!(a_rival_between_the_parts_is_seen, seen);
fn seen(store: impl Shared) {
    let rival = r#"{"events":[{"cookie":"v0","ref":"rival"},{"cookie":"v49","ref":"rival"}]}"#;
    let mut writer = contested(store, &bundle_of(DEFINITION, "home"), ("POST", "/web/views", rival), 0);
    fill(&mut writer);
    writer.store.times = 1;
    let answer = writer.ask("POST", "/web/views", &batch());
    assert_eq!(text(&answer).matches(r#"{"success":true}"#).count(), VISITORS, "{}", text(&answer));
    for (visitor, views) in [(0, VIEWS + 2), (1, VIEWS + 1), (48, VIEWS + 1), (49, VIEWS + 2)] {
        has_views(&mut writer, visitor, views);
    }
    // Rows of an import, too.
    let rows: String = (0..VISITORS)
        .map(|visitor| format!("{{\"customer_id\":\"v{visitor}\",\"tier\":\"{visitor}\"}}\n"))
        .collect();
    let answer = writer.ask("POST", "/v1/audiences/7/profiles/import", &rows);
    assert!(text(&answer).starts_with(r#"{"imported":50,"#), "{}", text(&answer));
}

/// A store in which the first part is staged, and what comes after it fails as long as it is told to.
struct Failing<S> {
    own: S,
    fails: bool,
    staged: usize,
}

impl<S: Store> Store for Failing<S> {
    fn read(&mut self, read: &Read) -> Result<Found, StoreFailure> {
        self.own.read(read)
    }

    fn stage(&mut self, basis: &Basis, write: &Write) -> Result<(), CommitError> {
        self.staged += 1;
        if self.fails && self.staged > 1 {
            return Err(StoreFailure("the disk is full".to_owned()).into());
        }
        self.own.stage(basis, write)
    }

    fn undo(&mut self) {
        self.staged = 0;
        self.own.undo();
    }

    fn commit(&mut self, basis: &Basis, write: &Write) -> Result<(), CommitError> {
        self.staged = 0;
        self.own.commit(basis, write)
    }
}

on_both!(nothing_is_stored_of_a_batch_whose_last_part_fails, undone);
fn undone(store: impl Store) {
    let mut writer = Writer::start(Failing { own: store, fails: false, staged: 0 }, &std::rc::Rc::default());
    let put = writer.ask("PUT", "/v1/audiences/7/bundle", &bundle_of(DEFINITION, "home"));
    assert_eq!(put.status, 200, "{}", text(&put));
    fill(&mut writer);
    writer.store.fails = true;
    let answer = writer.ask("POST", "/web/views", &batch());
    assert_eq!(answer.status, 503, "{}", text(&answer));
    (0..VISITORS).for_each(|visitor| has_views(&mut writer, visitor, VIEWS));
    writer.store.fails = false;
    let answer = writer.ask("POST", "/web/views", &batch());
    assert_eq!(text(&answer).matches(r#"{"success":true}"#).count(), VISITORS, "{}", text(&answer));
    (0..VISITORS).for_each(|visitor| has_views(&mut writer, visitor, VIEWS + 1));
    // A copy of it changes nothing, and says so.
    let answer = writer.ask("POST", "/web/views", &batch());
    assert_eq!(text(&answer).matches("duplicate").count(), VISITORS, "{}", text(&answer));
}
