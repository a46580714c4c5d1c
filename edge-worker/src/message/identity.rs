//! The keys that an identity token vouches for, as a message carries them to the writer.

use crate::wire::frame::{FrameReader, FrameWriter};

/// The keys that a verified token vouches for; or the reason why one was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The audiences that the token is for, of those that the request is for.
    pub(crate) audiences: Vec<String>,
    /// Names and values of keys.
    pub(crate) keys: Vec<(String, String)>,
    /// One of [`REFUSALS`], or empty: then the token was good, or there was none.
    pub(crate) refused: &'static str,
}

/// Why a token vouches for nothing. A message carries the place in this list.
pub(crate) const REFUSALS: [&str; 7] = [SIGNATURE, EXPIRED, NOT_YET, LIFETIME, AUDIENCE, CLAIMS, MALFORMED];
/// No identity key of its audience verifies it with the algorithm that is the key's.
pub(crate) const SIGNATURE: &str = "signature";
/// Its `exp` is over.
pub(crate) const EXPIRED: &str = "expired";
/// Its `nbf` or `iat` is in the future.
pub(crate) const NOT_YET: &str = "not_yet";
/// It lives for longer than an hour.
pub(crate) const LIFETIME: &str = "lifetime";
/// `aud` does not name the audience of the request.
pub(crate) const AUDIENCE: &str = "audience";
/// A claim is missing, or has another type than it should.
pub(crate) const CLAIMS: &str = "claims";
/// It is no token by the format, or too long.
pub(crate) const MALFORMED: &str = "malformed";

impl Identity {
    /// Of a token that vouches for nothing.
    pub(crate) fn refused(why: &'static str) -> Identity {
        Identity { refused: why, ..Identity::default() }
    }

    /// True if there is nothing to tell a writer.
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.refused.is_empty()
    }

    /// The keys that it vouches for in this audience.
    pub(crate) fn of(&self, audience: &str) -> &[(String, String)] {
        if self.audiences.iter().any(|known| known == audience) { &self.keys } else { &[] }
    }

    /// The note in a receipt: a caller asks for a new token where the old one is only over its time.
    pub(crate) fn note(&self) -> Option<&'static str> {
        match self.refused {
            "" => None,
            EXPIRED => Some("identity_expired"),
            _ => Some("identity_refused"),
        }
    }

    /// `place of the refusal in its list, 0 for none, else from 1 · audiences · keys`
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut w = FrameWriter::default();
        let refused = REFUSALS.iter().zip(1..).find(|(why, _)| **why == self.refused);
        w.byte(refused.map_or(0, |(_, place)| place)).list(&self.audiences, |w, audience| {
            w.text(audience);
        });
        pairs(&mut w, &self.keys);
        w.0
    }

    /// A reason that this build does not know is [`SIGNATURE`]. None: no build writes it so.
    pub(super) fn of_bytes(content: &[u8]) -> Option<Identity> {
        let mut r = FrameReader(content);
        let refused = match r.byte()? {
            0 => "",
            place => REFUSALS.get(usize::from(place) - 1).unwrap_or(&SIGNATURE),
        };
        let audiences = r.list(|r| r.text().map(str::to_owned))?;
        Some(Identity { refused, audiences, keys: read_pairs(&mut r)? })
    }
}

/// Names and values.
pub(super) fn pairs(w: &mut FrameWriter, pairs: &[(String, String)]) {
    w.list(pairs, |w, (name, value)| {
        w.text(name).text(value);
    });
}

pub(super) fn read_pairs(r: &mut FrameReader<'_>) -> Option<Vec<(String, String)>> {
    r.list(|r| Some((r.text()?.to_owned(), r.text()?.to_owned())))
}
