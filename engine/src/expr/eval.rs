//! Evaluation: three-valued, total, and without allocation.

use alloc::vec::Vec;
use core::hint::cold_path;

use super::compare::held;
use super::op::Op;
use super::operand::Operand;
use super::source::Source;
pub use super::source::Truth;
use super::value::Calc;
use super::{Node, Predicate, Program, TypedSlot, value};
use crate::compare::equal;
use crate::value::{Number, Value};

/// The source of values for one call.
pub(crate) trait Values {
    /// The value of a slot, fitted to its type; missing if it does not fit.
    fn operand(&self, typed: &TypedSlot) -> Operand<'_>;
    /// The value of a slot as it was ingested, before it was fitted; None where it is computed.
    fn ingested(&self, typed: &TypedSlot) -> Option<&Value>;
    /// The time of the call's event; without one that of the request. Unix milliseconds.
    fn event_ms(&self) -> i64;
    /// Unix milliseconds.
    fn now_ms(&self) -> i64;
}

/// Results cached within one call: each value is fetched once, each shared predicate evaluated once.
pub(crate) struct Memo<'v> {
    /// By slot.
    operands: Vec<Option<Operand<'v>>>,
    /// Two bits for each memo: not evaluated, or its truth.
    truths: Vec<u64>,
}

/// The number of memos in a word.
const MEMOS_A_WORD: u32 = u64::BITS / 2;

impl<'v> Memo<'v> {
    pub(crate) fn new(program: &Program) -> Memo<'v> {
        let computed = u32::try_from(program.computed.len()).unwrap_or(u32::MAX);
        // Tests of expressions have the memos behind those of predicates.
        let words = program.memos.saturating_add(computed).div_ceil(MEMOS_A_WORD);
        Memo { operands: alloc::vec![None; program.slots.len()], truths: alloc::vec![0; words as usize] }
    }
}

/// The truth of a criterion. AND stops at false, OR at true.
pub(crate) fn evaluate<'v>(
    program: &Program,
    node: &Node,
    values: &'v impl Values,
    memo: &mut Memo<'v>,
) -> Truth {
    truth(program, node, &mut Remembered { values, memo })
}

/// True if a criterion is true. Like [`evaluate`], but also stops at unknown where only true counts.
pub(crate) fn holds<'v>(
    program: &Program,
    node: &Node,
    values: &'v impl Values,
    memo: &mut Memo<'v>,
) -> bool {
    let frame = &mut Remembered { values, memo };
    match node {
        Node::And(parts) => parts.iter().all(|part| truth(program, part, frame) == Truth::True),
        node => truth(program, node, frame) == Truth::True,
    }
}

/// The value of an expression, as data; None: it is missing.
pub(crate) fn calculate<'v>(
    program: &Program,
    calc: &Calc,
    values: &'v impl Values,
    memo: &mut Memo<'v>,
) -> Option<Value> {
    value::eval::evaluate(program, calc, &mut Remembered { values, memo }).value()
}

/// True if a predicate is true.
#[inline(always)]
pub(crate) fn is_true<'v>(
    program: &Program,
    predicate: u32,
    values: &'v impl Values,
    memo: &mut Memo<'v>,
) -> bool {
    one(program, predicate, &mut Remembered { values, memo }) == Truth::True
}

/// The value of a slot.
pub(crate) fn fetch<'v>(
    program: &Program,
    slot: u32,
    values: &'v impl Values,
    memo: &mut Memo<'v>,
) -> Operand<'v> {
    let Some(cell) = memo.operands.get_mut(slot as usize) else { return Operand::Missing };
    *cell.get_or_insert_with(|| {
        program.slots.get(slot as usize).map_or(Operand::Missing, |typed| values.operand(typed))
    })
}

