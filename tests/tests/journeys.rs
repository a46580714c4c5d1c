//! Messages of journeys, and the times at which visitors are led on: rows in the commit of the step, which no answer shows.

use serde_json::{Value, json};
use usher_edge::store::journeys::SendRow;
use usher_tests::bed::{Bed, NOW_MS};
use usher_tests::deployment::{Keys, bundle_of_texts};
use usher_tests::run::AUDIENCE;
use usher_tests::target::{Call, InProcess, Target};

const NOW: i64 = 1_790_000_000;

const DEFINITION: &str = r#"
parent_segment_id: "1069944"
events:
  - {name: view, database: test, table: view}
  - {name: order, database: test, table: order}
  - {name: link, database: test, table: link}
attributes:
  - {name: last, type: single, source_event: view, source_field: sku, sensitivity: non-sensitive}
  - {name: views, type: counter, source_event: view, sensitivity: non-sensitive}
  - {name: secret, type: single, source_event: view, source_field: pin, sensitivity: sensitive}
id_stitching:
  primary_key: person
  stitching_keys: [{name: browser}, {name: app}, {name: person}]
"#;

const JOURNEYS: &str = r#"
parent_segment_id: "1069944"
journeys:
  - name: main
    reentry: reentry_always
    stages:
      - name: one
        entry: {key_event: view}
        milestone: {key_event: order}
        steps:
          - {id: first, activate: json}
          - {id: pause, wait: 1h}
          - {id: second, activate: plain}
          - {id: third, activate: bare}
activations:
  - name: json
    connection: c
    url: 'https://hook.invalid/{{browser}}?last={{last}}'
    headers: {x-last: '{{last}}', content-type: application/json}
    body: '{"who": "{{browser}}", "last": "a {{last}}", "bare": {{last}}, "views": {{views}}, "secret": {{secret}}, "quoted": "{{secret}}", "event": "{{event_name}}", "at": {{event_time}}}'
  - {name: plain, url: 'https://hook.invalid/', method: put, body: 'last={{last}} event={{event_name}}'}
  - {name: bare, connection: c}
"#;

struct World {
    target: InProcess,
    keys: Keys,
    now: i64,
}

impl World {
    fn new() -> World {
        let mut world = World { target: InProcess::start(), keys: Keys::demo(), now: NOW };
        let bundle = bundle_of_texts(&[DEFINITION.to_owned(), JOURNEYS.to_owned()]);
        world.ask("PUT", &format!("/v1/audiences/{AUDIENCE}/bundle"), "admin", bundle);
        world
    }

    fn ask(&mut self, method: &str, path: &str, who: &str, body: Vec<u8>) -> Value {
        let headers = self.keys.headers(who, self.now);
        let answer = self.target.call(&Call { method, path, headers, body, now: self.now });
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        serde_json::from_slice(&answer.body).unwrap_or(Value::Null)
    }

    fn event(&mut self, table: &str, event: Value) {
        let body = json!({"events": [event]}).to_string().into_bytes();
        let answer = self.ask("POST", &format!("/test/{table}"), "server", body);
        assert_eq!(answer["receipts"][0]["success"], true, "{answer}");
    }

    fn tick(&mut self, after: i64) {
        self.now += after;
        self.ask("POST", "/v1/tick", "admin", Vec::new());
    }

    fn sends(&self) -> &[SendRow] {
        &self.target.store.journeys.sends
    }

    /// The messages so far.
    fn messages(&self) -> Vec<Value> {
        self.sends().iter().map(|row| serde_json::from_str(&row.message).expect("JSON")).collect()
    }

    fn waits(&self) -> Vec<i64> {
        self.target.store.journeys.waits.values().map(|due_ms| due_ms / 1_000 - NOW).collect()
    }
}

