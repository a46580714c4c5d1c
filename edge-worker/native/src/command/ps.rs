//! `usher ps`: parent segments (audiences), as RT 2.0's command line lists and shows them.

mod pull;
mod segment;
pub(super) mod shapes;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::Value;
use usher_config::Finding;
use usher_engine::diagnostic::Severity;

use super::{init, push, validate};
use crate::client::Client;
use crate::definitions::Definitions;
use crate::exit::{Exit, Failure};
use crate::files::{self, Readers};
use crate::secrets;
use crate::targets::{EdgeOptions, Role};
use crate::terminal::{clean, note, print};
use segment::{Segment, is, not_found, not_the_keys};

/// List and show parent segments (audiences), their fields and services
///
/// The verbs and shapes of RT 2.0's command line. What is shown comes from definitions on this machine (--definitions, by
/// default the directory `definitions`, or this one), or from the bundle that an edge runs, where one is named: by --to, by
/// --target, in the environment or by a default target. A parent segment is named by its id or its name.
///
/// Examples:
///   usher ps list
///   usher ps view 1069944 --json | jq .realtime_config.status
///   usher ps push definitions/ --target local
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    List(List),
    View(View),
    Fields(Fields),
    /// Publish definitions to an edge
    ///
    /// `usher push` under the name that it has in RT 2.0's command line: `usher push --help` says more.
    /// Files with services alone are added to what runs there.
    ///
    /// Examples:
    ///   usher ps push rt_config.yaml --to https://edge.example
    ///   usher ps push definitions/ --target local -y
    ///   usher ps push definitions/ --to https://edge.example --dry-run
    ///
    /// Exit status: 0 when the bundle runs, 1 when the edge refused it or somebody said no, 2 when the definition has
    /// errors, 64 for a wrong command line, a missing key, or nobody to ask.
    #[command(verbatim_doc_comment)]
    Push(push::Args),
    Pull(pull::Args),
    /// Real-time configurations
    ///
    /// Examples:
    ///   usher ps rt list
    ///   usher ps rt validate rt_config.yaml
    #[command(subcommand, verbatim_doc_comment)]
    Rt(Rt),
    /// Personalization services
    ///
    /// Examples:
    ///   usher ps pz list 1069944
    ///   usher ps pz init 1069944 -o rt_config.yaml
    #[command(subcommand, verbatim_doc_comment)]
    Pz(Pz),
}

#[derive(Debug, Subcommand)]
enum Rt {
    List(RtList),
    Validate(Validate),
}

#[derive(Debug, Subcommand)]
enum Pz {
    List(PzList),
    Init(Init),
}

/// List parent segments
///
/// Example:
///   usher ps list --json | jq '.[] | select(.name == "Shop") | .id'
///
/// Exit status: 0 fine, 1 when a path or an edge cannot be read, 64 for a wrong command line or a missing key.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct List {
    #[command(flatten)]
    place: SegmentSource,
}

/// List the real-time configurations of parent segments
///
/// The status is `ok` where a bundle runs; of definitions on this machine it is `initialized`, or `inconsistent` where they
/// have errors.
///
/// Example:
///   usher ps rt list --json | jq '.[] | {id, name, rt_status: .status, event_tables: (.event_tables | length)}'
///
/// Exit status: 0 fine, 1 when a path or an edge cannot be read, 64 for a wrong command line or a missing key.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct RtList {
    #[command(flatten)]
    place: SegmentSource,
}

/// Show a parent segment and its real-time configuration
///
/// Example:
///   usher ps view 1069944 --json | jq .realtime_config.status
///
/// Exit status: 0 fine, 1 when there is none of this name, or a path or an edge cannot be read, 64 for a wrong command line
/// or a missing key.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct View {
    #[command(flatten)]
    named: Named,
    /// Print it all the same: RT 2.0 opens its console, and Usher has none
    #[arg(long)]
    web: bool,
}

#[derive(Debug, clap::Args)]
struct Named {
    /// The parent segment, by id or name
    #[arg(value_name = "PARENT_SEGMENT")]
    segment: String,
    #[command(flatten)]
    place: SegmentSource,
}

/// List the fields that criteria and outputs may name
///
/// Example:
///   usher ps fields Shop --json | jq -r '.[] | select(.layer == "realtime") | .name'
///
/// Exit status: 0 fine, 1 when there is none of this name, or a path or an edge cannot be read, 64 for a wrong command line
/// or a missing key.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct Fields {
    #[command(flatten)]
    named: Named,
}

/// List the personalization services of a parent segment
///
/// Example:
///   usher ps pz list 1069944 --json | jq -r '.[].name'
///
/// Exit status: 0 fine, 1 when there is none of this name, or a path or an edge cannot be read, 64 for a wrong command line
/// or a missing key.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct PzList {
    #[command(flatten)]
    named: Named,
}

