//! Progress: the state of one journey in a profile, with its merge law.
//!
//! A profile keeps the entries that ended, up to a bound, and one current entry. Merging unites what ended; of two current
//! entries the greater stays, by (index of the stage, time of the step, time of entry, profile of entry).
//!
//! Parts of the journey are named by hashes of their ids ([`xxh3::name`](crate::xxh3::name)), so an entry takes few bytes
//! however long ids are.

use alloc::vec::Vec;

use crate::bytes::{Reader, Writer};
use crate::limits::{FINISHED_MAX, SPLITS_MAX};

/// The progress of a visitor in one journey.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Entries that ended, descending, at most [`FINISHED_MAX`]: first those that reached the goal.
    pub finished: Vec<Finished>,
    /// The entry that goes on.
    pub current: Option<Current>,
}

/// An entry that goes on. Its order is that of merges: of two the greater stays.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Current {
    /// The index of the stage, when it was written last.
    pub stage_index: u32,
    /// When it came to the step, Unix milliseconds.
    pub stepped_ms: i64,
    /// When it entered the journey.
    pub entered_ms: i64,
    /// The id of the profile with which it entered.
    pub by: [u8; 16],
    /// The stage.
    pub stage: u64,
    /// When it entered the stage.
    pub staged_ms: i64,
    /// The step at which it is. None: the stage has none, or its milestone is reached.
    pub step: Option<u64>,
    /// Why it is there.
    pub rest: Rest,
    /// `HASH` of journey and profile, by which it is split.
    pub draw: u64,
    /// The steps that split it, each with the arm.
    pub arms: Vec<(u64, u64)>,
}

/// Why an entry stays where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rest {
    /// It waits until this time, Unix milliseconds.
    Waiting(i64),
    /// The steps of the stage ended.
    Ended,
    /// The milestone is reached; the next stage lets it in under conditions.
    Completed,
}

/// An entry that ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finished {
    /// True if it reached the goal.
    pub goal: bool,
    /// When it ended, Unix milliseconds.
    pub ended_ms: i64,
    /// When it entered.
    pub entered_ms: i64,
    /// The id of the profile with which it entered.
    pub by: [u8; 16],
    /// The stage in which it ended.
    pub stage: u64,
    /// The reason of its end.
    pub how: Ending,
    /// The steps that split it, each with the arm.
    pub arms: Vec<(u64, u64)>,
}

/// The reason for which an entry ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// It completed the last stage.
    Completed,
    /// It reached the goal.
    Goal,
    /// By an exit of the stage.
    Exit(u64),
    /// It went on in another journey.
    Jumped,
    /// The definition does not have its step any more.
    StepRemoved,
}

impl Ending {
    /// A stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Ending::Completed => "completed",
            Ending::Goal => "goal",
            Ending::Exit(_) => "exit",
            Ending::Jumped => "jumped",
            Ending::StepRemoved => "step_removed",
        }
    }
}

impl Progress {
    /// Merges the progress of another profile. Commutative, associative and idempotent.
    pub(crate) fn merge(&mut self, other: Progress) {
        for finished in other.finished {
            self.finish(finished);
        }
        self.current = self.current.take().max(other.current);
    }

    /// Adds an entry that ended.
    pub(crate) fn finish(&mut self, ended: Finished) {
        let place = self.finished.binary_search_by(|known| ended.cmp(known));
        if let Err(place) = place {
            self.finished.insert(place, ended);
            self.finished.truncate(FINISHED_MAX);
        }
    }

    /// True if it holds nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.current.is_none() && self.finished.is_empty()
    }
}

fn write_arms(w: &mut Writer, arms: &[(u64, u64)]) {
    w.list(arms, |w, (step, arm)| {
        w.bytes(&step.to_le_bytes());
        w.bytes(&arm.to_le_bytes());
    });
}

fn read_arms(r: &mut Reader<'_>) -> Vec<(u64, u64)> {
    let arms = r.many(|r| (r.hash(), r.hash()));
    if arms.len() > SPLITS_MAX {
        r.fail("an entry is split too often");
    }
    arms
}

/// Writes the progress, without its kind.
pub(crate) fn write(w: &mut Writer, progress: &Progress) {
    w.list(&progress.finished, |w, ended| {
        w.signed(ended.ended_ms);
        w.signed(ended.entered_ms);
        w.bytes(&ended.by);
        w.bytes(&ended.stage.to_le_bytes());
        match ended.how {
            Ending::Completed => w.byte(0),
            Ending::Goal => w.byte(1),
            Ending::Exit(exit) => {
                w.byte(2);
                w.bytes(&exit.to_le_bytes());
            }
            Ending::Jumped => w.byte(3),
            Ending::StepRemoved => w.byte(4),
        }
        write_arms(w, &ended.arms);
    });
    w.optional(progress.current.as_ref(), |w, current| {
        w.unsigned(current.stage_index.into());
        w.signed(current.stepped_ms);
        w.signed(current.entered_ms);
        w.bytes(&current.by);
        w.bytes(&current.stage.to_le_bytes());
        w.signed(current.staged_ms);
        w.optional(current.step.as_ref(), |w, step| w.bytes(&step.to_le_bytes()));
        match current.rest {
            Rest::Waiting(due_ms) => {
                w.byte(0);
                w.signed(due_ms);
            }
            Rest::Ended => w.byte(1),
            Rest::Completed => w.byte(2),
        }
        w.bytes(&current.draw.to_le_bytes());
        write_arms(w, &current.arms);
    });
}

