//! Types of expressions: which ones each may have, and what it demands of the names in it.

use alloc::string::String;
use alloc::vec::Vec;

use crate::diagnostic::{Code, Diagnostic, words};
use crate::expr::allowed::of_literal;
use crate::expr::types::TypeSet;
use crate::syntax::{Arithmetic, Comparison, Function, Name, Question, Test, ValueExpr};
use crate::value::DataType;

/// The types that an expression may have. An interval is one of its own, which no column has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Types {
    pub(crate) values: TypeSet,
    pub(crate) interval: bool,
}

impl Types {
    pub(crate) const ANY: Types = Types { values: TypeSet::ANY, interval: true };
    const INTERVAL: Types = Types { values: TypeSet::of(&[]), interval: true };
    const NUMBER: Types = Types::of(TypeSet::one(DataType::Number));
    const TEXT: Types = Types::of(TypeSet::one(DataType::String));
    const TIME: Types = Types::of(TypeSet::one(DataType::Timestamp));

    pub(crate) const fn of(values: TypeSet) -> Types {
        Types { values, interval: false }
    }

    /// The types in common. Times of all kinds are comparable; what may be anything is what the other is.
    pub(crate) fn and(self, other: Types) -> Types {
        let mut values = self.values.and(other.values);
        let is_any = self.values == TypeSet::ANY || other.values == TypeSet::ANY;
        if !is_any && self.values.has_times() && other.values.has_times() {
            values = values.or_scalars(self.values.times()).or_scalars(other.values.times());
        }
        Types { values, interval: self.interval && other.interval }
    }

    /// Those that can be compared with each other.
    pub(crate) fn scalars(self) -> Types {
        Types { values: self.values.scalars(), ..self }
    }

    pub(crate) fn is_empty(self) -> bool {
        self.values.is_empty() && !self.interval
    }

    pub(crate) fn is_interval(self) -> bool {
        self.interval && self.values.is_empty()
    }

    /// True for what is a time, and neither a number nor a text.
    fn is_time(self) -> bool {
        self.values.has_times() && !self.values.has(DataType::Number)
    }

    /// True for what can only be a date.
    fn is_date(self) -> bool {
        self.values.scalars() == TypeSet::one(DataType::Date)
    }
}

/// The meaning of a sign between two expressions, which depends on their types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Numbers,
    /// Texts, or what has a text.
    Join,
    /// A time (the left side) and an interval.
    Shift,
    /// The interval between two times.
    Between,
    /// The number of days between two dates.
    Days,
    /// The sum or difference of two intervals.
    Intervals,
}

impl Meaning {
    /// The types of the result.
    fn result(self) -> Types {
        match self {
            Meaning::Numbers | Meaning::Days => Types::NUMBER,
            Meaning::Join => Types::TEXT,
            Meaning::Shift => Types::TIME,
            Meaning::Between | Meaning::Intervals => Types::INTERVAL,
        }
    }

    /// The types demanded of both sides, in the order of [`Meaning`].
    fn demanded(self) -> [Types; 2] {
        let times = Types::of(TypeSet::TIMES);
        match self {
            Meaning::Numbers => [Types::NUMBER; 2],
            Meaning::Join => [Types::of(TypeSet::ANY.scalars()); 2],
            Meaning::Shift => [times, Types::INTERVAL],
            Meaning::Between | Meaning::Days => [times; 2],
            Meaning::Intervals => [Types::INTERVAL; 2],
        }
    }
}

/// A sign in a row.
pub(super) struct Step {
    pub(super) meaning: Meaning,
    /// True for an interval before a time.
    pub(super) swapped: bool,
    /// The types of all that stands before it.
    pub(super) before: Types,
    /// The types demanded of what stands before it, and of the value behind it.
    pub(super) demanded: [Types; 2],
}

/// The types of names.
pub(crate) type OfName<'n> = &'n dyn Fn(&Name) -> TypeSet;

/// The meaning of a sign; for an interval before a time the sides are swapped.
fn meaning(sign: Arithmetic, sides: [Types; 2]) -> (Meaning, bool) {
    let [left, right] = sides;
    let meaning = match sign {
        Arithmetic::Join => Meaning::Join,
        Arithmetic::Add | Arithmetic::Subtract => match (left.is_interval(), right.is_interval()) {
            (true, true) => Meaning::Intervals,
            (false, true) => Meaning::Shift,
            (true, false) if sign == Arithmetic::Add => return (Meaning::Shift, true),
            _ if sign == Arithmetic::Subtract && (left.is_time() || right.is_time()) => {
                if left.is_date() && right.is_date() { Meaning::Days } else { Meaning::Between }
            }
            _ => Meaning::Numbers,
        },
        _ => Meaning::Numbers,
    };
    (meaning, false)
}

