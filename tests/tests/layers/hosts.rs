//! Hosts move bytes: they know no field and decide no status, and what ships listens to no test.

use usher_tests::deployment::root;

use crate::{code, files, is_test, lines_with, none, text};

/// The files that carry bytes between a platform and the service, on each host.
fn hosts() -> Vec<(String, String)> {
    let mut hosts = files("edge-worker/cloudflare/src", &[".rs"]);
    hosts.extend(files("edge-worker/cloudflare/entry", &[".js"]));
    hosts.extend(files("edge-worker/spin/src", &[".rs"]));
    hosts.extend(files("edge-worker/tab/src", &[".rs"]));
    hosts.extend(files("edge-worker/tab/entry", &[".js"]));
    hosts.extend(files("edge-worker/worker/src", &[".rs"]));
    hosts.extend(files("edge-worker/native/src/server", &[".rs"]));
    hosts.extend(files("edge-worker/native/src", &["server.rs", "store.rs"]));
    hosts.retain(|(path, _)| !is_test(path));
    assert!(hosts.len() >= 36, "{:?}", hosts.iter().map(|(path, _)| path).collect::<Vec<_>>());
    hosts
}

#[test]
fn hosts_name_no_field_of_the_wire() {
    let fields = [
        "offers",
        "attributes",
        "batch_segments",
        "receipts",
        "success",
        "events",
        "meta",
        "audience",
        "personalization",
        "inputs",
        "criteria",
        "td_client_id",
        "customer_id",
        "sections",
        "uuid",
    ];
    let quoted: Vec<String> = fields.iter().map(|name| format!("\"{name}\"")).collect();
    let words: Vec<&str> = quoted.iter().map(String::as_str).collect();
    none(lines_with(&hosts(), &words), "hosts move bytes; only the service knows the wire");
    none(lines_with(&hosts(), &["JSON.parse", "serde_json"]), "hosts read no JSON");
}

#[test]
fn hosts_log_in_one_place_each_and_only_known_fields() {
    let writers = ["console", "console_log", "console_error", "eprintln", "println", "terminal::note"];
    let elsewhere =
        hosts().into_iter().filter(|(path, _)| !path.ends_with("/log.js") && !path.ends_with("/log.rs"));
    none(
        lines_with(&elsewhere.collect::<Vec<_>>(), &writers),
        "a host's lines are written in its log module",
    );
    // The one that is not made of `Record`.
    let entry = text("edge-worker/cloudflare/entry/log.js");
    let (_, line) = entry.split_once("JSON.stringify({ ").expect("the line");
    let (line, rest) = line.split_once(" })").expect("its end");
    assert!(!rest.contains("stringify"), "{entry}");
    for field in line.split(", ") {
        let name = field.split(':').next().unwrap_or(field);
        assert!(usher_edge::log::FIELDS.contains(&name), "log.js writes {name}, which no line may have");
    }
}

#[test]
fn hosts_decide_no_status() {
    let statuses =
        ["400", "401", "403", "404", "405", "409", "412", "413", "415", "422", "429", "500", "502", "503"];
    // What a text says of a status is for people.
    let wordless: Vec<_> = hosts().into_iter().map(|(path, text)| (path, without_texts(&text))).collect();
    none(lines_with(&wordless, &statuses), "a host answers what the service gave it, its refusals included");
    let named =
        ["BAD_REQUEST", "UNAUTHORIZED", "FORBIDDEN", "NOT_FOUND", "PAYLOAD_TOO_LARGE", "SERVICE_UNAVAILABLE"];
    none(lines_with(&wordless, &named), "a host answers what the service gave it, its refusals included");
}

/// Line by line without what stands between double quotes.
fn without_texts(text: &str) -> String {
    text.lines().map(|line| line.split('"').step_by(2).collect::<Vec<_>>().join("\"") + "\n").collect()
}

#[test]
fn what_tests_may_say_to_a_build_is_behind_features() {
    for (path, text) in files("edge-worker/src", &[".rs"]) {
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in code(&text) {
            let said = [("x-usher-now", "test-clock"), ("x-usher-fault", "fault")];
            let Some((header, feature)) = said.iter().find(|(header, _)| line.contains(header)) else {
                continue;
            };
            let above = &lines[number.saturating_sub(10)..number - 1];
            let gate = format!("#[cfg(feature = \"{feature}\")]");
            assert!(above.iter().any(|line| line.trim() == gate), "{path}:{number}: {header} without {gate}");
        }
    }
}

/// Bugs that the simulation has to find are in no build but its own.
#[test]
fn nothing_enables_planted_bugs_but_the_simulation() {
    let mut found = Vec::new();
    for (path, text) in files("", &["Cargo.toml"]) {
        let manifest: toml::Table = text.parse().expect("a manifest");
        let features = manifest.get("features").and_then(toml::Value::as_table).into_iter().flatten();
        let enables = |enabled: &toml::Value| enabled.to_string().contains("planted");
        found.extend(
            features.filter(|(name, enabled)| *name != "planted" && enables(enabled)).map(|_| path.clone()),
        );
        let others = manifest.iter().filter(|(name, _)| !["features", "test"].contains(&name.as_str()));
        found.extend(others.filter(|(_, part)| enables(part)).map(|(name, _)| format!("{path}: {name}")));
    }
    none(found, "only the feature `planted` of a crate enables that of another");
    for text in [text("engine/Cargo.toml"), text("edge-worker/Cargo.toml"), text("tests/sim/Cargo.toml")] {
        assert!(text.contains("\nplanted = ["), "the feature has another name now");
    }
}

/// The worker's build empties every `Debug`: a text that needs one would be a trap there.
#[test]
fn what_ships_as_wasm_writes_nothing_by_debug() {
    let rooms = ["engine/src", "edge-worker/src", "edge-worker/cloudflare/src", "edge-worker/tab/src"];
    let shipped = rooms.iter().flat_map(|room| files(room, &[".rs"])).filter(|(path, _)| !is_test(path));
    none(lines_with(&shipped.collect::<Vec<_>>(), &[":?}", ":#?}"]), "a worker has no `Debug`");
}

#[test]
fn what_ships_has_no_ear_for_tests() {
    let of_worker = |module: &str| [format!("worker/release/{module}"), format!("worker/test/{module}")];
    let spin = "wasm32-wasip2/release/usher_spin.wasm";
    let tab = ["tab/release/service.wasm", "tab/test/service.wasm"].map(str::to_owned);
    let builds = [
        of_worker("usher.wasm"),
        of_worker("usher-control.wasm"),
        [spin.to_owned(), format!("spin/{spin}")],
        tab,
    ];
    let has = |bytes: &[u8], word: &str| bytes.windows(word.len()).any(|window| window == word.as_bytes());
    for [ships, tested] in builds {
        let built = root().join("target").join(ships);
        let Ok(bytes) = std::fs::read(&built) else {
            println!("skipped: {} is not there; make builds it", built.display());
            continue;
        };
        for word in ["x-usher-now", "x-usher-fault"] {
            assert!(!has(&bytes, word), "{}: a build that ships knows {word}", built.display());
        }
        // A build with them does know them, or the search above finds nothing at all.
        if let Ok(bytes) = std::fs::read(root().join("target").join(tested)) {
            assert!(has(&bytes, "x-usher-now"), "the test build has lost its clock");
        }
    }
}
