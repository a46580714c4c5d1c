//! Before anything is timed: every subject says the same of every rule and profile as the rule itself.

use std::panic::{AssertUnwindSafe, catch_unwind};

use usher_bench_work::rules::{self, Profile, Rule, decide};
use usher_bench_work::usher;
use usher_engine::Plan;

use crate::subject::cel::Cel;
use crate::subject::datalogic::Datalogic;
use crate::subject::wirefilter::Wirefilter;
use crate::subject::yggdrasil::Yggdrasil;
use crate::subject::zen::Zen;
use crate::subject::{Subject, atree};

/// The number of profiles that every subject decides.
const PROFILES: usize = 10_000;

/// The result of a comparison.
pub struct Agreement {
    pub rules: usize,
    /// Rules that some subject has no words for.
    pub dropped: usize,
    pub profiles: usize,
    /// Answers of all subjects together.
    pub answers: usize,
}

/// Asks everybody about the rules that the rows use and more of their kind; the first disagreement is the error.
pub fn agree() -> Result<Agreement, String> {
    let mut all = rules::mix(usher_bench_work::size::MIX_SEED);
    all.extend(rules::mix(101));
    all.extend(rules::nested(usher_bench_work::size::NESTED_SEED, usher_bench_work::size::NESTED, false));
    all.extend(rules::nested(102, 60, true));
    all.extend(rules::sections(usher_bench_work::size::SECTIONS_SEED, 60));
    let before = all.len();
    all.retain(|rule| {
        let said = [
            atree::spell(rule),
            Cel::spell(rule),
            Datalogic::spell(rule),
            Wirefilter::spell(rule),
            Yggdrasil::spell(rule),
            Zen::spell(rule),
        ];
        said.iter().all(Option::is_some)
    });
    let dropped = before - all.len();
    let profiles: &'static [Profile] = rules::profiles(103, PROFILES).leak();
    let expected: Vec<Vec<bool>> =
        profiles.iter().map(|profile| all.iter().map(|rule| decide(rule, profile)).collect()).collect();

    let values: Vec<_> = profiles.iter().map(usher::values).collect();
    let criteria: Vec<_> = all.iter().map(|rule| usher::compile(&usher::spell(rule))).collect();
    let holds = |rule: usize, profile: usize| {
        let criterion = &criteria[rule];
        usher::holds(criterion, &usher::row(criterion, &values[profile]))
    };
    compare("usher", &all, profiles, &expected, holds)?;
    one_by_one::<Cel>("cel", &all, profiles, &expected)?;
    one_by_one::<Datalogic>("datalogic-rs", &all, profiles, &expected)?;
    one_by_one::<Wirefilter>("wirefilter", &all, profiles, &expected)?;
    one_by_one::<Yggdrasil>("unleash-yggdrasil", &all, profiles, &expected)?;
    one_by_one::<Zen>("zen-expression", &all, profiles, &expected)?;

    let tree = atree::tree(&all);
    let plan = Plan::compile(&usher::sections(&all)).map_err(|findings| format!("{findings:?}"))?;
    for (profile, expected) in profiles.iter().zip(&expected) {
        let wanted: Vec<u64> =
            (0..all.len()).filter(|rule| expected[*rule]).map(|rule| rule as u64).collect();
        let found = atree::found(&tree, &atree::event(&tree, profile));
        differ("a-tree", &all, profile, &wanted, &found)?;
        let mut entered = Vec::new();
        usher::entered(&plan, &usher::visitor(profile), &[0], &mut entered);
        let found: Vec<u64> = entered.iter().map(|(_, section)| *section as u64).collect();
        differ("usher's plan", &all, profile, &wanted, &found)?;
    }
    let answers = 8 * all.len() * profiles.len();
    Ok(Agreement { rules: all.len(), dropped, profiles: profiles.len(), answers })
}

fn one_by_one<S: Subject>(
    who: &str,
    all: &[Rule],
    profiles: &'static [Profile],
    expected: &[Vec<bool>],
) -> Result<(), String> {
    let mut subject = S::new();
    let texts: Vec<String> = all.iter().filter_map(S::spell).collect();
    let compiled: Vec<_> = texts.iter().map(|text| subject.compile(text)).collect();
    let contexts: Vec<_> = profiles.iter().map(|profile| subject.context(profile)).collect();
    let mut last = (0, 0);
    let compared = catch_unwind(AssertUnwindSafe(|| {
        compare(who, all, profiles, expected, |rule, profile| {
            last = (rule, profile);
            subject.evaluate(&compiled[rule], &contexts[profile])
        })
    }));
    compared
        .unwrap_or_else(|_| Err(format!("{who} panicked on {} and {:?}", texts[last.0], profiles[last.1])))
}

fn compare(
    who: &str,
    all: &[Rule],
    profiles: &[Profile],
    expected: &[Vec<bool>],
    mut said: impl FnMut(usize, usize) -> bool,
) -> Result<(), String> {
    for (profile, expected) in expected.iter().enumerate() {
        for (rule, expected) in expected.iter().enumerate() {
            if said(rule, profile) != *expected {
                let (rule, profile) = (&all[rule], &profiles[profile]);
                return Err(format!("{who} does not say {expected}:\n  {rule:?}\n  {profile:?}"));
            }
        }
    }
    Ok(())
}

fn differ(who: &str, all: &[Rule], profile: &Profile, wanted: &[u64], found: &[u64]) -> Result<(), String> {
    let odd = wanted
        .iter()
        .find(|rule| !found.contains(rule))
        .or_else(|| found.iter().find(|rule| !wanted.contains(rule)));
    match odd.and_then(|rule| all.get(*rule as usize)) {
        Some(rule) => {
            Err(format!("{who} does not say {}:\n  {rule:?}\n  {profile:?}", decide(rule, profile)))
        }
        None if wanted.len() != found.len() => Err(format!("{who} found {found:?}, not {wanted:?}")),
        None => Ok(()),
    }
}
