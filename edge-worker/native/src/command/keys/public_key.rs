//! An Ed25519 public key in a file: PEM, as `openssl pkey -pubout` writes it, or JWK.

use std::fs;
use std::path::Path;

use ed25519_dalek::VerifyingKey;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use usher_edge::wire::base64url::from_base64url;

use crate::exit::Failure;
use crate::files;

/// The bytes before the key in its DER: a sequence, the algorithm 1.3.101.112, and 33 bits that follow (RFC 8410).
const PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// # Errors
/// When the file cannot be read, or holds anything else.
pub(super) fn public_key(path: &Path) -> Result<[u8; 32], Failure> {
    let text = fs::read_to_string(path).map_err(|error| files::unread(path, &error))?;
    let shown = path.display();
    let is_private = || {
        Failure::new(format!("`{shown}` holds a private key, and the edge needs the public one"))
            .help("`openssl pkey -in key.pem -pubout -out key.pub` writes it; of a JWK leave `d` out")
    };
    let other = || {
        Failure::new(format!("`{shown}` holds no Ed25519 public key"))
            .help("it is PEM text (`-----BEGIN PUBLIC KEY-----`), or a JWK with `kty` OKP and `crv` Ed25519")
    };
    if text.contains("PRIVATE KEY-----") {
        return Err(is_private());
    }
    let bytes = match serde_json::from_str::<Value>(&text) {
        Ok(jwk) => {
            if jwk.get("d").is_some() {
                return Err(is_private());
            }
            let is = |name: &str, value: &str| jwk.get(name).and_then(Value::as_str) == Some(value);
            let x = jwk.get("x").and_then(Value::as_str).filter(|_| is("kty", "OKP") && is("crv", "Ed25519"));
            x.and_then(from_base64url)
        }
        Err(_) => {
            let der = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes()).ok();
            der.and_then(|der| Some(der.as_ref().strip_prefix(&PREFIX)?.to_vec()))
        }
    };
    let key = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()).ok_or_else(other)?;
    // One that is no point of the curve, or would take any signature.
    let is_usable = VerifyingKey::from_bytes(&key).is_ok_and(|key| !key.is_weak());
    if is_usable { Ok(key) } else { Err(other()) }
}
