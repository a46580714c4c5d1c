//! The bed of tests of the binary: a directory of their own, the binary itself, and a running `usher serve`.
#![allow(dead_code, reason = "every test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

/// The fixtures' audience.
pub(crate) const AUDIENCE: &str = "1069944";
/// The keys of `examples/shop/credentials.json`.
pub(crate) const WRITE_KEY: &str = "1/d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0";
pub(crate) const SERVER_KEY: &str = "1/5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e";
pub(crate) const ADMIN_KEY: &str = "usher-demo-admin-key-not-for-production";
pub(crate) const PUBLIC_TOKEN: &str = "1/demo/11111111111111111111111111111111";
pub(crate) const ORIGIN: &str = "http://127.0.0.1:8787";

/// `examples/shop`
pub(crate) fn shop() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/shop")
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A directory that goes when the test does.
pub(crate) struct Directory(pub(crate) PathBuf);

impl Directory {
    pub(crate) fn new() -> Directory {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("usher-native-{}-{count}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// The secret for the keys above.
    pub(crate) fn demo_secret(&self) -> PathBuf {
        let path = self.join("keys.json");
        let demo = shop().join("credentials.json");
        let args = ["keys", "new", "--audience", AUDIENCE, "--demo", text(&demo), "--out", text(&path)];
        assert_eq!(usher(&args).code, 0);
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The end of a run of the binary.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The binary in an environment without any of its settings.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
    command.args(args);
    let proxies = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];
    let settings = [
        "USHER_KEYS",
        "USHER_SERVER_KEY",
        "USHER_ADMIN_KEY",
        "USHER_DEMO",
        "USHER_KEY",
        "USHER_URL",
        "USHER_TARGET",
        "USHER_AUDIENCE",
        "USHER_CONFIG",
        "USHER_CA",
        "NO_COLOR",
    ];
    for name in settings.into_iter().chain(proxies) {
        command.env_remove(name);
    }
    command
}

pub(crate) fn usher(args: &[&str]) -> Ended {
    run(&mut command(args), "")
}

pub(crate) fn run(command: &mut Command, input: &str) -> Ended {
    let piped = || Stdio::piped();
    let mut child = command.stdin(piped()).stdout(piped()).stderr(piped()).spawn().unwrap();
    // It may end without reading.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Ended {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A running edge.
pub(crate) struct Serving {
    child: Child,
    pub(crate) url: String,
}

impl Serving {
    /// With the demo's keys and whatever is in the directory, on any port that is free.
    pub(crate) fn start(directory: &Directory, more: &[&str]) -> Serving {
        let (data, keys) = (directory.join("data"), directory.join("keys.json"));
        let mut args = vec!["serve", "--listen", "127.0.0.1:0", "--data", text(&data), "--keys", text(&keys)];
        args.extend(more);
        let mut command = command(&args);
        Serving::of(command.env("USHER_DEMO", "1"))
    }

    pub(crate) fn of(command: &mut Command) -> Serving {
        Serving::logging_to(command, Stdio::null())
    }

    /// With its log there.
    pub(crate) fn logging_to(command: &mut Command, log: impl Into<Stdio>) -> Serving {
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").expect("it listens").to_owned();
        Serving { child, url }
    }

    /// The audience's definition and batch records, as an operator puts them there.
    pub(crate) fn fill(&self) {
        let shop = shop();
        let mut push = command(&["push", text(&shop), "--to", &self.url, "-y"]);
        let pushed = run(push.env("USHER_ADMIN_KEY", ADMIN_KEY), "");
        assert_eq!(pushed.code, 0, "{pushed:?}");
        let file = shop.join("profiles.ndjson");
        let mut import = command(&["import", text(&file), "--audience", AUDIENCE, "--to", &self.url]);
        let imported = run(import.env("USHER_SERVER_KEY", SERVER_KEY), "");
        assert_eq!(imported.code, 0, "{imported:?}");
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// As a crash would: no handler runs.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// As an operator would.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        let sent = Command::new("kill").arg(self.id().to_string()).status().unwrap();
        assert!(sent.success());
        self.child.wait().unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        page(&format!("{}{path}", self.url))
    }

    pub(crate) fn get_as(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = agent().get(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::of(request.call().unwrap())
    }

    pub(crate) fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut request = agent().post(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::of(request.send(body).unwrap())
    }

    /// One event with the write key.
    pub(crate) fn ingest(&self, table: &str, event: Value) -> Answer {
        let body = json!({"events": [event]}).to_string();
        self.post(table, &[("authorization", &format!("TD1 {WRITE_KEY}"))], body.as_bytes())
    }

    /// The offers of `web_personalization` for a visitor.
    pub(crate) fn personalize(&self, key: &str, value: &str) -> Value {
        let body = json!({"audience": AUDIENCE, "personalization": "web_personalization",
            "key": {"name": key, "value": value}});
        let headers = [("authorization", &*format!("TD1 {SERVER_KEY}"))];
        let answer = self.post("/v1/personalize", &headers, body.to_string().as_bytes());
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["offers"].clone()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) text: String,
    /// Null where it is no JSON.
    pub(crate) body: Value,
}

impl Answer {
    fn of(mut response: ureq::http::Response<ureq::Body>) -> Answer {
        let header = |(name, value): (&ureq::http::HeaderName, &ureq::http::HeaderValue)| {
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        let headers = response.headers().iter().map(header).collect();
        let text = response.body_mut().read_to_string().unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status: response.status().as_u16(), headers, text, body }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The answer of an address.
pub(crate) fn page(url: &str) -> Answer {
    Answer::of(agent().get(url).call().unwrap())
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into()
}
