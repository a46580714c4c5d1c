//! Devices: a program and extracts of a profile decide as the plan and the profile do, wherever both decide.

use std::collections::BTreeSet;

use usher_engine::definition::{
    Aggregation, Attribute, AttributeKind, Choice, Definition, Output, OutputSource, Personalization,
    Section, Segment,
};
use usher_engine::profile::codec::{self, Form};
use usher_engine::syntax::{Expr, parse};
use usher_engine::value::Value;
use usher_engine::{Access, Answer, Asked, Device, Event, Plan, Profile, Query, Reduced};

use crate::engine::{profile_id, resolve};
use crate::generate::{Case, Dice, What};
use crate::run::NO_PLAN;

type Law = Result<(), String>;

fn compile(definition: &Definition) -> Result<Plan, String> {
    Plan::compile(definition).map_err(|found| format!("{NO_PLAN}{found:?}"))
}

/// The plan as a module without the compiler gets it: all of it but the definition, which is the first field.
fn copied(plan: &Plan) -> Result<Plan, String> {
    let copy = Plan::from_bytes(&plan.to_bytes())?;
    // Steps of journeys are not copied: a plan in bytes only tells that a visitor would move.
    let parts = |plan: &Plan| {
        let text = format!("{plan:?}");
        let (_, parts) = text.split_once(", program: ")?;
        parts.rsplit_once(", journeys: ").map(|(parts, _)| parts.to_owned())
    };
    let (of_plan, of_copy) = (parts(plan), parts(&copy));
    if of_plan == of_copy { Ok(copy) } else { Err(format!("a copy of\n{of_plan:?}\nis\n{of_copy:?}")) }
}

/// The edge and a device that gets an extract now and then, and sees every event in between.
pub fn decides(case: &Case) -> Law {
    let (definition, public) = of_case(case);
    let plan = copied(&compile(&definition)?)?;
    let reduced = Reduced::of(compile(&definition)?).ok_or("nothing is for devices")?;
    let program = reduced.program();
    let mut device = Device::new(&program).map_err(|found| format!("{found:?}"))?;
    let mut profile = Profile::new(profile_id(1), 0);
    for (index, step) in case.steps.iter().enumerate() {
        let now_ms = step.at_ms;
        let asked = Asked::Named(&[0, 1, 2]);
        let compare =
            |profile: &Profile, device: &Device, event: Option<(&Event, &Event)>, asked: Asked<'_>| {
                let query = Query {
                    event: event.map(|(event, _)| event),
                    asked,
                    inputs: &[],
                    edge: &[],
                    access: Access::default(),
                    blind: false,
                };
                let edge = plan.personalize(profile, &query, now_ms);
                let own = device.personalize(event.map(|(_, event)| event), asked, &[], &[], now_ms);
                agree(&edge, &own, &definition, &public).map_err(|found| format!("step {index}: {found}"))
            };
        match &step.what {
            What::Event { table, columns, minted_id, .. } => {
                let event = resolve(&plan, table, columns, now_ms, minted_id);
                let duplicate = plan.ingest(&mut profile, &event, now_ms).duplicate;
                let own = device.event(("web", table), columns.clone(), now_ms, minted_id.clone());
                match own {
                    Some(own) => {
                        // The edge says which events an extract holds; those are not replayed.
                        if !duplicate {
                            device.ingest(&own, now_ms);
                        }
                        compare(&profile, &device, Some((&event, &own)), Asked::Triggered)?;
                        compare(&profile, &device, Some((&event, &own)), asked)?;
                    }
                    None => compare(&profile, &device, None, asked)?,
                }
            }
            What::Row(row) => {
                let Ok(record) = plan.record(row, now_ms) else { continue };
                profile.import(record, now_ms);
                load(&mut device, &reduced, &profile)?;
            }
            What::Bundle(_) => {}
        }
        if step.mark % 4 == 0 {
            load(&mut device, &reduced, &profile)?;
        }
        compare(&profile, &device, None, asked)?;
    }
    for look_ms in &case.looks_ms {
        let now_ms = case.steps.last().map_or(0, |step| step.at_ms) + look_ms;
        let asked = Asked::Named(&[0, 1, 2]);
        let query =
            Query { event: None, asked, inputs: &[], edge: &[], access: Access::default(), blind: false };
        let edge = plan.personalize(&profile, &query, now_ms);
        let own = device.personalize(None, asked, &[], &[], now_ms);
        agree(&edge, &own, &definition, &public)?;
    }
    Ok(())
}

