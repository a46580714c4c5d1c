//! The engine with nothing around it but bytes in and bytes out, to weigh it: everything that a host needs of it can be
//! called, so nothing is left out of the wasm.
//!
//! A call is `count · (length · profile)* · value`, and so is what it gives. Counts and lengths are 32 bits, little
//! endian. Values are a tag and their content; that is all the reader there is, because a host brings its own.

mod answer;
mod bytes;

use std::cell::RefCell;

use usher_engine::definition::Definition;
use usher_engine::profile::codec;
use usher_engine::value::{FromValue, Value};
use usher_engine::{Access, Asked, Event, Evidence, Plan, Profile, ProfileId, Query};

use bytes::{Reader, write};

thread_local! {
    static PLAN: RefCell<Option<Plan>> = const { RefCell::new(None) };
    static GIVEN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The result of a call: profiles, and a value.
type Given = (Vec<Profile>, Value);

/// Room for a call's bytes, which the host writes there.
#[unsafe(export_name = "room")]
pub extern "C" fn room(length: usize) -> *mut u8 {
    GIVEN.with_borrow_mut(|given| {
        given.clear();
        given.resize(length, 0);
        given.as_mut_ptr()
    })
}

/// Runs a call; what it gave stands where [`room`] said, so many bytes long. 0 is a failure.
#[unsafe(export_name = "call")]
pub extern "C" fn call(what: u32) -> usize {
    let asked = GIVEN.take();
    let given = run(what, &asked).map_or(Vec::new(), |(profiles, value)| {
        let mut out = Vec::new();
        bytes::count(&mut out, profiles.len());
        for profile in &profiles {
            let bytes = codec::encode(profile, codec::Form::Two);
            bytes::count(&mut out, bytes.len());
            out.extend_from_slice(&bytes);
        }
        write(&mut out, &value);
        out
    });
    let length = given.len();
    GIVEN.set(given);
    length
}

/// Where the bytes stand.
#[unsafe(export_name = "given")]
pub extern "C" fn given() -> *const u8 {
    GIVEN.with_borrow(|given| given.as_ptr())
}

fn run(what: u32, asked: &[u8]) -> Option<Given> {
    let mut reader = Reader(asked);
    let mut profiles = Vec::new();
    for _ in 0..reader.count()? {
        let length = reader.count()?;
        profiles.push(codec::decode(reader.take(length)?).ok()?);
    }
    let value = reader.value()?;
    if what == 0 {
        return compile(&value);
    }
    PLAN.with_borrow(|plan| {
        let plan = plan.as_ref()?;
        let now_ms = integer(&value, "now")?;
        match what {
            1 => {
                let keys = plan.keys(&event(plan, &value, now_ms)?, &Evidence::NONE);
                Some((Vec::new(), answer::keys(&keys)))
            }
            2 => {
                let keys = plan.keys(&event(plan, &value, now_ms)?, &Evidence::NONE);
                let fresh = ProfileId(integer(&value, "fresh")?.to_le_bytes().repeat(2).try_into().ok()?);
                let mut stitched = plan.stitch(&keys, profiles, fresh, now_ms);
                let value = answer::stitched(&stitched);
                stitched.others.insert(0, stitched.profile);
                Some((stitched.others, value))
            }
            3 => {
                let ingested = plan.ingest(profiles.first_mut()?, &event(plan, &value, now_ms)?, now_ms);
                Some((profiles, answer::ingested(&ingested)))
            }
            _ => asked_for(plan, what == 5, profiles.first()?, &value, now_ms),
        }
    })
}

fn compile(value: &Value) -> Option<Given> {
    let compiled = match Definition::from_value(value) {
        Ok(definition) => Plan::compile_owned(definition),
        Err(unfit) => return Some((Vec::new(), Value::string(unfit.to_string()))),
    };
    let value = match compiled {
        Ok(plan) => {
            PLAN.set(Some(plan));
            Value::Null
        }
        Err(findings) => answer::findings(&findings),
    };
    Some((Vec::new(), value))
}

fn asked_for(plan: &Plan, explain: bool, profile: &Profile, value: &Value, now_ms: i64) -> Option<Given> {
    let event = event(plan, value, now_ms);
    let named: Vec<usize> = value
        .get("personalizations")
        .and_then(Value::as_list)
        .unwrap_or_default()
        .iter()
        .filter_map(|name| plan.personalization(name.as_str()?))
        .collect();
    let inputs = value.get("inputs").and_then(Value::as_object).unwrap_or_default();
    let edge: Vec<(String, String)> = value
        .get("edge")
        .and_then(Value::as_object)
        .unwrap_or_default()
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect();
    let flag = |name: &str| value.get(name) == Some(&Value::Boolean(true));
    let query = Query {
        event: event.as_ref(),
        asked: if named.is_empty() { Asked::Triggered } else { Asked::Named(&named) },
        inputs,
        edge: &edge,
        access: Access { server_route: flag("server_route"), sensitive_scope: flag("sensitive_scope") },
        blind: flag("blind"),
    };
    let value = if explain {
        answer::explanation(&plan.explain(profile, &query, now_ms))
    } else {
        answer::answer(&plan.personalize(profile, &query, now_ms))
    };
    Some((Vec::new(), value))
}

fn event(plan: &Plan, value: &Value, now_ms: i64) -> Option<Event> {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let table = plan.table(text("database")?, text("table")?)?;
    let columns = value.get("columns")?.as_object()?.to_vec();
    Some(Event::resolve(table, columns, now_ms, text("minted")?.to_owned()))
}

fn integer(value: &Value, name: &str) -> Option<i64> {
    i64::from_value(value.get(name)?).ok()
}
