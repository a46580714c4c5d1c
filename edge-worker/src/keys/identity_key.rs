//! Keys with which identity tokens are verified.

use core::fmt;

use ed25519_dalek::{Signature, VerifyingKey};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use usher_engine::value::{Fields, FromValue, Reading, Value};

use crate::limits::IDENTITY_SECRET_BYTES;
use crate::wire::base64url::from_base64url;

/// A key with which identity tokens are verified. It fixes their algorithm.
#[derive(Clone)]
pub(crate) enum IdentityKey {
    /// EdDSA: the public key (RFC 8037).
    Ed25519([u8; 32]),
    /// HS256: the secret, which signs, too (RFC 7518).
    Secret(Vec<u8>),
}

impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentityKey")
    }
}

impl IdentityKey {
    /// True if tokens with this `alg` may be of this key.
    pub(super) fn is_of(&self, algorithm: &str) -> bool {
        match self {
            // RFC 9864 calls it by its curve.
            IdentityKey::Ed25519(_) => ["EdDSA", "Ed25519"].contains(&algorithm),
            IdentityKey::Secret(_) => algorithm == "HS256",
        }
    }

    /// `alg` of its tokens.
    pub(super) fn algorithm(&self) -> &'static str {
        match self {
            IdentityKey::Ed25519(_) => "EdDSA",
            IdentityKey::Secret(_) => "HS256",
        }
    }

    /// Its hash, as other keys have one; nobody can present what has it, because no header has a zero byte.
    pub(super) fn sha256(&self) -> [u8; 32] {
        let bytes = match self {
            IdentityKey::Ed25519(key) => key.as_slice(),
            IdentityKey::Secret(secret) => secret,
        };
        Sha256::new().chain_update(b"identity key\0").chain_update(bytes).finalize().into()
    }

    pub(super) fn has_signed(&self, text: &str, signature: &[u8]) -> bool {
        match self {
            IdentityKey::Ed25519(key) => {
                let key = VerifyingKey::from_bytes(key);
                // Strictly: neither the key nor a part of the signature is of small order, which would sign anything.
                let verified =
                    |signature| key.is_ok_and(|key| key.verify_strict(text.as_bytes(), &signature).is_ok());
                Signature::from_slice(signature).is_ok_and(verified)
            }
            IdentityKey::Secret(secret) => {
                let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return false };
                mac.update(text.as_bytes());
                // In constant time.
                mac.verify_slice(signature).is_ok()
            }
        }
    }
}

/// Bytes in base64url without padding, as a JWK writes keys (`k`, `x`).
#[derive(Debug)]
struct Material(Vec<u8>);

impl FromValue for Material {
    fn read(value: &Value, reading: &mut Reading) -> Material {
        Material(value.as_str().and_then(from_base64url).unwrap_or_else(|| {
            reading.note("not base64url without padding");
            Vec::new()
        }))
    }
}

/// The key of a record with `public_key`, or else `secret`.
pub(super) fn identity_key(fields: Fields<'_>, reading: &mut Reading) -> Option<IdentityKey> {
    let public: Option<Material> = fields.or("public_key", None, reading);
    let secret: Option<Material> = fields.or("secret", None, reading);
    let key = match (public, secret) {
        (None, None) => return None,
        (Some(Material(public)), None) => public.try_into().ok().map(IdentityKey::Ed25519),
        (None, Some(Material(secret))) => Some(secret)
            .filter(|secret| IDENTITY_SECRET_BYTES.contains(&secret.len()))
            .map(IdentityKey::Secret),
        (Some(_), Some(_)) => None,
    };
    if key.is_none() {
        reading.note("`public_key` is 32 bytes and `secret` 32 to 512, and a key has one of them");
    }
    key
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer, SigningKey};

    use super::*;

    #[test]
    fn the_examples_of_the_rfcs_verify() {
        let bytes = |text: &str| from_base64url(text).unwrap();
        // RFC 7515, appendix A.1.
        let secret =
            bytes("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow");
        let text = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
                    eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let tag = bytes("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert!(IdentityKey::Secret(secret).has_signed(text, &tag));
        // RFC 8037, appendix A.4.
        let public: [u8; 32] = bytes("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").try_into().unwrap();
        let text = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let signature =
            bytes("hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg");
        let key = IdentityKey::Ed25519(public);
        assert!(key.has_signed(text, &signature));
        for at in 0..signature.len() {
            let mut other = signature.clone();
            other[at] ^= 0x10;
            assert!(!key.has_signed(text, &other), "{at}");
        }
        assert!(!key.has_signed(&text[1..], &signature) && !key.has_signed(text, &signature[1..]));
    }

    #[test]
    fn a_signature_has_one_spelling() {
        // The order of the group, added to `s`, is the same signature to a lenient verifier.
        let order: [u8; 32] = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        let signing = SigningKey::from_bytes(&[5; 32]);
        let key = IdentityKey::Ed25519(signing.verifying_key().to_bytes());
        let mut signature = signing.sign(b"text").to_bytes();
        assert!(key.has_signed("text", &signature));
        let mut carry = 0;
        for (byte, more) in signature[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + u16::from(more) + carry;
            (*byte, carry) = (sum.to_le_bytes()[0], sum >> 8);
        }
        assert!(!key.has_signed("text", &signature));
    }
}
