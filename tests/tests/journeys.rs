//! Messages of journeys, and the times at which visitors are led on: rows in the commit of the step, which no answer shows.

use std::time::Instant;

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, StatementStatus};
use serde_json::{Value, json};
use usher_edge::Ambient;
use usher_edge::limits::{ATTEMPT_LEASE_MS, UPKEEP_MORE_MS, UPKEEP_ROWS_MAX, WAITS_MORE_MS};
use usher_edge::message::{self, Attempt, AttemptOutcome, AttemptResult, DeliveryRow, Route, Stage};
use usher_edge::store::journeys::{SendRow, WaitRow};
use usher_edge::store::sql::{self, Cell, Statement};
use usher_edge::store::{DueBefore, Read, Write};
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
    body: '{"who": "{{browser}}", "last": "a {{last}}", "bare": {{last}}, "views": {{views}}, "secret": {{secret}}, "quoted": "{{secret}}", "event": "{{event_name}}", "at": {{event_time}}, "stepped": "{{step_time}}"}'
  - {name: plain, url: 'https://hook.invalid/', method: put, body: 'last={{last}} event={{event_name}} at={{step_time}}'}
  - {name: bare, connection: c}
"#;

struct World {
    target: InProcess,
    keys: Keys,
    now: i64,
}

impl World {
    fn new() -> World {
        World::of(JOURNEYS)
    }

