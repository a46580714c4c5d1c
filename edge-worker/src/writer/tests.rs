//! Messages of many rich profiles, which are folded in parts.

use usher_engine::profile::codec;
use usher_engine::profile::{Key, ProfileId};

use crate::bundle::hash_of;
use crate::drive;
use crate::edge::Edge;
use crate::form::Form;
use crate::limits::PART_BYTES_MAX;
use crate::message::{Ambient, Events, Import, KeyOf, Message, Mode, Probe, ToWriter};
use crate::outcome::{Folded, Outcome};
use crate::store::memory::MemoryStore;
use crate::store::{Basis, Found, Pointer, ProfileRow, Read, Store, Write, sql};

const NOW_MS: i64 = 1_790_000_000_000;
const LISTS: usize = 12;

/// Lists of up to a hundred texts, and a record's column; a profile is one visitor's, whose browser may be another's.
fn edge() -> Edge {
    let lists = (0..LISTS).map(|index| {
        format!(
            r#"{{"name":"l{index}","kind":{{"list":{{"key_event":"view","column":"c{index}","keep":"newest","items_max":100,"duration_ms":86400000000}}}},"sensitive":false}},"#
        )
    });
    let body = format!(
        r#"{{"format":2,"definition":{{"audience":{{"id":"7"}},
            "key_events":[{{"name":"view","table":{{"database":"web","table":"views"}}}}],
            "attributes":[{}{{"name":"tier","kind":{{"batch":{{"column":"tier"}}}},"sensitive":false}}],
            "identity":{{"keys":[{{"name":"visitor"}},{{"name":"browser"}}],"primary_key":"visitor","lookup_key":"visitor"}}}}}}"#,
        lists.collect::<String>()
    );
    let mut edge = Edge::new(None, false);
    let body = body.into_bytes();
    let pointer = Pointer { audience: "7".to_owned(), number: 1, hash: hash_of(&body) };
    edge.install(&pointer, body).unwrap();
    edge
}

fn events(events: &[String], entropy: u8) -> Vec<u8> {
    Message::Writer(ToWriter::Events(Events {
        ambient: Ambient { now_ms: NOW_MS, entropy: [entropy; 32] },
        audiences: vec![("7".to_owned(), 1)],
        database: "web".to_owned(),
        table: "views".to_owned(),
        mode: Mode::Ingest,
        server: false,
        identity: crate::message::Identity::default(),
        origin: String::new(),
        edge: Vec::new(),
        body: format!("{{\"events\":[{}]}}", events.join(",")).into_bytes(),
    }))
    .encode(Form::Two)
}

fn import(rows: &str) -> Vec<u8> {
    Message::Writer(ToWriter::Import(Import {
        ambient: Ambient { now_ms: NOW_MS, entropy: [9; 32] },
        audience: "7".to_owned(),
        number: 1,
        patch: false,
        body: rows.as_bytes().to_vec(),
    }))
    .encode(Form::Two)
}

/// A store with these numbers of visitors, each with a profile of so many bytes, all made from one.
fn rich(edge: &mut Edge, visitors: usize, bytes: usize) -> MemoryStore {
    let item = |at: usize| {
        let columns = (0..LISTS).map(|list| format!(",\"c{list}\":\"{at:0>200}-{list}\""));
        let time = 1_789_000_000 + at;
        format!("{{\"visitor\":\"v\",\"event_id\":\"{at}\",\"time\":{time}{}}}", columns.collect::<String>())
    };
    let items: Vec<String> = (0..bytes / LISTS / 220).map(item).collect();
    let mut store = MemoryStore::default();
    deliver(edge, &mut store, &events(&items, 1));
    let mut profile = codec::decode(&state_of(&mut store, "v").1).unwrap();
    let row = |visitor: usize| {
        let name = format!("v{visitor}");
        profile.id = id_of(visitor);
        profile.edit_keys(|keys| {
            *keys = vec![Key { name: "visitor".to_owned(), value: name.clone(), seen_ms: 0 }];
        });
        let state = codec::encode(&profile, Form::Two.of_profiles());
        assert!((bytes * 3 / 4..bytes * 5 / 4).contains(&state.len()), "{}", state.len());
        let keys = Some(vec![("visitor".to_owned(), name)]);
        ProfileRow { audience: "7".to_owned(), id: profile.id.0, version: 1, touched_ms: 0, state, keys }
    };
    let profiles = (0..visitors).map(row).collect();
    let mut store = MemoryStore::default();
    store.commit(&Basis::default(), &Write { profiles, ..Write::default() }).unwrap();
    store
}

fn id_of(visitor: usize) -> ProfileId {
    let mut id = [7; 16];
    id[..8].copy_from_slice(&(visitor as u64).to_be_bytes());
    ProfileId(id)
}

/// The id and the state of a visitor's profile.
fn state_of(store: &mut MemoryStore, visitor: &str) -> ([u8; 16], Vec<u8>) {
    let (audience, name) = ("7".to_owned(), "visitor".to_owned());
    let read = Read::Profiles(vec![KeyOf { audience, name, value: visitor.to_owned() }]);
    let Ok(Found::Profiles(found)) = store.read(&read) else { panic!("profiles") };
    let [found] = found.try_into().unwrap();
    (found.id, found.state)
}

