//! Aggregates over rows that are there: groups in the order of their values, sums without rounding on the way.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use usher_engine::definition::pipeline::{AggregateColumn, AggregateFunction, Aggregated, Aggregation};
use usher_engine::diagnostic::Diagnostic;
use usher_engine::value::{Number, Value};
use usher_engine::{Event, Truth};

use crate::limits::GROUP_VALUES_MAX;
use crate::plan::Plan;
use crate::record::Record;
use crate::scope::Scope;

/// A query while it reads rows.
#[derive(Debug)]
pub struct Aggregates {
    plan: Plan,
    groups: usize,
    columns: Vec<AggregateColumn>,
    /// The state of each aggregated column, by the values of the group.
    states: BTreeMap<Vec<Ordered>, Vec<State>>,
    /// The number of values in groups and in sets of different values.
    kept: usize,
}

/// A value in the order of groups: missing, booleans, numbers, texts, others by their JSON.
#[derive(Clone, Debug, PartialEq)]
struct Ordered(Value);

impl Eq for Ordered {}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Ordered) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Ordered) -> Ordering {
        let rank = |value: &Value| match value {
            Value::Null => 0,
            Value::Boolean(_) => 1,
            Value::Number(_) => 2,
            Value::String(_) => 3,
            Value::List(_) | Value::Object(_) => 4,
        };
        let json = |value: &Value| serde_json::to_string(value).unwrap_or_default();
        match (&self.0, &other.0) {
            (Value::Boolean(one), Value::Boolean(two)) => one.cmp(two),
            (Value::Number(one), Value::Number(two)) => one.cmp(two),
            (Value::String(one), Value::String(two)) => one.cmp(two),
            (one, two) if rank(one) == 4 && rank(two) == 4 => json(one).cmp(&json(two)),
            (one, two) => rank(one).cmp(&rank(two)),
        }
    }
}

/// An aggregate on the way.
#[derive(Clone, Debug, Default)]
struct State {
    /// Rows, or values that are not missing.
    count: u64,
    sum: Sum,
    /// The least or the greatest value so far.
    end: Option<Ordered>,
    /// The values so far, where different ones count once.
    different: BTreeSet<Ordered>,
}

impl Aggregates {
    /// Compiles a query.
    ///
    /// # Errors
    ///
    /// Every finding: expressions of types that do not agree.
    pub fn new(aggregation: &Aggregation) -> Result<Aggregates, Vec<Diagnostic>> {
        let Aggregation { rows, groups, columns } = aggregation;
        let plan = Plan::compile(rows)?;
        let mut new =
            Aggregates { plan, groups: *groups, columns: columns.clone(), states: BTreeMap::new(), kept: 0 };
        if *groups == 0 {
            // Without groups there is one row of results, also of no rows.
            new.states.insert(Vec::new(), new.empty());
        }
        Ok(new)
    }

    fn empty(&self) -> Vec<State> {
        vec![State::default(); self.columns.len()]
    }

    /// Takes a row; `NOW()` is this time, Unix milliseconds.
    ///
    /// # Errors
    ///
    /// There are too many groups or different values; the text is for people.
    pub fn take(&mut self, record: Record, now_ms: i64) -> Result<(), String> {
        let columns = Event::resolve(0, record.columns, record.arrival_ms, String::new()).columns;
        let scope = Scope::new(&columns, &[]);
        if self.plan.condition(&scope, now_ms) != Truth::True {
            return Ok(());
        }
        let mut values: Vec<Value> =
            self.plan.row(&scope, now_ms).into_iter().map(|(_, value)| value).collect();
        let arguments = values.split_off(self.groups.min(values.len()));
        let key: Vec<Ordered> = values.into_iter().map(Ordered).collect();
        if !self.states.contains_key(&key) {
            self.kept += 1 + key.len();
            self.states.insert(key.clone(), self.empty());
        }
        let Some(states) = self.states.get_mut(&key) else { return Ok(()) };
        for (column, state) in self.columns.iter().zip(states) {
            match column.value {
                Aggregated::Group(_) => {}
                Aggregated::Rows => state.count += 1,
                Aggregated::Of { function, is_distinct, column } => {
                    let argument = column.checked_sub(self.groups).and_then(|place| arguments.get(place));
                    if let Some(value) = argument.and_then(Value::present) {
                        self.kept += state.take(function, is_distinct, value);
                    }
                }
            }
        }
        if self.kept > GROUP_VALUES_MAX {
            return Err(format!(
                "there are over {GROUP_VALUES_MAX} groups and different values; narrow WHERE"
            ));
        }
        Ok(())
    }

