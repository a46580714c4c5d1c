//! Files that are good, bad, and become either.

use std::fs;
use std::path::PathBuf;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::*;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("usher-tls-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A certificate that is valid in these years, and its key, as PEM.
fn made(from: i32, to: i32) -> (String, String) {
    let mut params = CertificateParams::new(vec!["edge.example".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
    let pair = KeyPair::generate().unwrap();
    (params.self_signed(&pair).unwrap().pem(), pair.serialize_pem())
}

/// Why the files are refused: the message and the help.
fn refused(chain: &Path, key: &Path) -> (String, String) {
    let files = Certificate { chain: chain.to_owned(), key: key.to_owned() };
    let failure = Tls::open(files).map(|_| "it opens").unwrap_err();
    (failure.message, failure.help.unwrap_or_default())
}

#[test]
fn files_that_nobody_could_trust_are_refused_with_how_to_mend_them() {
    let folder = Folder::new("refused");
    let (good, its_key) = made(2020, 2999);
    let (chain, key) = (folder.write("good.pem", &good), folder.write("good.key", &its_key));
    assert!(Tls::open(Certificate { chain: chain.clone(), key: key.clone() }).is_ok());
    let (other, other_key) = made(2020, 2999);
    let other_key = folder.write("other.key", &other_key);
    let has = |(message, help): (String, String), parts: [&str; 2]| {
        assert!(message.contains(parts[0]) && help.contains(parts[1]), "{message}: {help}");
    };
    has(refused(&chain, &other_key), ["other.key` is not the key of the certificate in", "requested"]);
    has(refused(&chain, &folder.0.join("good.kye")), ["there is no", "good.key"]);
    has(refused(&folder.0.join("god.pem"), &key), ["there is no", "good.pem"]);
    has(refused(&key, &chain), ["there is no certificate in", "--key"]);
    has(refused(&chain, &chain), ["there is no private key in", "--cert"]);
    let empty = folder.write("empty.pem", "");
    has(refused(&empty, &key), ["there is no certificate in", "-----BEGIN CERTIFICATE-----"]);
    has(refused(&chain, &empty), ["there is no private key in", "-----BEGIN PRIVATE KEY-----"]);
    let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    has(refused(&chain, &folder.write("locked.key", locked)), ["there is no private key", "openssl pkey"]);
    let torn = format!("{}\n-----END CERTIFICATE-----\n", &good[..200]);
    assert!(refused(&folder.write("torn.pem", &torn), &key).0.contains("torn.pem"));
    let (old, old_key) = made(2001, 2002);
    let old_key = folder.write("old.key", &old_key);
    has(refused(&folder.write("old.pem", &old), &old_key), ["expired at 2002-01-01T00:00:00Z", "renew it"]);
    let (new, new_key) = made(2998, 2999);
    let new_key = folder.write("new.key", &new_key);
    has(refused(&folder.write("new.pem", &new), &new_key), ["valid from 2998-01-01T00:00:00Z", "clock"]);
    // The own certificate comes first, and all that lead to an authority count.
    has(refused(&folder.write("order.pem", &(other + &good)), &key), ["is not the key", "comes first"]);
    has(refused(&folder.write("chain.pem", &(good + &old)), &key), ["of the chain in", "renew it"]);
}

#[test]
fn files_that_became_bad_leave_what_is_shown() {
    let folder = Folder::new("reload");
    let (chain, key) = made(2020, 2999);
    let files = Certificate { chain: folder.write("c.pem", &chain), key: folder.write("k.pem", &key) };
    let tls = Tls::open(files.clone()).unwrap();
    let shown = tls.config();
    folder.write("c.pem", &made(2001, 2002).0);
    assert!(tls.reload().unwrap_err().message.contains("expired"));
    assert!(Arc::ptr_eq(&shown, &tls.config()));
    let (chain, key) = made(2020, 2998);
    folder.write("c.pem", &chain);
    assert!(tls.reload().unwrap_err().message.contains("is not the key"));
    folder.write("k.pem", &key);
    tls.reload().unwrap();
    assert!(!Arc::ptr_eq(&shown, &tls.config()));
    assert_eq!(tls.expiry().unwrap(), None, "in a thousand years");
}

#[test]
fn a_local_certificate_is_kept_until_it_has_to_be_made_anew() {
    let folder = Folder::new("local");
    let loopback = std::net::IpAddr::from([127, 0, 0, 1]);
    let read = |files: &Certificate| (fs::read(&files.chain).unwrap(), fs::read(&files.key).unwrap());
    let files = local(&folder.0, loopback).unwrap();
    let first = read(&files);
    let tls = Tls::open(files.clone()).unwrap();
    let days = (tls.expiry().unwrap().unwrap() - now().as_secs()) / 86_400;
    assert!((390..=397).contains(&days), "{days}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&files.key).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert!(read(&local(&folder.0, loopback).unwrap()) == first);
    assert!(read(&local(&folder.0, [0, 0, 0, 0].into()).unwrap()) == first);
    // Another address has to be in it, and so must a certificate be that soon expires.
    let other = read(&local(&folder.0, [192, 0, 2, 7].into()).unwrap());
    assert!(other != first);
    let (soon, key) = made(2020, 2021);
    fs::write(&files.chain, soon).unwrap();
    fs::write(&files.key, key).unwrap();
    let again = read(&local(&folder.0, loopback).unwrap());
    assert!(again != first && again != other);
    assert!(Tls::open(files).is_ok());
}
