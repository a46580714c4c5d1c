//! The manifest: the databases and stores that the component may use, and its settings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::{Table, Value};
use wasmtime::error::Context;

use crate::Result;
use crate::outbound::Origin;

/// The application.
pub(crate) struct App {
    pub(crate) databases: Vec<String>,
    pub(crate) key_value_stores: Vec<String>,
    /// The origins to which it may send requests.
    pub(crate) allowed_outbound_hosts: Vec<Origin>,
    /// The component's variables.
    pub(crate) variables: BTreeMap<String, String>,
    /// The folder of its data.
    pub(crate) data: PathBuf,
}

impl App {
    /// Reads a manifest with one component. The environment may set its variables (`SPIN_VARIABLE_…`), as in Spin.
    pub(crate) fn read(manifest: &Path, data: PathBuf) -> Result<App> {
        let text = std::fs::read_to_string(manifest).with_context(|| manifest.display().to_string())?;
        let manifest: Table = text.parse()?;
        let components = manifest["component"].as_table().context("components")?;
        wasmtime::ensure!(components.len() == 1, "one component");
        let component = components.values().next().and_then(Value::as_table).context("a component")?;
        let outbound = texts(component, "allowed_outbound_hosts")?;
        let declared = manifest["variables"].as_table().context("variables")?;
        let mut variables = BTreeMap::new();
        for (name, template) in component["variables"].as_table().context("a component's variables")? {
            let template = template.as_str().context("a text")?;
            let inner = template.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
            let from = inner.context("`{{ name }}`")?.trim();
            let default = declared[from]["default"].as_str().context("a default")?;
            let said = std::env::var(format!("SPIN_VARIABLE_{}", from.to_uppercase()));
            variables.insert(name.clone(), said.unwrap_or_else(|_| default.to_owned()));
        }
        Ok(App {
            databases: texts(component, "sqlite_databases")?,
            key_value_stores: texts(component, "key_value_stores")?,
            allowed_outbound_hosts: outbound.iter().map(|it| Origin::read(it)).collect::<Result<_>>()?,
            variables,
            data,
        })
    }
}

fn texts(table: &Table, name: &str) -> Result<Vec<String>> {
    let list = table.get(name).and_then(Value::as_array).with_context(|| format!("a list `{name}`"))?;
    list.iter().map(|text| text.as_str().map(str::to_owned).context("a text")).collect()
}