/// Access to the values and cached results of one evaluation.
pub(crate) trait Frame<'v> {
    /// The value of a slot.
    fn operand(&mut self, program: &Program, slot: u32) -> &Operand<'_>;
    /// The same, for longer than the next one is asked for.
    fn fitted(&mut self, program: &Program, slot: u32) -> Operand<'v>;
    /// The same as it was ingested, before it was fitted; None where it is computed.
    fn ingested(&mut self, program: &Program, slot: u32) -> Option<&'v Value>;
    /// The time of the call's event; without one that of the request. Unix milliseconds.
    fn event_ms(&self) -> i64;
    /// Unix milliseconds.
    fn now_ms(&self) -> i64;
    /// True if results are cached.
    const REMEMBERS: bool;
    /// The cached result of a memo.
    fn recall(&self, memo: u32) -> Option<Truth>;
    /// Caches a result.
    fn keep(&mut self, memo: u32, truth: Truth);
}

impl<'v, F: Frame<'v>> Source<'v> for F {
    fn fitted(&mut self, program: &Program, slot: u32) -> Operand<'v> {
        Frame::fitted(self, program, slot)
    }

    fn ingested(&mut self, program: &Program, slot: u32) -> Option<&'v Value> {
        Frame::ingested(self, program, slot)
    }

    fn event_ms(&self) -> i64 {
        Frame::event_ms(self)
    }

    fn now_ms(&self) -> i64 {
        Frame::now_ms(self)
    }

    fn truth(&mut self, program: &Program, node: &Node) -> Truth {
        truth(program, node, self)
    }
}

struct Remembered<'m, 'v, V> {
    values: &'v V,
    memo: &'m mut Memo<'v>,
}

impl<'v, V: Values> Frame<'v> for Remembered<'_, 'v, V> {
    const REMEMBERS: bool = true;

    fn operand(&mut self, program: &Program, slot: u32) -> &Operand<'_> {
        let Some(cell) = self.memo.operands.get_mut(slot as usize) else { return &Operand::Missing };
        cell.get_or_insert_with(|| {
            program.slots.get(slot as usize).map_or(Operand::Missing, |typed| self.values.operand(typed))
        })
    }

    fn fitted(&mut self, program: &Program, slot: u32) -> Operand<'v> {
        fetch(program, slot, self.values, self.memo)
    }

    fn ingested(&mut self, program: &Program, slot: u32) -> Option<&'v Value> {
        self.values.ingested(program.slots.get(slot as usize)?)
    }

    fn event_ms(&self) -> i64 {
        self.values.event_ms()
    }

    fn now_ms(&self) -> i64 {
        self.values.now_ms()
    }

    fn recall(&self, memo: u32) -> Option<Truth> {
        // A table, because wasm has a jump table for a `match`, which takes longer.
        const TRUTHS: [Option<Truth>; 4] =
            [None, Some(Truth::False), Some(Truth::Unknown), Some(Truth::True)];
        let word = self.memo.truths.get((memo / MEMOS_A_WORD) as usize)?;
        TRUTHS.get((word >> shift(memo)) as usize & 3).copied().flatten()
    }

    fn keep(&mut self, memo: u32, truth: Truth) {
        let bits: u64 = match truth {
            Truth::False => 1,
            Truth::Unknown => 2,
            Truth::True => 3,
        };
        if let Some(word) = self.memo.truths.get_mut((memo / MEMOS_A_WORD) as usize) {
            *word |= bits << shift(memo);
        }
    }
}

/// The position of a memo's bits in their word.
fn shift(memo: u32) -> u32 {
    (memo % MEMOS_A_WORD) << 1
}

/// The truth of a criterion.
///
/// This function and the path for a single predicate are inlined, because a call would cost as much as the evaluation;
/// groups and rare ops are not, to keep the code short.
#[inline(always)]
pub(crate) fn truth<'v>(program: &Program, node: &Node, frame: &mut impl Frame<'v>) -> Truth {
    // Checked first, because most nodes are predicates, and a `match` would cost a jump.
    if let Node::Predicate(index) = node {
        return one(program, *index, frame);
    }
    compound(program, node, frame)
}

