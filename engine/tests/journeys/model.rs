//! The slow model, written from the words of `docs/journeys.md`.

use usher_engine::ProfileId;
use usher_engine::definition::{
    Definition, ExitWhen, Gate, Journey, JourneyState, Reentry, Stage, StepKind, Target,
};

/// A clock that is further ahead was wrong.
const DAY_MS: i64 = 86_400_000;

/// The state of one visitor in a journey.
#[derive(Debug, PartialEq)]
pub struct Seen {
    /// Stage, step, why, when it entered, since when, until when, and the arms.
    #[allow(clippy::type_complexity, reason = "compared as a whole")]
    pub standing:
        Option<(String, Option<String>, &'static str, i64, i64, Option<i64>, Vec<(String, String)>)>,
    /// The reason of its end, and its time.
    pub finished: Vec<(String, i64)>,
}

impl Seen {
    /// Of entries that ended at one moment, and are alike in reaching the goal, the documents name no order.
    pub fn in_any_order(mut self) -> Seen {
        let alike =
            |(a, at): &(String, i64), (b, other): &(String, i64)| (a == "goal", at) == (b == "goal", other);
        self.finished.chunk_by_mut(alike).for_each(<[_]>::sort_unstable);
        self
    }
}

#[derive(Clone, Debug)]
struct Entry {
    by: [u8; 16],
    entered_ms: i64,
    stage: usize,
    staged_ms: i64,
    step: Option<String>,
    stepped_ms: i64,
    due_ms: Option<i64>,
    completed: bool,
    draw: u64,
    arms: Vec<(usize, String, String)>,
}

#[derive(Clone, Debug, PartialEq)]
struct Ended {
    goal: bool,
    ended_ms: i64,
    entered_ms: i64,
    by: [u8; 16],
    stage: String,
    how: &'static str,
    exit: String,
    /// Two entries of one millisecond may differ in nothing else.
    arms: Vec<(usize, String, String)>,
}

#[derive(Clone, Debug, Default)]
struct Way {
    current: Option<Entry>,
    ended: Vec<Ended>,
}

#[derive(Clone, Debug, Default)]
struct Visitor {
    id: [u8; 16],
    created_ms: i64,
    /// The tables of all events, each with its time.
    events: Vec<(String, i64)>,
    ways: Vec<Way>,
}

pub struct Model {
    definition: Definition,
    visitors: Vec<Option<Visitor>>,
    /// For each visitor, the one who has its keys now.
    now: Vec<usize>,
}

/// One fold.
struct Fold<'m> {
    definition: &'m Definition,
    visitor: &'m mut Visitor,
    table: Option<&'m str>,
    now_ms: i64,
    fired: Vec<String>,
    ended: Vec<usize>,
    jumps: Vec<(usize, usize)>,
}

impl Model {
    pub fn new(definition: &Definition) -> Model {
        let visitors = vec![None; super::generate::VISITORS];
        Model { definition: definition.clone(), visitors, now: (0..super::generate::VISITORS).collect() }
    }

    /// The visitors who have these keys now.
    pub fn still_there(&self, who: &[usize]) -> Vec<usize> {
        let mut there: Vec<usize> = who.iter().map(|who| self.now[*who]).collect();
        there.sort_unstable();
        there.dedup();
        there
    }

    pub fn everybody(&self) -> Vec<usize> {
        (0..self.visitors.len()).filter(|who| self.visitors[*who].is_some()).collect()
    }

    pub fn event(&mut self, who: &[usize], table: &str, now_ms: i64) -> (usize, Vec<String>) {
        let mut there: Vec<usize> = who.iter().copied().filter(|who| self.visitors[*who].is_some()).collect();
        if there.is_empty() {
            let ways = vec![Way::default(); self.definition.journeys.len()];
            self.visitors[who[0]] =
                Some(Visitor { id: [who[0] as u8 + 1; 16], created_ms: now_ms, events: Vec::new(), ways });
            there.push(who[0]);
        }
        // The earliest survives.
        there.sort_by_key(|who| self.visitors[*who].as_ref().map(|it| (it.created_ms, it.id)));
        let survivor = there[0];
        for other in &there[1..] {
            let other = self.visitors[*other].take().unwrap();
            self.visitors[survivor].as_mut().unwrap().unite(other);
        }
        for known in &mut self.now {
            if who.contains(known) {
                *known = survivor;
            }
        }
        let visitor = self.visitors[survivor].as_mut().unwrap();
        visitor.events.push((table.to_owned(), now_ms));
        (survivor, fold(&self.definition, visitor, Some(table), now_ms))
    }

