//! `usher backfill`: who would be in which stage of a journey, had a definition run all along.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::{Value, json};
use usher_engine::definition::{Definition, Journey};

use super::cast::Cast;
use super::sent::Sent;
use crate::clock::{instant, now_ms, rfc3339};
use crate::definitions::Definitions;
use crate::exit::{Exit, Failure};
use crate::simulation::{Sender, refused};
use crate::terminal::{clean, note, print};

/// Count who would be in which stage of a journey, by the events that there were
///
/// A journey that is published leads visitors on from then on; of the time before it knows nothing. This plays the events
/// of that time through definitions, as `usher simulate` does, in this process and without a change anywhere, and counts
/// the visitors in each stage and at each step at the end. Events of a file are NDJSON, one a line:
/// {"database": "web", "table": "pageviews", "event": {…}}. Those of tables that the definition does not read are passed over.
///
/// With --against, the same events are also played through another definition, such as the one that runs (`usher pull`),
/// and shown is how many visitors would be elsewhere.
///
/// Waits end until the last event, or with --until until that time.
///
/// Examples:
///   usher backfill definitions/ events.ndjson
///   usher backfill definitions/ events.ndjson --against running/ --until 2026-12-01T00:00:00Z
///   usher backfill definitions/ - --json < events.ndjson | jq -c 'select(.stage == "remind") | .key'
///
/// With --json every visitor who is or was in a journey is a line with `journey`, `key` (one that leads to the visitor), `stage`,
/// `step`, `since`, `due`, `endings`; with --against also `before`, the place by the other definition.
///
/// Exit status: 0 when all events were played, 1 when a line cannot be read or an event was refused, 2 when a definition
/// has errors, 64 for a wrong command line.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// A file or directory with the definition
    #[arg(value_name = "DEFINITIONS")]
    definitions: PathBuf,
    /// A file with events, or - for standard input
    #[arg(value_name = "EVENTS")]
    events: PathBuf,
    /// A file or directory with the definition to compare with
    #[arg(long, value_name = "DEFINITIONS")]
    against: Option<PathBuf>,
    /// Batch records, a JSON object a line, that are imported before the first event
    #[arg(long, value_name = "FILE")]
    batch: Option<PathBuf>,
    /// The time until which it goes on behind the last event, so that waits end
    #[arg(long, value_name = "TIME", value_parser = instant)]
    until: Option<i64>,
    /// The sender of events that name none
    #[arg(long, value_enum, default_value_t = Sender::Browser)]
    sender: Sender,
    /// Print JSON, a line for every visitor and journey
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let definitions = Definitions::valid(std::slice::from_ref(&args.definitions))?;
    let definition = definitions.definition();
    if definition.journeys.is_empty() {
        return Err(Failure::new(format!("{} has no journey", args.definitions.display()))
            .help("`usher init journey` writes one to start from; docs/journeys.md describes them"));
    }
    let against =
        args.against.as_ref().map(|path| Definitions::valid(std::slice::from_ref(path))).transpose()?;
    let events = Sent::read(&args.events)?;
    let mut now = Played::through(definition, &events, args, true)?;
    let mut before = match &against {
        Some(against) => Some(Played::through(against.definition(), &events, args, false)?),
        None => None,
    };
    let places = places(&mut now, before.as_mut());
    for journey in &definition.journeys {
        let of_journey: Vec<&Standing> = places.iter().filter(|it| it.journey == journey.name).collect();
        if args.json {
            of_journey.iter().try_for_each(|it| print(&format!("{}\n", it.document(before.is_some()))))?;
        } else {
            print(&count(journey, &of_journey, before.is_some()))?;
        }
    }
    match now.refused {
        0 => Ok(Exit::Fine),
        1 => Err(Failure::new("1 event was refused")),
        many => Err(Failure::new(format!("{many} events were refused"))),
    }
}

/// Events that were played to their end through a definition.
struct Played {
    cast: Cast,
    clock_ms: i64,
    refused: u64,
}

