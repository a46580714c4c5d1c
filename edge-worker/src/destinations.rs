//! The destinations of activations: settings of the deployment, so that no definition, profile or event says where data goes.
//!
//! A destination has an address, a secret for signatures and bounds. An activation is matched with one by the destination's id,
//! or else by the address; its own address has to be at the destination's origin, at its path or below it.

mod address;
mod header;
mod request;
mod signature;

use usher_engine::value::{Number, Value};

use address::Address;
pub use address::is_public;
use header::is_header;
pub(crate) use request::Refused;
use signature::Secret;

use crate::limits::{DESTINATION_RATE, DESTINATION_RATE_MAX, DESTINATIONS_MAX};
use crate::wire::read::document;

/// All destinations of a deployment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Destinations(Vec<Destination>);

/// A server that activations may be sent to.
#[derive(Clone, Debug)]
pub(crate) struct Destination {
    /// The `connectionId` of activations.
    pub(crate) id: String,
    address: Address,
    secret: Secret,
    /// Headers that every request gets, such as a vendor's key.
    headers: Vec<(String, String)>,
    /// Most attempts a second.
    pub(crate) rate: u32,
    /// True if its host may have an address of this machine or of a private network.
    pub(crate) private: bool,
}

impl Destinations {
    /// Reads a list of `{"id", "url", "secret"}`, each with `headers`, `rate` and `private` if they are said.
    ///
    /// # Errors
    ///
    /// The mistake, and its place.
    pub(crate) fn read(text: &str) -> Result<Destinations, String> {
        let Ok(Value::List(items)) = document(text.as_bytes()) else {
            return Err("a list of destinations is expected, as JSON".to_owned());
        };
        if items.len() > DESTINATIONS_MAX {
            return Err(format!("more than {DESTINATIONS_MAX} destinations"));
        }
        let mut all: Vec<Destination> = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let read =
                Destination::read(item).map_err(|fault| format!("destination {}: {fault}", index + 1))?;
            if all.iter().any(|known| known.id == read.id) {
                return Err(format!("two destinations have the id `{}`", read.id));
            }
            all.push(read);
        }
        Ok(Destinations(all))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True for texts that a destination or an activation can have as an address.
    pub(crate) fn is_address(url: &str) -> bool {
        Address::read(url).is_some()
    }

    pub(crate) fn of(&self, id: &str) -> Option<&Destination> {
        self.0.iter().find(|known| known.id == id)
    }

    /// The destination at an address: the most specific one whose path is the address's or above it.
    pub(crate) fn at(&self, url: &str) -> Option<&Destination> {
        let address = Address::read(url)?;
        let at = self.0.iter().filter(|known| known.address.covers(&address));
        at.max_by_key(|known| known.address.path().len())
    }
}

impl Destination {
    fn read(item: &Value) -> Result<Destination, String> {
        let Value::Object(fields) = item else { return Err("an object is expected".to_owned()) };
        let mut destination = Destination {
            id: String::new(),
            address: Address::default(),
            secret: Secret::default(),
            headers: Vec::new(),
            rate: DESTINATION_RATE,
            private: false,
        };
        for (name, value) in fields {
            match (name.as_str(), value) {
                ("id", Value::String(id)) if is_id(id) => destination.id.clone_from(id),
                ("id", _) => return Err("`id` has 1 to 64 letters, digits, `-`, `_` and `.`".to_owned()),
                ("url", Value::String(url)) => {
                    destination.address = Address::read(url)
                        .ok_or_else(|| format!("`url`: `{url}` is no plain http:// or https:// address"))?;
                }
                ("secret", Value::String(secret)) => {
                    destination.secret = Secret::read(secret)
                        .ok_or_else(|| "`secret` is `whsec_` and 24 to 64 bytes in base64".to_owned())?;
                }
                ("headers", Value::Object(headers)) => {
                    for (name, value) in headers {
                        let value = value.as_str().filter(|value| is_header(name, value));
                        let value = value.ok_or_else(|| format!("`headers`: `{name}` cannot be set"))?;
                        destination.headers.push((name.to_ascii_lowercase(), value.to_owned()));
                    }
                }
                ("rate", Value::Number(rate)) => {
                    let rate = match rate {
                        Number::Integer(rate) => u32::try_from(*rate).ok(),
                        Number::Float(_) => None,
                    };
                    let rate = rate.filter(|rate| (1..=DESTINATION_RATE_MAX).contains(rate));
                    destination.rate = rate.ok_or_else(|| {
                        format!("`rate` is a whole number from 1 to {DESTINATION_RATE_MAX}")
                    })?;
                }
                ("private", Value::Boolean(private)) => destination.private = *private,
                ("secret" | "url" | "headers" | "rate" | "private", _) => {
                    return Err(format!("`{name}` has a value of another type than it takes"));
                }
                _ => return Err(format!("`{name}` is no setting of a destination")),
            }
        }
        for (name, is_missing) in [
            ("id", destination.id.is_empty()),
            ("url", destination.address.is_empty()),
            ("secret", destination.secret.is_empty()),
        ] {
            if is_missing {
                return Err(format!("`{name}` is missing"));
            }
        }
        if !destination.private && destination.address.is_plainly_private() {
            let fault =
                "`url` is an address of this machine or of a private network, which needs `private`: true";
            return Err(fault.to_owned());
        }
        if !destination.private && !destination.address.is_secure() {
            return Err("`url` begins with https://, unless `private` is true".to_owned());
        }
        Ok(destination)
    }
}

/// Ids stand in lists that are separated by commas.
fn is_id(id: &str) -> bool {
    let is_of = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=64).contains(&id.len()) && id.bytes().all(is_of)
}

#[cfg(test)]
mod tests;
