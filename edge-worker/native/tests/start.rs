//! The way of a new user: README's own lines, from nothing to an explanation, and what `usher init` says to do next.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bed;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use bed::{Directory, Ended, run};

/// What stands between what one command prints and the next one's.
const MARK: &str = "== ended with ";

#[test]
fn what_readme_says_works() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let (_, own) = readme.split_once("## Your own\n").expect("the heading");
    let block = own.split("```").nth(1).and_then(|block| block.strip_prefix("sh\n")).expect("a block of sh");
    let steps = shell(&commands(block));
    let step = |start: &str| {
        let found = steps.iter().find(|(command, _)| command.trim_start_matches('(').starts_with(start));
        found.unwrap_or_else(|| unreachable!("README does not say `{start}`"))
    };
    for (command, ended) in &steps {
        // Nothing ran before what was pushed.
        let expected = i32::from(command.starts_with("usher rollback"));
        assert_eq!(ended.code, expected, "{command}: {ended:?}");
    }
    assert!(step("usher push").1.out.contains("runs now"));
    assert!(step("usher import").1.out.starts_with("imported 1,"));
    assert!(step("curl").1.out.contains("receipt"), "{:?}", step("curl").1);
    assert!(step("usher rollback").1.err.contains("no bundle before the one that runs"));
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
    lines.filter(|line| !line.is_empty()).collect()
}

/// Each command and how it ended, one after another in one shell and an empty directory. What cannot be as it is written:
/// the command is installed already, the port is any that is free, and nobody is there to be asked.
fn shell(commands: &[String]) -> Vec<(String, Ended)> {
    for tool in ["bash", "curl", "jq"] {
        let found = Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
        assert!(found, "`{tool}` is not there, which a new user needs");
    }
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut script = String::from("mark() { echo; echo \"$1\"; echo >&2; echo \"$1\" >&2; }\n");
    let mut done = Vec::new();
    for command in commands.iter().filter(|command| !command.starts_with("cargo install")) {
        let mut line = command.replace("127.0.0.1:8787", &address);
        if line.starts_with("usher push") {
            line.push_str(" -y");
        }
        if let Some(serve) = line.strip_suffix('&') {
            let wait = "until grep -q listening serve.log; do kill -0 $edge || break; sleep 0.05; done";
            line = format!("{serve} --listen {address} > serve.log 2>&1 & edge=$!; {wait}");
        }
        script.push_str(&format!("{line}\nmark \"{MARK}$?\"\n"));
        done.push(command.clone());
    }
    script.push_str("kill $edge; wait $edge\n");

    let directory = Directory::new();
    let binary = Path::new(env!("CARGO_BIN_EXE_usher")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let mut bash = Command::new("bash");
    bash.args(["-u", "-c", &script]).env_clear().env("PATH", path).current_dir(&directory.0);
    let ended = run(&mut bash, "");
    for keys in ["keys.json", "usher-keys.json"] {
        let mode = directory.join(keys).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "others may read {keys}");
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
