//! Writes a [`Definition`] and its examples as YAML files, in the form that people write.
//!
//! ```
//! let text = "parent_segment_id: '1'\nevents:\n  - {name: view, database: web, table: pages}\n";
//! let read = |text: &str| usher_config::read(&[usher_config::Source { name: "rt.yaml".into(), text: text.into() }]);
//! let definition = read(text).definition;
//! let written = usher_config::write(&definition);
//! assert_eq!(written[0].name, "rt_config.yaml");
//! assert_eq!(
//!     written[0].text,
//!     "parent_segment_id: \"1\"\n\nevents:\n  - name: view\n    database: web\n    table: pages\n"
//! );
//! assert_eq!(read(&written[0].text).definition, definition);
//! ```
//!
//! Reading the files gives the same definition, for everything that [`Plan::compile`](usher_engine::Plan::compile)
//! accepts, with these exceptions:
//!
//! - Criteria return in the form that [`parse`](usher_engine::syntax::parse) gives them, which means the same: a group of
//!   one is its condition.
//! - A text of a `stringBuilder` returns in pieces where it has `{{` or `}}`; an answer joins them.
//! - An example with a lookup names its personalization.
//! - Tables that no event can be sent to, and ids that look like placeholders, are written, and refused when they are read.

mod criteria;
mod example;
mod file_name;
mod identity;
mod instant;
mod journeys;
mod pipelines;
mod rt_config;
mod scalar;
mod service;
mod yaml;

use usher_engine::definition::{Definition, Example};

pub use instant::rfc3339;

use crate::source::Source;

/// The file for everything except services and examples.
const RT_CONFIG: &str = "rt_config.yaml";
/// The file for journeys and activations.
const JOURNEYS: &str = "journeys.yaml";
/// The file for pipelines.
const PIPELINES: &str = "pipelines.yaml";
/// The file for examples.
const EXAMPLES: &str = "examples.yaml";

/// A definition as files: `rt_config.yaml`, then one service for each personalization, then `journeys.yaml`, if there are any
/// journeys or activations, and `pipelines.yaml`, if there are any pipelines.
///
/// Read in the order of their names they give the same definition, so names begin with a number where the order of the
/// personalizations requires it. Equal definitions give equal texts.
///
/// # Examples
///
/// ```
/// let text = "parent_segment_id: '1'\nevents:\n  - {name: view, database: web, table: pages}\n";
/// let sources = [usher_config::Source { name: "rt.yaml".to_owned(), text: text.to_owned() }];
/// let definition = usher_config::read(&sources).definition;
/// let files = usher_config::write(&definition);
/// assert_eq!(usher_config::read(&files).definition, definition);
/// ```
pub fn write(definition: &Definition) -> Vec<Source> {
    let names = file_name::of(definition.personalizations.iter().map(|service| service.name.as_str()));
    let services = definition.personalizations.iter().map(|it| service::text(&definition.audience, it));
    let files = names.into_iter().zip(services);
    let has_journeys = !definition.journeys.is_empty() || !definition.activations.is_empty();
    let journeys = has_journeys.then(|| (JOURNEYS.to_owned(), journeys::text(definition)));
    let pipelines = &definition.pipelines;
    let pipelines = (!pipelines.is_empty()).then(|| (PIPELINES.to_owned(), pipelines::text(pipelines)));
    std::iter::once((RT_CONFIG.to_owned(), rt_config::text(definition)))
        .chain(files)
        .chain(journeys)
        .chain(pipelines)
        .map(|(name, text)| Source { name, text })
        .collect()
}

/// The same, with the examples in `examples.yaml`, if there are any.
///
/// # Examples
///
/// ```
/// # let text = "parent_segment_id: '1'\nexamples:\n  - {name: nobody, lookup: null, personalization: home, expect: []}\n";
/// # let sources = [usher_config::Source { name: "a.yaml".to_owned(), text: text.to_owned() }];
/// let reading = usher_config::read(&sources);
/// let files = usher_config::write_with_examples(&reading.definition, &reading.examples);
/// assert_eq!(files.last().map(|file| file.name.as_str()), Some("examples.yaml"));
/// ```
pub fn write_with_examples(definition: &Definition, examples: &[Example]) -> Vec<Source> {
    let mut files = write(definition);
    if !examples.is_empty() {
        let text = example::text(&definition.audience, examples);
        files.push(Source { name: EXAMPLES.to_owned(), text });
    }
    files
}
