//! `usher init --from`: a whole definition, proposed from the events that there are, as RT 2.0's guide asks for it: events by their
//! names, keys by name and fill, attributes by use case. Each line has its reason.

mod attributes;
mod keys;
mod kinds;
mod words;
mod write;

use std::path::Path;

use usher_config::{Sample, Source, check_with};
use usher_engine::definition::Definition;
use usher_engine::diagnostic::Severity;

use super::use_case::UseCase;
use crate::clock::now_ms;
use crate::exit::Failure;
use crate::limits::PLAYED_MAX;
use crate::simulation::{Sender, Simulation};
use crate::terminal::clean;
use kinds::Events;

/// A proposal: its files, and what became of the events that were played through it.
pub(super) struct Proposal {
    pub(super) use_case: UseCase,
    pub(super) rt_config: String,
    pub(super) service: String,
    pub(super) played: usize,
}

/// Proposes a definition for the events of a file, or of an edge at an address.
///
/// # Errors
///
/// The events do not say who a visitor is, or cannot be read.
pub(super) fn propose(from: &str, use_case: Option<UseCase>, audience: &str) -> Result<Proposal, Failure> {
    match use_case {
        Some(UseCase::Journey) => {
            return Err(Failure::usage("--from proposes no journey")
                .help("`usher init journey` writes one to start from, and --from with another use case what it can build on"));
        }
        Some(UseCase::Pipeline) => {
            return Err(Failure::usage("--from proposes no pipeline")
                .help("`usher init pipeline` writes one to start from"));
        }
        _ => {}
    }
    let events = if from.contains("://") { Events::at(from)? } else { Events::of(Path::new(from))? };
    if events.kinds.is_empty() {
        return Err(Failure::new(format!("there are no events in `{}`", clean(from)))
            .help("an edge tells of the tables that a definition declares, or of all with `discover: on`"));
    }
    let keys = keys::of(&events);
    if keys.used.is_empty() {
        let mut help = "a key is a column with a text in it at the top of an event, such as td_client_id, anonymousId, user_id or email".to_owned();
        keys.unused.iter().for_each(|(name, reason)| help.push_str(&format!("; {name}: {reason}")));
        return Err(Failure::new("no column says who a visitor is, so nothing can be remembered").help(help));
    }
    let use_case = use_case.unwrap_or_else(|| attributes::usual(&events));
    let attributes = attributes::of(&events, use_case);
    let rt_config = write::rt_config(audience, from, &events, &keys, &attributes);
    let service = write::service(audience, use_case, &events, &attributes);
    let definition = checked(&rt_config, &service)?;
    let played = play(&definition, &events)?;
    Ok(Proposal { use_case, rt_config, service, played })
}

/// The definition of the proposal, which has no errors.
fn checked(rt_config: &str, service: &str) -> Result<Definition, Failure> {
    let source = |name: &str, text: &str| Source { name: name.to_owned(), text: text.to_owned() };
    let sources = [source("rt_config.yaml", rt_config), source("service.yaml", service)];
    let reading = check_with(&sources, &Sample::default());
    let error = reading.findings.iter().find(|finding| finding.diagnostic.severity() == Severity::Error);
    match error {
        None => Ok(reading.definition),
        Some(finding) => {
            Err(Failure::new(format!("the proposal is not valid: {}", clean(&finding.diagnostic.message)))
                .help("start from `usher init USE_CASE`, and put your columns in"))
        }
    }
}

/// Plays events through the proposal; returns their number.
fn play(definition: &Definition, events: &Events) -> Result<usize, Failure> {
    let mut simulation = Simulation::new(definition)?;
    let start = now_ms();
    let mut played = 0;
    for (place, (database, table, event)) in events.sample.iter().take(PLAYED_MAX).enumerate() {
        let now = start.saturating_add(i64::try_from(place).unwrap_or(0));
        let outcome = simulation.event(Sender::Server, database, table, event, now);
        if outcome.status != 200 {
            let reason = outcome.answer["message"].as_str().map(clean).unwrap_or_default();
            return Err(Failure::new(format!("event {} is refused by the proposal: {reason}", place + 1)));
        }
        played += 1;
    }
    Ok(played)
}
