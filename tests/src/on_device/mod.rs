//! Questions for the engine on visitors' devices, from every vector.
//!
//! A vector runs on the service in this process. Of each definition that it publishes the program is taken, and at its steps the
//! extracts of the visitors whom they name, with the requests that a device gets then and the service's own answers. Two variants of
//! a definition run: as it stands, with all personalizations for devices if none is; and the same with nothing sensitive, where that
//! makes a difference. The engine that answers the requests is the one that browsers load: `tests/device/vectors.test.mjs`.

mod events;
mod lookups;
mod recorder;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::criteria;
use crate::run::run;
use crate::vector;
use recorder::Recorder;

/// A program with what is asked of it.
#[derive(Debug, Serialize)]
pub struct Record {
    /// The vector, the number of the definition in it, and the variant.
    pub of: String,
    /// In hexadecimal digits.
    pub program: String,
    /// Names of the sections that the program decides, by personalization.
    pub public: BTreeMap<String, Vec<String>>,
    /// In order.
    pub steps: Vec<Ask>,
}

/// Something that a device is given.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Ask {
    /// A visitor's extract, base64url.
    Load { extract: String },
    /// A request.
    Decide {
        /// The step of the vector, for messages.
        step: String,
        /// As text, because numbers have more than one form.
        request: String,
        /// The beginning of the service's answer, up to the end of its offers; None: the answer is not compared.
        offers: Option<String>,
    },
}

/// The records of all vectors.
#[derive(Debug, Default, Serialize)]
pub struct Records {
    pub records: Vec<Record>,
    /// How often something was left out, by reason.
    pub left: BTreeMap<String, usize>,
    /// Definitions, in both variants.
    pub definitions: usize,
}

/// The variants of a definition, and whether nothing is sensitive in it.
const VARIANTS: [(&str, bool); 2] = [("as it stands", false), ("nothing sensitive", true)];

/// Runs every vector. Their own expectations are not looked at, because their definitions are changed.
pub fn records() -> Records {
    let mut all = Records::default();
    let (vectors, tables, visits, ways) = (vector::all(), criteria::all(), vector::visits(), vector::ways());
    for (variant, bare) in VARIANTS {
        let mut with = |path: &str, body: &mut dyn FnMut(&mut Recorder)| {
            let mut recorder = Recorder::new(format!("{path}, {variant}"), bare);
            body(&mut recorder);
            recorder.finish(&mut all);
        };
        for (path, vector) in vectors.iter().filter(|(_, vector)| !vector.skip.contains_key("in-process")) {
            with(path, &mut |recorder| drop(run(vector, "in-process", recorder)));
        }
        // Without anything sensitive there is no other variant.
        for (path, table) in tables.iter().filter(|_| !bare) {
            match table.engine_only() {
                None => with(path, &mut |recorder| drop(table.ask(recorder))),
                Some(_) => (0..table.cases.len()).for_each(|number| {
                    let case = table.of_case(number);
                    with(&format!("{path}/{number}"), &mut |recorder| drop(case.ask(recorder)));
                }),
            }
        }
        for (path, table) in &visits {
            with(path, &mut |recorder| drop(table.ask(recorder)));
        }
        for (path, table) in &ways {
            with(path, &mut |recorder| drop(table.ask(recorder)));
        }
    }
    all
}