    pub fn due(&mut self, who: usize, now_ms: i64) -> Vec<String> {
        fold(&self.definition, self.visitors[who].as_mut().unwrap(), None, now_ms)
    }

    pub fn due_ms(&self, who: usize) -> Option<i64> {
        let visitor = self.visitors[who].as_ref()?;
        let due = self.definition.journeys.iter().zip(&visitor.ways).filter_map(|(journey, way)| {
            let entry = way.current.as_ref().filter(|_| journey.state == JourneyState::Launched)?;
            let exits = journey.stages[entry.stage].exits.iter().filter_map(|exit| match exit.when {
                ExitWhen::After(after_ms) => Some(entry.staged_ms + after_ms),
                ExitWhen::Gate(_) => None,
            });
            exits.chain(entry.due_ms).min()
        });
        due.min()
    }

    pub fn seen(&self, who: usize) -> Vec<Seen> {
        let visitor = self.visitors[who].as_ref().unwrap();
        let seen = self.definition.journeys.iter().zip(&visitor.ways).map(|(journey, way)| Seen {
            standing: way.current.as_ref().map(|entry| {
                let why = match (entry.due_ms, entry.completed) {
                    (Some(_), _) => "waiting",
                    (None, true) => "completed",
                    (None, false) => "ended",
                };
                let mut arms = Vec::new();
                for (number, stage) in journey.stages.iter().enumerate() {
                    for step in &stage.steps {
                        let StepKind::Variant { arms: all } = &step.kind else { continue };
                        let is =
                            |(at, known, _): &&(usize, String, String)| (*at, known) == (number, &step.id);
                        let taken = entry.arms.iter().find(is);
                        if let Some((_, _, arm)) = taken
                            && all.iter().any(|one| one.name == *arm)
                        {
                            arms.push((step.id.clone(), arm.clone()));
                        }
                    }
                }
                (
                    journey.stages[entry.stage].name.clone(),
                    entry.step.clone(),
                    why,
                    entry.entered_ms,
                    entry.stepped_ms,
                    entry.due_ms,
                    arms,
                )
            }),
            finished: way.ended.iter().map(|ended| (ended.how.to_owned(), ended.ended_ms)).collect(),
        });
        seen.map(Seen::in_any_order).collect()
    }
}

impl Visitor {
    fn unite(&mut self, other: Visitor) {
        self.events.extend(other.events);
        for (mine, theirs) in self.ways.iter_mut().zip(other.ways) {
            theirs.ended.into_iter().for_each(|ended| mine.end(ended));
            let rank = |entry: &Entry| (entry.stage, entry.stepped_ms, entry.entered_ms, entry.by);
            mine.current = match (mine.current.take(), theirs.current) {
                (Some(a), Some(b)) => Some(if rank(&a) >= rank(&b) { a } else { b }),
                (a, b) => a.or(b),
            };
        }
    }
}

impl Way {
    /// Those that reached the goal first, then the newest; eight of them.
    fn end(&mut self, ended: Ended) {
        if !self.ended.contains(&ended) {
            self.ended.push(ended);
        }
        self.ended.sort_by_key(|it| std::cmp::Reverse((it.goal, it.ended_ms, it.entered_ms, it.by)));
        self.ended.truncate(8);
    }
}

fn fold(definition: &Definition, visitor: &mut Visitor, table: Option<&str>, now_ms: i64) -> Vec<String> {
    let (fired, ended, jumps) = (Vec::new(), Vec::new(), Vec::new());
    let mut fold = Fold { definition, visitor, table, now_ms, fired, ended, jumps };
    for (index, journey) in definition.journeys.iter().enumerate() {
        if journey.state != JourneyState::Launched {
            continue;
        }
        match fold.visitor.ways[index].current.take() {
            Some(entry) => fold.lead_on(index, journey, entry),
            None => {
                if fold.may_enter(index)
                    && journey.stages[0].entry.as_ref().is_some_and(|gate| fold.holds(gate))
                {
                    fold.enter(index, 0);
                }
            }
        }
    }
    while !fold.jumps.is_empty() {
        let (index, stage) = fold.jumps.remove(0);
        if definition.journeys[index].state == JourneyState::Launched && fold.may_enter(index) {
            fold.enter(index, stage);
        }
    }
    fold.fired
}

