//! The rules for journeys that a plan does not need to run: bounds, names, splits, loops.

use alloc::vec::Vec;

use super::super::compile::Compiler;
use super::{JourneyPlan, PROGRESS_PREFIX, paths};
use crate::definition::{Activation, ExitWhen, Journey, JourneyState, Stage, StepKind, key_of};
use crate::diagnostic::{At, Code, words};
use crate::limits;

/// All visitors, in hundredths of a percent.
const WHOLE: u32 = 10_000;

impl Compiler<'_> {
    /// Checks journeys and activations by themselves.
    pub(in crate::plan) fn check_journeys(&mut self, plans: &[JourneyPlan]) {
        let definition = self.definition;
        self.most(At::list("journeys"), definition.journeys.len(), limits::JOURNEYS_MAX);
        self.most(At::list("activations"), definition.activations.len(), limits::ACTIVATIONS_MAX);
        let keys = definition.journeys.iter().map(Journey::key);
        self.unique(At::list("journeys"), keys, "journey");
        let keys = definition.activations.iter().map(|it| key_of(&it.id, &it.name));
        self.unique(At::list("activations"), keys, "activation");
        for (index, attribute) in definition.attributes.iter().enumerate() {
            if !plans.is_empty() && attribute.name.starts_with(PROGRESS_PREFIX) {
                let message = words!("the name of this attribute begins with a control character");
                self.report(Code::WrongType, At::item("attributes", index), message, None);
            }
        }
        for (index, journey) in definition.journeys.iter().enumerate() {
            self.check_journey(journey, &At::item("journeys", index));
        }
        for (journey, stage, step) in paths::loops(plans) {
            let steps = definition.journeys.get(journey).and_then(|it| it.stages.get(stage));
            let id = steps.and_then(|stage| stage.steps.get(step)).map_or("", |step| step.id.as_str());
            let at = At::item("journeys", journey);
            let at = at.inner("stages", stage);
            let message = words!("the steps from `{id}` lead back to it without a wait");
            let help = words!("put a wait into the loop: else a visitor would go round in it at once");
            self.report(Code::LoopWithoutWait, at.inner("steps", step), message, Some(help));
        }
        for (index, activation) in definition.activations.iter().enumerate() {
            self.check_activation(activation, &At::item("activations", index));
        }
    }

    fn check_journey(&mut self, journey: &Journey, at: &At<'_>) {
        let key = journey.key().len();
        if key > limits::JOURNEY_KEY_BYTES_MAX {
            let most = limits::JOURNEY_KEY_BYTES_MAX;
            let message = words!("the id of this journey has {key} bytes, at most {most} are allowed");
            let help = words!("a journey without an id is known by its name: give it a short `id`");
            self.report(Code::OverBound, at.field("name"), message, Some(help));
        }
        self.most(at.field("stages"), journey.stages.len(), limits::STAGES_MAX);
        if journey.stages.is_empty() {
            let message = words!("a journey needs at least one stage");
            self.report(Code::EmptyList, at.field("stages"), message, None);
        }
        self.unique(at.field("stages"), journey.stages.iter().map(Stage::key), "stage");
        if let Some(first) = journey.stages.first()
            && first.entry.is_none()
            && journey.state != JourneyState::Draft
        {
            let message = words!("the first stage `{}` has no entry criteria, so nobody enters", first.name);
            let help = words!("write under which conditions visitors enter the journey");
            self.report(Code::MissingKey, at.inner("stages", 0).field("entry"), message, Some(help));
        }
        let mut splits = 0_usize;
        for (number, stage) in journey.stages.iter().enumerate() {
            self.check_stage(stage, &at.inner("stages", number), &mut splits);
        }
        self.most(at.field("splits"), splits, limits::SPLITS_MAX);
    }

    fn check_stage(&mut self, stage: &Stage, at: &At<'_>, splits: &mut usize) {
        self.most(at.field("exits"), stage.exits.len(), limits::EXITS_MAX);
        self.most(at.field("steps"), stage.steps.len(), limits::STEPS_MAX);
        self.unique(at.field("exits"), stage.exits.iter().map(|exit| exit.name.as_str()), "exit");
        self.unique(at.field("steps"), stage.steps.iter().map(|step| step.id.as_str()), "step");
        if stage.root.is_none() && !stage.steps.is_empty() {
            let message = words!("the stage `{}` does not say with which step it begins", stage.name);
            let help = words!("write `rootStep`, or `root`");
            self.report(Code::MissingKey, at.field("root"), message, Some(help));
        }
        for (number, exit) in stage.exits.iter().enumerate() {
            if let ExitWhen::After(after_ms) = exit.when {
                self.lasts(after_ms, at.inner("exits", number).field("after"), "an exit");
            }
        }
        for (number, step) in stage.steps.iter().enumerate() {
            let at = at.inner("steps", number);
            match &step.kind {
                StepKind::Wait { wait_ms, .. } => self.lasts(*wait_ms, at.field("wait"), "a wait"),
                StepKind::Decision { branches } => {
                    self.most(at.field("branches"), branches.len(), limits::BRANCHES_MAX);
                    let keys = branches.iter().map(|branch| key_of(&branch.id, &branch.name));
                    self.unique(at.field("branches"), keys, "branch");
                    if branches.is_empty() {
                        self.report(Code::EmptyList, at, words!("a decision needs branches"), None);
                    }
                    let excluded = branches.iter().filter(|branch| branch.criteria.is_none()).count();
                    let is_last = branches.last().is_none_or(|branch| branch.criteria.is_none());
                    if excluded > 1 || (excluded == 1 && !is_last) {
                        let message =
                            words!("a branch without criteria takes everybody, and others follow it");
                        let help = words!("give it criteria, or write it last");
                        self.report(Code::MissingKey, at.field("branches"), message, Some(help));
                    }
                }
                StepKind::Variant { arms } => {
                    *splits = splits.saturating_add(1);
                    self.most(at.field("arms"), arms.len(), limits::BRANCHES_MAX);
                    let keys = arms.iter().map(|arm| key_of(&arm.id, &arm.name));
                    self.unique(at.field("arms"), keys, "variant");
                    let sum = arms.iter().fold(0_u32, |sum, arm| sum.saturating_add(arm.share));
                    if sum != WHOLE {
                        let (whole, part) = (sum / 100, sum % 100);
                        let message = words!(
                            "the percentages of `{}` add up to {whole}.{part:02}, not to 100",
                            step.id
                        );
                        let help = words!("every visitor goes one way: make them add up to 100");
                        self.report(Code::BadSplit, at, message, Some(help));
                    }
                }
                StepKind::Activation { .. }
                | StepKind::Merge { .. }
                | StepKind::Jump { .. }
                | StepKind::End => {}
            }
        }
    }

    fn lasts(&mut self, duration_ms: i64, at: At<'_>, what: &str) {
        if duration_ms <= 0 || duration_ms > limits::WINDOW_MS_MAX {
            let message = words!("{what} takes from one minute to 640 days");
            self.report(Code::BadDuration, at, message, None);
        }
    }

    fn check_activation(&mut self, activation: &Activation, at: &At<'_>) {
        self.most(at.field("headers"), activation.headers.len(), limits::HEADERS_MAX);
        let headers = activation.headers.iter().map(|header| header.value.len());
        let texts: Vec<usize> =
            headers.chain(activation.url.iter().chain(&activation.body).map(|it| it.len())).collect();
        if texts.iter().any(|bytes| *bytes > limits::ACTIVATION_BYTES_MAX) {
            let most = limits::ACTIVATION_BYTES_MAX;
            let message = words!("a text of the activation `{}` is over {most} bytes", activation.name);
            self.report(Code::OverBound, at.field("name"), message, None);
        }
    }

    fn most(&mut self, at: At<'_>, count: usize, most: usize) {
        if count > most {
            let message = words!("{count} {}, at most {most} are allowed", at.name());
            self.report(Code::OverBound, at, message, None);
        }
    }
}
