//! What the service signs: read-your-writes tokens and preview tokens.
//!
//! Both are `base64url(payload).base64url(tag)`; the tag is HMAC-SHA-256 of a purpose and the payload, cut to 16 bytes,
//! so that a token of one kind is never one of the other.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use usher_engine::ProfileId;

const TAG_BYTES: usize = 16;

/// Signs with the deployment's secret.
#[derive(Clone)]
pub(crate) struct Signer([u8; 32]);

impl Signer {
    pub(crate) fn new(secret: [u8; 32]) -> Signer {
        Signer(secret)
    }

    fn mac(&self, purpose: &str, payload: &[u8]) -> Option<Hmac<Sha256>> {
        // A key of any length is taken.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(payload);
        Some(mac)
    }

    fn sign(&self, purpose: &str, payload: &[u8]) -> String {
        let tag = self.mac(purpose, payload).map(|mac| mac.finalize().into_bytes());
        let tag = tag.as_ref().and_then(|tag| tag.get(..TAG_BYTES)).unwrap_or(&[]);
        format!("{}.{}", base64url(payload), base64url(tag))
    }

    fn verify(&self, purpose: &str, token: &str) -> Option<Vec<u8>> {
        let (payload, tag) = token.split_once('.')?;
        let (payload, tag) = (from_base64url(payload)?, from_base64url(tag)?);
        if tag.len() != TAG_BYTES {
            return None;
        }
        // In constant time.
        self.mac(purpose, &payload)?.verify_truncated_left(&tag).ok()?;
        Some(payload)
    }
}

/// Which version of a profile a caller has seen: a lookup that carries it never sees an older one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sighted {
    pub(crate) profile: ProfileId,
    pub(crate) version: u64,
}

impl Sighted {
    pub(crate) fn sign(self, signer: &Signer) -> String {
        let mut payload = self.profile.0.to_vec();
        payload.extend_from_slice(&self.version.to_le_bytes());
        signer.sign("seen", &payload)
    }

    pub(crate) fn verify(token: &str, signer: &Signer) -> Option<Sighted> {
        let payload = signer.verify("seen", token)?;
        let (profile, version) = payload.split_at_checked(16)?;
        Some(Sighted {
            profile: ProfileId(profile.try_into().ok()?),
            version: u64::from_le_bytes(version.try_into().ok()?),
        })
    }
}

/// Lets a page explain the answers of one audience for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Preview {
    pub(crate) audience: String,
    /// Unix seconds.
    pub(crate) expires: i64,
}

impl Preview {
    pub(crate) fn sign(&self, signer: &Signer) -> String {
        let mut payload = self.expires.to_le_bytes().to_vec();
        payload.extend_from_slice(self.audience.as_bytes());
        signer.sign("preview", &payload)
    }

    /// The token's claims, unless it has expired.
    pub(crate) fn verify(token: &str, signer: &Signer, now_ms: i64) -> Option<Preview> {
        let payload = signer.verify("preview", token)?;
        let (expires, audience) = payload.split_at_checked(8)?;
        let preview = Preview {
            expires: i64::from_le_bytes(expires.try_into().ok()?),
            audience: String::from_utf8(audience.to_vec()).ok()?,
        };
        (now_ms / 1_000 < preview.expires).then_some(preview)
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// RFC 4648 §5, without padding.
pub(crate) fn base64url(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut three = [0_u8; 3];
        three.iter_mut().zip(chunk).for_each(|(slot, byte)| *slot = *byte);
        let word = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        for shift in [18, 12, 6, 0].into_iter().take(chunk.len() + 1) {
            text.push(char::from(ALPHABET[(word >> shift) as usize & 63]));
        }
    }
    text
}

pub(crate) fn from_base64url(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    for chunk in text.as_bytes().chunks(4) {
        let mut word = 0_u32;
        for slot in 0..4 {
            let digit = match chunk.get(slot) {
                Some(byte) => ALPHABET.iter().position(|known| known == byte)?,
                None => 0,
            };
            word = word << 6 | u32::try_from(digit).ok()?;
        }
        let [_, three @ ..] = word.to_be_bytes();
        // A lone digit is no byte, and unused bits must be zero: one text per value.
        let (whole, unused) = three.split_at_checked((chunk.len() * 6) / 8).filter(|_| chunk.len() > 1)?;
        if unused.iter().any(|byte| *byte != 0) {
            return None;
        }
        bytes.extend_from_slice(whole);
    }
    Some(bytes)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != N * 2 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(index * 2..index * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64url_and_back() {
        for (bytes, text) in
            [(&b""[..], ""), (b"f", "Zg"), (b"fo", "Zm8"), (b"foo", "Zm9v"), (b"\xfb\xff", "-_8")]
        {
            assert_eq!(base64url(bytes), text);
            assert_eq!(from_base64url(text).as_deref(), Some(bytes));
        }
        for text in ["A", "Zh", "Zm9v=", "Zm 9"] {
            assert_eq!(from_base64url(text), None, "{text}");
        }
    }

    #[test]
    fn tokens_hold_only_for_their_purpose_secret_and_time() {
        let signer = Signer::new([1; 32]);
        let seen = Sighted { profile: ProfileId([7; 16]), version: 9 };
        let token = seen.sign(&signer);
        assert_eq!(Sighted::verify(&token, &signer), Some(seen));
        assert_eq!(Sighted::verify(&token, &Signer::new([2; 32])), None);
        for index in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
            assert_eq!(Sighted::verify(&String::from_utf8(bytes).unwrap(), &signer), None, "{index}");
        }
        let preview = Preview { audience: "7".into(), expires: 100 };
        let token = preview.sign(&signer);
        assert_eq!(Preview::verify(&token, &signer, 99_999), Some(preview));
        assert_eq!(Preview::verify(&token, &signer, 100_000), None);
        assert_eq!(Sighted::verify(&token, &signer), None);
    }
}
