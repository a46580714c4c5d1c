//! Which room may import which, for every crate. A room is a folder or a file below `src`, under its name.
//!
//! The room on the left of a row may import the rooms on its right, and no others. A row that the code no longer
//! needs fails, too, so the tables describe the code as it is. Rooms are in the order of their imports.

use crate::imports::{Graph, Table, js, rust, shown};
use crate::{files, is_test, none};

const ENGINE: &str = "
(all)      → gather limits planted

compare    →
letters    →
xxh3       →
diagnostic →
order      →
value      →
bytes      → value
flat       → bytes value
index      → bytes flat
time       → value
pattern    → bytes flat
syntax     → diagnostic flat value
definition → flat syntax value
progress   → bytes
event      → compare time value
query      → event value
rows       → value
expr       → bytes compare definition diagnostic flat index letters order pattern syntax time value xxh3
objects    → event expr syntax value
attribute  → definition expr flat objects order progress time value
candidates → bytes expr flat index
profile    → attribute bytes compare definition order progress value
merge      → attribute profile
expressions → diagnostic expr index syntax value
pipeline   → definition diagnostic event expr expressions rows syntax value
plan       → attribute bytes candidates definition diagnostic event expr flat index letters order pattern pipeline syntax value xxh3
criterion  → diagnostic expr index objects syntax value
call       → attribute definition event expr merge objects plan profile query rows time value
identity   → attribute definition event merge order plan profile value
ingest     → attribute call definition event expr merge objects plan profile value
import     → attribute ingest plan profile time value
payload    → call definition expr plan query value
export     → attribute call payload plan profile progress query value
section    → call candidates definition event expr index payload plan profile query value
lookup     → attribute call definition expr identity ingest plan profile query rows section time value
device     → attribute bytes candidates definition event expr flat order plan profile query section syntax value
explain    → attribute call definition expr objects plan profile query section syntax value
journey    → attribute call definition event explain expr objects payload plan profile progress query section time value xxh3
";

const CONFIG: &str = "
(all)       → limits

codes       →
consequence →
source      →
document    →
spelling    →
columns     →
suggest     → consequence
lint        → columns consequence suggest
text        → document source
lower       → document source spelling suggest text
pipeline    → document lower source suggest text
dialect     → document lower pipeline spelling suggest text
body        → dialect document lower source
directory   → dialect document source
write       → dialect source
render      → source text
sarif       → codes source
";

const EDGE: &str = "
(all)     → error form limits order plane

metrics   →
wire      → metrics
message   → wire
store     → message wire
keys      → message wire
bundle    → wire
destinations → message wire
rates     → message
discovery → wire
edge      → bundle destinations discovery keys message metrics rates store
log       → wire
request_id → message wire
outcome   → log metrics store wire
answer    → message metrics wire
device    → answer wire
shard     → outcome wire
writer    → answer destinations edge keys log message metrics outcome rates shard store wire
releases  → bundle log message outcome store wire
lookup    → answer edge keys message metrics shard wire
rehearsal → answer bundle edge lookup message outcome store wire writer
control   → bundle destinations discovery keys log message outcome rehearsal releases store wire
host      → lookup message shard wire
front     → answer bundle control discovery edge host keys lookup message metrics outcome rehearsal shard store wire
drive     → control edge front host log lookup message outcome releases store wire writer
deliveries → edge message outcome wire
";

const CLOUDFLARE: &str = "
plane     →
fault     → plane
parts     →
operation → fault parts plane
";

const ENTRY: &str = "
frame     →
log       →
objects   → log
patience  → log
instance  →
request   → frame
metrics   → log
planes    → frame instance log objects
pointers  → frame instance log objects patience
engine    → frame instance log planes pointers request
snapshots → engine log objects patience
deliveries → frame log
store     → deliveries engine frame log metrics objects snapshots
index     → engine log metrics objects patience request snapshots store
";

/// The modules of the browser SDK.
const SDK: &str = "
(all)    → limits types

id       →
store    →
routes   →
stub     →
consent  →
event    →
options  →
wire     →
slots    →
render   → slots store
lease    → store
queue    → id store
identity → id store
delivery → queue wire
outbox   → delivery id lease queue store
token    →
answers  → identity options outbox wire
device   → answers identity options outbox store wire
engine   → device
client   → answers consent delivery engine event id identity lease options outbox queue render routes slots store token wire
td-compat →
usher    → client event options
index    → usher
tag      → options usher
overlay  →
";

const SPIN: &str = "
(all)     → limits log

edge      →
patience  →
response  →
room      →
copies    → patience
database  → edge
request   → patience room
attempt   → database edge
bundles   → attempt copies database edge
instance  → bundles database edge
deliver   → attempt edge instance
sender    → patience
activations → attempt database deliver edge patience request sender
serve     → activations attempt copies deliver edge instance request room
";

const TAB: &str = "
call   →
store  →
served → store
";

const TAB_ENTRY: &str = "
log     →
request →
storage →
host    → log
";

const WORKER: &str = "
(all)      → limits log

installing →
javascript →
patience   →
response   →
edge       →
body       → javascript
head       → javascript
objects    → edge patience
bundles    → edge installing objects patience
snapshots  → edge head objects response
alarm      → javascript objects
deliveries → edge javascript
store      → alarm bundles deliveries edge javascript objects response snapshots
serve      → body bundles edge head objects response snapshots
";

const NATIVE: &str = "
(all)       → exit