/// The truth of a single predicate.
#[inline(always)]
pub(crate) fn one<'v>(program: &Program, predicate: u32, frame: &mut impl Frame<'v>) -> Truth {
    match program.predicates.get(predicate as usize) {
        Some(predicate) => answer(program, predicate, frame),
        None => Truth::Unknown,
    }
}

/// The truth of a group: evaluates part after part until one decides. Otherwise the result is unknown if any part was,
/// else the opposite.
#[inline(never)]
fn compound<'v, F: Frame<'v>>(program: &Program, node: &Node, frame: &mut F) -> Truth {
    let (parts, decisive, negated) = match node {
        Node::Predicate(_) => return Truth::Unknown,
        Node::Constant(value) => return Truth::from(*value),
        Node::Computed(_) if !value::HAS_EXPRESSIONS => return Truth::Unknown,
        Node::Computed(index) => {
            let Some(tested) = program.computed.get(*index as usize) else { return Truth::Unknown };
            let memo = program.memos.saturating_add(*index);
            if F::REMEMBERS
                && let Some(known) = frame.recall(memo)
            {
                return known;
            }
            let truth = value::eval::test(program, tested, frame);
            frame.keep(memo, truth);
            return truth;
        }
        // AND of a single part is that part.
        Node::Not(inner) => (core::slice::from_ref(&**inner), Truth::False, true),
        Node::And(parts) => (&**parts, Truth::False, false),
        Node::Or(parts) => (&**parts, Truth::True, false),
    };
    let mut all = decisive.not();
    for part in parts {
        let truth = truth(program, part, frame);
        if truth == decisive {
            all = truth;
            break;
        }
        if truth == Truth::Unknown {
            all = Truth::Unknown;
        }
    }
    if negated { all.not() } else { all }
}

#[inline(always)]
fn answer<'v, F: Frame<'v>>(program: &Program, predicate: &Predicate, frame: &mut F) -> Truth {
    let Some(memo) = predicate.memo.filter(|_| F::REMEMBERS) else { return ask(program, predicate, frame) };
    if let Some(known) = frame.recall(memo) {
        return known;
    }
    let truth = ask(program, predicate, frame);
    frame.keep(memo, truth);
    truth
}

/// The most frequent ops, inlined so that they cost no call. The paths that are called cold are not rare, but the most
/// frequent one must be found by a comparison, because wasm has a jump table for every other `match`.
#[inline(always)]
fn ask<'v>(program: &Program, predicate: &Predicate, frame: &mut impl Frame<'v>) -> Truth {
    let now_ms = frame.now_ms();
    let held = match (&predicate.op, frame.operand(program, predicate.slot)) {
        // Both ends are compared, because a branch costs more.
        (Op::Numbers { low, high, .. }, Operand::Number(Number::Integer(left))) => {
            (low <= left) & (left <= high)
        }
        (Op::EqualText(right), Operand::Text(left)) => {
            cold_path();
            equal(left, right)
        }
        (_, operand) => {
            cold_path();
            return ask_of_sets(predicate, operand, now_ms);
        }
    };
    Truth::from(held != predicate.negated)
}

/// The next most frequent ops: sets.
#[inline(never)]
fn ask_of_sets(predicate: &Predicate, operand: &Operand<'_>, now_ms: i64) -> Truth {
    let held = match (&predicate.op, operand) {
        (Op::InNumbers(right, _), Operand::Number(Number::Integer(left))) => right.has(*left),
        (Op::InTexts(right), Operand::Text(left)) => right.has(left),
        (_, operand) => return ask_all_others(predicate, operand, now_ms),
    };
    Truth::from(held != predicate.negated)
}

/// All other ops.
#[inline(never)]
fn ask_all_others(predicate: &Predicate, operand: &Operand<'_>, now_ms: i64) -> Truth {
    match held(&predicate.op, *operand, now_ms) {
        Some(held) => Truth::from(held != predicate.negated),
        None => Truth::Unknown,
    }
}
