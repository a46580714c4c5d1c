//! The calls of clients and operators.

use serde_json::{Map, Value, json};

use crate::chance::Chance;
use crate::deployment::{AUDIENCE, Caller, DIGITS, EVENTS_MAX, Kind, People, bundle};
use crate::model::{Key, Model};

/// A request of a client, which may send it again.
#[derive(Clone, Debug)]
pub struct Call {
    /// The caller.
    pub caller: Caller,
    /// Its subject.
    pub what: What,
    /// `POST`, …
    pub method: &'static str,
    /// Path.
    pub target: String,
    /// As sent.
    pub body: Vec<u8>,
    /// The events in it, by number.
    pub events: Vec<usize>,
    /// The person who sends it.
    pub person: usize,
    /// The number of times that it was sent.
    pub attempts: usize,
    /// True if there is an answer that counts.
    pub is_answered: bool,
    /// The isolate that is near; None: that of the person.
    pub near: Option<usize>,
    /// When it was first sent, true time.
    pub sent_ms: i64,
    /// The events that were certainly in the profile of its keys when it was first sent.
    pub certain: Vec<usize>,
}

/// The subject of a call.
#[derive(Clone, Debug)]
pub enum What {
    /// A batch of events.
    Events,
    /// One event with an answer.
    Offers,
    /// A lookup by a key. `must` are the events that the caller's token stands for.
    LookUp {
        /// The key.
        key: Key,
        /// The events that the caller has seen.
        must: Vec<usize>,
    },
    /// The profile of a key is to be erased.
    Erase {
        /// The key.
        key: Key,
        /// The events that are certainly in it.
        gone: Vec<usize>,
    },
    /// An explanation of a key at the end.
    Explain,
    /// A definition to run.
    Publish(Kind),
    /// The definition before.
    RollBack,
}

/// A visitor, with browsers and names.
#[derive(Clone, Debug)]
pub struct Person {
    /// Values of `cid`, some of which others have, too.
    pub browsers: Vec<String>,
    /// The value of `email`.
    pub email: String,
    /// The value of `member`, which only servers may vouch for.
    pub member: String,
    /// A token with its profile's keys, and the events that it stands for.
    pub token: Option<(Vec<Key>, String, Vec<usize>)>,
    /// The browser that was used last.
    pub last: usize,
}

/// The people of a run.
pub fn persons(count: usize, shared_percent: u32, seed: u64, chance: &mut Chance) -> Vec<Person> {
    let mut persons: Vec<Person> = Vec::new();
    for index in 0..count {
        let own = 1 + chance.below(3);
        let mut browsers: Vec<String> =
            (0..own).map(|browser| format!("browser-{seed:x}-{index}{browser}")).collect();
        if index > 0 && chance.percent(shared_percent) {
            let other = chance.below(index);
            browsers.push(persons[other].browsers[0].clone());
        }
        let email = format!("person{index}-{seed:x}@mail.example");
        let member = format!("member-{seed:x}-{index}");
        persons.push(Person { browsers, email, member, token: None, last: 0 });
    }
    persons
}

/// A call with events of a person.
pub fn events(model: &mut Model, persons: &mut [Person], person: usize, chance: &mut Chance) -> Option<Call> {
    let caller = *chance.pick(&[Caller::Page, Caller::Browser, Caller::Server]);
    let count = if caller == Caller::Browser { 1 } else { 1 + chance.below(3) };
    if model.events.len() + count > EVENTS_MAX {
        return None;
    }
    let has_ids = !chance.percent(15);
    let (mut numbers, mut bodies) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let whose = if chance.percent(10) { chance.below(persons.len()) } else { person };
        let (keys, mut columns) = keys(model.people, caller, persons, whose, chance);
        let number = model.send(keys, has_ids);
        put_digit(&mut columns, number, has_ids);
        numbers.push(number);
        bodies.push(Value::Object(columns));
    }
    let (what, target, body) = match caller {
        Caller::Browser => (What::Offers, "/public/web/pages", bodies.remove(0)),
        _ => (What::Events, "/web/pages", json!({"events": bodies})),
    };
    Some(call(caller, what, "POST", target, body.to_string().into_bytes(), numbers, person))
}

