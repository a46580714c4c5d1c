//! The comparisons, and their required ratios.

use usher_bench_work::rules::{self, Profile, Rule};
use usher_bench_work::{self as work, size, usher};

use crate::measure::Run;
use crate::subject::cel::Cel;
use crate::subject::datalogic::Datalogic;
use crate::subject::wirefilter::Wirefilter;
use crate::subject::yggdrasil::Yggdrasil;
use crate::subject::zen::Zen;
use crate::subject::{atree, building, evaluation, looping, looping_from_profiles, setup};
use crate::{bundle, stored, window};

/// One line of the report.
pub struct Row {
    /// Names it on the command line.
    pub id: &'static str,
    /// The task of both.
    pub what: &'static str,
    /// Beside whom.
    pub peer: &'static str,
    /// The maximum ratio of time, and the desired one.
    pub must: Option<(f64, f64)>,
    pub ours: fn() -> Run,
    pub theirs: fn() -> Run,
    /// True if both return the same number for the same count.
    pub same: bool,
}

const WIREFILTER: &str = "wirefilter-engine 0.6.1 (the code of 2019)";
const CEL: &str = "cel 0.15.0";
const DATALOGIC: &str = "datalogic-rs 5.4.0";
const ZEN: &str = "zen-expression 2.1.6";
const ATREE: &str = "a-tree 0.6.1";
const YGGDRASIL: &str = "unleash-yggdrasil 0.21.7 (constraints)";

fn profiles() -> &'static [Profile] {
    rules::profiles(size::PROFILES_SEED, size::PROFILES).leak()
}

fn mix() -> Vec<Rule> {
    rules::mix(size::MIX_SEED)
}

fn nested() -> Vec<Rule> {
    rules::nested(size::NESTED_SEED, size::NESTED, false)
}

pub fn sections(count: usize) -> Vec<Rule> {
    rules::sections(size::SECTIONS_SEED, count)
}

fn of(work: usize) -> Run {
    Box::new(move |n| work::run(work, n))
}

/// All of the engine's criteria on text, one after the other.
fn usher_setup(rules: &[Rule]) -> Run {
    let texts: Vec<String> = rules.iter().map(usher::spell).collect();
    Box::new(move |n| {
        work::cycle::turns(n, texts.len(), |turn| {
            std::hint::black_box(usher::compile(&texts[turn]));
            1
        })
    })
}

/// A row of each of the twenty rules, from values: what they are evaluated on is a rule's own.
fn usher_building() -> Run {
    let criteria: Vec<_> = mix().iter().map(|rule| usher::compile(&usher::spell(rule))).collect();
    let values: Vec<_> = profiles().iter().map(usher::values).collect();
    Box::new(move |n| {
        work::cycle::turns(n, values.len(), |turn| {
            for criterion in &criteria {
                std::hint::black_box(usher::row(criterion, &values[turn]));
            }
            1
        })
    })
}

/// A row whose sides are other than the rules' evaluation.
macro_rules! row {
    ($id:literal, $what:literal, $peer:expr, $must:expr, $ours:expr, $theirs:expr) => {
        row!($id, $what, $peer, $must, $ours, $theirs, true)
    };
    ($id:literal, $what:literal, $peer:expr, $must:expr, $ours:expr, $theirs:expr, $same:expr) => {
        Row {
            id: $id,
            what: $what,
            peer: $peer,
            must: $must,
            ours: || $ours,
            theirs: || Box::new($theirs),
            same: $same,
        }
    };
}

