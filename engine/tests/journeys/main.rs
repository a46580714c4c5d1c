//! Journeys beside a slow model: it keeps every event and every due time, works with names, and asks criteria anew from all
//! events each time. 1,000 histories by default; `USHER_CASES=10` is ten times as many.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    unreachable_pub,
    missing_docs,
    reason = "a test that panics has found something, and its parts are nobody else's"
)]

mod generate;
mod model;

use generate::{History, Random, Step};
use model::{Model, Seen};
use usher_engine::definition::Definition;
use usher_engine::profile::codec::{Form, decode, encode};
use usher_engine::value::Value;
use usher_engine::{Access, Advanced, Asked, Event, Evidence, Plan, Profile, ProfileId, Query, SentAt};

/// Histories by default.
const CASES: u64 = 1_000;

fn cases() -> u64 {
    let factor = std::env::var("USHER_CASES").ok().and_then(|text| text.parse::<f64>().ok()).unwrap_or(1.0);
    (CASES as f64 * factor).max(1.0) as u64
}

/// The engine with its visitors, by their numbers; merged ones are gone.
struct Engine {
    plan: Plan,
    /// The same as another module of the build gets it, which folds and explains nothing.
    folding: Plan,
    profiles: Vec<Option<Profile>>,
    /// The latest time of a fold so far: clocks go back, too.
    latest_ms: i64,
}

impl Engine {
    fn new(definition: &Definition) -> Option<Engine> {
        let plan = Plan::compile(definition).ok()?;
        let folding = Plan::from_bytes(&plan.to_bytes()).unwrap();
        Some(Engine { plan, folding, profiles: Vec::new(), latest_ms: i64::MIN })
    }

    fn fired(advanced: Advanced) -> Vec<String> {
        advanced.fired.into_iter().map(|fired| fired.activation).collect()
    }

    /// An event of one visitor, or one that shows that two are the same.
    fn event(&mut self, who: &[usize], table: &str, id: usize, now_ms: i64) -> (usize, Vec<String>) {
        let columns = who.iter().map(|who| (format!("key{who}"), Value::from("v")));
        let columns = columns.chain([("uuid".to_owned(), Value::from(format!("e{id}").as_str()))]);
        let table = self.folding.table("web", table).unwrap();
        let event = self.folding.event(table, columns.collect(), now_ms, String::new(), SentAt::Absent);
        let keys = self.folding.keys(&event, &Evidence::NONE);
        let found = who.iter().filter_map(|who| self.profiles.get_mut(*who).and_then(Option::take));
        let fresh = ProfileId([who[0] as u8 + 1; 16]);
        let mut profile = self.folding.stitch(&keys, found.collect(), fresh, now_ms).profile;
        // Stored and read again, as between any two events.
        profile = stored(&profile);
        assert!(!self.folding.ingest(&mut profile, &event, now_ms).duplicate);
        let advanced = self.advance(&mut profile, Some(&event), now_ms);
        let place = who.iter().copied().find(|who| profile.id.0[0] as usize == who + 1).unwrap();
        if self.profiles.len() <= place {
            self.profiles.resize(place + 1, None);
        }
        self.profiles[place] = Some(profile);
        (place, Engine::fired(advanced))
    }

    /// Leads a visitor on. The other module's plan has to tell that the visitor moves, and only then.
    fn advance(&mut self, profile: &mut Profile, event: Option<&Event>, now_ms: i64) -> Advanced {
        let (before, mut there) = (encoded(profile), profile.clone());
        assert_eq!(self.folding.advance(&mut there, event, &[], now_ms), Advanced::default());
        assert_eq!(encoded(&there), before, "nothing is changed");
        let advanced = self.plan.advance(profile, event, &[], now_ms);
        assert!(!profile.is_unfinished());
        if there.is_unfinished() {
            // A second move at one moment may lead back to where the first one led.
            assert!(encoded(profile) != before || self.latest_ms >= now_ms);
        } else {
            assert_eq!((encoded(profile), &advanced), (before, &Advanced::default()));
        }
        self.latest_ms = self.latest_ms.max(now_ms);
        advanced
    }

