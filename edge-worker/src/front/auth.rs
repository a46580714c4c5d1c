//! Callers: checks the key, token and preview token of a request's head, cheapest check first.

use std::borrow::Cow;

use usher_engine::gather::Gather;
use usher_engine::{Access, Plan};

use crate::error::{Refusal, Refused, Result};
use crate::host::Head;
use crate::keys::{KeyRecord, Keyring, Kind, Preview, Scope};
use crate::message::Payer;
use crate::wire::query;

/// The callers that a route admits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Callers {
    /// Any caller.
    Anyone,
    /// A page, with a write key and a public token.
    PublicToken,
    /// A server, with a write or server key and a private token.
    PrivateToken,
    /// A write key, also from an allowed page; or a server key.
    Ingest,
    /// A write key, in the query or the header, also from an allowed page.
    Mixed,
    /// A server key with `personalize`; or a page, with a write key and a public token.
    Lookup,
    /// A page, with a public token in the query and no key.
    Segments,
    /// A server key with `explain`; or a page, with a preview token.
    Explain,
    /// An admin key, from no page.
    Admin,
    /// A server key with this scope, from no page.
    Server(Scope),
    /// An admin key, or a server key with `metrics`, from no page.
    Operator,
}

impl Callers {
    /// True if pages may call.
    pub(super) fn include_pages(self) -> bool {
        matches!(
            self,
            Callers::PublicToken
                | Callers::Ingest
                | Callers::Mixed
                | Callers::Lookup
                | Callers::Segments
                | Callers::Explain
        )
    }

    /// True if public keys, or tokens for pages, may call.
    pub(super) fn include_public_keys(self) -> bool {
        self == Callers::PrivateToken || self.include_pages()
    }
}

/// The rights of an authorized caller.
#[derive(Debug, Default)]
pub(super) struct Caller<'a> {
    /// The origin of the calling page, which may read the answer.
    pub(super) origin: Option<&'a str>,
    /// The only audience that it may ask; None: all.
    pub(super) audience: Option<Cow<'a, str>>,
    /// True if a token names the audience.
    pub(super) has_token: bool,
    /// The personalizations that its key and its token allow, each by name or id; None: all.
    allowed: [Option<&'a [String]>; 2],
    /// True if a token names its personalizations: they are asked whether or not they are triggered.
    pub(super) token_names_personalizations: bool,
    /// True for a server key: it is evidence for the keys of its events.
    pub(super) is_server: bool,
    /// The rate of the server key, if it has one.
    pub(super) own_rate: Option<Payer<'static>>,
    /// The access to sensitive values.
    pub(super) access: Access,
}

