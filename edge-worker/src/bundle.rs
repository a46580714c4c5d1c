//! Bundles: the format in which a definition and its examples are sent and stored, and the hash that names a bundle.

mod needs;

use sha2::{Digest, Sha256};
use usher_engine::Plan;
use usher_engine::definition::{Definition, Example};
use usher_engine::diagnostic::Diagnostic;
use usher_engine::value::{Fields, FromValue, Reading, ToValue, Unfit};

use crate::form::Form;
use crate::limits::BUNDLE_BYTES_MAX;
use crate::plane::HAS_JOURNEYS;
use crate::wire::hex::hex;
use crate::wire::json::Json;
use crate::wire::read;

/// The format of bundles whose definition needs [`Form::Two`].
const FORMAT: i64 = 3;
/// The format that release 0.1.0 also reads; written wherever it is enough.
const FORMAT_OF_FORM_1: i64 = 2;
/// The first format, without examples.
const FORMAT_WITHOUT_EXAMPLES: i64 = 1;

/// A bundle as sent and stored: `{"format": 2, "definition": {…}, "examples": […]}`, with format 3 where release 0.1.0
/// could not run the definition. It contains one audience's definition and the examples that are rehearsed before it
/// runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bundle {
    /// The definition to run.
    pub definition: Definition,
    /// Examples that must pass.
    pub examples: Vec<Example>,
}

impl Bundle {
    /// Reads a bundle. The number of examples is checked when it is published, not here.
    ///
    /// # Errors
    ///
    /// The reason why it is not a bundle, in one sentence.
    ///
    /// # Examples
    ///
    /// ```
    /// use usher_edge::Bundle;
    ///
    /// let bundle = Bundle::read(br#"{"format": 2, "definition": {"audience": {"id": "7"}}}"#)?;
    /// assert_eq!(bundle.definition.audience.id, "7");
    /// assert_eq!(Bundle::read(&bundle.write()?)?, bundle);
    /// assert_eq!(Bundle::read(b"{}").unwrap_err(), "not a bundle: format: missing");
    /// # Ok::<(), String>(())
    /// ```
    pub fn read(body: &[u8]) -> Result<Bundle, String> {
        let (format, bundle) = with_fields(body, |fields, reading| Bundle {
            definition: fields.required("definition", reading),
            examples: fields.or("examples", Vec::new(), reading),
        })?;
        if format == FORMAT_WITHOUT_EXAMPLES && !bundle.examples.is_empty() {
            return Err(format!("not a bundle: format {format} has no examples"));
        }
        Ok(bundle)
    }

