//! The keyring as bytes, for a module of the same build that does not read the secret. It has no identity keys, and no names.

use super::Signer;
use super::keyring::{KeyRecord, Keyring, Kind, Scope};
use crate::wire::frame::{FrameReader, FrameWriter};
use crate::wire::hex::{from_hex, hex};

const KINDS: [Kind; 5] = [Kind::Write, Kind::Token, Kind::Server, Kind::Admin, Kind::Identity];

const SCOPES: [Scope; 7] = [
    Scope::Personalize,
    Scope::Sensitive,
    Scope::Import,
    Scope::Explain,
    Scope::Read,
    Scope::Erase,
    Scope::Metrics,
];

/// Reads the secret, `USHER_KEYS`, for [`Edge::with_keys`](crate::Edge::with_keys). `demo` accepts the keys of the demo.
///
/// # Errors
///
/// As [`Edge::complaint`](crate::Edge::complaint) has it.
///
/// # Examples
///
/// ```
/// use usher_edge::{Edge, read_keys};
///
/// let secret = format!(r#"{{"signing_key": "{}", "keys": []}}"#, "07".repeat(32));
/// assert_eq!(Edge::with_keys(Ok(&read_keys(&secret, false)?)).complaint(), None);
/// assert!(read_keys("", false).is_err());
/// # Ok::<(), String>(())
/// ```
pub fn read_keys(secret: &str, demo: bool) -> Result<Vec<u8>, String> {
    let (keyring, signing_key) = Keyring::with_signing_key(Some(secret), demo)?;
    let mut w = FrameWriter::default();
    w.0.extend_from_slice(&signing_key);
    let records: Vec<&KeyRecord> = keyring.records().collect();
    w.list(&records, |w, record| write(w, record));
    Ok(w.0)
}

fn write(w: &mut FrameWriter, record: &KeyRecord) {
    let text = |w: &mut FrameWriter, text: &String| {
        w.text(text);
    };
    w.byte(place(&KINDS, record.kind));
    record.sha256.iter().for_each(|word| w.0.extend_from_slice(&word.to_le_bytes()));
    w.list(record.account.as_slice(), text).list(record.audience.as_slice(), text);
    w.byte(u8::from(record.public)).list(&record.origins, text);
    w.list(record.personalizations.as_slice(), |w, names| {
        w.list(names, text);
    });
    w.list(&record.scopes, |w, scope| {
        w.byte(place(&SCOPES, *scope));
    });
    w.number(record.events_per_second);
}

/// A token that the control API made.
pub(crate) struct Granted<'a> {
    pub(crate) sha256: [u8; 32],
    pub(crate) account: &'a str,
    pub(crate) audience: &'a str,
    pub(crate) public: bool,
    /// In serialized form.
    pub(crate) origins: Vec<String>,
    /// The id of its service.
    pub(crate) service: &'a str,
}

impl Granted<'_> {
    /// As every place reads it, in hexadecimal digits.
    pub(crate) fn to_text(&self) -> String {
        let mut w = FrameWriter::default();
        let (words, _) = self.sha256.as_chunks();
        let mut sha256 = [0; 4];
        sha256.iter_mut().zip(words).for_each(|(word, bytes)| *word = u64::from_le_bytes(*bytes));
        let record = KeyRecord {
            kind: Kind::Token,
            sha256,
            account: Some(self.account.to_owned()),
            audience: Some(self.audience.to_owned()),
            public: self.public,
            origins: self.origins.clone(),
            personalizations: Some(vec![self.service.to_owned()]),
            scopes: Vec::new(),
            events_per_second: 0,
            name: None,
            revoked: false,
            identity: None,
        };
        write(&mut w, &record);
        hex(&w.0)
    }
}

/// The record of a token, as [`Granted::to_text`] wrote it.
pub(crate) fn granted(text: &str) -> Option<KeyRecord> {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    for digits in text.as_bytes().chunks(2) {
        let [byte] = from_hex(core::str::from_utf8(digits).ok()?)?;
        bytes.push(byte);
    }
    read(&mut FrameReader(&bytes))
}

fn place<T: PartialEq>(known: &[T], wanted: T) -> u8 {
    known.iter().zip(0..).find(|(known, _)| **known == wanted).map_or(u8::MAX, |(_, place)| place)
}

/// None: they are not from [`read_keys`].
pub(crate) fn keyring_of(bytes: &[u8]) -> Option<Keyring> {
    let mut r = FrameReader(bytes);
    let signer = Signer::new(r.array()?);
    let records = r.list(read)?;
    Some(Keyring { records, signer })
}

fn read(r: &mut FrameReader<'_>) -> Option<KeyRecord> {
    Some(KeyRecord {
        kind: *KINDS.get(usize::from(r.byte()?))?,
        sha256: [r.long()?, r.long()?, r.long()?, r.long()?].map(i64::cast_unsigned),
        account: texts(r)?.pop(),
        audience: texts(r)?.pop(),
        public: r.byte()? != 0,
        origins: texts(r)?,
        personalizations: r.list(texts)?.pop(),
        scopes: r.list(|r| SCOPES.get(usize::from(r.byte()?)).copied())?,
        events_per_second: r.number()?,
        name: None,
        revoked: false,
        identity: None,
    })
}

fn texts(r: &mut FrameReader<'_>) -> Option<Vec<String>> {
    r.list(|r| r.text().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carried_keys_are_those_of_the_secret_without_identity_keys() {
        let hash = |digit: &str| digit.repeat(64);
        let secret = format!(
            r#"{{"signing_key": "{}", "keys": [
                {{"kind": "write", "sha256": "{}", "account": "1", "audience": "7", "origins": ["https://a.example"]}},
                {{"kind": "token", "sha256": "{}", "audience": "7", "public": true, "personalizations": ["home", "9"]}},
                {{"kind": "server", "sha256": "{}", "audience": "*", "name": "crm", "events_per_second": 9, "scopes":
                    ["personalize", "sensitive", "import", "explain", "read", "erase", "metrics"]}},
                {{"kind": "identity", "audience": "7", "secret": "{}"}},
                {{"kind": "admin", "sha256": "{}", "audience": "*", "personalizations": []}}]}}"#,
            "07".repeat(32),
            hash("1"),
            hash("2"),
            hash("3"),
            "A".repeat(43),
            hash("4"),
        );
        let keyring = Keyring::read(Some(&secret), false).unwrap();
        let carried = read_keys(&secret, false).unwrap();
        let read = keyring_of(&carried).unwrap();
        assert_eq!(read.signer.snapshot_name("7", "a", "b"), keyring.signer.snapshot_name("7", "a", "b"));
        let shown = |record: &KeyRecord| {
            let record = KeyRecord { name: None, identity: None, ..record.clone() };
            let sha256 = if record.kind == Kind::Identity { [0; 4] } else { record.sha256 };
            format!("{:?}", KeyRecord { sha256, ..record })
        };
        let all = |keyring: &Keyring| keyring.records().map(shown).collect::<Vec<_>>();
        assert_eq!(all(&read), all(&keyring));
        assert_eq!(all(&read).len(), 5);
        assert!((0..carried.len()).all(|end| keyring_of(&carried[..end]).is_none()));
    }
}
