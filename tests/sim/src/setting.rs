//! The choices of a seed before the run: the kind of deployment, and the faults that it meets.

use crate::chance::Chance;
use crate::deployment::People;

/// The kinds of deployment, after the hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// As on Cloudflare: fronts in several isolates, one object that writes, one that controls, copies in isolates and KV.
    Objects,
    /// As in Spin: several instances on one database, whose messages come between one another.
    Shared,
    /// As natively: one process, which runs a request to its end.
    Whole,
}

/// A kind of fault; a run can do without it, to find what a failure needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Requests, messages or answers are lost.
    Lost,
    /// Requests arrive twice.
    Twice,
    /// Things take long, so that they overtake one another.
    Slow,
    /// Processes and objects die.
    Crash,
    /// Storage fails to read or to write.
    Disk,
    /// A write is made and its answer lost.
    Doubt,
    /// KV is late, slow or down.
    Kv,
    /// Clocks differ, drift and jump.
    Clock,
    /// Bundles are published and rolled back.
    Release,
    /// Isolates restart with another form.
    Form,
    /// Visitors share browsers.
    Sharing,
    /// The control object loses its data.
    Loss,
    /// Profiles are erased.
    Erase,
}

impl Fault {
    /// All of them, with the names by which a replay leaves them out.
    pub const ALL: [(Fault, &str); 13] = [
        (Fault::Lost, "lost"),
        (Fault::Twice, "twice"),
        (Fault::Slow, "slow"),
        (Fault::Crash, "crash"),
        (Fault::Disk, "disk"),
        (Fault::Doubt, "doubt"),
        (Fault::Kv, "kv"),
        (Fault::Clock, "clock"),
        (Fault::Release, "release"),
        (Fault::Form, "form"),
        (Fault::Sharing, "sharing"),
        (Fault::Loss, "loss"),
        (Fault::Erase, "erase"),
    ];
}

/// The decisions of a seed.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Its kind.
    pub style: Style,
    /// True for SQLite, false for the store in memory.
    pub sqlite: bool,
    /// Whether people have a primary key.
    pub people: People,
    /// The number of isolates.
    pub isolates: usize,
    /// The number of shards.
    pub shards: u32,
    /// The number of people.
    pub persons: usize,
    /// The number of actions: requests, crashes, jumps.
    pub actions: usize,
    /// The form that each isolate is set to write first, 0 for none.
    pub forms: Vec<u8>,
    /// True if nothing newer than form 1 may be seen, because the previous release runs beside.
    pub only_form_1: bool,
    /// The frequency of each fault, in percent of its occasions.
    rates: [u32; Fault::ALL.len()],
}

impl Setting {
    /// The setting of a seed, without these faults.
    pub fn of(chance: &mut Chance, without: &[Fault]) -> Setting {
        let style = match chance.below(10) {
            0..=4 => Style::Objects,
            5..=7 => Style::Shared,
            _ => Style::Whole,
        };
        let isolates = match style {
            Style::Objects => 2 + chance.below(3),
            Style::Shared => 2 + chance.below(2),
            Style::Whole => 1,
        };
        let shards = match (style, chance.below(10)) {
            (Style::Objects, 0..=4) => 2 + chance.below(3) as u32,
            _ => 1,
        };
        let sqlite = chance.percent(15);
        let people = if chance.percent(65) { People::Merge } else { People::StayApart };
        let mixed = if shards > 1 { 1 } else { chance.below(4) };
        let forms: Vec<u8> = (0..isolates)
            .map(|_| match mixed {
                0 => 1,
                1 => 2,
                2 => 0,
                _ => 1 + (chance.below(2) as u8),
            })
            .collect();
        let mut rates = Fault::ALL.map(|(fault, _)| {
            let rate = *chance.pick(&[0, 2, 5, 12, 30]);
            if fault == Fault::Loss { rate / 5 } else { rate }
        });
        // Several shards need form 2; the time of an alarm is the object's own, which is not set wrong here.
        let alone: &[Fault] = if shards > 1 { &[Fault::Form, Fault::Clock, Fault::Loss] } else { &[] };
        for (fault, rate) in Fault::ALL.iter().zip(&mut rates) {
            // An erasure leaves less to be held to other laws.
            if shards > 1 && fault.0 == Fault::Erase && *rate < 12 {
                *rate = 0;
            }
            if without.contains(&fault.0) || alone.contains(&fault.0) {
                *rate = 0;
            }
        }
        let (persons, actions) = (2 + chance.below(4), 12 + chance.below(50));
        let mut setting = Setting {
            style,
            shards,
            sqlite,
            people,
            isolates,
            persons,
            actions,
            forms,
            only_form_1: false,
            rates,
        };
        let all_1 = setting.forms.iter().all(|form| *form < 2);
        setting.only_form_1 = all_1 && setting.rate(Fault::Form) == 0;
        setting
    }

    /// The frequency of a fault, in percent of its occasions.
    pub fn rate(&self, fault: Fault) -> u32 {
        self.rates[Fault::ALL.iter().position(|(known, _)| *known == fault).expect("one of all")]
    }

    /// No further faults: what remains comes to its end.
    pub fn heal(&mut self) {
        self.rates = [0; Fault::ALL.len()];
    }
}
