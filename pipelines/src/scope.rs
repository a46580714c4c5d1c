//! The values that an expression can name: columns of the event and of its joined rows.

use std::rc::Rc;

use usher_engine::value::Value;
use usher_engine::{Place, Sources};

use crate::record::find;
use crate::rows::{Columns, Row};

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

    pub(crate) fn row(&self, join: usize) -> Option<&'a Row> {
        self.rows.get(join)?.as_deref()
    }
}

impl Sources for Scope<'_> {
    fn value(&self, place: &Place) -> Option<&Value> {
        Scope::value(self, place)
    }

    fn columns(&self, source: usize) -> Option<&[(String, Value)]> {
        match source.checked_sub(1) {
            None => Some(self.event),
            Some(join) => match &self.row(join)?.columns {
                Columns::Whole(columns) => Some(columns),
                Columns::Read(_) => None,
            },
        }
    }
}
