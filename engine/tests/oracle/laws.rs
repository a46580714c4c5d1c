//! The laws that must hold for every case.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use usher_engine::definition::Definition;
use usher_engine::value::Value;
use usher_engine::{Event, Plan, Profile, Record};

use crate::engine::{self, Compiled, Store, facts, profile_id, stored, usable};
use crate::generate::{Case, Columns, What};
use crate::model::value::same;
use crate::model::{self, Resolved, Visitor, World, is_promised};
use crate::run::NO_PLAN;

type Law = Result<(), String>;
type Facts = Vec<(String, Value)>;

/// The engine says what the oracle says, of every event, of every visitor, at several moments.
pub fn follows(case: &Case) -> Law {
    let plans = compiled(case)?;
    let definitions: Vec<Rc<Definition>> = case.definitions.iter().cloned().map(Rc::new).collect();
    let (mut store, mut world) = (Store::default(), World::default());
    let (mut current, mut bundle) = (0, 1);
    for (index, step) in case.steps.iter().enumerate() {
        let at = |found: String| format!("step {index}: {found}");
        let (plan, definition) = (&*plans[current], &definitions[current]);
        let fresh = (1_000 - index as u64, step.at_ms);
        let (actual, expected) = match &step.what {
            What::Bundle(next) => {
                current = *next;
                bundle += 1;
                continue;
            }
            What::Event { table, columns, minted_id, proof } => {
                let event = engine::resolve(plan, table, columns, step.at_ms, minted_id);
                let resolved = Rc::new(model::resolve(
                    definition.event_id_column.as_deref(),
                    table,
                    columns,
                    step.at_ms,
                    minted_id,
                ));
                agree_on(&event, &resolved).map_err(at)?;
                (
                    store.event((plan, bundle), &event, proof, fresh),
                    world.event((definition, bundle), &resolved, proof, fresh),
                )
            }
            What::Row(row) => {
                (store.import((plan, bundle), row, fresh), world.import((definition, bundle), row, fresh))
            }
        };
        if actual.clone().sorted() != expected.clone().sorted() {
            return Err(at(format!("receipts differ\n  engine {actual:?}\n  oracle {expected:?}")));
        }
        store.store(|id| (step.mark ^ id) % 4 == 0).map_err(at)?;
        if step.mark % 8 == 0 {
            agree(&store, &world, (plan, definition), step.at_ms).map_err(at)?;
        }
    }
    let last_ms = case.steps.last().map_or(0, |step| step.at_ms);
    for look_ms in &case.looks_ms {
        agree(&store, &world, (&plans[current], &definitions[current]), last_ms + look_ms)
            .map_err(|found| format!("{look_ms} ms after the end: {found}"))?;
    }
    Ok(())
}

/// The order of arrival does not matter: within 7 days, with exact copies only.
pub fn order(case: &Case) -> Law {
    let plan = &*compiled(case)?[0];
    let given = Given::of(case, plan);
    let mut sequence: Vec<usize> = (0..given.all.len()).collect();
    let arrived = given.played(plan, &sequence, None);
    sequence.sort_by_key(|index| given.all[*index].mark);
    let permuted = given.played(plan, &sequence, Some(given.end_ms));
    let visitor = given.visitor(&(0..given.all.len()).collect::<Vec<_>>());
    for now_ms in given.looks(case) {
        let promised = Promised::of(&given.definition, &visitor);
        let expected = promised.of_facts(visitor.facts(&given.definition, now_ms));
        let first = promised.of_facts(facts(plan, &arrived, now_ms));
        differ("in order", &first, "oracle", &expected, now_ms)?;
        let second = promised.of_facts(facts(plan, &permuted, now_ms));
        differ("permuted", &second, "in order", &first, now_ms)?;
    }
    Ok(())
}