    /// The results: a row for each group.
    pub fn rows(&self) -> impl Iterator<Item = Vec<(Rc<str>, Value)>> {
        self.states.iter().map(|(key, states)| {
            let columns = self.columns.iter().zip(states);
            let value = |column: &AggregateColumn, state: &State| match column.value {
                Aggregated::Group(place) => key.get(place).map_or(Value::Null, |value| value.0.clone()),
                Aggregated::Rows => count(state.count),
                Aggregated::Of { function, .. } => state.result(function),
            };
            columns.map(|(column, state)| (Rc::from(column.name.as_str()), value(column, state))).collect()
        })
    }
}

fn count(count: u64) -> Value {
    Value::from(i64::try_from(count).unwrap_or(i64::MAX))
}

impl State {
    /// Takes a value, and returns how many more are kept for it.
    fn take(&mut self, function: AggregateFunction, is_distinct: bool, value: &Value) -> usize {
        let value = Ordered(value.clone());
        if is_distinct && !self.different.insert(value.clone()) {
            return 0;
        }
        self.count += 1;
        if let Value::Number(number) = &value.0 {
            self.sum.add(*number);
        }
        let is_end = match function {
            AggregateFunction::Least => self.end.as_ref().is_none_or(|end| value < *end),
            AggregateFunction::Greatest => self.end.as_ref().is_none_or(|end| value > *end),
            _ => false,
        };
        if is_end {
            self.end = Some(value);
        }
        usize::from(is_distinct)
    }

    fn result(&self, function: AggregateFunction) -> Value {
        match function {
            AggregateFunction::Count => count(self.count),
            _ if self.count == 0 => Value::Null,
            AggregateFunction::Sum => self.sum.value(),
            AggregateFunction::Average => self.sum.over(self.count),
            AggregateFunction::Least | AggregateFunction::Greatest => {
                self.end.as_ref().map_or(Value::Null, |end| end.0.clone())
            }
        }
    }
}

/// A sum whose order does not matter: integers exactly, floats as parts that do not overlap.
#[derive(Clone, Debug, Default)]
struct Sum {
    integers: i128,
    floats: Vec<f64>,
}

impl Sum {
    fn add(&mut self, number: Number) {
        match number {
            Number::Integer(value) => self.integers = self.integers.saturating_add(value.into()),
            Number::Float(value) => add_part(&mut self.floats, value),
        }
    }

    fn value(&self) -> Value {
        match i64::try_from(self.integers) {
            Ok(integer) if self.floats.is_empty() => Value::from(integer),
            _ => float(self.float()),
        }
    }

    fn over(&self, count: u64) -> Value {
        float(self.float() / count as f64)
    }

    fn float(&self) -> f64 {
        let mut parts = self.floats.clone();
        // Its upper part, and what that rounded away.
        let upper = self.integers as f64;
        add_part(&mut parts, upper);
        add_part(&mut parts, self.integers.saturating_sub(upper as i128) as f64);
        parts.iter().rev().sum()
    }
}

/// Adds to parts that do not overlap, smallest first; what a sum rounds away becomes a part of its own.
fn add_part(parts: &mut Vec<f64>, value: f64) {
    let mut carried = value;
    let mut kept = Vec::with_capacity(parts.len() + 1);
    for &part in parts.iter() {
        let (large, small) = if carried.abs() < part.abs() { (part, carried) } else { (carried, part) };
        let sum = large + small;
        let rest = small - (sum - large);
        if rest != 0.0 {
            kept.push(rest);
        }
        carried = sum;
    }
    kept.push(carried);
    *parts = kept;
}

fn float(value: f64) -> Value {
    Number::float(value).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_do_not_depend_on_the_order() {
        let numbers = [1e16, 1.0, -1e16, 0.1, 1e-9, -0.1].map(Number::Float);
        let sum = |numbers: &mut dyn Iterator<Item = &Number>| {
            let mut sum = Sum::default();
            numbers.for_each(|number| sum.add(*number));
            sum.float()
        };
        assert_eq!(sum(&mut numbers.iter()), 1.000_000_001);
        assert_eq!(sum(&mut numbers.iter().rev()), 1.000_000_001);
        let mut large = Sum::default();
        large.add(Number::Integer(i64::MAX));
        large.add(Number::Integer(i64::MAX));
        assert_eq!(large.value(), float(1.844_674_407_370_955_2e19));
        large.add(Number::Integer(-i64::MAX));
        assert_eq!(large.value(), Value::from(i64::MAX));
    }
}
