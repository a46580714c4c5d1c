//! Evaluation: three-valued, total, and without allocation.

use alloc::vec::Vec;
use core::hint::cold_path;
use core::ops::RangeBounds;

use super::interval::Interval;
use super::items::decide;
use super::op::{Op, numbers_of, whole};
use super::operand::Operand;
use super::types::TypeSet;
use super::{Node, Predicate, Program, TypedSlot};
use crate::compare::equal;
use crate::limits::{FUTURE_SKEW_MS, PATTERN_TEXT_BYTES_MAX};
use crate::syntax::Quantity;
use crate::time;
use crate::value::{Number, Value};

/// Three-valued logic: a comparison with a missing side is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// No.
    False,
    /// A side was missing.
    Unknown,
    /// Yes.
    True,
}

impl Truth {
    fn not(self) -> Truth {
        match self {
            Truth::False => Truth::True,
            Truth::Unknown => Truth::Unknown,
            Truth::True => Truth::False,
        }
    }
}

impl From<bool> for Truth {
    fn from(value: bool) -> Truth {
        if value { Truth::True } else { Truth::False }
    }
}

/// The source of values for one call.
pub(crate) trait Values {
    /// The value of a slot, fitted to its type; missing if it does not fit.
    fn operand(&self, typed: &TypedSlot) -> Operand<'_>;
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
        let words = program.memos.div_ceil(MEMOS_A_WORD);
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
pub(crate) trait Frame {
    /// The value of a slot.
    fn operand(&mut self, program: &Program, slot: u32) -> &Operand<'_>;
    /// Unix milliseconds.
    fn now_ms(&self) -> i64;
    /// True if results are cached.
    const REMEMBERS: bool;
    /// The cached result of a memo.
    fn recall(&self, memo: u32) -> Option<Truth>;
    /// Caches a result.
    fn keep(&mut self, memo: u32, truth: Truth);
}

struct Remembered<'m, 'v, V> {
    values: &'v V,
    memo: &'m mut Memo<'v>,
}

impl<V: Values> Frame for Remembered<'_, '_, V> {
    const REMEMBERS: bool = true;

