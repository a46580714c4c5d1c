//! Measures that no body costs more than five times as much to read, check or refuse as plain JSON of as many bytes.
//!
//! `make costs` prints a row for each kind of body: its nanoseconds a byte, and how many times that of plain JSON it is,
//! both measured in this run, in turns, each as the least of several. Reading is what the service does before it folds:
//! the front takes the request, the writer opens its message. What an event costs whatever it holds is bounded by their
//! number; each counts as [`EVENT_BYTES`] more.

use std::hint::black_box;
use std::io::{Read, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use usher_edge::store::Pointer;
use usher_edge::{Ambient, Edge, Request, Step, drive, front};
use usher_tests::deployment::{Keys, bundle, root};

/// Maximum cost of a body, as a multiple of plain JSON.
const TIMES_MAX: f64 = 5.0;
/// About how many bytes each body has: as many as 500 plain events.
const BYTES: usize = 240_000;
const ROUNDS: usize = 7;
/// As how many bytes an event counts beside its own: its id and its time are resolved, its keys looked for.
const EVENT_BYTES: usize = 200;

/// A body and where it is sent.
struct Case {
    name: &'static str,
    path: &'static str,
    who: &'static str,
    body: Vec<u8>,
    /// The number of its events that are taken.
    events: usize,
}

const INGEST: (&str, &str) = ("/web/pageviews", "collector");
const PAGE: (&str, &str) = ("/public/web/pageviews", "browser");
const IMPORT: (&str, &str) = ("/v1/audiences/1069944/profiles/import", "server");
const EXPLAIN: (&str, &str) = ("/v1/explain", "server");
const BUNDLE: (&str, &str) = ("/v1/audiences/1069944/bundle", "admin");

fn main() -> ExitCode {
    let bundle = bundle(&root().join("examples/shop"));
    let mut edge = running(&bundle);
    let keys = Keys::demo();
    let plain = plain_batch();
    println!("{:<44} {:>9} {:>9} {:>8}", "body", "bytes", "ns/byte", "× plain");
    let mut over = Vec::new();
    for case in cases() {
        for packed in [false, true] {
            let name = if packed { format!("{}, packed", case.name) } else { case.name.to_owned() };
            let mut least = [Duration::MAX; 2];
            for _ in 0..ROUNDS {
                let ours = [(&case.body, (case.path, case.who)), (&plain, INGEST)];
                for (least, (body, (path, who))) in least.iter_mut().zip(ours) {
                    *least = (*least).min(cost(&mut edge, &keys, path, who, body, packed));
                }
            }
            let per_byte = |took: Duration, body: &[u8], events: usize| {
                took.as_secs_f64() * 1e9 / (body.len() + events * EVENT_BYTES) as f64
            };
            let ours = per_byte(least[0], &case.body, case.events);
            let theirs = per_byte(least[1], &plain, 0);
            let times = ours / theirs;
            println!("{name:<44} {:>9} {ours:>9.2} {times:>8.2}", case.body.len());
            if times > TIMES_MAX {
                over.push(name);
            }
        }
    }
    if over.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("more than {TIMES_MAX} times what plain JSON costs: {}", over.join("; "));
    ExitCode::FAILURE
}

fn running(bundle: &[u8]) -> Edge {
    let mut edge = Edge::new(Some(&Keys::demo().secret()), true);
    let hash = usher_tests::deployment::sha256(bundle);
    let pointer = Pointer { audience: "1069944".to_owned(), number: 1, hash };
    edge.install(&pointer, bundle.to_vec()).expect("the example runs");
    edge
}

fn cost(edge: &mut Edge, keys: &Keys, path: &str, who: &str, body: &[u8], packed: bool) -> Duration {
    let sent = if packed { pack(body) } else { body.to_vec() };
    let headers = keys.headers(who, 1_790_000_000);
    let method = if who == "admin" { "PUT" } else { "POST" };
    let start = Instant::now();
    let mut inflated = Vec::new();
    let body = if packed {
        GzDecoder::new(&sent[..]).read_to_end(&mut inflated).expect("what was packed");
        &inflated
    } else {
        &sent
    };
    let ambient = Ambient { now_ms: 1_790_000_000_000, entropy: [7; 32] };
    match front::handle(edge, &Request { method, target: path, headers: &headers, body, ambient }) {
        Step::Write { message, .. } => drop(black_box(drive::open(edge, &message))),
        step => drop(black_box(step)),
    }
    start.elapsed()
}

fn pack(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).expect("memory");
    encoder.finish().expect("memory")
}