clock       →
limits      →
examples    →
website     →
files       →
lines       → files
store       → limits
terminal    →
secrets     → files
client      → files terminal
targets     → client secrets
definitions → examples files terminal
diff        → terminal
tree        → clock definitions terminal
simulation  → secrets
server      → clock files limits secrets store terminal website
command     → client clock definitions diff files limits lines secrets server simulation targets terminal tree
";

const PIPELINES: &str = "
(all)      → limits

bytes      →
changed    →
counts     →
output     →
record     →
emitted    → changed
written    → changed
held       → bytes changed record
rows       → bytes changed record
scope      → record rows
plan       → scope
aggregates → plan record scope
judge      → held output plan record rows scope
stream     → counts emitted held judge output plan record rows written
state      → bytes held plan rows stream
chain      → output record state stream written
runner     → chain output plan record state stream
";

/// Between crates; the site is JavaScript that knows the public wire alone.
const CRATES: &str = "
usher_engine     →
usher_config     → usher_engine
usher_edge       → usher_config usher_engine
usher_browser    → usher_edge
usher_cloudflare → usher_edge
usher_spin       → usher_edge
usher_tab        → usher_edge
usher_worker     → usher_edge
usher_pipelines  → usher_engine
usher            → usher_config usher_edge usher_engine usher_pipelines
usher_rules      → usher_config usher_edge usher_engine
usher_sim        → usher_config usher_edge usher_engine
usher_tests      → usher_config usher_edge usher_engine
";

/// A crate or a folder of scripts: where its files are, and what its rooms may import.
const HOUSES: [(&str, &str); 12] = [
    ("engine/src", ENGINE),
    ("engine/config/src", CONFIG),
    ("edge-worker/src", EDGE),
    ("edge-worker/cloudflare/src", CLOUDFLARE),
    ("edge-worker/cloudflare/entry", ENTRY),
    ("edge-worker/spin/src", SPIN),
    ("edge-worker/tab/src", TAB),
    ("edge-worker/tab/entry", TAB_ENTRY),
    ("edge-worker/worker/src", WORKER),
    ("edge-worker/native/src", NATIVE),
    ("pipelines/src", PIPELINES),
    ("browser-sdk/js/src", SDK),
];

const CRATE_FOLDERS: [(&str, &str); 13] = [
    ("engine/src", "usher_engine"),
    ("engine/config/src", "usher_config"),
    ("edge-worker/src", "usher_edge"),
    ("edge-worker/cloudflare/src", "usher_cloudflare"),
    ("edge-worker/spin/src", "usher_spin"),
    ("edge-worker/tab/src", "usher_tab"),
    ("edge-worker/worker/src", "usher_worker"),
    ("edge-worker/native/src", "usher"),
    ("pipelines/src", "usher_pipelines"),
    ("browser-sdk/src", "usher_browser"),
    ("www/rules/src", "usher_rules"),
    ("tests/sim/src", "usher_sim"),
    ("tests/src", "usher_tests"),
];

fn graph(folder: &str) -> Graph {
    let sources = files(folder, &[".rs", ".js", ".ts"]);
    let is_rust = sources.iter().any(|(path, _)| path.ends_with(".rs"));
    let graph = Graph::new(if is_rust { rust::arrows(&sources) } else { js::arrows(&sources) });
    assert!(sources.len() < 4 || graph.arrows().next().is_some(), "{folder}: no import was found");
    graph
}

/// The room of a file; None for the root, which declares the rooms.
fn room(folder: &str, path: &str) -> Option<String> {
    let inner = path.strip_prefix(folder)?.trim_start_matches('/');
    let first = inner.split('/').next()?;
    let room = [".rs", ".js", ".ts"].iter().fold(first, |name, ending| name.trim_end_matches(ending));
    (!matches!(first, "lib.rs" | "main.rs")).then(|| room.to_owned())
}

#[test]
fn rooms_import_what_the_tables_say() {
    let mut found = Vec::new();
    for (folder, table) in HOUSES {
        let table = Table::new(table);
        found.extend(table.differences(&graph(folder), |path| room(folder, path)));
        found
            .extend(table.circles().iter().map(|way| format!("{folder}: a circle of rooms: {}", shown(way))));
    }
    none(found, "the tables of this file say which room may import which");
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut found = Vec::new();
    for (folder, _) in HOUSES {
        found.extend(graph(folder).circles().iter().map(|way| shown(way)));
    }
    none(found, "imports run one way; what two files share stands in a third, below both");
}

#[test]
fn crates_import_what_their_table_says() {
    let known = CRATE_FOLDERS.map(|(_, name)| name);
    let mut arrows = Vec::new();
    for (folder, _) in CRATE_FOLDERS {
        for (path, text) in files(folder, &[".rs"]).iter().filter(|(path, _)| !is_test_module(path)) {
            arrows.extend(rust::crates(path, text, &known));
        }
    }
    let room = |path: &str| {
        let of_folder = CRATE_FOLDERS.into_iter().find(|(folder, _)| path.starts_with(&format!("{folder}/")));
        let name = of_folder.map_or(path, |(_, name)| name);
        Some(name.to_owned())
    };
    let table = Table::new(CRATES);
    none(table.differences(&Graph::new(arrows), room), "which crate may import which");
    assert!(table.circles().is_empty());
}

/// True if a file is a module of tests. In the crates below `tests` no file counts as one.
fn is_test_module(path: &str) -> bool {
    is_test(path) && !["tests/src/", "tests/sim/src/"].iter().any(|folder| path.starts_with(folder))
}
