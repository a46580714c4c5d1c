//! Talking to an edge: one request, one answer, and what a refusal means for the person at the terminal.

use std::env;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use ureq::http::Uri;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Proxy};

use crate::exit::Failure;
use crate::files;
use crate::terminal::note;

/// The time that one request may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The pause before each further try.
const PAUSES: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(3)];
/// The bytes of an answer that are read at most; answers to these verbs are small.
const ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The environment variable with a file of certificates that are trusted instead of the public authorities.
const AUTHORITIES: &str = "USHER_CA";

/// An edge, and the key to present there.
pub(crate) struct Client {
    agent: Agent,
    base: String,
    authorization: String,
    /// The place of the key, for messages about its refusal.
    key_name: String,
}

impl Client {
    /// `base` is where the edge answers, such as `https://edge.example`.
    pub(crate) fn new(base: &str, key: &str, key_name: &str) -> Result<Client, Failure> {
        let uri: Option<Uri> = base.parse().ok();
        let known = |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
        let Some(uri) = uri.filter(known) else {
            return Err(Failure::usage(format!("`{base}` is not the address of an edge"))
                .help("write it with its scheme, such as https://edge.example"));
        };
        let near = matches!(uri.host(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if uri.scheme_str() == Some("http") && !near {
            note("warning: over http:// the key can be read on its way; use https://");
        }
        if key.bytes().any(|byte| !byte.is_ascii_graphic()) {
            return Err(Failure::usage(format!("{key_name} holds blanks or characters that no key has")));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // A redirect would carry the key to somebody else.
            .max_redirects(0)
            .max_redirects_will_error(false)
            // What runs on this machine is not to be found through a proxy.
            .proxy(if near { None } else { Proxy::try_from_env() })
            .timeout_global(Some(TIMEOUT))
            .tls_config(TlsConfig::builder().root_certs(authorities()?).build())
            .build();
        Ok(Client {
            agent: config.into(),
            base: base.trim_end_matches('/').to_owned(),
            authorization: format!("TD1 {key}"),
            key_name: key_name.to_owned(),
        })
    }

    /// The bundle that an audience runs; None when it runs none.
    pub(crate) fn bundle(&self, audience: &str) -> Result<Option<Published>, Failure> {
        self.published(&format!("/v1/audiences/{audience}/bundle"))
    }

    /// One that an audience ran and that is kept: `previous`, a number or a hash. None when there is no such one.
    pub(crate) fn kept(&self, audience: &str, which: &str) -> Result<Option<Published>, Failure> {
        self.published(&format!("/v1/audiences/{audience}/bundles/{which}"))
    }

    /// The bundle that the control object names for an audience; None when nothing was published. The place that answers
    /// may still run an earlier one: [`Client::bundle`] says which.
    pub(crate) fn pointed(&self, audience: &str) -> Result<Option<Pointed>, Failure> {
        let Some(response) = self.found(&format!("/v1/audiences/{audience}/bundles"))? else {
            return Ok(None);
        };
        let listed = self.answer(Ok(response)).map_err(Refused::into_failure)?;
        let running = listed.get("bundles").and_then(|bundles| bundles.get(0));
        let number = running.and_then(|running| running.get("number")).and_then(Value::as_u64);
        let hash = running.and_then(|running| running.get("hash")).and_then(Value::as_str);
        let (Some(number), Some(hash)) = (number, hash) else { return Err(self.not_an_edge()) };
        let (number, hash) = (number.to_string(), hash.to_owned());
        // A body that is lost, or that no place can run, keeps nobody from replacing it.
        let kept = if hash.is_empty() { None } else { self.kept(audience, &hash)? };
        let body = kept.map(|kept| kept.body).unwrap_or_default();
        let here = listed.get("status").and_then(Value::as_str) == Some("ok");
        Ok(Some(Pointed { bundle: Published { hash, number, body }, here }))
    }

    /// An answer that is not 404.
    fn found(&self, path: &str) -> Result<Option<ureq::http::Response<ureq::Body>>, Failure> {
        let url = format!("{}{path}", self.base);
        let sent = self.agent.get(url).header("authorization", &self.authorization).call();
        let response = sent.map_err(|error| self.unreachable(error).failure)?;
        Ok(Some(response).filter(|response| response.status().as_u16() != 404))
    }

    fn published(&self, path: &str) -> Result<Option<Published>, Failure> {
        let Some(mut response) = self.found(path)? else { return Ok(None) };
        if !response.status().is_success() {
            return self
                .answer(Ok(response))
                .map_err(Refused::into_failure)
                .and_then(|_| Err(self.not_an_edge()));
        }
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let hash = header("etag").map(|tag| tag.trim_start_matches("W/").trim_matches('"').to_owned());
        let number = header("usher-bundle").map(str::to_owned);
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let body = body.map_err(|error| self.unreachable(error).failure)?;
        match (hash, number) {
            (Some(hash), Some(number)) => Ok(Some(Published { hash, number, body })),
            _ => Err(self.not_an_edge()),
        }
    }

    /// The failure where the answer is not an edge's.
    pub(crate) fn not_an_edge(&self) -> Failure {
        Failure::new(format!("`{}` does not answer as an edge does", self.base))
    }

    fn unreachable(&self, error: ureq::Error) -> Refused {
        let failure = Failure::new(format!("cannot talk to `{}`: {error}", self.base))
            .help("is the address right, and is the edge running?");
        Refused { passing: true, failure }
    }

    /// `PUT`, once, if the bundle with this hash runs, or none where none is given.
    pub(crate) fn put(&self, path: &str, running: Option<&str>, body: &[u8]) -> Result<Value, Failure> {
        let request = self
            .agent
            .put(format!("{}{path}", self.base))
            .header("authorization", &self.authorization)
            .content_type("application/json");
        let (name, value) = condition(running);
        self.answer(request.header(name, value).send(body)).map_err(Refused::into_failure)
    }

    /// `DELETE`, once, if the bundle with this hash runs.
    pub(crate) fn delete(&self, path: &str, running: &str) -> Result<Value, Failure> {
        let (name, value) = condition(Some(running));
        let request = self
            .agent
            .delete(format!("{}{path}", self.base))
            .header("authorization", &self.authorization)
            .header(name, value);
        self.answer(request.call()).map_err(Refused::into_failure)
    }

    /// `DELETE`, once, whatever runs.
    pub(crate) fn remove(&self, path: &str) -> Result<Value, Failure> {
        let request =
            self.agent.delete(format!("{}{path}", self.base)).header("authorization", &self.authorization);
        self.answer(request.call()).map_err(Refused::into_failure)
    }

    /// The same; None for 404.
    pub(crate) fn remove_any(&self, path: &str) -> Result<Option<Value>, Failure> {
        let url = format!("{}{path}", self.base);
        let sent = self.agent.delete(url).header("authorization", &self.authorization).call();
        let response = sent.map_err(|error| self.unreachable(error).failure)?;
        let found = Some(response).filter(|response| response.status().as_u16() != 404);
        found.map(|response| self.answer(Ok(response)).map_err(Refused::into_failure)).transpose()
    }

    /// The JSON body of a `GET`; None for 404.
    pub(crate) fn get_any(&self, path: &str) -> Result<Option<Value>, Failure> {
        let found = self.found(path)?;
        found.map(|response| self.answer(Ok(response)).map_err(Refused::into_failure)).transpose()
    }

    /// The JSON body of a `GET`.
    pub(crate) fn get(&self, path: &str) -> Result<Value, Failure> {
        let request =
            self.agent.get(format!("{}{path}", self.base)).header("authorization", &self.authorization);
        self.answer(request.call()).map_err(Refused::into_failure)
    }

    /// `POST` of JSON, once, if the bundle with this hash runs, or none where none is given.
    pub(crate) fn post_if(&self, path: &str, running: Option<&str>, body: &[u8]) -> Result<Value, Failure> {
        let (name, value) = condition(running);
        let request = self
            .agent
            .post(format!("{}{path}", self.base))
            .header("authorization", &self.authorization)
            .header(name, value)
            .content_type("application/json");
        self.answer(request.send(body)).map_err(Refused::into_failure)
    }

    /// Any call, once: true if it was done, and the answer as it came.
    pub(crate) fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<&[u8]>,
    ) -> Result<(bool, String), Failure> {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("authorization", &self.authorization)
            .header("content-type", "application/json");
        let malformed = |_| Failure::usage("the path is not one of an address");
        let sent = match body {
            Some(body) => self.agent.run(request.body(body).map_err(malformed)?),
            None => self.agent.run(request.body(()).map_err(malformed)?),
        };
        let mut response = sent.map_err(|error| self.unreachable(error).failure)?;
        let text = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let text = text.map_err(|error| self.unreachable(error).failure)?;
        Ok((response.status().is_success(), String::from_utf8_lossy(&text).into_owned()))
    }

    /// `POST`, once.
    pub(crate) fn post(&self, path: &str, content_type: &str, body: &[u8]) -> Result<Value, Failure> {
        self.send_once("POST", path, content_type, body).map_err(Refused::into_failure)
    }

    /// `POST` or `PUT` of what may arrive twice without harm: tries again when the edge is busy or away.
    pub(crate) fn send_again(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: &[u8],
    ) -> Result<Value, Failure> {
        let send = || self.send_once(method, path, content_type, body);
        for pause in PAUSES {
            match send() {
                Err(Refused { passing: true, .. }) => thread::sleep(pause),
                result => return result.map_err(Refused::into_failure),
            }
        }
        send().map_err(Refused::into_failure)
    }

    fn send_once(&self, method: &str, path: &str, content_type: &str, body: &[u8]) -> Result<Value, Refused> {
        let url = format!("{}{path}", self.base);
        let request = if method == "PUT" { self.agent.put(url) } else { self.agent.post(url) };
        let request = request.header("authorization", &self.authorization).content_type(content_type);
        self.answer(request.send(body))
    }

    fn answer(
        &self,
        result: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Value, Refused> {
        let base = &self.base;
        let unreachable = |error: ureq::Error| self.unreachable(error);
        let mut response = result.map_err(unreachable)?;
        let status = response.status();
        let text =
            response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec().map_err(unreachable)?;
        let body = serde_json::from_slice(&text).unwrap_or(Value::Null);
        if status.is_success() && !body.is_null() {
            return Ok(body);
        }
        let said = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        // The control API tells every fault.
        let faults = body.get("errors").and_then(Value::as_array).map(|faults| {
            let texts = faults.iter().filter_map(|fault| fault.get("detail")?.as_str());
            texts.collect::<Vec<_>>().join("; ")
        });
        let title = said("title").or_else(|| said("message")).or(faults);
        let title = title.unwrap_or_else(|| "the answer is not an edge's".to_owned());
        let failure = Failure::new(format!("`{base}` answers {}: {title}", status.as_u16()));
        let failure = if status.as_u16() == 403 { failure.forbidden() } else { failure };
        let help = match (status.as_u16(), said("detail")) {
            (_, Some(detail)) => Some(detail),
            (401 | 403, _) => {
                Some(format!("look at {}: is it this edge's, and may it do this?", self.key_name))
            }
            (404, _) => Some(
                "was a definition of this audience pushed to this edge, and are the names right?".to_owned(),
            ),
            (503, _) => {
                Some("the edge's log says why; its keys may be missing or its storage away".to_owned())
            }
            _ => None,
        };
        let failure = match help {
            Some(help) => failure.help(help),
            None => failure,
        };
        Err(Refused { passing: matches!(status.as_u16(), 429 | 502 | 503 | 504), failure })
    }
}

/// Those by whom an edge's certificate has to be issued.
fn authorities() -> Result<RootCerts, Failure> {
    let Some(file) = env::var_os(AUTHORITIES).filter(|file| !file.is_empty()) else {
        return Ok(RootCerts::WebPki);
    };
    let path = Path::new(&file);
    let text = fs::read(path).map_err(|error| files::unread(path, &error).at(AUTHORITIES))?;
    let found: Vec<Certificate<'static>> = CertificateDer::pem_slice_iter(&text)
        .filter_map(Result::ok)
        .map(|certificate| Certificate::from_der(&certificate).to_owned())
        .collect();
    if found.is_empty() {
        return Err(Failure::usage(format!(
            "{AUTHORITIES}: there is no certificate in `{}`",
            path.display()
        ))
        .help("the file is PEM text, such as the `local.pem` of `usher serve --local-tls`"));
    }
    Ok(RootCerts::Specific(Arc::new(found)))
}

/// The header that lets a change happen only if the bundle with this hash runs, or none.
fn condition(running: Option<&str>) -> (&'static str, String) {
    match running {
        Some(hash) => ("if-match", format!("\"{hash}\"")),
        None => ("if-none-match", "*".to_owned()),
    }
}

/// A bundle as an edge has it.
pub(crate) struct Published {
    /// Empty: the audience was unpublished, and runs nothing.
    pub(crate) hash: String,
    /// Counts the bundles of the audience, from 1.
    pub(crate) number: String,
    pub(crate) body: Vec<u8>,
}

impl Published {
    /// The hash of a bundle that runs; None when the audience was unpublished.
    pub(crate) fn running(&self) -> Option<&str> {
        Some(self.hash.as_str()).filter(|hash| !hash.is_empty())
    }
}

/// The bundle that should run.
pub(crate) struct Pointed {
    /// Its body is empty when it cannot be had.
    pub(crate) bundle: Published,
    /// True if the place that was asked runs it.
    pub(crate) here: bool,
}

/// Why there is no answer.
struct Refused {
    /// True if a second try may succeed.
    passing: bool,
    failure: Failure,
}

impl Refused {
    fn into_failure(self) -> Failure {
        self.failure
    }
}
