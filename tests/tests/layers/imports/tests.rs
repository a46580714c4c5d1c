//! The checker on small made-up sources: what is an arrow, what is none, and what is said of them.

use super::*;

fn rust(files: &[(&str, &str)]) -> Graph {
    let files = files.iter().map(|(path, text)| (format!("house/src/{path}"), (*text).to_owned()));
    Graph::new(super::rust::arrows(&files.collect::<Vec<_>>()))
}

fn js(files: &[(&str, &str)]) -> Graph {
    let files = files.iter().map(|(path, text)| (format!("entry/{path}"), (*text).to_owned()));
    Graph::new(super::js::arrows(&files.collect::<Vec<_>>()))
}

fn lines(graph: &Graph) -> Vec<String> {
    graph.arrows().map(|arrow| shown(&[arrow]).replace("house/src/", "").replace("entry/", "")).collect()
}

fn room(path: &str) -> Option<String> {
    let inner = path.strip_prefix("house/src/")?;
    let room = inner.split('/').next()?.trim_end_matches(".rs");
    (room != "lib").then(|| room.to_owned())
}

#[test]
fn every_way_to_name_something_is_an_arrow() {
    let graph = rust(&[
        ("lib.rs", "//! House.\nmod a;\nmod b;\nmod c;\n"),
        ("a.rs", "pub struct A;\npub fn f() {}\n"),
        ("b/mod.rs", "mod inner;\nmod other;\nuse crate::{a::{A, f as g}, c};\nfn h() { c::k() }\n"),
        ("b/inner.rs", "fn i() { super::super::a::f(); }\n"),
        ("b/other.rs", "use super::inner;\nfn j() { println!(\"{}\", inner::x()) }\n"),
        ("c.rs", "mod deep { fn k() { super::super::b::h(); let _ = crate::a::A; } }\n"),
    ]);
    assert_eq!(
        lines(&graph),
        [
            "b/inner.rs:1 → a.rs",
            "b/mod.rs:3 → a.rs",
            "b/mod.rs:4 → c.rs",
            "b/other.rs:2 → b/inner.rs",
            "c.rs:1 → a.rs",
            "c.rs:1 → b/mod.rs",
        ]
    );
}

#[test]
fn what_uses_nothing_is_no_arrow() {
    let graph = rust(&[
        ("lib.rs", "mod a;\nmod b;\npub use a::A;\n"),
        (
            "a.rs",
            "//! See [`crate::b::B`].\npub(in crate::b) struct A; // crate::b::B\nconst T: &str = \"crate::b::B\";\n",
        ),
        (
            "b.rs",
            "pub struct B;\n#[cfg(test)]\nuse crate::a::A;\n#[cfg(test)]\nmod tests { use crate::a::A; }\n#[cfg(all(test, feature = \"x\"))]\nfn f() { crate::a::A; }\nuse std::fmt;\n",
        ),
    ]);
    assert_eq!(lines(&graph), [] as [&str; 0]);
}

#[test]
fn a_name_that_is_handed_on_leads_to_who_defines_it() {
    let parts = [
        ("lib.rs", "mod a;\nmod b;\n"),
        ("a/mod.rs", "mod x;\nmod y;\npub use x::X;\npub use y::*;\n"),
        ("a/x.rs", "pub struct X;\n"),
        ("a/y.rs", "use super::X;\npub struct Y(X);\n"),
        ("b.rs", "use crate::a::{X, Y};\n"),
    ];
    let graph = rust(&parts);
    assert_eq!(lines(&graph), ["a/y.rs:1 → a/x.rs", "b.rs:1 → a/x.rs", "b.rs:1 → a/y.rs"]);
    assert_eq!(graph.circles(), [] as [Vec<Arrow>; 0]);
    // Who hands a name on and uses it, too, imports it.
    let used = "mod x;\nmod y;\npub use x::X;\npub struct Z(X);\n";
    let graph = rust(&[parts[0], ("a/mod.rs", used), parts[2], parts[3], ("b.rs", "")]);
    assert_eq!(lines(&graph), ["a/mod.rs:3 → a/x.rs", "a/y.rs:1 → a/x.rs"]);
}

