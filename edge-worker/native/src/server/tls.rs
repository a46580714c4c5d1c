//! TLS: the certificate from files or made on the spot, checked before the first caller meets it, and read again on request.

mod certificate;
mod local;

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::{CryptoProvider, ring};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error, InconsistentKeys, ServerConfig};

use crate::exit::Failure;
pub(crate) use certificate::Certificate;
use certificate::{chain, check, expiry, key, now};

/// The certificate that the server shows.
pub(super) struct Tls {
    files: Certificate,
    config: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// # Errors
    ///
    /// If no caller could trust what the files hold: which, and how to mend it.
    pub(super) fn open(files: Certificate) -> Result<Tls, Failure> {
        let config = RwLock::new(configuration(&files)?);
        Ok(Tls { files, config })
    }

    /// For a new connection.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the files again, for new connections; open ones keep what they have.
    ///
    /// # Errors
    ///
    /// As [`Tls::open`]; what was shown before is shown on.
    pub(super) fn reload(&self) -> Result<(), Failure> {
        let config = configuration(&self.files)?;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// When the certificate expires, Unix seconds; None: in more than a century.
    pub(super) fn expiry(&self) -> Result<Option<u64>, Failure> {
        Ok(expiry(&chain(&self.files.chain)?))
    }
}

/// The certificate for tests on this machine, made in the data directory if there is none that is good for 30 days more.
///
/// # Errors
///
/// If it cannot be made or stored.
pub(super) fn local(data: &Path, listen: std::net::IpAddr) -> Result<Certificate, Failure> {
    local::certificate(&data.join("tls"), listen)
}

fn configuration(files: &Certificate) -> Result<Arc<ServerConfig>, Failure> {
    let provider = Arc::new(ring::default_provider());
    let certified = certified(files, &provider)?;
    let unusable = |error: Error| Failure::new(format!("TLS cannot be set up: {error}"));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A caller who comes again saves a signature.
    config.ticketer = ring::Ticketer::new().map_err(unusable)?;
    Ok(Arc::new(config))
}

fn certified(files: &Certificate, provider: &CryptoProvider) -> Result<CertifiedKey, Failure> {
    let chain = chain(&files.chain)?;
    let (shown, key_shown) = (files.chain.display(), files.key.display());
    check(&chain, now(), &shown.to_string())?;
    let key = key(&files.key)?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            Failure::new(format!("the key in `{key_shown}` is not the key of the certificate in `{shown}`"))
                .help("name the key with which this certificate was requested; the server's own certificate comes first in its file")
        }
        error => Failure::new(format!("the key in `{key_shown}` cannot be used: {error}"))
            .help("use an RSA key of 2048 bits or more, or one on the curve P-256, P-384 or Ed25519"),
    })
}

#[cfg(test)]
mod tests;
