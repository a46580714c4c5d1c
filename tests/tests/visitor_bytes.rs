//! The room that a new visitor takes on disk: the profile, its key and their indexes, in SQLite as every host has it.
//!
//! Whoever has a public key makes visitors without end, so each must be small. `--nocapture` prints the figures.

use rusqlite::types::Value as Cell;
use rusqlite::{Connection, params_from_iter};
use usher_edge::store::sql::{self, SCHEMA};
use usher_edge::store::{ProfileRow, Write};
use usher_engine::profile::codec::{Form, encode};
use usher_engine::value::Value;
use usher_engine::{Evidence, Plan, ProfileId, SentAt};
use usher_tests::random::Random;

const NOW_MS: i64 = 1_790_000_000_000;
const VISITORS: usize = 4_000;
/// The aim: a kilobyte for each.
const BYTES_AIM: usize = 1_024;

const DEFINITION: &str = r#"
parent_segment_id: "7"
events:
  - {name: page_view, database: web, table: pageviews, filter: {field: td_path, pattern: "^/"}}
attributes:
  - {name: last_page, type: single, source_event: page_view, source_field: td_path, sensitivity: non-sensitive}
  - {name: page_views_24h, type: counter, source_event: page_view, window_duration: 24h, sensitivity: non-sensitive}
  - {name: pages, type: list, source_event: page_view, source_field: td_path, sensitivity: non-sensitive}
id_stitching:
  primary_key: customer_id
  stitching_keys: [{name: td_client_id}, {name: customer_id, trust: verified}]
"#;

#[test]
fn a_new_visitor_is_small() {
    let source = usher_config::Source { name: "definition.yaml".to_owned(), text: DEFINITION.to_owned() };
    let plan = Plan::compile(&usher_config::check(&[source]).definition).expect("it compiles");
    for form in Form::ALL {
        let (blob, disk) = measured(&plan, form);
        println!("{form:?}: {blob} bytes of profile, {disk} bytes on disk for each new visitor");
        assert!(disk <= BYTES_AIM, "{form:?}: {disk}");
    }
}

/// Bytes of the profile, and of everything that is stored of it, on average.
fn measured(plan: &Plan, form: Form) -> (usize, usize) {
    let mut database = Connection::open_in_memory().expect("a database");
    SCHEMA.iter().for_each(|sql| database.execute_batch(sql).expect("a table"));
    let pages = |database: &Connection| -> usize {
        let value = |name| {
            database.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).expect("a number") as usize
        };
        value("page_count") * value("page_size")
    };
    let empty = pages(&database);
    let random = &mut Random::new(7);
    let mut uuid = || {
        let (high, low) = (random.bits(), random.bits());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            low >> 48,
            low & 0xffff_ffff_ffff
        )
    };
    let mut bytes = 0;
    for number in 0..VISITORS {
        let now_ms = NOW_MS + number as i64;
        let columns: [(&str, Value); 3] = [
            ("td_client_id", Value::string(uuid())),
            ("uuid", Value::string(uuid())),
            ("td_path", "/products/P-207".into()),
        ];
        let columns = columns.map(|(name, value)| (name.to_owned(), value)).to_vec();
        let table = plan.table("web", "pageviews").expect("a table");
        let event = plan.event(table, columns, now_ms, String::new(), SentAt::Absent);
        // Ids of profiles rise, as hosts mint them.
        let mut id = [0; 16];
        id[..8].copy_from_slice(&(now_ms as u64).to_be_bytes());
        let keys = plan.keys(&event, &Evidence::NONE);
        let mut profile = plan.stitch(&keys, Vec::new(), ProfileId(id), now_ms).profile;
        plan.ingest(&mut profile, &event, now_ms);
        plan.adopt(&mut profile, 1, now_ms);
        let state = encode(&profile, form);
        bytes += state.len();
        let keys = profile.keys().iter().map(|key| (key.name.clone(), key.value.clone())).collect();
        let row = ProfileRow {
            audience: "1069944".to_owned(),
            id,
            version: 1,
            touched_ms: now_ms,
            state,
            keys: Some(keys),
        };
        let transaction = database.transaction().expect("a transaction");
        for statement in sql::writes(&Write { profiles: vec![row], ..Write::default() }) {
            let params = statement.params.into_iter().map(|cell| match cell {
                sql::Cell::Bytes(bytes) => Cell::Blob(bytes),
                sql::Cell::Number(number) => Cell::Integer(number),
                sql::Cell::Text(text) => Cell::Text(text),
            });
            transaction.execute(statement.sql, params_from_iter(params)).expect("a row");
        }
        transaction.commit().expect("committed");
    }
    (bytes / VISITORS, (pages(&database) - empty) / VISITORS)
}
