//! The topics of a run on a broker, by what they are for.

use std::collections::BTreeMap;

use usher_pipelines::{Chain, Plan, Stream};

use crate::exit::Failure;

/// The topics of a run, by what they are for.
pub(super) struct Topics {
    /// Those of events, which the processes of a group share.
    pub(super) events: Vec<String>,
    /// Joined ones, which each process reads as a whole.
    pub(super) joined: Vec<String>,
    /// Those that rows go to, each with the topic that its events come from.
    pub(super) written: BTreeMap<String, String>,
}

impl Topics {
    pub(super) fn of(chain: &Chain) -> Result<Topics, Failure> {
        let plans: Vec<&Plan> = chain.streams().iter().map(Stream::plan).collect();
        let is_joined =
            |topic: &str| plans.iter().any(|plan| plan.topics().skip(1).any(|joined| joined == topic));
        let is_events = |topic: &str| plans.iter().any(|plan| plan.topics().next() == Some(topic));
        let inputs = chain.inputs();
        if let Some(topic) = inputs.iter().find(|topic| is_joined(topic) && is_events(topic)) {
            let message = format!("`{topic}` is joined, and read as events, too");
            return Err(Failure::new(message).help("run the pipelines that do one and the other apart"));
        }
        let (joined, events) = inputs.into_iter().map(str::to_owned).partition(|topic| is_joined(topic));
        let written = plans
            .iter()
            .enumerate()
            .filter_map(|(place, plan)| Some((plan.output().to_owned(), chain.root(place)?.to_owned())));
        Ok(Topics { events, joined, written: written.collect() })
    }
}