/// A copy changes nothing, and neither does what was absorbed before.
pub fn copies(case: &Case) -> Law {
    let plan = &*compiled(case)?[0];
    let given = Given::of(case, plan);
    let mut profile = Profile::new(profile_id(1), 0);
    for (index, one) in given.all.iter().enumerate() {
        given.play(plan, &mut profile, index, one.at_ms);
        // This one again, and one from before.
        for copy in [index, one.mark as usize % (index + 1)] {
            let before = profile.clone();
            let (again, minted) = match &given.all[copy].what {
                Played::Event(event, _) => {
                    (plan.ingest(&mut profile, event, one.at_ms).duplicate, event.minted)
                }
                Played::Record(record, _) => {
                    // Another one of its time may have replaced it, so only the last is the same again.
                    if copy != index {
                        continue;
                    }
                    profile.import(record.clone(), one.at_ms);
                    (true, false)
                }
            };
            if minted {
                if again {
                    return Err(format!("{copy} has a minted id and was taken for a copy"));
                }
                profile = before;
                continue;
            }
            if !again || profile != before {
                return Err(format!("a copy of {copy} after {index} changed\n{before:?}\ninto\n{profile:?}"));
            }
        }
    }
    // Two that merge, and the source once more.
    let (mut store, _) = given.homes(plan, 2)?;
    let sources = store.profiles.clone();
    let keys = usable(&[("cookie", "h-0".into()), ("cookie", "h-1".into())], 0);
    let (once, _) = store.stitch(plan, &keys, 99, given.end_ms);
    for source in sources {
        let twice = plan.stitch(&keys, vec![once.clone(), source.clone()], profile_id(99), given.end_ms);
        if source.id != once.id && twice.profile != once {
            return Err(format!("absorbed twice, it is\n{:?}\nand once\n{once:?}", twice.profile));
        }
    }
    Ok(())
}

/// Events that were split over profiles say the same when these have merged, in whatever order.
pub fn groups(case: &Case) -> Law {
    let plan = &*compiled(case)?[0];
    let given = Given::of(case, plan);
    let homes = 2 + case.seed as usize % 3;
    let (store, visitors) = given.homes(plan, homes)?;
    // Two ways to bring them together.
    let mut merged = Vec::new();
    for (turn, seed) in [(0, case.seed >> 8), (1, case.seed >> 24)] {
        let (mut store, mut visitors) = (store.clone(), visitors.clone());
        let mut left: Vec<usize> = (0..homes).collect();
        let mut drawn = seed;
        while left.len() > 1 {
            let first = left.remove(drawn as usize % left.len());
            let second = left[(drawn >> 4) as usize % left.len()];
            drawn >>= 3;
            let keys = usable(&[("cookie", format!("h-{first}")), ("cookie", format!("h-{second}"))], 0);
            let (profile, _) = store.stitch(plan, &keys, 99, given.end_ms);
            let profile = if turn == 0 { profile } else { stored(&profile)? };
            store.profiles.push(profile);
            let source =
                visitors.iter().position(|v| v.has_key("cookie", &format!("h-{first}"))).expect("it");
            let source = visitors.remove(source);
            let target =
                visitors.iter_mut().find(|v| v.has_key("cookie", &format!("h-{second}"))).expect("it");
            let (mut early, mut late) = (source, target.clone());
            if (late.created_ms, late.id) < (early.created_ms, early.id) {
                std::mem::swap(&mut early, &mut late);
            }
            early.absorb(&late);
            *target = early;
        }
        let (mut profile, visitor) = (store.profiles.remove(0), visitors.remove(0));
        if profile.id != profile_id(visitor.id) || profile.created_ms != visitor.created_ms {
            return Err(format!("{} survived instead of {}", profile.id, visitor.id));
        }
        // Everything is known now, so everything is a copy.
        let before = profile.clone();
        for one in &given.all {
            if let Played::Event(event, _) = &one.what
                && !event.minted
                && !plan.ingest(&mut profile, event, given.end_ms).duplicate
            {
                return Err(format!("{} was counted again after the merge", event.id));
            }
        }
        if profile != before {
            return Err(format!("copies changed\n{before:?}\ninto\n{profile:?}"));
        }
        merged.push((profile, visitor));
    }
    let alone = given.played(plan, &(0..given.all.len()).collect::<Vec<_>>(), None);
    for now_ms in given.looks(case) {
        let promised = Promised::of(&given.definition, &merged[0].1);
        let seen = |profile: &Profile| promised.of_facts(facts(plan, profile, now_ms));
        let (first, second) = (seen(&merged[0].0), seen(&merged[1].0));
        let expected = promised.of_facts(merged[0].1.facts(&given.definition, now_ms));
        differ("merged", &first, "oracle", &expected, now_ms)?;
        differ("merged", &first, "merged in another order", &second, now_ms)?;
        if !given.is_counted_twice(homes) {
            differ("merged", &first, "one profile that saw all", &seen(&alone), now_ms)?;
        }
    }
    Ok(())
}

