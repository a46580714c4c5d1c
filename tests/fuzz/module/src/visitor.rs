//! A stored profile, read, met by events, asked and explained, and stored again.

use usher_engine::definition::{AttributeKind, Definition};
use usher_engine::profile::codec::{Form, decode, encode};
use usher_engine::value::{FromValue, Number, Value};
use usher_engine::{Access, Asked, Event, Evidence, Plan, Profile, ProfileId, Query, syntax};
use usher_fuzz_inputs::random::Random;

use crate::Answer;

const NOW_MS: i64 = 1_790_000_000_000;
/// A definition with every kind of attribute.
const EVERYTHING: &str = include_str!("../../../../edge-worker/golden/everything-today.json");
/// The attributes of it that compile: it exists for its shape, and others contradict themselves.
const KINDS: [&str; 13] =
    ["a0", "a4", "a16", "a18", "a1", "a5", "s0", "s1", "s2", "cart", "firsts", "subs", "total"];

/// A plan, and the profiles that it made of a visit.
pub(crate) struct Visitor {
    plan: Plan,
}

impl Visitor {
    pub(crate) fn start() -> Visitor {
        let read: Option<Value> = serde_json::from_str::<serde_json::Value>(EVERYTHING)
            .ok()
            .and_then(|bundle| serde_json::from_value(bundle["definition"].clone()).ok());
        let definition = read.and_then(|value| Definition::from_value(&value).ok());
        let mut definition = definition.unwrap_or_default();
        definition.attributes.retain(|attribute| KINDS.contains(&attribute.name.as_str()));
        for attribute in &mut definition.attributes {
            // What it is filled from is a name of nothing.
            if let AttributeKind::Counter { backfill, .. } = &mut attribute.kind {
                *backfill = None;
            }
        }
        definition.personalizations.truncate(1);
        for personalization in &mut definition.personalizations {
            personalization.sections.truncate(1);
            for section in &mut personalization.sections {
                section.outputs.clear();
                section.key_event = None;
                section.event_filter = None;
                let criteria = "a18 > 0 OR a0 IS NULL OR SIZE(a16) > 1 OR total BETWEEN 1 AND 9";
                section.criteria = syntax::parse(criteria).unwrap_or(syntax::Expr::Constant(true));
            }
        }
        match Plan::compile(&definition) {
            Ok(plan) if !plan.definition().attributes.is_empty() => Visitor { plan },
            other => panic!("the definition of every kind compiles: {:?}", other.err()),
        }
    }

    /// The profile that so many events of a visit make.
    pub(crate) fn stored(&self, number: u64) -> Vec<u8> {
        let random = &mut Random::new(number);
        let mut profile = Profile::new(ProfileId([7; 16]), NOW_MS - 1_000_000);
        for _ in 0..random.below(12) {
            let event = self.event(random);
            profile = self.meet(profile, vec![], &event).0;
        }
        encode(&profile, if number.is_multiple_of(2) { Form::Two } else { Form::Three })
    }

    pub(crate) fn profile(&self, bytes: &[u8]) -> Answer {
        let mut profile = match decode(bytes) {
            Ok(profile) => profile,
            Err(damage) => return Answer::new(format!("refused: {damage}"), ""),
        };
        stored(&profile);
        // What was read is written anew, what was not as it was; both say the same.
        let states: Vec<String> = profile.states().map(|(name, state)| format!("{name} {state:?}")).collect();
        let mut content = format!("{profile:?}\n{states:?}\n");
        stored(&profile);
        let mut answers = 0;
        let random = &mut Random::new(bytes.len() as u64);
        for _ in 0..3 {
            let event = self.event(random);
            let other = Profile::new(ProfileId([0x80; 16]), NOW_MS - 1);
            let (met, offers, told) = self.meet(profile, vec![other], &event);
            answers += offers;
            content.push_str(&told);
            stored(&met);
            profile = met;
        }
        let mut kinds: Vec<String> = profile.states().map(|(_, state)| format!("{state:?}")).collect();
        kinds.iter_mut().for_each(|kind| kind.truncate(kind.find(['(', '{', ' ']).unwrap_or(kind.len())));
        kinds.sort();
        kinds.dedup();
        Answer::new(format!("read {answers} {}", kinds.join(" ")), content)
    }

    fn event(&self, random: &mut Random) -> Event {
        let value = match random.below(4) {
            0 => Value::from(random.bits().cast_signed() >> random.below(64)),
            1 => Value::Number(Number::Float(7.25)),
            2 => Value::from("P-207"),
            _ => Value::from("2026-09-21T13:33:20Z"),
        };
        let columns = [
            ("id", Value::from("c-1001")),
            ("mail", Value::from("a@b")),
            ("c", value.clone()),
            ("x", value.clone()),
            ("price", Value::Number(Number::Integer(random.below(100) as i64))),
            ("uuid", Value::string(format!("e{}", random.below(20)))),
            ("time", Value::from(1_789_999_999 - random.below(100_000) as i64)),
        ];
        let columns = columns.map(|(name, value)| (name.to_owned(), value)).to_vec();
        let table = self.plan.table("web", "pages").unwrap_or_default();
        Event::resolve(table, columns, NOW_MS, "minted".to_owned())
    }

    /// Keys, stitching, attributes, sections, reasons; how many sections answered, and all that was said.
    fn meet(&self, profile: Profile, mut found: Vec<Profile>, event: &Event) -> (Profile, usize, String) {
        found.push(profile);
        let keys = self.plan.keys(event, &Evidence::NONE);
        let mut stitched = self.plan.stitch(&keys, found, ProfileId([9; 16]), NOW_MS);
        let ingested = self.plan.ingest(&mut stitched.profile, event, NOW_MS);
        let access = Access { server_route: true, sensitive_scope: true };
        let (asked, inputs, edge) = (Asked::Named(&[0]), &[][..], &[][..]);
        let query = Query { event: Some(event), asked, inputs, edge, access, blind: false };
        let answer = self.plan.personalize(&stitched.profile, &query, NOW_MS);
        let explained = self.plan.explain(&stitched.profile, &query, NOW_MS);
        let told = format!("{ingested:?}\n{answer:?}\n{explained:?}\n{:?}\n", stitched.journal);
        (stitched.profile, answer.offers.len(), told)
    }
}

/// A written profile reads back.
fn stored(profile: &Profile) {
    for form in Form::ALL {
        // Form 2 has no mark of a trim.
        let mut expected = profile.clone();
        expected.trimmed &= form >= Form::Three;
        let read = decode(&encode(profile, form));
        assert!(read.as_ref() == Ok(&expected), "a profile is the same when it is read again");
    }
}
