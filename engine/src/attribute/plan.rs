//! Compiled attributes: columns, windows, domains, and the facts that criteria can name.

use alloc::string::String;
use alloc::vec::Vec;

use super::counter::Unit;
use super::list::Bounds;
use super::pick::{Order, Pick};
use super::ring::Window;
use crate::definition::{Aggregation, AttributeKind, Increment, ListAggregation, Removal};
use crate::expr::Node;
use crate::expr::types::TypeSet;
use crate::flat::flat;
use crate::value::DataType;

/// A compiled attribute.
#[derive(Debug)]
pub(crate) struct AttributePlan {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// The types that its value may have (the ingest rule).
    pub(crate) types: TypeSet,
    pub(crate) sensitive: bool,
    /// The filter on events of its key event.
    pub(crate) filter: Node,
    /// The array of an event whose objects each count by themselves.
    pub(crate) array: Option<String>,
}

/// An attribute's kind with windows and durations in milliseconds.
#[derive(Debug)]
pub(crate) enum Kind {
    /// One value. The duration is how long a `last` value lives, and how far back the others look.
    Pick {
        pick: Pick,
        column: String,
        duration_ms: Option<i64>,
        window: Option<Window>,
        base: Option<Base>,
    },
    Sum {
        column: String,
        window: Option<Window>,
    },
    List(ListPlan),
    Counter {
        amount: Amount,
        window: Window,
        widths_ms: Vec<i64>,
    },
    Total {
        amount: Amount,
        base: Option<Base>,
    },
    Batch {
        column: String,
    },
    /// Columns of rows of a table.
    Catalog(CatalogPlan),
}

/// The rows that a catalog attribute reads.
#[derive(Debug)]
pub(crate) struct CatalogPlan {
    pub(crate) table: String,
    pub(crate) key: RowKeys,
    /// True if the key is a list, so that columns are lists, too.
    pub(crate) many: bool,
    pub(crate) rows_max: usize,
    /// True if anybody may read rows of the table.
    pub(crate) public: bool,
}

/// The source of the texts that identify rows.
#[derive(Debug)]
pub(crate) enum RowKeys {
    /// A stitching key of the visitor.
    Key(String),
    /// Index of a fact.
    Fact(u16),
    /// A column of the event.
    Column(String),
}

/// The amount that one event adds.
#[derive(Debug)]
pub(crate) enum Amount {
    Constant(i64),
    Column(String),
}

impl Amount {
    pub(crate) fn unit(&self) -> Unit {
        match self {
            Amount::Constant(_) => Unit::Events,
            Amount::Column(_) => Unit::Nanos,
        }
    }
}

/// Record columns that hold a value or total from before events arrived (a backfill).
#[derive(Debug)]
pub(crate) struct Base {
    pub(crate) column: String,
    pub(crate) time_column: Option<String>,
}

#[derive(Debug)]
pub(crate) struct ListPlan {
    /// The column that identifies items; None: each event is an item.
    pub(crate) column: Option<String>,
    /// The types that ids may have: the intersection of all uses of the list and of the parts that read ids.
    pub(crate) id_types: TypeSet,
    /// The columns stored for each item, ascending; the id is always stored.
    pub(crate) columns: Vec<String>,
    /// The types that each of these columns may have.
    pub(crate) types: Vec<TypeSet>,
    /// The columns that a part sums; None: the ids.
    pub(crate) summed: Vec<Option<String>>,
    pub(crate) bounds: Bounds,
    pub(crate) actions: Vec<ActionPlan>,
}

impl ListPlan {
    /// True if a column identifies its items.
    pub(crate) fn has_ids(&self) -> bool {
        self.column.is_some()
    }

    /// The types that an item's value in a column may have; None: the types of its id.
    pub(crate) fn types_of(&self, column: Option<&str>) -> TypeSet {
        let Some(column) = column else { return self.id_types };
        let kept = self.columns.binary_search_by(|known| known.as_str().cmp(column)).ok();
        kept.and_then(|kept| self.types.get(kept)).copied().unwrap_or(TypeSet::ANY)
    }
}

