//! A deployment for tests: the example audience with the demo's public keys.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The project's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the project").to_owned()
}

/// The demo's keys and tokens.
pub struct Keys {
    credentials: Value,
}

impl Keys {
    pub fn demo() -> Keys {
        let text = std::fs::read_to_string(root().join("examples/shop/credentials.json")).expect("the demo's keys");
        Keys { credentials: serde_json::from_str(&text).expect("JSON") }
    }

    fn text(&self, name: &str) -> &str {
        self.credentials[name].as_str().expect("a text")
    }

    /// `USHER_KEYS` for them. The signing key is fixed: it is as public as the rest.
    pub fn secret(&self) -> String {
        let hash = |name: &str| -> String {
            Sha256::digest(self.text(name).as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
        };
        let origins = &self.credentials["allowed_origins"];
        let audience = "1069944";
        json!({
            "signing_key": "07".repeat(32),
            "keys": [
                {"kind": "write", "sha256": hash("write_key"), "account": "1", "origins": origins},
                {"kind": "server", "sha256": hash("server_key"), "account": "1",
                 "scopes": ["personalize", "sensitive", "import", "explain"]},
                {"kind": "admin", "sha256": hash("admin_key")},
                {"kind": "token", "sha256": hash("public_token"), "account": "1", "audience": audience,
                 "public": true, "origins": origins},
                {"kind": "token", "sha256": hash("private_token"), "account": "1", "audience": audience},
            ],
        })
        .to_string()
    }

    /// The headers with which somebody calls.
    pub fn headers(&self, who: &str, now: i64) -> Vec<(String, String)> {
        let origin = || ("origin", self.credentials["allowed_origins"][0].as_str().expect("an origin").to_owned());
        let td1 = |key: &str| ("authorization", format!("TD1 {}", self.text(key)));
        let token = |name: &str| ("wp13n-token", self.text(name).to_owned());
        let headers = match who {
            "nobody" => vec![],
            "browser" => vec![td1("write_key"), token("public_token"), origin()],
            "page" => vec![td1("write_key"), origin()],
            "collector" => vec![td1("write_key")],
            "backend" => vec![td1("write_key"), token("private_token")],
            "server" => vec![td1("server_key")],
            "server-with-token" => vec![td1("server_key"), token("private_token")],
            "admin" => vec![td1("admin_key")],
            "preview" => {
                let token = usher_edge::preview_token(&self.secret(), "1069944", now + 600, now).expect("a token");
                vec![("authorization", format!("Bearer {token}")), origin()]
            }
            other => panic!("nobody is called {other}"),
        };
        headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// The bundle of a folder of definitions.
pub fn bundle(folder: &Path) -> Vec<u8> {
    let listing = usher_config::definition_files(folder).expect("a folder of definitions");
    let reading = usher_config::check(&listing.sources);
    for finding in reading.findings.iter().chain(&listing.findings) {
        let error = finding.diagnostic.severity() == usher_engine::diagnostic::Severity::Error;
        assert!(!error, "{}", usher_config::render::plain(finding));
    }
    usher_edge::bundle_of(&reading.definition).expect("a bundle")
}
