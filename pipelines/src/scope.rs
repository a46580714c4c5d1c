//! The values that an expression can name: columns of the event and of its joined rows.

use std::rc::Rc;

use usher_engine::Columns;
use usher_engine::value::Value;

use crate::record::find;
use crate::rows::Row;

/// A column of a source, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// 0 is `FROM`, 1 the first join.
    pub(crate) source: usize,
    /// Its place among the kept columns of a joined source.
    pub(crate) slot: usize,
    pub(crate) column: String,
}

/// An event and its joined rows; those that were not looked up yet are missing.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    event: &'a [(String, Value)],
    rows: &'a [Option<Rc<Row>>],
}

impl<'a> Scope<'a> {
    pub(crate) fn new(event: &'a [(String, Value)], rows: &'a [Option<Rc<Row>>]) -> Scope<'a> {
        Scope { event, rows }
    }

    pub(crate) fn value(&self, place: &Place) -> Option<&'a Value> {
        match place.source.checked_sub(1) {
            None => find(self.event, &place.column),
            Some(join) => self.row(join)?.columns.get(place.slot, &place.column),
        }
    }

    pub(crate) fn event(&self) -> &'a [(String, Value)] {
        self.event
    }

    pub(crate) fn row(&self, join: usize) -> Option<&'a Row> {
        self.rows.get(join)?.as_deref()
    }
}

/// The columns that a program reads, by its numbers.
pub(crate) struct Numbered<'p, 's> {
    pub(crate) places: &'p [Place],
    pub(crate) scope: &'p Scope<'s>,
}

impl Columns for Numbered<'_, '_> {
    fn column(&self, number: usize) -> Option<&Value> {
        self.scope.value(self.places.get(number)?)
    }
}