impl<'a> Caller<'a> {
    fn new(key: &'a KeyRecord, token: Option<&'a KeyRecord>, origin: Option<&'a str>) -> Caller<'a> {
        let of_token = token.and_then(|token| token.audience.as_deref());
        let is_server = key.kind == Kind::Server;
        Caller {
            origin,
            audience: of_token.or(key.audience.as_deref()).map(Cow::Borrowed),
            has_token: token.is_some(),
            allowed: [Some(key), token].map(|record| record?.personalizations.as_deref()),
            token_names_personalizations: token.is_some_and(|token| token.personalizations.is_some()),
            is_server,
            own_rate: key.own_rate().map(|(id, events)| Payer::Key { id, events }),
            access: Access { server_route: is_server, sensitive_scope: key.may(Scope::Sensitive) },
        }
    }

    /// True if the caller may ask about this audience.
    pub(super) fn covers(&self, audience: &str) -> bool {
        self.audience.as_deref().is_none_or(|own| own == audience)
    }

    /// True if the caller may ask the personalization of this name or id.
    pub(super) fn may_ask(&self, plan: &Plan, personalization: &str) -> bool {
        self.allowed.iter().flatten().all(|allowed| allows(plan, allowed, personalization))
    }

    /// The personalizations that key and token both allow, by name or id; None: all.
    pub(super) fn personalizations(&self, plan: &Plan) -> Option<Vec<String>> {
        let named = self.allowed.iter().flatten().next()?;
        Some(named.iter().filter(|named| self.may_ask(plan, named)).cloned().gather())
    }
}

/// Checks that a request comes from one of these callers. `audience` is the one in the route's path.
pub(super) fn authorize<'a>(
    callers: Callers,
    keyring: &'a Keyring,
    head: &Head<'a>,
    audience: Option<&str>,
) -> Result<Caller<'a>> {
    match callers {
        Callers::Anyone => Ok(Caller::default()),
        Callers::PublicToken => {
            let key = key(keyring, head, &[Kind::Write])?;
            let token = token(keyring, head.header(TOKEN), key, true)?;
            let origin = page(token, head)?.ok_or(Refusal::ORIGIN_INVALID)?;
            Ok(Caller::new(key, Some(token), Some(origin)))
        }
        Callers::PrivateToken => {
            let key = key(keyring, head, &[Kind::Write, Kind::Server])?;
            if head.header("origin").is_some() {
                return Err(Refusal::ORIGIN_INVALID.into());
            }
            let token = token(keyring, head.header(TOKEN), key, false)?;
            let mut caller = Caller::new(key, Some(token), None);
            caller.access.server_route = true;
            Ok(caller)
        }
        Callers::Ingest => {
            let key = key(keyring, head, &[Kind::Write, Kind::Server])?;
            if key.kind != Kind::Server {
                return Ok(Caller::new(key, None, page(key, head)?));
            }
            // A server key in a page is a leak, so it is refused.
            if head.header("origin").is_some() {
                return Err(Refusal::ORIGIN_INVALID.into());
            }
            Ok(Caller::new(key, None, None))
        }
        Callers::Mixed => {
            let key = write_key(keyring, head)?;
            Ok(Caller::new(key, None, page(key, head)?))
        }
        Callers::Lookup => lookup(keyring, head),
        Callers::Segments => {
            let sent = query::secret(head.target, "token");
            let token = of_type(known_token(keyring, sent.as_deref())?, true)?;
            // A browser names the page's origin in a `GET` only to another one.
            Ok(Caller::new(token, Some(token), page(token, head)?))
        }
        Callers::Explain => explain(keyring, head),
        Callers::Admin => Ok(Caller::new(server(keyring, head, Kind::Admin, None, audience)?, None, None)),
        Callers::Operator => {
            let record = key(keyring, head, &[Kind::Admin, Kind::Server])?;
            let scope = (record.kind == Kind::Server).then_some(Scope::Metrics);
            for_server(record, head, scope, audience)?;
            Ok(Caller::new(record, None, None))
        }
        Callers::Server(scope) => {
            Ok(Caller::new(server(keyring, head, Kind::Server, Some(scope), audience)?, None, None))
        }
    }
}

/// The write key of the query or the header. Any other key in a query is a leak.
fn write_key<'k>(keyring: &'k Keyring, head: &Head<'_>) -> Result<&'k KeyRecord> {
    match query::secret(head.target, "key") {
        Some(key) => of_kind(keyring, &key, &[Kind::Write]),
        None => key(keyring, head, &[Kind::Write]),
    }
}

/// The caller of a body that names a public token beside the write key of its head.
pub(super) fn with_token<'a>(keyring: &'a Keyring, head: &Head<'a>, sent: &str) -> Result<Caller<'a>> {
    let key = write_key(keyring, head)?;
    let token = token(keyring, Some(sent), key, true)?;
    let origin = page(token, head)?.ok_or(Refusal::ORIGIN_INVALID)?;
    Ok(Caller::new(key, Some(token), Some(origin)))
}

fn lookup<'a>(keyring: &'a Keyring, head: &Head<'a>) -> Result<Caller<'a>> {
    let key = key(keyring, head, &[Kind::Write, Kind::Server])?;
    let (origin, token) = if let Some(sent) = head.header(TOKEN) {
        // Write keys are public: with one, only a public token from an allowed page may look up.
        let public = key.kind == Kind::Write;
        let token = token(keyring, Some(sent), key, public)?;
        let origin = if public { page(token, head)? } else { None };
        if public && origin.is_none() {
            return Err(Refusal::ORIGIN_INVALID.into());
        }
        (origin, Some(token))
    } else {
        (None, None)
    };
    if key.kind == Kind::Server {
        for_server(key, head, Some(Scope::Personalize), None)?;
    } else if token.is_none() {
        return Err(Refusal::TOKEN_MISSING.into());
    }
    Ok(Caller::new(key, token, origin))
}

fn explain<'a>(keyring: &'a Keyring, head: &Head<'a>) -> Result<Caller<'a>> {
    let Some(preview) = preview(keyring, head) else {
        let key = server(keyring, head, Kind::Server, Some(Scope::Explain), None)?;
        let mut caller = Caller::new(key, None, None);
        caller.access.sensitive_scope = false;
        return Ok(caller);
    };
    let origin = head.header("origin");
    if origin.is_some_and(|origin| !keyring.knows_origin(origin)) {
        return Err(Refusal::ORIGIN_INVALID.into());
    }
    // It is used in a page: it may look up only as a page, and sees no sensitive values.
    Ok(Caller { origin, audience: Some(Cow::Owned(preview.audience)), ..Caller::default() })
}

