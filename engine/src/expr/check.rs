//! Trees to a typed, slotted program, with a diagnostic for everything that cannot be one.
//!
//! Two passes over every criterion of a plan: [`Uses`] collects which types each name's uses allow, then [`Checker`]
//! lowers the trees with the intersection in hand.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::op::{Op, op};
use super::same;
use super::types::TypeSet;
use super::{Node, Place, Predicate, Program, Slot};
use crate::diagnostic::{At, Code, Diagnostic, words};
use crate::index::{Index, Places};
use crate::limits::{CRITERIA_DEPTH_MAX, CRITERIA_TESTS_MAX};
use crate::syntax::{Expr, Name, Test};
use crate::time;
use crate::value::{DataType, Value};

/// Where a criterion stands: which names it can see.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    /// The event table whose columns `event.` names mean; columns of one name in two tables are two columns.
    pub(crate) table: Option<usize>,
    /// Whether only columns of the event may be named (filters).
    pub(crate) columns_only: bool,
    /// What the caller hands in.
    pub(crate) inputs: &'a [crate::definition::Input],
}

/// What a name can mean outside one criterion.
pub(crate) trait Names {
    /// The attribute of this name (and part), with its declared types; `Err` says what is wrong with the part.
    fn attribute(&self, name: &str) -> Option<Result<(u16, TypeSet), String>>;
    /// A name that is close to this one.
    fn suggest(&self, name: &str) -> Option<String>;
}

/// Every value that is asked about, and which types its uses allow.
#[derive(Default)]
pub(crate) struct Uses {
    /// Values by what identifies them across criteria: attributes by their index, one more than the place (0: none),
    known_attributes: Vec<u32>,
    /// and all others by a text.
    known: Index,
    /// What the program's slots will be, but for segments.
    places: Vec<Place>,
}

impl Uses {
    /// Adds what one criterion says about the values it names.
    pub(crate) fn add(
        &mut self,
        expr: &Expr,
        scope: Scope<'_>,
        names: &impl Names,
        at: At<'_>,
        out: &mut Vec<Diagnostic>,
    ) {
        if depth(expr) > CRITERIA_DEPTH_MAX {
            return;
        }
        for_each_test(expr, &mut |name, test| {
            // What cannot be resolved is reported when the criterion is lowered.
            let Some((slot, declared)) = resolve(name, scope, names).ok() else { return };
            let index = self.number(slot, declared, scope);
            let Some(place) = self.places.get_mut(index as usize) else { return };
            let so_far = place.types;
            let both = so_far.and(allowed(test));
            if both.is_empty() && !so_far.is_empty() {
                let message = words!("`{name}` is {so_far} here, and this asks for {}", allowed(test));
                out.push(Diagnostic::new(Code::TypeMismatch, message).at(at).help(words!(
                    "declare its type, or make the uses agree; text stands in single quotes, numbers do not"
                )));
            }
            place.types = both;
        });
    }

    /// What an attribute may be: its declaration and all its uses.
    pub(crate) fn of_attribute(&self, index: u16, declared: TypeSet) -> TypeSet {
        let place = self.attribute(index).and_then(|place| self.places.get(place as usize));
        place.map_or(declared, |place| place.types)
    }

    fn attribute(&self, index: u16) -> Option<u32> {
        self.known_attributes.get(usize::from(index))?.checked_sub(1)
    }

    /// The place of a value that was added.
    fn find(&self, slot: &Slot, scope: Scope<'_>) -> Option<u32> {
        match slot {
            Slot::Attribute(index) => self.attribute(*index),
            slot => u32::try_from(self.known.get(&identity(slot, scope))?).ok(),
        }
    }

    fn number(&mut self, slot: Slot, declared: TypeSet, scope: Scope<'_>) -> u32 {
        if let Some(known) = self.find(&slot, scope) {
            return known;
        }
        let next = self.places.len();
        let place = u32::try_from(next).unwrap_or(u32::MAX);
        if let Slot::Attribute(index) = slot {
            let index = usize::from(index);
            if self.known_attributes.len() <= index {
                self.known_attributes.resize(index.saturating_add(1), 0);
            }
            if let Some(known) = self.known_attributes.get_mut(index) {
                *known = place.saturating_add(1);
            }
        } else {
            self.known.number(&identity(&slot, scope), next);
        }
        self.places.push(Place { slot, types: declared });
        place
    }
}

/// What identifies a value across criteria, if it is no attribute.
fn identity(slot: &Slot, scope: Scope<'_>) -> String {
    match slot {
        Slot::Column(column) => match scope.table {
            Some(table) => alloc::format!("event.{table}.{column}"),
            None => alloc::format!("event..{column}"),
        },
        Slot::Edge(name) => ["edge.", name].concat(),
        // Personalizations declare their inputs each for itself: of another type it is another value.
        Slot::Input(name) => {
            let declared = scope.inputs.iter().find(|input| input.name == *name);
            ["input.", declared.map_or("", |input| input.data_type.as_str()), ".", name].concat()
        }
        Slot::Attribute(_) | Slot::Segment(_) => String::new(),
    }
}

