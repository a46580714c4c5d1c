//! Who calls: keys, tokens and preview tokens of a request, checked in the order that costs least.

use super::{Refused, Result};
use crate::error::Refusal;
use crate::host::Request;
use crate::keys::{KeyRecord, Keyring, Kind, Scope};
use crate::token::Preview;

/// What stands in `Authorization`, as `TD1 <key>` or `Bearer <key>`.
pub(super) fn presented<'a>(request: &'a Request<'_>) -> Option<&'a str> {
    let (scheme, key) = request.header("authorization")?.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("TD1") || scheme.eq_ignore_ascii_case("Bearer")).then(|| key.trim())
}

/// The record of a key of one of these kinds; unknown and wrong take the same path.
pub(super) fn key<'k>(keyring: &'k Keyring, request: &Request<'_>, kinds: &[Kind]) -> Result<&'k KeyRecord> {
    let record = keyring.find(presented(request).unwrap_or("")).ok_or(Refusal::KEY_INVALID)?;
    if record.kind == Kind::Token {
        return Err(Refusal::KEY_INVALID.into());
    }
    if kinds.contains(&record.kind) { Ok(record) } else { Err(Refusal::SCOPE.into()) }
}

/// A key whose route is the server's: no page may call it.
pub(super) fn server<'k>(
    keyring: &'k Keyring,
    request: &Request<'_>,
    kind: Kind,
    scope: Option<Scope>,
    audience: Option<&str>,
) -> Result<&'k KeyRecord> {
    let record = key(keyring, request, &[kind])?;
    if request.header("origin").is_some() {
        return Err(Refused::because(Refusal::ORIGIN_INVALID, "a server key is not for browsers"));
    }
    let allowed = scope.is_none_or(|scope| record.may(scope)) && audience.is_none_or(|id| record.covers(id));
    if allowed { Ok(record) } else { Err(Refusal::SCOPE.into()) }
}

/// The record of the `WP13n-Token` of a public or private call that presents this key.
pub(super) fn token<'k>(
    keyring: &'k Keyring,
    request: &Request<'_>,
    key: &KeyRecord,
    public: bool,
) -> Result<&'k KeyRecord> {
    let token =
        request.header("wp13n-token").filter(|token| !token.is_empty()).ok_or(Refusal::TOKEN_MISSING)?;
    if !well_formed(token) {
        return Err(Refusal::TOKEN_FORMAT.into());
    }
    let record =
        keyring.find(token).filter(|record| record.kind == Kind::Token).ok_or(Refusal::TOKEN_UNKNOWN)?;
    if record.account != key.account {
        return Err(Refusal::TOKEN_ACCOUNT.into());
    }
    if record.audience.as_deref().is_some_and(|audience| !key.covers(audience)) {
        return Err(Refusal::SCOPE.into());
    }
    match (record.public, public) {
        (true, false) => Err(Refusal::TOKEN_PUBLIC.into()),
        (false, true) => Err(Refusal::TOKEN_PRIVATE.into()),
        _ => Ok(record),
    }
}

/// Which personalizations a call may ask for: those that its key and its token both allow; None: all.
pub(super) fn personalizations(key: &KeyRecord, token: Option<&KeyRecord>) -> Option<Vec<String>> {
    let of_token = token.and_then(|token| token.personalizations.as_deref());
    match (key.personalizations.as_deref(), of_token) {
        (None, None) => None,
        (Some(names), None) | (None, Some(names)) => Some(names.to_vec()),
        (Some(names), Some(others)) => {
            Some(names.iter().filter(|name| others.contains(name)).cloned().collect())
        }
    }
}

/// The page that calls, if this key or token is for it. Without an Origin it is no page.
pub(super) fn page<'r>(record: &KeyRecord, request: &'r Request<'_>) -> Result<Option<&'r str>> {
    match request.header("origin") {
        None => Ok(None),
        Some(origin) if record.allows_origin(origin) => Ok(Some(origin)),
        Some(_) => Err(Refusal::ORIGIN_INVALID.into()),
    }
}

/// The claims of a preview token.
pub(super) fn preview(keyring: &Keyring, request: &Request<'_>) -> Option<Preview> {
    Preview::verify(presented(request)?, &keyring.signer, request.ambient.now_ms)
}

/// `{account}/{instance}/{32 hexadecimal digits}`
fn well_formed(token: &str) -> bool {
    let mut parts = token.split('/');
    let mut part = || parts.next().unwrap_or("");
    let (account, instance, secret) = (part(), part(), part());
    let word = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    };
    word(account)
        && word(instance)
        && secret.len() == 32
        && secret.bytes().all(|byte| byte.is_ascii_hexdigit())
        && parts.next().is_none()
}