#[test]
fn a_circle_is_told_by_its_shortest_path() {
    let graph = rust(&[
        ("lib.rs", "mod a;\nmod b;\nmod c;\nmod d;\n"),
        ("a.rs", "use crate::b::B;\npub struct A;\n"),
        ("b.rs", "\nuse crate::c::C;\npub struct B;\n"),
        ("c.rs", "use crate::a::A;\nuse crate::d::D;\npub struct C;\n"),
        ("d.rs", "use crate::a::A;\npub struct D;\n"),
    ]);
    let circles = graph.circles();
    assert_eq!(circles.len(), 2, "the second is that of `d`");
    assert_eq!(shown(&circles[0]).replace("house/src/", ""), "a.rs:1 → b.rs, b.rs:2 → c.rs, c.rs:1 → a.rs");
    assert!(circles[1].iter().any(|arrow| arrow.from.ends_with("d.rs")));
}

#[test]
fn a_table_and_the_code_say_the_same() {
    let graph = rust(&[
        ("lib.rs", "mod a;\nmod b;\nmod base;\n"),
        ("a/mod.rs", "mod part;\nuse crate::base::X;\n"),
        ("a/part.rs", "\n\nuse crate::b::B;\n"),
        ("b.rs", "use crate::base::X;\npub struct B;\n"),
        ("base.rs", "pub struct X;\n"),
    ]);
    let differences = |table| Table::new(table).differences(&graph, room);
    assert_eq!(differences("a → b base\nb → base"), [] as [&str; 0]);
    assert_eq!(differences("(all) → base\n\na → b\nb →"), [] as [&str; 0]);
    assert_eq!(
        differences("a → base\nb → base"),
        ["house/src/a/part.rs:3 → house/src/b.rs: `a` may not import `b`"]
    );
    assert_eq!(differences("a → b base\nb → base a"), ["b → a: no import uses this"]);
    assert_eq!(
        differences("(all) → base a\na → b base\nb →"),
        ["a → base: everybody may, so the row need not say it", "(all) → a: no import uses this",]
    );
    assert_eq!(Table::new("a → b\nb → base\nbase →").circles(), [] as [Vec<Arrow>; 0]);
    assert_eq!(Table::new("a → b\nb → base\nbase → a").circles().len(), 1);
}

#[test]
fn scripts_import_files_beside_them() {
    let graph = js(&[
        (
            "index.js",
            "// import \"./no.js\";\nimport { a } from \"./a.js\";\nimport wasm from \"./usher.wasm\";\nexport { b } from './lib/b.js';\n",
        ),
        ("a.js", "import \"./lib/b.js\";\nconst from = \" from nowhere\";\n"),
        ("lib/b.js", "import {\n  a,\n} from \"../a.js\";\nasync () => import(\"../index.js\");\n"),
        ("no.js", ""),
    ]);
    assert_eq!(
        lines(&graph),
        [
            "a.js:1 → lib/b.js",
            "index.js:2 → a.js",
            "index.js:4 → lib/b.js",
            "lib/b.js:3 → a.js",
            "lib/b.js:4 → index.js",
        ]
    );
    assert_eq!(graph.circles()[0].len(), 2);
}

#[test]
fn crates_are_known_by_their_names() {
    let text = "use usher_engine::Plan;\n#[cfg(test)]\nuse usher_config::read;\nfn f() { usher_edge::Edge::new() }\n";
    let known = ["usher_config", "usher_edge", "usher_engine"];
    let found: Vec<_> = super::rust::crates("a.rs", text, &known)
        .iter()
        .map(|arrow| shown(std::slice::from_ref(arrow)))
        .collect();
    assert_eq!(found, ["a.rs:4 → usher_edge", "a.rs:1 → usher_engine"]);
}