#[derive(Debug)]
pub(crate) struct ActionPlan {
    pub(crate) removal: Removal,
    pub(crate) filter: Node,
}

/// A fact that criteria and outputs can name: an attribute's value, or a part of it.
#[derive(Debug)]
pub(crate) struct FactPlan {
    /// The name in criteria and outputs.
    pub(crate) name: String,
    /// True if another fact has the same value under a shorter name.
    pub(crate) alias: bool,
    /// Index of the attribute.
    pub(crate) attribute: usize,
    pub(crate) part: Part,
    /// The types that its value may have.
    pub(crate) types: TypeSet,
    /// The types that criteria compare it as: those left by declaration and uses, regardless of the order of `min` and
    /// `max`.
    pub(crate) asked: TypeSet,
}

#[derive(Clone, Debug)]
pub(crate) enum Part {
    Whole,
    /// Of a list: the column read from the items (None: their ids), and how the items make one value. The order is that
    /// of `min` and `max`.
    Items {
        column: Option<String>,
        aggregation: ListAggregation,
        order: Order,
    },
    /// Of a counter: another window.
    Window(Window),
    /// Of a row: a column, and whether it is sensitive.
    Column(String, bool),
}

impl Part {
    /// True if it is a sensitive column of a row, whatever the attribute says.
    pub(crate) fn is_sensitive(&self) -> bool {
        matches!(self, Part::Column(_, true))
    }

    /// The column of a list's items that it sums; None within: their ids.
    pub(crate) fn summed(&self) -> Option<Option<String>> {
        match self {
            Part::Items { column, aggregation: ListAggregation::Sum, .. } => Some(column.clone()),
            _ => None,
        }
    }
}

impl Kind {
    /// The column that it reads, of an event or of a record.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &str> + Clone {
        let (one, many): (Option<&String>, &[String]) = match self {
            Kind::Pick { column, .. } | Kind::Sum { column, .. } | Kind::Batch { column } => {
                (Some(column), &[])
            }
            Kind::Catalog(_) => (None, &[]),
            Kind::List(list) => (list.column.as_ref(), &list.columns),
            Kind::Counter { amount, .. } | Kind::Total { amount, .. } => match amount {
                Amount::Column(column) => (Some(column), &[]),
                Amount::Constant(_) => (None, &[]),
            },
        };
        one.into_iter().chain(many).map(String::as_str)
    }

    /// The columns of batch records that it reads.
    pub(crate) fn record_columns(&self) -> impl Iterator<Item = &str> {
        let (own, base) = match self {
            Kind::Batch { column } => (Some(column), None),
            Kind::Pick { base, .. } | Kind::Total { base, .. } => (None, base.as_ref()),
            Kind::Sum { .. } | Kind::List(_) | Kind::Counter { .. } | Kind::Catalog(_) => (None, None),
        };
        let of_base = base.into_iter().flat_map(|base| [Some(&base.column), base.time_column.as_ref()]);
        own.into_iter().chain(of_base.flatten()).map(String::as_str)
    }
}

/// A part of an attribute as it is addressed, before types are known.
pub(crate) struct Address<'d> {
    /// None: the attribute's own name.
    pub(crate) name: Option<&'d str>,
    pub(crate) part: Part,
    /// The types of its declaration.
    pub(crate) types: TypeSet,
    /// True if an answer can show it.
    pub(crate) shows: bool,
    /// True if another address has the same value under a shorter name.
    pub(crate) alias: bool,
}

