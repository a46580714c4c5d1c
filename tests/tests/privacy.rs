//! Nothing personal where it must not be: secrets and values in refusals and logs, one visitor's answer at another.
//!
//! Both run on the service in process, and on the native server where it was built (`USHER_TEST_NATIVE`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde_json::{Value, json};
use usher_edge::store::memory::Fault;
use usher_tests::deployment::{self, Keys, root};
use usher_tests::lines::odd_line;
use usher_tests::random::cases;
use usher_tests::run::AUDIENCE;
use usher_tests::target::{Answer, Call, InProcess, Native, Target};

/// Unix seconds.
const NOW: i64 = 1_790_000_000;
/// The number of secrets and personal values.
const VALUES: usize = 60;

#[test]
fn no_refusal_and_no_log_has_a_secret_or_a_personal_value() {
    let mut here = InProcess::start();
    let seen = ask_everything(&mut here, &Mistake::ALL);
    publish(&mut here);
    here.store.fault = Fault::Everything;
    let seen_without_storage = ask_everything(&mut here, &Mistake::ALL);
    here.store.fault = Fault::None;
    publish(&mut here);
    here.store.fault = Fault::Writes;
    ask_everything(&mut here, &Mistake::ALL);
    here.store.fault = Fault::None;
    publish(&mut here);
    for status in [400, 401, 403, 404, 405, 412, 413, 415, 422] {
        assert!(seen.contains(&status), "no request was answered {status}, only {seen:?}");
    }
    assert!(seen_without_storage.contains(&503), "{seen_without_storage:?}");
    assert_eq!(beyond_the_rate(&mut here), 429);
    let logged = here.log().to_owned();
    assert!(
        logged.lines().count() > 100,
        "hardly anything was logged, so that this shows nothing:\n{logged}"
    );
    holds_nothing("the log", &logged);
    assert_eq!(odd_line(&logged), None);
    let about_requests = logged.lines().filter(|line| line.contains("\"request_id\":\"")).count();
    assert!(about_requests > 100, "{about_requests} of {} lines name a request", logged.lines().count());
    // Without keys.
    ask_everything(&mut InProcess::without_keys(), &Mistake::ALL);
    if let Some(mut native) = native() {
        // A long body of somebody who may not send it: the server may answer and hang up before all of it is written.
        let short: Vec<Mistake> = Mistake::ALL.into_iter().filter(|m| *m != Mistake::Length).collect();
        ask_everything(&mut native, &short);
        let log = native.log();
        holds_nothing("the log of the native server", &log);
        assert_eq!(odd_line(&log), None);
    }
}

#[test]
fn a_shared_cache_gives_nobody_the_body_of_another() {
    let mut here = InProcess::start();
    publish(&mut here);
    let pairs = cases(10_000);
    assert_eq!(foreign_bodies(&mut here, pairs, true), 0);
    // A cache that listens to no header would give them away, so that the test can fail.
    assert!(foreign_bodies(&mut here, pairs.min(20), false) > 0);
    if let Some(mut native) = native() {
        publish(&mut native);
        assert_eq!(foreign_bodies(&mut native, cases(500), true), 0);
    }
}

/// The native server, if it was built.
fn native() -> Option<Native> {
    let program = std::env::var("USHER_TEST_NATIVE").ok().filter(|program| !program.is_empty());
    if program.is_none() {
        println!("skipped natively: USHER_TEST_NATIVE names no binary");
    }
    Some(Native::start(&program?, false))
}

/// The example's bundle.
fn shop() -> Vec<u8> {
    static SHOP: OnceLock<Vec<u8>> = OnceLock::new();
    SHOP.get_or_init(|| deployment::bundle(&root().join("examples/shop"))).clone()
}

