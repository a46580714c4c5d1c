//! A deployment for tests: the example audience with the demo's public keys.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use usher_config::{Finding, Source};
use usher_engine::diagnostic::Severity;

use crate::tokens;

/// The project's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the project").to_owned()
}

/// A write key of another account.
const FOREIGN_KEY: &str = "2/f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0";
/// A server key without any scope.
const UNSCOPED_KEY: &str = "1/0000000000000000000000000000000000000000";
/// A server key without the scope for sensitive values.
const PLAIN_KEY: &str = "1/1111111111111111111111111111111111111111";
/// A server key of another audience.
const ELSEWHERE_KEY: &str = "1/7777777777777777777777777777777777777777";
/// A server key that names what it may ask for.
const LIMITED_KEY: &str = "1/2222222222222222222222222222222222222222";
/// A server key with a rate of its own: 10 events a second.
const PACED_KEY: &str = "1/4444444444444444444444444444444444444444";
/// A private token that names what it may ask for.
const PICKY_TOKEN: &str = "1/demo/33333333333333333333333333333333";

/// `USHER_DESTINATIONS` for the vectors, on hosts that deliver. Its server does not exist.
pub const DESTINATIONS: &str = r#"[
    {"id": "crm", "url": "https://crm.usher.invalid/", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8G"},
    {"id": "crm-mail", "url": "https://crm.usher.invalid/hooks/mail", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8G"}
]"#;

/// The demo's keys and tokens.
pub struct Keys {
    credentials: Value,
}

impl Keys {
    pub fn demo() -> Keys {
        let text =
            std::fs::read_to_string(root().join("examples/shop/credentials.json")).expect("the demo's keys");
        Keys { credentials: serde_json::from_str(&text).expect("JSON") }
    }

    fn text(&self, name: &str) -> &str {
        self.credentials[name].as_str().expect("a text")
    }

    /// `USHER_KEYS` for them. The signing key is fixed: it is as public as the rest.
    pub fn secret(&self) -> String {
        // Making key pairs takes longer than a request.
        static SECRET: OnceLock<String> = OnceLock::new();
        SECRET.get_or_init(|| self.made_secret()).clone()
    }

    fn made_secret(&self) -> String {
        let hash_of = |text: &str| sha256(text.as_bytes());
        let hash = |name: &str| hash_of(self.text(name));
        let origins = &self.credentials["allowed_origins"];
        let audience = "1069944";
        let mut secret = json!({
            "signing_key": "07".repeat(32),
            "keys": [
                {"kind": "write", "sha256": hash("write_key"), "account": "1", "audience": "*", "origins": origins},
                {"kind": "server", "sha256": hash("server_key"), "account": "1", "audience": "*",
                 "scopes": ["personalize", "sensitive", "import", "explain", "read", "erase", "metrics"]},
                {"kind": "admin", "sha256": hash("admin_key"), "audience": "*"},
                {"kind": "token", "sha256": hash("public_token"), "account": "1", "audience": audience,
                 "public": true, "origins": origins},
                {"kind": "token", "sha256": hash("private_token"), "account": "1", "audience": audience},
                // Not the demo's: what the vectors need besides.
                {"kind": "write", "sha256": hash_of(FOREIGN_KEY), "account": "2", "audience": "*", "origins": origins},
                {"kind": "server", "sha256": hash_of(UNSCOPED_KEY), "account": "1", "audience": "*"},
                {"kind": "server", "sha256": hash_of(PLAIN_KEY), "account": "1", "audience": "*",
                 "scopes": ["personalize", "import", "explain", "read", "erase"]},
                {"kind": "server", "sha256": hash_of(ELSEWHERE_KEY), "account": "1", "audience": "7",
                 "scopes": ["personalize", "sensitive", "import", "explain", "read", "erase"]},
                {"kind": "server", "sha256": hash_of(LIMITED_KEY), "account": "1", "audience": "*", "personalizations": ["cart_recovery", "web_personalization"],
                 "scopes": ["personalize", "sensitive", "import", "explain", "read", "erase"]},
                {"kind": "server", "sha256": hash_of(PACED_KEY), "account": "1", "audience": "*", "events_per_second": 10,
                 "scopes": ["personalize", "sensitive", "import", "explain"]},
                {"kind": "token", "sha256": hash_of(PICKY_TOKEN), "account": "1", "audience": audience,
                 "personalizations": ["product_recommendations", "banners"]},
            ],
        });
        secret["keys"].as_array_mut().expect("a list").extend(tokens::records(audience));
        secret.to_string()
    }

    /// The headers with which somebody calls.
    pub fn headers(&self, who: &str, now: i64) -> Vec<(String, String)> {
        let origin =
            || ("origin", self.credentials["allowed_origins"][0].as_str().expect("an origin").to_owned());
        let td1 = |key: &str| ("authorization", format!("TD1 {}", self.text(key)));
        let bearer = |key: &str| ("authorization", format!("TD1 {key}"));
        let token = |name: &str| ("wp13n-token", self.text(name).to_owned());
        let headers = match who {
            "nobody" => vec![],
            "foreigner" => vec![bearer(FOREIGN_KEY), token("public_token"), origin()],
            "unscoped" => vec![bearer(UNSCOPED_KEY)],
            "plain" => vec![bearer(PLAIN_KEY)],
            "plain-with-token" => vec![bearer(PLAIN_KEY), token("private_token")],
            "elsewhere" => vec![bearer(ELSEWHERE_KEY)],
            "limited" => vec![bearer(LIMITED_KEY)],
            "limited-with-token" => vec![bearer(LIMITED_KEY), token("private_token")],
            "limited-picky" => vec![bearer(LIMITED_KEY), ("wp13n-token", PICKY_TOKEN.to_owned())],
            "paced" => vec![bearer(PACED_KEY)],
            "paced-with-token" => vec![bearer(PACED_KEY), token("private_token")],
            "picky" => vec![td1("write_key"), ("wp13n-token", PICKY_TOKEN.to_owned())],
            "picky-server" => vec![td1("server_key"), ("wp13n-token", PICKY_TOKEN.to_owned())],
            "browser" => vec![td1("write_key"), token("public_token"), origin()],
            "page" => vec![td1("write_key"), origin()],
            "collector" => vec![td1("write_key")],
            "backend" => vec![td1("write_key"), token("private_token")],
            "server" => vec![td1("server_key")],
            "server-with-token" => vec![td1("server_key"), token("private_token")],
            "admin" => vec![td1("admin_key")],
            "preview" => {
                let token =
                    usher_edge::preview_token(&self.secret(), "1069944", now + 600, now).expect("a token");
                vec![("authorization", format!("Bearer {token}")), origin()]
            }
            other => panic!("nobody is called {other}"),
        };
        headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// SHA-256 as hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bundle of a folder of definitions.
pub fn bundle(folder: &Path) -> Vec<u8> {
    let listing = usher_config::definition_files(folder).expect("a folder of definitions");
    bundle_of(&listing.sources, &listing.findings)
}

/// The bundle of definitions that stand in a vector.
pub fn bundle_of_texts(texts: &[String]) -> Vec<u8> {
    bundle_of(&sources(texts), &[])
}

/// The names of the attributes that definitions in a vector declare.
pub fn attributes(texts: &[String]) -> Vec<String> {
    usher_config::read(&sources(texts))
        .definition
        .attributes
        .into_iter()
        .map(|attribute| attribute.name)
        .collect()
}

fn sources(texts: &[String]) -> Vec<Source> {
    let named = texts.iter().enumerate();
    named
        .map(|(index, text)| Source { name: format!("definition[{index}].yaml"), text: text.clone() })
        .collect()
}

fn bundle_of(sources: &[Source], findings: &[Finding]) -> Vec<u8> {
    let reading = usher_config::check(sources);
    for finding in reading.findings.iter().chain(findings) {
        let error = finding.diagnostic.severity() == Severity::Error;
        assert!(!error, "{}", usher_config::render::plain(finding));
    }
    let bundle = usher_edge::Bundle { definition: reading.definition, examples: reading.examples };
    bundle.write().expect("a bundle")
}