/// Written and read after every step, a profile is what it would have been.
pub fn bytes(case: &Case) -> Law {
    let plan = &*compiled(case)?[0];
    let (mut kept, mut moved) = (Store::default(), Store::default());
    for (index, step) in case.steps.iter().enumerate() {
        let fresh = (1_000 - index as u64, step.at_ms);
        for store in [&mut kept, &mut moved] {
            match &step.what {
                What::Event { table, columns, minted_id, proof } => {
                    let event = engine::resolve(plan, table, columns, step.at_ms, minted_id);
                    store.event((plan, 1), &event, proof, fresh);
                }
                What::Row(row) => {
                    store.import((plan, 1), row, fresh);
                }
                What::Bundle(_) => {}
            }
        }
        moved.store(|_| true).map_err(|found| format!("step {index}: {found}"))?;
        if kept.profiles != moved.profiles {
            return Err(format!("step {index}: kept\n{:?}\nread back\n{:?}", kept.profiles, moved.profiles));
        }
        for (kept, moved) in kept.profiles.iter().zip(&moved.profiles) {
            let (kept, moved) = (facts(plan, kept, step.at_ms), facts(plan, moved, step.at_ms));
            differ("read back", &moved, "kept", &kept, step.at_ms)?;
        }
    }
    Ok(())
}

fn compiled(case: &Case) -> Result<Vec<Compiled>, String> {
    let compile =
        |definition| Plan::compile(definition).map(Rc::new).map_err(|found| format!("{NO_PLAN}{found:?}"));
    case.definitions.iter().map(compile).collect()
}

fn agree_on(event: &Event, resolved: &Resolved) -> Law {
    let actual = (&event.id, event.minted, event.time_ms);
    let expected = (&resolved.id, resolved.minted, resolved.time_ms);
    if actual == expected { Ok(()) } else { Err(format!("the event is {actual:?} instead of {expected:?}")) }
}

/// Compares every profile with the oracle's visitor.
fn agree(store: &Store, world: &World, (plan, definition): (&Plan, &Definition), now_ms: i64) -> Law {
    let ids = |ids: &mut dyn Iterator<Item = u64>| ids.collect::<BTreeSet<u64>>();
    let actual = ids(&mut store.profiles.iter().map(|profile| engine::number_of(profile.id)));
    let expected = ids(&mut world.visitors.iter().map(|visitor| visitor.id));
    if actual != expected {
        return Err(format!("visitors are {actual:?} instead of {expected:?}"));
    }
    for visitor in &world.visitors {
        let profile = store.get(visitor.id).expect("it is there");
        let actual: BTreeSet<_> =
            profile.keys().iter().map(|key| (key.name.clone(), key.value.clone(), key.seen_ms)).collect();
        let expected: BTreeSet<_> = visitor.keys.iter().cloned().collect();
        let whose = |text: &str| format!("{text} of {}", visitor.id);
        same_or(&whose("keys"), &actual, &expected)?;
        same_or(&whose("birth"), &profile.created_ms, &visitor.created_ms)?;
        let actual: BTreeSet<u64> = profile.absorbed().iter().copied().map(engine::number_of).collect();
        same_or(&whose("absorbed"), &actual, &visitor.absorbed)?;
        let (actual, expected) = (facts(plan, profile, now_ms), visitor.facts(definition, now_ms));
        differ(&whose("facts"), &actual, "oracle", &expected, now_ms)?;
    }
    Ok(())
}

fn same_or<T: PartialEq + std::fmt::Debug>(what: &str, actual: &T, expected: &T) -> Law {
    if actual == expected { Ok(()) } else { Err(format!("{what}: {actual:?} instead of {expected:?}")) }
}

fn differ(a: &str, actual: &Facts, b: &str, expected: &Facts, now_ms: i64) -> Law {
    let names: Vec<&String> = actual.iter().chain(expected).map(|(name, _)| name).collect();
    for name in names {
        let of =
            |facts: &Facts| facts.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        let (left, right) = (of(actual), of(expected));
        let equal = match (&left, &right) {
            (Some(left), Some(right)) => same(left, right),
            (left, right) => left.is_none() && right.is_none(),
        };
        if !equal {
            let said = |value: Option<Value>| value.map_or("missing".into(), |value| value.to_string());
            return Err(format!("at {now_ms} `{name}`:\n  {a}: {}\n  {b}: {}", said(left), said(right)));
        }
    }
    Ok(())
}

/// Everything that happens in a case to one visitor, whatever its keys: of an id that is there several times the first.
struct Given {
    definition: Rc<Definition>,
    all: Vec<One>,
    end_ms: i64,
}

struct One {
    at_ms: i64,
    mark: u64,
    what: Played,
}

enum Played {
    Event(Event, Rc<Resolved>),
    Record(Record, Columns),
}

