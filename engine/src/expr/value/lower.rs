//! Expressions from tree to [`Calc`]: names become slots, and every part has the types that are demanded of it.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::types::{
    Meaning, Step, Types, demands, infer, mismatch, row, shown, sides, switched, unfit_start, unlike,
};
use super::{Calc, Link, Several, Tested, Unary};
use crate::diagnostic::{At, Code, Diagnostic, words};
use crate::expr::Node;
use crate::expr::allowed::allowed;
use crate::expr::check::{Checker, over_bound};
use crate::expr::op::op;
use crate::expr::scope::{Names, Scope, resolve};
use crate::expr::types::TypeSet;
use crate::syntax::{Arithmetic, Comparison, Computed, Expr, Function, Name, Question, ValueExpr};
use crate::value::DataType;

/// The place of an expression: its scope, and the path of the condition or output that it is part of.
#[derive(Clone, Copy)]
pub(crate) struct Place<'p> {
    pub(crate) scope: Scope<'p>,
    pub(crate) at: At<'p>,
}

type Lowered = Result<Calc, Vec<Diagnostic>>;

impl<'a, N: Names> Checker<'a, N> {
    /// The node of a test of an expression; `Err` holds every finding, each with its path.
    pub(in crate::expr) fn computed(
        &mut self,
        computed: &'a Computed,
        scope: Scope<'_>,
        at: At<'_>,
    ) -> Result<Node, Vec<Diagnostic>> {
        let place = Place { scope, at };
        let Computed { left, question, negated } = computed;
        let [wanted, right] = self.typed(place, |of_name| sides(left, question, of_name));
        if wanted.is_empty() && !matches!(question, Question::Test(_)) {
            return Err(Vec::from([self.apart(left, question, place).at(at)]));
        }
        let types = right.values;
        let is_list = matches!(question, Question::AnyOf(_));
        let mut values = Vec::from([(left, wanted)]);
        if let Question::Between(..) = question {
            // Each end has a copy of the left side.
            values.push((left, wanted));
        }
        gather(question, right, &mut values);
        let (mut sides, mut found) = (Vec::new(), Vec::new());
        for (value, wanted) in values {
            match self.part(value, wanted, false, place) {
                Ok(calc) => sides.push(calc),
                Err(findings) => {
                    let is_right = !core::ptr::eq(value, left);
                    found.extend(
                        findings
                            .into_iter()
                            .map(|finding| if is_right { quoted(finding, value) } else { finding }),
                    );
                }
            }
        }
        found.dedup();
        if !found.is_empty() {
            return Err(found);
        }
        let types = if is_list { wanted.values } else { types };
        let mut sides = sides.into_iter();
        let mut next = || sides.next().unwrap_or(Calc::Missing);
        let left_calc = next();
        let tested = match question {
            Question::Test(test) => {
                let known = self.typed(place, |of_name| infer(left, of_name));
                let name = Name(words!("{left}"));
                let types = known.values.and(allowed(test));
                let op = op(&name, test, types).map_err(|found| Vec::from([found.at(at)]))?;
                Tested::Op { left: left_calc, op, negated: *negated }
            }
            Question::Compare(comparison, _) => {
                Tested::Compare { comparison: *comparison, sides: [left_calc, next()], types }
            }
            Question::Between(..) => {
                let again = next();
                let low = self.tested(Tested::Compare {
                    comparison: Comparison::GreaterEqual,
                    sides: [left_calc, next()],
                    types,
                });
                let high = self.tested(Tested::Compare {
                    comparison: Comparison::LessEqual,
                    sides: [again, next()],
                    types,
                });
                let both = Node::And([low, high].into());
                return Ok(if *negated { Node::Not(Box::new(both)) } else { both });
            }
            Question::In(_) => {
                Tested::In { left: left_calc, values: sides.collect(), types, negated: *negated }
            }
            Question::AnyOf(_) => Tested::AnyOf { sides: [left_calc, next()], types },
        };
        Ok(self.tested(tested))
    }

