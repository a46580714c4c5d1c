//! The query of a request target, and percent-encoding.

use std::borrow::Cow;

use super::hex::from_hex;

/// The names and values of a target's query in order, as sent.
pub(crate) fn pairs(target: &str) -> impl Iterator<Item = (&str, &str)> {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// The key or token of this name in a target's query. It has no character but slashes that anybody encodes, so the plane
/// for visitors needs no decoder.
pub(crate) fn secret(target: &str, name: &str) -> Option<String> {
    let (_, sent) = pairs(target).find(|(known, _)| *known == name)?;
    Some(sent.replace("%2F", "/").replace("%2f", "/"))
}

/// The text that was percent-encoded; None if it is not UTF-8. What is no escape stays as it is.
pub(crate) fn decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        let byte = after.get(..2).and_then(from_hex::<1>);
        rest = if byte.is_some() { after.get(2..).unwrap_or_default() } else { after };
        bytes.extend(byte.unwrap_or(*b"%"));
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// The same of a name or value as HTML forms encode it, where `+` is a space.
pub(crate) fn decoded_form(text: &str) -> Option<String> {
    decoded(&text.replace('+', " ")).map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_names_and_values() {
        let read = |target| pairs(target).collect::<Vec<_>>();
        assert_eq!(read("/a?b=c&d=e=f&&g&h="), [("b", "c"), ("d", "e=f"), ("g", ""), ("h", "")]);
        assert!(read("/a").is_empty() && read("/a?").is_empty() && read("/a?&").is_empty());
    }

    #[test]
    fn a_secret_may_have_encoded_slashes() {
        assert_eq!(secret("/a?x=y&token=1%2fb%2Fc&token=d", "token").as_deref(), Some("1/b/c"));
        assert_eq!((secret("/a?tokens=b", "token"), secret("/token=b", "token")), (None, None));
    }

    #[test]
    fn percent_encoding_is_of_utf_8() {
        assert_eq!(decoded("a%40b%2Bc+d").as_deref(), Some("a@b+c+d"));
        assert_eq!(decoded_form("a%40b%2Bc+d").as_deref(), Some("a@b+c d"));
        assert_eq!(decoded("%C3%A9%zz%4").as_deref(), Some("é%zz%4"));
        assert_eq!((decoded("%ff"), decoded_form("%C3")), (None, None));
    }
}
