//! Access: the keyring of a deployment, the tokens that the service signs, and the identity tokens of a site's own server.

mod carried;
mod identity;
mod identity_key;
mod keyring;
mod list;
mod signer;
mod token;

pub use carried::read_keys;
pub(crate) use carried::{Granted, granted, keyring_of};
pub(crate) use keyring::{KeyRecord, Keyring, Kind, Scope, serialized};
pub use list::keys_of;
pub(crate) use list::list;
pub(crate) use signer::Signer;
pub(crate) use token::{Preview, Seen, SeenToken, profile_hash};

use crate::limits::PREVIEW_SECONDS_MAX;

/// A token that allows a page to explain the answers of one audience until `expires` (Unix seconds, at most 24 h ahead
/// of `now`). `secret` is `USHER_KEYS`.
///
/// # Errors
///
/// One sentence for the operator: the secret is unusable, or `expires` is out of range.
///
/// # Examples
///
/// ```
/// let secret = format!(r#"{{"signing_key": "{}", "keys": []}}"#, "07".repeat(32));
/// let now = 1_790_000_000;
/// let token = usher_edge::preview_token(&secret, "7", now + 3_600, now)?;
/// assert!(token.contains('.'));
/// assert!(usher_edge::preview_token(&secret, "7", now + 100_000, now).is_err());
/// # Ok::<(), String>(())
/// ```
pub fn preview_token(secret: &str, audience: &str, expires: i64, now: i64) -> Result<String, String> {
    if expires <= now || expires - now > PREVIEW_SECONDS_MAX {
        return Err("a preview token lives for at most 24 hours".to_owned());
    }
    let keyring = Keyring::read(Some(secret), true)?;
    Ok(Preview { audience: audience.to_owned(), expires }.sign(&keyring.signer))
}