fn publish(target: &mut dyn Target) {
    let body = shop();
    let headers = Keys::demo().headers("admin", NOW);
    let path = format!("/v1/audiences/{AUDIENCE}/bundle");
    let answer = target.call(&Call { method: "PUT", path: &path, headers, body, now: NOW });
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// A secret or a personal value of its own, of the letters and digits that every place takes.
fn value(number: usize) -> String {
    let mark = mark(number % VALUES);
    match number % 6 {
        0 => format!("{mark}@mail.example"),
        1 => format!("4111111111111111{mark}"),
        2 => format!("eyJhbGciOiJIUzI1NiJ9.{mark}.c2lnbmF0dXJl"),
        3 => format!("{mark}_anna_smith"),
        4 => format!("0049170{mark}"),
        _ => mark,
    }
}

/// Texts that nothing contains by chance, in lower case.
fn mark(number: usize) -> String {
    format!("zq{number:02}xk")
}

fn holds_nothing(place: &str, text: &str) {
    let lower = text.to_lowercase();
    for number in 0..VALUES {
        let line = lower.lines().find(|line| line.contains(&mark(number)));
        assert!(line.is_none(), "{place} has value {number}: {}", line.unwrap_or_default());
    }
}

/// Every route with every kind of caller and mistake, each with values of its own. Returns the statuses.
fn ask_everything(target: &mut dyn Target, mistakes: &[Mistake]) -> BTreeSet<u16> {
    let keys = Keys::demo();
    let admin = keys.headers("admin", NOW);
    let body = shop();
    let path = format!("/v1/audiences/{AUDIENCE}/bundle");
    target.call(&Call { method: "PUT", path: &path, headers: admin, body, now: NOW });
    let mut number = 0;
    let mut next = || {
        number += 1;
        value(number)
    };
    let mut statuses = BTreeSet::new();
    for (method, pattern) in routes() {
        for who in ["nobody", "browser", "collector", "server", "server-with-token", "admin", "unscoped"] {
            for mistake in mistakes.iter().copied() {
                let (path, headers, body) = mistake.make(&pattern, keys.headers(who, NOW), &mut next);
                let method = if mistake == Mistake::Method { "PATCH" } else { method.as_str() };
                let answer = target.call(&Call { method, path: &path, headers, body, now: NOW });
                statuses.insert(answer.status);
                if answer.status >= 400 {
                    let place =
                        format!("{method} {pattern} by {who}, {mistake:?}, answered {}", answer.status);
                    holds_nothing(&place, &whole(&answer));
                }
            }
        }
    }
    for path in ["/healthz", "/metrics"] {
        let headers = Vec::new();
        let answer = target.call(&Call { method: "GET", path, headers, body: Vec::new(), now: NOW });
        holds_nothing(path, &whole(&answer));
    }
    statuses
}

/// The routes of docs/http.md, which a test of the service holds to its table.
fn routes() -> Vec<(String, String)> {
    let page = std::fs::read_to_string(root().join("docs/http.md")).expect("the page of routes");
    let (_, table) = page.split_once("| route | key |").expect("a table of routes");
    let table = table.split("\n\n").next().unwrap_or("");
    let routes: Vec<(String, String)> = table
        .lines()
        .skip(2)
        .filter_map(|row| row.split('`').nth(1)?.split_once(' '))
        .map(|(method, path)| (method.to_owned(), path.to_owned()))
        .collect();
    assert!(routes.len() > 15, "{routes:?}");
    routes
}

/// The mistakes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    Bounds,
    Coding,
    Conditions,
    Cut,
    Gzip,
    Key,
    Length,
    Method,
    Names,
    Nothing,
    Origin,
    Query,
    Token,
    Type,
}

impl Mistake {
    const ALL: [Mistake; 14] = [
        Mistake::Bounds,
        Mistake::Coding,
        Mistake::Conditions,
        Mistake::Cut,
        Mistake::Gzip,
        Mistake::Key,
        Mistake::Length,
        Mistake::Method,
        Mistake::Names,
        Mistake::Nothing,
        Mistake::Origin,
        Mistake::Query,
        Mistake::Token,
        Mistake::Type,
    ];

    fn make(
        self,
        pattern: &str,
        mut headers: Vec<(String, String)>,
        next: &mut dyn FnMut() -> String,
    ) -> (String, Vec<(String, String)>, Vec<u8>) {
        let mut path = pattern.replace("{a}", AUDIENCE);
        if self == Mistake::Names {
            path = pattern.replace("{a}", &next());
        } else {
            path = path.replace("{database}", "web").replace("{table}", "pageviews");
        }
        while let (Some(from), Some(to)) = (path.find('{'), path.find('}')) {
            let name: String = next().chars().filter(|c| c.is_ascii_alphanumeric()).collect();
            path.replace_range(from..=to, &name.to_lowercase());
        }
        if self == Mistake::Query {
            path = format!("{path}?key={}&token={}&key.email={}&{}=1", next(), next(), next(), next());
        }
        let mut set = |name: &str, value: String| {
            headers.retain(|(known, _)| known != name);
            headers.push((name.to_owned(), value));
        };
        set("user-agent", format!("Browser {}", next()));
        set("cookie", format!("session={}", next()));
        let visitor = json!({
            "audience": AUDIENCE, "personalization": next(), "service_name": next(),
            "key": {"name": next(), "value": next()}, "inputs": {"email": next(), "customer_id": next()},
            "email": next(), "td_client_id": next(), "customer_id": next(), "uuid": next(), "seen": next(),
            "number": next(), "hash": next(), "token": next(), "identity": next(),
            "events": [{"td_client_id": next(), "email": next(), "price": next(), "time": next(), "table": next()}, next()],
        });
        let mut body = visitor.to_string().into_bytes();
        match self {
            Mistake::Bounds => {
                let many: BTreeMap<String, String> =
                    (0..300).map(|key| (format!("k{key}"), next())).collect();
                body = json!({"events": [many], "email": next(), "more": many}).to_string().into_bytes();
            }
            Mistake::Coding => set("content-encoding", next()),
            Mistake::Conditions => {
                set("if-match", format!("\"{}\"", next()));
                body = shop();
            }
            Mistake::Cut => body.truncate(body.len() - 20),
            Mistake::Gzip => set("content-encoding", "gzip".to_owned()),
            Mistake::Key => set("authorization", format!("TD1 1/{}", next())),
            Mistake::Length => body = next().repeat(900_000).into_bytes(),
            Mistake::Origin => set("origin", format!("https://{}.example", next().replace('@', "."))),
            Mistake::Token => set("wp13n-token", format!("1/demo/{}", next())),
            Mistake::Type => body = json!([next(), {"email": next()}]).to_string().into_bytes(),
            Mistake::Method | Mistake::Names | Mistake::Nothing | Mistake::Query => {}
        }
        if pattern.starts_with("GET") || path.ends_with("/healthz") {
            body.clear();
        }
        (path, headers, body)
    }
}