    fn of(journeys: &str) -> World {
        let mut world = World { target: InProcess::start(), keys: Keys::demo(), now: NOW };
        let bundle = bundle_of_texts(&[DEFINITION.to_owned(), journeys.to_owned()]);
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
    assert_eq!((&sent["connection"], &sent["event"]), (&json!("c"), &json!("e1")));
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
                          "event": "view", "at": NOW, "stepped": "2026-09-21T14:13:20Z"});
    assert_eq!(body, expected);
    assert!(!sent.to_string().contains("echo_me_not"));
    // At a due time there is no event.
    world.tick(3_600);
    let [_, plain, bare] = world.messages().try_into().expect("three messages");
    assert_eq!(plain["body"], "last=P\"1\\<2> event= at=2026-09-21T15:13:20Z");
    assert_eq!((&plain["method"], &plain["event"]), (&json!("PUT"), &json!("")));
    let body: Value = serde_json::from_str(bare["body"].as_str().expect("a text")).expect("JSON");
    assert_eq!(body, json!({"journey": "main", "stage": "one", "step": "third", "time": NOW + 3_600}));
    let mut ids: Vec<[u8; 16]> = world.sends().iter().map(|row| row.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[test]
fn connectors_of_vendors_send_what_their_documents_say() {
    for (connector, values, expected) in [
        (
            "sendgrid_out",
            r#"{to: "{{browser}}@b.example", from: a@b.example, template_id: d-1, data: {sku: "{{last}}", views: "{{views}}", pin: "{{secret}}"}}"#,
            json!({"personalizations": [{"to": [{"email": "v@b.example"}],
                   "dynamic_template_data": {"sku": "P \"1\"", "views": 1, "pin": null}}],
                   "from": {"email": "a@b.example"}, "template_id": "d-1"}),
        ),
        (
            "braze_out",
            r#"{external_id: "{{browser}}", event: seen, properties: {sku: "{{last}}"}}"#,
            json!({"events": [{"external_id": "v", "name": "seen", "time": "2026-09-21T14:13:20Z",
                               "properties": {"sku": "P \"1\""}}]}),
        ),
        (
            "salesforce_mc_out",
            r#"{contact_key: "{{browser}}", event_definition_key: APIEvent-1, data: {sku: "{{last}}"}}"#,
            json!({"ContactKey": "v", "EventDefinitionKey": "APIEvent-1", "Data": {"sku": "P \"1\""}}),
        ),
    ] {
        let mut world = World::of(&format!(
            r#"
parent_segment_id: "1069944"
journeys:
  - name: each
    stages: [{{name: only, entry: {{key_event: view}}, steps: [{{id: tell, activate: told}}, {{id: bye, end: true}}]}}]
activations: [{{name: told, connection: c, connector: {connector}, with: {values}}}]
"#
        ));
        world.event("view", json!({"browser": "v", "sku": "P \"1\"", "pin": "echo_me_not", "uuid": "e1"}));
        let [sent] = world.messages().try_into().expect("one message");
        assert_eq!((&sent["connector"], &sent["method"]), (&json!(connector), &json!("POST")));
        let body: Value = serde_json::from_str(sent["body"].as_str().expect("a text")).expect("JSON");
        assert_eq!(body, expected, "{connector}");
    }
}

#[test]
fn two_events_at_one_time_send_two_messages() {
    let mut world = World::of(
        r#"
parent_segment_id: "1069944"
journeys:
  - name: each
    reentry: reentry_always
    stages: [{name: only, entry: {key_event: view}, steps: [{id: tell, activate: bare}, {id: bye, end: true}]}]
activations: [{name: bare, connection: c}]
"#,
    );
    // They have no time of their own; one of them has no id either.
    for event in [
        json!({"browser": "v", "uuid": "e1"}),
        json!({"browser": "v", "uuid": "e2"}),
        json!({"browser": "v"}),
    ] {
        world.event("view", event);
    }
    let mut ids: Vec<[u8; 16]> = world.sends().iter().map(|row| row.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3, "each has an id of its own");
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
/// event that joins them.
fn two_in_journeys() -> (Bed, String) {
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
    (bed, joins)
}

/// The same, and the number of that event, which is on its way.
fn two_who_are_to_be_one() -> (Bed, usize) {
    let (mut bed, joins) = two_in_journeys();
    let joining = bed.send_to("/test/link", &joins);
    (bed, joining)
}

/// A turn of delivery in a shard, after attempts of it had this status: the attempts that begin.
fn turn(bed: &mut Bed, shard: u32, ended: &[(&Attempt, u16)]) -> Vec<Attempt> {
    let ambient = Ambient { now_ms: bed.shards.now_ms, entropy: [255; 32] };
    let result = |(attempt, status): &(&Attempt, u16)| AttemptResult {
        number: attempt.number,
        id: attempt.id,
        at_ms: ambient.now_ms,
        outcome: AttemptOutcome::Answered { status: *status, body: String::new(), retry_after_s: 0 },
    };
    let (results, to) = (ended.iter().map(result).collect(), Route { shard, shards: 2 });
    let message = message::send_turn(ambient, false, 64, results, to, bed.shards.edge.form());
    let number = bed.shards.send(shard, message);
    bed.shards.settle();
    Attempt::list(&bed.shards.answer(number).expect("answered").body).expect("attempts")
}

const DESTINATION: &str =
    r#"[{"id": "c", "url": "https://hook.invalid/", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}]"#;

#[test]
fn a_delivery_goes_on_in_the_shard_of_the_survivor() {
    let (mut bed, joins) = two_in_journeys();
    bed.shards.edge.set_destinations(DESTINATION);
    let [first] = &turn(&mut bed, 1, &[])[..] else { panic!("one attempt") };
    assert_eq!(turn(&mut bed, 1, &[(first, 503)]), []);
    bed.shards.now_ms += 2_000;
    let [second] = &turn(&mut bed, 1, &[])[..] else { panic!("one more") };
    assert_eq!(turn(&mut bed, 1, &[(second, 500)]), []);
    let before = bed.shards.stores[1].journeys.delivery.values().next().cloned().expect("a delivery");
    assert_eq!((before.attempts, &*before.last), (2, "500"));
    let joining = bed.send_to("/test/link", &joins);
    bed.shards.settle();
    bed.succeeded(joining);
    // The survivor's own, which no turn has seen, begins. The other one has its pause, its number and its time still.
    let [own] = &turn(&mut bed, 0, &[])[..] else { panic!("one of its own") };
    assert_ne!(own.id, first.id);
    let [_, after] = &bed.shards.stores[0].journeys.delivery.values().collect::<Vec<_>>()[..] else {
        panic!("two deliveries")
    };
    assert_eq!(**after, DeliveryRow { number: after.number, ..before.clone() });
    bed.shards.now_ms = before.due_ms;
    assert_eq!(turn(&mut bed, 0, &[]), [], "the visitor's other one is under way");
    assert_eq!(turn(&mut bed, 0, &[(own, 200)]), [], "the next turn begins it");
    let [third] = &turn(&mut bed, 0, &[])[..] else { panic!("the third attempt") };
    let of = |attempt: &Attempt| {
        let mut headers = attempt.request.headers.clone();
        headers.retain(|(name, _)| !matches!(&**name, "webhook-timestamp" | "webhook-signature"));
        (attempt.id, headers, attempt.request.body.clone())
    };
    assert_eq!(of(third), of(first));
    assert_eq!(turn(&mut bed, 0, &[(third, 200)]), []);
    assert!(bed.shards.stores.iter().all(|store| store.journeys.sends.is_empty()));
}

#[test]
fn an_attempt_that_a_merge_meets_is_made_again_when_its_time_is_over() {
    let (mut bed, joins) = two_in_journeys();
    bed.shards.edge.set_destinations(DESTINATION);
    let [lost] = &turn(&mut bed, 1, &[])[..] else { panic!("one attempt") };
    let joining = bed.send_to("/test/link", &joins);
    bed.shards.settle();
    bed.succeeded(joining);
    let [own] = &turn(&mut bed, 0, &[])[..] else { panic!("one of its own") };
    assert_eq!(turn(&mut bed, 0, &[(own, 200)]), []);
    // Its shard knows nothing of it any more.
    assert_eq!(turn(&mut bed, 1, &[(lost, 200)]), []);
    bed.shards.now_ms += ATTEMPT_LEASE_MS;
    let [again] = &turn(&mut bed, 0, &[])[..] else { panic!("the same again") };
    assert_eq!(again.id, lost.id);
}

#[test]
fn what_is_parked_stays_parked_in_the_shard_of_the_survivor() {
    let (mut bed, joins) = two_in_journeys();
    assert_eq!(turn(&mut bed, 1, &[]), []);
    let parked = bed.shards.stores[1].journeys.delivery.values().next().cloned().expect("a delivery");
    assert_eq!((parked.stage, &*parked.last), (Stage::Parked, "destination_not_allowed"));
    bed.shards.edge.set_destinations(DESTINATION);
    let joining = bed.send_to("/test/link", &joins);
    bed.shards.settle();
    bed.succeeded(joining);
    let [own] = &turn(&mut bed, 0, &[])[..] else { panic!("one of its own") };
    assert_eq!(turn(&mut bed, 0, &[(own, 200)]), []);
    let left: Vec<_> = bed.shards.stores[0].journeys.delivery.values().cloned().collect();
    assert_eq!(left, [DeliveryRow { number: left[0].number, ..parked }]);
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

/// 1,000 a second are due where there are many visitors, and a turn leads on 200.
#[test]
fn visitors_who_are_late_are_led_on_turn_by_turn_without_a_pause() {
    let mut world = World::new();
    let late = 2 * UPKEEP_ROWS_MAX + 50;
    for visitor in 0..late {
        world.event(
            "view",
            json!({"browser": format!("b{visitor}"), "sku": "s", "event_id": format!("e{visitor}")}),
        );
    }
    world.now += 3_600;
    let ambient = Ambient { now_ms: world.now * 1_000, entropy: [7; 32] };
    let InProcess { edge, store, .. } = &mut world.target;
    let next_ms = [(); 3].map(|()| usher_edge::drive::upkeep(edge, store, ambient, &mut |_| ()));
    assert_eq!(next_ms[..2], [WAITS_MORE_MS; 2]);
    assert!(next_ms[2] >= UPKEEP_MORE_MS, "{next_ms:?}");
    assert_eq!((world.sends().len(), world.waits().len()), (3 * late, 0));
}

/// A database in which so many visitors wait, a second apart from [`NOW_MS`] on.
fn waiting(rows: i64) -> Connection {
    let connection = Connection::open_in_memory().expect("a database");
    for statement in sql::SCHEMA {
        connection.execute(statement, []).expect(statement);
    }
    let insert = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?1 - 1)
                  INSERT INTO waiting (audience, profile, due_ms)
                  SELECT '7', CAST(printf('%016d', (i * 7919) % ?1) AS BLOB), ?2 + i * 1000 FROM n";
    connection.execute(insert, [rows, NOW_MS]).expect("rows");
    connection
}

/// The statements about those who wait, of a turn of upkeep and of the commit of a step.
fn about_waits() -> Vec<Statement> {
    let before = DueBefore { day: 0, journal_ms: 0, suppressed_ms: 0, entomb_ms: 0, now_ms: NOW_MS + 50_500 };
    let wait = |due_ms| WaitRow { audience: "7".to_owned(), profile: [b'0'; 16], due_ms };
    let waits = vec![wait(Some(NOW_MS)), wait(None)];
    let statements = sql::reads(&Read::Due(before)).into_iter();
    let statements = statements.chain(sql::writes(&Write { waits, ..Write::default() }));
    statements.filter(|statement| statement.sql.contains("waiting")).collect()
}

/// Runs a statement; the rows that it found, and the steps of SQLite's machine, of which so many went to the next row of a scan.
fn run(connection: &Connection, statement: &Statement) -> (usize, i32, i32) {
    let mut prepared = connection.prepare(statement.sql).expect(statement.sql);
    for (index, cell) in statement.params.iter().enumerate() {
        let value = match cell {
            Cell::Bytes(bytes) => Sql::Blob(bytes.clone()),
            Cell::Number(number) => Sql::Integer(*number),
            Cell::Text(text) => Sql::Text(text.clone()),
        };
        prepared.raw_bind_parameter(index + 1, value).expect(statement.sql);
    }
    let mut found = 0;
    let mut rows = prepared.raw_query();
    while rows.next().expect(statement.sql).is_some() {
        found += 1;
    }
    drop(rows);
    (found, prepared.get_status(StatementStatus::VmStep), prepared.get_status(StatementStatus::FullscanStep))
}

/// No statement looks at those who wait on: its plan has no scan and no sort, and it takes as many steps among a hundred times as many
/// rows. `USHER_ROWS=10000000` tries so many, and prints what each takes.
#[test]
fn due_times_are_found_without_a_scan() {
    let rows = std::env::var("USHER_ROWS").ok().and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let (few, many) = (waiting(1_000), waiting(rows));
    let statements = about_waits();
    assert_eq!(statements.len(), 4);
    for statement in &statements {
        let explained = format!("EXPLAIN QUERY PLAN {}", statement.sql);
        let mut plan = many.prepare(&explained).expect(&explained);
        // An insertion has no plan, because it searches nothing.
        let mut lines: Vec<String> = Vec::new();
        // A plan does not depend on the parameters, which are not bound.
        let mut rows_of_plan = plan.raw_query();
        while let Some(row) = rows_of_plan.next().expect(&explained) {
            lines.push(row.get(3).expect(&explained));
        }
        let is_slow = |line: &String| line.contains("SCAN") || line.contains("TEMP B-TREE");
        assert!(!lines.iter().any(is_slow), "{}\n{lines:#?}", statement.sql);
        let start = Instant::now();
        let (found, steps, scanned) = run(&many, statement);
        println!("{rows} rows: {found} found, {steps} steps, {:?}: {lines:?}", start.elapsed());
        assert_eq!(scanned, 0, "{}", statement.sql);
        assert_eq!((found, steps, 0), run(&few, statement), "{}", statement.sql);
    }
    let (due, ..) = run(&waiting(1_000), &statements[0]);
    assert_eq!(due, 51, "those whose time has come");
}
