//! Bundles: what an edge runs, and the last good one that it keeps running when the next does not compile.

use sha2::{Digest, Sha256};
use usher_engine::Plan;
use usher_engine::definition::{Definition, Example};
use usher_engine::diagnostic::Code;
use usher_engine::limits::{EXAMPLE_STEPS_MAX, EXAMPLES_MAX, EXAMPLES_STEPS_MAX};
use usher_engine::value::{Fields, ToValue, Unfit};

use crate::by_name::ByName;
use crate::error::Refusal;
use crate::keys::Keyring;
use crate::limits::BUNDLE_BYTES_MAX;
use crate::rehearsal::{self, Rehearsal};
use crate::store::Pointer;
use crate::token::hex;
use crate::wire::json::Json;
use crate::wire::{Response, read};

/// The version of the bundle's own shape that is written.
const FORMAT: i64 = 2;
/// The one before it, which has no examples.
const FORMAT_WITHOUT_EXAMPLES: i64 = 1;

/// What a process or isolate knows: its keys, and the bundle that each audience runs.
pub struct Edge {
    pub(crate) keyring: Result<Keyring, String>,
    pub(crate) audiences: ByName<Running>,
    /// Why some audience does not run what it should.
    degraded: ByName<String>,
    pub(crate) shards: u32,
}

/// A bundle that runs.
pub(crate) struct Running {
    pub(crate) number: u64,
    pub(crate) hash: String,
    pub(crate) plan: Plan,
    pub(crate) body: Vec<u8>,
}

/// What installing a bundle did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Installed {
    /// It runs now.
    New,
    /// It ran already, or a later one does.
    Same,
}

/// A bundle as it is sent and stored: `{"format": 2, "definition": {…}, "examples": […]}`, one audience's definition and the
/// examples that it is held to before it runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bundle {
    /// What runs.
    pub definition: Definition,
    /// What must come of it.
    pub examples: Vec<Example>,
}

impl Bundle {
    /// Reads a bundle; `Err` says in one sentence why it is none. Whether its examples are more than an edge plays is asked
    /// when it is published.
    pub fn read(body: &[u8]) -> Result<Bundle, String> {
        with_fields(body, |format, fields| {
            let definition = fields.required("definition").map_err(unfit)?;
            let examples: Vec<Example> = fields.or("examples", Vec::new()).map_err(unfit)?;
            if format == FORMAT_WITHOUT_EXAMPLES && !examples.is_empty() {
                return Err(format!("not a bundle: format {format} has no examples"));
            }
            Ok(Bundle { definition, examples })
        })
    }

    /// Writes it, as `push` sends it; `Err` says in one sentence why it cannot be sent.
    pub fn write(&self) -> Result<Vec<u8>, String> {
        let mut json = Json::new();
        json.object(|o| {
            o.field("format").number(FORMAT);
            o.field("definition").value(&self.definition.to_value());
            if !self.examples.is_empty() {
                o.field("examples").value(&self.examples.to_value());
            }
        });
        let body = json.into_bytes();
        if body.len() > BUNDLE_BYTES_MAX {
            return Err(format!("the bundle is over {BUNDLE_BYTES_MAX} bytes"));
        }
        Ok(body)
    }

    /// Whether a body may become the audience's next bundle: it compiles, is of this audience, and its examples come out as
    /// they say. `Err` says in one sentence why not.
    pub(crate) fn check(body: &[u8], audience: &str) -> Result<(), String> {
        let Bundle { definition, examples } = Bundle::read(body)?;
        if !rehearsal::are_bounded(&examples) {
            return Err(format!(
                "the bundle has more examples than {EXAMPLES_MAX}, or longer ones than {EXAMPLE_STEPS_MAX} events and \
                 records each and {EXAMPLES_STEPS_MAX} together"
            ));
        }
        let rehearsal = Rehearsal::new(compile(definition, audience)?);
        if let Some(excess) = rehearsal.excess(&examples) {
            return Err(excess.to_string());
        }
        match examples.iter().position(|example| rehearsal.failure(example).is_some()) {
            Some(index) => {
                Err(format!("{} at examples[{index}]; `usher validate` says more", Code::FailedExample))
            }
            None => Ok(()),
        }
    }