impl Given {
    fn of(case: &Case, plan: &Plan) -> Given {
        let mut first: BTreeMap<String, (Event, Rc<Resolved>)> = BTreeMap::new();
        let all = case.steps.iter().filter_map(|step| {
            let what = match &step.what {
                What::Event { table, columns, minted_id, .. } => {
                    let event = engine::resolve(plan, table, columns, step.at_ms, minted_id);
                    let resolved = model::resolve(
                        case.definitions[0].event_id_column.as_deref(),
                        table,
                        columns,
                        step.at_ms,
                        minted_id,
                    );
                    let (event, resolved) =
                        first.entry(event.id.clone()).or_insert((event, Rc::new(resolved))).clone();
                    Played::Event(event, resolved)
                }
                What::Row(row) => Played::Record(plan.record(row, step.at_ms).ok()?, row.clone()),
                What::Bundle(_) => return None,
            };
            Some(One { at_ms: step.at_ms, mark: step.mark, what })
        });
        let all = all.collect();
        let end_ms = case.steps.last().map_or(0, |step| step.at_ms);
        Given { definition: Rc::new(case.definitions[0].clone()), all, end_ms }
    }

    fn looks(&self, case: &Case) -> impl Iterator<Item = i64> {
        case.looks_ms.iter().map(|look_ms| self.end_ms + look_ms)
    }

    fn play(&self, plan: &Plan, profile: &mut Profile, index: usize, now_ms: i64) {
        match &self.all[index].what {
            Played::Event(event, _) => {
                plan.ingest(profile, event, now_ms);
            }
            Played::Record(record, _) => {
                profile.import(record.clone(), now_ms);
            }
        }
    }

    /// A profile that sees these in this order; all at one time, or each when it arrived.
    fn played(&self, plan: &Plan, sequence: &[usize], now_ms: Option<i64>) -> Profile {
        let mut profile = Profile::new(profile_id(1), 0);
        for index in sequence {
            self.play(plan, &mut profile, *index, now_ms.unwrap_or(self.all[*index].at_ms));
        }
        profile
    }

    fn visitor(&self, sequence: &[usize]) -> Visitor {
        let mut world = World::default();
        world.visitors.push(Visitor::new(1, 0));
        world.visitors[0].learn("user", "u-1", 0);
        world.visitors[0].learn("user", "u-2", 0);
        for index in sequence {
            let one = &self.all[*index];
            match &one.what {
                Played::Event(_, resolved) => {
                    world.visitors[0].ingest(&self.definition, resolved, one.at_ms);
                }
                Played::Record(_, row) => {
                    world.import((&self.definition, 1), row, (99, one.at_ms));
                }
            }
        }
        world.visitors.remove(0)
    }

    fn home(&self, index: usize, homes: usize) -> usize {
        (self.all[index].mark >> 7) as usize % homes
    }

    /// The same, split over several profiles; each is known by a key of its own.
    fn homes(&self, plan: &Plan, homes: usize) -> Result<(Store, Vec<Visitor>), String> {
        let (mut store, mut visitors) = (Store::default(), Vec::new());
        for home in 0..homes {
            let mine: Vec<usize> =
                (0..self.all.len()).filter(|index| self.home(*index, homes) == home).collect();
            // Those that are there first are not the first by name.
            let (id, created_ms) = (10 + home as u64 * 7 % 5, (home as i64 * 3) % 2);
            let keys = usable(&[("cookie", format!("h-{home}"))], 0);
            let mut profile = plan.stitch(&keys, vec![], profile_id(id), created_ms).profile;
            for index in &mine {
                self.play(plan, &mut profile, *index, self.all[*index].at_ms);
            }
            // Records of one person came with its key; for the split it does not matter whose they are.
            profile.edit_keys(|keys| keys.retain(|key| key.name == "cookie"));
            store.profiles.push(stored(&profile)?);
            let mut visitor = self.visitor(&mine);
            (visitor.id, visitor.created_ms) = (id, created_ms);
            visitor.keys = vec![("cookie".into(), format!("h-{home}"), 0)];
            visitors.push(visitor);
        }
        Ok((store, visitors))
    }

    /// True if copies of one event are in several homes.
    fn is_counted_twice(&self, homes: usize) -> bool {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        (0..self.all.len()).any(|index| match &self.all[index].what {
            Played::Event(event, _) => {
                let home = self.home(index, homes);
                *seen.entry(&event.id).or_insert(home) != home
            }
            Played::Record(..) => false,
        })
    }
}

/// The attributes whose independence of order is promised.
struct Promised(BTreeSet<String>);

impl Promised {
    fn of(definition: &Definition, visitor: &Visitor) -> Promised {
        let promised = definition.attributes.iter().filter(|a| is_promised(visitor, a));
        Promised(promised.map(|attribute| attribute.name.clone()).collect())
    }

    fn of_facts(&self, mut facts: Facts) -> Facts {
        facts.retain(|(name, _)| self.0.contains(name.split('.').next().unwrap_or(name)));
        facts
    }
}