/// Sends from one source until it is too much; returns the last status.
fn beyond_the_rate(target: &mut InProcess) -> u16 {
    let events: Vec<Value> = (0..500).map(|number| json!({"td_client_id": value(number)})).collect();
    let body = json!({"events": events}).to_string().into_bytes();
    let mut headers = Keys::demo().headers("collector", NOW);
    headers.push(("usher-edge-source".to_owned(), value(7)));
    let mut status = 200;
    for _ in 0..20 {
        let (headers, body) = (headers.clone(), body.clone());
        let call = Call { method: "POST", path: "/web/pageviews", headers, body, now: NOW };
        let answer = target.call(&call);
        status = answer.status;
        if status >= 400 {
            holds_nothing("a refusal over the rate", &whole(&answer));
            break;
        }
    }
    status
}

/// Headers and body.
fn whole(answer: &Answer) -> String {
    let headers = answer.headers.iter().map(|(name, value)| format!("{name}: {value}\n"));
    headers.collect::<String>() + &answer.text()
}

/// A cache that several visitors share, as RFC 9111 allows at most: it stores every answer whose headers do not forbid it,
/// whatever the method, and gives it to everybody who asks for the same target.
struct SharedCache<'t> {
    target: &'t mut dyn Target,
    listens: bool,
    stored: BTreeMap<(String, String, String), (u16, String)>,
}

impl SharedCache<'_> {
    fn call(&mut self, call: &Call<'_>) -> (u16, String) {
        // Pages of one site have one origin.
        let origin = call.headers.iter().find(|(name, _)| name == "origin");
        let origin = origin.map(|(_, origin)| origin.clone()).unwrap_or_default();
        let name = (call.method.to_owned(), call.path.to_owned(), origin);
        if let Some(stored) = self.stored.get(&name) {
            return stored.clone();
        }
        let answer = self.target.call(call);
        let said = answer.header("cache-control").unwrap_or("").to_lowercase();
        let forbids = ["no-store", "private"].iter().any(|word| said.contains(word));
        let given = (answer.status, answer.text());
        if !(self.listens && forbids) {
            self.stored.insert(name, given.clone());
        }
        given
    }
}

/// Two visitors of each pair ask the same targets behind one cache. Returns how many got what names the other.
fn foreign_bodies(target: &mut dyn Target, pairs: usize, listens: bool) -> usize {
    let keys = Keys::demo();
    let mut cache = SharedCache { target, listens, stored: BTreeMap::new() };
    let mut foreign = 0;
    for pair in 0..pairs {
        let names = ["anna", "bert"].map(|name| format!("{name}-{pair:06}"));
        for visitor in &names {
            let event = json!({"td_client_id": visitor, "product_id": format!("of-{visitor}"), "td_path": "/product/1"});
            let look = json!({
                "audience": AUDIENCE, "personalization": "web_personalization",
                "key": {"name": "td_client_id", "value": visitor},
            });
            let explain = json!({"audience": AUDIENCE, "key": {"name": "td_client_id", "value": visitor}});
            let batch = json!({"events": [event]});
            let explain_path = "/v1/explain";
            for (who, path, body) in [
                ("browser", "/public/web/pageviews", &event),
                ("collector", "/web/pageviews", &batch),
                ("server", "/v1/personalize", &look),
                ("server", explain_path, &explain),
                // A target that does not exist is refused, and refusals are answers, too.
                ("browser", "/public/web/nothing", &event),
            ] {
                let (headers, body) = (keys.headers(who, NOW), body.to_string().into_bytes());
                let (status, text) = cache.call(&Call { method: "POST", path, headers, body, now: NOW });
                let rest = text.replace(visitor.as_str(), "");
                foreign += usize::from(["anna-", "bert-"].iter().any(|name| rest.contains(name)));
                // What it is asked for is there, or nothing would be shown.
                if listens && path == explain_path {
                    assert!(status == 200 && text.contains(visitor.as_str()), "{status} {text}");
                }
            }
        }
        if !listens {
            cache.stored.clear();
        }
    }
    foreign
}