    /// The finding that a test compares values that have no type in common, or no order.
    #[cold]
    fn apart(&self, left: &ValueExpr, question: &Question, place: Place<'_>) -> Diagnostic {
        let mut message = words!("`{left}` is {}", shown(self.typed(place, |of_name| infer(left, of_name))));
        question.values(&mut |value| {
            let types = self.typed(place, |of_name| infer(value, of_name));
            message.push_str(&words!(", `{value}` is {}", shown(types)));
        });
        let help = words!("text stands in quotes, numbers do not; booleans have no order");
        Diagnostic::new(Code::TypeMismatch, words!("{message}: these are not comparable")).help(help)
    }

    /// Lowers an expression with a value that leaves: of any type, but no interval. Its errors go to `out`; an expression with
    /// an error is missing.
    pub(crate) fn value(
        &mut self,
        expr: &'a ValueExpr,
        scope: Scope<'_>,
        at: At<'_>,
        out: &mut Vec<Diagnostic>,
    ) -> Calc {
        if let Some(finding) = over_bound(expr) {
            out.push(finding.at(at));
            return Calc::Missing;
        }
        self.part(expr, Types::of(TypeSet::ANY), true, Place { scope, at }).unwrap_or_else(|found| {
            out.extend(found);
            Calc::Missing
        })
    }

    /// The types that an expression may have.
    pub(crate) fn types_of(&self, expr: &ValueExpr, scope: Scope<'_>) -> Types {
        self.typed(Place { scope, at: At::list("") }, |of_name| infer(expr, of_name))
    }

    fn typed<T>(&self, place: Place<'_>, ask: impl FnOnce(&dyn Fn(&Name) -> TypeSet) -> T) -> T {
        ask(&|name| {
            let slot = resolve(name, place.scope, self.names).ok();
            let number = slot.and_then(|(slot, _)| self.uses.find(&slot, place.scope));
            let typed = number.and_then(|number| self.uses.slots.get(number as usize));
            typed.map_or(TypeSet::ANY, |typed| typed.types)
        })
    }

    /// A part of an expression. `shown`: the text of a time matters, not only its instant.
    fn part(&mut self, expr: &'a ValueExpr, wanted: Types, shown: bool, place: Place<'_>) -> Lowered {
        let known = self.typed(place, |of_name| infer(expr, of_name));
        if let ValueExpr::Name(name) = expr {
            return self
                .name(name, known, wanted, shown, place)
                .map_err(|found| Vec::from([at_part(found, place, expr)]));
        }
        if let Some(found) = self.typed(place, |of_name| unlike(expr, of_name)) {
            return Err(Vec::from([at_part(found, place, expr)]));
        }
        // The parts have a place of their own in the findings, so theirs come first.
        let parts = self.parts(expr, wanted, shown, place)?;
        if known.and(wanted).is_empty() {
            return Err(Vec::from([at_part(mismatch(expr, known, wanted), place, expr)]));
        }
        self.join(expr, parts, place)
    }

    /// The parts of an expression, in their order.
    fn parts(
        &mut self,
        expr: &'a ValueExpr,
        wanted: Types,
        shown: bool,
        place: Place<'_>,
    ) -> Result<Vec<Calc>, Vec<Diagnostic>> {
        let mut wanted_of = Vec::new();
        let unfit = self.typed(place, |of_name| {
            demands(expr, wanted, of_name, &mut |part, wanted| wanted_of.push((part, wanted)));
            unfit_start(expr, of_name)
        });
        let shown = match expr {
            ValueExpr::Arithmetic(_, rest) => matches!(rest.as_slice(), [(Arithmetic::Join, _), ..]),
            ValueExpr::Call(function, _) => match function {
                Function::Concat | Function::Hash => true,
                Function::Coalesce | Function::Least | Function::Greatest => shown,
                _ => false,
            },
            _ => shown,
        };
        let (mut calcs, mut found) = (Vec::new(), Vec::new());
        for (index, (part, wanted)) in wanted_of.into_iter().enumerate() {
            if let Some((start, known, wanted)) = &unfit
                && *start == index
                && found.is_empty()
            {
                let start = expr.start(index.saturating_sub(1));
                found.push(at_part(mismatch(&start, *known, *wanted), place, &start));
            }
            match self.part(part, wanted, shown, place) {
                Ok(calc) => calcs.push(calc),
                Err(findings) => found.extend(findings),
            }
        }
        if found.is_empty() { Ok(calcs) } else { Err(found) }
    }

