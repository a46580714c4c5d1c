//! `usher ps pull`: a parent segment as one file, as RT 2.0's command line writes it.

use std::path::PathBuf;

use super::segment::{is, not_found, not_the_keys};
use crate::command::pull::{Running, State, agree, nothing, said};
use crate::exit::{Exit, Failure};
use crate::files::{self, Readers};
use crate::secrets;
use crate::targets::{EdgeOptions, Role};
use crate::terminal::{clean, print};

/// Write the configuration that a parent segment runs
///
/// Writes events, attributes, keys, services and examples into one file. `usher pull` writes a file for each into a directory.
///
/// Example:
///   usher ps pull 1069944 -o rt_config.yaml --to https://edge.example
///
/// Exit status: 0 when the file says what runs, 1 when the edge runs nothing, refused, or somebody said no, 64 for a wrong
/// command line, a missing key, or nobody to ask.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// The parent segment, by id; by name, if it is the audience that is configured
    #[arg(value_name = "PARENT_SEGMENT")]
    segment: String,
    /// The file, which ends in .yaml or .yml; rt_config_<id>.yaml without it
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    edge: EdgeOptions,
    /// Replace the file if it says something else, without being asked
    #[arg(short = 'y', long, visible_alias = "yes")]
    force: bool,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    if let Some(path) = args.output.as_ref().filter(|path| !path.is_dir()) {
        let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
        if !matches!(ending.as_deref(), Some("yaml" | "yml")) {
            return Err(Failure::usage(format!("`{}` does not end as YAML does", path.display()))
                .help("name a file that ends in .yaml or .yml"));
        }
    }
    let running = find(args)?;
    let id = &running.bundle.definition.audience.id;
    // An id from an edge becomes part of a path only where it is one.
    let safe = secrets::audience(id).map_err(Failure::new)?;
    let path = args.output.clone().unwrap_or_else(|| PathBuf::from(format!("rt_config_{safe}.yaml")));
    if path.is_dir() || path.file_name().is_none() {
        return Err(Failure::usage(format!("`{}` is no name of a file", path.display()))
            .help("name a file with -o; `usher pull` writes into a directory"));
    }
    let shown = clean(&path.display().to_string());
    let what = format!("bundle {} of parent segment {safe}", running.number);
    if !args.force && running.is_said_by(&path) {
        return said(&shown, &what);
    }
    let text = running.one_text()?;
    let differs = State::of(&path, &text)? == State::Replaced;
    let differ: Vec<&str> = differs.then_some(shown.as_str()).into_iter().collect();
    agree(&differ, &[], &what, args.force)?;
    files::replace(&path, &text, Readers::Usual)?;
    print(&format!("✅ Bundle {} of parent segment {safe} is in {shown}\n", running.number))?;
    Ok(Exit::Fine)
}

/// The bundle of the parent segment that is named.
fn find(args: &Args) -> Result<Running, Failure> {
    let edge = args.edge.find(Role::Admin)?;
    let (client, configured) = (edge.client()?, edge.audience);
    let mut known = Vec::new();
    if let Some(configured) = &configured
        && let Some(running) = Running::fetch(&client, configured)?
    {
        if is(&running.bundle.definition, &args.segment) {
            return Ok(running);
        }
        known.push(running.bundle.definition.audience.id);
    }
    // Whoever names an audience has said which.
    match secrets::audience(&args.segment) {
        Ok(id) if args.edge.audience().is_none() && configured.as_ref() != Some(&id) => {
            match Running::fetch(&client, &id) {
                // Which the edge says of what is no audience's id, too.
                Err(failure) if failure.is_forbidden() => Err(not_the_keys(&args.segment)),
                found => found?.ok_or_else(|| nothing(&id)),
            }
        }
        _ => Err(not_found(&args.segment, &known)),
    }
}
