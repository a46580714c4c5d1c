//! The keyring: the keys and tokens of a deployment in one secret, as hashes.
//!
//! ```json
//! {"signing_key": "64 hex digits",
//!  "keys": [{"kind": "write", "sha256": "…", "account": "1", "audience": "1069944", "origins": ["https://shop.example"]},
//!           {"kind": "token", "sha256": "…", "account": "1", "audience": "1069944", "public": true, "origins": […]},
//!           {"kind": "server", "sha256": "…", "account": "1", "audience": "1069944", "scopes": ["personalize", "import"],
//!            "events_per_second": 200},
//!           {"kind": "identity", "audience": "1069944", "public_key": "base64url of 32 bytes"},
//!           {"kind": "identity", "audience": "1069944", "secret": "base64url of at least 32 bytes"},
//!           {"kind": "admin", "sha256": "…", "audience": "*"}]}
//! ```
//! Every record names its audience; `"*"` means all of them, which an absent name never does, and which tokens and identity
//! keys may not have. A record may have a `name`, by which operators know it. The secret allows its holder to sign tokens, but
//! not to recover a key, other than the `secret` of an identity key. Comparison visits every record and takes the same time
//! for an unknown key as for a known one.

use std::borrow::Cow;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use usher_engine::value::{Fields, FromValue, Reading, Value, named};

use super::Signer;
use super::identity_key::{IdentityKey, identity_key};
use crate::limits::{IDENTITY_KEYS_OF_AUDIENCE_MAX, KEY_TAG_DIGITS, KEYS_MAX};
use crate::plane::HAS_CONTROL_PLANE;
use crate::wire::hex::{from_hex, hex};
use crate::wire::read;

/// The keys and tokens of a deployment.
pub(crate) struct Keyring {
    pub(super) records: Vec<KeyRecord>,
    pub(crate) signer: Signer,
}

/// One key or token.
#[derive(Clone, Debug)]
pub(crate) struct KeyRecord {
    pub(crate) kind: Kind,
    pub(super) sha256: Words,
    /// Keys and tokens of one account belong together.
    pub(crate) account: Option<String>,
    /// The only audience that it is valid for; None: all, `"*"` in the secret.
    pub(crate) audience: Option<String>,
    /// True for a token for browsers.
    pub(crate) public: bool,
    /// The pages that may use it from a browser.
    pub(crate) origins: Vec<String>,
    /// The personalizations that it may ask for; None: all.
    pub(crate) personalizations: Option<Vec<String>>,
    pub(super) scopes: Vec<Scope>,
    /// The rate of a server key; 0: none.
    pub(super) events_per_second: u32,
    /// The name by which operators know it.
    pub(super) name: Option<String>,
    /// True if it was revoked, although the secret still lists it.
    pub(super) revoked: bool,
    /// Of an identity key alone.
    pub(super) identity: Option<IdentityKey>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Public; sends events.
    Write,
    /// Asks for personalizations; accompanies a key.
    Token,
    /// A server of the customer.
    Server,
    /// Publishes bundles.
    Admin,
    /// Verifies identity tokens; nobody presents it.
    Identity,
}

/// A right of a server key beyond sending events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Look visitors up.
    Personalize,
    /// See sensitive values.
    Sensitive,
    /// Import batch records.
    Import,
    /// Explain answers.
    Explain,
    /// Read whole profiles.
    Read,
    /// Erase profiles.
    Erase,
    /// Read what this process counts.
    Metrics,
}

impl Kind {
    const OTHERS: [(&str, Kind); 4] = [
        ("token", Kind::Token),
        ("server", Kind::Server),
        ("admin", Kind::Admin),
        ("identity", Kind::Identity),
    ];

    /// Its name in the secret.
    pub(super) fn as_str(self) -> &'static str {
        Kind::OTHERS.iter().find(|(_, kind)| *kind == self).map_or("write", |(name, _)| name)
    }
}

impl Scope {
    const NAMED: [(&str, Scope); 7] = [
        ("personalize", Scope::Personalize),
        ("sensitive", Scope::Sensitive),
        ("import", Scope::Import),
        ("explain", Scope::Explain),
        ("read", Scope::Read),
        ("erase", Scope::Erase),
        ("metrics", Scope::Metrics),
    ];
}

struct Secret {
    signing_key: String,
    keys: Vec<KeyRecord>,
}

impl FromValue for Secret {
    fn read(value: &Value, reading: &mut Reading) -> Secret {
        let fields = Fields::of(value, &["signing_key", "keys"], reading);
        Secret {
            signing_key: fields.required("signing_key", reading),
            keys: fields.required("keys", reading),
        }
    }
}

