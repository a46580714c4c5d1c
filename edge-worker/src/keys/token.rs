//! Tokens that the service signs: read-your-writes tokens and preview tokens.

use usher_engine::ProfileId;

use super::Signer;

/// Read your writes: names the version of a profile that a caller has seen. A lookup that carries it never sees an older
/// one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SeenToken {
    pub(crate) profile: ProfileId,
    pub(crate) version: u64,
}

impl SeenToken {
    pub(crate) fn sign(self, signer: &Signer) -> String {
        let mut payload = self.profile.0.to_vec();
        payload.extend_from_slice(&self.version.to_le_bytes());
        signer.sign("seen", &payload)
    }

    pub(crate) fn verify(token: &str, signer: &Signer) -> Option<SeenToken> {
        let payload = signer.verify("seen", token)?;
        let (profile, version) = payload.split_at_checked(16)?;
        Some(SeenToken {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_hold_only_for_their_purpose_secret_and_time() {
        let signer = Signer::new([1; 32]);
        let seen = SeenToken { profile: ProfileId([7; 16]), version: 9 };
        let token = seen.sign(&signer);
        assert_eq!(SeenToken::verify(&token, &signer), Some(seen));
        assert_eq!(SeenToken::verify(&token, &Signer::new([2; 32])), None);
        for index in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
            assert_eq!(SeenToken::verify(&String::from_utf8(bytes).unwrap(), &signer), None, "{index}");
        }
        let preview = Preview { audience: "7".into(), expires: 100 };
        let token = preview.sign(&signer);
        assert_eq!(Preview::verify(&token, &signer, 99_999), Some(preview));
        assert_eq!(Preview::verify(&token, &signer, 100_000), None);
        assert_eq!(SeenToken::verify(&token, &signer), None);
    }
}
