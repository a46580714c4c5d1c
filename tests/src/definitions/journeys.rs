//! Random journeys and activations, with names that are difficult in YAML.

use usher_engine::definition::{
    Activation, Arm, Branch, Exit, ExitWhen, Gate, Goal, Header, Journey, JourneyState, Reentry, Stage, Step,
    StepKind, Target,
};
use usher_engine::syntax::Expr;

use super::{criteria, duration, filter, id, maybe, name, several, text};
use crate::random::Random;

pub(super) fn journey(random: &mut Random) -> Journey {
    let mut stages = several(random, 3, stage);
    stages.push(stage(random));
    Journey {
        name: name(random),
        id: maybe(random, id),
        description: maybe(random, text),
        state: random.pick(&[JourneyState::Draft, JourneyState::Launched, JourneyState::Paused]),
        reentry: random.pick(&[Reentry::Never, Reentry::UnlessGoalAchieved, Reentry::Always]),
        goal: maybe(random, |random| Goal { gate: gate(random), target: maybe(random, target) }),
        stages,
    }
}

pub(super) fn activation(random: &mut Random) -> Activation {
    Activation {
        name: name(random),
        id: maybe(random, id),
        connection: maybe(random, id),
        connector: name(random),
        method: random.pick(&["POST", "PUT", "PATCH"]).to_owned(),
        url: maybe(random, text),
        headers: several(random, 3, |random| Header {
            name: format!("{}{}", name(random), random.bits()),
            value: text(random),
        }),
        body: maybe(random, text),
    }
}

fn stage(random: &mut Random) -> Stage {
    let steps = several(random, 5, step);
    let root = match steps.first() {
        Some(first) if random.one_in(2) => Some(first.id.clone()),
        Some(_) => Some(id(random)),
        None => None,
    };
    Stage {
        name: name(random),
        id: maybe(random, id),
        description: maybe(random, text),
        entry: maybe(random, gate),
        milestone: maybe(random, gate),
        exits: several(random, 3, exit),
        root,
        steps,
    }
}

fn gate(random: &mut Random) -> Gate {
    Gate {
        name: maybe(random, text),
        description: maybe(random, text),
        key_event: maybe(random, name),
        event_filter: maybe(random, filter),
        criteria: if random.one_in(3) { Expr::Constant(true) } else { criteria(random) },
        accept_unknown_profiles: !random.one_in(4),
    }
}

fn exit(random: &mut Random) -> Exit {
    let when = match random.one_in(2) {
        true => ExitWhen::After(duration(random)),
        false => ExitWhen::Gate(Box::new(Gate { name: None, ..gate(random) })),
    };
    Exit { name: name(random), when, target: maybe(random, target) }
}

fn target(random: &mut Random) -> Target {
    Target { journey: maybe(random, id), stage: id(random) }
}

fn step(random: &mut Random) -> Step {
    let kind = match random.below(7) {
        0 => StepKind::Wait { wait_ms: duration(random), next: maybe(random, id) },
        1 => StepKind::Activation { activation: id(random), next: maybe(random, id) },
        2 => StepKind::Decision {
            branches: several(random, 3, |random| Branch {
                name: name(random),
                id: maybe(random, id),
                description: maybe(random, text),
                criteria: maybe(random, criteria),
                next: maybe(random, id),
            }),
        },
        3 => StepKind::Merge { next: maybe(random, id) },
        4 => StepKind::Jump { target: target(random) },
        5 => StepKind::End,
        _ => StepKind::Variant {
            arms: several(random, 3, |random| Arm {
                name: name(random),
                id: maybe(random, id),
                share: random.below(10_001) as u32,
                control: random.one_in(2),
                next: maybe(random, id),
            }),
        },
    };
    // A number of its own, for two of one id would be one.
    let id = format!("{}-{}", id(random), random.bits());
    Step { id, name: maybe(random, text), description: maybe(random, text), kind }
}