    fn operand(&mut self, program: &Program, slot: u32) -> &Operand<'_> {
        let Some(cell) = self.memo.operands.get_mut(slot as usize) else { return &Operand::Missing };
        cell.get_or_insert_with(|| {
            program.slots.get(slot as usize).map_or(Operand::Missing, |typed| self.values.operand(typed))
        })
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
pub(crate) fn truth(program: &Program, node: &Node, frame: &mut impl Frame) -> Truth {
    // Checked first, because most nodes are predicates, and a `match` would cost a jump.
    if let Node::Predicate(index) = node {
        return one(program, *index, frame);
    }
    compound(program, node, frame)
}

/// The truth of a single predicate.
#[inline(always)]
pub(crate) fn one(program: &Program, predicate: u32, frame: &mut impl Frame) -> Truth {
    match program.predicates.get(predicate as usize) {
        Some(predicate) => answer(program, predicate, frame),
        None => Truth::Unknown,
    }
}

/// The truth of a group: evaluates part after part until one decides. Otherwise the result is unknown if any part was,
/// else the opposite.
#[inline(never)]
fn compound(program: &Program, node: &Node, frame: &mut impl Frame) -> Truth {
    let (parts, decisive, negated) = match node {
        Node::Predicate(_) => return Truth::Unknown,
        Node::Constant(value) => return Truth::from(*value),
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
fn answer<F: Frame>(program: &Program, predicate: &Predicate, frame: &mut F) -> Truth {
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
fn ask(program: &Program, predicate: &Predicate, frame: &mut impl Frame) -> Truth {
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
    let held = match (compare(&predicate.op, *operand, now_ms), operand) {
        (None, Operand::List(..) | Operand::Items(..)) if !matches!(predicate.op, Op::Items(_)) => {
            any_item(&predicate.op, *operand, now_ms)
        }
        (held, _) => held,
    };
    match held {
        Some(held) => Truth::from(held != predicate.negated),
        None => Truth::Unknown,
    }
}

/// True if an op about one value holds for any item of a list.
#[cold]
fn any_item(op: &Op, operand: Operand<'_>, now_ms: i64) -> Option<bool> {
    decide(Quantity::Any, operand, &mut |item| compare(op, item, now_ms))
}

/// True if any of several ops holds.
fn any_of(questions: &[Op], operand: Operand<'_>, now_ms: i64) -> Option<bool> {
    let mut answer = Some(false);
    for question in questions {
        match compare(question, operand, now_ms) {
            Some(true) => return Some(true),
            Some(false) => {}
            None => answer = None,
        }
    }
    answer
}

/// The result of an op on a value; None when it is missing, or of a type that the op does not compare. A text that can
/// only be a time is compared with numbers as an instant: the numbers are times, too.
pub(super) fn compare(op: &Op, operand: Operand<'_>, now_ms: i64) -> Option<bool> {
    Some(match op {
        Op::Null => match operand {
            Operand::Missing => true,
            // As any other question, it holds when it holds for an item.
            Operand::List(items, types) => items.iter().any(|item| is_missing(item, types)),
            _ => false,
        },
        Op::Size(comparison, count) => {
            let size = match operand {
                Operand::Missing => 0,
                Operand::List(items, _) => items.len(),
                Operand::Items(items, _) => items.count(),
                _ => return None,
            };
            comparison.holds(i64::try_from(size).unwrap_or(i64::MAX).cmp(count))
        }
        Op::EqualText(right) => equal(text(operand)?, right),
        Op::EqualBoolean(right) => match operand {
            Operand::Boolean(left) => left == *right,
            _ => return None,
        },
        Op::Numbers { exact, .. } => match number(operand) {
            Some(left) => (exact.low, exact.high).contains(&left),
            None => return of_time(op, operand, now_ms),
        },
        Op::Instants { low, high } => (*low..=*high).contains(&instant(operand)?),
        Op::Texts(interval) => {
            let ends = (interval.low.as_ref().map(|end| &**end), interval.high.as_ref().map(|end| &**end));
            RangeBounds::<str>::contains(&ends, text(operand)?)
        }
        Op::InTexts(right) => right.has(text(operand)?),
        Op::InNumbers(integers, others) => {
            let Some(left) = number(operand) else { return of_time(op, operand, now_ms) };
            match whole(left) {
                Some(left) => integers.has(left),
                None => others.contains(&left),
            }
        }
        Op::InInstants(right) => right.has(instant(operand)?),
        Op::TextOrTime(_) => return of_time(op, operand, now_ms),
        Op::Like(pattern) => like(pattern, text(operand)?),
        Op::StartsWith(right) => text(operand)?.starts_with(&**right),
        Op::EndsWith(right) => text(operand)?.ends_with(&**right),
        Op::ContainsText(right) => match operand {
            Operand::Text(left) => left.contains(&**right),
            operand => return member(operand, &|item, _| Some(item.as_str()? == &**right)),
        },
        Op::ContainsNumber(right) => {
            return member(operand, &|item, types| match item {
                Value::Number(left) => Some(left == right),
                item => Some(number(Operand::of(item, types))? == *right),
            });
        }
        Op::Matches(pattern) => {
            let left = text(operand)?;
            // A text beyond the bound is not searched: unknown, so that a negation does not match either.
            if left.len() > PATTERN_TEXT_BYTES_MAX && pattern.is_bounded() {
                return None;
            }
            pattern.is_match(left)
        }
        Op::Within(span_ms) => {
            let age_ms = now_ms.saturating_sub(instant(operand)?);
            (FUTURE_SKEW_MS.saturating_neg()..=*span_ms).contains(&age_ms)
        }
        Op::Older(span_ms) => now_ms.saturating_sub(instant(operand)?) > *span_ms,
        Op::Versions(interval) => return interval.has(text(operand)?),
        Op::Items(items) => {
            return decide(items.quantity, operand, &mut |item| any_of(&items.questions, item, now_ms));
        }
        Op::Segment => match operand {
            Operand::Boolean(member) => member,
            _ => return None,
        },
    })
}

/// The same for a value that is, or may be, a time in words. Separate, to keep the frequent path short.
#[cold]
#[inline(never)]
fn of_time(op: &Op, operand: Operand<'_>, now_ms: i64) -> Option<bool> {
    match (op, operand) {
        (Op::Numbers { exact, .. }, Operand::Instant(left)) => {
            let Interval { low, high } = exact.as_instants();
            Some((low, high).contains(&left))
        }
        (Op::InNumbers(integers, others), Operand::Instant(left)) => Some(
            numbers_of(left).any(|left| integers.has(left))
                || others.iter().any(|other| time::unix_ms(*other) == Some(left)),
        ),
        (Op::TextOrTime(either), operand) => match instant(operand) {
            Some(instant_ms) => compare(&either.time, Operand::Instant(instant_ms), now_ms),
            None => compare(&either.text, operand, now_ms),
        },
        _ => None,
    }
}

fn text(operand: Operand<'_>) -> Option<&str> {
    match operand {
        Operand::Text(text) | Operand::TextOrTime(text) => Some(text),
        _ => None,
    }
}

fn number(operand: Operand<'_>) -> Option<Number> {
    match operand {
        Operand::Number(number) => Some(number),
        _ => None,
    }
}

fn instant(operand: Operand<'_>) -> Option<i64> {
    match operand {
        Operand::Instant(instant_ms) => Some(instant_ms),
        Operand::Number(number) => time::unix_ms(number),
        Operand::Text(text) => time::words_ms(text),
        Operand::TextOrTime(text) => time::text_ms(text),
        _ => None,
    }
}

/// True if an item is the one that is asked for; None if none is and one is missing.
fn member(operand: Operand<'_>, is_it: &dyn Fn(&Value, TypeSet) -> Option<bool>) -> Option<bool> {
    let mut missing = false;
    let mut found = |item: &Value, types| match is_it(item, types) {
        Some(found) => found,
        None => {
            missing = true;
            false
        }
    };
    let found = match operand {
        Operand::List(items, types) => items.iter().any(|item| found(item, types)),
        Operand::Items(items, types) => items.any(&mut |item| found(item, types)),
        _ => return None,
    };
    (found || !missing).then_some(found)
}

/// True if an item of an array is null, or does not fit. Where any type fits, lists and objects are there, too.
fn is_missing(item: &Value, types: TypeSet) -> bool {
    matches!(item, Value::Null)
        || (types != TypeSet::ANY && matches!(Operand::of(item, types), Operand::Missing))
}

/// `%` is any text, `_` any one character; both match line ends. Linear in practice: only the last `%` is remembered,
/// because an earlier one never needs to match more.
fn like(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    let mut retry: Option<(core::str::Chars<'_>, core::str::Chars<'_>)> = None;
    loop {
        let moved = match (pattern.next(), text.clone().next()) {
            (None, None) => return true,
            (Some('%'), _) => {
                retry = Some((pattern.clone(), text.clone()));
                continue;
            }
            (Some('_'), Some(_)) => true,
            (Some(p), Some(t)) => p == t,
            (Some(_) | None, _) => false,
        };
        if moved {
            text.next();
            continue;
        }
        let Some((after, rest)) = &mut retry else { return false };
        if rest.next().is_none() {
            return false;
        }
        pattern = after.clone();
        text = rest.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// LIKE by its definition, as a reference.
    fn slow_like(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some(('%', rest)), _) => (0..=text.len()).any(|taken| slow_like(rest, &text[taken..])),
            (Some(('_', rest)), Some((_, others))) => slow_like(rest, others),
            (Some((p, rest)), Some((t, others))) => p == t && slow_like(rest, others),
            _ => false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn like_is_like(pattern in "[ab%_é]{0,8}", text in "[abé\n]{0,8}") {
            let (p, t): (alloc::vec::Vec<char>, alloc::vec::Vec<char>) = (pattern.chars().collect(), text.chars().collect());
            prop_assert_eq!(like(&pattern, &text), slow_like(&p, &t));
        }
    }
}