/// What the edge knows of a request.
const EDGE_NAMES: [&str; 3] = ["country", "city", "device"];

fn resolve(name: &Name, scope: Scope<'_>, names: &impl Names) -> Result<(Slot, TypeSet), (Code, String)> {
    if let Some(column) = name.0.strip_prefix(Name::EVENT) {
        // The column `time` is the event's resolved time.
        let declared = if column == "time" { TypeSet::TIMES } else { TypeSet::ANY };
        return Ok((Slot::Column(column.into()), declared));
    }
    if scope.columns_only {
        let message = words!("`{name}` is no column; a filter names columns, as `event.{}`", name.0);
        return Err((Code::UnknownName, message));
    }
    if let Some(edge) = name.0.strip_prefix(Name::EDGE) {
        return if EDGE_NAMES.contains(&edge) {
            Ok((Slot::Edge(edge.into()), TypeSet::one(DataType::String)))
        } else {
            Err((Code::UnknownName, words!("unknown edge value `{name}`")))
        };
    }
    if let Some(input) = scope.inputs.iter().find(|input| input.name == name.0) {
        return if names.attribute(&name.0).is_some() {
            let message = words!("`{name}` is both an attribute and an input");
            Err((Code::DuplicateName, message))
        } else {
            Ok((Slot::Input(input.name.clone()), TypeSet::one(input.data_type)))
        };
    }
    match names.attribute(&name.0) {
        Some(Ok((index, types))) => Ok((Slot::Attribute(index), types)),
        Some(Err(message)) => Err((Code::UnknownName, message)),
        None => Err((Code::UnknownName, words!("unknown attribute `{name}`"))),
    }
}

/// Which types a value may have to be asked this.
fn allowed(test: &Test) -> TypeSet {
    match test {
        Test::Equal(value) => of_literal(value),
        Test::Order(_, value) => of_ordered(value),
        Test::In(values) => values.iter().fold(TypeSet::ANY, |types, value| types.and(of_literal(value))),
        Test::Between(low, high) => of_ordered(low).and(of_ordered(high)),
        Test::Like(_) | Test::StartsWith(_) | Test::EndsWith(_) | Test::Matches(_) => {
            TypeSet::one(DataType::String)
        }
        Test::Contains(Value::Number(_)) => TypeSet::one(DataType::NumberArray),
        Test::Contains(_) => TypeSet::of(&[DataType::String, DataType::StringArray]),
        Test::Null => TypeSet::ANY,
        Test::WithinDays(_) => TypeSet::TIMES,
        Test::Size(..) => TypeSet::LISTS,
    }
}

fn of_literal(value: &Value) -> TypeSet {
    match value {
        Value::Boolean(_) => TypeSet::one(DataType::Boolean),
        value => of_ordered(value),
    }
}

/// Booleans have no order, lists and objects no literals: the empty set.
fn of_ordered(value: &Value) -> TypeSet {
    match value {
        Value::Number(_) => TypeSet::of(&[DataType::Number, DataType::Timestamp]),
        Value::String(text) if time::rfc3339_ms(text).or_else(|| time::date_ms(text)).is_some() => {
            TypeSet::of(&[DataType::String, DataType::Timestamp, DataType::Date])
        }
        Value::String(_) => TypeSet::one(DataType::String),
        _ => TypeSet::of(&[]),
    }
}

fn for_each_test(expr: &Expr, visit: &mut impl FnMut(&Name, &Test)) {
    match expr {
        Expr::Constant(_) | Expr::Segment(_) => {}
        Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|part| for_each_test(part, visit)),
        Expr::Not(inner) => for_each_test(inner, visit),
        Expr::Test { name, test, .. } => visit(name, test),
    }
}

fn depth(expr: &Expr) -> usize {
    // Trees come from bounded readers; what is read as data nests at most as deep as its reader allows.
    match expr {
        Expr::Constant(_) | Expr::Segment(_) | Expr::Test { .. } => 1,
        Expr::And(parts) | Expr::Or(parts) => parts.iter().map(depth).max().unwrap_or(0).saturating_add(1),
        Expr::Not(inner) => depth(inner).saturating_add(1),
    }
}

/// Lowers criteria into one program; equal tests share a predicate.
pub(crate) struct Checker<'a, N> {
    names: &'a N,
    uses: &'a Uses,
    program: Program,
    /// Slots of batch segments by their names.
    segments: Index,
    /// Predicates by what makes them equal: the slot that is asked about, and the question.
    known: Places,
    /// Each predicate's question; a segment's is its slot.
    asked: Vec<Option<&'a Test>>,
    /// Predicates that more than one place asks.
    shared: Vec<bool>,
}