/// The types of a row of signs; calls back with each.
pub(super) fn row(
    first: &ValueExpr,
    rest: &[(Arithmetic, ValueExpr)],
    of_name: OfName<'_>,
    found: &mut dyn FnMut(Step),
) -> Types {
    rest.iter().fold(infer(first, of_name), |before, (sign, part)| {
        let (meaning, swapped) = meaning(*sign, [before, infer(part, of_name)]);
        let [left, right] = meaning.demanded();
        let demanded = if swapped { [right, left] } else { [left, right] };
        found(Step { meaning, swapped, before, demanded });
        meaning.result()
    })
}

/// The types that an expression may have.
pub(crate) fn infer(expr: &ValueExpr, of_name: OfName<'_>) -> Types {
    match expr {
        ValueExpr::Null => Types::ANY,
        ValueExpr::Constant(value) => Types::of(of_literal(value)),
        ValueExpr::Name(name) => Types::of(of_name(name)),
        ValueExpr::Now => Types::TIME,
        ValueExpr::Interval(..) => Types::INTERVAL,
        ValueExpr::Negative(_) => Types::NUMBER,
        ValueExpr::Arithmetic(first, rest) => row(first, rest, of_name, &mut |_| {}),
        ValueExpr::Call(function, arguments) => match function {
            Function::Coalesce => common(arguments, of_name),
            Function::Greatest | Function::Least => comparable(common(arguments, of_name)),
            Function::Concat | Function::Lower | Function::Substr | Function::Upper => Types::TEXT,
            Function::Abs
            | Function::DateDiff
            | Function::Hash
            | Function::Length
            | Function::Round
            | Function::Size => Types::NUMBER,
        },
        ValueExpr::Case(branches, otherwise) => {
            common(branches.iter().map(|(_, then)| then).chain(otherwise.as_deref()), of_name)
        }
        ValueExpr::Switch(_, branches, otherwise) => {
            common(branches.iter().map(|(_, then)| then).chain(otherwise.as_deref()), of_name)
        }
        ValueExpr::Condition(_) => Types::of(TypeSet::one(DataType::Boolean)),
    }
}

/// The types that several expressions have in common.
pub(crate) fn common<'e>(exprs: impl IntoIterator<Item = &'e ValueExpr>, of_name: OfName<'_>) -> Types {
    exprs.into_iter().fold(Types::ANY, |types, expr| types.and(infer(expr, of_name)))
}

/// Those of some types that have an order.
fn comparable(types: Types) -> Types {
    let types = types.scalars();
    Types { values: types.values.without(TypeSet::one(DataType::Boolean)), ..types }
}

/// The parts of an expression that is to have these types, and what is demanded of each. Conditions are not among them.
pub(crate) fn demands<'e>(
    expr: &'e ValueExpr,
    wanted: Types,
    of_name: OfName<'_>,
    demand: &mut dyn FnMut(&'e ValueExpr, Types),
) {
    let scalars = Types::of(TypeSet::ANY.scalars());
    let times = Types::of(TypeSet::TIMES);
    match expr {
        ValueExpr::Negative(part) => demand(part, Types::NUMBER),
        ValueExpr::Arithmetic(first, rest) => {
            let mut parts = rest.iter().map(|(_, part)| part);
            let mut is_first = true;
            row(first, rest, of_name, &mut |Step { demanded: [before, behind], .. }| {
                if core::mem::take(&mut is_first) {
                    demand(first, before);
                }
                if let Some(part) = parts.next() {
                    demand(part, behind);
                }
            });
        }
        ValueExpr::Call(function, arguments) => {
            let common = match function {
                Function::Coalesce | Function::Greatest | Function::Least => infer(expr, of_name).and(wanted),
                Function::Concat => scalars,
                Function::Hash => Types::of(TypeSet::ANY),
                Function::DateDiff => times,
                Function::Size => Types::of(TypeSet::LISTS),
                Function::Length | Function::Lower | Function::Upper | Function::Substr => Types::TEXT,
                Function::Abs | Function::Round => Types::NUMBER,
            };
            for (index, argument) in arguments.iter().enumerate() {
                let is_number = *function == Function::Substr && index > 0;
                demand(argument, if is_number { Types::NUMBER } else { common });
            }
        }
        ValueExpr::Case(branches, otherwise) => {
            let common = infer(expr, of_name).and(wanted);
            branches
                .iter()
                .map(|(_, then)| then)
                .chain(otherwise.as_deref())
                .for_each(|part| demand(part, common));
        }
        ValueExpr::Switch(of, branches, otherwise) => {
            let compared = switched(of, branches, of_name);
            demand(of, compared);
            branches.iter().for_each(|(when, _)| demand(when, compared));
            let common = infer(expr, of_name).and(wanted);
            branches
                .iter()
                .map(|(_, then)| then)
                .chain(otherwise.as_deref())
                .for_each(|part| demand(part, common));
        }
        _ => {}
    }
}

