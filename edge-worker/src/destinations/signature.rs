//! Signatures of Standard Webhooks.

use core::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::wire::base64url::{base64url, from_base64url};

/// The secret of a destination.
#[derive(Clone, Default)]
pub(super) struct Secret(Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It is shown nowhere.
        f.write_str("Secret")
    }
}

impl Secret {
    /// Reads `whsec_` and base64. None: it is not that, too short or too long.
    pub(super) fn read(text: &str) -> Option<Secret> {
        let digits = text.strip_prefix("whsec_")?.trim_end_matches('=');
        if digits.contains(['-', '_']) {
            return None;
        }
        let bytes = from_base64url(&digits.replace('+', "-").replace('/', "_"))?;
        (24..=64).contains(&bytes.len()).then_some(Secret(bytes))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The header `webhook-signature` of a message sent at this time, Unix seconds.
    pub(super) fn sign(&self, id: &str, seconds: i64, body: &str) -> String {
        // A key of any length is one.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        mac.update(format!("{id}.{seconds}.{body}").as_bytes());
        let mut digits = base64url(&mac.finalize().into_bytes()).replace('-', "+").replace('_', "/");
        while !digits.len().is_multiple_of(4) {
            digits.push('=');
        }
        format!("v1,{digits}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's libraries.
    #[test]
    fn a_known_signature() {
        let secret = Secret::read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        for text in [
            "",
            "whsec_",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_Zm9v",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS_",
        ] {
            assert!(Secret::read(text).is_none(), "{text}");
        }
    }
}
