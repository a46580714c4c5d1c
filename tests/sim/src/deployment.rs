//! The keys of a deployment, and the definitions that are published and rolled back.

use std::sync::OnceLock;

use serde_json::json;
use sha2::{Digest, Sha256};
use usher_config::Source;
use usher_engine::diagnostic::Severity;

/// The audience of the simulation.
pub const AUDIENCE: &str = "7";
/// Events that one run sends at most: [`SUMS`] sums, in each of which an event has a digit of its own.
pub const EVENTS_MAX: usize = SUMS * DIGITS;
/// The number of sums.
pub const SUMS: usize = 4;
/// The events that one sum tells apart. Each adds a power of 4, so that a sum says how often each was counted.
pub const DIGITS: usize = 24;
/// Sums whose attribute changes its shape with the definition.
pub const PARKED_SUMS: usize = 2;

/// A definition that may run. All have the sums `a0` to `a3`; they differ in the sums `p0` and `p1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `p` sums over all time.
    Plain,
    /// The same content but for a name.
    Renamed,
    /// `p` sums over 30 days, which is state of another shape.
    Windowed,
    /// There is no `p`.
    Dropped,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 4] = [Kind::Plain, Kind::Renamed, Kind::Windowed, Kind::Dropped];

    /// True if events add to the sums `p` over all time.
    pub fn adds_to_parked(self) -> bool {
        matches!(self, Kind::Plain | Kind::Renamed)
    }
}

/// The rule for two people on one browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum People {
    /// Nobody has one: whoever shares a key is one visitor.
    Merge,
    /// `email` is the primary key: two people on one browser stay two.
    StayApart,
}

/// The body of a bundle.
pub fn bundle(people: People, kind: Kind) -> &'static [u8] {
    static BUNDLES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    let all = BUNDLES.get_or_init(|| {
        let each = |people| Kind::ALL.map(|kind| body(people, kind));
        [People::Merge, People::StayApart].into_iter().flat_map(each).collect()
    });
    &all[people as usize * Kind::ALL.len() + kind as usize]
}

fn body(people: People, kind: Kind) -> Vec<u8> {
    let mut attributes = String::new();
    let mut add = |name: &str, rest: &str| {
        let line = format!("  - {{name: {name}, source_event: visit, sensitivity: non-sensitive, {rest}}}\n");
        attributes.push_str(&line);
    };
    for sum in 0..SUMS {
        add(&format!("a{sum}"), &format!("type: single, source_field: w{sum}, aggregation: sum"));
    }
    for sum in 0..PARKED_SUMS {
        let of = format!("type: single, source_field: w{sum}, aggregation: sum");
        match kind {
            Kind::Plain | Kind::Renamed => add(&format!("p{sum}"), &of),
            Kind::Windowed => add(&format!("p{sum}"), &format!("{of}, duration: 30d")),
            Kind::Dropped => {}
        }
    }
    add("ids", "type: list, source_field: eid, aggregation: distinct_list, max_items: 100, expiry_days: 60");
    add("visits", "type: counter, window_duration: 24h, aggregation: count");
    let identity = match people {
        People::Merge => {
            "  placeholder_list: 0\n  primary_key: null\n  stitching_keys: [{name: cid}, {name: email}, {name: member, trust: verified}]\n"
        }
        People::StayApart => {
            "  placeholder_list: 0\n  primary_key: email\n  stitching_keys: [{name: cid}, {name: email}]\n"
        }
    };
    let outputs = (0..SUMS).map(|sum| format!("a{sum}")).collect::<Vec<_>>().join(", ");
    let texts = [
        format!(
            "parent_segment_id: \"{AUDIENCE}\"\nparent_segment_name: \"{kind:?}\"\nevents:\n  - {{name: visit, database: web, \
             table: pages}}\nattributes:\n{attributes}id_stitching:\n{identity}"
        ),
        format!(
            "parent_segment_id: \"{AUDIENCE}\"\npersonalization_service:\n  name: home\n  trigger_event: visit\n  sections:\n    \
             - {{name: Known, criteria: 'ids IS NOT NULL', attributes: [{outputs}, ids]}}\n    - {{name: Nobody, criteria: '', \
             attributes: [visits]}}\n"
        ),
    ];
    let named = texts.into_iter().enumerate();
    let sources: Vec<Source> =
        named.map(|(index, text)| Source { name: format!("definition[{index}].yaml"), text }).collect();
    let reading = usher_config::check(&sources);
    for finding in &reading.findings {
        let is_error = finding.diagnostic.severity() == Severity::Error;
        assert!(!is_error, "{}", usher_config::render::plain(finding));
    }
    let bundle = usher_edge::Bundle { definition: reading.definition, examples: reading.examples };
    bundle.write().expect("a bundle")
}

/// SHA-256 as hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A page that may call.
const ORIGIN: &str = "https://shop.example";

/// `USHER_KEYS`.
pub fn secret() -> &'static str {
    static SECRET: OnceLock<String> = OnceLock::new();
    SECRET.get_or_init(|| {
        let hash = |key: &str| sha256(key.as_bytes());
        json!({
            "signing_key": "07".repeat(32),
            "keys": [
                {"kind": "write", "sha256": hash("1/write"), "account": "1", "audience": "*", "origins": [ORIGIN]},
                {"kind": "server", "sha256": hash("1/server"), "account": "1", "audience": "*",
                 "scopes": ["personalize", "sensitive", "import", "explain", "erase"]},
                {"kind": "admin", "sha256": hash("admin"), "audience": "*"},
                {"kind": "token", "sha256": hash("1/page/0123456789abcdef0123456789abcdef"), "account": "1",
                 "audience": AUDIENCE, "public": true, "origins": [ORIGIN]},
            ],
        })
        .to_string()
    })
}

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A page, with the write key.
    Page,
    /// A page that personalizes, with a token, too.
    Browser,
    /// A server.
    Server,
    /// An operator.
    Admin,
}

/// The headers of a caller.
pub fn headers(caller: Caller) -> Vec<(String, String)> {
    let own: &[(&str, &str)] = match caller {
        Caller::Page => &[("authorization", "TD1 1/write"), ("origin", ORIGIN)],
        Caller::Browser => &[
            ("authorization", "TD1 1/write"),
            ("wp13n-token", "1/page/0123456789abcdef0123456789abcdef"),
            ("origin", ORIGIN),
        ],
        Caller::Server => &[("authorization", "TD1 1/server")],
        Caller::Admin => &[("authorization", "TD1 admin")],
    };
    own.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