/// Every fact of an attribute.
pub(crate) fn addresses(kind: &AttributeKind) -> Vec<Address<'_>> {
    let number = TypeSet::one(DataType::Number);
    let whole = |types| Address { name: None, part: Part::Whole, types, shows: true, alias: false };
    let of = |data_type: &Option<DataType>| data_type.map_or(TypeSet::ANY, TypeSet::one);
    let mut all = Vec::new();
    match kind {
        AttributeKind::Single { aggregation: Aggregation::Sum, .. } => all.push(whole(number)),
        // The column `time` is the event's time, even if the event has a column of that name.
        AttributeKind::Single { column, data_type: None, .. } if column == "time" => {
            all.push(whole(TypeSet::one(DataType::Timestamp)));
        }
        AttributeKind::Single { data_type, .. } | AttributeKind::Batch { data_type, .. } => {
            all.push(whole(of(data_type)));
        }
        AttributeKind::Counter { parts, .. } => {
            all.push(whole(number));
            for part in parts {
                let window = Part::Window(Window::new(part.window_ms));
                all.push(Address {
                    name: Some(&part.name),
                    part: window,
                    types: number,
                    shows: true,
                    alias: false,
                });
            }
        }
        AttributeKind::List { column, parts, .. } => {
            let ids = || Part::Items {
                column: None,
                aggregation: ListAggregation::DistinctList,
                order: Order::Text,
            };
            if column.is_some() {
                let shows = parts.is_empty();
                all.push(Address { name: None, part: ids(), types: TypeSet::LISTS, shows, alias: false });
                if shows {
                    all.push(Address {
                        name: Some("items"),
                        part: ids(),
                        types: TypeSet::LISTS,
                        shows,
                        alias: true,
                    });
                }
            }
            for (index, part) in parts.iter().enumerate() {
                let types = match part.aggregation {
                    aggregation if aggregation.is_list() => TypeSet::LISTS,
                    ListAggregation::Sum => number,
                    _ => TypeSet::ANY,
                };
                let items = || Part::Items {
                    column: (column.as_ref() != Some(&part.column)).then(|| part.column.clone()),
                    aggregation: part.aggregation,
                    order: Order::Number,
                };
                let alias = column.is_none() && index == 0;
                if alias {
                    all.push(Address { name: None, part: items(), types, shows: true, alias: false });
                }
                all.push(Address { name: Some(&part.name), part: items(), types, shows: true, alias });
            }
        }
        // Its facts are columns of a table, which the compiler knows.
        AttributeKind::Catalog { .. } => {}
    }
    all
}

/// The order that `min` and `max` compare by, given the types that a value may have. Without declaration or use it is
/// that of numbers; a value that is compared with times has that of times, because texts and times have no common
/// order.
pub(crate) fn order_of(types: TypeSet) -> (Order, TypeSet) {
    if types == TypeSet::ANY || types.has(DataType::Number) {
        (Order::Number, TypeSet::one(DataType::Number))
    } else if types.has_times() {
        (Order::Instant, types.times())
    } else {
        (Order::Text, types.and(TypeSet::one(DataType::String)))
    }
}

/// An increment with its unit.
pub(crate) fn amount(increment: &Increment) -> Amount {
    match increment {
        Increment::Constant(constant) => Amount::Constant(*constant),
        Increment::Column(column) => Amount::Column(column.clone()),
    }
}

flat!(struct AttributePlan { name, kind, types, sensitive, filter, array });
flat!(enum Kind {
    0 = Pick { pick, column, duration_ms, window, base },
    1 = Sum { column, window },
    2 = List(list),
    3 = Counter { amount, window, widths_ms },
    4 = Total { amount, base },
    5 = Batch { column },
    6 = Catalog(catalog),
});
flat!(struct CatalogPlan { table, key, many, rows_max, public });
flat!(enum RowKeys { 0 = Key(name), 1 = Fact(index), 2 = Column(column) });
flat!(enum Amount { 0 = Constant(amount), 1 = Column(column) });
flat!(struct Base { column, time_column });
flat!(struct ListPlan { column, id_types, columns, types, summed, bounds, actions });
flat!(struct ActionPlan { removal, filter });
flat!(struct FactPlan { name, alias, attribute, part, types, asked });
flat!(enum Part {
    0 = Whole,
    1 = Items { column, aggregation, order },
    2 = Window(window),
    3 = Column(column, sensitive),
});
