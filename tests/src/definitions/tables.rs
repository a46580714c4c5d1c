//! Tables of rows, and attributes that read them.

use usher_engine::definition::{AttributeKind, CatalogColumn, Table, TableColumn};
use usher_engine::limits::ROWS_MAX;

use super::{data_type, maybe, name, several, text};
use crate::random::Random;

pub(super) fn table(random: &mut Random) -> Table {
    Table {
        name: name(random),
        key: name(random),
        version: maybe(random, name),
        public: random.one_in(2),
        columns: several(random, 4, |random| TableColumn {
            name: name(random),
            data_type: maybe(random, data_type),
            sensitive: maybe(random, |random| random.one_in(2)),
        }),
        description: maybe(random, text),
    }
}

pub(super) fn catalog(random: &mut Random) -> AttributeKind {
    let column =
        |random: &mut Random| CatalogColumn { name: name(random), data_type: maybe(random, data_type) };
    let mut columns = several(random, 3, column);
    columns.push(column(random));
    let limit = 1 + random.below(ROWS_MAX) as u32;
    AttributeKind::Catalog { table: name(random), key: name(random), columns, limit }
}
