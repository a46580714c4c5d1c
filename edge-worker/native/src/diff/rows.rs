//! The rows of tables that a change makes wrong until they are imported again.

use usher_engine::definition::Table;

/// One reason why stored rows do not fit a table any more.
pub(super) struct Unfit {
    /// The field of the table, as findings name it.
    pub(super) field: String,
    /// The consequence for its rows, to be written after the name of the table.
    pub(super) what: String,
}

/// The reasons why rows that were stored under one declaration of a table do not fit the other one.
pub(super) fn unfit(before: &Table, after: &Table) -> Vec<Unfit> {
    let mut found = Vec::new();
    if before.key != after.key {
        let what = format!(
            "rows are stored by the values of `{}` and are looked for by `{}`",
            before.key, after.key
        );
        found.push(Unfit { field: "key".to_owned(), what });
    }
    if before.version != after.version {
        let what = match (&before.version, &after.version) {
            (None, Some(new)) => {
                format!("stored rows have no version, so that any value of `{new}` is newer")
            }
            (Some(old), None) => {
                format!(
                    "stored rows have versions of `{old}`, and the row that arrives last stays, also an older one"
                )
            }
            (old, new) => {
                let [old, new] = [old, new].map(|name| name.as_deref().unwrap_or_default());
                format!(
                    "stored rows have versions of `{old}`: one that is greater than a row's `{new}` keeps that row out"
                )
            }
        };
        found.push(Unfit { field: "version".to_owned(), what });
    }
    for (index, column) in after.columns.iter().enumerate() {
        let field = format!("columns[{index}]");
        let name = &column.name;
        match (before.column(name), column.data_type) {
            (None, _) => {
                let what = format!("stored rows lack the column `{name}`, which was not kept");
                found.push(Unfit { field, what });
            }
            (Some(known), Some(new)) if known.data_type != column.data_type => {
                let old = known.data_type.map_or("any type", |old| old.as_str());
                let new = new.as_str();
                let what = format!("`{name}` was of {old}: stored values that are no {new} are missing");
                found.push(Unfit { field, what });
            }
            (Some(_), _) => {}
        }
    }
    found
}
