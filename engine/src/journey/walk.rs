//! One fold: every journey of a visitor, led on by an event or by the time.

use alloc::vec::Vec;

use super::fired::Advanced;
use super::here::{Flow, Here, StepAt, has_step};
use super::{activation, decision, end, jump, merge, variant, wait};
use crate::definition::Reentry;
use crate::expr::eval::Memo;
use crate::limits::{STEPS_AT_ONCE_MAX, STEPS_PAUSE_MS};
use crate::plan::{ExitPlan, JourneyPlan, KindPlan, TargetPlan, WhenPlan};
use crate::profile::HAS_RARE;
use crate::progress::{Current, Ending, Finished, Progress, Rest};
use crate::xxh3;

/// A visitor on the way.
pub(super) struct Walk<'c> {
    here: Here<'c>,
    /// The journeys with progress; true if it changed.
    all: Vec<(usize, Progress, bool)>,
    /// Journeys in which an entry ended: they take no new one now.
    ended: Vec<usize>,
    /// Jumps into other journeys.
    jumps: Vec<TargetPlan>,
    steps_left: u32,
    out: Advanced,
    /// True if a visitor would move and this build or plan has no steps.
    stays: bool,
}

impl<'c> Walk<'c> {
    pub(super) fn new(here: Here<'c>, known: Vec<(usize, Progress)>) -> Walk<'c> {
        Walk {
            here,
            all: known.into_iter().map(|(index, progress)| (index, progress, false)).collect(),
            ended: Vec::new(),
            jumps: Vec::new(),
            steps_left: STEPS_AT_ONCE_MAX,
            out: Advanced::default(),
            stays: false,
        }
    }

    /// True if the visitor moves, or would. Notes that where this build or its plan has no steps.
    fn moves(&mut self) -> bool {
        self.stays = !HAS_RARE || !self.here.plan.has_steps;
        !self.stays
    }

    pub(super) fn run(&mut self, memo: &mut Memo<'c>) {
        for (index, journey) in self.here.plan.journeys.iter().enumerate().filter(|(_, journey)| journey.runs)
        {
            if self.stays {
                return;
            }
            match self.take_current(index) {
                Some(current) => self.lead_on(index, journey, current, memo),
                None => self.let_in(index, journey, memo),
            }
        }
        // Beyond the bound on steps nobody jumps on.
        while HAS_RARE && !self.jumps.is_empty() {
            let TargetPlan { journey: index, stage } = self.jumps.remove(0);
            let Some(journey) = self.here.plan.journeys.get(index).filter(|journey| journey.runs) else {
                continue;
            };
            if self.may_enter(index, journey) {
                self.enter(index, journey, stage, memo);
            }
        }
    }

    /// The changed progress by journey, and the rest of the outcome. None: there is something to do that this build or its plan
    /// cannot.
    pub(super) fn finish(self) -> Option<(Vec<(usize, Progress)>, Advanced)> {
        if self.stays {
            return None;
        }
        let changed = self.all.into_iter().filter(|(.., changed)| *changed);
        Some((changed.map(|(index, progress, _)| (index, progress)).collect(), self.out))
    }

    fn progress(&mut self, index: usize) -> Option<&mut (usize, Progress, bool)> {
        if !self.all.iter().any(|(known, ..)| *known == index) {
            self.all.push((index, Progress::default(), false));
        }
        self.all.iter_mut().find(|(known, ..)| *known == index)
    }

    fn take_current(&mut self, index: usize) -> Option<Current> {
        self.all.iter_mut().find(|(known, ..)| *known == index)?.1.current.take()
    }

    fn put(&mut self, index: usize, current: Current, is_changed: bool) {
        if is_changed && !self.moves() {
            return;
        }
        if let Some((_, progress, changed)) = self.progress(index) {
            progress.current = Some(current);
            *changed |= is_changed;
        }
    }

    fn end(&mut self, index: usize, current: Current, how: Ending) {
        if !self.moves() {
            return;
        }
        self.ended.push(index);
        let ended = Finished {
            goal: how == Ending::Goal,
            ended_ms: self.here.now_ms,
            entered_ms: current.entered_ms,
            by: current.by,
            stage: current.stage,
            how,
            arms: current.arms,
        };
        if let Some((_, progress, changed)) = self.progress(index) {
            progress.finish(ended);
            *changed = true;
        }
    }

    /// Leads an entry on.
    fn lead_on(&mut self, index: usize, journey: &'c JourneyPlan, mut current: Current, memo: &mut Memo<'c>) {
        let before = current.clone();
        current.settle(self.here.now_ms);
        let stage = journey.stages.iter().enumerate().find(|(_, stage)| stage.name == current.stage);
        let Some((number, stage)) = stage.filter(|(_, stage)| has_step(stage, &current)) else {
            return self.end(index, current, Ending::StepRemoved);
        };
        current.stage_index = u32::try_from(number).unwrap_or(u32::MAX);
        if let Some((goal, target)) = &journey.goal
            && self.here.passes(goal, memo)
        {
            self.end(index, current, Ending::Goal);
            self.jumps.extend(target.filter(|_| HAS_RARE));
            return;
        }
        if let Some(exit) = stage.exits.iter().find(|exit| self.leaves(exit, &current, memo)) {
            return self.leave(index, journey, exit, current, memo);
        }
        if let Some(milestone) = &stage.milestone
            && current.rest != Rest::Completed
            && self.here.passes(milestone, memo)
        {
            (current.rest, current.step) = (Rest::Completed, None);
            current.stepped_ms = current.stepped_ms.max(self.here.now_ms);
        }
        if let Rest::Waiting(due_ms) = current.rest
            && due_ms <= self.here.now_ms
        {
            if !self.moves() {
                return;
            }
            let waited = stage.steps.iter().find(|step| Some(step.name) == current.step);
            let next = match waited.map(|step| &step.kind) {
                Some(KindPlan::Wait { next, .. }) => *next,
                // The step is no wait any more, or was not, when too many steps followed each other: it is taken now.
                Some(_) => stage.steps.iter().position(|step| Some(step.name) == current.step),
                None => None,
            };
            return self.take_steps(index, journey, number, next, current, memo);
        }
        self.settle(index, journey, number, current, memo, Some(&before));
    }

    fn leaves(&self, exit: &ExitPlan, current: &Current, memo: &mut Memo<'c>) -> bool {
        match &exit.when {
            WhenPlan::After(after_ms) => self.here.now_ms.saturating_sub(current.staged_ms) >= *after_ms,
            WhenPlan::Gate(gate) => self.here.passes(gate, memo),
        }
    }

    fn leave(
        &mut self,
        index: usize,
        journey: &'c JourneyPlan,
        exit: &ExitPlan,
        current: Current,
        memo: &mut Memo<'c>,
    ) {
        if !self.moves() {
            return;
        }
        match exit.target {
            Some(target) if target.journey == index => {
                self.enter_stage(index, journey, target.stage, current, memo);
            }
            target => {
                self.end(index, current, Ending::Exit(exit.name));
                self.jumps.extend(target);
            }
        }
    }

    /// Lets a visitor without an entry in.
    fn let_in(&mut self, index: usize, journey: &'c JourneyPlan, memo: &mut Memo<'c>) {
        let Some(entry) = journey.stages.first().and_then(|stage| stage.entry.as_ref()) else { return };
        if self.may_enter(index, journey) && self.here.passes(entry, memo) {
            self.enter(index, journey, 0, memo);
        }
    }

    /// True if a visitor is not in a journey, and re-entry allows it.
    fn may_enter(&self, index: usize, journey: &JourneyPlan) -> bool {
        let known = self.all.iter().find(|(known, ..)| *known == index).map(|(_, progress, _)| progress);
        let finished = known.map(|progress| progress.finished.as_slice()).unwrap_or_default();
        let again = match journey.reentry {
            Reentry::Never => finished.is_empty(),
            Reentry::UnlessGoalAchieved => !finished.iter().any(|ended| ended.goal),
            Reentry::Always => true,
        };
        again && !self.ended.contains(&index) && known.is_none_or(|progress| progress.current.is_none())
    }

    fn enter(&mut self, index: usize, journey: &'c JourneyPlan, stage: usize, memo: &mut Memo<'c>) {
        if !self.moves() {
            return;
        }
        let now_ms = self.here.now_ms;
        let entry = Current {
            stage_index: 0,
            stepped_ms: now_ms,
            entered_ms: now_ms,
            by: self.here.profile.id.0,
            stage: 0,
            staged_ms: now_ms,
            step: None,
            rest: Rest::Ended,
            draw: variant::draw(journey.key(), self.here.profile.id),
            arms: Vec::new(),
        };
        self.enter_stage(index, journey, stage, entry, memo);
    }

    fn enter_stage(
        &mut self,
        index: usize,
        journey: &'c JourneyPlan,
        number: usize,
        mut current: Current,
        memo: &mut Memo<'c>,
    ) {
        if !self.moves() {
            return;
        }
        let Some(stage) = journey.stages.get(number) else { return };
        current.stage = stage.name;
        current.stage_index = u32::try_from(number).unwrap_or(u32::MAX);
        current.staged_ms = self.here.now_ms;
        (current.step, current.rest) = (None, Rest::Ended);
        current.stepped_ms = current.stepped_ms.max(self.here.now_ms);
        self.take_steps(index, journey, number, stage.root, current, memo);
    }

    /// Takes steps from this one on, until one waits or the steps end.
    fn take_steps(
        &mut self,
        index: usize,
        journey: &'c JourneyPlan,
        number: usize,
        mut next: Option<usize>,
        mut current: Current,
        memo: &mut Memo<'c>,
    ) {
        let Some(stage) = journey.stages.get(number) else { return };
        current.rest = Rest::Ended;
        while let Some((position, step)) = next.and_then(|next| Some((next, stage.steps.get(next)?))) {
            current.step = Some(step.name);
            current.stepped_ms = current.stepped_ms.max(self.here.now_ms);
            self.steps_left = self.steps_left.saturating_sub(1);
            // A wait ends the steps in any case.
            if self.steps_left == 0 && !matches!(step.kind, KindPlan::Wait { .. }) {
                // It is taken when the pause is over.
                current.rest = Rest::Waiting(self.here.now_ms.saturating_add(STEPS_PAUSE_MS));
                break;
            }
            let at = StepAt { journey: index, stage: number, step: position };
            let flow = match &step.kind {
                KindPlan::Wait { wait_ms, .. } => wait::take(*wait_ms, self.here.now_ms),
                KindPlan::Activation { activation, next } => {
                    self.out.fired.extend(activation::take(self.here, at, &current, *activation));
                    Flow::Next(*next)
                }
                KindPlan::Decision(branches) => decision::take(self.here, branches, memo),
                KindPlan::Merge { next } => merge::take(*next),
                KindPlan::Jump(target) => jump::take(*target),
                KindPlan::End => end::take(),
                KindPlan::Variant { digits, arms } => {
                    variant::take(&mut current, xxh3::within(stage.name, step.name), *digits, arms)
                }
            };
            next = match flow {
                Flow::Next(next) => next,
                Flow::Wait(due_ms) => {
                    current.rest = Rest::Waiting(due_ms);
                    break;
                }
                Flow::Jump(target) if target.journey == index => {
                    return self.enter_stage(index, journey, target.stage, current, memo);
                }
                Flow::Jump(target) => {
                    self.end(index, current, Ending::Jumped);
                    self.jumps.push(target);
                    return;
                }
            };
        }
        self.settle(index, journey, number, current, memo, None);
    }

    /// Leads an entry whose stage is completed to the next one, if that one lets it in. `before`: the entry as it was, if it
    /// may not have changed.
    fn settle(
        &mut self,
        index: usize,
        journey: &'c JourneyPlan,
        number: usize,
        current: Current,
        memo: &mut Memo<'c>,
        before: Option<&Current>,
    ) {
        let stage = journey.stages.get(number);
        let by_steps = current.rest == Rest::Ended && stage.is_some_and(|stage| stage.milestone.is_none());
        if by_steps || current.rest == Rest::Completed {
            let next = number.saturating_add(1);
            match journey.stages.get(next) {
                None => return self.end(index, current, Ending::Completed),
                Some(stage) if stage.entry.as_ref().is_none_or(|entry| self.here.passes(entry, memo)) => {
                    return self.enter_stage(index, journey, next, current, memo);
                }
                Some(_) => {}
            }
        }
        let is_changed = before.is_none_or(|before| *before != current);
        self.put(index, current, is_changed);
    }
}