/// Check a real-time configuration
///
/// Takes a file, a directory, or a parent segment: of the definitions on this machine, or of an edge, where one is named.
/// `usher validate` says the same at the lines that it is about.
///
/// Example:
///   usher ps rt validate rt_config.yaml
///
/// Exit status: 0 when it is valid, 1 when it cannot be read, 2 when it has errors.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct Validate {
    /// A file or directory, or a parent segment by id or name
    #[arg(value_name = "FILE")]
    what: String,
    #[command(flatten)]
    place: SegmentSource,
}

/// Write a real-time configuration to start from
///
/// `usher init` writes one with a service for a use case.
///
/// Example:
///   usher ps pz init 1069944 -o rt_config.yaml
///
/// Exit status: 0 fine, 1 when the file is there already or cannot be written, 64 for a wrong command line.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct Init {
    /// The parent segment's id
    #[arg(value_name = "PARENT_SEGMENT", value_parser = secrets::audience, default_value = "1")]
    segment: String,
    /// The file; rt_config_<id>.yaml without it
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
}

/// Where parent segments are looked for.
#[derive(Debug, clap::Args)]
struct SegmentSource {
    /// Files and directories, each with one definition; may be repeated
    #[arg(long, value_name = "PATH", conflicts_with_all = ["to", "target"])]
    definitions: Vec<PathBuf>,
    #[command(flatten)]
    edge: EdgeOptions,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    match &args.verb {
        Verb::List(List { place }) => list(place, shapes::listed, &["id", "name"]),
        Verb::Rt(Rt::List(RtList { place })) => list(place, shapes::rt, &shapes::RT_COLUMNS),
        Verb::View(named) => view(named),
        Verb::Fields(Fields { named }) => rows(named, shapes::fields, &shapes::FIELD_COLUMNS),
        Verb::Pz(Pz::List(PzList { named })) => rows(named, shapes::services, &shapes::SERVICE_COLUMNS),
        Verb::Pz(Pz::Init(args)) => initialize(args),
        Verb::Rt(Rt::Validate(args)) => check(args),
        Verb::Push(args) => push::run_of_ps(args),
        Verb::Pull(args) => pull::run(args),
    }
}

fn list(place: &SegmentSource, shape: fn(&Segment) -> Value, columns: &[&str]) -> Result<Exit, Failure> {
    let segments = place.segments(None)?;
    show(place.json, segments.iter().map(shape).collect(), columns)
}

fn rows(named: &Named, shape: fn(&Segment) -> Vec<Value>, columns: &[&str]) -> Result<Exit, Failure> {
    let segment = named.place.segment(&named.segment)?;
    show(named.place.json, shape(&segment), columns)
}

fn show(as_json: bool, rows: Vec<Value>, columns: &[&str]) -> Result<Exit, Failure> {
    print(&if as_json { format!("{:#}\n", Value::Array(rows)) } else { shapes::table(&rows, columns) })?;
    Ok(Exit::Fine)
}

fn view(View { named, web }: &View) -> Result<Exit, Failure> {
    let segment = named.place.segment(&named.segment)?;
    if *web {
        note("there is no console to open: this is what it would show");
    }
    let view = shapes::view(&segment);
    print(&if named.place.json { format!("{view:#}\n") } else { shapes::page(&segment) })?;
    Ok(Exit::Fine)
}

fn initialize(args: &Init) -> Result<Exit, Failure> {
    let path =
        args.output.clone().unwrap_or_else(|| PathBuf::from(format!("rt_config_{}.yaml", args.segment)));
    let shown = path.display();
    if path.exists() && !args.force {
        return Err(Failure::new(format!("`{shown}` is there already"))
            .help("name another file with -o, or add --force to replace it"));
    }
    files::replace(&path, &init::rt_config(&args.segment), Readers::Usual)?;
    print(&format!(
        "✅ {shown}\n\nNext, put your own tables and columns in, then:\n  usher ps rt validate {shown}\n"
    ))?;
    Ok(Exit::Fine)
}

/// The checks of RT 2.0's command line, in its words: each is kept by the absence of errors.
const CHECKS: [&str; 6] = [
    "Parent segment ID exists",
    "All event tables are accessible",
    "All attributes have valid types",
    "ID stitching has primary key",
    "No duplicate attribute names",
    "Regex patterns are valid",
];

