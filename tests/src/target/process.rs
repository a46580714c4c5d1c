//! Hosts that are processes of their own, reached over HTTP on this machine.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use super::{Answer, Call, Target};
use crate::deployment::{DESTINATIONS, Keys, root};

/// The native server.
pub struct Native(Process);

/// The worker in workerd.
pub struct Workerd(Process);

/// The Spin component, in a program that runs it as Spin does.
pub struct Spin(Process);

/// The edge of a browser tab, in node.
pub struct Tab(Process);

struct Process {
    child: Child,
    url: String,
    data: PathBuf,
    live: bool,
    agent: ureq::Agent,
    /// Its lines on standard output; those on standard error are in a file.
    said: Arc<Mutex<String>>,
}

impl Native {
    /// Starts a server; `program` is its binary.
    pub fn start(program: &str, live: bool) -> Native {
        Native::started(program, live, &[])
    }

    /// Starts a server with so many shards.
    pub fn with_shards(program: &str, shards: u32) -> Native {
        Native::started(program, false, &["--shards", &shards.to_string()])
    }

    fn started(program: &str, live: bool, more: &[&str]) -> Native {
        let data = fresh_folder();
        let mut command = Command::new(program);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data).args(more);
        Native(Process::start(command, data, live, listening))
    }
}

impl Spin {
    /// Starts an application; `program` compiled the component.
    pub fn start(program: &str, component: &str) -> Spin {
        let data = fresh_folder();
        let mut command = Command::new(program);
        command.args(["serve", component]).arg(root().join("edge-worker/spin/spin.toml"));
        command.arg("--data").arg(&data);
        command.env("SPIN_VARIABLE_USHER_KEYS", Keys::demo().secret()).env("SPIN_VARIABLE_USHER_DEMO", "1");
        command.env("SPIN_VARIABLE_USHER_DESTINATIONS", DESTINATIONS);
        Spin(Process::start(command, data, false, listening))
    }
}

impl Tab {
    /// Starts the edge of this folder.
    pub fn start(dist: &str) -> Tab {
        Tab::started(dist, &[])
    }

    /// Starts an edge that knows nothing but what it stored, at each request.
    pub fn restarting(dist: &str) -> Tab {
        Tab::started(dist, &["--restart"])
    }

    fn started(dist: &str, more: &[&str]) -> Tab {
        let mut command = Command::new("node");
        command.arg(root().join("edge-worker/tab/local/serve.mjs"));
        command.arg("--dist").arg(root().join(dist)).args(more);
        Tab(Process::start(command, fresh_folder(), false, listening))
    }
}

impl Workerd {
    /// Starts the worker of this folder with so many shards.
    pub fn start(dist: &str, live: bool, shards: u32) -> Workerd {
        let data = fresh_folder();
        let mut command = Command::new("node");
        command.arg(root().join("edge-worker/cloudflare/local/serve.mjs"));
        command.arg("--dist").arg(root().join(dist)).arg("--data").arg(&data);
        command.env("USHER_SHARDS", shards.to_string());
        let said = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).ok()?;
            Some(line["url"].as_str()?.to_owned())
        };
        Workerd(Process::start(command, data, live, said))
    }
}

impl Target for Native {
    fn call(&mut self, call: &Call<'_>) -> Answer {
        self.0.call(call)
    }

    fn live(&self) -> bool {
        self.0.live
    }

    fn log(&self) -> String {
        self.0.log()
    }
}

impl Target for Spin {
    fn call(&mut self, call: &Call<'_>) -> Answer {
        self.0.call(call)
    }

    fn log(&self) -> String {
        self.0.log()
    }
}

impl Target for Tab {
    fn call(&mut self, call: &Call<'_>) -> Answer {
        self.0.call(call)
    }

    fn log(&self) -> String {
        self.0.log()
    }
}

impl Target for Workerd {
    fn call(&mut self, call: &Call<'_>) -> Answer {
        self.0.call(call)
    }

    fn live(&self) -> bool {
        self.0.live
    }

    fn log(&self) -> String {
        self.0.log()
    }
}

impl Process {
    fn start(
        mut command: Command,
        data: PathBuf,
        live: bool,
        said: impl Fn(&str) -> Option<String>,
    ) -> Process {
        command.env("USHER_KEYS", Keys::demo().secret()).env("USHER_DEMO", "1");
        command.env("USHER_DESTINATIONS", DESTINATIONS);
        let log = std::fs::File::create(data.join("log")).expect("a log");
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let output = child.stdout.take().expect("piped");
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        let url = lines.find_map(|line| said(&line));
        let log = || std::fs::read_to_string(data.join("log")).unwrap_or_default();
        let url = url.unwrap_or_else(|| panic!("{command:?} did not start:\n{}", log()));
        // What it says later is read, so that it never waits for a reader.
        let said = Arc::<Mutex<String>>::default();
        let heard = Arc::clone(&said);
        std::thread::spawn(move || {
            lines.for_each(|line| *heard.lock().expect("no panic") += &format!("{line}\n"));
        });
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(std::time::Duration::from_secs(60)))
            .build()
            .new_agent();
        Process { child, url, data, live, agent, said }
    }

    /// Lines of the platform are no objects.
    fn log(&self) -> String {
        let errors = std::fs::read_to_string(self.data.join("log")).expect("a log");
        let all = errors + &self.said.lock().expect("no panic");
        all.lines().filter(|line| line.starts_with('{')).map(|line| format!("{line}\n")).collect()
    }

    fn call(&mut self, call: &Call<'_>) -> Answer {
        let mut request =
            ureq::http::Request::builder().method(call.method).uri(format!("{}{}", self.url, call.path));
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        // A release build has no ear for it, and the vectors below `clock/` prove that.
        if !call.headers.iter().any(|(name, _)| name == "x-usher-now") {
            request = request.header("x-usher-now", (call.now * 1_000).to_string());
        }
        let bodiless = call.body.is_empty() && matches!(call.method, "GET" | "HEAD" | "OPTIONS" | "DELETE");
        let sent = if bodiless {
            self.agent.run(request.body(()).expect("a request"))
        } else {
            self.agent.run(request.body(call.body.clone()).expect("a request"))
        };
        let mut response = sent.unwrap_or_else(|error| panic!("{} {}: {error}", call.method, call.path));
        let headers = response.headers().iter();
        let headers = headers
            .map(|(n, v)| (n.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned()))
            .collect();
        let mut body = Vec::new();
        response.body_mut().as_reader().read_to_end(&mut body).expect("a body");
        Answer { status: response.status().as_u16(), headers, body }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Closing its input stops the launcher and the worker behind it.
        drop(self.child.stdin.take());
        if cfg!(unix) {
            let _ = Command::new("kill").arg(self.child.id().to_string()).stderr(Stdio::null()).status();
        }
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

/// The address in `listening on http://127.0.0.1:1234`.
fn listening(line: &str) -> Option<String> {
    line.split_whitespace().find(|word| word.starts_with("http://")).map(str::to_owned)
}

fn fresh_folder() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("usher-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).expect("a folder for a test's data");
    folder
}