impl FromValue for KeyRecord {
    fn read(value: &Value, reading: &mut Reading) -> KeyRecord {
        let known = [
            "kind",
            "sha256",
            "account",
            "audience",
            "public",
            "origins",
            "personalizations",
            "scopes",
            "events_per_second",
            "name",
            "public_key",
            "secret",
        ];
        let fields = Fields::of(value, &known, reading);
        let kind = fields.required("kind", reading);
        // Only the control plane verifies by identity keys, and reads them.
        let identity = if HAS_CONTROL_PLANE { identity_key(fields, reading) } else { None };
        let Hash(sha256) = match &identity {
            Some(key) => Hash(key.sha256()),
            // Nothing has the hash of zeros.
            None if kind == Kind::Identity => Hash([0; 32]),
            None => fields.required("sha256", reading),
        };
        KeyRecord {
            kind,
            sha256: words(&sha256),
            identity,
            name: if HAS_CONTROL_PLANE { fields.or("name", None, reading) } else { None },
            revoked: false,
            account: fields.or("account", None, reading),
            audience: fields.or("audience", None, reading),
            public: fields.or("public", false, reading),
            origins: fields.or("origins", Vec::new(), reading),
            personalizations: fields.or("personalizations", None, reading),
            scopes: fields.or("scopes", Vec::new(), reading),
            events_per_second: fields.or("events_per_second", 0, reading),
        }
    }
}

/// A hash as it is compared: by eight bytes at once, in a quarter of the time.
type Words = [u64; 4];

fn words(hash: &[u8; 32]) -> Words {
    let mut words = [0; 4];
    let (chunks, _) = hash.as_chunks();
    words.iter_mut().zip(chunks).for_each(|(word, bytes)| *word = u64::from_le_bytes(*bytes));
    words
}

struct Hash([u8; 32]);

impl FromValue for Hash {
    fn read(value: &Value, reading: &mut Reading) -> Hash {
        Hash(value.as_str().and_then(from_hex).unwrap_or_else(|| {
            reading.note("not 64 hexadecimal digits");
            [0; 32]
        }))
    }
}

impl FromValue for Kind {
    fn read(value: &Value, reading: &mut Reading) -> Kind {
        named(value, ("write", Kind::Write), &Kind::OTHERS, reading)
    }
}

impl FromValue for Scope {
    fn read(value: &Value, reading: &mut Reading) -> Scope {
        let [first, others @ ..] = &Scope::NAMED;
        named(value, *first, others, reading)
    }
}

/// The audience name that means all audiences.
const ALL: &str = "*";

/// SHA-256 of the demo's keys and tokens, which are public.
const DEMO: [&str; 5] = [
    "60b6c3f14d164675cf28d18e7855eb4586971adfa6db51fdc249280eada3c465",
    "7a8cd300a9eebf41756ab6d5d72468608c3059436a3f6dd9522527dd8c3b29a9",
    "bcf4fccd18f1528705132a2772a2f9f5a04c4646fb604db03cad24604b23b59a",
    "19f5be5715f5a21a8148a9775f70de767d1baa16cf1e1a5bfc9d511cdda2c4ff",
    "05e7bdb64ece92d3f60b08359199021f3f9e840afbc9ee35fe0aa0388ed673cd",
];

impl Keyring {
    /// Reads the secret; the error is for the operator's log and names no key.
    pub(crate) fn read(secret: Option<&str>, demo: bool) -> Result<Keyring, String> {
        Keyring::with_signing_key(secret, demo).map(|(keyring, _)| keyring)
    }