/// Two people, or one, at one browser: each names themselves there, and looks.
pub fn at_one_browser(model: &mut Model, persons: &[Person], chance: &mut Chance) -> Vec<Call> {
    let one = chance.below(persons.len());
    let shared =
        |browser: &&String| persons.iter().filter(|person| person.browsers.contains(browser)).count() > 1;
    let some = persons.iter().flat_map(|person| &person.browsers).find(shared);
    let browser = some.unwrap_or_else(|| chance.pick::<String>(&persons[one].browsers)).clone();
    let mut owners = (0..persons.len()).filter(|person| persons[*person].browsers.contains(&browser));
    let one = owners.next().unwrap_or(one);
    let other = owners.next().unwrap_or(one);
    let near = Some(chance.below(4));
    let mut calls = Vec::new();
    for person in [one, other] {
        if model.events.len() >= EVENTS_MAX {
            break;
        }
        let of = |name: &str, value: &String| (name.to_owned(), value.clone());
        let keys = vec![of("cid", &browser), of("email", &persons[person].email)];
        let mut columns: Map<String, Value> =
            keys.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let number = model.send(keys, true);
        put_digit(&mut columns, number, true);
        let body = json!({"events": [columns]}).to_string().into_bytes();
        let event = call(Caller::Page, What::Events, "POST", "/web/pages", body, vec![number], person);
        calls.push(Call { near, ..event });
        let key = of("cid", &browser);
        let body = json!({"personalization": "home", "key": {"name": key.0, "value": key.1}});
        let (what, body) = (What::LookUp { key, must: Vec::new() }, body.to_string().into_bytes());
        let look = call(Caller::Browser, what, "POST", "/v1/personalize", body, Vec::new(), person);
        calls.push(Call { near, ..look });
    }
    calls
}

/// Two profiles of a person become one, and are erased meanwhile; an event from before comes late. Each call with its time from
/// now, in milliseconds.
pub fn joined_and_erased(
    model: &mut Model,
    persons: &[Person],
    person: usize,
    now_ms: i64,
    chance: &mut Chance,
) -> Vec<(i64, Call)> {
    let known = &persons[person];
    let browser = |value: &String| ("cid".to_owned(), value.clone());
    let (first, email) = (browser(&known.browsers[0]), ("email".to_owned(), known.email.clone()));
    let other = browser(known.browsers.last().unwrap_or(&known.browsers[0]));
    let joined_ms = chance.between(400, 1_500);
    let late = if chance.percent(50) { first.clone() } else { email.clone() };
    let sent = [
        (0, vec![first.clone()]),
        (joined_ms / 2, vec![email.clone()]),
        (joined_ms, vec![first.clone(), email.clone()]),
        (joined_ms + chance.between(0, 200), vec![other, email.clone()]),
        (joined_ms + chance.between(300, 3_000), vec![late]),
    ];
    let mut calls = Vec::new();
    for (index, (at_ms, keys)) in sent.into_iter().enumerate() {
        if model.events.len() >= EVENTS_MAX {
            break;
        }
        let mut columns: Map<String, Value> =
            keys.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let number = model.send(keys, true);
        put_digit(&mut columns, number, true);
        if index == 4 {
            let happened_ms = now_ms + joined_ms / 4;
            model.events[number].happened_ms = happened_ms;
            columns.insert("time".to_owned(), json!(happened_ms));
        }
        let body = json!({"events": [columns]}).to_string().into_bytes();
        let event = call(Caller::Page, What::Events, "POST", "/web/pages", body, vec![number], person);
        calls.push((at_ms, event));
    }
    let key = if chance.percent(50) { first } else { email };
    calls.push((joined_ms + chance.between(0, 300), erase(model, key)));
    calls
}

/// Gives an event its digit in the sums, and its ids.
fn put_digit(columns: &mut Map<String, Value>, number: usize, has_id: bool) {
    let (sum, digit) = (number / DIGITS, number % DIGITS);
    columns.insert(format!("w{sum}"), json!(4_u64.pow(digit as u32)));
    columns.insert("eid".to_owned(), json!(format!("e{number}")));
    if has_id {
        columns.insert("uuid".to_owned(), json!(format!("id-{number}")));
    }
}