/// A batch as a shop's pages send it.
fn plain_batch() -> Vec<u8> {
    let event = |at: usize| {
        format!(
            "{{\"td_client_id\":\"c-{}\",\"uuid\":\"e-{at}\",\"time\":1790000000,\"td_path\":\"/products/{at}\",\
             \"td_title\":\"Blue running shoes, size {at}\",\"td_referrer\":\"https://shop.example/search?q=shoes\",\
             \"td_language\":\"en-GB\",\"td_screen\":\"1920x1080\",\"td_viewport\":\"1440x900\",\"price\":{at}.95,\
             \"quantity\":{},\"in_stock\":true,\"category\":\"shoes\",\"tags\":[\"sale\",\"new\",\"blue\"],\
             \"campaign\":\"spring\",\"position\":{at}}}",
            at % 50,
            at % 7
        )
    };
    let events: Vec<String> = (0..500).map(event).collect();
    format!("{{\"events\":[{}]}}", events.join(",")).into_bytes()
}

/// Parts made of an index, with commas between, until there are enough.
fn filled(bytes: usize, part: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for at in 0.. {
        let part = part(at);
        if text.len() + part.len() + 1 > bytes {
            break;
        }
        if at > 0 {
            text.push(',');
        }
        text.push_str(&part);
    }
    text
}

fn list(item: &str, count: usize) -> String {
    format!("[{}]", vec![item; count].join(","))
}