impl Played {
    /// `speaks`: notes say what was passed over and refused.
    fn through(
        definition: &Definition,
        events: &[(u64, Sent)],
        args: &Args,
        speaks: bool,
    ) -> Result<Played, Failure> {
        let mut cast = Cast::new(definition)?;
        let mut clock_ms = events.iter().find_map(|(_, sent)| cast.said_ms(sent)).unwrap_or_else(now_ms);
        if let Some(batch) = &args.batch {
            cast.import(batch, clock_ms)?;
        }
        let mut passed_over = BTreeMap::<String, u64>::new();
        let mut refusals = 0;
        for (line, sent) in events {
            if cast.plan().table(&sent.database, &sent.table).is_none() {
                *passed_over.entry(format!("{}.{}", sent.database, sent.table)).or_default() += 1;
                continue;
            }
            clock_ms = cast.said_ms(sent).map_or(clock_ms.saturating_add(1), |said_ms| said_ms.max(clock_ms));
            wait(&mut cast, clock_ms);
            let (outcome, ..) = cast.play(sent, args.sender, clock_ms);
            if outcome.status != 200 {
                refusals += 1;
                if speaks {
                    let Failure { message, help, .. } = refused(&outcome.answer);
                    let why = help.map(|help| format!(": {help}")).unwrap_or_default();
                    note(&format!("{}:{line}: refused: {message}{why}", args.events.display()));
                }
            }
        }
        for (table, count) in passed_over.iter().filter(|_| speaks) {
            note(&format!(
                "{}: {count} passed over, for the definition does not read the table",
                clean(table)
            ));
        }
        if let Some(until_ms) = args.until {
            wait(&mut cast, until_ms);
            clock_ms = clock_ms.max(until_ms);
        }
        Ok(Played { cast, clock_ms, refused: refusals })
    }

    /// The profile to which a key leads.
    fn profile(&mut self, key: &(String, String)) -> Option<Value> {
        self.cast.profile(key, self.clock_ms)
    }
}

/// Lets all waits end that are over by this time.
fn wait(cast: &mut Cast, until_ms: i64) {
    let mut before_ms = i64::MIN;
    while let Some(now_ms) = cast.end_waits(before_ms, until_ms) {
        before_ms = now_ms;
    }
    // The memory of a long run holds no messages that nobody looks at.
    cast.sent();
}

/// A visitor in a journey.
struct Standing {
    journey: String,
    key: (String, String),
    /// By the definition.
    now: Place,
    /// By the one to compare with.
    before: Place,
}

/// The place of a visitor in a journey; the default: never there.
#[derive(Default, PartialEq)]
struct Place {
    current: Option<Current>,
    endings: Vec<String>,
}

#[derive(PartialEq)]
struct Current {
    stage: String,
    step: Option<String>,
    since_ms: Option<i64>,
    due_ms: Option<i64>,
}

impl Place {
    fn read(profile: &Value, journey: &str) -> Place {
        let journeys = profile["journeys"].as_array().into_iter().flatten();
        let Some(found) = journeys.into_iter().find(|it| it["name"] == journey) else {
            return Place::default();
        };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let current = &found["current"];
        let current = text(&current["stage"]).map(|stage| Current {
            stage,
            step: text(&current["step"]),
            since_ms: current["since_ms"].as_i64(),
            due_ms: current["due_ms"].as_i64(),
        });
        let endings = found["finished"].as_array().into_iter().flatten();
        Place { current, endings: endings.filter_map(|it| text(&it["ending"])).collect() }
    }

    fn stage(&self) -> Option<&str> {
        self.current.as_ref().map(|current| current.stage.as_str())
    }

    fn step(&self) -> Option<&str> {
        self.current.as_ref().and_then(|current| current.step.as_deref())
    }

    fn document(&self) -> Value {
        let current = self.current.as_ref();
        let time = |time_ms: Option<i64>| time_ms.map(rfc3339);
        json!({
            "stage": self.stage(),
            "step": self.step(),
            "since": time(current.and_then(|current| current.since_ms)),
            "due": time(current.and_then(|current| current.due_ms)),
            "endings": self.endings,
        })
    }
}

impl Standing {
    fn document(&self, compares: bool) -> Value {
        let mut document = self.now.document();
        document["journey"] = self.journey.as_str().into();
        document["key"] = json!({"name": self.key.0, "value": self.key.1});
        if compares {
            document["before"] = self.before.document();
        }
        document
    }
}