impl<'m> Fold<'m> {
    fn views(&self) -> usize {
        self.visitor.events.iter().filter(|(table, _)| table == "view").count()
    }

    fn criteria(&self, expr: &usher_engine::syntax::Expr) -> bool {
        match expr.to_string().strip_prefix("views >= ") {
            Some(least) => self.views() >= least.parse().unwrap(),
            None => *expr == usher_engine::syntax::Expr::Constant(true),
        }
    }

    fn holds(&self, gate: &Gate) -> bool {
        let happens = gate.key_event.as_ref().is_none_or(|name| self.table == Some(name.as_str()));
        happens && self.criteria(&gate.criteria)
    }

    fn may_enter(&self, index: usize) -> bool {
        let way = &self.visitor.ways[index];
        let again = match self.definition.journeys[index].reentry {
            Reentry::Never => way.ended.is_empty(),
            Reentry::UnlessGoalAchieved => !way.ended.iter().any(|ended| ended.goal),
            Reentry::Always => true,
        };
        again && way.current.is_none() && !self.ended.contains(&index)
    }

    fn end(&mut self, index: usize, entry: Entry, how: &'static str, exit: &str) {
        self.ended.push(index);
        self.visitor.ways[index].end(Ended {
            goal: how == "goal",
            ended_ms: self.now_ms,
            entered_ms: entry.entered_ms,
            by: entry.by,
            stage: self.definition.journeys[index].stages[entry.stage].name.clone(),
            how,
            exit: exit.to_owned(),
            arms: entry.arms,
        });
    }

    fn goes_to(&self, index: usize, target: &Target) -> (usize, usize) {
        let journeys = &self.definition.journeys;
        let journey = target
            .journey
            .as_ref()
            .map_or(index, |name| journeys.iter().position(|it| it.name == *name).unwrap());
        (journey, journeys[journey].stages.iter().position(|stage| stage.name == target.stage).unwrap())
    }

    fn lead_on(&mut self, index: usize, journey: &'m Journey, mut entry: Entry) {
        let ahead_ms = entry.stepped_ms - self.now_ms;
        if ahead_ms > DAY_MS {
            entry.stepped_ms = self.now_ms;
            entry.staged_ms = entry.staged_ms.min(self.now_ms);
            entry.entered_ms = entry.entered_ms.min(self.now_ms);
            entry.due_ms = entry.due_ms.map(|due_ms| due_ms - ahead_ms);
        }
        if let Some(goal) = &journey.goal
            && self.holds(&goal.gate)
        {
            self.end(index, entry, "goal", "");
            let jump = goal.target.as_ref().map(|target| self.goes_to(index, target));
            self.jumps.extend(jump);
            return;
        }
        let stage = &journey.stages[entry.stage];
        for exit in &stage.exits {
            let leaves = match &exit.when {
                ExitWhen::After(after_ms) => self.now_ms - entry.staged_ms >= *after_ms,
                ExitWhen::Gate(gate) => self.holds(gate),
            };
            if !leaves {
                continue;
            }
            match exit.target.as_ref().map(|target| self.goes_to(index, target)) {
                Some((journey, stage)) if journey == index => self.come_to(index, stage, entry),
                jump => {
                    self.end(index, entry, "exit", &exit.name);
                    self.jumps.extend(jump);
                }
            }
            return;
        }
        if !entry.completed && stage.milestone.as_ref().is_some_and(|gate| self.holds(gate)) {
            (entry.completed, entry.step, entry.due_ms) = (true, None, None);
            entry.stepped_ms = entry.stepped_ms.max(self.now_ms);
        }
        if entry.due_ms.is_some_and(|due_ms| due_ms <= self.now_ms) {
            let step = stage.steps.iter().find(|step| Some(&step.id) == entry.step.as_ref()).unwrap();
            let StepKind::Wait { next, .. } = &step.kind else { panic!("it waits") };
            return self.take(index, stage, next.clone(), entry);
        }
        self.settle(index, entry);
    }