/// The rows that are timed natively, in the order of the report.
pub fn native() -> Vec<Row> {
    const ONE: &str = "one criterion, weighted mix";
    const NESTED: &str = "nested rule of 8 criteria";
    vec![
        Row {
            what: ONE,
            ..row!(
                "mix-wirefilter",
                "",
                WIREFILTER,
                Some((1.0, 0.7)),
                of(0),
                evaluation::<Wirefilter>(&mix(), profiles())
            )
        },
        Row {
            what: ONE,
            ..row!("mix-cel", "", CEL, Some((0.1, 1.0 / 18.0)), of(0), evaluation::<Cel>(&mix(), profiles()))
        },
        Row {
            what: ONE,
            ..row!("mix-yggdrasil", "", YGGDRASIL, None, of(0), evaluation::<Yggdrasil>(&mix(), profiles()))
        },
        row!(
            "mix-setup-wirefilter",
            "  its setup: text → compiled",
            WIREFILTER,
            None,
            usher_setup(&mix()),
            setup::<Wirefilter>(&mix())
        ),
        row!(
            "mix-setup-cel",
            "  its setup: text → compiled",
            CEL,
            None,
            usher_setup(&mix()),
            setup::<Cel>(&mix())
        ),
        row!(
            "mix-context-wirefilter",
            "  its context: a profile for the 20 rules",
            WIREFILTER,
            None,
            usher_building(),
            building::<Wirefilter>(profiles())
        ),
        row!(
            "mix-context-cel",
            "  its context: a profile for the 20 rules",
            CEL,
            None,
            usher_building(),
            building::<Cel>(profiles())
        ),
        Row {
            what: NESTED,
            ..row!(
                "nested-datalogic",
                "",
                DATALOGIC,
                Some((0.5, 0.2)),
                of(1),
                evaluation::<Datalogic>(&nested(), profiles())
            )
        },
        Row {
            what: NESTED,
            ..row!("nested-zen", "", ZEN, Some((0.25, 0.1)), of(1), evaluation::<Zen>(&nested(), profiles()))
        },
        Row {
            what: NESTED,
            ..row!(
                "nested-wirefilter",
                "",
                WIREFILTER,
                None,
                of(1),
                evaluation::<Wirefilter>(&nested(), profiles())
            )
        },
        row!(
            "nested-setup-datalogic",
            "  its setup: text → compiled",
            DATALOGIC,
            None,
            usher_setup(&nested()),
            setup::<Datalogic>(&nested())
        ),
        row!(
            "nested-setup-zen",
            "  its setup: text → compiled",
            ZEN,
            None,
            usher_setup(&nested()),
            setup::<Zen>(&nested())
        ),
        row!(
            "nested-context-datalogic",
            "  its context: a profile for 20 rules",
            DATALOGIC,
            None,
            usher_building(),
            building::<Datalogic>(profiles())
        ),
        row!(
            "nested-context-zen",
            "  its context: a profile for 20 rules",
            ZEN,
            None,
            usher_building(),
            building::<Zen>(profiles())
        ),
        row!(
            "matching-100-wirefilter",
            "all matching of 100 sections × 5",
            WIREFILTER,
            Some((0.5, 0.25)),
            of(2),
            looping::<Wirefilter>(&sections(100), profiles())
        ),
        row!(
            "matching-100-atree",
            "all matching of 100 sections × 5",
            ATREE,
            Some((1.0, 0.5)),
            of(2),
            atree::matching(&sections(100), profiles())
        ),
        row!(
            "matching-100-yggdrasil",
            "all matching of 100 sections × 5",
            YGGDRASIL,
            None,
            of(2),
            looping::<Yggdrasil>(&sections(100), profiles())
        ),
        row!(
            "matching-1000-wirefilter",
            "all matching of 1,000 sections × 5",
            WIREFILTER,
            Some((0.2, 0.1)),
            of(3),
            looping::<Wirefilter>(&sections(1_000), profiles())
        ),
        row!(
            "matching-1000-atree",
            "all matching of 1,000 sections × 5",
            ATREE,
            Some((0.5, 0.25)),
            of(3),
            atree::matching(&sections(1_000), profiles())
        ),
        row!(
            "matching-100-profile-wirefilter",
            "  the same, the context in it on both sides: 100",
            WIREFILTER,
            None,
            Box::new(usher::matching_from_profiles(&sections(100), profiles())),
            looping_from_profiles::<Wirefilter>(&sections(100), profiles())
        ),
        row!(
            "matching-100-profile-atree",
            "  the same, the context in it on both sides: 100",
            ATREE,
            None,
            Box::new(usher::matching_from_profiles(&sections(100), profiles())),
            atree::matching_from_profiles(&sections(100), profiles())
        ),
        row!(
            "matching-1000-profile-wirefilter",
            "  the same, the context in it on both sides: 1,000",
            WIREFILTER,
            None,
            Box::new(usher::matching_from_profiles(&sections(1_000), profiles())),
            looping_from_profiles::<Wirefilter>(&sections(1_000), profiles())
        ),
        row!(
            "matching-1000-profile-atree",
            "  the same, the context in it on both sides: 1,000",
            ATREE,
            None,
            Box::new(usher::matching_from_profiles(&sections(1_000), profiles())),
            atree::matching_from_profiles(&sections(1_000), profiles())
        ),
        row!(
            "matching-growth",
            "all matching: 1,000 sections",
            "usher with 100 sections",
            None,
            of(3),
            work_boxed(2),
            false
        ),
        row!(
            "first-growth",
            "first match: 10,000 sections, 10 candidates",
            "usher with 100 sections",
            Some((3.0, 1.5)),
            Box::new(usher::first(10_000)),
            usher::first(100)
        ),
        row!(
            "open-rkyv",
            "open 60 attributes, read 8",
            "rkyv 0.8.18, validated",
            Some((1.5, 1.0)),
            of(6),
            stored::rkyv()
        ),
        row!(
            "open-json",
            "open 60 attributes, read 8",
            "serde_json, typed",
            Some((0.1, 0.05)),
            of(6),
            stored::json()
        ),
        row!(
            "open-postcard",
            "open 60 attributes, read 8",
            "postcard 1.1.3",
            Some((1.0 / 3.0, 1.0 / 6.0)),
            of(6),
            stored::postcard()
        ),
        row!(
            "update-10-deques",
            "update 10 counters, 10 events per window",
            "exact deques",
            None,
            of(4),
            window::deques(10)
        ),
        row!(
            "update-10-rings",
            "update 10 counters, 10 events per window",
            "the ring by hand",
            None,
            of(4),
            window::rings(10)
        ),
        row!(
            "update-1000-deques",
            "update 10 counters, 1,000 per window",
            "exact deques",
            Some((1.0 / 3.0, 0.2)),
            of(5),
            window::deques(1_000)
        ),
        row!(
            "update-1000-rings",
            "update 10 counters, 1,000 per window",
            "the ring by hand",
            Some((1.3, 1.1)),
            of(5),
            window::rings(1_000)
        ),
        row!(
            "update-1000-stored",
            "  the same out of storage and back",
            "exact deques by postcard",
            Some((1.0 / 3.0, 0.2)),
            of(7),
            window::deques_stored(1_000),
            false
        ),
        row!(
            "update-1000-rings-stored",
            "  the same out of storage and back",
            "the ring by hand, by postcard",
            Some((1.3, 1.1)),
            of(7),
            window::rings_stored(1_000),
            false
        ),
        row!(
            "bundle-wirefilter",
            "1,000 sections: stored bytes → ready",
            WIREFILTER,
            Some((0.5, 0.25)),
            bundle::usher(),
            bundle::wirefilter()
        ),
    ]
}

fn work_boxed(number: usize) -> impl FnMut(u64) -> u64 {
    move |n| work::run(number, n)
}

/// The works that run as wasm, too, by their number in `usher_bench_work`.
pub const WASM: [(usize, &str); 6] = [
    (0, "one criterion, weighted mix"),
    (1, "nested rule of 8 criteria"),
    (2, "all matching of 100 sections × 5"),
    (3, "all matching of 1,000 sections × 5"),
    (4, "update 10 counters, 10 events per window"),
    (5, "update 10 counters, 1,000 per window"),
];