/// Delivers a message as a host does, statements included; returns the outcome and the number of its parts.
fn deliver(edge: &mut Edge, store: &mut MemoryStore, message: &[u8]) -> (Box<Outcome>, usize) {
    let mut opened = drive::open(edge, message).unwrap();
    let mut parts = 1;
    loop {
        let found = store.read(opened.read.as_ref().unwrap()).unwrap();
        match drive::fold(edge, &mut opened, found) {
            Folded::Part(write) => {
                drop(sql::writes(&write));
                parts += usize::from(!write.is_empty());
                store.commit(&Basis::default(), &write).unwrap();
            }
            Folded::Done(outcome) => {
                drop(sql::writes(&outcome.write));
                store.commit(&Basis::default(), &outcome.write).unwrap();
                return (outcome, parts);
            }
            other => panic!("it is decided, not {other:?}"),
        }
    }
}

fn text(outcome: &Outcome) -> &str {
    core::str::from_utf8(&outcome.response.body).unwrap()
}

/// An event of each visitor.
fn visits(visitors: usize, more: &str) -> Vec<String> {
    (0..visitors).map(|visitor| format!("{{\"visitor\":\"v{visitor}\",{more}}}")).collect()
}

/// An isolate has 128 MB for all that it holds, of which a module may take 96 MiB.
#[test]
fn rich_profiles_take_the_memory_of_a_part() {
    let mut edge = edge();
    for (visitors, bytes) in [(200, 54_000), (40, 240_000)] {
        let rows: String =
            (0..visitors).map(|v| format!("{{\"visitor\":\"v{v}\",\"tier\":\"gold\"}}\n")).collect();
        let messages = [
            ("strangers", events(&visits(visitors, "\"c0\":1"), 2)),
            // It moves from one to the next.
            ("of one browser", events(&visits(visitors, "\"c0\":2,\"browser\":\"shared\""), 3)),
            ("rows", import(&rows)),
        ];
        let mut store = rich(&mut edge, visitors, bytes);
        for (what, message) in messages {
            let mut all_parts = 0;
            let counted = allocation_counter::measure(|| {
                let (outcome, parts) = deliver(&mut edge, &mut store, &message);
                assert_eq!(outcome.response.status, 200);
                let accepted = text(&outcome).matches("\"success\":true").count();
                let imported = text(&outcome).contains(&format!("{{\"imported\":{visitors},\"unchanged\":0"));
                assert!(accepted == visitors || imported, "{what}: {}", text(&outcome));
                all_parts = parts;
            });
            assert!(all_parts > visitors * bytes / PART_BYTES_MAX, "{what}: {all_parts}");
            assert!(counted.bytes_max < 4 * PART_BYTES_MAX as u64, "{what}: {}", counted.bytes_max);
        }
        for visitor in 0..visitors {
            let (id, state) = state_of(&mut store, &format!("v{visitor}"));
            // Whom a browser leaves in the next part is written twice.
            let version = codec::decode(&state).unwrap().version;
            assert!(id == id_of(visitor).0 && (4..6).contains(&version), "{visitor}: {version}");
        }
    }
}

/// A batch in parts leaves what its events leave one by one, also of people who turn out to be one.
#[test]
fn parts_leave_what_single_events_leave() {
    let mut edge = edge();
    let visitors = 30;
    let before = rich(&mut edge, visitors, 240_000);
    // Each with an id of its own; every fifth names the browser of another.
    let visit = |at: usize| {
        let (visitor, time) = (at * 7 % visitors, 1_789_500_000 + at);
        let browser = if at.is_multiple_of(5) { at % 3 } else { 100 + visitor };
        format!(
            "{{\"event_id\":\"e{at}\",\"time\":{time},\"visitor\":\"v{visitor}\",\"browser\":\"b{browser}\",\"c1\":{at}}}"
        )
    };
    let all: Vec<String> = (0..90).map(visit).collect();
    let (mut together, mut single) = (before.clone(), before);
    let (outcome, parts) = deliver(&mut edge, &mut together, &events(&all, 4));
    assert_eq!((text(&outcome).matches("{\"success\":true}").count(), parts), (90, 2));
    for (at, event) in all.iter().enumerate() {
        deliver(&mut edge, &mut single, &events(core::slice::from_ref(event), 5 + u8::try_from(at).unwrap()));
    }
    for visitor in 0..visitors {
        let of = |store: &mut MemoryStore| {
            let (id, state) = state_of(store, &format!("v{visitor}"));
            let mut profile = codec::decode(&state).unwrap();
            profile.version = 0;
            (id, codec::encode(&profile, Form::Two.of_profiles()))
        };
        assert_eq!(of(&mut together), of(&mut single), "{visitor}");
    }
}

#[test]
fn a_nearly_full_shard_is_told_of() {
    let probe = || Probe { now_ms: NOW_MS, well: b"{\"status\":\"ok\"}".to_vec(), degraded: b"{}".to_vec() };
    let message = Message::Writer(ToWriter::Probe(probe())).encode(Form::Two);
    let asked = |bytes: i64| {
        let mut edge = edge();
        let mut opened = drive::open(&mut edge, &message).unwrap();
        assert_eq!(opened.read, Some(Read::Probe));
        match drive::fold(&mut edge, &mut opened, Found::Probe(bytes)) {
            Folded::Done(outcome) => String::from_utf8(outcome.response.body).unwrap(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(asked(6_399_999_999), r#"{"status":"ok"}"#);
    assert_eq!(asked(6_400_000_000), r#"{"status":"ok","warning":"a shard has over 80 % of its 8 GB"}"#);
    let rows = |bytes| vec![Vec::new(), vec![vec![sql::Cell::Number(bytes)]]];
    assert_eq!(sql::found(&Read::Probe, rows(7)), Ok(Found::Probe(7)));
    assert_eq!(sql::reads(&Read::Probe).len(), 2);
}