impl<'a, N: Names> Checker<'a, N> {
    pub(crate) fn new(names: &'a N, uses: &'a Uses) -> Checker<'a, N> {
        Checker {
            names,
            uses,
            program: Program { slots: uses.places.clone(), ..Program::default() },
            segments: Index::default(),
            known: Places::default(),
            asked: Vec::new(),
            shared: Vec::new(),
        }
    }

    /// What all criteria together ask.
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

    /// One criterion. What is wrong with it goes to `out`; a criterion with an error is never.
    pub(crate) fn lower(
        &mut self,
        expr: &'a Expr,
        scope: Scope<'_>,
        at: At<'_>,
        out: &mut Vec<Diagnostic>,
    ) -> Node {
        if depth(expr) > CRITERIA_DEPTH_MAX {
            let message = words!("criteria nest deeper than {CRITERIA_DEPTH_MAX}");
            out.push(Diagnostic::new(Code::OverBound, message).at(at));
            return Node::Constant(false);
        }
        let mut tests = 0_usize;
        for_each_test(expr, &mut |_, _| tests = tests.saturating_add(1));
        if tests > CRITERIA_TESTS_MAX {
            let message =
                words!("{tests} conditions in one criterion, at most {CRITERIA_TESTS_MAX} are allowed");
            out.push(Diagnostic::new(Code::OverBound, message).at(at));
            return Node::Constant(false);
        }
        self.node(expr, scope, at, out)
    }

    fn node(&mut self, expr: &'a Expr, scope: Scope<'_>, at: At<'_>, out: &mut Vec<Diagnostic>) -> Node {
        match expr {
            Expr::Constant(value) => Node::Constant(*value),
            Expr::And(parts) => Node::And(parts.iter().map(|part| self.node(part, scope, at, out)).collect()),
            Expr::Or(parts) => {
                if parts.is_empty() {
                    let message = words!("an empty OR matches nobody");
                    out.push(
                        Diagnostic::new(Code::BadCriteria, message)
                            .at(at)
                            .help(words!("remove it, or give it conditions")),
                    );
                }
                Node::Or(parts.iter().map(|part| self.node(part, scope, at, out)).collect())
            }
            Expr::Not(inner) => Node::Not(Box::new(self.node(inner, scope, at, out))),
            Expr::Segment(name) if scope.columns_only => {
                let message = words!("segment `{name}` in a filter; a filter names columns only");
                out.push(Diagnostic::new(Code::UnknownName, message).at(at));
                Node::Constant(false)
            }
            Expr::Segment(name) => {
                let slot = self.segment(name);
                let op = |_: &Place| Ok(Op::Segment);
                self.share(slot, None, false, op).unwrap_or(Node::Constant(false))
            }
            Expr::Test { name, test, negated } => match self.question(name, test, *negated, scope) {
                Ok(node) => node,
                Err(diagnostic) => {
                    out.push(diagnostic.at(at));
                    Node::Constant(false)
                }
            },
        }
    }

    fn segment(&mut self, name: &str) -> u32 {
        let next = self.program.slots.len();
        let index = self.segments.number(name, next);
        if index == next {
            let types = TypeSet::one(DataType::Boolean);
            self.program.slots.push(Place { slot: Slot::Segment(name.into()), types });
        }
        u32::try_from(index).unwrap_or(u32::MAX)
    }

    /// The predicate of a question, which is made ready only if nobody asked it before.
    fn share(
        &mut self,
        slot: u32,
        test: Option<&'a Test>,
        negated: bool,
        op: impl FnOnce(&Place) -> Result<Op, Diagnostic>,
    ) -> Result<Node, Diagnostic> {
        let print = same::print(slot, test, negated);
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
            let Some(place) = self.program.slots.get(slot as usize) else { return Ok(Node::Constant(false)) };
            let op = op(place)?;
            self.known.add(print);
            self.program.predicates.push(Predicate { slot, memo: None, negated, op });
            self.asked.push(test);
            self.shared.push(false);
            self.asked.len().saturating_sub(1)
        };
        Ok(Node::Predicate(u32::try_from(index).unwrap_or(u32::MAX)))
    }

    fn question(
        &mut self,
        name: &Name,
        test: &'a Test,
        negated: bool,
        scope: Scope<'_>,
    ) -> Result<Node, Diagnostic> {
        let (slot, _) = resolve(name, scope, self.names).map_err(|(code, message)| {
            let diagnostic = Diagnostic::new(code, message);
            match self.names.suggest(&name.0).filter(|_| code == Code::UnknownName && !scope.columns_only) {
                Some(other) => diagnostic.help(words!("did you mean `{other}`?")),
                None => diagnostic,
            }
        })?;
        // All uses were added before; without its own a value is nothing.
        let slot = self.uses.find(&slot, scope).unwrap_or(u32::MAX);
        self.share(slot, Some(test), negated, |place| {
            if place.types.is_empty() {
                // A literal that no type compares with; disagreeing uses were reported when they were collected.
                let message = words!("`{name}` cannot be asked this");
                return Err(Diagnostic::new(Code::TypeMismatch, message));
            }
            op(name, test, place.types)
        })
    }
}