    fn due(&mut self, who: usize, now_ms: i64) -> Vec<String> {
        let mut profile = stored(self.profiles[who].as_ref().unwrap());
        let advanced = self.advance(&mut profile, None, now_ms);
        self.profiles[who] = Some(profile);
        Engine::fired(advanced)
    }

    fn due_ms(&self, who: usize) -> Option<i64> {
        self.folding.due_ms(self.profiles.get(who)?.as_ref()?)
    }

    fn seen(&self, who: usize, now_ms: i64) -> Vec<Seen> {
        let profile = self.profiles[who].as_ref().unwrap();
        let query = Query {
            event: None,
            asked: Asked::Named(&[]),
            inputs: &[],
            edge: &[],
            access: Access::default(),
            blind: false,
        };
        let traces = self.plan.call(profile, &query, now_ms).journeys();
        let seen = traces.into_iter().map(|trace| Seen {
            standing: trace.standing.map(|it| {
                (
                    it.stage.unwrap_or_default(),
                    it.step,
                    it.why,
                    it.entered_ms,
                    it.since_ms,
                    it.due_ms,
                    it.arms,
                )
            }),
            finished: trace.finished.into_iter().map(|(how, at_ms)| (how.to_owned(), at_ms)).collect(),
        });
        seen.map(Seen::in_any_order).collect()
    }
}

fn stored(profile: &Profile) -> Profile {
    decode(&encoded(profile)).unwrap()
}

fn encoded(profile: &Profile) -> Vec<u8> {
    encode(profile, Form::Three)
}

fn play(seed: u64, history: &History) -> Option<usize> {
    let mut engine = Engine::new(&history.definition)?;
    let mut model = Model::new(&history.definition);
    let mut ids = 0;
    let mut moves = 0;
    let check = |engine: &Engine, model: &Model, who: usize, now_ms: i64, what: &str| {
        let (found, expected) = (engine.seen(who, now_ms), model.seen(who));
        assert_eq!(found, expected, "seed {seed}, {what} at {now_ms}\n{:#?}", history);
        assert_eq!(engine.due_ms(who), model.due_ms(who), "seed {seed}, due after {what}\n{:#?}", history);
    };
    for step in &history.steps {
        match step {
            Step::Event { who, table, now_ms } => {
                let who: Vec<usize> = model.still_there(who);
                ids += 1;
                let (place, fired) = engine.event(&who, table, ids, *now_ms);
                let (expected_place, expected) = model.event(&who, table, *now_ms);
                assert_eq!((place, &fired), (expected_place, &expected), "seed {seed}\n{:#?}", history);
                moves += fired.len();
                check(&engine, &model, place, *now_ms, "an event");
            }
            Step::Time { now_ms } => {
                // Everybody whose time has come, again and again: an end may come at once.
                for who in model.everybody() {
                    for _ in 0..20 {
                        if engine.due_ms(who).is_none_or(|due_ms| due_ms > *now_ms) {
                            break;
                        }
                        let (fired, expected) = (engine.due(who, *now_ms), model.due(who, *now_ms));
                        assert_eq!(fired, expected, "seed {seed} at {now_ms}\n{:#?}", history);
                        moves += fired.len();
                        check(&engine, &model, who, *now_ms, "a due time");
                    }
                }
            }
        }
    }
    Some(moves)
}

#[test]
fn journeys_go_as_the_model_says() {
    let (mut played, mut fired, mut seed) = (0, 0, 0);
    while played < cases() {
        seed += 1;
        assert!(seed < cases() * 20, "too few definitions compile");
        let history = History::of(&mut Random::new(seed));
        if let Some(moves) = play(seed, &history) {
            played += 1;
            fired += moves;
        }
    }
    assert!(fired as u64 > played / 4, "{fired} messages of {played} histories");
}