/// Every visitor who by one of the definitions is or was in a journey of the first, in the order in which they came.
fn places(now: &mut Played, mut before: Option<&mut Played>) -> Vec<Standing> {
    let mut keys = now.cast.keys().to_vec();
    if let Some(before) = &before {
        let known: BTreeSet<_> = keys.iter().cloned().collect();
        keys.extend(before.cast.keys().iter().filter(|key| !known.contains(key)).cloned());
    }
    let (mut seen, mut seen_before) = (BTreeSet::new(), BTreeSet::new());
    let mut found = Vec::new();
    for key in keys {
        // Each profile counts once, by the first key that leads to it.
        let profile = now.profile(&key).filter(|it| seen.insert(it["id"].to_string()));
        let other = before.as_mut().and_then(|before| before.profile(&key));
        let other = other.filter(|it| seen_before.insert(it["id"].to_string()));
        let of = |profile: &Option<Value>, name: &str| profile.as_ref().map(|it| Place::read(it, name));
        let names = [&profile, &other].into_iter().flatten().flat_map(|it| it["journeys"].as_array());
        let names: BTreeSet<&str> = names.flatten().filter_map(|it| it["name"].as_str()).collect();
        for name in names {
            let now = of(&profile, name).unwrap_or_default();
            let before = of(&other, name).unwrap_or_default();
            if now != Place::default() || before != Place::default() {
                found.push(Standing { journey: name.to_owned(), key: key.clone(), now, before });
            }
        }
    }
    found
}

/// The visitors of a journey by stages and steps, in words: those of the definition in its order, then others.
fn count(journey: &Journey, all: &[&Standing], compares: bool) -> String {
    let number = |by: &dyn Fn(&Place) -> bool| {
        let now = all.iter().filter(|it| by(&it.now)).count();
        let before = all.iter().filter(|it| by(&it.before)).count();
        if compares && now != before { format!("{now} (before {before})") } else { now.to_string() }
    };
    let places = || all.iter().flat_map(|it| [&it.now, &it.before]);
    let mut out = format!("journey {}: {}\n", clean(&journey.name), number(&|it| it.current.is_some()));
    let stages = journey.stages.iter().map(|stage| stage.name.as_str());
    for stage in in_order(stages, places().filter_map(Place::stage)) {
        let in_stage = |it: &Place| it.stage() == Some(stage);
        out.push_str(&format!("  stage {}: {}\n", clean(stage), number(&in_stage)));
        let found: Vec<&str> = places().filter(|it| in_stage(it)).filter_map(Place::step).collect();
        let steps = journey.stages.iter().filter(|it| it.name == stage).flat_map(|it| &it.steps);
        let steps = steps.map(|step| step.id.as_str()).filter(|step| found.contains(step));
        for step in in_order(steps, found.iter().copied()) {
            let at_step = |it: &Place| in_stage(it) && it.step() == Some(step);
            out.push_str(&format!("    step {}: {}\n", clean(step), number(&at_step)));
        }
    }
    let endings: BTreeSet<&String> = places().flat_map(|it| &it.endings).collect();
    for ending in endings {
        let ended = |it: &Place| it.endings.contains(ending);
        out.push_str(&format!("  ended, {}: {}\n", ending.replace('_', " "), number(&ended)));
    }
    if compares {
        let mut moves = BTreeMap::<(&str, &str), u64>::new();
        for it in all.iter().filter(|it| it.now.stage() != it.before.stage()) {
            let stages = (it.before.stage().unwrap_or_default(), it.now.stage().unwrap_or_default());
            *moves.entry(stages).or_default() += 1;
        }
        for ((from, to), visitors) in moves {
            out.push_str(&format!("  {visitors} {}\n", moved(from, to)));
        }
    }
    out
}

/// Names in their order, then others that were found.
fn in_order<'a>(names: impl Iterator<Item = &'a str>, found: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut all: Vec<&str> = names.collect();
    let others: BTreeSet<&str> = found.filter(|name| !all.contains(name)).collect();
    all.extend(others);
    all
}

/// From one stage to another, in words; empty: in no stage.
fn moved(from: &str, to: &str) -> String {
    match (from, to) {
        ("", to) => format!("in no stage before, now in {}", clean(to)),
        (from, "") => format!("in {} before, now in no stage", clean(from)),
        (from, to) => format!("in {} before, now in {}", clean(from), clean(to)),
    }
}
