//! Origins of pages, as browsers send them.

use url::{Host, Url};

/// The origin in the form that browsers send: scheme and host in lower case, a host with other letters in its ASCII form, no
/// default port, nothing behind.
///
/// # Errors
/// Why no browser sends it.
pub(super) fn origin(text: &str) -> Result<String, String> {
    if !text.contains("://") {
        return Err("an origin begins with its scheme, such as https://shop.example".to_owned());
    }
    let url = Url::parse(text).map_err(|error| format!("not the address of a page: {error}"))?;
    let refused =
        |what: &str| Err(format!("an origin is a scheme and a host, such as https://shop.example, {what}"));
    if !matches!(url.scheme(), "https" | "http") {
        return refused(&format!("and `{}` is not a scheme of pages", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refused("without a user name");
    }
    if url.path() != "/" {
        return refused("without a path");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refused("without anything behind");
    }
    if let Some(Host::Domain(name)) = url.host()
        && name.contains('*')
    {
        return refused("without a wildcard: name each one");
    }
    Ok(url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_those_that_browsers_send() {
        for (given, expected) in [
            ("https://shop.example", "https://shop.example"),
            ("https://shop.example/", "https://shop.example"),
            ("https://shop.example:443", "https://shop.example"),
            ("http://shop.example:80", "http://shop.example"),
            ("http://shop.example:443", "http://shop.example:443"),
            ("HTTPS://Shop.Example", "https://shop.example"),
            ("https://münchen.example", "https://xn--mnchen-3ya.example"),
            ("http://127.0.0.1:8787", "http://127.0.0.1:8787"),
            ("http://[::1]:8787", "http://[::1]:8787"),
        ] {
            assert_eq!(origin(given).as_deref(), Ok(expected), "{given}");
        }
        for (given, reason) in [
            ("shop.example", "scheme"),
            ("null", "scheme"),
            ("*", "scheme"),
            ("https://*.shop.example", "wildcard"),
            ("https://shop.example/path", "path"),
            ("https://shop.example?x", "behind"),
            ("https://shop.example/#x", "behind"),
            ("https://anna@shop.example", "user name"),
            ("ftp://shop.example", "`ftp` is not a scheme of pages"),
            ("https://shop.example:99999", "port"),
            ("https://", "host"),
            ("https://shop example", "not the address of a page"),
        ] {
            let refused = origin(given).unwrap_err();
            assert!(refused.contains(reason), "{given}: {refused}");
        }
    }
}
