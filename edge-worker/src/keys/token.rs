//! The tokens that the service signs: read-your-writes tokens and preview tokens.

use subtle::ConstantTimeEq;
use usher_engine::ProfileId;

use super::Signer;
use super::signer::{TAG_BYTES, joined, parts};

/// Read your writes: the version of a profile that a caller has seen. A lookup with this token never answers from an
/// older one.
///
/// Its holder learns nothing from it: neither the profile's id, which contains its creation time, nor the number of
/// writes. It contains the profile as a keyed hash; the version is masked by a keyed hash of the token's own tag, and
/// the tag covers both in clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SeenToken {
    pub(crate) profile: ProfileId,
    pub(crate) version: u64,
}

/// The content of a verified [`SeenToken`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    profile_hash: [u8; TAG_BYTES],
    version: u64,
}

impl SeenToken {
    pub(crate) fn sign(self, signer: &Signer) -> String {
        let seen = Seen { profile_hash: profile_hash(self.profile, signer), version: self.version };
        let tag = seen.tag(signer);
        let payload = [&seen.profile_hash[..], &masked(self.version, &tag, signer).to_le_bytes()].concat();
        joined(&payload, &tag)
    }
}

impl Seen {
    pub(crate) fn verify(token: &str, signer: &Signer) -> Option<Seen> {
        let (payload, tag) = parts(token)?;
        let (hash, version) = payload.split_at_checked(TAG_BYTES)?;
        let version = masked(u64::from_le_bytes(version.try_into().ok()?), &tag, signer);
        let seen = Seen { profile_hash: hash.try_into().ok()?, version };
        bool::from(seen.tag(signer).ct_eq(&tag)).then_some(seen)
    }

    /// True if this version of this profile is not older than the one that was seen.
    pub(crate) fn is_met_by(&self, profile: ProfileId, version: u64, signer: &Signer) -> bool {
        self.profile_hash == profile_hash(profile, signer) && version >= self.version
    }

    /// The name of the profile.
    pub(crate) fn profile_hash(&self) -> [u8; TAG_BYTES] {
        self.profile_hash
    }

    fn tag(&self, signer: &Signer) -> [u8; TAG_BYTES] {
        signer.tag("seen", &[&self.profile_hash[..], &self.version.to_le_bytes()].concat())
    }
}

/// The name of a profile in tokens.
pub(crate) fn profile_hash(profile: ProfileId, signer: &Signer) -> [u8; TAG_BYTES] {
    signer.tag("seen profile", &profile.0)
}

/// Masks a version for a token with this tag, and unmasks it.
fn masked(version: u64, tag: &[u8; TAG_BYTES], signer: &Signer) -> u64 {
    let mask = u128::from_le_bytes(signer.tag("seen version", tag));
    // Uses the lower half.
    version ^ (mask & u128::from(u64::MAX)) as u64
}

/// Allows a page to explain the answers of one audience for a limited time.
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
        let read = Seen::verify(&token, &signer).unwrap();
        assert!(read.is_met_by(seen.profile, 9, &signer) && read.is_met_by(seen.profile, 10, &signer));
        assert!(!read.is_met_by(seen.profile, 8, &signer) && !read.is_met_by(ProfileId([8; 16]), 9, &signer));
        assert_eq!(Seen::verify(&token, &Signer::new([2; 32])), None);
        for index in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
            assert_eq!(Seen::verify(&String::from_utf8(bytes).unwrap(), &signer), None, "{index}");
        }
        let preview = Preview { audience: "7".into(), expires: 100 };
        let token = preview.sign(&signer);
        assert_eq!(Preview::verify(&token, &signer, 99_999), Some(preview));
        assert_eq!(Preview::verify(&token, &signer, 100_000), None);
        assert_eq!(Seen::verify(&token, &signer), None);
    }

    #[test]
    fn who_holds_a_token_learns_nothing_of_the_profile() {
        let signer = Signer::new([1; 32]);
        let tokens: Vec<Vec<u8>> = (1..50)
            .map(|version| {
                let token = SeenToken { profile: ProfileId([7; 16]), version }.sign(&signer);
                parts(&token).unwrap().0
            })
            .collect();
        for (payload, version) in tokens.iter().zip(1_u64..) {
            assert!(!payload.windows(4).any(|window| window == [7; 4]), "{payload:?}");
            // Neither the version nor its difference to the one before is visible.
            let shown = u64::from_le_bytes(payload[TAG_BYTES..].try_into().unwrap());
            assert!(shown > 1 << 32, "{version}: {shown}");
        }
        let shown: std::collections::BTreeSet<&[u8]> =
            tokens.iter().map(|payload| &payload[TAG_BYTES..]).collect();
        assert_eq!(shown.len(), tokens.len());
    }
}
