//! `usher keys list`: the keys of a secret, or those that an edge takes.

use std::path::PathBuf;

use serde_json::Value;

use super::document::listed;
use crate::exit::{Exit, Failure};
use crate::secrets;
use crate::targets::{EdgeOptions, Role};
use crate::terminal::{clean, print};

/// List keys by their tags, never the keys themselves
///
/// Lists the keys of a secret: that of --keys, or USHER_KEYS. With --to or --target it asks an edge which keys of the audience
/// it takes, and which are revoked; the admin key comes from the environment variable USHER_ADMIN_KEY, from a file, or from
/// where usher.toml says.
///
/// Examples:
///   usher keys list --keys keys.json
///   usher keys list --target production --json
///
/// Exit status: 0 fine, 1 when a file cannot be read or the edge refused, 64 for a wrong command line or a missing secret.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// A file with the secret, or with keys and secret
    #[arg(long, value_name = "FILE", conflicts_with_all = ["to", "target"])]
    keys: Option<PathBuf>,
    #[command(flatten)]
    edge: EdgeOptions,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn list(args: &Args) -> Result<Exit, Failure> {
    let keys = if args.edge.is_given() { asked(args)? } else { held(args)? };
    if args.json {
        print(&format!("{:#}\n", serde_json::json!({"keys": keys})))?;
        return Ok(Exit::Fine);
    }
    print(&table(&keys))?;
    Ok(Exit::Fine)
}

/// The keys of a secret, of one audience if it is named.
fn held(args: &Args) -> Result<Vec<Value>, Failure> {
    let secret = secrets::require(secrets::SECRET, args.keys.as_deref(), "--keys")?;
    let mut keys = listed(&secret)?;
    if let Some(audience) = args.edge.audience() {
        keys.retain(|key| [audience, "*"].contains(&text(key, "audience")));
    }
    Ok(keys)
}

/// The keys that an edge takes.
fn asked(args: &Args) -> Result<Vec<Value>, Failure> {
    let edge = args.edge.find(Role::Admin)?;
    let client = edge.client()?;
    let mut answer = client.get(&format!("/v1/audiences/{}/keys", edge.named_audience()?))?;
    let keys = answer.get_mut("keys").and_then(Value::as_array_mut).map(std::mem::take);
    keys.ok_or_else(|| client.not_an_edge())
}

fn text<'v>(key: &'v Value, name: &str) -> &'v str {
    key.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A row for each key, in columns.
fn table(keys: &[Value]) -> String {
    let head = ["tag", "kind", "name", "audience", "for"].map(str::to_owned);
    let rows: Vec<[String; 5]> = std::iter::once(head).chain(keys.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths = [width(0), width(1), width(2), width(3)];
    let mut out = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        line.push_str(&row[4]);
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn row(key: &Value) -> [String; 5] {
    let several = |name: &str| {
        let values = key.get(name).and_then(Value::as_array);
        let values: Vec<&str> = values.into_iter().flatten().filter_map(Value::as_str).collect();
        (!values.is_empty()).then(|| values.join(" "))
    };
    let is = |name: &str| key.get(name).and_then(Value::as_bool) == Some(true);
    let kind = match text(key, "kind") {
        "token" if is("public") => "public token",
        "token" => "private token",
        kind => kind,
    };
    let rate = key.get("events_per_second").map(|events| format!("{events} events/s"));
    let algorithm = key.get("algorithm").and_then(Value::as_str).map(str::to_owned);
    let mut uses: Vec<String> = ["scopes", "origins"].into_iter().filter_map(several).collect();
    uses.extend(several("personalizations").map(|names| format!("asks {names}")));
    uses.extend(algorithm.into_iter().chain(rate));
    if is("revoked") {
        uses.insert(0, "revoked".to_owned());
    }
    [text(key, "tag"), kind, text(key, "name"), text(key, "audience"), &uses.join("; ")].map(clean)
}
