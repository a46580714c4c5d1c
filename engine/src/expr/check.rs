//! Lowers trees to a typed program with slots; reports a diagnostic for each tree that cannot be lowered.
//!
//! Two passes over every criterion of a plan: [`Uses`] collects which types each name's uses allow, then [`Checker`]
//! lowers the trees with the intersection in hand.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::allowed::allowed;
use super::hash;
use super::op::{Op, op};
use super::scope::{
    CONDITIONS, NAME, Names, Scope, VALUE, for_each_computed, for_each_test, is_too_deep, resolve,
};
use super::types::TypeSet;
use super::uses::Uses;
use super::value::Tested;
use super::{Node, Predicate, Program, Slot, TypedSlot};
use crate::bytes::Writer;
use crate::diagnostic::{At, Code, Diagnostic, words};
use crate::flat::Flat;
use crate::index::{HashIndex, Hasher32, Index};
use crate::limits::{CRITERIA_DEPTH_MAX, CRITERIA_TESTS_MAX, EXPRESSION_DEPTH_MAX, EXPRESSION_PARTS_MAX};
use crate::pattern::Pattern;
use crate::syntax::{Expr, Name, Test, ValueExpr};
use crate::value::DataType;

/// Lowers criteria into one program; equal tests share a predicate.
pub(crate) struct Checker<'a, N> {
    pub(super) names: &'a N,
    pub(super) uses: &'a Uses,
    program: Program,
    /// Slots of batch segments by their names.
    segments: Index,
    /// Predicates by the hash of their slot and test.
    known: HashIndex,
    /// Tests of expressions by the hash of their bytes.
    known_computed: HashIndex,
    /// Each predicate's test; None for a segment, which its slot identifies.
    asked: Vec<Option<&'a Test>>,
    /// Predicates that several conditions share.
    shared: Vec<bool>,
}

