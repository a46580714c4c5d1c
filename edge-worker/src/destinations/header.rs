//! Headers that settings and activations may set.

/// True for a header that settings and activations may set: it ends no line, and is none that the request itself has.
pub(super) fn is_header(name: &str, value: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let own = name.to_ascii_lowercase();
    let is_own = own.starts_with("webhook-")
        || own.starts_with("usher-")
        || own.starts_with("proxy-")
        || matches!(
            own.as_str(),
            "host"
                | "content-length"
                | "transfer-encoding"
                | "connection"
                | "upgrade"
                | "te"
                | "trailer"
                | "expect"
                | "keep-alive"
                | "user-agent"
                | "accept-encoding"
                | "content-encoding"
        );
    !is_own
        && !name.is_empty()
        && name.len() <= 128
        && value.len() <= 4_096
        && name.bytes().all(is_token)
        && value.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}
