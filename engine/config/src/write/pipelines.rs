//! The file of pipelines, a document for each.

use usher_engine::definition::pipeline::{Format, Pipeline};
use usher_engine::value::Value;

use super::criteria::duration;
use super::yaml::{Map, Yaml};

pub(super) fn text(pipelines: &[Pipeline]) -> String {
    let documents: Vec<String> = pipelines.iter().map(|pipeline| map(pipeline).document()).collect();
    documents.join("---\n")
}

fn map(pipeline: &Pipeline) -> Map {
    let Pipeline { name, query, from: _, ttl_ms, joins, condition: _, columns: _, require, output } =
        pipeline;
    let format = match output.format {
        Format::Json => "json",
        Format::Avro => "avro",
    };
    let schema = output.schema.iter().map(|(name, data_type)| (name.clone(), data_type.as_str().into()));
    let schema = Value::Object(schema.collect());
    let of_output = Map::default()
        .text("topic", &output.topic)
        .word("format", format)
        .maybe_text("key", output.key.as_ref())
        .maybe("schema", (!output.schema.is_empty()).then_some(Yaml::Value(schema)));
    let emission = Map::default().texts("require", require);
    let mut dimensions: Vec<String> = Vec::new();
    let mut overrides: Vec<(String, Value)> = Vec::new();
    for join in joins {
        let topic = &join.source.topic;
        match join.ttl_ms {
            None if !dimensions.contains(topic) => dimensions.push(topic.clone()),
            Some(own_ms) if own_ms != *ttl_ms && !overrides.iter().any(|(known, _)| known == topic) => {
                overrides.push((topic.clone(), format!("{own_ms}ms").as_str().into()));
            }
            _ => {}
        }
    }
    let overrides = (!overrides.is_empty()).then_some(Yaml::Value(Value::Object(overrides)));
    let events = Map::default().with("default_ttl", duration(*ttl_ms)).maybe("overrides", overrides);
    let state = Map::default().with("events", Yaml::Map(events)).texts("dimensions", &dimensions);
    Map::default()
        .text("name", name)
        .text("query", query)
        .with("output", Yaml::Map(of_output))
        .maybe("emission", (!require.is_empty()).then_some(Yaml::Map(emission)))
        .with("state", Yaml::Map(state))
}