/// The header with a token.
const TOKEN: &str = "wp13n-token";

/// The key in `Authorization`, as `TD1 <key>` or `Bearer <key>`.
fn presented<'a>(head: &Head<'a>) -> Option<&'a str> {
    let (scheme, key) = head.header("authorization")?.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("TD1") || scheme.eq_ignore_ascii_case("Bearer")).then(|| key.trim())
}

/// The record of a key of one of these kinds; unknown and wrong keys take the same time.
fn key<'k>(keyring: &'k Keyring, head: &Head<'_>, kinds: &[Kind]) -> Result<&'k KeyRecord> {
    of_kind(keyring, presented(head).unwrap_or(""), kinds)
}

fn of_kind<'k>(keyring: &'k Keyring, key: &str, kinds: &[Kind]) -> Result<&'k KeyRecord> {
    let record = keyring.find(key, kinds).ok_or(Refusal::KEY_INVALID)?;
    if record.kind == Kind::Token {
        return Err(Refusal::KEY_INVALID.into());
    }
    if kinds.contains(&record.kind) { Ok(record) } else { Err(Refusal::SCOPE.into()) }
}

/// A key for a server's route, which no page may call.
fn server<'k>(
    keyring: &'k Keyring,
    head: &Head<'_>,
    kind: Kind,
    scope: Option<Scope>,
    audience: Option<&str>,
) -> Result<&'k KeyRecord> {
    let record = key(keyring, head, &[kind])?;
    for_server(record, head, scope, audience)?;
    Ok(record)
}

/// Checks that a known key is used on a server's route, and may be.
fn for_server(
    record: &KeyRecord,
    head: &Head<'_>,
    scope: Option<Scope>,
    audience: Option<&str>,
) -> Result<()> {
    if head.header("origin").is_some() {
        return Err(Refused::with_detail(Refusal::ORIGIN_INVALID, "a server key is not for browsers"));
    }
    let allowed = scope.is_none_or(|scope| record.may(scope)) && audience.is_none_or(|id| record.covers(id));
    if allowed { Ok(()) } else { Err(Refusal::SCOPE.into()) }
}

/// The record of the token of a public or private call that presents this key.
fn token<'k>(
    keyring: &'k Keyring,
    sent: Option<&str>,
    key: &KeyRecord,
    public: bool,
) -> Result<&'k KeyRecord> {
    let record = known_token(keyring, sent)?;
    if record.account != key.account {
        return Err(Refusal::TOKEN_ACCOUNT.into());
    }
    if record.audience.as_deref().is_some_and(|audience| !key.covers(audience)) {
        return Err(Refusal::SCOPE.into());
    }
    of_type(record, public)
}

/// The record of a token.
fn known_token<'k>(keyring: &'k Keyring, token: Option<&str>) -> Result<&'k KeyRecord> {
    let token = token.filter(|token| !token.is_empty()).ok_or(Refusal::TOKEN_MISSING)?;
    if !well_formed(token) {
        return Err(Refusal::TOKEN_FORMAT.into());
    }
    let record = keyring.find(token, &[Kind::Token]).filter(|record| record.kind == Kind::Token);
    record.ok_or_else(|| Refusal::TOKEN_UNKNOWN.into())
}

/// The token's record, if it is for pages or for servers as the call needs it.
fn of_type(record: &KeyRecord, public: bool) -> Result<&KeyRecord> {
    match (record.public, public) {
        (true, false) => Err(Refusal::TOKEN_PUBLIC.into()),
        (false, true) => Err(Refusal::TOKEN_PRIVATE.into()),
        _ => Ok(record),
    }
}

/// True if a list of personalizations, by name or id, has this one.
fn allows(plan: &Plan, allowed: &[String], personalization: &str) -> bool {
    let index = plan.personalization(personalization);
    // What does not run yet is known by its text alone.
    let is = |known: &String| {
        *known == personalization || (index.is_some() && plan.personalization(known) == index)
    };
    allowed.iter().any(is)
}

/// The origin of the calling page, if this key or token allows it. A call without Origin does not come from a page.
fn page<'r>(record: &KeyRecord, head: &Head<'r>) -> Result<Option<&'r str>> {
    match head.header("origin") {
        None => Ok(None),
        Some(origin) if record.allows_origin(origin) => Ok(Some(origin)),
        Some(_) => Err(Refusal::ORIGIN_INVALID.into()),
    }
}

/// The claims of a preview token.
fn preview(keyring: &Keyring, head: &Head<'_>) -> Option<Preview> {
    Preview::verify(presented(head)?, &keyring.signer, head.ambient.now_ms)
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
