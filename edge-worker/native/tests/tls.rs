//! TLS over real sockets, with clients that check certificates.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bed;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bed::{ADMIN_KEY, Directory, Serving, command, run, shop, text, usher};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// A certificate for localhost that is valid until this year.
fn put_certificate(directory: &Directory, until: i32) {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(until, 1, 1));
    let pair = KeyPair::generate().unwrap();
    directory.write("cert.pem", params.self_signed(&pair).unwrap().pem());
    directory.write("key.pem", pair.serialize_pem());
}

fn address(serving: &Serving) -> SocketAddr {
    serving.url.strip_prefix("https://").expect("it speaks TLS").parse().unwrap()
}

/// A connection of somebody who trusts these certificates alone; None: it did not trust the server, or was cut off.
fn connected(
    serving: &Serving,
    trusted: &Path,
    protocols: &[&[u8]],
) -> Option<StreamOwned<ClientConnection, TcpStream>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(trusted).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = TcpStream::connect(address(serving)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    client.complete_io(&mut stream).ok()?;
    Some(StreamOwned::new(client, stream))
}

fn health(stream: &mut (impl Read + Write)) -> String {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_local_certificate_serves_whoever_trusts_it() {
    let directory = Directory::new();
    directory.demo_secret();
    let serving = Serving::start(&directory, &["--local-tls"]);
    let certificate = directory.join("data/tls/local.pem");
    let mut stream = connected(&serving, &certificate, &[b"h2", b"http/1.1"]).unwrap();
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert!(health(&mut stream).starts_with("HTTP/1.1 200 OK\r\n"));
    // The verbs, too.
    let localhost = serving.url.replace("127.0.0.1", "localhost");
    let shop = shop();
    let push = ["push", text(&shop), "--to", &localhost, "-y"];
    let pushed = run(command(&push).env("USHER_ADMIN_KEY", ADMIN_KEY).env("USHER_CA", &certificate), "");
    assert_eq!(pushed.code, 0, "{pushed:?}");
    let mistrusting = run(command(&push).env("USHER_ADMIN_KEY", ADMIN_KEY), "");
    assert!(mistrusting.code == 1 && mistrusting.err.contains("cannot talk to"), "{mistrusting:?}");
    let keys = directory.join("keys.json");
    let wrong = run(command(&push).env("USHER_ADMIN_KEY", ADMIN_KEY).env("USHER_CA", &keys), "");
    assert!(wrong.code == 64 && wrong.err.contains("USHER_CA: there is no certificate in"), "{wrong:?}");
    // It is the same after a restart, so what trusts it still does.
    assert_eq!(serving.terminate().code(), Some(0));
    let before = fs::read(&certificate).unwrap();
    let serving = Serving::start(&directory, &["--local-tls"]);
    assert!(connected(&serving, &certificate, &[]).is_some());
    assert_eq!(fs::read(&certificate).unwrap(), before);
}

#[test]
#[cfg(unix)]
fn a_renewed_certificate_is_shown_after_sighup_and_a_bad_one_is_not() {
    let directory = Directory::new();
    directory.demo_secret();
    put_certificate(&directory, 2998);
    let (chain, key) = (directory.join("cert.pem"), directory.join("key.pem"));
    let serving = Serving::start(&directory, &["--cert", text(&chain), "--key", text(&key)]);
    let first = directory.write("first.pem", fs::read(&chain).unwrap());
    let mut open = connected(&serving, &first, &[]).unwrap();
    let reload = || {
        assert!(Command::new("kill").args(["-HUP", &serving.id().to_string()]).status().unwrap().success());
    };
    put_certificate(&directory, 2002);
    reload();
    std::thread::sleep(Duration::from_millis(300));
    assert!(connected(&serving, &first, &[]).is_some(), "an expired one is not shown");
    put_certificate(&directory, 2999);
    reload();
    let deadline = Instant::now() + Duration::from_secs(5);
    while connected(&serving, &chain, &[]).is_none() {
        assert!(Instant::now() < deadline, "the renewed certificate is not shown");
    }
    assert!(connected(&serving, &first, &[]).is_none());
    assert!(health(&mut open).starts_with("HTTP/1.1 200 OK\r\n"), "who is connected stays so");
}

#[test]
fn a_server_with_files_that_nobody_could_trust_does_not_start() {
    let directory = Directory::new();
    put_certificate(&directory, 2002);
    let (data, chain, key) = (directory.join("data"), directory.join("cert.pem"), directory.join("key.pem"));
    let start =
        |more: &[&str]| usher(&[&["serve", "--listen", "127.0.0.1:0", "--data", text(&data)], more].concat());
    let expired = start(&["--cert", text(&chain), "--key", text(&key)]);
    assert!(expired.code == 1 && expired.out.is_empty(), "{expired:?}");
    assert!(
        expired.err.contains("expired at 2002-01-01") && expired.err.contains("help: renew it"),
        "{expired:?}"
    );
    let one = start(&["--cert", text(&chain)]);
    assert!(one.code == 64 && one.err.contains("--key"), "{one:?}");
    let both = start(&["--cert", text(&chain), "--key", text(&key), "--local-tls"]);
    assert_eq!(both.code, 64, "{both:?}");
}

#[test]
fn a_handshake_that_does_not_come_ends_the_connection_and_keeps_nobody_out() {
    let directory = Directory::new();
    directory.demo_secret();
    let serving = Serving::start(&directory, &["--local-tls"]);
    let certificate = directory.join("data/tls/local.pem");
    // More than one address may have. Half of them begin: a record with the start of a hello.
    let slow: Vec<TcpStream> = (0..300)
        .map(|at| {
            let mut stream = TcpStream::connect(address(&serving)).unwrap();
            if at % 2 == 0 {
                let _ = stream.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]);
            }
            stream
        })
        .collect();
    let start = Instant::now();
    for _ in 0..10 {
        assert!(health(&mut connected(&serving, &certificate, &[]).unwrap()).contains(" 200 OK\r\n"));
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    for stream in slow.iter().rev().take(2) {
        stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
        // Closed, or told that its hello is none: it gets no answer, and does not stay.
        let mut rest = Vec::new();
        let _ = (&*stream).read_to_end(&mut rest);
        assert!(start.elapsed() < Duration::from_secs(14), "{:?}", start.elapsed());
        assert!(!rest.windows(4).any(|part| part == b"HTTP"));
    }
    // Who does not speak TLS gets no answer.
    let mut plain = TcpStream::connect(address(&serving)).unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut rest = Vec::new();
    let _ = plain.read_to_end(&mut rest);
    assert!(!rest.windows(4).any(|part| part == b"HTTP"));
}