/// Reads what [`write`] wrote.
pub(crate) fn read(r: &mut Reader<'_>) -> Progress {
    let finished: Vec<Finished> = r.many(|r| {
        let (ended_ms, entered_ms, by, stage) = (r.signed(), r.signed(), r.array(), r.hash());
        let how = match r.byte() {
            0 => Ending::Completed,
            1 => Ending::Goal,
            2 => Ending::Exit(r.hash()),
            3 => Ending::Jumped,
            4 => Ending::StepRemoved,
            _ => {
                r.fail("an entry ended in an unknown way");
                Ending::Completed
            }
        };
        let goal = how == Ending::Goal;
        Finished { goal, ended_ms, entered_ms, by, stage, how, arms: read_arms(r) }
    });
    let current = r.optional(|r| {
        let stage_index = u32::try_from(r.unsigned()).unwrap_or(u32::MAX);
        let (stepped_ms, entered_ms, by) = (r.signed(), r.signed(), r.array());
        let (stage, staged_ms, step) = (r.hash(), r.signed(), r.optional(Reader::hash));
        let rest = match r.byte() {
            0 => Rest::Waiting(r.signed()),
            1 => Rest::Ended,
            2 => Rest::Completed,
            _ => {
                r.fail("an entry rests for an unknown reason");
                Rest::Ended
            }
        };
        let (draw, arms) = (r.hash(), read_arms(r));
        Current { stage_index, stepped_ms, entered_ms, by, stage, staged_ms, step, rest, draw, arms }
    });
    if !finished.is_sorted_by(|a, b| a > b) {
        r.fail("entries are not in order");
    }
    Progress { finished, current }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn current() -> impl Strategy<Value = Current> {
        let rest =
            prop_oneof![any::<i64>().prop_map(Rest::Waiting), Just(Rest::Ended), Just(Rest::Completed)];
        let numbers =
            (0_u32..3, 0_i64..3, 0_i64..3, 0_u8..2, 0_u64..2, any::<Option<u64>>(), rest, any::<u64>());
        (numbers, prop::collection::vec(any::<(u64, u64)>(), 0..3)).prop_map(
            |((stage_index, stepped_ms, entered_ms, by, stage, step, rest, draw), arms)| Current {
                stage_index,
                stepped_ms,
                entered_ms,
                by: [by; 16],
                stage,
                staged_ms: entered_ms,
                step,
                rest,
                draw,
                arms,
            },
        )
    }

    fn finished() -> impl Strategy<Value = Finished> {
        let how = prop_oneof![
            Just(Ending::Completed),
            Just(Ending::Goal),
            any::<u64>().prop_map(Ending::Exit),
            Just(Ending::Jumped),
            Just(Ending::StepRemoved),
        ];
        (0_i64..50, 0_i64..3, 0_u8..2, any::<u64>(), how).prop_map(
            |(ended_ms, entered_ms, by, stage, how)| Finished {
                goal: how == Ending::Goal,
                ended_ms,
                entered_ms,
                by: [by; 16],
                stage,
                how,
                arms: Vec::new(),
            },
        )
    }

    fn progress() -> impl Strategy<Value = Progress> {
        (prop::collection::vec(finished(), 0..12), prop::option::of(current())).prop_map(|(all, current)| {
            let mut progress = Progress { finished: Vec::new(), current };
            all.into_iter().for_each(|ended| progress.finish(ended));
            progress
        })
    }

    fn merged(a: &Progress, b: &Progress) -> Progress {
        let mut all = a.clone();
        all.merge(b.clone());
        all
    }

    proptest! {
        #[test]
        fn merging_does_not_depend_on_order(a in progress(), b in progress(), c in progress()) {
            prop_assert_eq!(merged(&a, &b), merged(&b, &a));
            prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
            prop_assert_eq!(merged(&a, &a), a);
        }

        #[test]
        fn what_is_written_is_read(progress in progress()) {
            let mut w = Writer::default();
            write(&mut w, &progress);
            let mut r = Reader::new(&w.0);
            prop_assert_eq!(read(&mut r), progress);
            prop_assert!(r.finish().is_ok());
        }
    }
}
