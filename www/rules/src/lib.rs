//! Checks definitions in a page, as `usher validate` does: texts in, findings and a bundle out. It serves no request.

use serde_json::{Value, json};
use usher_config::{Finding, Source};
use usher_edge::Bundle;
use usher_engine::diagnostic::Severity;
use wasm_bindgen::prelude::*;

/// A tenth of the module smaller than the standard library's.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

/// The answer to [`check`].
#[wasm_bindgen]
pub struct Checked {
    findings: String,
    bundle: Option<String>,
}

#[wasm_bindgen]
impl Checked {
    /// Findings in the order of the texts, as JSON: `[{"severity", "code", "message", "help"?, "file"?, "line"?, "column"?,
    /// "length"?}]`. Lines and columns are counted from 1, columns and lengths in characters.
    #[wasm_bindgen(getter)]
    pub fn findings(&self) -> String {
        self.findings.clone()
    }

    /// The definition as an edge takes it; undefined if there are errors.
    #[wasm_bindgen(getter)]
    pub fn bundle(&self) -> Option<String> {
        self.bundle.clone()
    }
}

/// Reads texts as one definition and checks it. `names` has the name of each text, by whose end its format is known.
#[wasm_bindgen]
pub fn check(names: Vec<String>, texts: Vec<String>) -> Checked {
    let sources: Vec<Source> =
        names.into_iter().zip(texts).map(|(name, text)| Source { name, text }).collect();
    let reading = usher_config::check(&sources);
    let is_valid = !reading.has_errors();
    let mut findings: Vec<Value> = reading.findings.iter().map(shown).collect();
    let bundle = Bundle { definition: reading.definition, examples: reading.examples };
    let bundle = if is_valid { written(&bundle, &mut findings) } else { None };
    Checked { findings: Value::from(findings).to_string(), bundle }
}

/// The text of a bundle; if it is too large, that is a finding.
fn written(bundle: &Bundle, findings: &mut Vec<Value>) -> Option<String> {
    match bundle.write().and_then(|bytes| String::from_utf8(bytes).map_err(|error| error.to_string())) {
        Ok(text) => Some(text),
        Err(message) => {
            findings.push(json!({"severity": "error", "code": "", "message": message}));
            None
        }
    }
}

fn shown(Finding { diagnostic, place }: &Finding) -> Value {
    let severity = match diagnostic.severity() {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    };
    let mut shown =
        json!({"severity": severity, "code": diagnostic.code.as_str(), "message": diagnostic.message});
    if let Some(help) = &diagnostic.help {
        shown["help"] = help.as_str().into();
    }
    if let Some(place) = place {
        shown["file"] = place.file.as_str().into();
        for (name, number) in [("line", place.line), ("column", place.column), ("length", place.length)] {
            shown[name] = number.into();
        }
    }
    shown
}