    /// An expression of its lowered parts.
    fn join(&mut self, expr: &'a ValueExpr, parts: Vec<Calc>, place: Place<'_>) -> Lowered {
        let mut parts = parts.into_iter();
        let mut next = || parts.next().unwrap_or(Calc::Missing);
        Ok(match expr {
            ValueExpr::Null | ValueExpr::Name(_) => Calc::Missing,
            ValueExpr::Constant(value) => Calc::Constant(value.clone()),
            ValueExpr::Now => Calc::Now,
            ValueExpr::Interval(count, unit) => match unit.ms(*count) {
                Some(ms) => Calc::Constant(ms.into()),
                None => {
                    let message = words!("`{expr}` is too long");
                    return Err(Vec::from([Diagnostic::new(Code::BadDuration, message).at(place.at)]));
                }
            },
            ValueExpr::Negative(_) => Calc::Of(Unary::Negative, Box::new(next())),
            ValueExpr::Arithmetic(first, rest) => {
                let mut steps = Vec::new();
                self.typed(place, |of_name| row(first, rest, of_name, &mut |step| steps.push(step)));
                let first = next();
                let parts = rest.iter().zip(&steps).map(|((sign, _), step)| (*sign, step, next()));
                chain(first, parts)
            }
            ValueExpr::Call(function, _) => {
                let unary = match function {
                    Function::Abs => Unary::Absolute,
                    Function::Hash => Unary::Hash,
                    Function::Length => Unary::Length,
                    Function::Lower => Unary::Lower,
                    Function::Size => Unary::Size,
                    Function::Upper => Unary::Upper,
                    Function::DateDiff => {
                        let [from, to] = [next(), next()].map(|time| Calc::Of(Unary::Day, Box::new(time)));
                        return Ok(Calc::arithmetic(Arithmetic::Subtract, to, from));
                    }
                    several => {
                        let types = self.typed(place, |of_name| infer(expr, of_name));
                        let several = match several {
                            Function::Coalesce => Several::Coalesce,
                            Function::Greatest => Several::Greatest,
                            Function::Least => Several::Least,
                            Function::Round => Several::Round,
                            Function::Substr => Several::Substr,
                            _ => Several::Concat,
                        };
                        return Ok(Calc::Call(several, parts.collect(), types.values));
                    }
                };
                Calc::Of(unary, Box::new(next()))
            }
            ValueExpr::Case(branches, otherwise) => {
                let mut lowered = Vec::new();
                let mut found = Vec::new();
                for (when, _) in branches {
                    let node = self.condition(when, place, &mut found);
                    lowered.push((node, next()));
                }
                if !found.is_empty() {
                    return Err(found);
                }
                let otherwise = if otherwise.is_some() { next() } else { Calc::Missing };
                Calc::Case(lowered.into(), Box::new(otherwise))
            }
            ValueExpr::Switch(of, branches, otherwise) => {
                let types = self.typed(place, |of_name| switched(of, branches, of_name)).values;
                let of = next();
                let whens: Vec<Calc> = branches.iter().map(|_| next()).collect();
                let branches = whens.into_iter().map(|when| (when, next())).collect();
                let otherwise = if otherwise.is_some() { next() } else { Calc::Missing };
                Calc::Switch(Box::new(of), branches, Box::new(otherwise), types)
            }
            ValueExpr::Condition(condition) => {
                let mut found = Vec::new();
                let node = self.condition(condition, place, &mut found);
                if !found.is_empty() {
                    return Err(found);
                }
                Calc::Truth(Box::new(node))
            }
        })
    }

