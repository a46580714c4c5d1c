//! `usher init`: a definition to start from, for what people usually start with.

mod from;
mod use_case;

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::exit::{Exit, Failure};
use crate::files::{self, Readers};
use crate::secrets;
use crate::terminal::print;
use use_case::UseCase;

/// Write a definition to start from
///
/// Writes a commented rt_config (events, attributes, keys) and a service (sections and what they answer), or a journey, for a use
/// case, and a visit and a batch record to try them with; or a pipeline, with records to try it. Without a use case, says which
/// there are.
///
/// With --from, a definition for events that there are: of a file (NDJSON, an event a line), or of an edge at an address. Events are told
/// apart by their names, keys found by name and fill, attributes chosen by use case, or without one by what the events are about.
/// Each line has its reason. It is valid as written, and the file's events are played through it.
///
/// Keys that look like a login (email, customer_id) are written with `trust: verified`, so that no page can say that its
/// visitor is somebody else.
///
/// Examples:
///   usher init cart_recovery
///   usher init user_profile -o definitions --audience 1069944
///   usher init --from events.ndjson
///   usher init pipeline -o pipelines
///
/// Exit status: 0 fine, 1 when a file is there already or cannot be written, or events say too little for a proposal, 64 for a wrong command line.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The use case
    #[arg(value_enum, value_name = "USE_CASE")]
    use_case: Option<UseCase>,
    /// A file with events, or the address of an edge, to propose a definition for
    #[arg(long, value_name = "FILE")]
    from: Option<String>,
    /// The directory for the files; made if it is not there
    #[arg(short, long, value_name = "DIR", default_value = "definitions")]
    output: PathBuf,
    /// The audience's id (parent segment)
    #[arg(long, value_name = "ID", value_parser = secrets::audience, default_value = "1")]
    audience: String,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
}

/// The rt_config that `usher ps pz init` starts from.
pub(super) fn rt_config(audience: &str) -> String {
    let [(_, _, text), ..] = UseCase::ProductRecommendations.templates();
    text.replace("{audience}", audience)
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    if let Some(from) = &args.from {
        return propose(args, from);
    }
    let Some(use_case) = args.use_case else {
        let cases = UseCase::value_variants().iter();
        let lines = cases.map(|case| format!("{:<24}{}\n", case.name(), case.meaning()));
        print(&format!("{}\nusher init USE_CASE writes one of them.\n", lines.collect::<String>()))?;
        return Ok(Exit::Fine);
    };
    let templates = use_case.templates();
    let paths = templates.map(|(name, ..)| args.output.join(name));
    // All or nothing: half of a definition would be worse than none.
    if let Some(path) = paths.iter().find(|path| !args.force && path.exists()) {
        return Err(Failure::new(format!("`{}` is there already", path.display()))
            .help("name another directory with -o, or add --force to replace it"));
    }
    let mut out = format!("✅ A {} to start from:\n", use_case.name());
    let width = paths.iter().map(|path| path.display().to_string().chars().count()).max().unwrap_or(0);
    for (path, (_, meaning, text)) in paths.iter().zip(templates) {
        let text = text.replace("{audience}", &args.audience);
        files::replace(path, &text, Readers::Usual)?;
        out.push_str(&format!("  {:<width$}  {meaning}\n", path.display().to_string()));
    }
    out.push_str(&match use_case {
        UseCase::Pipeline => next_of_pipeline(&args.output),
        _ => next(&args.output, &args.audience),
    });
    print(&out)?;
    Ok(Exit::Fine)
}

fn propose(args: &Args, from: &str) -> Result<Exit, Failure> {
    let proposal = from::propose(from, args.use_case, &args.audience)?;
    let files = [("rt_config.yaml", &proposal.rt_config), ("service.yaml", &proposal.service)];
    let paths = files.map(|(name, text)| (args.output.join(name), text));
    if let Some((path, _)) = paths.iter().find(|(path, _)| !args.force && path.exists()) {
        return Err(Failure::new(format!("`{}` is there already", path.display()))
            .help("name another directory with -o, or add --force to replace it"));
    }
    for (path, text) in &paths {
        files::replace(path, text, Readers::Usual)?;
    }
    let played = match proposal.played {
        0 => "no events were there to play".to_owned(),
        played => format!("{played} events were played through it"),
    };
    let shown = paths.map(|(path, _)| format!("  {}\n", path.display())).concat();
    let directory = args.output.display();
    print(&format!(
        "✅ A {} for these events; {played}:\n{shown}\nNext, read it, then:\n  usher validate {directory}\n",
        proposal.use_case.name()
    ))?;
    Ok(Exit::Fine)
}

/// The next commands for a pipeline, each line as it is typed.
fn next_of_pipeline(output: &Path) -> String {
    let directory = output.display();
    format!(
        "
Next, put your own topics and columns in, then:
  usher pipeline validate {directory}/pipeline.yaml
  usher pipeline explain {directory}/pipeline.yaml
  usher pipeline run {directory}/pipeline.yaml --input users={directory}/users.ndjson --input products={directory}/products.ndjson < {directory}/clicks.ndjson
"
    )
}

/// The next commands, each line as it is typed.
fn next(output: &Path, audience: &str) -> String {
    let (directory, edge) = (output.display(), "http://127.0.0.1:8787");
    format!(
        "
Next, put your own tables and columns in, then:
  usher validate {directory}
  usher simulate {directory} {directory}/visit.ndjson --batch {directory}/profiles.ndjson
  usher keys new --audience {audience} --origin https://your.site --out keys.json
  usher serve --keys keys.json &
  export USHER_ADMIN_KEY=\"$(jq -r .admin_key keys.json)\" USHER_SERVER_KEY=\"$(jq -r .server_key keys.json)\"
  usher push {directory} --to {edge} -y
  usher import {directory}/profiles.ndjson --audience {audience} --to {edge}
  usher explain --to {edge} --key customer_id=c-1001
"
    )
}