    /// The same, and the key of the signer.
    pub(super) fn with_signing_key(secret: Option<&str>, demo: bool) -> Result<(Keyring, [u8; 32]), String> {
        let text = secret.filter(|text| !text.trim().is_empty()).ok_or("USHER_KEYS is not set")?;
        let value = read::document(text.as_bytes()).map_err(|_| "USHER_KEYS is not JSON")?;
        if value.get("USHER_KEYS").is_some() {
            return Err(
                "USHER_KEYS holds the keys themselves: make new ones, and give it what `usher keys secret` \
                        prints of them"
                    .to_owned(),
            );
        }
        // Errors name the shape, not the values, although these are hashes.
        let mut secret = Secret::from_value(&value)
            .map_err(|unfit| format!("USHER_KEYS is not what it should be: {unfit}"))?;
        let signing_key =
            from_hex(&secret.signing_key).ok_or("USHER_KEYS: signing_key is not 64 hexadecimal digits")?;
        if secret.keys.len() > KEYS_MAX {
            return Err(format!("USHER_KEYS holds more than {KEYS_MAX} keys"));
        }
        for (index, record) in secret.keys.iter_mut().enumerate() {
            record.audience = match record.audience.take().filter(|audience| !audience.is_empty()) {
                Some(audience) if audience != ALL => Some(audience),
                Some(_) if !matches!(record.kind, Kind::Token | Kind::Identity) => None,
                Some(_) => {
                    return Err(format!(
                        "USHER_KEYS: keys[{index}] is a token or an identity key, and is of one audience"
                    ));
                }
                None => {
                    return Err(format!(
                        "USHER_KEYS: keys[{index}] names no audience; write the id of one, or \"*\" for all of them"
                    ));
                }
            };
            if record.events_per_second > 0 && record.kind != Kind::Server {
                return Err(format!(
                    "USHER_KEYS: keys[{index}] has `events_per_second`, which only a server key has of its own"
                ));
            }
            if HAS_CONTROL_PLANE && (record.kind == Kind::Identity) != record.identity.is_some() {
                return Err(format!(
                    "USHER_KEYS: keys[{index}]: an identity key has a `public_key` or a `secret`, and no other key has one"
                ));
            }
            for origin in &mut record.origins {
                *origin = serialized(origin).into_owned();
            }
            if DEMO.iter().any(|known| from_hex(known).as_ref().map(words) == Some(record.sha256)) && !demo {
                return Err(format!(
                    "USHER_KEYS: keys[{index}] is a key of the public demo; set USHER_DEMO=1 to use it"
                ));
            }
        }
        Ok((Keyring { records: secret.keys, signer: Signer::new(signing_key) }, signing_key))
    }

    /// Makes the key with this hash, as hexadecimal digits, invalid for as long as this process runs.
    pub(crate) fn revoke(&mut self, sha256: &str) {
        let Some(hash) = from_hex(sha256).as_ref().map(words) else { return };
        self.records
            .iter_mut()
            .filter(|record| record.sha256 == hash)
            .for_each(|record| record.revoked = true);
    }

    /// Adds a token that the control API made, unless it is known.
    pub(crate) fn grant(&mut self, record: KeyRecord) {
        if self.records.len() < KEYS_MAX && !self.records.iter().any(|known| known.sha256 == record.sha256) {
            self.records.push(record);
        }
    }

    /// Every key, revoked ones, too, in the order of the secret.
    pub(crate) fn records(&self) -> impl Iterator<Item = &KeyRecord> {
        self.records.iter()
    }

    /// The record of a presented key; of several kinds that one key may have, one of these. A revoked one is as unknown as any
    /// other.
    pub(crate) fn find(&self, presented: &str, kinds: &[Kind]) -> Option<&KeyRecord> {
        let hash = words(&Sha256::digest(presented.as_bytes()).into());
        // Every record is compared in full, and the match is selected without a branch.
        let (mut found, mut wanted) = (u64::MAX, u64::MAX);
        for (place, record) in (0_u64..).zip(&self.records) {
            let is_live = Choice::from(u8::from(!record.revoked));
            let is_it = record.sha256.ct_eq(&hash) & is_live;
            found.conditional_assign(&place, is_it);
            wanted.conditional_assign(&place, is_it & Choice::from(u8::from(kinds.contains(&record.kind))));
        }
        let place = if wanted == u64::MAX { found } else { wanted };
        self.records.get(usize::try_from(place).ok()?)
    }

    /// The identity keys of an audience.
    pub(super) fn identity_keys(&self, audience: &str) -> impl Iterator<Item = &IdentityKey> {
        self.records
            .iter()
            .filter(move |record| record.covers(audience) && !record.revoked)
            .filter_map(|record| record.identity.as_ref())
            .take(IDENTITY_KEYS_OF_AUDIENCE_MAX)
    }

    /// The tokens of an audience that name personalizations: their places in the secret, and the names or ids.
    pub(crate) fn naming_tokens(&self, audience: &str) -> impl Iterator<Item = (usize, &[String])> {
        let tokens = self.records.iter().enumerate();
        let tokens = tokens.filter(move |(_, record)| record.kind == Kind::Token && record.covers(audience));
        tokens.filter_map(|(place, record)| Some((place, record.personalizations.as_deref()?)))
    }

    /// True if any key or token allows this page; a preflight does not name the one that follows.
    pub(crate) fn knows_origin(&self, origin: &str) -> bool {
        self.records.iter().any(|record| record.allows_origin(origin))
    }
}

