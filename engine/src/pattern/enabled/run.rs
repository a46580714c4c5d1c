//! Runs a program on a text: all paths at once, character by character.
//!
//! A set of steps has one bit for each. Between two characters every step is taken at most once, so the work is bounded
//! by text × program, and nothing is allocated.

use core::mem;

use super::parse::Assert;
use super::program::{Program, Step};
use crate::limits::PATTERN_SIZE_MAX;

const WORDS: usize = PATTERN_SIZE_MAX.div_ceil(64);

impl Program {
    /// True if the pattern is found anywhere; `each` is called for every step.
    pub(super) fn is_match(&self, text: &str, mut each: impl FnMut()) -> bool {
        let (mut one, mut other) = (OpenSteps::new(), OpenSteps::new());
        let (mut here, mut there) = (&mut one, &mut other);
        let mut rest = text.chars();
        let mut before = None;
        here.add(self.start);
        loop {
            let after = rest.next();
            while let Some(number) = here.take() {
                each();
                match self.steps.get(number) {
                    Some(Step::Assert(assert, next)) if assert.holds(before, after) => here.add(*next),
                    Some(Step::Char(wanted, next)) if after == Some(*wanted) => there.add(*next),
                    Some(Step::Class(class, next)) if after.is_some_and(|after| self.has(*class, after)) => {
                        there.add(*next);
                    }
                    Some(Step::Match) => return true,
                    Some(Step::Split(one, other)) => {
                        here.add(*one);
                        here.add(*other);
                    }
                    _ => {}
                }
            }
            if after.is_none() {
                return false;
            }
            before = after;
            here.forget(self.steps.len());
            mem::swap(&mut here, &mut there);
            if !self.anchored {
                here.add(self.start);
            } else if here.is_empty() {
                return false;
            }
        }
    }

    fn has(&self, class: u16, character: char) -> bool {
        self.classes.get(usize::from(class)).is_some_and(|class| class.has(character))
    }
}

/// The steps to take at one position of the text.
struct OpenSteps {
    open: [u64; WORDS],
    taken: [u64; WORDS],
    /// The last word that may hold an open step.
    last: usize,
}

impl OpenSteps {
    fn new() -> OpenSteps {
        OpenSteps { open: [0; WORDS], taken: [0; WORDS], last: 0 }
    }

    /// Opens a step, unless it was taken at this position.
    fn add(&mut self, number: u16) {
        let index = usize::from(number >> 6);
        let bit = 1_u64.wrapping_shl(number.into());
        if let (Some(open), Some(taken)) = (self.open.get_mut(index), self.taken.get(index))
            && taken & bit == 0
        {
            *open |= bit;
            self.last = self.last.max(index);
        }
    }

    /// Takes the open step of the highest number: programs are built from their end, so most steps lead to lower ones.
    fn take(&mut self) -> Option<usize> {
        loop {
            let open = self.open.get_mut(self.last)?;
            if let Some(bit) = open.checked_ilog2() {
                let mask = 1_u64.wrapping_shl(bit);
                *open ^= mask;
                if let Some(taken) = self.taken.get_mut(self.last) {
                    *taken |= mask;
                }
                return Some(self.last.wrapping_mul(64).wrapping_add(bit as usize));
            }
            if self.last == 0 {
                return None;
            }
            self.last = self.last.wrapping_sub(1);
        }
    }

    fn is_empty(&self) -> bool {
        self.last == 0 && self.open.first() == Some(&0)
    }

    /// Resets it for a program of this size, with no step open.
    fn forget(&mut self, steps: usize) {
        self.taken.iter_mut().take(steps.div_ceil(64)).for_each(|word| *word = 0);
    }
}

impl Assert {
    fn holds(self, before: Option<char>, after: Option<char>) -> bool {
        let is_word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
        match self {
            Assert::End => after.is_none(),
            Assert::LineEnd => matches!(after, None | Some('\n')),
            Assert::LineStart => matches!(before, None | Some('\n')),
            Assert::NoBoundary => is_word(before) == is_word(after),
            Assert::Start => before.is_none(),
            Assert::WordBoundary => is_word(before) != is_word(after),
        }
    }
}