    /// What a body that was published runs, compiled; `Err` says in one sentence why it does not run here.
    ///
    /// Its examples were played then and are not looked at again: what they hold, or how many an edge plays today, is no
    /// reason to run something else.
    pub(crate) fn plan(body: &[u8], audience: &str) -> Result<Plan, String> {
        compile(definition_of(body)?, audience)
    }
}

/// Reads a body as far as the version of its shape.
fn with_fields<T>(body: &[u8], read: impl FnOnce(i64, Fields<'_>) -> Result<T, String>) -> Result<T, String> {
    if body.len() > BUNDLE_BYTES_MAX {
        return Err(format!("the bundle is over {BUNDLE_BYTES_MAX} bytes"));
    }
    let value = read::document(body).map_err(|_| "not a bundle: it is no JSON".to_owned())?;
    let fields = Fields::of(&value, &["format", "definition", "examples"]).map_err(unfit)?;
    // First, because it says how the rest is to be read.
    let format: i64 = fields.required("format").map_err(unfit)?;
    if ![FORMAT_WITHOUT_EXAMPLES, FORMAT].contains(&format) {
        return Err(format!(
            "the bundle's format is {format}, this build reads {FORMAT_WITHOUT_EXAMPLES} and {FORMAT}"
        ));
    }
    read(format, fields)
}

fn unfit(unfit: Unfit) -> String {
    format!("not a bundle: {unfit}")
}

fn compile(definition: Definition, audience: &str) -> Result<Plan, String> {
    let plan = Plan::compile_owned(definition).map_err(|findings| {
        // Where, and which rule: an answer does not repeat what was sent.
        let errors: Vec<String> =
            findings.iter().map(|finding| format!("{} at {}", finding.code, finding.path)).collect();
        format!("{}; `usher validate` says more", errors.join("; "))
    })?;
    if plan.definition().audience.id != audience {
        return Err("the definition is of another audience than the route".to_owned());
    }
    Ok(plan)
}

/// The bundle of a definition without examples.
pub fn bundle_of(definition: &Definition) -> Result<Vec<u8>, String> {
    Bundle { definition: definition.clone(), examples: Vec::new() }.write()
}

/// The definition that a bundle holds; `Err` says in one sentence why there is none.
pub fn definition_of(bundle: &[u8]) -> Result<Definition, String> {
    with_fields(bundle, |_, fields| fields.required("definition").map_err(unfit))
}

/// A body's name: SHA-256 in hexadecimal digits.
pub(crate) fn hash_of(body: &[u8]) -> String {
    hex(&Sha256::digest(body))
}

impl Edge {
    /// An edge that runs nothing yet. `secret` is `USHER_KEYS`; an unusable one lets every route but `/healthz` answer
    /// 503, and [`Edge::complaint`] says why.
    pub fn new(secret: Option<&str>, demo: bool) -> Edge {
        Edge {
            keyring: Keyring::read(secret, demo),
            audiences: ByName::default(),
            degraded: ByName::default(),
            shards: 1,
        }
    }

    /// An edge without keys that runs one plan, as bundle 1.
    pub(crate) fn of_plan(plan: Plan) -> Edge {
        let mut edge = Edge::new(None, false);
        let audience = plan.definition().audience.id.clone();
        let running = Running { number: 1, hash: String::new(), plan, body: Vec::new() };
        edge.audiences.insert(audience, running);
        edge
    }

    /// What is wrong with the keys, for the operator's log.
    pub fn complaint(&self) -> Option<&str> {
        self.keyring.as_ref().err().map(String::as_str)
    }

    /// Those of the control object's pointers whose bundles do not run here. A bundle that runs and was published again
    /// only takes its new number: profiles and fronts know it by that.
    pub fn behind(&mut self, mut pointers: Vec<Pointer>) -> Vec<Pointer> {
        pointers.retain(|pointer| match self.audiences.get_mut(&pointer.audience) {
            Some(running) if running.hash == pointer.hash => {
                running.number = running.number.max(pointer.number);
                self.degraded.remove(&pointer.audience);
                false
            }
            // A pointer that was read before a later one took effect is old news.
            Some(running) => running.number < pointer.number,
            None => true,
        });
        pointers
    }

    /// Runs a bundle, if its bytes are what the pointer names and compile; otherwise the last good one keeps running,
    /// `/healthz` says `degraded`, and the error is for the log.
    pub fn install(&mut self, pointer: &Pointer, body: Vec<u8>) -> Result<Installed, String> {
        if let Some(running) = self.audiences.get_mut(&pointer.audience)
            && running.hash == pointer.hash
        {
            running.number = running.number.max(pointer.number);
            self.degraded.remove(&pointer.audience);
            return Ok(Installed::Same);
        }
        // Its body took longer to come than a later one's, or than the news that what ran before it runs again.
        if self.audiences.get(&pointer.audience).is_some_and(|running| running.number >= pointer.number) {
            return Ok(Installed::Same);
        }
        let plan = if hash_of(&body) == pointer.hash {
            Bundle::plan(&body, &pointer.audience)
        } else {
            Err("the stored bundle is missing or damaged".to_owned())
        };
        match plan {
            Ok(plan) => {
                let running = Running { number: pointer.number, hash: pointer.hash.clone(), plan, body };
                self.audiences.insert(pointer.audience.clone(), running);
                self.degraded.remove(&pointer.audience);
                Ok(Installed::New)
            }
            Err(reason) => {
                let reason = format!("bundle {} of audience {}: {reason}", pointer.number, pointer.audience);
                self.degraded.insert(pointer.audience.clone(), reason.clone());
                Err(reason)
            }
        }
    }

    /// Says why an audience does not run what it should, or with an empty name why the edge cannot catch up at all, where
    /// the host found it out; none clears it.
    pub fn degrade(&mut self, audience: &str, reason: Option<&str>) {
        match reason {
            Some(reason) => self.degraded.insert(audience.to_owned(), reason.to_owned()),
            None => self.degraded.remove(audience),
        };
    }

    /// Whether nothing runs because the control object could not be asked: not the same as nothing being published.
    pub(crate) fn knows_nothing(&self) -> bool {
        self.audiences.is_empty() && self.degraded.get("").is_some()
    }

    /// `GET /healthz`: how it is, without any name that a stranger should not know.
    pub(crate) fn health(&self) -> Response {
        let status = if self.keyring.is_err() {
            "unconfigured"
        } else if self.degraded.is_empty() {
            "ok"
        } else {
            "degraded"
        };
        let mut body = Json::new();
        body.object(|o| {
            o.field("status").text(status);
            o.field("version").text(env!("CARGO_PKG_VERSION"));
            o.field("bundles").list(self.audiences.iter(), |json, (_, running)| {
                json.object(|o| {
                    o.field("number").number(i64::try_from(running.number).unwrap_or(i64::MAX));
                    o.field("hash").text(running.hash.get(..12).unwrap_or(""));
                });
            });
        });
        Response::json(if self.keyring.is_err() { 503 } else { 200 }, body)
    }

    /// How an audience is here, in RT 2.0's words: whether what should run does.
    pub(crate) fn status(&self, audience: &str) -> &'static str {
        let behind = self.degraded.get(audience).is_some() || self.degraded.get("").is_some();
        if behind { "inconsistent" } else { "ok" }
    }

    pub(crate) fn running(&self, audience: &str) -> Result<&Running, Refusal> {
        // What should run and does not is not the same as nothing published.
        let missing =
            if self.degraded.get(audience).is_some() { Refusal::STORAGE } else { Refusal::AUDIENCE_UNKNOWN };
        self.audiences.get(audience).ok_or(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::DOCUMENT_DEPTH_MAX;

    /// The example and a definition with every variant, as they were written first, and one with every field, as it was
    /// written last while criteria were trees.
    const BEFORE: [&str; 3] = [
        include_str!("../golden/shop.json"),
        include_str!("../golden/everything.json"),
        include_str!("../golden/everything-trees.json"),
    ];
    /// A definition with every variant and every field of today.
    const TODAY: &str = include_str!("../golden/everything-today.json");

    #[test]
    fn what_was_written_still_reads_and_is_still_written() {
        for golden in BEFORE.into_iter().chain([TODAY]) {
            let bundle = Bundle::read(golden.as_bytes()).unwrap();
            let written = bundle.write().unwrap();
            assert_eq!(Bundle::read(&written), Ok(bundle));
        }
        let [.., trees] = BEFORE;
        assert_eq!(definition_of(TODAY.as_bytes()), definition_of(trees.as_bytes()));
        let written = Bundle::read(TODAY.as_bytes()).unwrap().write().unwrap();
        let json = |bytes| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
        assert!(json(&written) == json(TODAY.as_bytes()), "{}", String::from_utf8_lossy(&written));
    }

    #[test]
    fn a_bundle_that_is_published_again_takes_its_new_number() {
        let [shop, ..] = BEFORE;
        let pointer =
            |number| Pointer { audience: "1069944".to_owned(), number, hash: hash_of(shop.as_bytes()) };
        let mut edge = Edge::new(None, false);
        assert_eq!(edge.behind(vec![pointer(1)]), [pointer(1)]);
        assert_eq!(edge.install(&pointer(1), shop.as_bytes().to_vec()), Ok(Installed::New));
        // Another one ran in between, which this edge never saw.
        assert_eq!(edge.behind(vec![pointer(3)]), []);
        assert_eq!(edge.audiences.get("1069944").map(|running| running.number), Some(3));
    }

    #[test]
    fn a_body_that_comes_late_runs_no_more() {
        let [shop, ..] = BEFORE;
        let other = format!("{shop} ");
        let pointer = |number, body: &str| Pointer {
            audience: "1069944".to_owned(),
            number,
            hash: hash_of(body.as_bytes()),
        };
        let mut edge = Edge::new(None, false);
        assert_eq!(edge.install(&pointer(1, shop), shop.as_bytes().to_vec()), Ok(Installed::New));
        assert_eq!(edge.behind(vec![pointer(2, &other)]), [pointer(2, &other)]);
        // While its body is on its way, it is rolled back.
        assert_eq!(edge.behind(vec![pointer(3, shop)]), []);
        for late in [other.as_bytes().to_vec(), Vec::new()] {
            assert_eq!(edge.install(&pointer(2, &other), late), Ok(Installed::Same));
            let running = edge.audiences.get("1069944").unwrap();
            assert_eq!((running.number, running.hash.clone()), (3, hash_of(shop.as_bytes())));
            assert_eq!(edge.status("1069944"), "ok");
        }
    }

    #[test]
    fn examples_of_another_build_keep_nothing_from_running() {
        let [shop, ..] = BEFORE;
        let definition = shop.strip_prefix("{\"format\":1,").unwrap().trim_end().strip_suffix('}').unwrap();
        let with = |examples: &str| format!("{{\"format\":2,{definition},\"examples\":{examples}}}");
        let nobody = "{\"name\":\"n\",\"personalization\":\"web_personalization\",\"expect\":[]}";
        let many = format!("[{}]", vec![nobody; EXAMPLES_MAX + 1].join(","));
        // A key that this build does not know, more than it plays, one that comes out otherwise.
        for examples in ["[{\"device\":\"phone\"}]", &*many, &*format!("[{nobody}]")] {
            let body = with(examples).into_bytes();
            assert!(Bundle::check(&body, "1069944").is_err(), "{examples}");
            let pointer = Pointer { audience: "1069944".to_owned(), number: 1, hash: hash_of(&body) };
            assert_eq!(Edge::new(None, false).install(&pointer, body), Ok(Installed::New), "{examples}");
        }
    }

    #[test]
    fn what_does_not_fit_is_named_by_its_path() {
        let [shop, ..] = BEFORE;
        for (from, to, complaint) in [
            ("\"format\":1", "\"format\":3", "the bundle's format is 3, this build reads 1 and 2"),
            ("\"format\":1", "\"format\":\"1\"", "not a bundle: format: not an integer"),
            ("\"format\":1,", "", "not a bundle: format: missing"),
            (
                "\"audience\":{",
                "\"audience\":{\"x\":0,",
                "not a bundle: definition.audience: has a key that is not known there",
            ),
            (
                "\"sensitive\":false",
                "\"sensitive\":0",
                "definition.attributes[0].sensitive: not true or false",
            ),
            ("\"last\"", "\"lost\"", "single.aggregation: not one of: last, first, min, max, sum"),
        ] {
            assert!(shop.contains(from), "{from}");
            let error = Bundle::read(shop.replacen(from, to, 1).as_bytes()).unwrap_err();
            assert!(error.ends_with(complaint), "{error}");
        }
        let deep = "[".repeat(DOCUMENT_DEPTH_MAX + 1);
        assert_eq!(Bundle::read(deep.as_bytes()).unwrap_err(), "not a bundle: it is no JSON");
    }
}
