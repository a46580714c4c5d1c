//! The files of a certificate, and what is wrong with them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};

use crate::clock::rfc3339;
use crate::exit::Failure;
use crate::files;

/// The files of a certificate and its key.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    /// PEM: the server's own certificate, then those that lead from it to a known authority.
    pub(crate) chain: PathBuf,
    /// PEM: the private key.
    pub(crate) key: PathBuf,
}

/// The certificates of a file, at least one.
pub(super) fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let shown = path.display();
    let text = fs::read(path).map_err(|error| files::unread(path, &error))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let help =
        "the file is PEM text: `-----BEGIN CERTIFICATE-----` and base64, the server's own certificate first";
    let chain =
        found.map_err(|error| Failure::of_file("read certificates from", &shown, error).help(help))?;
    if chain.is_empty() {
        let failure = Failure::new(format!("there is no certificate in `{shown}`"));
        let is_key = PrivateKeyDer::from_pem_slice(&text).is_ok();
        return Err(failure.help(if is_key { "it holds a private key, which is for --key" } else { help }));
    }
    Ok(chain)
}

pub(super) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, Failure> {
    let text = fs::read(path).map_err(|error| files::unread(path, &error))?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| {
        let failure = Failure::new(format!("there is no private key in `{}`", path.display()));
        let is_encrypted = text.windows(9).any(|part| part == b"ENCRYPTED");
        failure.help(if is_encrypted {
            "it is encrypted: `openssl pkey -in FILE -out PLAIN` decrypts it; let only the server's user read the result"
        } else if CertificateDer::from_pem_slice(&text).is_ok() {
            "it holds a certificate, which is for --cert"
        } else {
            "the file is PEM text: `-----BEGIN PRIVATE KEY-----` and base64"
        })
    })
}

/// Refuses a chain of which a certificate is not valid at this time.
pub(super) fn check(chain: &[CertificateDer<'_>], at: UnixTime, shown: &str) -> Result<(), Failure> {
    for (index, certificate) in chain.iter().enumerate() {
        let which = if index == 0 { "the certificate" } else { "a certificate of the chain" };
        let time = |time: UnixTime| rfc3339(i64::try_from(time.as_secs()).unwrap_or(0) * 1_000);
        match defect(certificate, at) {
            Some(CertificateError::ExpiredContext { not_after, .. }) => {
                return Err(Failure::new(format!("{which} in `{shown}` expired at {}", time(not_after)))
                    .help("renew it, and start again; a running server reads renewed files on SIGHUP"));
            }
            Some(CertificateError::NotValidYetContext { not_before, .. }) => {
                return Err(Failure::new(format!("{which} in `{shown}` is valid from {}", time(not_before)))
                    .help("is this machine's clock right?"));
            }
            Some(CertificateError::BadEncoding) => {
                return Err(Failure::new(format!("{which} in `{shown}` is damaged"))
                    .help("get it again from whoever issued it"));
            }
            // Whom callers trust is not known here.
            _ => {}
        }
    }
    Ok(())
}

/// The defect of a certificate at this time, checked without any trusted root; None: it has none of its own.
fn defect(certificate: &CertificateDer<'_>, at: UnixTime) -> Option<CertificateError> {
    let nobody = RootCertStore::empty();
    let algorithms = ring::default_provider().signature_verification_algorithms.all;
    let checked = ParsedCertificate::try_from(certificate)
        .and_then(|parsed| verify_server_cert_signed_by_trust_anchor(&parsed, &nobody, &[], at, algorithms));
    match checked {
        Err(Error::InvalidCertificate(error)) => Some(error),
        _ => None,
    }
}

/// When the first certificate expires, Unix seconds.
pub(super) fn expiry(chain: &[CertificateDer<'_>]) -> Option<u64> {
    let far = UnixTime::since_unix_epoch(Duration::from_secs(now().as_secs() + 100 * 365 * 86_400));
    match chain.first().and_then(|certificate| defect(certificate, far)) {
        Some(CertificateError::ExpiredContext { not_after, .. }) => Some(not_after.as_secs()),
        _ => None,
    }
}

pub(super) fn now() -> UnixTime {
    UnixTime::now()
}
