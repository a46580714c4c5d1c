//! The destinations of activations: a file, or an environment variable.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::exit::Failure;
use crate::secrets;

/// The environment variable with the destinations.
const DESTINATIONS: &str = "USHER_DESTINATIONS";

/// In TOML each destination is a table `[[destination]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    destination: Vec<toml::Table>,
}

/// The list as JSON; empty: there are none.
pub(super) fn read(file: Option<&Path>) -> Result<String, Failure> {
    let Some(text) = secrets::find(DESTINATIONS, file)? else { return Ok(String::new()) };
    if text.trim_start().starts_with('[') && serde_json::from_str::<Value>(&text).is_ok() {
        return Ok(text);
    }
    let place = file.map_or_else(|| DESTINATIONS.to_owned(), |file| file.display().to_string());
    let read = toml::from_str(&text).map(|File { destination }| serde_json::to_string(&destination));
    match read {
        Ok(Ok(list)) => Ok(list),
        // Its words would show a line of the file, and with it maybe a secret.
        _ => Err(Failure::new(format!("{place}: neither JSON nor TOML with tables [[destination]]"))
            .help("docs/activations.md has an example")),
    }
}
