//! Signing: `base64url(payload).base64url(tag)`. The tag is HMAC-SHA-256 of a purpose and the payload, truncated to 16
//! bytes, so that a token of one kind is never valid as another.

use hmac::digest::Key;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::wire::base64url::{base64url, from_base64url};

pub(super) const TAG_BYTES: usize = 16;

/// Signs with the deployment's secret.
#[derive(Clone)]
pub(crate) struct Signer(Hmac<Sha256>);

impl core::fmt::Debug for Signer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // The secret is shown nowhere.
        f.write_str("Signer")
    }
}

impl Signer {
    pub(crate) fn new(secret: [u8; 32]) -> Signer {
        // A secret of a block's length at most is the key itself, followed by zeros. Each tag goes on from here.
        let mut key = Key::<Hmac<Sha256>>::default();
        key.iter_mut().zip(secret).for_each(|(slot, byte)| *slot = byte);
        Signer(Hmac::new(&key))
    }

    /// A keyed hash of a purpose and a payload.
    pub(super) fn tag(&self, purpose: &str, payload: &[u8]) -> [u8; TAG_BYTES] {
        let mut mac = self.0.clone();
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(payload);
        let bytes = mac.finalize().into_bytes();
        let mut tag = [0; TAG_BYTES];
        tag.iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = byte);
        tag
    }

    /// The name of a key's snapshot in caches. Without the deployment's secret nobody can guess whose it is.
    pub(crate) fn snapshot_name(&self, audience: &str, name: &str, value: &str) -> String {
        format!("snapshot/{}", base64url(&self.of_key("snapshot", audience, name, value)))
    }

    /// The name of a key in the pointers of its home.
    pub(crate) fn key_hash(&self, audience: &str, name: &str, value: &str) -> [u8; TAG_BYTES] {
        self.of_key("pointer", audience, name, value)
    }

    fn of_key(&self, purpose: &str, audience: &str, name: &str, value: &str) -> [u8; TAG_BYTES] {
        let mut payload = Vec::with_capacity(audience.len() + name.len() + value.len() + 24);
        for part in [audience, name, value] {
            payload.extend_from_slice(&part.len().to_le_bytes());
            payload.extend_from_slice(part.as_bytes());
        }
        self.tag(purpose, &payload)
    }

    pub(super) fn sign(&self, purpose: &str, payload: &[u8]) -> String {
        joined(payload, &self.tag(purpose, payload))
    }

    pub(super) fn verify(&self, purpose: &str, token: &str) -> Option<Vec<u8>> {
        let (payload, tag) = parts(token)?;
        bool::from(self.tag(purpose, &payload).ct_eq(&tag)).then_some(payload)
    }
}

/// `base64url(payload).base64url(tag)`
pub(super) fn joined(payload: &[u8], tag: &[u8; TAG_BYTES]) -> String {
    format!("{}.{}", base64url(payload), base64url(tag))
}

/// The payload and the tag of a token; neither is verified.
pub(super) fn parts(token: &str) -> Option<(Vec<u8>, [u8; TAG_BYTES])> {
    let (payload, tag) = token.split_once('.')?;
    Some((from_base64url(payload)?, from_base64url(tag)?.try_into().ok()?))
}