/// An origin as browsers serialize it: scheme and host in lower case, without the scheme's default port.
pub(crate) fn serialized(origin: &str) -> Cow<'_, str> {
    let lower: Cow<'_, str> = if origin.bytes().any(|byte| byte.is_ascii_uppercase()) {
        origin.to_ascii_lowercase().into()
    } else {
        origin.into()
    };
    let ports = [("https://", ":443"), ("http://", ":80")];
    let of_scheme = ports.iter().find(|(scheme, _)| lower.starts_with(scheme));
    match of_scheme.and_then(|(_, port)| lower.strip_suffix(port)) {
        Some(without) => without.to_owned().into(),
        None => lower,
    }
}

impl KeyRecord {
    pub(crate) fn allows_origin(&self, origin: &str) -> bool {
        let origin = serialized(origin);
        self.origins.iter().any(|known| *known == origin)
    }

    pub(crate) fn may(&self, scope: Scope) -> bool {
        self.kind == Kind::Server && self.scopes.contains(&scope)
    }

    /// Its hash, as hexadecimal digits.
    pub(crate) fn sha256(&self) -> String {
        hex(self.sha256.map(u64::to_le_bytes).as_flattened())
    }

    /// The first digits of its hash, by which operators name it.
    pub(crate) fn tag(&self) -> String {
        let mut tag = self.sha256();
        tag.truncate(KEY_TAG_DIGITS);
        tag
    }

