//! Identity tokens: a site's own server vouches for keys of a visitor, by a signed JWT (RFC 7515, 7519).
//!
//! ```json
//! {"aud": "1069944", "exp": 1790003600, "keys": {"customer_id": "c-1001"}}
//! ```
//! Nothing in a token chooses how it is verified. The record of a key fixes the algorithm, and `alg` has to be that one;
//! `kid`, `jku`, `jwk` and the like are not read, and every identity key of the audience is tried, two of them while keys are
//! rotated. `crit` is refused, because no extension is known. So unknown and wrong keys are one case, and take the same time.

use usher_engine::value::Value;

use super::Keyring;
use super::identity_key::IdentityKey;
use crate::limits::{
    IDENTITY_AUDIENCES_MAX, IDENTITY_BYTES_MAX, IDENTITY_KEYS_MAX, IDENTITY_SECONDS_MAX,
    IDENTITY_SKEW_SECONDS, IDENTITY_TRIES_MAX,
};
use crate::message::{AUDIENCE, CLAIMS, EXPIRED, Identity, LIFETIME, MALFORMED, NOT_YET, SIGNATURE};
use crate::wire::base64url::from_base64url;
use crate::wire::read;

impl Keyring {
    /// The keys that a token vouches for in these audiences. One that vouches for nothing says why, and never repeats what it holds.
    pub(crate) fn identity(&self, token: &str, audiences: &[&str], now_ms: i64) -> Identity {
        self.vouched(token, audiences, now_ms).unwrap_or_else(Identity::refused)
    }

    fn vouched(&self, token: &str, audiences: &[&str], now_ms: i64) -> Result<Identity, &'static str> {
        if token.len() > IDENTITY_BYTES_MAX {
            return Err(MALFORMED);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(MALFORMED)?;
        let (header, claims) = signed.split_once('.').ok_or(MALFORMED)?;
        let signature = from_base64url(signature).ok_or(MALFORMED)?;
        let (header, claims) = (object(header)?, object(claims)?);
        let algorithm = header.get("alg").and_then(Value::as_str).ok_or(MALFORMED)?;
        if header.get("crit").is_some() {
            return Err(MALFORMED);
        }
        let named = named_audiences(&claims)?;
        let keys = keys(&claims)?;
        check_times(&claims, now_ms)?;
        let asked: Vec<&str> = audiences.iter().copied().filter(|id| named.contains(id)).collect();
        if asked.is_empty() {
            return Err(AUDIENCE);
        }
        let of_audience = |id: &&str| -> Vec<(String, &IdentityKey)> {
            self.identity_keys(id).map(|key| ((*id).to_owned(), key)).collect()
        };
        let may_have = asked.iter().flat_map(of_audience).filter(|(_, key)| key.is_of(algorithm));
        let has = |(_, key): &(String, &IdentityKey)| key.has_signed(signed, &signature);
        let audiences = may_have.take(IDENTITY_TRIES_MAX).filter(has).map(|(id, _)| id).collect::<Vec<_>>();
        if audiences.is_empty() { Err(SIGNATURE) } else { Ok(Identity { audiences, keys, refused: "" }) }
    }
}

/// A part of a token: a JSON object in which no name stands twice.
fn object(part: &str) -> Result<Value, &'static str> {
    let bytes = from_base64url(part).ok_or(MALFORMED)?;
    match read::claims(&bytes) {
        Ok(object @ Value::Object(_)) => Ok(object),
        _ => Err(MALFORMED),
    }
}

/// `aud`: one audience or a list of them.
fn named_audiences(claims: &Value) -> Result<Vec<&str>, &'static str> {
    match claims.get("aud") {
        Some(Value::String(one)) => Ok(vec![one]),
        Some(Value::List(several)) if several.len() <= IDENTITY_AUDIENCES_MAX => {
            several.iter().map(Value::as_str).collect::<Option<_>>().ok_or(CLAIMS)
        }
        _ => Err(CLAIMS),
    }
}