/// The keys by which an event stitches, and the columns that name them.
fn keys(
    people: People,
    caller: Caller,
    persons: &mut [Person],
    whose: usize,
    chance: &mut Chance,
) -> (Vec<Key>, Map<String, Value>) {
    if chance.percent(50) {
        persons[whose].last = chance.below(persons[whose].browsers.len());
    }
    let person = &persons[whose];
    let browser = person.browsers[person.last].clone();
    let (mut keys, mut columns) = (Vec::new(), Map::new());
    let mut put = |name: &str, value: &str, counts: bool| {
        columns.insert(name.to_owned(), json!(value));
        if counts {
            keys.push((name.to_owned(), value.to_owned()));
        }
    };
    let with = chance.below(10);
    // With people who stay apart, an event of a name alone is theirs, whatever browser it came from.
    if with != 9 {
        put("cid", &browser, true);
    }
    if with >= 6 {
        put("email", &person.email, true);
    }
    if people == People::Merge && chance.percent(20) {
        match caller {
            Caller::Server => put("member", &person.member, true),
            // Anybody may say that they are somebody.
            _ => put("member", &persons[chance.below(persons.len())].member, false),
        }
    }
    (keys, columns)
}

/// A lookup by one of a person's keys.
pub fn lookup(people: People, persons: &[Person], person: usize, chance: &mut Chance) -> Call {
    let caller = if chance.percent(50) { Caller::Browser } else { Caller::Server };
    let known = &persons[person];
    let of = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut must = Vec::new();
    let mut body = json!({"personalization": "home"});
    let key = match &known.token {
        Some((keys, token, events)) if chance.percent(60) => {
            body["seen"] = json!(token);
            let open = |(name, _): &&Key| match people {
                People::Merge => name != "member" || caller == Caller::Server,
                People::StayApart => name == "email",
            };
            let keys: Vec<&Key> = keys.iter().filter(open).collect();
            match keys.is_empty() {
                true => of("email", &known.email),
                false => {
                    must.clone_from(events);
                    (*chance.pick(&keys)).clone()
                }
            }
        }
        _ => match chance.below(if people == People::Merge { 8 } else { 7 }) {
            0 | 1 => of("cid", chance.pick::<String>(&known.browsers)),
            2 | 3 => of("cid", &known.browsers[known.last]),
            4..=6 => of("email", &known.email),
            _ => of("member", &known.member),
        },
    };
    body["key"] = json!({"name": key.0, "value": key.1});
    if caller == Caller::Server {
        body["audience"] = json!(AUDIENCE);
    }
    let what = What::LookUp { key, must };
    call(caller, what, "POST", "/v1/personalize", body.to_string().into_bytes(), Vec::new(), person)
}

/// What is stored under a key.
pub fn explain(key: &Key) -> Call {
    let body = json!({"audience": AUDIENCE, "key": {"name": key.0, "value": key.1}});
    call(Caller::Server, What::Explain, "POST", "/v1/explain", body.to_string().into_bytes(), Vec::new(), 0)
}

/// The profile of a key is to be erased.
pub fn erase(model: &mut Model, key: Key) -> Call {
    let target = format!("/v1/audiences/{AUDIENCE}/profiles/{}/{}", key.0, key.1.replace('@', "%40"));
    let gone = model.erase(&key);
    call(Caller::Server, What::Erase { key, gone }, "DELETE", &target, Vec::new(), Vec::new(), 0)
}

/// A definition to run.
pub fn publish(people: People, kind: Kind) -> Call {
    let target = format!("/v1/audiences/{AUDIENCE}/bundle");
    let body = bundle(people, kind).to_vec();
    call(Caller::Admin, What::Publish(kind), "PUT", &target, body, Vec::new(), 0)
}

/// The definition before.
pub fn roll_back() -> Call {
    let target = format!("/v1/audiences/{AUDIENCE}/rollback");
    call(Caller::Admin, What::RollBack, "POST", &target, Vec::new(), Vec::new(), 0)
}

fn call(
    caller: Caller,
    what: What,
    method: &'static str,
    target: &str,
    body: Vec<u8>,
    events: Vec<usize>,
    person: usize,
) -> Call {
    let (target, certain) = (target.to_owned(), Vec::new());
    Call {
        caller,
        what,
        method,
        target,
        body,
        events,
        person,
        attempts: 0,
        is_answered: false,
        near: None,
        sent_ms: 0,
        certain,
    }
}