impl<'a, N: Names> Checker<'a, N> {
    pub(crate) fn new(names: &'a N, uses: &'a Uses) -> Checker<'a, N> {
        Checker {
            names,
            uses,
            program: Program { slots: uses.slots.clone(), ..Program::default() },
            segments: Index::default(),
            known: HashIndex::default(),
            known_computed: HashIndex::default(),
            asked: Vec::new(),
            shared: Vec::new(),
        }
    }

    /// The program of all lowered criteria.
    pub(crate) fn finish(mut self) -> Program {
        let mut memos = 0_u32;
        for (predicate, shared) in self.program.predicates.iter_mut().zip(&self.shared) {
            if *shared && !predicate.op.is_quick() {
                predicate.memo = Some(memos);
                memos = memos.saturating_add(1);
            }
        }
        self.program.memos = memos;
        self.program
    }

    /// True if a lowered criterion reads such a fact.
    pub(crate) fn reads(&self, node: &Node, is_such: impl Fn(u16) -> bool) -> bool {
        let mut found = false;
        self.program.facts_of(node, &mut |fact| found |= is_such(fact));
        found
    }

    /// Lowers one criterion. Its errors go to `out`; a criterion with an error is false.
    pub(crate) fn lower(
        &mut self,
        expr: &'a Expr,
        scope: Scope<'_>,
        at: At<'_>,
        out: &mut Vec<Diagnostic>,
    ) -> Node {
        if is_too_deep(expr) {
            let message = words!("criteria nest deeper than {CRITERIA_DEPTH_MAX}");
            out.push(Diagnostic::new(Code::OverBound, message).at(at));
            return Node::Constant(false);
        }
        let mut tests = 0_usize;
        for_each_test(expr, &mut 0, &mut |_, _, _| tests = tests.saturating_add(1));
        let mut parts = 0_usize;
        for_each_computed(expr, &mut 0, &mut |_, computed| {
            tests = tests.saturating_add(1);
            parts = parts.saturating_add(computed.size());
        });
        if parts > EXPRESSION_PARTS_MAX {
            out.push(too_many_parts(parts).at(at));
            return Node::Constant(false);
        }
        if tests > CRITERIA_TESTS_MAX {
            let message =
                words!("{tests} conditions in one criterion, at most {CRITERIA_TESTS_MAX} are allowed");
            out.push(Diagnostic::new(Code::OverBound, message).at(at));
            return Node::Constant(false);
        }
        self.node(expr, scope, at, &mut 0, out)
    }

    /// `next` numbers the conditions.
    pub(super) fn node(
        &mut self,
        expr: &'a Expr,
        scope: Scope<'_>,
        at: At<'_>,
        next: &mut usize,
        out: &mut Vec<Diagnostic>,
    ) -> Node {
        match expr {
            Expr::Constant(value) => Node::Constant(*value),
            Expr::And(parts) => {
                Node::And(parts.iter().map(|part| self.node(part, scope, at, next, out)).collect())
            }
            Expr::Or(parts) => {
                if parts.is_empty() {
                    let message = words!("an empty OR matches nobody");
                    out.push(
                        Diagnostic::new(Code::BadCriteria, message)
                            .at(at)
                            .help(words!("remove it, or give it conditions")),
                    );
                }
                Node::Or(parts.iter().map(|part| self.node(part, scope, at, next, out)).collect())
            }
            Expr::Not(inner) => Node::Not(Box::new(self.node(inner, scope, at, next, out))),
            Expr::Segment(name) if scope.columns_only => {
                let message = words!("segment `{name}` in a filter; a filter names columns only");
                out.push(Diagnostic::new(Code::UnknownName, message).at(at.inner(CONDITIONS, *next)));
                *next = next.saturating_add(1);
                Node::Constant(false)
            }
            Expr::Segment(name) => {
                *next = next.saturating_add(1);
                let slot = self.segment(name);
                let op = |_: &TypedSlot| Ok(Op::Segment);
                self.share(slot, None, false, op).unwrap_or(Node::Constant(false))
            }
            Expr::Computed(computed) => {
                let at = at.inner(CONDITIONS, *next);
                *next = next.saturating_add(1);
                self.computed(computed, scope, at).unwrap_or_else(|found| {
                    out.extend(found);
                    Node::Constant(false)
                })
            }
            Expr::Test { name, test, negated } => {
                let at = at.inner(CONDITIONS, *next);
                *next = next.saturating_add(1);
                match self.question(name, test, *negated, scope, at) {
                    Ok(node) => node,
                    Err(found) => {
                        out.extend(found);
                        Node::Constant(false)
                    }
                }
            }
        }
    }

    /// The node of a test of an expression; equal ones are shared.
    pub(super) fn tested(&mut self, tested: Tested) -> Node {
        let bytes = |tested: &Tested| {
            let mut w = Writer::default();
            tested.write(&mut w);
            w.0
        };
        let written = bytes(&tested);
        let mut print = Hasher32::default();
        written.iter().for_each(|byte| print.word(u64::from(*byte)));
        let computed = &self.program.computed;
        let known = self.known_computed.find(print.finish(), &mut |index| {
            computed.get(index).is_some_and(|known| bytes(known) == written)
        });
        let index = known.unwrap_or_else(|| {
            self.known_computed.add(print.finish());
            self.program.computed.push(tested);
            self.program.computed.len().saturating_sub(1)
        });
        Node::Computed(u32::try_from(index).unwrap_or(u32::MAX))
    }

    fn segment(&mut self, name: &str) -> u32 {
        let next = self.program.slots.len();
        let index = self.segments.number(name, next);
        if index == next {
            let types = TypeSet::one(DataType::Boolean);
            self.program.slots.push(TypedSlot { slot: Slot::Segment(name.into()), types, many: false });
        }
        u32::try_from(index).unwrap_or(u32::MAX)
    }

    /// The predicate of a test, compiled only if it is new.
    fn share(
        &mut self,
        slot: u32,
        test: Option<&'a Test>,
        negated: bool,
        op: impl FnOnce(&TypedSlot) -> Result<Op, Option<Diagnostic>>,
    ) -> Result<Node, Option<Diagnostic>> {
        let print = hash::hash(slot, test, negated);
        let (asked, predicates) = (&self.asked, &self.program.predicates);
        let known = self.known.find(print, &mut |index| {
            predicates.get(index).is_some_and(|known| known.slot == slot && known.negated == negated)
                && asked.get(index).is_some_and(|known| *known == test)
        });
        let index = if let Some(known) = known {
            if let Some(shared) = self.shared.get_mut(known) {
                *shared = true;
            }
            known
        } else {
            let Some(typed) = self.program.slots.get(slot as usize) else { return Ok(Node::Constant(false)) };
            let op = op(typed)?;
            self.known.add(print);
            self.program.predicates.push(Predicate { slot, memo: None, negated, op });
            self.asked.push(test);
            self.shared.push(false);
            self.asked.len().saturating_sub(1)
        };
        Ok(Node::Predicate(u32::try_from(index).unwrap_or(u32::MAX)))
    }

    /// `Err(None)`: the error was reported when the uses were collected.
    fn question(
        &mut self,
        name: &Name,
        test: &'a Test,
        negated: bool,
        scope: Scope<'_>,
        at: At<'_>,
    ) -> Result<Node, Option<Diagnostic>> {
        let (slot, _) = resolve(name, scope, self.names).map_err(|found| found.at(at.field(NAME)))?;
        // All uses were added before; an unused slot does not exist.
        let number = self.uses.find(&slot, scope).unwrap_or(u32::MAX);
        let mut is_bounded = false;
        let node = self.share(number, Some(test), negated, |typed| {
            if typed.types.and(allowed(test)).is_empty() {
                return Err(None);
            }
            let op = op(name, test, typed.types).map_err(|found| Some(found.at(at.field(VALUE))))?;
            is_bounded = op.patterns().any(Pattern::is_bounded);
            Ok(op)
        })?;
        if let Slot::Column(column) = slot
            && is_bounded
        {
            let searched = (scope.table, column);
            if !self.program.searched.contains(&searched) {
                self.program.searched.push(searched);
            }
        }
        Ok(node)
    }
}

/// The finding about an expression with a value that is nested too deeply or too large.
pub(super) fn over_bound(expr: &ValueExpr) -> Option<Diagnostic> {
    if expr.depth() > EXPRESSION_DEPTH_MAX {
        let message = words!("nested deeper than {EXPRESSION_DEPTH_MAX}");
        return Some(Diagnostic::new(Code::OverBound, message));
    }
    let parts = expr.size();
    (parts > EXPRESSION_PARTS_MAX).then(|| too_many_parts(parts))
}

#[cold]
fn too_many_parts(parts: usize) -> Diagnostic {
    let message = words!(
        "{parts} values, signs and functions in expressions, at most {EXPRESSION_PARTS_MAX} are allowed"
    );
    Diagnostic::new(Code::OverBound, message)
}
