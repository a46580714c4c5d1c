//! `usher activations`: what is on its way to destinations, what was attempted, and trying it again.

use std::thread;
use std::time::{Duration, Instant};

use clap::Subcommand;
use serde_json::{Value, json};

use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::targets::{EdgeOptions, Role};
use crate::terminal::{clean, print};

/// List activations and attempts, and try them again
///
/// An activation is a message of a journey to a destination of the deployment (docs/activations.md). The admin key comes from the
/// environment variable USHER_ADMIN_KEY, from a file, or from where usher.toml says.
///
/// Examples:
///   usher activations list --target production --parked
///   usher activations attempts --target production --json | jq '.attempts[] | select(.delivered == "false")'
///   usher activations retry --target production --destination mailer
///   usher activations drain --target production --timeout 60
///
/// Exit status: 0 fine, 1 when the edge refused or something is left, 64 for a wrong command line or a missing key.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    List(List),
    Attempts(Attempts),
    Retry(Again),
    Drain(Drain),
}

/// List what is not delivered, or what is parked
///
/// Examples:
///   usher activations list --target production
///   usher activations list --target production --parked --json
///
/// Exit status: 0 fine, 1 when the edge refused, 64 for a wrong command line or a missing key.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct List {
    /// Those that nobody tries to deliver any more
    #[arg(long)]
    parked: bool,
    #[command(flatten)]
    edge: EdgeOptions,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// List the attempts of the last 30 days, the latest first in each shard
///
/// Examples:
///   usher activations attempts --target production
///
/// Exit status: 0 fine, 1 when the edge refused, 64 for a wrong command line or a missing key.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct Attempts {
    #[command(flatten)]
    edge: EdgeOptions,
    /// Print JSON, with all fields
    #[arg(long)]
    json: bool,
}

/// Try parked activations again for a day, out of order
///
/// Examples:
///   usher activations retry --target production --destination mailer
///
/// Exit status: 0 fine, 1 when the edge refused, 64 for a wrong command line or a missing key.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct Again {
    /// The only one, by its id
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Those to this destination
    #[arg(long, value_name = "ID")]
    destination: Option<String>,
    #[command(flatten)]
    edge: EdgeOptions,
}

/// Have what waits for its next attempt attempted now, and wait until nothing is left
///
/// Examples:
///   usher activations drain --target production --timeout 60
///
/// Exit status: 0 when nothing is left, 1 when something is or the edge refused, 64 for a wrong command line or a missing key.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct Drain {
    #[command(flatten)]
    which: Again,
    /// The seconds to wait
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,
}

/// The pause between two looks at what is left.
const PAUSE: Duration = Duration::from_millis(500);

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    match &args.verb {
        Verb::List(args) => {
            let state = if args.parked { "?state=parked" } else { "?state=waiting" };
            let rows = pages(&args.edge, state, "activations")?;
            let columns = ["id", "activation", "journey", "destination", "state", "attempts", "last"];
            show(&rows, "activations", &columns, args.json)
        }
        Verb::Attempts(args) => {
            let rows = pages(&args.edge, "/attempts?limit=200", "attempts")?;
            let columns = [
                "rid",
                "activation_name",
                "journey_name",
                "destination",
                "attempt",
                "delivered",
                "status",
                "error",
            ];
            show(&rows, "attempts", &columns, args.json)
        }
        Verb::Retry(args) => {
            let (client, path) = edge(&args.edge)?;
            let tried = again(&client, &path, args, "retry")?;
            print(&format!("{tried} parked activations are tried again\n"))?;
            Ok(Exit::Fine)
        }
        Verb::Drain(args) => drain(args),
    }
}

fn edge(options: &EdgeOptions) -> Result<(Client, String), Failure> {
    let edge = options.find(Role::Admin)?;
    Ok((edge.client()?, format!("/v1/audiences/{}/activations", edge.named_audience()?)))
}

/// The rows of all pages.
fn pages(options: &EdgeOptions, query: &str, name: &str) -> Result<Vec<Value>, Failure> {
    let (client, path) = edge(options)?;
    let mut rows = Vec::new();
    let mut next = String::new();
    loop {
        let mut page = client.get(&format!("{path}{query}{next}"))?;
        let of_page = page.get_mut(name).and_then(Value::as_array_mut).map(std::mem::take);
        rows.append(&mut of_page.ok_or_else(|| client.not_an_edge())?);
        match page.get("next").and_then(Value::as_str) {
            Some(behind) => next = format!("&next={behind}"),
            None => return Ok(rows),
        }
    }
}

fn show(rows: &[Value], name: &str, columns: &[&str], as_json: bool) -> Result<Exit, Failure> {
    if as_json {
        print(&format!("{:#}\n", json!({ name: rows })))?;
        return Ok(Exit::Fine);
    }
    let cell = |row: &Value, column: &str| match row.get(column) {
        Some(Value::String(text)) => clean(text),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let mut lines = vec![columns.iter().map(|column| column.to_string()).collect::<Vec<_>>()];
    lines.extend(rows.iter().map(|row| columns.iter().map(|column| cell(row, column)).collect()));
    let width = |place: usize| lines.iter().map(|line| line[place].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<String> =
            line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text += cells.join("  ").trim_end();
        text.push('\n');
    }
    print(&text)?;
    Ok(Exit::Fine)
}

/// Tries again in every shard; the number of those that are tried.
fn again(client: &Client, path: &str, args: &Again, verb: &str) -> Result<u64, Failure> {
    let mut query: Vec<String> = Vec::new();
    for (name, value) in [("id", &args.id), ("destination", &args.destination)] {
        if let Some(value) = value {
            if !value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
                return Err(Failure::usage(format!("`{value}` is no {name}")));
            }
            query.push(format!("{name}={value}"));
        }
    }
    let (mut tried, mut next) = (0, None::<String>);
    loop {
        let all = query.iter().cloned().chain(next.iter().map(|next| format!("next={next}")));
        let target = format!("{path}/{verb}?{}", all.collect::<Vec<_>>().join("&"));
        let (is_done, answer) = client.call("POST", &target, Some(b""))?;
        let answer: Value = serde_json::from_str(&answer).unwrap_or(Value::Null);
        if !is_done {
            let reason = answer.get("detail").and_then(Value::as_str).unwrap_or("it says no reason");
            return Err(Failure::new(format!("the edge refused: {}", clean(reason))));
        }
        tried += answer.get("tried").and_then(Value::as_u64).ok_or_else(|| client.not_an_edge())?;
        match answer.get("next").and_then(Value::as_str) {
            Some(behind) => next = Some(behind.to_owned()),
            None => return Ok(tried),
        }
    }
}

fn drain(args: &Drain) -> Result<Exit, Failure> {
    let (client, path) = edge(&args.which.edge)?;
    let start = Instant::now();
    let is_meant = |row: &&Value| {
        let is = |wanted: &Option<String>, field: &str| {
            wanted.as_deref().is_none_or(|wanted| row.get(field).and_then(Value::as_str) == Some(wanted))
        };
        is(&args.which.id, "id") && is(&args.which.destination, "destination")
    };
    loop {
        again(&client, &path, &args.which, "drain")?;
        let rows = pages(&args.which.edge, "?state=waiting", "activations")?;
        let left = rows.iter().filter(is_meant).count();
        if left == 0 {
            print("Nothing is left.\n")?;
            return Ok(Exit::Fine);
        }
        if start.elapsed() >= Duration::from_secs(args.timeout) {
            print(&format!("{left} activations are left.\n"))?;
            return Ok(Exit::Failure);
        }
        thread::sleep(PAUSE);
    }
}
