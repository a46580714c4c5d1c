//! Settings of destinations, matching, and addresses that try to lead elsewhere.

use super::*;

const LIST: &str = r#"[
    {"id": "mailer", "url": "https://hooks.example/in", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
     "headers": {"Authorization": "Bearer 7"}},
    {"id": "cards", "url": "https://hooks.example/in/cards?to=1", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "rate": 7},
    {"id": "near", "url": "http://127.0.0.1:9000", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "private": true}]"#;

fn message(connection: &str, url: Option<&str>) -> String {
    let url = url.map_or_else(String::new, |url| format!(r#""url": {},"#, serde_json::json!(url)));
    format!(
        r#"{{"connection": "{connection}", {url} "method": "POST", "headers": {{"X-A": "1"}}, "body": "{{}}"}}"#
    )
}

fn sent(connection: &str, url: Option<&str>) -> Result<(String, String), &'static str> {
    let all = Destinations::read(LIST).unwrap();
    let message = message(connection, url);
    let sendable = all.sendable(&message).map_err(|refused| refused.0)?;
    let request = sendable.sign("7", 1, 1_614_265_330_000);
    Ok((request.destination, request.url))
}

#[test]
fn an_activation_goes_to_a_destination_of_the_deployment_or_nowhere() {
    let to = |id: &str, url: &str| Ok((id.to_owned(), url.to_owned()));
    assert_eq!(sent("mailer", None), to("mailer", "https://hooks.example/in"));
    assert_eq!(sent("cards", None), to("cards", "https://hooks.example/in/cards?to=1"));
    assert_eq!(sent("", Some("https://hooks.example/in")), to("mailer", "https://hooks.example/in"));
    assert_eq!(
        sent("gone", Some("https://HOOKS.example:443/in/a%2Fb?c")),
        to("mailer", "https://hooks.example/in/a%2Fb?c")
    );
    assert_eq!(
        sent("", Some("https://hooks.example/in/cards/7")),
        to("cards", "https://hooks.example/in/cards/7")
    );
    assert_eq!(sent("near", Some("http://127.0.0.1:9000/x")), to("near", "http://127.0.0.1:9000/x"));
    for (connection, url) in [
        ("", None),
        ("gone", None),
        ("mailer", Some("https://other.example/in")),
        ("mailer", Some("https://hooks.example/inner")),
        ("mailer", Some("https://hooks.example/")),
        ("", Some("http://hooks.example/in")),
        ("", Some("https://hooks.example:8443/in")),
    ] {
        assert_eq!(sent(connection, url), Err("destination_not_allowed"), "{connection} {url:?}");
    }
}

#[test]
fn a_request_has_the_headers_of_the_deployment_and_of_standard_webhooks() {
    let all = Destinations::read(LIST).unwrap();
    let with = |headers: &str| {
        format!(r#"{{"connection": "mailer", "method": "PUT", "headers": {headers}, "body": "{{}}"}}"#)
    };
    let message = with(r#"{"Authorization": "mine", "X-A": "1"}"#);
    let request = all.sendable(&message).unwrap().sign("7", 9, 1_614_265_330_999);
    let names: Vec<_> = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        names[..5],
        [
            ("authorization", "Bearer 7"),
            ("x-a", "1"),
            ("content-type", "application/json"),
            ("webhook-id", "7"),
            ("webhook-timestamp", "1614265330"),
        ]
    );
    assert!(names[5].0 == "webhook-signature" && names[5].1.starts_with("v1,"));
    assert_eq!(names[6], ("usher-sequence", "9"));
    for headers in [
        r#"{"Host": "other.example"}"#,
        r#"{"webhook-id": "8"}"#,
        r#"{"Content-Length": "0"}"#,
        r#"{"Transfer-Encoding": "chunked"}"#,
        r#"{"X-A": "1\r\nX-B: 2"}"#,
        r#"{"X-A\r\nX-B": "2"}"#,
        r#"{"X A": "2"}"#,
        r#"{"": "2"}"#,
        r#"{"X-A": 2}"#,
    ] {
        let refused = all.sendable(&with(headers)).map(|_| ()).unwrap_err();
        assert_eq!(refused.0, "invalid_request", "{headers}");
    }
    assert!(all.sendable(r#"{"connection": "mailer", "method": "GET", "headers": {}, "body": ""}"#).is_err());
}

#[test]
fn settings_are_checked() {
    let one = |fields: &str| Destinations::read(&format!("[{{{fields}}}]")).map(|_| ());
    let secret = r#""secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw""#;
    assert_eq!(one(&format!(r#""id": "a", "url": "https://a.example", {secret}"#)), Ok(()));
    for (fields, named) in [
        (r#""id": "a", "url": "https://a.example""#, "`secret` is missing"),
        (r#""id": "a", "url": "https://a.example", "secret": "whsec_Zm9v""#, "`secret`"),
        (r#""id": "a,b", "url": "https://a.example""#, "`id`"),
        (r#""id": "a", "url": "https://u@a.example""#, "`url`"),
        (r#""id": "a", "url": "ftp://a.example""#, "`url`"),
        (r#""id": "a", "url": "http://a.example", "#, "https"),
        (r#""id": "a", "url": "https://10.0.0.7", "#, "private"),
        (r#""id": "a", "url": "https://[::1]", "#, "private"),
        (r#""id": "a", "url": "https://localhost:7", "#, "private"),
        (r#""id": "a", "rate": 0"#, "`rate`"),
        (r#""id": "a", "rate": 1.5"#, "`rate`"),
        (r#""id": "a", "headers": {"host": "b"}"#, "`host`"),
        (r#""id": "a", "retries": 1"#, "`retries`"),
        (r#""id": "a", "private": "yes""#, "`private`"),
    ] {
        let fields = if fields.ends_with(", ") { format!("{fields}{secret}") } else { fields.to_owned() };
        let fault = one(&fields).unwrap_err();
        assert!(fault.contains(named) && fault.starts_with("destination 1"), "{fields}: {fault}");
    }
    let twice = format!(
        r#"[{{"id": "a", "url": "https://a.example", {secret}}}, {{"id": "a", "url": "https://b.example", {secret}}}]"#
    );
    assert!(Destinations::read(&twice).unwrap_err().contains("two destinations"));
    assert!(Destinations::read("{}").is_err());
}

/// Ways to spell an address so that one reader takes it for an allowed one and another one does not.
fn tricks() -> Vec<String> {
    let private = [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "017700000001",
        "0",
        "0.0.0.0",
        "10.0.0.1",
        "10.1",
        "0xa.0.0.1",
        "012.0.0.1",
        "167772161",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "192.168.1",
        "3232235521",
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "100.64.0.1",
        "198.18.0.1",
        "192.0.2.1",
        "224.0.0.1",
        "255.255.255.255",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::ffff:a9fe:a9fe]",
        "[0:0:0:0:0:ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[fe80::1]",
        "[fe80::1%25eth0]",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::1]",
        "[2002:7f00:1::]",
        "[2001:db8::1]",
        "[2001::1]",
        "[ff02::1]",
        "[fec0::1]",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "a.localhost",
        "metadata.google.internal",
        "127.0.0.1.",
        "127.0.0.1.nip.example",
        "spoofed.burpcollaborator.example",
        "①②⑦.⓪.⓪.①",
        "127。0。0。1",
        "ⓛocalhost",
        "%31%32%37.0.0.1",
        "localhost%00.hooks.example",
        "localhost%2523@hooks.example",
    ];
    let mut tricks: Vec<String> = Vec::new();
    for host in private {
        for (before, after) in [
            ("https://", "/in"),
            ("http://", "/in"),
            ("https://hooks.example@", "/in"),
            ("https://", "#@hooks.example/in"),
            ("https://", "?@hooks.example/in"),
            ("//", "/in"),
        ] {
            tricks.push(format!("{before}{host}{after}"));
        }
    }
    let around = [
        "https://hooks.example@evil.example/in",
        "https://hooks.example:443@evil.example/in",
        "https://u:p@hooks.example/in",
        "https://@hooks.example/in",
        "https://hooks.example%40evil.example/in",
        "https://hooks.example\\@evil.example/in",
        "https://evil.example\\.hooks.example/in",
        "https:\\\\hooks.example\\in",
        "https:/hooks.example/in",
        "https:hooks.example/in",
        "https:///hooks.example/in",
        "https:////hooks.example/in",
        "//hooks.example/in",
        "/in",
        "in",
        "",
        " https://hooks.example/in",
        "https://hooks.example/in ",
        "https://hooks.example /in",
        "https://hooks.example\t/in",
        "https://hooks.example/in\r\nHost: evil.example",
        "https://hooks.example/in\r\n\r\nGET /admin HTTP/1.1",
        "https://hooks.example/in\n",
        "https://hooks.example\r\n/in",
        "https://hooks.example/in%0d%0aHost:evil.example",
        "https://hooks.example/in%0A",
        "https://hooks.example/in%00",
        "https://hooks.example/in#fragment",
        "https://hooks.example#/in",
        "https://hooks.example/../in",
        "https://hooks.example/in/..",
        "https://hooks.example/in/../admin",
        "https://hooks.example/in/./../admin",
        "https://hooks.example/in/%2e%2e/admin",
        "https://hooks.example/in/.%2e/admin",
        "https://hooks.example/in/%2E%2E/admin",
        "https://hooks.example/in/..%2fadmin",
        "https://hooks.example/in/%2e%2e%2fadmin",
        "https://hooks.example/in/..%5cadmin",
        "https://hooks.example/in/..\\admin",
        "https://hooks.example/in/..;/admin",
        "https://hooks.example/in/%2e%2e;x/admin",
        "https://hooks.example/in%2f..%2f..%2fadmin",
        "https://hooks.example/in.",
        "https://hooks.example/in.json",
        "https://hooks.example/in%20",
        "https://hooks.example/in%2",
        "https://hooks.example/in/%zz",
        "https://hooks.example/in%",
        "https://hooks.example/IN",
        "https://hooks.example//in",
        "https://hooks.example./in",
        "https://hooks.example.evil.example/in",
        "https://evilhooks.example/in",
        "https://hooks.example-evil.example/in",
        "https://hooks.example:80/in",
        "https://hooks.example:444/in",
        "https://hooks.example:0443/in",
        "https://hooks.example:/in",
        "https://hooks.example:443:80/in",
        "https://hooks.example:99999/in",
        "https://hooks.example:-1/in",
        "https://hooks.example:4 43/in",
        "https://hooks.example:４４３/in",
        "https://[hooks.example]/in",
        "https://[::1/in",
        "https://::1]/in",
        "https://[::1]hooks.example/in",
        "https://[::1]@hooks.example/in",
        "https://hooks_.example/in",
        "https://-.example/in",
        "https://hooks..example/in",
        "https://.hooks.example/in",
        "https://ｈooks.example/in",
        "https://hooks\u{3002}example/in",
        "https://ho\u{f6}ks.example/in",
        "https://hooks.example\u{200b}/in",
        "https://hooks.example/in\u{2028}",
        "https://hooks.example/in\u{0}",
        "https://hooks.example/in\u{7f}",
        "ftp://hooks.example/in",
        "file:///etc/passwd",
        "file://hooks.example/in",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "dict://127.0.0.1:11211/",
        "data:text/plain,x",
        "javascript:alert(1)",
        "ldap://127.0.0.1",
        "unix:///var/run/docker.sock",
        "ws://hooks.example/in",
        "jar:https://hooks.example/in!/",
        "https+unix://hooks.example/in",
        "url:https://hooks.example/in",
        "HTTPS ://hooks.example/in",
        "htt\tps://hooks.example/in",
    ];
    tricks.extend(around.map(str::to_owned));
    tricks
}

#[test]
fn no_trick_leaves() {
    let tricks = tricks();
    assert!(tricks.len() >= 400, "{}", tricks.len());
    for trick in &tricks {
        for connection in ["", "mailer", "cards", "gone"] {
            assert_eq!(
                sent(connection, Some(trick)),
                Err("destination_not_allowed"),
                "{connection} {trick:?}"
            );
        }
        // None of them can be set as the address of a destination that is not private, but for plain public names.
        let setting = format!(
            r#"[{{"id": "a", "url": {}, "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}}]"#,
            serde_json::json!(trick)
        );
        if let Ok(Destinations(read)) = Destinations::read(&setting) {
            let host = read[0].address.text();
            assert!(host.starts_with("https://") && host.contains(".example"), "{trick:?} is read as {host}");
        }
    }
}

#[test]
fn numbers_of_private_networks_are_not_public() {
    for number in [
        "1.1.1.1",
        "100.63.255.255",
        "100.128.0.0",
        "172.15.0.1",
        "172.32.0.1",
        "2606:4700::1",
        "64:ff9b::101:101",
        "2002:101:101::",
    ] {
        assert!(is_public(number.parse().unwrap()), "{number}");
    }
    for number in [
        "0.0.0.0",
        "10.255.255.255",
        "100.64.0.0",
        "100.127.255.255",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.0",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.0",
        "198.18.0.0",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:1.1.1.1",
        "::ffff:127.0.0.1",
        "::1.1.1.1",
        "64:ff9b::a00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:a00:1::",
        "2002:7f00:1::",
        "3fff::1",
        "fc00::1",
        "fd00::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ] {
        assert!(!is_public(number.parse().unwrap()), "{number}");
    }
}
