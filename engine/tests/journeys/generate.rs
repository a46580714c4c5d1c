//! Random journeys, and what happens to their visitors.

use usher_engine::definition::{
    Activation, Arm, Attribute, AttributeKind, Audience, Branch, Definition, EventTable, Exit, ExitWhen,
    Gate, Goal, Identity, Increment, Journey, JourneyState, KeyEvent, Reentry, Stage, Step as JourneyStep,
    StepKind, StitchKey, Target,
};
use usher_engine::syntax;

/// The first moment of every history, Unix milliseconds.
const START_MS: i64 = 1_790_000_000_000;
const MINUTE_MS: i64 = 60_000;
/// The tables, each with a key event of its name.
pub const TABLES: [&str; 3] = ["view", "order", "quit"];
/// The number of visitors.
pub const VISITORS: usize = 4;

/// A journey's world: a definition and what happens.
#[derive(Debug)]
pub struct History {
    pub definition: Definition,
    pub steps: Vec<Step>,
}

#[derive(Debug)]
pub enum Step {
    /// An event with the keys of these visitors: of several, they are one person from then on.
    Event { who: Vec<usize>, table: &'static str, now_ms: i64 },
    /// Time passes, and waits that are over end.
    Time { now_ms: i64 },
}

/// Numbers by xorshift.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end.max(1)
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }
}

impl History {
    pub fn of(random: &mut Random) -> History {
        let definition = definition(random);
        let mut now_ms = START_MS;
        let mut steps = Vec::new();
        for _ in 0..4 + random.below(20) {
            now_ms += match random.below(8) {
                0 => 0,
                1 => MINUTE_MS * 60 * 30,
                2 => -MINUTE_MS * random.below(200) as i64,
                // A clock that was wrong by days.
                3 if random.one_in(4) => -MINUTE_MS * 60 * 24 * 3,
                _ => MINUTE_MS * random.below(200) as i64,
            };
            if random.one_in(3) {
                steps.push(Step::Time { now_ms });
                continue;
            }
            let first = random.below(VISITORS);
            let mut who = vec![first];
            if random.one_in(8) {
                who.push((first + 1) % VISITORS);
                who.sort_unstable();
            }
            let table = TABLES[[0, 0, 0, 1, 1, 2][random.below(6)]];
            steps.push(Step::Event { who, table, now_ms });
        }
        steps.push(Step::Time { now_ms: now_ms + MINUTE_MS * 60 * 24 * 30 });
        History { definition, steps }
    }
}

fn definition(random: &mut Random) -> Definition {
    let key_events = TABLES.map(|name| KeyEvent {
        name: name.to_owned(),
        table: EventTable { database: "web".to_owned(), table: name.to_owned() },
        filter: None,
        columns: Vec::new(),
        description: None,
    });
    let total = AttributeKind::Counter {
        key_event: "view".to_owned(),
        filter: None,
        increment: Increment::Constant(1),
        window_ms: None,
        parts: Vec::new(),
        backfill: None,
    };
    let views = Attribute { name: "views".to_owned(), kind: total, sensitive: false, description: None };
    let keys = (0..VISITORS).map(|who| StitchKey { name: format!("key{who}"), ..StitchKey::default() });
    let shape: Vec<usize> = (0..1 + random.below(3)).map(|_| 1 + random.below(3)).collect();
    let journeys = (0..shape.len()).map(|index| journey(random, index, &shape)).collect();
    let activation = |name: &str| Activation {
        name: name.to_owned(),
        id: None,
        connection: None,
        connector: "td_webhook_out".to_owned(),
        method: "POST".to_owned(),
        url: None,
        headers: Vec::new(),
        body: None,
    };
    Definition {
        audience: Audience { id: "7".to_owned(), name: None },
        key_events: key_events.into(),
        attributes: vec![views],
        identity: Identity { keys: keys.collect(), ..Identity::default() },
        journeys,
        activations: vec![activation("mail"), activation("text")],
        ..Definition::default()
    }
}

