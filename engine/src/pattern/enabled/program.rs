//! Compiles a tree to a program: numbered steps, each with the number of the next.
//!
//! Built from its end to its beginning, so that the next step has a number already. Counted repetitions are unrolled;
//! the bound on the program's size limits them.

use alloc::vec::Vec;

use super::class::Class;
use super::parse::{Assert, Node, Tree};
use crate::flat::flat;
use crate::limits::PATTERN_SIZE_MAX;

/// A compiled pattern that comparisons cannot replace.
#[derive(Debug)]
pub(crate) struct Program {
    pub(super) steps: Vec<Step>,
    pub(super) classes: Vec<Class>,
    pub(super) start: u16,
    /// True if it can match only at the start of the text.
    pub(super) anchored: bool,
    /// The most that one character of a text costs.
    pub(super) weight: usize,
}

/// One step, and the number of the next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// Continues if this holds between two characters.
    Assert(Assert, u16),
    /// Consumes this character.
    Char(char, u16),
    /// Consumes a character of the class of this number.
    Class(u16, u16),
    /// The pattern matches.
    Match,
    /// Continues at both steps.
    Split(u16, u16),
}

impl Program {
    /// Compiles a tree; None if it becomes too large.
    pub(super) fn of(tree: Tree) -> Option<Program> {
        let mut builder = Builder { steps: Vec::new(), weight: 0, classes: &tree.classes };
        let end = builder.push(Step::Match, 1)?;
        let start = builder.node(&tree.root, end)?;
        let (steps, weight) = (builder.steps, builder.weight);
        Some(Program { steps, start, weight, anchored: is_anchored(&tree.root), classes: tree.classes })
    }
}

/// True if every path into a node requires the start of the text.
fn is_anchored(node: &Node) -> bool {
    match node {
        Node::Assert(assert) => *assert == Assert::Start,
        Node::Concat(parts) => parts.first().is_some_and(is_anchored),
        Node::Either(branches) => branches.iter().all(is_anchored),
        Node::Repeat(part, least, _) => *least > 0 && is_anchored(part),
        Node::Char(_) | Node::Class(_) => false,
    }
}

struct Builder<'t> {
    steps: Vec<Step>,
    /// The most that one character of a text costs.
    weight: usize,
    classes: &'t [Class],
}

impl Builder<'_> {
    fn push(&mut self, step: Step, weight: usize) -> Option<u16> {
        self.weight = self.weight.saturating_add(weight);
        if self.weight > PATTERN_SIZE_MAX {
            return None;
        }
        let number = u16::try_from(self.steps.len()).ok()?;
        self.steps.push(step);
        Some(number)
    }

    /// Adds the steps of a node that continues at `next`. Returns its first step.
    fn node(&mut self, node: &Node, next: u16) -> Option<u16> {
        Some(match node {
            Node::Assert(assert) => self.push(Step::Assert(*assert, next), 1)?,
            Node::Char(character) => self.push(Step::Char(*character, next), 1)?,
            Node::Class(number) => {
                let weight = self.classes.get(*number)?.weight();
                self.push(Step::Class(u16::try_from(*number).ok()?, next), weight)?
            }
            Node::Concat(parts) => {
                let mut first = next;
                for part in parts.iter().rev() {
                    first = self.node(part, first)?;
                }
                first
            }
            Node::Either(branches) => {
                let mut first = None;
                for branch in branches.iter().rev() {
                    let entry = self.node(branch, next)?;
                    first = Some(match first {
                        Some(other) => self.push(Step::Split(entry, other), 1)?,
                        None => entry,
                    });
                }
                first?
            }
            Node::Repeat(part, least, most) => self.repeat(part, *least, *most, next)?,
        })
    }

    fn repeat(&mut self, part: &Node, least: u32, most: Option<u32>, next: u16) -> Option<u16> {
        let mut first = next;
        let mut required = least;
        match most {
            Some(most) => {
                for _ in least..most {
                    let entry = self.node(part, first)?;
                    if entry == first {
                        break;
                    }
                    first = self.push(Step::Split(entry, next), 1)?;
                }
            }
            None => {
                let split = self.push(Step::Split(next, next), 1)?;
                let entry = self.node(part, split)?;
                if let Some(step) = self.steps.get_mut(usize::from(split)) {
                    *step = Step::Split(entry, next);
                }
                first = if least == 0 { split } else { entry };
                required = least.saturating_sub(1);
            }
        }
        for _ in 0..required {
            let entry = self.node(part, first)?;
            // A body without steps adds none the next time either, so nothing would bound the loop.
            if entry == first {
                break;
            }
            first = entry;
        }
        Some(first)
    }
}

flat!(struct Program { steps, classes, start, anchored, weight });
flat!(enum Step { 0 = Match, 1 = Assert(assert, next), 2 = Char(wanted, next), 3 = Class(class, next), 4 = Split(one, other) });
