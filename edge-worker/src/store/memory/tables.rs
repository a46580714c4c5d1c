//! Rows of tables in memory.

use std::collections::{BTreeMap, BTreeSet};

use crate::message::KeyOf;
use crate::store::tables::{
    FoundOwn, FoundRow, OwnRows, RowName, TableBasis, TableRow, TableState, TableWrite, VersionsOf,
};

/// Audience and table.
type OfTable = (String, String);

#[derive(Clone, Debug, Default)]
pub(super) struct TableRows {
    states: BTreeMap<OfTable, TableState>,
    /// Each with its arrival, by table, generation and key.
    rows: BTreeMap<(OfTable, u64, String), (TableRow, i64)>,
    /// The stitching keys by which rows were imported.
    owners: BTreeSet<(OfTable, String)>,
}

impl TableRows {
    pub(super) fn state(&self, audience: &str, table: &str) -> TableState {
        self.states.get(&(audience.to_owned(), table.to_owned())).cloned().unwrap_or_default()
    }

    pub(super) fn find(&self, names: Option<&Vec<RowName>>) -> Vec<FoundRow> {
        let found = names.into_iter().flatten().enumerate().filter_map(
            |(index, RowName { audience, table, key })| {
                let generation = self.state(audience, table).generation;
                let of = ((audience.clone(), table.clone()), generation, key.clone());
                let (row, at_ms) = self.rows.get(&of).filter(|(row, _)| !row.columns.is_empty())?;
                let (version, columns) = (row.version.clone(), row.columns.clone());
                Some(FoundRow { index, version, at_ms: *at_ms, columns })
            },
        );
        found.collect()
    }

    pub(super) fn own(&self, own: Option<&OwnRows>) -> FoundOwn {
        let Some(OwnRows { audience, values }) = own else { return FoundOwn::default() };
        let of_audience = self.rows.keys().filter(|((of, _), ..)| of == audience);
        let of_values = of_audience.flat_map(|((_, table), _, key)| {
            let indexes = values.iter().enumerate().filter(move |(_, value)| *value == key);
            indexes.map(move |(index, _)| (table.clone(), index))
        });
        let rows = of_values.collect::<BTreeSet<_>>().into_iter().collect();
        let owners = self.owners.iter().filter(|((of, _), _)| of == audience);
        FoundOwn { rows, owners: owners.map(|((_, table), key)| (table.clone(), key.clone())).collect() }
    }

    pub(super) fn versions(&self, of: Option<&VersionsOf>) -> Vec<(usize, Vec<u8>)> {
        let Some(VersionsOf { generation, rows }) = of else { return Vec::new() };
        let version = |(index, row): (usize, &KeyOf)| {
            let place = ((row.audience.clone(), row.name.clone()), *generation, row.value.clone());
            Some((index, self.rows.get(&place)?.0.version.clone()))
        };
        rows.iter().enumerate().filter_map(version).collect()
    }

    pub(super) fn holds(&self, basis: Option<&TableBasis>) -> bool {
        basis.is_none_or(|basis| self.state(&basis.audience, &basis.table) == basis.state)
    }

    pub(super) fn write(&mut self, write: &TableWrite) {
        let of = (write.audience.clone(), write.table.clone());
        if !write.rows.is_empty() {
            self.owners.insert((of.clone(), write.owner.clone()));
        }
        for row in &write.rows {
            let place = (of.clone(), write.into, row.key.clone());
            if row.removes() {
                self.rows.remove(&place);
            } else if self.rows.get(&place).is_none_or(|(known, _)| row.replaces(&known.version)) {
                self.rows.insert(place, (row.clone(), write.at_ms));
            }
        }
        if let Some(state) = &write.state {
            self.states.insert(of, state.clone());
        }
        self.drop_replaced();
    }

    pub(super) fn erase(&mut self, names: Option<&Vec<RowName>>) {
        let Some(names) = names else { return };
        let is_of = |of: &OfTable, key: &String, name: &RowName| {
            (&of.0, &of.1, key) == (&name.audience, &name.table, &name.key)
        };
        self.rows.retain(|(of, _, key), _| !names.iter().any(|name| is_of(of, key, name)));
    }

    /// Deletes the rows that nothing reads.
    pub(super) fn drop_replaced(&mut self) {
        let states = &self.states;
        self.rows.retain(|(of, generation, _), _| {
            states.get(of).is_none_or(|state| *generation >= state.generation)
        });
    }
}