fn journey(random: &mut Random, index: usize, shape: &[usize]) -> Journey {
    let stages = (0..shape[index]).map(|number| stage(random, index, number, shape)).collect();
    let goal = random.one_in(2).then(|| Goal {
        gate: gate(random, true),
        target: random.one_in(3).then(|| target(random, index, shape)),
    });
    Journey {
        name: format!("journey{index}"),
        id: None,
        description: None,
        state: if random.one_in(12) { JourneyState::Paused } else { JourneyState::Launched },
        reentry: [Reentry::Never, Reentry::UnlessGoalAchieved, Reentry::Always][random.below(3)],
        goal,
        stages,
    }
}

fn stage(random: &mut Random, journey: usize, number: usize, shape: &[usize]) -> Stage {
    let count = random.below(6);
    let steps = (0..count).map(|place| JourneyStep {
        id: format!("s{place}"),
        name: None,
        description: None,
        kind: kind(random, journey, place, count, shape),
    });
    let steps: Vec<JourneyStep> = steps.collect();
    let exits = (0..random.below(3)).map(|place| Exit {
        name: format!("exit{place}"),
        when: if random.one_in(3) {
            ExitWhen::After(MINUTE_MS * (1 + random.below(600)) as i64)
        } else {
            ExitWhen::Gate(Box::new(gate(random, true)))
        },
        target: random.one_in(3).then(|| target(random, journey, shape)),
    });
    Stage {
        name: format!("stage{number}"),
        id: None,
        description: None,
        exits: exits.collect(),
        entry: (number == 0 || random.one_in(3)).then(|| gate(random, false)),
        milestone: random.one_in(2).then(|| gate(random, false)),
        root: steps.first().map(|step| step.id.clone()),
        steps,
    }
}

fn kind(random: &mut Random, journey: usize, place: usize, count: usize, shape: &[usize]) -> StepKind {
    let next = |random: &mut Random| {
        let ahead = place + 1 + random.below(2);
        let any = random.below(count);
        let chosen = if random.one_in(5) { any } else { ahead };
        (chosen < count).then(|| format!("s{chosen}"))
    };
    match random.below(9) {
        0 | 1 => StepKind::Wait { wait_ms: MINUTE_MS * (1 + random.below(300)) as i64, next: next(random) },
        2 | 3 => {
            let activation = ["mail", "text"][random.below(2)].to_owned();
            StepKind::Activation { activation, next: next(random) }
        }
        4 => {
            let mut branches: Vec<Branch> = (0..1 + random.below(3))
                .map(|number| Branch {
                    name: format!("b{number}"),
                    id: None,
                    description: None,
                    criteria: Some(syntax::parse(&format!("views >= {}", 1 + random.below(5))).unwrap()),
                    next: next(random),
                })
                .collect();
            if random.one_in(2) {
                let next = next(random);
                let (name, id) = ("others".to_owned(), None);
                branches.push(Branch { name, id, description: None, criteria: None, next });
            }
            StepKind::Decision { branches }
        }
        5 => StepKind::Merge { next: next(random) },
        6 => StepKind::Jump { target: target(random, journey, shape) },
        7 => StepKind::End,
        _ => {
            let share = [0, 2_500, 5_000, 3_333, 10_000][random.below(5)];
            let arms = [("a", share), ("b", 10_000 - share)].map(|(name, share)| Arm {
                name: name.to_owned(),
                id: None,
                share,
                control: false,
                next: next(random),
            });
            StepKind::Variant { arms: arms.into() }
        }
    }
}

/// `often`: it leaves or ends, so it asks for much.
fn gate(random: &mut Random, leaves: bool) -> Gate {
    let key_event = match random.below(4) {
        0 if !leaves => None,
        0 => Some("quit"),
        1 => Some("order"),
        2 => Some("quit"),
        _ if leaves => Some("order"),
        _ => Some("view"),
    };
    let least = random.below(6);
    Gate {
        name: None,
        description: None,
        key_event: key_event.map(str::to_owned),
        event_filter: None,
        criteria: if least < 2 {
            syntax::Expr::Constant(true)
        } else {
            syntax::parse(&format!("views >= {least}")).unwrap()
        },
        accept_unknown_profiles: true,
    }
}

fn target(random: &mut Random, journey: usize, shape: &[usize]) -> Target {
    let other = random.below(shape.len());
    let stage = format!("stage{}", random.below(shape[other]));
    Target { journey: (other != journey || random.one_in(2)).then(|| format!("journey{other}")), stage }
}