    /// The algorithm of an identity key.
    pub(super) fn algorithm(&self) -> Option<&'static str> {
        self.identity.as_ref().map(IdentityKey::algorithm)
    }

    /// Its scopes, by name.
    pub(super) fn scope_names(&self) -> Vec<&'static str> {
        let names = Scope::NAMED.iter().filter(|(_, scope)| self.scopes.contains(scope));
        names.map(|(name, _)| *name).collect()
    }

    /// The rate of a server key that has one, in events per second, after a number that tells the key from others.
    pub(crate) fn own_rate(&self) -> Option<(u64, u32)> {
        let [id, ..] = self.sha256;
        (self.events_per_second > 0).then_some((id, self.events_per_second))
    }

    pub(crate) fn covers(&self, audience: &str) -> bool {
        self.audience.as_deref().is_none_or(|own| own == audience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(sha256: &str) -> String {
        format!(
            r#"{{"signing_key":"{}","keys":[{{"kind":"write","audience":"7","sha256":"{sha256}"}}]}}"#,
            "07".repeat(32)
        )
    }

    #[test]
    fn a_deployment_refuses_the_demo_in_any_spelling() {
        for known in DEMO {
            for sha256 in [known.to_owned(), known.to_uppercase()] {
                let refused = Keyring::read(Some(&secret(&sha256)), false).err().unwrap();
                assert!(refused.contains("public demo"), "{refused}");
                assert!(Keyring::read(Some(&secret(&sha256)), true).is_ok());
            }
        }
        assert!(Keyring::read(Some(&secret(&"ab".repeat(32))), false).is_ok());
    }

    #[test]
    fn an_unusable_secret_says_why_without_saying_what() {
        let complaint = |text: Option<&str>| Keyring::read(text, false).err().unwrap();
        assert_eq!(complaint(None), "USHER_KEYS is not set");
        assert_eq!(complaint(Some(" ")), "USHER_KEYS is not set");
        assert_eq!(complaint(Some("{")), "USHER_KEYS is not JSON");
        let whole = complaint(Some(r#"{"write_key":"1/zz","USHER_KEYS":"{}"}"#));
        assert!(whole.contains("usher keys secret") && !whole.contains("zz"), "{whole}");
        for bad in [secret("zz"), secret(&"+f".repeat(32)), r#"{"keys":[]}"#.to_owned()] {
            let complaint = complaint(Some(&bad));
            assert!(complaint.starts_with("USHER_KEYS is not what it should be"), "{complaint}");
            assert!(!complaint.contains("zz") && !complaint.contains("+f"), "{complaint}");
        }
    }

    #[test]
    fn a_key_is_found_by_its_hash() {
        let hash: [u8; 32] = Sha256::digest(b"1/secret").into();
        let ring = Keyring::read(Some(&secret(&crate::wire::hex::hex(&hash))), false).ok().unwrap();
        assert!(ring.find("1/secret", &[]).is_some());
        assert!(ring.find("1/secre", &[]).is_none() && ring.find("", &[]).is_none());
    }

    #[test]
    fn one_key_may_have_several_kinds() {
        let hash = crate::wire::hex::hex(&Sha256::digest(b"1/master"));
        let of = |kind: &str| format!(r#"{{"kind":"{kind}","audience":"7","sha256":"{hash}"}}"#);
        for kinds in [["admin", "server"], ["server", "admin"]] {
            let secret = format!(
                r#"{{"signing_key":"{}","keys":[{},{}]}}"#,
                "07".repeat(32),
                of(kinds[0]),
                of(kinds[1])
            );
            let mut ring = Keyring::read(Some(&secret), false).ok().unwrap();
            let found =
                |ring: &Keyring, kinds: &[Kind]| ring.find("1/master", kinds).map(|record| record.kind);
            assert_eq!(found(&ring, &[Kind::Admin]), Some(Kind::Admin));
            assert_eq!(found(&ring, &[Kind::Write, Kind::Server]), Some(Kind::Server));
            assert!(found(&ring, &[Kind::Write]).is_some_and(|kind| kind != Kind::Write));
            ring.revoke(&hash);
            assert_eq!(found(&ring, &[Kind::Admin]), None);
        }
    }

    #[test]
    fn a_record_says_for_which_audience_it_is() {
        let read = |record: &str| {
            let secret = format!(
                r#"{{"signing_key":"{}","keys":[{{"sha256":"{}",{record}}}]}}"#,
                "07".repeat(32),
                "ab".repeat(32)
            );
            Keyring::read(Some(&secret), false)
        };
        for kind in ["write", "server", "admin", "token"] {
            for audience in ["", r#","audience":null"#, r#","audience":"""#] {
                let refused = read(&format!(r#""kind":"{kind}"{audience}"#)).err().unwrap();
                assert!(refused.starts_with("USHER_KEYS: keys[0] names no audience"), "{refused}");
            }
            let one = read(&format!(r#""kind":"{kind}","audience":"7""#)).ok().unwrap();
            assert!(one.records[0].covers("7") && !one.records[0].covers("8"));
            let all = read(&format!(r#""kind":"{kind}","audience":"*""#));
            assert_eq!(all.as_ref().is_ok_and(|ring| ring.records[0].covers("8")), kind != "token");
        }
    }

    #[test]
    fn only_a_server_key_has_a_rate_of_its_own() {
        let read = |kind: &str, rate: &str| {
            let record = format!(
                r#"{{"kind":"{kind}","audience":"7","sha256":"{}","events_per_second":{rate}}}"#,
                "ab".repeat(32)
            );
            Keyring::read(
                Some(&format!(r#"{{"signing_key":"{}","keys":[{record}]}}"#, "07".repeat(32))),
                false,
            )
        };
        let rate = |kind, rate| read(kind, rate).ok().unwrap().records[0].own_rate();
        let id = u64::from_le_bytes([0xab; 8]);
        assert_eq!(rate("server", "200"), Some((id, 200)));
        assert_eq!((rate("server", "0"), rate("write", "0")), (None, None));
        for kind in ["write", "token", "admin"] {
            let refused = read(kind, "200").err().unwrap();
            assert!(refused.contains("keys[0] has `events_per_second`"), "{refused}");
        }
        for bad in ["-1", "1.5", "\"9\"", "4294967296"] {
            assert!(read("server", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn origins_are_compared_as_browsers_serialize_them() {
        let record = |origin: &str| {
            let secret = format!(
                r#"{{"signing_key":"{}","keys":[{{"kind":"write","audience":"7","sha256":"{}","origins":["{origin}"]}}]}}"#,
                "07".repeat(32),
                "ab".repeat(32)
            );
            Keyring::read(Some(&secret), false).ok().unwrap()
        };
        for (written, sent, same) in [
            ("https://shop.example:443", "https://shop.example", true),
            ("http://shop.example:80", "http://shop.example", true),
            ("HTTPS://Shop.Example", "https://shop.example", true),
            ("https://shop.example", "https://shop.example:443", true),
            ("https://shop.example:80", "https://shop.example", false),
            ("http://shop.example:443", "http://shop.example", false),
            ("https://shop.example:8443", "https://shop.example", false),
            ("https://shop.example:8443", "https://shop.example:8443", true),
            ("http://shop.example", "https://shop.example", false),
            ("https://shop.example.evil", "https://shop.example", false),
            ("https://a:443", "https://a", true),
        ] {
            assert_eq!(record(written).knows_origin(sent), same, "{written} {sent}");
        }
    }
}