/// `keys`: at least one, each a text that is not empty.
fn keys(claims: &Value) -> Result<Vec<(String, String)>, &'static str> {
    let keys = claims.get("keys").and_then(Value::as_object).unwrap_or_default();
    if !(1..=IDENTITY_KEYS_MAX).contains(&keys.len()) {
        return Err(CLAIMS);
    }
    let text = |(name, value): &(String, Value)| {
        let value = value.as_str().filter(|value| !value.is_empty())?;
        Some((name.clone(), value.to_owned()))
    };
    keys.iter().map(text).collect::<Option<_>>().ok_or(CLAIMS)
}

/// `exp` is to come, within an hour of now and of `iat`; `nbf` and `iat` are over. The issuer's clock may be ahead by
/// [`IDENTITY_SKEW_SECONDS`]; one that is behind shortens the life of its tokens, which needs no allowance.
fn check_times(claims: &Value, now_ms: i64) -> Result<(), &'static str> {
    let seconds = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_number().map(|seconds| Some(seconds.to_f64())).ok_or(CLAIMS),
    };
    let (expires, issued, from) = (seconds("exp")?.ok_or(CLAIMS)?, seconds("iat")?, seconds("nbf")?);
    let now = now_ms as f64 / 1_000.0;
    if expires <= now {
        return Err(EXPIRED);
    }
    if [issued, from].into_iter().flatten().any(|time| time > now + IDENTITY_SKEW_SECONDS) {
        return Err(NOT_YET);
    }
    let lives = issued.map_or(0.0, |issued| expires - issued);
    if expires - now > IDENTITY_SECONDS_MAX + IDENTITY_SKEW_SECONDS || lives > IDENTITY_SECONDS_MAX {
        return Err(LIFETIME);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit, Mac};
    use sha2::Sha256;

    use super::*;
    use crate::wire::base64url::base64url;

    const NOW: i64 = 1_790_000_000;

    fn ring() -> Keyring {
        let secret = base64url(&[7; 32]);
        let keys = format!(r#"{{"kind":"identity","audience":"7","secret":"{secret}"}}"#);
        let text = format!(r#"{{"signing_key":"{}","keys":[{keys}]}}"#, "07".repeat(32));
        Keyring::read(Some(&text), false).ok().unwrap()
    }

    fn token(claims: &str) -> String {
        let signed = format!("{}.{}", base64url(br#"{"alg":"HS256"}"#), base64url(claims.as_bytes()));
        let mut mac = Hmac::<Sha256>::new_from_slice(&[7; 32]).unwrap();
        mac.update(signed.as_bytes());
        format!("{signed}.{}", base64url(&mac.finalize().into_bytes()))
    }

    fn refused(claims: &str) -> &'static str {
        ring().identity(&token(claims), &["7"], NOW * 1_000).refused
    }

    #[test]
    fn times_hold_to_the_second() {
        let at = |more: &str| refused(&format!(r#"{{"aud":"7","keys":{{"k":"v"}},{more}}}"#));
        for (exp, expected) in [
            (NOW, EXPIRED),
            (NOW + 1, ""),
            (NOW + 3_660, ""),
            (NOW + 3_661, LIFETIME),
            (i64::MAX, LIFETIME),
            (-1, EXPIRED),
        ] {
            assert_eq!(at(&format!(r#""exp":{exp}"#)), expected, "{exp}");
        }
        for (iat, exp, expected) in [
            (NOW, NOW + 3_600, ""),
            (NOW, NOW + 3_601, LIFETIME),
            (NOW + 60, NOW + 3_660, ""),
            (NOW + 61, NOW + 3_600, NOT_YET),
            (NOW - 3_599, NOW + 1, ""),
            (NOW - 3_600, NOW + 1, LIFETIME),
        ] {
            assert_eq!(at(&format!(r#""iat":{iat},"exp":{exp}"#)), expected, "{iat} {exp}");
        }
        for (nbf, expected) in [(NOW - 9, ""), (NOW + 60, ""), (NOW + 61, NOT_YET)] {
            assert_eq!(at(&format!(r#""nbf":{nbf},"exp":{}"#, NOW + 9)), expected, "{nbf}");
        }
        // To the millisecond where the token says it.
        assert_eq!(at(&format!(r#""exp":{}.001"#, NOW)), "");
    }

    #[test]
    fn bounds_hold_at_and_one_past() {
        let of = |aud: &str, keys: &str, more: &str| {
            refused(&format!(r#"{{"aud":{aud},"keys":{{{keys}}},"exp":{}{more}}}"#, NOW + 9))
        };
        let keys = |count| (0..count).map(|n| format!(r#""k{n}":"v""#)).collect::<Vec<_>>().join(",");
        assert_eq!(of(r#""7""#, &keys(IDENTITY_KEYS_MAX), ""), "");
        assert_eq!(of(r#""7""#, &keys(IDENTITY_KEYS_MAX + 1), ""), CLAIMS);
        let audiences = |count| format!("[{}]", vec![r#""7""#; count].join(","));
        assert_eq!(of(&audiences(IDENTITY_AUDIENCES_MAX), &keys(1), ""), "");
        assert_eq!(of(&audiences(IDENTITY_AUDIENCES_MAX + 1), &keys(1), ""), CLAIMS);
        let longest = |bytes: usize| {
            let with = |fill: usize| {
                token(&format!(
                    r#"{{"aud":"7","keys":{{"k":"v"}},"exp":{},"x":"{}"}}"#,
                    NOW + 9,
                    "x".repeat(fill)
                ))
            };
            (0..bytes).map(with).rfind(|token| token.len() <= bytes).unwrap()
        };
        let whole = longest(IDENTITY_BYTES_MAX);
        assert!(whole.len() > IDENTITY_BYTES_MAX - 4);
        assert_eq!(ring().identity(&whole, &["7"], NOW * 1_000).refused, "");
        let longer = longest(IDENTITY_BYTES_MAX + 4);
        assert!(longer.len() > IDENTITY_BYTES_MAX);
        assert_eq!(ring().identity(&longer, &["7"], NOW * 1_000).refused, MALFORMED);
    }

    #[test]
    fn no_changed_token_vouches_for_anything() {
        let good = token(&format!(r#"{{"aud":"7","keys":{{"k":"v"}},"exp":{}}}"#, NOW + 9));
        let ring = ring();
        let known = ring.identity(&good, &["8", "7"], NOW * 1_000);
        assert_eq!(known.of("7"), [("k".to_owned(), "v".to_owned())]);
        assert!(known.of("8").is_empty() && known.note().is_none());
        for at in 0..good.len() {
            for byte in [b'A', b'B', b'.', b'=', b'-', b' '] {
                let mut bytes = good.clone().into_bytes();
                if bytes[at] != byte {
                    bytes[at] = byte;
                    let token = String::from_utf8(bytes).unwrap();
                    let identity = ring.identity(&token, &["7"], NOW * 1_000);
                    assert!(identity.keys.is_empty() && !identity.refused.is_empty(), "{token}");
                }
            }
            assert!(!ring.identity(&good[..at], &["7"], NOW * 1_000).refused.is_empty(), "{at}");
        }
    }

    #[test]
    fn a_record_has_one_key_of_the_right_length() {
        let read = |kind: &str, fields: &str| {
            let record = format!(r#"{{"kind":"{kind}","audience":"7"{fields}}}"#);
            let text = format!(r#"{{"signing_key":"{}","keys":[{record}]}}"#, "07".repeat(32));
            Keyring::read(Some(&text), false).map(drop)
        };
        let field = |name: &str, bytes: usize| format!(r#","{name}":"{}""#, base64url(&vec![1; bytes]));
        for good in [field("public_key", 32), field("secret", 32), field("secret", 512)] {
            assert_eq!(read("identity", &good), Ok(()), "{good}");
        }
        let both = field("public_key", 32) + &field("secret", 32);
        let padded = r#","secret":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=""#.to_owned();
        for bad in
            ["".to_owned(), both, padded, field("public_key", 31), field("secret", 31), field("secret", 513)]
        {
            let complaint = read("identity", &bad).unwrap_err();
            assert!(!complaint.contains("AQEB"), "{complaint}");
        }
        let of_write = format!(r#","sha256":"{}"{}"#, "ab".repeat(32), field("secret", 32));
        assert!(read("write", &of_write).unwrap_err().contains("keys[0]"));
    }
}
