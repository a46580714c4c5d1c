//! Keys: where verbs find them, and the secret that a deployment keeps instead of them.
//!
//! Keys come from the environment or from files, never from the command line, where every process of the machine could
//! read them. A failure names the place of a key and never the key.

use std::env;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::exit::Failure;
use crate::files::{self, Readers};
use usher_engine::definition::Audience;

/// The environment variable with the deployment's secret.
pub(crate) const SECRET: &str = "USHER_KEYS";
/// The one with a server key.
pub(crate) const SERVER_KEY: &str = "USHER_SERVER_KEY";
/// The one with an admin key.
pub(crate) const ADMIN_KEY: &str = "USHER_ADMIN_KEY";

/// The one with whichever of these a verb wants.
pub(crate) const KEY: &str = "USHER_KEY";

/// A key or secret, from a file if one is named, else from the environment; None when neither says anything.
pub(crate) fn find(variable: &str, file: Option<&Path>) -> Result<Option<String>, Failure> {
    let text = match file {
        Some(path) => Some(fs::read_to_string(path).map_err(|error| files::unread(path, &error))?),
        None => match env::var(variable) {
            Ok(text) => Some(text),
            Err(env::VarError::NotPresent) => None,
            Err(env::VarError::NotUnicode(_)) => {
                return Err(Failure::usage(format!("{variable} is not UTF-8 text")));
            }
        },
    };
    let text = text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    // The file that holds the keys, too, is good where the secret is wanted.
    Ok(if variable == SECRET { text.map(|text| deployed(&text).unwrap_or(text)) } else { text })
}

/// The secret in what `usher keys new` wrote, or in itself; None in any other text.
pub(crate) fn deployed(text: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    match (value.get(SECRET), value.get("signing_key")) {
        (Some(secret), _) => secret.as_str().map(str::to_owned),
        (None, Some(_)) => Some(text.to_owned()),
        (None, None) => None,
    }
}

/// The key under this name in what `usher keys new` wrote.
pub(crate) fn key_of(text: &str, field: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    value.get(field)?.as_str().map(str::to_owned)
}

/// A key or secret as [`find`] finds it, where nothing goes without it.
pub(crate) fn require(variable: &str, file: Option<&Path>, option: &str) -> Result<String, Failure> {
    find(variable, file)?.ok_or_else(|| match file {
        Some(path) => Failure::usage(format!("`{}` is empty", path.display())),
        None => Failure::usage(format!("{variable} is not set"))
            .help(format!("set it in the environment, or name a file with {option}")),
    })
}

/// Keys of one audience in plain text, as they are handed to whoever calls.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Credentials {
    pub(crate) write_key: String,
    pub(crate) server_key: String,
    pub(crate) admin_key: String,
    pub(crate) public_token: String,
    pub(crate) private_token: String,
    #[serde(default)]
    pub(crate) allowed_origins: Vec<String>,
}

impl Credentials {
    /// New ones, of the operating system's randomness.
    pub(crate) fn mint(allowed_origins: Vec<String>) -> Result<Credentials, Failure> {
        let instance = random_hex::<4>()?;
        Ok(Credentials {
            write_key: format!("1/{}", random_hex::<20>()?),
            server_key: format!("1/{}", random_hex::<20>()?),
            admin_key: format!("1/{}", random_hex::<32>()?),
            public_token: format!("1/{instance}/{}", random_hex::<16>()?),
            private_token: format!("1/{instance}/{}", random_hex::<16>()?),
            allowed_origins,
        })
    }

    /// The secret of a deployment: `USHER_KEYS`, with a hash in the place of every key.
    ///
    /// Every key is good for this audience alone; tokens may ask for these personalizations, or for all where none is named. The
    /// server key has this rate, in events per second, or none.
    ///
    /// # Errors
    /// When the operating system gives no randomness for the signing key.
    pub(crate) fn secret(
        &self,
        audience: &str,
        personalizations: &[String],
        server_rate: Option<u32>,
    ) -> Result<String, Failure> {
        let account = self.write_key.split('/').next().unwrap_or("1");
        let origins = &self.allowed_origins;
        let mut secret = serde_json::json!({
            "signing_key": random_hex::<32>()?,
            "keys": [
                {"kind": "write", "sha256": hash(&self.write_key), "account": account, "audience": audience,
                 "origins": origins},
                {"kind": "token", "sha256": hash(&self.public_token), "account": account,
                 "audience": audience, "public": true, "origins": origins},
                {"kind": "token", "sha256": hash(&self.private_token), "account": account,
                 "audience": audience, "public": false},
                {"kind": "server", "sha256": hash(&self.server_key), "account": account,
                 "audience": audience, "scopes": ["personalize", "sensitive", "import", "explain", "read", "erase", "metrics"]},
                {"kind": "admin", "sha256": hash(&self.admin_key), "audience": audience},
            ],
        });
        for record in secret["keys"].as_array_mut().into_iter().flatten() {
            if record["kind"] == "token" && !personalizations.is_empty() {
                record["personalizations"] = personalizations.into();
            }
            if record["kind"] == "server"
                && let Some(rate) = server_rate
            {
                record["events_per_second"] = rate.into();
            }
        }
        Ok(secret.to_string())
    }
}

/// Writes a file that only its owner can read.
///
/// # Errors
/// When it is there already and may not be replaced, or cannot be written.
pub(crate) fn write_private(path: &Path, text: &str, overwrite: bool) -> Result<(), Failure> {
    if overwrite {
        return files::replace(path, text, Readers::Owner);
    }
    if path.exists() {
        return Err(Failure::new(format!("`{}` is there already", path.display()))
            .help("it may hold keys that are in use: name another file, or add --force to replace it"));
    }
    files::create(path, text, Readers::Owner)
}

/// An audience's id where it becomes part of an address.
pub(crate) fn audience(text: &str) -> Result<String, String> {
    if Audience::is_id(text) {
        Ok(text.to_owned())
    } else {
        Err("an audience's id is letters, digits, `-`, `_`, `.` or `~`".to_owned())
    }
}

/// SHA-256 in hexadecimal digits.
pub(crate) fn hash(text: impl AsRef<[u8]>) -> String {
    hex(&Sha256::digest(text))
}

/// Unpredictable bytes of the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::new(format!("the operating system gives no randomness: {error}")))?;
    Ok(bytes)
}

/// The same as hexadecimal digits.
pub(crate) fn random_hex<const N: usize>() -> Result<String, Failure> {
    Ok(hex(&random::<N>()?))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