    fn enter(&mut self, index: usize, stage: usize) {
        let profile = ProfileId(self.visitor.id);
        let text = format!("{}/{profile}", self.definition.journeys[index].name);
        let entry = Entry {
            by: self.visitor.id,
            entered_ms: self.now_ms,
            stage,
            staged_ms: self.now_ms,
            step: None,
            stepped_ms: self.now_ms,
            due_ms: None,
            completed: false,
            draw: xxhash_rust::xxh3::xxh3_64(text.as_bytes()) & (u64::MAX >> 1),
            arms: Vec::new(),
        };
        self.come_to(index, stage, entry);
    }

    fn come_to(&mut self, index: usize, number: usize, mut entry: Entry) {
        let stage = &self.definition.journeys[index].stages[number];
        entry.stage = number;
        entry.staged_ms = self.now_ms;
        (entry.step, entry.due_ms, entry.completed) = (None, None, false);
        entry.stepped_ms = entry.stepped_ms.max(self.now_ms);
        self.take(index, stage, stage.root.clone(), entry);
    }

    fn take(&mut self, index: usize, stage: &'m Stage, mut next: Option<String>, mut entry: Entry) {
        entry.due_ms = None;
        while let Some(id) = next {
            let step = stage.steps.iter().find(|step| step.id == id).unwrap();
            entry.step = Some(id);
            entry.stepped_ms = entry.stepped_ms.max(self.now_ms);
            next = match &step.kind {
                StepKind::Wait { wait_ms, .. } => {
                    entry.due_ms = Some(self.now_ms + wait_ms);
                    None
                }
                StepKind::Activation { activation, next } => {
                    self.fired.push(activation.clone());
                    next.clone()
                }
                StepKind::Merge { next } => next.clone(),
                StepKind::End => None,
                StepKind::Decision { branches } => branches
                    .iter()
                    .find(|branch| branch.criteria.as_ref().is_none_or(|criteria| self.criteria(criteria)))
                    .and_then(|branch| branch.next.clone()),
                StepKind::Jump { target } => {
                    let (journey, stage) = self.goes_to(index, target);
                    if journey == index {
                        return self.come_to(index, stage, entry);
                    }
                    self.end(index, entry, "jumped", "");
                    self.jumps.push((journey, stage));
                    return;
                }
                StepKind::Variant { arms } => {
                    let is =
                        |(at, known, _): &(usize, String, String)| (*at, known) == (entry.stage, &step.id);
                    let known = entry.arms.iter().find(|arm| is(arm)).cloned();
                    let known = known.and_then(|(_, _, arm)| arms.iter().find(|one| one.name == arm));
                    let arm = known.or_else(|| {
                        let nth = self.nth_split(index, entry.stage, &step.id);
                        let mut digits = entry.draw;
                        (0..nth).for_each(|_| digits /= 10_000);
                        let hundredth = (digits % 10_000) as u32;
                        let mut below = 0;
                        arms.iter().find(|arm| {
                            below += arm.share;
                            hundredth < below
                        })
                    });
                    if let Some(arm) = arm {
                        let at = entry.stage;
                        entry.arms.retain(|(stage, known, _)| (*stage, known) != (at, &step.id));
                        entry.arms.push((entry.stage, step.id.clone(), arm.name.clone()));
                    }
                    arm.and_then(|arm| arm.next.clone())
                }
            };
            if entry.due_ms.is_some() {
                break;
            }
        }
        self.settle(index, entry);
    }

    /// The number of steps of the journey that split before this one.
    fn nth_split(&self, index: usize, stage: usize, id: &str) -> usize {
        let stages = self.definition.journeys[index].stages.iter().enumerate();
        let splits = stages.flat_map(|(number, stage)| {
            let of_stage = stage.steps.iter().filter(|step| matches!(step.kind, StepKind::Variant { .. }));
            of_stage.map(move |step| (number, step.id.clone()))
        });
        splits.take_while(|split| *split != (stage, id.to_owned())).count()
    }

    fn settle(&mut self, index: usize, entry: Entry) {
        let journey = &self.definition.journeys[index];
        let by_steps = entry.due_ms.is_none() && journey.stages[entry.stage].milestone.is_none();
        if entry.completed || by_steps {
            match journey.stages.get(entry.stage + 1) {
                None => return self.end(index, entry, "completed", ""),
                Some(next) if next.entry.as_ref().is_none_or(|gate| self.holds(gate)) => {
                    return self.come_to(index, entry.stage + 1, entry);
                }
                Some(_) => {}
            }
        }
        self.visitor.ways[index].current = Some(entry);
    }
}