    /// A condition within an expression. Its findings are those of the expression.
    fn condition(&mut self, expr: &'a Expr, place: Place<'_>, found: &mut Vec<Diagnostic>) -> Node {
        let mut findings = Vec::new();
        let node = self.node(expr, place.scope, place.at, &mut 0, &mut findings);
        found.extend(findings.into_iter().map(|finding| {
            match finding.path.split_once(PART).map(|(_, part)| words!("{PART}{part}")) {
                Some(part) => finding.at(place.at.field(&part)),
                None => finding.at(place.at),
            }
        }));
        node
    }

    fn name(
        &mut self,
        name: &Name,
        known: Types,
        wanted: Types,
        shown: bool,
        place: Place<'_>,
    ) -> Result<Calc, Diagnostic> {
        let (slot, _) = resolve(name, place.scope, self.names)?;
        if known.and(wanted).is_empty() {
            return Err(mismatch(&ValueExpr::Name(name.clone()), known, wanted));
        }
        let number = self.uses.find(&slot, place.scope).unwrap_or(u32::MAX);
        let is_time = known.values.has_times() && !known.values.has(DataType::String);
        Ok(if shown && is_time { Calc::Shown(number) } else { Calc::Slot(number) })
    }
}

/// A row of signs, with what each means.
fn chain<'s>(first: Calc, parts: impl Iterator<Item = (Arithmetic, &'s Step, Calc)>) -> Calc {
    let mut links = Vec::new();
    for (sign, step, part) in parts {
        // Times are calculated as numbers.
        let (before, behind, after) = match step.meaning {
            Meaning::Numbers | Meaning::Join | Meaning::Intervals => (None, None, None),
            Meaning::Shift if step.swapped => (None, Some(Unary::Milliseconds), Some(Unary::Time)),
            Meaning::Shift => (Some(Unary::Milliseconds), None, Some(Unary::Time)),
            Meaning::Between => (Some(Unary::Milliseconds), Some(Unary::Milliseconds), None),
            Meaning::Days => (Some(Unary::Day), Some(Unary::Day), None),
        };
        let part = match behind {
            Some(unary) => Calc::Of(unary, Box::new(part)),
            None => part,
        };
        links.extend(before.map(Link::Of));
        links.push(Link::With(sign, part));
        links.extend(after.map(Link::Of));
    }
    Calc::Chain(Box::new(first), links.into())
}

/// The path of a part of an expression begins so: its canonical text follows.
const PART: &str = "part(";

/// A finding at a part of the expression.
#[cold]
fn at_part(finding: Diagnostic, place: Place<'_>, expr: &ValueExpr) -> Diagnostic {
    let part = words!("{PART}{expr})");
    finding.at(place.at.field(&part))
}

/// A finding about a name on the right, which may be a text without its quotes.
#[cold]
fn quoted(finding: Diagnostic, value: &ValueExpr) -> Diagnostic {
    match value {
        ValueExpr::Name(name) if finding.code == Code::UnknownName && finding.help.is_none() => {
            finding.help(words!("text stands in single quotes: `'{}'`", name.0))
        }
        _ => finding,
    }
}

fn gather<'e>(question: &'e Question, wanted: Types, out: &mut Vec<(&'e ValueExpr, Types)>) {
    match question {
        Question::Test(_) => {}
        Question::Compare(_, value) | Question::AnyOf(value) => out.push((value, wanted)),
        Question::Between(low, high) => out.extend([(low, wanted), (high, wanted)]),
        Question::In(values) => out.extend(values.iter().map(|value| (value, wanted))),
    }
}
