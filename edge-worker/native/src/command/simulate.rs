//! `usher simulate`: events in, and what becomes of them.

mod sent;
mod story;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use usher_engine::definition::{AttributeKind, Definition, Increment};
use usher_engine::value::Value as EngineValue;
use usher_engine::{Event, Evidence, Plan, SentAt};

use super::explain::table;
use crate::clock::{instant, now_ms, rfc3339};
use crate::definitions::Definitions;
use crate::exit::{Exit, Failure};
use crate::lines::{self, Lines};
use crate::simulation::{Outcome, Sender, Simulation, refused};
use crate::terminal::{clean, colored, note, print};
use sent::Sent;
use story::Story;

/// Play events through definitions, and show what becomes of them
///
/// Reads NDJSON, an event a line: {"database": "web", "table": "pageviews", "event": {…}}. Each is handed to an edge in
/// this process, with its storage in memory, as a personalization call. Shown are its receipt, what stitching did, what
/// changed in the visitor's profile, and the offers; at the end, the profile of every visitor. Sensitive values are not
/// shown, unless an offer to a server holds them.
///
/// An event arrives when it says that it happened (`time` or `timestamp`), but never before the one ahead of it; the clock
/// stands where an event says nothing. With --at, all events arrive at that time.
///
/// Visitors in journeys wait: before an event arrives, every wait ends that is over by then, and shown is where they go and what
/// is sent. With --until, time runs on behind the last event.
///
/// A page sends the events, unless a line ("sender": "server") or --sender says that a server does. Keys with `trust:
/// verified` stitch only for a server.
///
/// Examples:
///   usher simulate definitions/ visit.ndjson
///   usher simulate definitions/ visit.ndjson --batch profiles.ndjson --sender server
///   usher simulate definitions/ - --json < visit.ndjson | jq -c 'select(.offers) | .offers'
///
/// With --json every event is a line with `line`, `at`, `receipt`, `journal`, `log`, `profile` and `offers`; then every
/// visitor one with `final: true` and `profile`. Messages of journeys are lines with `sent`, moves of waiting visitors lines with
/// `moved`.
///
/// Exit status: 0 when all events were played, 1 when a line cannot be read or an event is refused, 2 when the definition
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
    /// Batch records, a JSON object a line, that are imported before the first event
    #[arg(long, value_name = "FILE")]
    batch: Option<PathBuf>,
    /// The time at which the first event arrives, such as 2026-05-04T10:15:00Z, and each other a millisecond later
    #[arg(long, value_name = "TIME", value_parser = instant)]
    at: Option<i64>,
    /// The time until which it goes on behind the last event, so that waits end
    #[arg(long, value_name = "TIME", value_parser = instant)]
    until: Option<i64>,
    /// The sender of events that name none
    #[arg(long, value_enum, default_value_t = Sender::Browser)]
    sender: Sender,
    /// Print JSON, a line for every event and visitor
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let definitions = Definitions::valid(std::slice::from_ref(&args.definitions))?;
    let events = Sent::read(&args.events)?;
    let mut cast = Cast::new(definitions.definition())?;
    let first_ms = events.iter().find_map(|(_, sent)| cast.said_ms(sent));
    let mut clock_ms = args.at.or(first_ms).unwrap_or_else(now_ms);
    if let Some(batch) = &args.batch {
        cast.import(batch, clock_ms)?;
    }
    let mut story = Story::new(columns(definitions.definition()), colored(&std::io::stdout()));
    for (index, (line, sent)) in events.iter().enumerate() {
        let place = format!("{}:{line}", args.events.display());
        table(&cast.plan, &sent.database, &sent.table).map_err(|failure| failure.at(&place))?;
        // Events that do not say when they happened happen one after the other.
        let next_ms = clock_ms.saturating_add(i64::from(index > 0));
        clock_ms = match cast.said_ms(sent) {
            Some(said_ms) if args.at.is_none() => said_ms.max(clock_ms),
            _ => next_ms,
        };
        pass(&mut cast, &mut story, clock_ms, args.json)?;
        let (outcome, profile, refused_keys) = cast.play(sent, args.sender, clock_ms);
        if outcome.status != 200 {
            return Err(refused(&outcome.answer).at(&place));
        }
        if args.json {
            print(&format!("{}\n", document(*line, sent, clock_ms, &outcome, profile.as_ref())))?;
        } else {
            print(&story.event(*line, sent, clock_ms, &outcome, profile.as_ref(), &refused_keys))?;
        }
        show_sent(&mut cast, &mut story, clock_ms, args.json)?;
    }
    if let Some(until_ms) = args.until {
        pass(&mut cast, &mut story, until_ms, args.json)?;
        clock_ms = clock_ms.max(until_ms);
    }
    for profile in cast.everybody(clock_ms) {
        if args.json {
            print(&format!("{}\n", json!({"final": true, "profile": profile})))?;
        } else {
            print(&story.end(&profile))?;
        }
    }
    Ok(Exit::Fine)
}

/// Lets waits end that are over before this time, each at its own.
fn pass(cast: &mut Cast, story: &mut Story, until_ms: i64, json: bool) -> Result<(), Failure> {
    let mut before_ms = i64::MIN;
    while let Some(due_ms) = cast.simulation.due_ms().filter(|due_ms| *due_ms <= until_ms) {
        // A visitor who takes too many steps at once goes on later.
        let now_ms = due_ms.max(before_ms.saturating_add(1));
        before_ms = now_ms;
        cast.simulation.tick(now_ms);
        for profile in cast.everybody(now_ms) {
            if json && story.has_moved(&profile) {
                print(&format!("{}\n", json!({"moved": true, "at": rfc3339(now_ms), "profile": profile})))?;
            }
            let words = story.moved(&profile, now_ms);
            if !json {
                print(&words)?;
            }
        }
        show_sent(cast, story, now_ms, json)?;
    }
    Ok(())
}