    /// Writes the bundle as `push` sends it.
    ///
    /// # Errors
    ///
    /// If it is larger than [`BUNDLE_BYTES_MAX`].
    ///
    /// # Examples
    ///
    /// ```
    /// let bundle = usher_edge::Bundle::read(br#"{"format": 1, "definition": {"audience": {"id": "7"}}}"#)?;
    /// assert_eq!(bundle.definition.audience.id, "7");
    /// assert_eq!(usher_edge::Bundle::read(&bundle.write()?)?.definition, bundle.definition);
    /// # Ok::<(), String>(())
    /// ```
    pub fn write(&self) -> Result<Vec<u8>, String> {
        let mut json = Json::new();
        json.object(|o| {
            o.field("format").number(self.format());
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

    fn format(&self) -> i64 {
        if needs::form_2(&self.definition).is_some() { FORMAT } else { FORMAT_OF_FORM_1 }
    }

    /// The plan of a published body; `Err` is the reason why it cannot run here, in one sentence.
    ///
    /// Its definition and examples were checked on publication, maybe by an earlier build, and are not checked again: a
    /// rule that is new is no reason to run another bundle.
    pub(crate) fn plan(body: &[u8], audience: &str) -> Result<Plan, String> {
        of_audience(Plan::compile_published(definition_of(body)?), audience)
    }

    /// Compiles the stored body of a published bundle, if it has this hash, for [`Edge::install_compiled`] and
    /// [`Edge::stand_in_compiled`] of a module of the same build.
    ///
    /// [`Edge::install_compiled`]: crate::Edge::install_compiled
    /// [`Edge::stand_in_compiled`]: crate::Edge::stand_in_compiled
    ///
    /// # Errors
    ///
    /// Why it does not run.
    ///
    /// # Examples
    ///
    /// ```
    /// use usher_edge::Bundle;
    ///
    /// let refused = Bundle::compile(b"{}", "00", "7").unwrap_err();
    /// assert_eq!(refused.reason, "the stored bundle is missing or damaged");
    /// ```
    pub fn compile(body: &[u8], hash: &str, audience: &str) -> Result<Vec<u8>, Unrunnable> {
        Ok(Bundle::stored_plan(body, hash, audience)?.to_bytes())
    }

    /// The plan that [`compile`](Bundle::compile) wrote, in a module of the same isolate.
    pub(crate) fn compiled_plan(bytes: &[u8]) -> Result<Plan, Unrunnable> {
        let unreadable = |why| Unrunnable { reason: format!("the compiled plan {why}"), is_too_new: false };
        Plan::from_bytes(bytes).map_err(unreadable)
    }

    /// The plan of a stored body, if it has this hash.
    pub(crate) fn stored_plan(body: &[u8], hash: &str, audience: &str) -> Result<Plan, Unrunnable> {
        let plan = if hash_of(body) == hash {
            Bundle::plan(body, audience)
        } else {
            Err("the stored bundle is missing or damaged".to_owned())
        };
        plan.map_err(|reason| Unrunnable { reason, is_too_new: is_too_new(body) })
    }
}

/// Why a bundle does not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unrunnable {
    /// In one sentence, for the log.
    pub reason: String,
    /// True if a newer build wrote the bundle.
    pub is_too_new: bool,
}

/// Reads the format of a body, and then what is wanted of its fields.
fn with_fields<T>(body: &[u8], read: impl FnOnce(Fields<'_>, &mut Reading) -> T) -> Result<(i64, T), String> {
    // A larger one that was stored under an earlier bound is read.
    let value = read::document(body).map_err(|_| "not a bundle: it is no JSON".to_owned())?;
    let unfit = |unfit: Unfit| format!("not a bundle: {unfit}");
    let mut reading = Reading::default();
    let fields = Fields::of(&value, &["format", "definition", "examples"], &mut reading);
    // Read first, because it decides how to read the rest.
    let format: i64 = fields.required("format", &mut reading);
    reading.done().map_err(unfit)?;
    if !(FORMAT_WITHOUT_EXAMPLES..=FORMAT).contains(&format) {
        return Err(format!(
            "the bundle's format is {format}, this build reads {FORMAT_WITHOUT_EXAMPLES} to {FORMAT}"
        ));
    }
    let read = read(fields, &mut reading);
    reading.done().map_err(unfit)?;
    Ok((format, read))
}

/// The plan of a definition that is to be published.
pub(crate) fn compile(definition: Definition, audience: &str) -> Result<Plan, String> {
    of_audience(Plan::compile_owned(definition), audience)
}

fn of_audience(compiled: Result<Plan, Vec<Diagnostic>>, audience: &str) -> Result<Plan, String> {
    let plan = compiled.map_err(|findings| {
        // Only place and code: an answer does not repeat what was sent.
        let place = |finding: &Diagnostic| match finding.path.as_str() {
            // A build that only runs what was published elsewhere does not say where.
            "" => finding.code.to_string(),
            path => format!("{} at {path}", finding.code),
        };
        let errors: Vec<String> = findings.iter().map(place).collect();
        format!("{}; `usher validate` says more", errors.join("; "))
    })?;
    if !HAS_JOURNEYS && !plan.definition().journeys.is_empty() {
        return Err("journeys do not run in this build".to_owned());
    }
    if plan.definition().audience.id != audience {
        return Err("the definition is of another audience than the route".to_owned());
    }
    Ok(plan)
}

/// The bundle of a definition without examples.
///
/// # Errors
///
/// If it is larger than [`BUNDLE_BYTES_MAX`].
///
/// # Examples
///
/// In the example of [`definition_of`].
pub fn bundle_of(definition: &Definition) -> Result<Vec<u8>, String> {
    Bundle { definition: definition.clone(), examples: Vec::new() }.write()
}

/// True if a newer build wrote the bundle.
pub(crate) fn is_too_new(body: &[u8]) -> bool {
    let document = read::document(body).ok();
    let format = document.as_ref().and_then(|document| i64::from_value(document.get("format")?).ok());
    format.is_some_and(|format| format > FORMAT)
}

/// The reason why a bundle may not run where this form is written, and how to fix it: an earlier build that shares the
/// data could not run it. None: it may.
pub(crate) fn beyond(form: Form, definition: &Definition) -> Option<String> {
    let path = needs::form_2(definition).filter(|_| form < Form::Two)?;
    // Texts that name no list have this one.
    let or = if path == "identity.placeholder_list" { "; or write `placeholder_list: 0`" } else { "" };
    Some(format!(
        "definition.{path} needs form 2, and this edge writes form 1: set form 2 (USHER_FORM, or `usher serve --form 2`) once \
         no build of release 0.1.0 runs any more and none will be rolled back to{or}"
    ))
}

/// The definition in a bundle.
///
/// # Errors
///
/// The reason why it holds none, in one sentence.
///
/// # Examples
///
/// ```
/// # use usher_engine::definition::Definition;
/// let bundle = usher_edge::bundle_of(&Definition::default())?;
/// assert_eq!(usher_edge::definition_of(&bundle)?, Definition::default());
/// # Ok::<(), String>(())
/// ```
pub fn definition_of(bundle: &[u8]) -> Result<Definition, String> {
    with_fields(bundle, |fields, reading| fields.required("definition", reading))
        .map(|(_, definition)| definition)
}

/// The name of a body: its SHA-256 as hexadecimal digits.
pub(crate) fn hash_of(body: &[u8]) -> String {
    hex(&Sha256::digest(body))
}

#[cfg(test)]
mod tests {
    use usher_engine::definition::{Personalization, Section};

    use super::*;
    use crate::limits::DOCUMENT_DEPTH_MAX;

    /// Bundles in earlier formats: the example, a definition with every variant, and one with every field from when
    /// criteria were trees.
    const BEFORE: [&str; 3] = [
        include_str!("../golden/shop.json"),
        include_str!("../golden/everything.json"),
        include_str!("../golden/everything-trees.json"),
    ];
    /// A definition with every variant and every field of today's format.
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

    /// Release 0.1.0 either runs a bundle as intended or refuses it.
    #[test]
    fn what_the_previous_release_could_not_run_has_a_format_of_its_own() {
        let format = |body: &[u8]| Bundle::read(body).unwrap().write().map(|body| body[..11].to_vec());
        for golden in BEFORE {
            assert_eq!(format(golden.as_bytes()).unwrap(), b"{\"format\":2");
            let definition = definition_of(golden.as_bytes()).unwrap();
            assert_eq!(beyond(Form::One, &definition), None);
        }
        let [shop, ..] = BEFORE;
        let column = r#""column":"product_id","aggregation""#;
        let key = r#"{"name":"td_client_id","#;
        let service = r#""personalizations":[{"#;
        let filter = r#"{"test":{"name":"event.td_path","test":{"matches":"^/product/.*"},"negated":false}}"#;
        for (from, to, path) in [
            (r#""tables":[],"#, r#""event_id_column":"order_id","#, "event_id_column"),
            (r#""identity":{"#, r#""identity":{"placeholder_list":1,"#, "identity.placeholder_list"),
            (key, &format!("{key}\"normalize\":[\"trim\"],"), "identity.keys[0].normalize"),
            (key, &format!("{key}\"placeholders\":true,"), "identity.keys[0].placeholders"),
            (filter, r#""event.at MORE THAN 3 DAYS AGO""#, "key_events[1].filter"),
            (column, &column.replace("product_id", "products[].sku"), "attributes[0].column"),
            (r#"{"constant":true}"#, r#""email = VERSION '1.2'""#, ".criteria"),
            (service, &format!("{service}\"id\":\"290\","), "personalizations[0].id"),
            (service, &format!("{service}\"segments_as\":\"ids\","), "personalizations[0].segments_as"),
            (service, &format!("{service}\"device\":true,"), "personalizations[0].device"),
            (r#""segments":[]"#, r#""segments":[{"name":"s","id":"7"}]"#, ".segments[0].id"),
        ] {
            assert!(shop.contains(from), "{from}");
            let body = shop.replacen(from, to, 1);
            assert_eq!(format(body.as_bytes()).unwrap(), b"{\"format\":3", "{to}");
            let definition = definition_of(body.as_bytes()).unwrap();
            assert_eq!(beyond(Form::Two, &definition), None);
            let detail = beyond(Form::One, &definition).unwrap();
            assert!(detail.contains(&format!("{path} needs form 2")), "{detail}");
        }
    }

    /// The engine's tests compare the other parts.
    #[test]
    fn a_compiled_plan_has_what_answers_read_of_the_definition() {
        let body = BEFORE[0].replace("\"include_sensitive\":false", "\"include_sensitive\":true");
        assert_ne!(body, BEFORE[0]);
        let compiled = Bundle::compile(body.as_bytes(), &hash_of(body.as_bytes()), "1069944").unwrap();
        let read = Plan::from_bytes(&compiled).unwrap();
        let (definition, kept) = (definition_of(body.as_bytes()).unwrap(), read.definition());
        assert_eq!(kept.audience.id, "1069944");
        assert_eq!(kept.personalizations.len(), definition.personalizations.len());
        for (one, other) in definition.personalizations.iter().zip(&kept.personalizations) {
            assert_eq!((&one.name, &one.id, one.choice), (&other.name, &other.id, other.choice));
            assert_eq!((one.segments_as, &one.inputs), (other.segments_as, &other.inputs));
            let sections = |of: &Personalization| {
                let section = |it: &Section| {
                    let conditions = (it.key_event.is_some(), it.event_filter.is_some());
                    let access = (it.accept_unknown_profiles, it.include_sensitive);
                    let outputs: Vec<_> = it.outputs.iter().map(|output| output.name.clone()).collect();
                    (it.name.clone(), conditions, access, outputs, it.segments.clone())
                };
                of.sections.iter().map(section).collect::<Vec<_>>()
            };
            assert_eq!(sections(one), sections(other));
        }
        for end in 0..compiled.len() {
            assert!(Plan::from_bytes(&compiled[..end]).is_err(), "{end} of {}", compiled.len());
        }
    }

    #[test]
    fn a_constant_may_be_as_deep_as_a_document() {
        let depth = DOCUMENT_DEPTH_MAX - 20;
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let [shop, ..] = BEFORE;
        let body = shop.replace("\"Still looking?\"", &deep).into_bytes();
        assert_ne!(body, shop.as_bytes());
        let compiled = Bundle::compile(&body, &hash_of(&body), "1069944").unwrap();
        assert_eq!(Plan::from_bytes(&compiled).map(|plan| plan.to_bytes()), Ok(compiled));
    }

    #[test]
    fn what_does_not_fit_is_named_by_its_path() {
        let [shop, ..] = BEFORE;
        for (from, to, complaint) in [
            ("\"format\":1", "\"format\":4", "the bundle's format is 4, this build reads 1 to 3"),
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