#[test]
fn a_message_is_rendered_in_the_commit_of_its_step() {
    let mut world = World::new();
    let sku = "P\"1\\\n<2>";
    world.event("view", json!({"browser": "v&1", "sku": sku, "pin": "echo_me_not", "uuid": "e1"}));
    let [sent] = world.messages().try_into().expect("one message");
    assert_eq!(sent["connection"], "c");
    assert_eq!([&sent["journey"], &sent["stage"], &sent["step"]], ["main", "one", "first"]);
    assert_eq!(
        [&sent["activation"], &sent["connector"], &sent["method"]],
        ["json", "td_webhook_out", "POST"]
    );
    assert_eq!(sent["url"], "https://hook.invalid/v%261?last=P%221%5C%0A%3C2%3E");
    // A header is one line.
    assert_eq!(sent["headers"], json!({"x-last": "P\"1\\<2>", "content-type": "application/json"}));
    let body: Value = serde_json::from_str(sent["body"].as_str().expect("a text")).expect("JSON");
    let expected = json!({"who": "v&1", "last": format!("a {sku}"), "bare": sku, "views": 1, "secret": null, "quoted": "",
                          "event": "view", "at": NOW});
    assert_eq!(body, expected);
    assert!(!sent.to_string().contains("echo_me_not"));
    // At a due time there is no event.
    world.tick(3_600);
    let [_, plain, bare] = world.messages().try_into().expect("three messages");
    assert_eq!(plain["body"], "last=P\"1\\<2> event=");
    assert_eq!(plain["method"], "PUT");
    let body: Value = serde_json::from_str(bare["body"].as_str().expect("a text")).expect("JSON");
    assert_eq!(body, json!({"journey": "main", "stage": "one", "step": "third", "time": NOW + 3_600}));
    let mut ids: Vec<[u8; 16]> = world.sends().iter().map(|row| row.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[test]
fn copies_and_nobody_send_nothing() {
    let mut world = World::new();
    world.event("view", json!({"sku": "P", "uuid": "nobody"}));
    assert_eq!((world.sends().len(), world.waits().len()), (0, 0));
    for _ in 0..3 {
        world.event("view", json!({"browser": "v", "sku": "P", "uuid": "e1"}));
    }
    assert_eq!((world.sends().len(), world.waits()), (1, vec![3_600]));
}

#[test]
fn due_times_follow_the_visitor() {
    let mut world = World::new();
    world.event("view", json!({"browser": "v", "uuid": "e1"}));
    assert_eq!(world.waits(), [3_600]);
    world.tick(3_599);
    assert_eq!(world.waits(), [3_600]);
    world.tick(1);
    assert_eq!((world.sends().len(), world.waits().len()), (3, 0));
    world.event("order", json!({"browser": "v", "uuid": "e2"}));
    world.event("view", json!({"browser": "v", "uuid": "e3"}));
    assert_eq!(world.waits(), [7_200]);
}

#[test]
fn of_two_visitors_who_are_one_the_messages_move_and_one_due_time_stays() {
    let mut world = World::new();
    world.event("view", json!({"browser": "v", "uuid": "e1"}));
    world.now += 60;
    world.event("view", json!({"app": "v", "uuid": "e2"}));
    assert_eq!((world.sends().len(), world.waits()), (2, vec![3_600, 3_660]));
    world.event("link", json!({"browser": "v", "app": "v", "uuid": "e3"}));
    assert_eq!(world.waits(), [3_660]);
    let owners: Vec<[u8; 16]> = world.sends().iter().map(|row| row.profile).collect();
    assert_eq!(owners[0], owners[1]);
}

#[test]
fn an_erased_visitor_is_sent_nothing() {
    let mut world = World::new();
    world.event("view", json!({"browser": "v", "uuid": "e1"}));
    world.event("view", json!({"browser": "w", "uuid": "e2"}));
    world.ask("DELETE", &format!("/v1/audiences/{AUDIENCE}/profiles/browser/v"), "server", Vec::new());
    assert_eq!((world.sends().len(), world.waits().len()), (1, 1));
    world.tick(3_600);
    assert_eq!(world.sends().len(), 3);
}

#[test]
fn what_was_never_sent_goes_after_its_time() {
    let mut world = World::new();
    world.event("view", json!({"browser": "v", "uuid": "e1"}));
    world.event("order", json!({"browser": "v", "uuid": "e2"}));
    world.tick(30 * 86_400 - 1);
    assert_eq!(world.sends().len(), 1);
    world.tick(1);
    assert_eq!(world.sends().len(), 0);
}

/// Visitors in journeys over two shards: of `browser` in the first one and, a minute younger, of `app` in the second one; and the
/// number of the event that joins them, which is on its way.
fn two_who_are_to_be_one() -> (Bed, usize) {
    let bundle = bundle_of_texts(&[DEFINITION.to_owned(), JOURNEYS.to_owned()]);
    let mut bed = Bed::running(2, &bundle, "/test/view");
    let (browser, app) = (bed.value_in("browser", 0), bed.value_in("app", 1));
    bed.tell(&format!(r#"{{"browser": "{browser}", "uuid": "e1"}}"#));
    bed.shards.now_ms += 60_000;
    bed.tell(&format!(r#"{{"app": "{app}", "uuid": "e2"}}"#));
    for store in &bed.shards.stores {
        assert_eq!((store.journeys.sends.len(), store.journeys.waits.len()), (1, 1));
    }
    let joins = format!(r#"{{"browser": "{browser}", "app": "{app}", "uuid": "e3"}}"#);
    let joining = bed.send_to("/test/link", &joins);
    (bed, joining)
}

/// Delivers until the profile of the second shard has handed its state over.
fn seal(bed: &mut Bed) {
    while bed.shards.stores[1].shard.sealed.is_empty() {
        assert!(bed.shards.step(0) || bed.shards.tick(), "it comes to be sealed");
    }
}

#[test]
fn messages_and_due_times_move_to_the_shard_of_the_survivor() {
    let (mut bed, joining) = two_who_are_to_be_one();
    seal(&mut bed);
    // It is led on and sends no more until it is known whose it is.
    let source = &bed.shards.stores[1].journeys;
    assert_eq!((source.sends.len(), source.waits.len()), (0, 0));
    bed.shards.settle();
    bed.succeeded(joining);
    let [survivor, source] = &bed.shards.stores[..] else { panic!("two shards") };
    assert_eq!((source.journeys.sends.len(), source.journeys.waits.len()), (0, 0));
    let [first, second] = &survivor.journeys.sends[..] else { panic!("two messages") };
    assert_eq!(first.profile, second.profile);
    assert_ne!(first.id, second.id);
    assert!(first.at_ms < second.at_ms);
    // The later step stays.
    let waits: Vec<_> = survivor.journeys.waits.iter().map(|((_, id), due_ms)| (*id, *due_ms)).collect();
    assert_eq!(waits, [(first.profile, NOW_MS + 60_000 + 3_600_000)]);
}

#[test]
fn a_visitor_whose_merge_is_withdrawn_waits_and_sends_again() {
    let (mut bed, _) = two_who_are_to_be_one();
    let before = bed.shards.stores[1].journeys.clone();
    seal(&mut bed);
    bed.shards.stores[0].shard.intents[0].withdrawn = true;
    bed.shards.settle();
    let after = &bed.shards.stores[1].journeys;
    assert!(bed.shards.stores[1].shard.sealed.is_empty(), "it is unsealed");
    assert_eq!((&after.sends, &after.waits), (&before.sends, &before.waits));
    assert_eq!(bed.shards.stores[0].journeys.sends.len(), 1);
}

#[test]
fn what_a_merge_does_not_take_along_is_sent_where_it_is_and_goes_with_an_erasure() {
    let (mut bed, joining) = two_who_are_to_be_one();
    let long = bed.shards.stores[1].journeys.sends[0].clone();
    let messages =
        (0..80).map(|number| SendRow { id: [number; 16], message: "x".repeat(16 * 1024), ..long.clone() });
    bed.shards.stores[1].journeys.replace_sends(messages.collect());
    bed.shards.settle();
    bed.succeeded(joining);
    let [survivor, source] = &bed.shards.stores[..] else { panic!("two shards") };
    // A MiB of messages.
    assert_eq!((survivor.journeys.sends.len(), source.journeys.sends.len()), (1 + 64, 80 - 64));
    let owner = survivor.journeys.sends[0].profile;
    assert!(source.journeys.sends.iter().all(|row| row.profile == owner));
    let browser = bed.value_in("browser", 0);
    assert_eq!(bed.erase("browser", &browser), 200);
    let left = bed.shards.stores.iter().map(|store| store.journeys.sends.len() + store.journeys.waits.len());
    assert_eq!(left.sum::<usize>(), 0);
}
