//! The way of a new user: README's own lines, from nothing to an explanation, and what `usher init` says to do next.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bed;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use bed::{Directory, Ended, Serving, run};

/// The line between the output of two commands.
const MARK: &str = "== ended with ";

/// Commands of README that no line below runs, each with the reason.
const NOT_RUN: [(&str, &str); 4] = [
    (
        "make demo",
        "it builds and starts workerd, which tests/browser does; the calls that follow are made to a native edge",
    ),
    ("cargo install", "the command is built already"),
    ("cargo build --release -p usher --features kafka", "tests/broker.rs runs that build"),
    ("target/release/usher pipeline run", "it needs a broker, as tests/broker.rs starts one"),
];

#[test]
fn what_readme_says_works() {
    let blocks = readme();
    let own =
        blocks.iter().find(|commands| commands[0].starts_with("usher init")).expect("a block that begins so");
    let steps = shell(own);
    let step = |start: &str| {
        let found = steps.iter().find(|(command, _)| command.starts_with(start));
        found.unwrap_or_else(|| unreachable!("README does not say `{start}`"))
    };
    for (command, ended) in &steps {
        assert_eq!(ended.code, 0, "{command}: {ended:?}");
    }
    let checked = &step("usher validate").1;
    assert!(checked.out.ends_with("Ready to push!\n") && !checked.out.contains("Warning"), "{checked:?}");
    assert!(step("usher push").1.out.contains("runs now"));
    assert!(step("usher import").1.out.starts_with("imported 1,"));
    assert!(step("curl").1.out.contains("receipt"), "{:?}", step("curl").1);
    let why = &step("usher explain").1.out;
    for line in [
        "  ✓ recovery_offer: matched",
        "        ✓ last_purchase IS NULL: matched; last_purchase is missing (event)",
    ] {
        assert!(why.lines().any(|known| known == line), "{line}\n{why}");
    }
    assert!(why.contains("discount_offer = 10"), "{why}");
}

#[test]
fn what_readme_says_of_streams_works() {
    let blocks = readme();
    let own = blocks.iter().find(|commands| commands[0].starts_with("usher init pipeline")).expect("a block");
    let steps = shell(own);
    for (command, ended) in &steps {
        assert_eq!(ended.code, 0, "{command}: {ended:?}");
    }
    let (_, ran) = steps.last().expect("a command");
    assert_eq!(ran.out.lines().count(), 3, "{ran:?}");
    assert!(ran.out.lines().next().is_some_and(|row| row.contains("\"category_affinity\":0.9")), "{ran:?}");
}

#[test]
fn what_readme_asks_the_demo_is_answered() {
    let blocks = readme();
    let calls = blocks.iter().find(|commands| commands[0].starts_with("curl")).expect("a block of calls");
    let directory = Directory::new();
    directory.demo_secret();
    let edge = Serving::start(&directory, &[]);
    edge.fill();
    let answers = calls.iter().map(|call| {
        let ended = run(
            Command::new("bash")
                .args(["-c", &call.replace("http://127.0.0.1:8787/", &format!("{}/", edge.url))]),
            "",
        );
        assert_eq!(ended.code, 0, "{call}: {ended:?}");
        ended.out
    });
    let answers: Vec<String> = answers.collect();
    let parts = ["Default", "receipts", "receipts", "P-207", "\"known\":true"];
    assert_eq!(answers.len(), parts.len(), "{answers:?}");
    for (answer, part) in answers.iter().zip(parts) {
        assert!(answer.contains(part), "{part}: {answer}");
    }
}

#[test]
fn every_command_of_readme_is_run() {
    for commands in readme() {
        let is_run = commands[0].starts_with("usher init") || commands[0].starts_with("curl");
        for command in commands.iter().filter(|_| !is_run) {
            assert!(NOT_RUN.iter().any(|(known, _)| command.starts_with(known)), "nothing runs `{command}`");
        }
    }
}

/// The commands of README, by the blocks in which they stand.
fn readme() -> Vec<Vec<String>> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let blocks = readme.split("\n```").filter_map(|block| block.strip_prefix("sh\n"));
    let blocks: Vec<Vec<String>> = blocks.map(commands).filter(|commands| !commands.is_empty()).collect();
    assert!(blocks.len() > 2, "{blocks:?}");
    blocks
}

#[test]
fn what_init_says_next_works() {
    let directory = Directory::new();
    let said = bed::run(bed::command(&["init", "cart_recovery"]).current_dir(&directory.0), "");
    let (_, next) = said.out.split_once("then:\n").expect("what to do next");
    let mut lines = vec!["usher init cart_recovery".to_owned()];
    lines.extend(commands(next));
    for (command, ended) in shell(&lines) {
        assert_eq!(ended.code, 0, "{command}: {ended:?}");
    }
}

/// The commands of a text, without comments, each on one line.
fn commands(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let lines = joined.lines().map(|line| line.split("  #").next().unwrap_or_default().trim().to_owned());
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

/// Each command and how it ended, one after another in one shell and an empty directory. What cannot be as it is written:
/// the port is any that is free.
fn shell(commands: &[String]) -> Vec<(String, Ended)> {
    for tool in ["bash", "curl", "jq"] {
        let found = Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
        assert!(found, "`{tool}` is not there, which a new user needs");
    }
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut script = String::from("mark() { echo; echo \"$1\"; echo >&2; echo \"$1\" >&2; }\n");
    let mut done = Vec::new();
    for command in commands {
        let mut line = command.replace("127.0.0.1:8787", &address);
        if let Some(serve) = line.strip_suffix('&') {
            let wait = "until grep -q listening serve.log; do kill -0 $edge || break; sleep 0.05; done";
            line = format!("{serve} --listen {address} > serve.log 2>&1 & edge=$!; {wait}");
        }
        script.push_str(&format!("{line}\nmark \"{MARK}$?\"\n"));
        done.push(command.clone());
    }
    script.push_str("[ -z \"${edge-}\" ] || { kill $edge; wait $edge; }\n");

    let directory = Directory::new();
    let binary = Path::new(env!("CARGO_BIN_EXE_usher")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let mut bash = Command::new("bash");
    bash.args(["-u", "-c", &script]).env_clear().env("PATH", path).current_dir(&directory.0);
    let ended = run(&mut bash, "");
    if let Ok(keys) = directory.join("keys.json").metadata() {
        assert_eq!(keys.permissions().mode() & 0o077, 0, "others may read the keys");
    }
    let parts = |text: &str| -> Vec<(String, i32)> {
        let mut rest = text;
        let mut parts = Vec::new();
        while let Some((printed, after)) = rest.split_once(&format!("\n{MARK}")) {
            let (code, after) = after.split_once('\n').unwrap();
            parts.push((printed.to_owned(), code.parse().unwrap()));
            rest = after;
        }
        parts
    };
    let (out, err) = (parts(&ended.out), parts(&ended.err));
    assert_eq!((out.len(), err.len()), (done.len(), done.len()), "{ended:?}");
    let printed = out.into_iter().zip(err).map(|((out, code), (err, _))| Ended { code, out, err });
    done.into_iter().zip(printed).collect()
}