/// The start of a row that is not of the types demanded by the sign behind it: its number of values, its types and those. None
/// of them is a single value, of which [`demands`] tells.
pub(super) fn unfit_start(expr: &ValueExpr, of_name: OfName<'_>) -> Option<(usize, Types, Types)> {
    let ValueExpr::Arithmetic(first, rest) = expr else { return None };
    let (mut count, mut found) = (0_usize, None);
    row(first, rest, of_name, &mut |Step { before, demanded: [wanted, _], .. }| {
        count = count.saturating_add(1);
        if count > 1 && found.is_none() && before.and(wanted).is_empty() {
            found = Some((count, before, wanted));
        }
    });
    found
}

/// The types as which the values of a simple `CASE` are compared.
pub(crate) fn switched(of: &ValueExpr, branches: &[(ValueExpr, ValueExpr)], of_name: OfName<'_>) -> Types {
    common([of].into_iter().chain(branches.iter().map(|(when, _)| when)), of_name).scalars()
}

/// The types as which a test compares its sides: those demanded of the left, and of each on the right.
pub(crate) fn sides(left: &ValueExpr, question: &Question, of_name: OfName<'_>) -> [Types; 2] {
    let of = |expr: &ValueExpr| infer(expr, of_name);
    match question {
        Question::Test(test) => {
            let allowed = crate::expr::allowed::allowed(test);
            // An interval is compared with intervals alone, but may be missing.
            [Types { values: allowed, interval: matches!(test, Test::Null) }; 2]
        }
        Question::Compare(comparison, right) => {
            let types = of(left).and(of(right));
            let has_order = !matches!(comparison, Comparison::Equal | Comparison::NotEqual);
            [if has_order { comparable(types) } else { types.scalars() }; 2]
        }
        Question::Between(low, high) => [comparable(of(left).and(of(low)).and(of(high))); 2],
        Question::In(values) => {
            [values.iter().fold(of(left), |types, value| types.and(of(value))).scalars(); 2]
        }
        Question::AnyOf(list) => {
            let items = Types::of(of(list).values.items());
            let types = Types::of(of(left).and(items).scalars().values);
            [types, Types::of(TypeSet::LISTS.and(types.values.and_lists()))]
        }
    }
}

/// The finding that values which an expression compares, or gives one of, have no type in common. None also where the
/// reason is within one of them.
pub(crate) fn unlike(expr: &ValueExpr, of_name: OfName<'_>) -> Option<Diagnostic> {
    let types = infer(expr, of_name);
    let parts: Vec<&ValueExpr> = match expr {
        ValueExpr::Switch(of, branches, _) if switched(of, branches, of_name).is_empty() => {
            [&**of].into_iter().chain(branches.iter().map(|(when, _)| when)).collect()
        }
        _ if !types.is_empty() => return None,
        ValueExpr::Call(_, arguments) => arguments.iter().collect(),
        ValueExpr::Case(branches, otherwise) => {
            branches.iter().map(|(_, then)| then).chain(otherwise.as_deref()).collect()
        }
        ValueExpr::Switch(_, branches, otherwise) => {
            branches.iter().map(|(_, then)| then).chain(otherwise.as_deref()).collect()
        }
        _ => return None,
    };
    let mut message = String::new();
    for part in parts {
        let types = infer(part, of_name);
        if types.is_empty() {
            return None;
        }
        if *part != ValueExpr::Null {
            let comma = if message.is_empty() { "" } else { ", " };
            message.push_str(&words!("{comma}`{part}` is {}", shown(types)));
        }
    }
    let (message, help) = match expr {
        ValueExpr::Call(Function::Greatest | Function::Least, _) => (
            words!("{message}: these have no type with an order in common"),
            words!("text stands in quotes, numbers do not; booleans and lists have no order"),
        ),
        _ => (
            words!("{message}: these have no type in common"),
            words!("text stands in quotes, numbers do not"),
        ),
    };
    Some(Diagnostic::new(Code::TypeMismatch, message).help(help))
}

/// The finding that an expression is not of the types demanded of it.
#[cold]
pub(crate) fn mismatch(expr: &ValueExpr, types: Types, wanted: Types) -> Diagnostic {
    let mut help =
        words!("text stands in quotes, numbers do not; `CASE` and `COALESCE` give values of one type");
    let message = if wanted.is_empty() {
        words!("the parts of this have no type in common: `{expr}`")
    } else if types.is_interval() {
        help = words!("add it to a time, subtract it from one, or compare it with another interval");
        words!("`{expr}` is an interval, which has no value of its own")
    } else {
        words!("`{expr}` is {}, and this asks for {}", shown(types), shown(wanted))
    };
    Diagnostic::new(Code::TypeMismatch, message).help(help)
}

pub(super) fn shown(types: Types) -> String {
    if types.is_interval() { words!("interval") } else { words!("{}", types.values) }
}
