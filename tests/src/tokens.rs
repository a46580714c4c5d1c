//! Identity tokens of vectors: signed when they are run, by keys that are as public as the rest.

use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::Sha256;
use usher_edge::wire::base64url::base64url;

/// A token: who signs it, and what it says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// The key that signs: [`Signer::named`].
    by: String,
    /// The header, as JSON; that of the key's algorithm when missing.
    #[serde(default)]
    header: Option<String>,
    /// The claims, as JSON; written as they stand.
    claims: String,
    /// How its text is changed afterwards.
    #[serde(default)]
    then: Then,
}

/// A change of a token's text.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Then {
    /// None.
    #[default]
    Nothing,
    /// Each part is padded with `=`.
    Padded,
    /// A bit of the last digit that belongs to no byte is set.
    Bits,
    /// The signature is left out, with its dot.
    Unsigned,
    /// A fourth part follows.
    Followed,
    /// The last byte of the signature is missing.
    Cut,
}

/// A key that signs.
enum Signer {
    Hs256([u8; 32]),
    EdDsa(SigningKey),
    /// With a key and a signature of small order, which some verifiers take for that of any text.
    Neutral,
    /// Writes no signature.
    Nobody,
}

impl Signer {
    fn named(name: &str) -> Signer {
        match name {
            "hs256" => Signer::Hs256([0x11; 32]),
            "hs256-next" => Signer::Hs256([0x12; 32]),
            "hs256-elsewhere" => Signer::Hs256([0x13; 32]),
            "hs256-stranger" => Signer::Hs256([0x14; 32]),
            "eddsa" => Signer::EdDsa(SigningKey::from_bytes(&[0x21; 32])),
            "eddsa-next" => Signer::EdDsa(SigningKey::from_bytes(&[0x22; 32])),
            "eddsa-elsewhere" => Signer::EdDsa(SigningKey::from_bytes(&[0x23; 32])),
            "eddsa-stranger" => Signer::EdDsa(SigningKey::from_bytes(&[0x24; 32])),
            "hs256-of-eddsa" => Signer::Hs256(Signer::named("eddsa").public()),
            "neutral" => Signer::Neutral,
            "nobody" => Signer::Nobody,
            _ => panic!("no key signs as {name}"),
        }
    }

    fn public(&self) -> [u8; 32] {
        match self {
            Signer::EdDsa(key) => key.verifying_key().to_bytes(),
            Signer::Neutral => NEUTRAL,
            Signer::Hs256(_) | Signer::Nobody => panic!("it has no public key"),
        }
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Signer::Hs256(_) => "HS256",
            Signer::EdDsa(_) | Signer::Neutral => "EdDSA",
            Signer::Nobody => "none",
        }
    }

    fn sign(&self, text: &[u8]) -> Vec<u8> {
        match self {
            Signer::Hs256(secret) => {
                let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("any length");
                mac.update(text);
                mac.finalize().into_bytes().to_vec()
            }
            Signer::EdDsa(key) => key.sign(text).to_bytes().to_vec(),
            Signer::Neutral => [NEUTRAL, [0; 32]].concat(),
            Signer::Nobody => Vec::new(),
        }
    }
}

/// The neutral element of the curve.
const NEUTRAL: [u8; 32] = {
    let mut point = [0; 32];
    point[0] = 1;
    point
};

/// The records of `USHER_KEYS` that verify them.
pub fn records(audience: &str) -> Vec<Value> {
    let hs256 = |name: &str, audience: &str| {
        let Signer::Hs256(secret) = Signer::named(name) else { panic!("it is HS256") };
        json!({"kind": "identity", "name": name, "audience": audience, "secret": base64url(&secret)})
    };
    let eddsa = |name: &str, audience: &str| {
        let public = base64url(&Signer::named(name).public());
        json!({"kind": "identity", "name": name, "audience": audience, "public_key": public})
    };
    vec![
        hs256("hs256", audience),
        hs256("hs256-next", audience),
        hs256("hs256-elsewhere", "7"),
        eddsa("eddsa", audience),
        eddsa("eddsa-next", audience),
        eddsa("eddsa-elsewhere", "7"),
        eddsa("neutral", audience),
    ]
}

impl Token {
    /// The token's text; its times are shifted as others are.
    pub(crate) fn text(&self, expand: impl Fn(&str) -> String) -> String {
        let signer = Signer::named(&self.by);
        let header = self.header.clone();
        let header = header.unwrap_or_else(|| json!({"alg": signer.algorithm(), "typ": "JWT"}).to_string());
        let parts = [expand(&header), expand(&self.claims)].map(|part| base64url(part.as_bytes()));
        let signed = parts.join(".");
        let mut signature = signer.sign(signed.as_bytes());
        if matches!(self.then, Then::Cut) {
            signature.pop();
        }
        let token = format!("{signed}.{}", base64url(&signature));
        match self.then {
            Then::Nothing | Then::Cut => token,
            Then::Unsigned => signed,
            Then::Followed => format!("{token}."),
            Then::Padded => {
                let padded = |part: &str| format!("{part}{}", "=".repeat(part.len().wrapping_neg() % 4));
                token.split('.').map(padded).collect::<Vec<_>>().join(".")
            }
            Then::Bits => {
                let (rest, last) = token.split_at(token.len() - 1);
                let digit = DIGITS.find(last).expect("a digit");
                // A hash of 32 bytes leaves two bits of its last digit, a signature of 64 leaves four.
                format!("{rest}{}", &DIGITS[digit | 1..][..1])
            }
        }
    }
}

const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