/// Programs and extracts say nothing of private parts.
pub fn tells_nothing(case: &Case) -> Law {
    let (definition, public) = of_case(case);
    let mut other = definition.clone();
    // A name that is in front of all others, so that everything gets another number.
    let secret = AttributeKind::Batch { column: "secret".into(), data_type: None };
    other
        .attributes
        .insert(0, Attribute { name: "a".into(), kind: secret, sensitive: true, description: None });
    for section in other.personalizations.iter_mut().flat_map(|all| &mut all.sections) {
        if !public.contains(&section.name) {
            // Its other uses stay, because they say what type a public column has.
            let before = core::mem::replace(&mut section.criteria, Expr::Constant(true));
            section.criteria = Expr::all(vec![before, parse("a = 'x'").expect("criteria")]);
            section.outputs = vec![constant("whispered")];
        }
    }
    let mut private = other.personalizations[0].clone();
    (private.name, private.device, private.trigger) = ("private".into(), false, None);
    for section in &mut private.sections {
        section.name += " in private";
    }
    other.personalizations.insert(0, private);
    let (plan, other_plan) = (compile(&definition)?, compile(&other)?);
    let reduced = Reduced::of(compile(&definition)?).ok_or("nothing is for devices")?;
    let other_reduced = Reduced::of(compile(&other)?).ok_or("nothing is for devices")?;
    if reduced.program() != other_reduced.program() {
        return Err(format!("programs differ\n{reduced:#?}\n{other_reduced:#?}"));
    }
    let (mut profile, mut richer) = (Profile::new(profile_id(1), 0), Profile::new(profile_id(2), 7));
    for step in &case.steps {
        match &step.what {
            What::Event { table, columns, minted_id, .. } => {
                plan.ingest(&mut profile, &resolve(&plan, table, columns, step.at_ms, minted_id), step.at_ms);
                let event = resolve(&other_plan, table, columns, step.at_ms, minted_id);
                other_plan.ingest(&mut richer, &event, step.at_ms);
            }
            What::Row(row) => {
                let mut more = row.clone();
                more.push(("secret".into(), "x".into()));
                if let (Ok(record), Ok(more)) =
                    (plan.record(row, step.at_ms), other_plan.record(&more, step.at_ms))
                {
                    profile.import(record, step.at_ms);
                    richer.import(more, step.at_ms);
                }
            }
            What::Bundle(_) => {}
        }
        richer.version += 1;
    }
    let (one, two) = (reduced.extract(&profile), other_reduced.extract(&richer));
    if one != two {
        return Err(format!("extracts differ\n{:?}\n{:?}", codec::decode(&one), codec::decode(&two)));
    }
    let whole = codec::encode(&richer, Form::Three);
    if whole.windows(6).any(|bytes| bytes == b"secret") && one.windows(6).any(|bytes| bytes == b"secret") {
        return Err("an extract names a private column".into());
    }
    Ok(())
}

/// Bytes that no edge sends are refused, or decide something without a panic.
pub fn survives(case: &Case) -> Law {
    let (definition, _) = of_case(case);
    let program = Reduced::of(compile(&definition)?).ok_or("nothing is for devices")?.program();
    let mut dice = Dice(case.seed);
    for _ in 0..20 {
        let mut bytes = program.clone();
        for _ in 0..=dice.below(3) {
            let at = dice.below(bytes.len());
            match dice.below(4) {
                0 => bytes.truncate(at.max(1)),
                1 => bytes[at] ^= 1 << dice.below(8),
                2 => bytes[at] = dice.roll() as u8,
                _ => bytes.insert(at, dice.roll() as u8),
            }
        }
        let Ok(mut device) = Device::new(&bytes) else { continue };
        for step in &case.steps {
            let What::Event { table, columns, minted_id, .. } = &step.what else { continue };
            let own = device.event(("web", table), columns.clone(), step.at_ms, minted_id.clone());
            if let Some(event) = &own {
                device.ingest(event, step.at_ms);
            }
            device.personalize(own.as_ref(), Asked::Triggered, &[], &[], step.at_ms);
            device.personalize(own.as_ref(), Asked::Named(&[0, 1, 2]), &[], &[], step.at_ms);
        }
    }
    Ok(())
}

fn load(device: &mut Device, reduced: &Reduced, profile: &Profile) -> Law {
    device.load(&reduced.extract(profile)).map_err(|found| format!("{found:?}"))
}