fn cases() -> Vec<Case> {
    let beside = |fields: String| format!("{{\"events\":[],{fields}}}");
    let events = |event: &dyn Fn(usize) -> String| {
        let mut left = 500_usize;
        let mut parts = Vec::new();
        let mut bytes = 0;
        while left > 0 && bytes < BYTES {
            let part = event(500 - left);
            bytes += part.len();
            parts.push(part);
            left -= 1;
        }
        format!("{{\"events\":[{}]}}", parts.join(","))
    };
    // A little above the half between two floats, in more digits than a first look takes.
    let half = "1.00000000000000011102230246251565404236316680908203126";
    let exact_half = format!("9007199254740993.{}1e-290", "0".repeat(700));
    let tiny_half = "2.4703282292062327208299439643411e-324";
    let ingest: Vec<(&'static str, String)> = vec![
        (
            "floats in a field beside",
            beside(filled(BYTES, |at| format!("\"x{at}\":{}", list("1e-300", 6_000)))),
        ),
        ("halves in a field beside", beside(format!("\"x\":[{}]", filled(BYTES, |_| half.to_owned())))),
        ("halves of 700 digits", beside(format!("\"x\":[{}]", filled(BYTES, |_| exact_half.clone())))),
        (
            "halves of the smallest float",
            beside(format!("\"x\":[{}]", filled(BYTES, |_| tiny_half.to_owned()))),
        ),
        ("one number of digits", beside(format!("\"x\":0.{}", "1234567890".repeat(BYTES / 10)))),
        ("one exponent of digits", beside(format!("\"x\":1e-{}", "9".repeat(BYTES)))),
        (
            "floats in events",
            events(&|at| format!("{{\"td_client_id\":\"c{at}\",\"x\":{}}}", list("1e-300", 60))),
        ),
        (
            "floats in few events",
            events(&|at| format!("{{\"td_client_id\":\"c{at}\",\"x\":{}}}", list("1e-300", 8_000))),
        ),
        (
            "repeated lists of events",
            format!("{{{}}}", filled(BYTES, |_| format!("\"events\":{}", list("{\"x\":1e-300}", 4)))),
        ),
        ("repeated sentAt", beside(filled(BYTES, |_| "\"sentAt\":1e-300".to_owned()))),
        ("many names beside", beside(filled(BYTES, |at| format!("\"name-{at}\":0")))),
        ("one name beside", beside(filled(BYTES, |_| "\"x\":0".to_owned()))),
        (
            "many names in events",
            events(&|_| format!("{{{}}}", filled(2_000, |at| format!("\"n{at:03}\":0")))),
        ),
        // Each object of an array may have as many names as an event.
        (
            "many names in objects of arrays",
            events(&|_| {
                let object = format!("{{{}}}", filled(2_000, |at| format!("\"n{at:03}\":0")));
                format!("{{\"x\":{}}}", list(&object, 35))
            }),
        ),
        ("many objects of arrays", events(&|_| format!("{{\"x\":{}}}", list("{\"n\":0}", 4_000)))),
        ("one name in events", events(&|_| format!("{{{}}}", filled(1_200, |_| "\"x\":0".to_owned())))),
        ("zeros in a field beside", beside(format!("\"x\":[{}]", filled(BYTES, |_| "0".to_owned())))),
        ("zeros in events", events(&|_| format!("{{\"x\":{}}}", list("0", 8_000)))),
        ("empty events", events(&|_| "{}".to_owned())),
        ("nothing but openings", "[".repeat(BYTES)),
        (
            "nested lists",
            beside(format!("\"x\":[{}]", filled(BYTES, |_| format!("{}{}", "[".repeat(14), "]".repeat(14))))),
        ),
        ("halves of surrogate pairs", beside(format!("\"x\":\"{}\"", "\\ud83d".repeat(BYTES / 6)))),
        ("escapes in events", events(&|_| format!("{{\"x\":\"{}\"}}", "\\u00e9".repeat(100)))),
        ("blanks", format!("{{\"events\":[]{}}}", " ".repeat(BYTES))),
        ("one text", beside(format!("\"x\":\"{}\"", "x".repeat(BYTES)))),
        ("too many events", format!("{{\"events\":{}}}", list("{\"td_client_id\":\"c\"}", 10_000))),
        ("broken at the end", beside(filled(BYTES, |at| format!("\"x{at}\":[1e-300,2.5]"))) + "}"),
    ];
    let one: Vec<(&'static str, String)> = vec![
        ("an event of floats", format!("{{\"x\":{}}}", list("1e-300", 8_000))),
        ("an event of names", format!("{{{}}}", filled(2_300, |at| format!("\"n{at:03}\":0")))),
        (
            "an event of objects",
            format!(
                "{{\"x\":{}}}",
                list(&format!("{{{}}}", filled(2_300, |at| format!("\"n{at:03}\":0"))), 27)
            ),
        ),
        ("an event of one text", format!("{{\"x\":\"{}\"}}", "\\ud83d".repeat(40_000))),
    ];
    let rows: Vec<(&'static str, String)> = vec![
        (
            "rows of floats",
            vec![format!("{{\"customer_id\":\"c\",\"x\":{}}}", list("1e-300", 40)); 700].join("\n"),
        ),
        ("rows that are none", vec!["{\"customer_id\":1e-300"; 1_900].join("\n")),
        ("blank rows", "\n".repeat(BYTES)),
    ];
    let inputs = format!("{{\"inputs\":{{\"x\":{}}}}}", list("1e-300", 8_000));
    let document = format!("{{\"format\":2,\"definition\":{}}}", list("1e-300", 30_000));
    let of = |(path, who): (&'static str, &'static str), bodies: Vec<(&'static str, String)>| {
        let case = move |(name, body): (&'static str, String)| {
            let events = if name == "empty events" { 500 } else { 0 };
            Case { name, path, who, body: body.into_bytes(), events }
        };
        bodies.into_iter().map(case).collect::<Vec<Case>>()
    };
    let explain = vec![("inputs of floats", inputs)];
    let documents = vec![("a bundle of floats", document)];
    [of(INGEST, ingest), of(PAGE, one), of(IMPORT, rows), of(EXPLAIN, explain), of(BUNDLE, documents)]
        .into_iter()
        .flatten()
        .collect()
}
