//! `usher simulate`: events in, and what becomes of them.

mod story;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};
use usher_engine::definition::{AttributeKind, Definition, Increment};

use super::cast::Cast;
use super::explain::table;
use super::sent::Sent;
use crate::clock::{instant, now_ms, rfc3339};
use crate::definitions::Definitions;
use crate::exit::{Exit, Failure};
use crate::simulation::{Outcome, Sender, refused};
use crate::terminal::{colored, print};
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
        table(cast.plan(), &sent.database, &sent.table).map_err(|failure| failure.at(&place))?;
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
    while let Some(now_ms) = cast.end_waits(before_ms, until_ms) {
        before_ms = now_ms;
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
    for (profile, message) in cast.sent() {
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