fn check(args: &Validate) -> Result<Exit, Failure> {
    let path = PathBuf::from(&args.what);
    let is_file_name = args.what.contains('/')
        || path.extension().is_some_and(|it| it == "yaml" || it == "yml" || it == "json");
    let definitions = if path.exists() || is_file_name {
        Definitions::load(&[path])?
    } else if !args.place.is_local()? {
        Definitions::of(&args.place.segment(&args.what)?.definition)
    } else {
        let all = args.place.local()?;
        let names = all.iter().map(|one| one.definition().audience.id.clone()).collect::<Vec<_>>();
        all.into_iter()
            .find(|one| is(one.definition(), &args.what))
            .ok_or_else(|| not_found(&args.what, &names))?
    };
    if args.place.json {
        return validate::json(&definitions);
    }
    if definitions.count(Severity::Error) > 0 {
        definitions.report(|finding| finding.diagnostic.severity() == Severity::Error);
        note(&format!("❌ Configuration is not valid: {}", definitions.tally()));
        definitions.missing().iter().for_each(|text| note(&format!("  help: {text}")));
        return Ok(Exit::InvalidDefinition);
    }
    let mut out = "✅ Configuration is valid\n\nValidation Results:\n".to_owned();
    let keyed = definitions.definition().identity.primary_key.is_some();
    for check in CHECKS.iter().filter(|check| keyed || !check.contains("primary key")) {
        out.push_str(&format!("  ✓ {check}\n"));
    }
    let warning = |finding: &&Finding| finding.diagnostic.code.severity() == Severity::Warning;
    let mut warnings: Vec<String> = definitions
        .findings
        .iter()
        .filter(warning)
        .map(|finding| clean(&finding.diagnostic.message))
        .collect();
    if !keyed {
        warnings.push("ID stitching has no primary key - people are not told apart".to_owned());
    }
    if !warnings.is_empty() {
        out.push_str("\nWarnings:\n");
    }
    for warning in warnings {
        out.push_str(&format!("  ⚠ {warning}\n"));
    }
    out.push_str("\nReady to push!\n");
    print(&out)?;
    Ok(Exit::Fine)
}

impl SegmentSource {
    /// Every parent segment there is; on an edge, the one of this id or the one that is configured, if there is one.
    fn segments(&self, id: Option<&str>) -> Result<Vec<Segment>, Failure> {
        if self.is_local()? {
            return Ok(self.local()?.iter().map(Segment::local).collect());
        }
        let edge = self.edge.find(Role::Admin)?;
        let client = edge.client()?;
        let ids = match id.map(str::to_owned).or(edge.audience.clone()) {
            Some(id) => vec![id],
            None => audiences(&client)?,
        };
        let mut segments = Vec::new();
        for id in ids {
            segments.extend(Segment::at(&client, &id)?);
        }
        Ok(segments)
    }

    /// The parent segment of this id or name.
    fn segment(&self, name: &str) -> Result<Segment, Failure> {
        // What is no id of an edge's audience, the edge refuses as it does an audience of another key.
        let of_id = |id: &str| match self.segments(Some(id)) {
            Err(failure) if failure.is_forbidden() => Err(not_the_keys(name)),
            found => found,
        };
        // A name is no id on an edge: there, the configured audience may have it.
        let mut segments = self.segments(None).or_else(|failure| match secrets::audience(name) {
            Ok(id) if self.edge.audience().is_none() => of_id(&id),
            _ => Err(failure),
        })?;
        // Whoever names an audience has said which.
        let more = self.edge.audience().is_none() && !self.is_local()?;
        if more
            && !segments.iter().any(|segment| is(&segment.definition, name))
            && let Ok(id) = secrets::audience(name)
        {
            segments.extend(of_id(&id)?);
        }
        let known: Vec<String> =
            segments.iter().map(|segment| segment.definition.audience.id.clone()).collect();
        segments
            .into_iter()
            .find(|segment| is(&segment.definition, name))
            .ok_or_else(|| not_found(name, &known))
    }

    fn is_local(&self) -> Result<bool, Failure> {
        Ok(!self.definitions.is_empty() || !self.edge.is_named()?)
    }

    fn local(&self) -> Result<Vec<Definitions>, Failure> {
        let usual = || {
            let named = Path::new("definitions");
            vec![if named.is_dir() { named.to_owned() } else { PathBuf::from(".") }]
        };
        let paths = if self.definitions.is_empty() { usual() } else { self.definitions.clone() };
        paths.iter().map(|path| Definitions::load(std::slice::from_ref(path))).collect()
    }
}

/// The ids of those that run there.
fn audiences(client: &Client) -> Result<Vec<String>, Failure> {
    let answer = client.get("/v1/audiences")?;
    let listed = answer.get("audiences").and_then(Value::as_array).ok_or_else(|| client.not_an_edge())?;
    let id = |one: &Value| one.get("id").and_then(Value::as_str).map(secrets::audience);
    listed.iter().map(|one| id(one).and_then(Result::ok).ok_or_else(|| client.not_an_edge())).collect()
}