/// Compares answers where both decide.
fn agree(edge: &Answer<'_>, own: &Answer<'_>, definition: &Definition, public: &BTreeSet<String>) -> Law {
    for personalization in &definition.personalizations {
        let name = personalization.name.as_str();
        let of = |answer: &Answer<'_>| -> Vec<_> {
            answer
                .offers
                .iter()
                .filter(|offer| offer.personalization == name)
                .map(|it| format!("{it:?}"))
                .collect()
        };
        let (mut theirs, ours) = (of(edge), of(own));
        let undecided = own.undecided.contains(&name);
        match personalization.choice {
            Choice::First if undecided => {
                if !ours.is_empty() {
                    return Err(format!("{name} is undecided, and answers {ours:?}"));
                }
                continue;
            }
            Choice::All if undecided && hides_trigger(personalization, public) => theirs.clear(),
            Choice::All if undecided => theirs.retain(|offer| {
                public.iter().any(|section| offer.contains(&format!("section: {section:?}")))
            }),
            _ => {}
        }
        if theirs != ours {
            return Err(format!("{name}:\n  edge   {theirs:?}\n  device {ours:?}"));
        }
    }
    Ok(())
}

/// True if the event of a private section may trigger all of them.
fn hides_trigger(personalization: &Personalization, public: &BTreeSet<String>) -> bool {
    let is_hidden = |section: &Section| section.key_event.is_some() && !public.contains(&section.name);
    personalization.trigger.is_none() && personalization.sections.iter().any(is_hidden)
}

/// The first definition of a case with personalizations for devices, and the names of their public sections.
fn of_case(case: &Case) -> (Definition, BTreeSet<String>) {
    let mut definition = case.definitions[0].clone();
    let mut public = BTreeSet::new();
    for attribute in &mut definition.attributes {
        attribute.sensitive = dice(case, &attribute.name).once_in(4);
    }
    let sensitive: Vec<String> = definition
        .attributes
        .iter()
        .filter(|it| is_private(&definition, it))
        .map(|it| it.name.clone())
        .collect();
    let bits = dice(case, "all").roll();
    let mut personalizations = Vec::new();
    for (number, choice) in [Choice::All, Choice::First].into_iter().enumerate() {
        let mut sections = Vec::new();
        for attribute in &definition.attributes {
            let mut dice = dice(case, &format!("{number} {}", attribute.name));
            let name = format!("{} of {number}", attribute.name);
            let section = section(&mut dice, &name, attribute, &definition.attributes);
            let named =
                |name: &String| definition.attributes.iter().any(|it| it.name == *name && it.sensitive);
            let shows_private = section.outputs.iter().any(|output| {
                let shown = shown_by(output);
                shown.is_some_and(|name| sensitive.contains(&name) && !named(&name))
            });
            let asks_private =
                sensitive.contains(&attribute.name) && section.criteria != Expr::Constant(true);
            if !shows_private && !asks_private {
                public.insert(name);
            }
            sections.push(section);
        }
        let last = format!("rest of {number}");
        public.insert(last.clone());
        sections.push(Section { outputs: vec![constant("rest")], ..plain(&last, Expr::Constant(true)) });
        let trigger = match bits >> number & 3 {
            0 => None,
            1 => Some("buy".to_owned()),
            _ => Some("view".to_owned()),
        };
        if trigger.is_some() {
            sections.iter_mut().for_each(|section| section.key_event = None);
        }
        personalizations.push(Personalization {
            name: format!("p{number}"),
            id: None,
            description: None,
            choice,
            segments_as: Default::default(),
            device: true,
            trigger,
            inputs: Vec::new(),
            sections,
        });
    }
    personalizations.extend(definition.personalizations);
    definition.personalizations = personalizations;
    let asked = definition.personalizations.get(2).is_some();
    if !asked {
        let sections = vec![Section { outputs: vec![constant("x")], ..plain("other", Expr::Constant(true)) }];
        let uses = Personalization {
            name: "uses".into(),
            sections,
            device: false,
            ..definition.personalizations[0].clone()
        };
        definition.personalizations.push(uses);
    }
    // The third is about types alone, and public as far as it can be.
    let third = &mut definition.personalizations[2];
    third.device = true;
    for section in &mut third.sections {
        let names_private = sensitive.iter().any(|name| section.criteria.to_string().contains(name.as_str()));
        if !names_private {
            public.insert(section.name.clone());
        }
    }
    (definition, public)
}

