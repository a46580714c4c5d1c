//! Rows of tables.

use usher_edge::message::KeyOf;
use usher_edge::store::StoreFailure;
use usher_edge::store::tables::{FoundOwn, FoundRow, OwnRows, RowName, TableState, TableWrite, VersionsOf};
use usher_edge::wire::frame::FrameWriter;

use super::RowStore;
use super::row::{self, TABLE, TABLE_OWNER, TABLE_ROW, key, sorted};

impl RowStore {
    pub(super) fn table_state(&self, audience: &str, table: &str) -> Result<TableState, StoreFailure> {
        let name = key(TABLE, &[audience.as_bytes(), table.as_bytes()]);
        let state = self.rows.get(&name).map(|row| row::read(row, TableState::read)).transpose()?;
        Ok(state.unwrap_or_default())
    }

    pub(super) fn table_rows(&self, names: Option<&Vec<RowName>>) -> Result<Vec<FoundRow>, StoreFailure> {
        let mut found = Vec::new();
        for (index, name) in names.into_iter().flatten().enumerate() {
            let generation = self.table_state(&name.audience, &name.table)?.generation;
            let Some(row) = self.rows.get(&place(&name.audience, &name.table, generation, &name.key)) else {
                continue;
            };
            let (version, at_ms, columns) = row::read_table_row(row)?;
            if !columns.is_empty() {
                found.push(FoundRow { index, version, at_ms, columns });
            }
        }
        Ok(found)
    }

    pub(super) fn table_versions(
        &self,
        of: Option<&VersionsOf>,
    ) -> Result<Vec<(usize, Vec<u8>)>, StoreFailure> {
        let Some(VersionsOf { generation, rows }) = of else { return Ok(Vec::new()) };
        let version = |(index, row): (usize, &KeyOf)| {
            let row = self.rows.get(&place(&row.audience, &row.name, *generation, &row.value))?;
            Some(row::read_table_row(row).map(|(version, ..)| (index, version)))
        };
        rows.iter().enumerate().filter_map(version).collect()
    }

    pub(super) fn own_rows(&self, own: Option<&OwnRows>) -> Result<FoundOwn, StoreFailure> {
        let Some(OwnRows { audience, values }) = own else { return Ok(FoundOwn::default()) };
        let mut found = FoundOwn::default();
        for (place, _) in self.rows.below(&key(TABLE_ROW, &[audience.as_bytes()])) {
            let (table, row) = row::read_table_row_key(place)?;
            let indexes = values.iter().enumerate().filter(|(_, value)| **value == row);
            found.rows.extend(indexes.map(|(index, _)| (table.clone(), index)));
        }
        found.rows.sort();
        found.rows.dedup();
        let of_audience = key(TABLE_OWNER, &[audience.as_bytes()]);
        let owners = self.rows.below(&of_audience);
        found.owners = owners.map(|(place, _)| row::read_owner_key(place)).collect::<Result<_, _>>()?;
        Ok(found)
    }

    pub(super) fn put_table(&mut self, write: &TableWrite) -> Result<(), StoreFailure> {
        let (audience, table) = (&write.audience, &write.table);
        if !write.rows.is_empty() {
            let of = [audience.as_bytes(), table.as_bytes(), write.owner.as_bytes()];
            self.rows.put(key(TABLE_OWNER, &of), Vec::new());
        }
        for new in &write.rows {
            let place = place(audience, table, write.into, &new.key);
            if new.removes() {
                self.rows.delete(&place);
                continue;
            }
            let known = self.rows.get(&place).map(row::read_table_row).transpose()?;
            if known.is_none_or(|(version, ..)| new.replaces(&version)) {
                self.rows.put(place, row::table_row(&new.version, write.at_ms, &new.columns));
            }
        }
        let Some(state) = &write.state else { return Ok(()) };
        let mut row = FrameWriter::default();
        state.write(&mut row);
        self.rows.put(key(TABLE, &[audience.as_bytes(), table.as_bytes()]), row.0);
        // Nothing reads a generation before the present one; a tab has few rows.
        let first = place(audience, table, state.generation, "");
        let of_table = key(TABLE_ROW, &[audience.as_bytes(), table.as_bytes()]);
        let replaced = self.rows.below(&of_table).map(|(place, _)| place);
        let replaced: Vec<Vec<u8>> =
            replaced.take_while(|place| **place < *first).map(<[u8]>::to_vec).collect();
        replaced.iter().for_each(|place| self.rows.delete(place));
        Ok(())
    }

    /// Deletes these rows, in every generation.
    pub(super) fn erase_rows(&mut self, names: Option<&Vec<RowName>>) {
        for name in names.into_iter().flatten() {
            let of_table = key(TABLE_ROW, &[name.audience.as_bytes(), name.table.as_bytes()]);
            let is_it = |place: &[u8]| place.ends_with(&key(0, &[name.key.as_bytes()])[1..]);
            let of_row = self.rows.below(&of_table).map(|(place, _)| place).filter(|place| is_it(place));
            let of_row: Vec<Vec<u8>> = of_row.map(<[u8]>::to_vec).collect();
            of_row.iter().for_each(|place| self.rows.delete(place));
        }
    }
}

/// The place of a row: a table's are together, by generation.
fn place(audience: &str, table: &str, generation: u64, row: &str) -> Vec<u8> {
    let generation = sorted(generation.cast_signed());
    key(TABLE_ROW, &[audience.as_bytes(), table.as_bytes(), &generation, row.as_bytes()])
}
