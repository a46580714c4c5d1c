//! `usher api`: one call of the control API, as it is.

use std::path::PathBuf;

use crate::exit::{Exit, Failure};
use crate::targets::{EdgeOptions, Role};
use crate::terminal::print;

/// Call the control API
///
/// Sends one call and prints the answer, for scripts of RT 2.0's `tdx api`: docs/control-api.md lists the routes.
///
/// The admin key comes from the environment variable USHER_ADMIN_KEY, from a file, or from where usher.toml says.
///
/// Examples:
///   usher api /audiences/1069944/realtime_setting
///   usher api "/audiences/1069944/realtime_attributes?page[size]=100" | jq '.data[] | {id, name}'
///   usher api /audiences/1069944/realtime_setting -X PATCH --data '{"publish": "manual"}'
///
/// Exit status: 0 when the call was done, 1 when it was refused, whose reason is printed all the same, 64 for a wrong command
/// line or a missing key.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The path, with its query
    #[arg(value_name = "PATH")]
    path: String,
    /// GET, POST, PUT, PATCH or DELETE; with --data, POST without it
    #[arg(short = 'X', long, value_name = "METHOD", ignore_case = true, value_parser = METHODS)]
    method: Option<String>,
    /// The body: JSON, or @FILE for a file's content
    #[arg(short, long, value_name = "JSON")]
    data: Option<String>,
    /// The service of RT 2.0 that is meant: an edge has both
    #[arg(long = "type", value_name = "TYPE", value_parser = ["cdp", "td"])]
    service: Option<String>,
    #[command(flatten)]
    edge: EdgeOptions,
}

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let usual = if args.data.is_some() { "POST" } else { "GET" };
    let method = args.method.as_deref().unwrap_or(usual).to_ascii_uppercase();
    let takes_body = ["POST", "PUT", "PATCH"].contains(&method.as_str());
    if args.data.is_some() && !takes_body {
        return Err(
            Failure::usage(format!("a call of the method {method} has no body")).help("leave --data out")
        );
    }
    let body = match args.data.as_deref().map(|data| (data, data.strip_prefix('@'))) {
        None => Vec::new(),
        Some((_, Some(file))) => {
            let path = PathBuf::from(file);
            std::fs::read(&path).map_err(|error| crate::files::unread(&path, &error))?
        }
        Some((data, None)) => data.as_bytes().to_vec(),
    };
    let client = args.edge.find(Role::Admin)?.client()?;
    let path = if args.path.starts_with('/') { args.path.clone() } else { format!("/{}", args.path) };
    let (is_done, answer) = client.call(&method, &path, takes_body.then_some(body.as_slice()))?;
    print(&format!("{}\n", answer.trim_end()))?;
    Ok(if is_done { Exit::Fine } else { Exit::Failure })
}