/// The attribute that an output shows.
fn shown_by(output: &Output) -> Option<String> {
    match &output.source {
        OutputSource::Attribute { name, .. } => Some(name.clone()),
        OutputSource::Template(text) => {
            let (_, name) = text.split_once("{{")?;
            Some(name.split(['.', '}']).next()?.to_owned())
        }
        _ => None,
    }
}

/// True for a sensitive attribute, and for one with a sensitive base.
fn is_private(definition: &Definition, attribute: &Attribute) -> bool {
    let named = |name: &String| definition.attributes.iter().any(|it| it.name == *name && it.sensitive);
    let base = match &attribute.kind {
        AttributeKind::Single { backfill, .. } | AttributeKind::Counter { backfill, .. } => backfill.as_ref(),
        _ => None,
    };
    attribute.sensitive
        || base.is_some_and(|it| named(&it.attribute) || it.time_attribute.as_ref().is_some_and(named))
}

fn dice(case: &Case, name: &str) -> Dice {
    name.bytes().fold(Dice(case.seed), |dice, byte| Dice(Dice(dice.0 ^ u64::from(byte)).roll()))
}

fn plain(name: &str, criteria: Expr) -> Section {
    Section {
        name: name.into(),
        key_event: None,
        event_filter: None,
        criteria,
        accept_unknown_profiles: true,
        outputs: Vec::new(),
        segments: Vec::new(),
        include_sensitive: false,
    }
}

fn constant(text: &str) -> Output {
    Output { name: "constant".into(), source: OutputSource::Constant(Value::from(text)) }
}

/// A section about an attribute, which shows that and another one.
fn section(dice: &mut Dice, name: &str, attribute: &Attribute, all: &[Attribute]) -> Section {
    let own = attribute.name.as_str();
    let part = first_part(attribute);
    let criteria = match (&attribute.kind, dice.below(5)) {
        (_, 0) => String::new(),
        (AttributeKind::Counter { .. }, 1 | 2) => format!("{own} >= {}", dice.below(4)),
        (AttributeKind::Counter { .. }, _) => format!("{part} BETWEEN 1 AND {}", dice.below(6)),
        (AttributeKind::Single { aggregation: Aggregation::Sum, .. }, 1 | 2) => format!("{own} > 2"),
        (AttributeKind::List { column: Some(_), .. }, 1 | 2) => format!("SIZE({own}) > {}", dice.below(3)),
        (_, 1) => format!("{part} IS NULL OR event.kind = 'a'"),
        (_, 2) => format!("{part} IS NOT NULL AND NOT event.n > 3"),
        (_, 3) => format!("{part} IS NOT NULL OR segment('s')"),
        _ => format!("{part} IS NOT NULL"),
    };
    let mut outputs = vec![constant(name)];
    let shown = dice.pick(all);
    for (number, attribute) in [attribute, shown].into_iter().enumerate() {
        let name = first_part(attribute);
        let (name, part) = match name.split_once('.') {
            Some((name, part)) => (name.to_owned(), Some(part.to_owned())),
            None => (name, None),
        };
        let source = match dice.once_in(3) {
            true => OutputSource::Template(match &part {
                Some(part) => format!("it is {{{{{name}.{part}}}}}!"),
                None => format!("it is {{{{{name}}}}}!"),
            }),
            false => OutputSource::Attribute { name, part },
        };
        outputs.push(Output { name: format!("o{number}"), source });
    }
    let key_event = dice.once_in(3).then(|| (*dice.pick(&["view", "buy"])).to_owned());
    let segments = if dice.once_in(3) { vec![Segment { name: "s".into(), id: None }] } else { Vec::new() };
    Section {
        key_event,
        outputs,
        segments,
        accept_unknown_profiles: !dice.once_in(6),
        ..plain(name, parse(&criteria).expect("criteria"))
    }
}

/// The name of an attribute's value, or of the first part of one that has none of its own.
fn first_part(attribute: &Attribute) -> String {
    match &attribute.kind {
        AttributeKind::List { parts, .. } if !parts.is_empty() => {
            format!("{}.{}", attribute.name, parts[0].name)
        }
        AttributeKind::Counter { parts, .. } if !parts.is_empty() => {
            format!("{}.{}", attribute.name, parts[0].name)
        }
        _ => attribute.name.clone(),
    }
}