/// Shows what steps of journeys have sent.
fn show_sent(cast: &mut Cast, story: &mut Story, now_ms: i64, json: bool) -> Result<(), Failure> {
    for (profile, message) in cast.simulation.sent() {
        if json {
            print(&format!(
                "{}\n",
                json!({"sent": message, "at": rfc3339(now_ms), "profile": {"id": profile}})
            ))?;
        } else {
            print(&story.sent(&profile, &message))?;
        }
    }
    Ok(())
}

/// The column that each attribute reads of an event, by the attribute's name.
fn columns(definition: &Definition) -> BTreeMap<String, String> {
    let column = |kind: &AttributeKind| match kind {
        AttributeKind::Single { column, .. } => Some(column.clone()),
        AttributeKind::List { column, .. } => column.clone(),
        AttributeKind::Counter { increment: Increment::Column(column), .. } => Some(column.clone()),
        AttributeKind::Counter { .. } | AttributeKind::Batch { .. } | AttributeKind::Catalog { .. } => None,
    };
    let attributes = definition.attributes.iter();
    attributes.filter_map(|attribute| Some((attribute.name.clone(), column(&attribute.kind)?))).collect()
}

fn document(line: u64, sent: &Sent, at_ms: i64, outcome: &Outcome, profile: Option<&Value>) -> Value {
    json!({
        "line": line,
        "at": rfc3339(at_ms),
        "database": sent.database,
        "table": sent.table,
        "receipt": outcome.receipt,
        "journal": outcome.journal,
        "log": outcome.log,
        "profile": profile,
        "offers": outcome.answer["offers"],
    })
}

/// The edge, and whom it has seen.
struct Cast {
    simulation: Simulation,
    plan: Plan,
    /// Keys in the order in which they came, which lead to everybody.
    keys: Vec<(String, String)>,
    known: BTreeSet<(String, String)>,
}

impl Cast {
    fn new(definition: &Definition) -> Result<Cast, Failure> {
        // What was found to be valid compiles.
        let plan = Plan::compile(definition).map_err(|_| Failure::new("the definition does not compile"))?;
        let simulation = Simulation::new(definition)?;
        Ok(Cast { simulation, plan, keys: Vec::new(), known: BTreeSet::new() })
    }

    /// When an event says that it happened, Unix milliseconds.
    fn said_ms(&self, sent: &Sent) -> Option<i64> {
        let event = self.event(sent, i64::MAX)?;
        Some(event.time_ms).filter(|time_ms| *time_ms < i64::MAX)
    }

    fn event(&self, sent: &Sent, arrival_ms: i64) -> Option<Event> {
        let table = self.plan.table(&sent.database, &sent.table)?;
        let columns: EngineValue = serde_json::from_value(sent.event.clone()).ok()?;
        let EngineValue::Object(columns) = columns else { return None };
        Some(self.plan.event(table, columns, arrival_ms, String::new(), SentAt::Absent))
    }

    fn import(&mut self, file: &Path, now_ms: i64) -> Result<(), Failure> {
        let shown = file.display();
        let key = self.plan.lookup_key().unwrap_or_default().to_owned();
        let mut lines = Lines::new(lines::open(file)?);
        while let Some(line) = lines.next().map_err(|error| Failure::of_file("read", &shown, error))? {
            let place = format!("{shown}:{}", line.number);
            let row = line.text.ok_or_else(|| Failure::new(format!("{place}: the row is over 1 MiB")))?;
            let answer = self.simulation.import(&row, now_ms).map_err(|failure| failure.at(&place))?;
            if let Some(reason) = answer["rejected"][0]["reason"].as_str() {
                note(&format!("{place}: rejected: {}", clean(reason)));
                continue;
            }
            let row: Value = serde_json::from_slice(&row).unwrap_or(Value::Null);
            if let Some(value) = row[&key].as_str() {
                self.met(&key, value);
            }
        }
        Ok(())
    }

    /// The outcome of an event, the profile that it went to, and the columns of the keys that were refused, in order.
    fn play(&mut self, sent: &Sent, sender: Sender, now_ms: i64) -> (Outcome, Option<Value>, Vec<String>) {
        let sender = sent.sender.unwrap_or(sender);
        let outcome = self.simulation.event(sender, &sent.database, &sent.table, &sent.event, now_ms);
        let evidence = Evidence { server: sender == Sender::Server, keys: &[] };
        let keys = self.event(sent, now_ms).map(|event| self.plan.keys(&event, &evidence));
        let refused =
            keys.iter().flat_map(|keys| keys.refused.iter().map(|refused| refused.name.clone())).collect();
        // Every usable key leads to the profile that the event went to.
        let key = keys.and_then(|keys| keys.usable.into_iter().next());
        let profile = key.and_then(|key| {
            self.met(&key.name, &key.value);
            self.simulation.profile(&key.name, &key.value, now_ms)
        });
        (outcome, profile, refused)
    }

    fn met(&mut self, name: &str, value: &str) {
        let key = (name.to_owned(), value.to_owned());
        if self.known.insert(key.clone()) {
            self.keys.push(key);
        }
    }

    /// The profiles that there are, in the order in which they were met.
    fn everybody(&mut self, now_ms: i64) -> Vec<Value> {
        let mut found: Vec<Value> = Vec::new();
        let mut ids = BTreeSet::new();
        for (name, value) in &self.keys {
            let profile = self.simulation.profile(name, value, now_ms);
            found.extend(profile.filter(|profile| ids.insert(profile["id"].to_string())));
        }
        found
    }
}
