//! Imports whose answers name less than what was rejected.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bed;

use std::fs;

use bed::{AUDIENCE, Directory, SERVER_KEY, Serving, command, run, text};

#[test]
fn every_value_that_does_not_fit_is_named_however_many_there_are() {
    let directory = Directory::new();
    directory.demo_secret();
    let edge = Serving::start(&directory, &[]);
    edge.fill();
    // Two values of each of 2,500 rows, and an edge names 1,000 at most.
    let row = |index| format!("{{\"customer_id\":\"n-{index}\",\"loyalty_tier\":5,\"customer_tier\":[1]}}\n");
    let file = directory.write("rows.ndjson", (0..2_500).map(row).collect::<String>());
    let rejects = directory.join("rejects.ndjson");
    let args =
        ["import", text(&file), "--to", &edge.url, "--audience", AUDIENCE, "--rejects", text(&rejects)];
    let ended = run(command(&args).env("USHER_SERVER_KEY", SERVER_KEY), "");
    assert_eq!(ended.code, 1, "{ended:?}");
    assert_eq!(ended.out, "imported 2500, unchanged 0, rejected 0, values refused 5000\n");
    let rejects = fs::read_to_string(rejects).unwrap();
    let places: Vec<(u64, String)> = rejects
        .lines()
        .map(|line| {
            let entry: serde_json::Value = serde_json::from_str(line).unwrap();
            (entry["line"].as_u64().unwrap(), entry["column"].as_str().unwrap().to_owned())
        })
        .collect();
    let expected =
        (1..=2_500).flat_map(|line| ["loyalty_tier", "customer_tier"].map(|name| (line, name.to_owned())));
    assert_eq!(places, expected.collect::<Vec<_>>());
}

#[test]
fn utf_16_is_named_and_how_to_convert_it() {
    let directory = Directory::new();
    directory.demo_secret();
    let edge = Serving::start(&directory, &[]);
    edge.fill();
    let marked = "\u{feff}customer_id,loyalty_tier\nc-1,Gold\n";
    let unmarked = &marked[3..];
    let little = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let big = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
    for (name, bytes) in [
        ("little.csv", little(marked)),
        ("big.csv", big(marked)),
        ("unmarked.csv", little(unmarked)),
        ("big-unmarked.ndjson", big("{\"customer_id\": \"c-1\"}\n")),
    ] {
        let file = directory.write(name, bytes);
        let args = ["import", text(&file), "--to", &edge.url, "--audience", AUDIENCE];
        let ended = run(command(&args).env("USHER_SERVER_KEY", SERVER_KEY), "");
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(ended.err.contains("the file is UTF-16 text, and UTF-8 is read"), "{ended:?}");
        assert!(ended.err.contains("iconv -f UTF-16 -t UTF-8"), "{ended:?}");
    }
    // Definitions and events as well, in whatever verb reads them.
    let definition = little("\u{feff}parent_segment_id: '7'\nevents: []\n");
    std::fs::create_dir_all(directory.join("all")).unwrap();
    let (file, _) =
        (directory.write("rt.yaml", definition.clone()), directory.write("all/rt.yaml", definition));
    let unmarked = directory.write("rt-unmarked.yaml", little("parent_segment_id: '7'\nevents: []\n"));
    let events = directory.write("events.ndjson", little("{\"database\": \"web\"}\n"));
    let (file, unmarked, all) = (text(&file), text(&unmarked), directory.join("all"));
    let shop = bed::shop();
    for (args, code) in [
        (vec!["validate", file], 1),
        (vec!["validate", unmarked], 1),
        (vec!["validate", text(&all)], 2),
        (vec!["validate", text(&shop), "--sample", text(&events)], 1),
        (vec!["simulate", text(&shop), text(&events)], 1),
    ] {
        let ended = run(&mut command(&args), "");
        assert_eq!(ended.code, code, "{args:?} {ended:?}");
        assert!(ended.err.contains("the file is UTF-16 text, and UTF-8 is read"), "{args:?} {ended:?}");
    }
}
