//! A certificate for tests on this machine: it vouches for itself and can sign no other, so trusting it risks nothing else.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::Duration;

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;

use super::certificate::{Certificate, chain, expiry, key, now};
use crate::exit::Failure;
use crate::files::{self, Readers};

const DAY: u64 = 86_400;
/// As long as browsers allow a certificate that was not issued for the public.
const VALID_DAYS: u64 = 397;
/// It is made anew when it is valid for less than this.
const LEFT_DAYS: u64 = 30;

pub(super) fn certificate(directory: &Path, listen: IpAddr) -> Result<Certificate, Failure> {
    let files = Certificate { chain: directory.join("local.pem"), key: directory.join("local-key.pem") };
    let names = names(listen);
    if is_good(&files, &names) {
        return Ok(files);
    }
    let failed = |error: rcgen::Error| Failure::new(format!("a certificate cannot be made: {error}"));
    let mut params = CertificateParams::new(names).map_err(failed)?;
    params.distinguished_name.push(DnType::CommonName, "Usher on this machine");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // A day ago: clocks differ.
    let from = now().as_secs().saturating_sub(DAY);
    params.not_before = date_time_ymd(1970, 1, 1) + Duration::from_secs(from);
    params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(from + VALID_DAYS * DAY);
    let pair = KeyPair::generate().map_err(failed)?;
    let made = params.self_signed(&pair).map_err(failed)?;
    files::replace(&files.key, &pair.serialize_pem(), Readers::Owner)?;
    files::replace(&files.chain, &made.pem(), Readers::Usual)?;
    Ok(files)
}

/// The names under which this machine reaches itself, and the address on which is listened.
fn names(listen: IpAddr) -> Vec<String> {
    let own = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
    let other = Some(listen).filter(|address| !address.is_unspecified() && !own.contains(address));
    let addresses = own.into_iter().chain(other).map(|address| address.to_string());
    std::iter::once("localhost".to_owned()).chain(addresses).collect()
}

/// True if the files hold a certificate with all these names that is valid for a while.
fn is_good(files: &Certificate, names: &[String]) -> bool {
    let (Ok(chain), Ok(_)) = (chain(&files.chain), key(&files.key)) else { return false };
    let has = |certificate: &CertificateDer<'_>, name: &String| {
        let (parsed, name) = (ParsedCertificate::try_from(certificate), ServerName::try_from(name.as_str()));
        matches!((parsed, name), (Ok(parsed), Ok(name)) if verify_server_name(&parsed, &name).is_ok())
    };
    let has_names = chain.first().is_some_and(|own| names.iter().all(|name| has(own, name)));
    has_names && expiry(&chain).is_some_and(|at| at > now().as_secs() + LEFT_DAYS * DAY)
}
