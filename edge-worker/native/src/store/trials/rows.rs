//! Rows of tables: SQLite keeps and finds what the reference store does, and erases what an earlier build stored.

use std::cell::Cell;
use std::fs;
use std::rc::Rc;

use usher_edge::InControlPlane;
use usher_edge::message::KeyOf;
use usher_edge::store::memory::MemoryStore;
use usher_edge::store::tables::{OwnRows, RowName, TableRow, TableState, TableWrite, VersionsOf};
use usher_edge::store::{Basis, Read, Store, Upkeep, Write};

use super::super::SqliteStore;
use super::{Writer, bundle_of, text};

/// Numbers that look random, the same in every run.
struct Draws(u64);

impl Draws {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn one<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}

const TABLES: [&str; 3] = ["plans", "letters", "stores"];
const KEYS: [&str; 5] = ["a", "b", "c\"", "\u{e9}", "e"];

fn write(draws: &mut Draws, at_ms: i64) -> Write {
    let (audience, table) = (draws.one(&["7", "8"]).to_owned(), draws.one(&TABLES).to_owned());
    if draws.below(4) == 0 {
        let key = draws.one(&KEYS).to_owned();
        let rows = InControlPlane::new(vec![RowName { audience, table, key }]);
        return Write { upkeep: Some(Box::new(Upkeep { rows, ..Upkeep::default() })), ..Write::default() };
    }
    let row = |draws: &mut Draws| TableRow {
        key: draws.one(&KEYS).to_owned(),
        version: draws.one(&["", "1", "2"]).as_bytes().to_vec(),
        columns: draws.one(&["", "{}", "{\"n\":1}"]).as_bytes().to_vec(),
    };
    let rows = (0..draws.below(4)).map(|_| row(draws)).collect();
    let owner = draws.one(&["", "email", "customer"]).to_owned();
    let generation = draws.below(3);
    let state = (draws.below(3) == 0).then(|| TableState { generation, filling: 0, load: String::new() });
    let into = draws.below(4);
    Write {
        table: InControlPlane::new(Box::new(TableWrite { audience, table, into, at_ms, rows, owner, state })),
        ..Write::default()
    }
}

#[test]
fn rows_are_found_as_in_the_reference() {
    let directory = std::env::temp_dir().join(format!("usher-rows-{}", std::process::id()));
    let mut store = SqliteStore::open(&directory).unwrap();
    let mut reference = MemoryStore::default();
    let mut draws = Draws(7);
    let own = |audience: &str| OwnRows {
        audience: audience.to_owned(),
        values: ["e", "a", "c\"", "nobody", "\u{e9}", "a\0"].map(str::to_owned).to_vec(),
    };
    let key = |table: &&str| {
        KEYS.map(|key| KeyOf { audience: "7".to_owned(), name: (*table).to_owned(), value: key.to_owned() })
    };
    let (mut found_own, mut found_versions) = (0, 0);
    for round in 0..600 {
        let write = write(&mut draws, round);
        store.commit(&Basis::default(), &write).unwrap();
        reference.commit(&Basis::default(), &write).unwrap();
        // A turn of upkeep, or the next write, drops replaced rows of other tables from SQLite.
        let drops = Write {
            table: InControlPlane::new(Box::new(TableWrite {
                audience: "9".to_owned(),
                ..TableWrite::default()
            })),
            ..Write::default()
        };
        store.commit(&Basis::default(), &drops).unwrap();
        reference.commit(&Basis::default(), &drops).unwrap();
        for audience in ["7", "8", "9"] {
            let read = Read::Own(InControlPlane::new(own(audience)));
            let found = store.read(&read).unwrap();
            assert_eq!(found, reference.read(&read).unwrap(), "{round} {write:?}");
            found_own += format!("{found:?}").matches("plans").count();
        }
        for generation in 0..4 {
            let rows = TABLES.iter().flat_map(key).collect();
            let read = Read::Versions(InControlPlane::new(VersionsOf { generation, rows }));
            let found = store.read(&read).unwrap();
            assert_eq!(found, reference.read(&read).unwrap(), "{round} {write:?}");
            found_versions += format!("{found:?}").matches("49").count();
        }
    }
    assert!(found_own > 100 && found_versions > 100, "{found_own} {found_versions}");
    drop(store);
    fs::remove_dir_all(&directory).unwrap();
}

const WITH_TABLES: &str = r#"
parent_segment_id: "7"
events:
  - {name: view, database: web, table: views, filter: {field: ref, pattern: "."}}
attributes:
  - {name: views, type: counter, source_event: view, aggregation: count, sensitivity: non-sensitive}
  - {name: tier, type: imported_batch, column: tier, data_type: string, sensitivity: non-sensitive}
tables:
  - {name: letters, key: customer_id, columns: [topic]}
  - {name: stores, key: code, public: true, columns: [city]}
id_stitching:
  primary_key: customer_id
  stitching_keys: [{name: cookie}, {name: customer_id}]
"#;

/// A build that did not note whose rows are has stored them, and the definition that runs declares one of the tables still.
#[test]
fn rows_of_an_earlier_build_are_erased() {
    let directory = std::env::temp_dir().join(format!("usher-earlier-rows-{}", std::process::id()));
    let calls = Rc::new(Cell::new(0));
    let mut writer = Writer::start(SqliteStore::open(&directory).unwrap(), &calls);
    let publish = |writer: &mut Writer<SqliteStore>, definition: &str| {
        let answer = writer.ask("PUT", "/v1/audiences/7/bundle", &bundle_of(definition, "home"));
        assert_eq!(answer.status, 200, "{}", text(&answer));
    };
    publish(&mut writer, WITH_TABLES);
    for (table, row) in [
        ("letters", r#"{"customer_id": "c-1", "topic": "t"}"#),
        ("letters", r#"{"customer_id": "c-2", "topic": "t"}"#),
        ("stores", r#"{"code": "c-1", "city": "Oslo"}"#),
        ("stores", r#"{"code": "c-2", "city": "Oslo"}"#),
    ] {
        let answer = writer.ask("PUT", &format!("/v1/audiences/7/tables/{table}/import"), row);
        assert_eq!(answer.status, 200, "{}", text(&answer));
    }
    writer.store.connection().execute_batch("DELETE FROM table_owner").unwrap();
    let left = |writer: &mut Writer<SqliteStore>| -> Vec<String> {
        let connection = writer.store.connection();
        let mut rows = connection.prepare("SELECT name || ' ' || key FROM table_row ORDER BY 1").unwrap();
        rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    // The definition decides for tables that it declares.
    let erase = |writer: &mut Writer<SqliteStore>, customer: &str| {
        writer.ask("DELETE", &format!("/v1/audiences/7/profiles/customer_id/{customer}"), "").status
    };
    assert_eq!(erase(&mut writer, "c-1"), 200);
    assert_eq!(left(&mut writer), ["letters c-2", "stores c-1", "stores c-2"]);
    // Of a table that nothing declares nobody knows more than the value.
    publish(&mut writer, super::DEFINITION);
    assert_eq!(erase(&mut writer, "c-2"), 200);
    assert_eq!(left(&mut writer), ["stores c-1"]);
    assert_eq!(erase(&mut writer, "c-3"), 404);
    drop(writer);
    fs::remove_dir_all(&directory).unwrap();
}
