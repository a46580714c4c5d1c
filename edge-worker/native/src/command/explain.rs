//! `usher explain`: why a visitor sees what they see, from files or from a running edge.

mod visitor;

pub(crate) use visitor::table;

use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use usher_edge::lookup::{self, Candidate};
use usher_edge::store::Pointer;
use usher_edge::wire::frame::FrameWriter;
use usher_edge::{Ambient, Edge, Form, Request, Step, front};
use usher_engine::Plan;
use usher_engine::definition::Definition;
use usher_engine::profile::{Profile, codec};

use crate::clock::{instant, now_ms};
use crate::definitions::Definitions;
use crate::exit::{Exit, Failure};
use crate::targets::{EdgeOptions, Role};
use crate::terminal::{clean, colored, print};
use crate::{secrets, tree};

/// Explain what a visitor sees, and why
///
/// From files: folds a visitor's batch record and events into a profile, on this machine, and says for every
/// personalization, section and condition whether it matched (✓), did not (✗), could not be known because a value was
/// missing (?), or was not reached (·), with the value seen, where it came from and how old it is. Sensitive values are
/// not shown.
///
/// The visitor's file is {"batch": {record}, "events": [{"database": "web", "table": "pageviews", "event": {…}}]}. All
/// of it is taken to be about one visitor, except events whose primary key says otherwise.
///
/// From an edge: asks it about the visitor with this key. The server key comes from the environment variable
/// USHER_SERVER_KEY, or from a file.
///
/// Without --event it explains lookups, to which the visitor's keys are handed in; with it, the call that this event
/// makes.
///
/// Examples:
///   usher explain definitions/ --profile visitor.json
///   usher explain definitions/ --profile - --event 'web.pageviews={"td_path":"/"}' < visitor.json
///   usher explain definitions/ --profile visitor.json --at 2026-05-04T10:15:00Z --json | jq .offers
///   usher explain --target local --key td_client_id=browser-1
///   usher explain --to https://edge.example --key customer_id=c-1001 --personalization web_personalization
///
/// Exit status: 0 when a section matched, 1 for a failure, 2 when the definition has errors, 3 when no section matched,
/// 64 for a wrong command line or a missing key.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, mut_group("edge", |edge| edge.requires("key").conflicts_with_all(["paths", "profile"])))]
pub(crate) struct Args {
    /// Files and directories with the definition
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// A file with what is known of the visitor, or - for standard input
    #[arg(long, value_name = "FILE", requires = "paths")]
    profile: Option<PathBuf>,
    /// An event of the visitor, as database.table={"column": "value"}
    #[arg(long, value_name = "EVENT", value_parser = event)]
    event: Option<Sent>,
    /// Only the personalization of this name or id
    #[arg(long, value_name = "NAME")]
    personalization: Option<String>,
    /// An input of the lookup: name=text, or name:=json; may be repeated
    #[arg(long, value_name = "INPUT", value_parser = input)]
    input: Vec<(String, Value)>,
    /// The time to explain for, such as 2026-05-04T10:15:00Z; now without it
    #[arg(long, value_name = "TIME", value_parser = instant, conflicts_with_all = ["to", "target", "key"])]
    at: Option<i64>,
    /// Print JSON, as `POST /v1/explain` answers it
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    edge: EdgeOptions,
    /// The visitor's key there, as name=value
    #[arg(long, value_name = "KEY", value_parser = key, conflicts_with_all = ["paths", "profile"])]
    key: Option<(String, String)>,
}

/// An event as it is sent, with the table that it is sent to.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    database: String,
    table: String,
    columns: Value,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let explanation = match &args.profile {
        Some(profile) => from_files(args, profile)?,
        None if args.key.is_some() => from_edge(args)?,
        None => return Err(nobody_named(&args.paths)),
    };
    if args.json {
        print(&format!("{explanation:#}\n"))?;
    } else {
        print(&tree::draw(&explanation, colored(&io::stdout())))?;
    }
    let matched = explanation["offers"].as_object().is_some_and(|offers| !offers.is_empty());
    Ok(if matched { Exit::Fine } else { Exit::NoSectionMatched })
}

/// The failure where neither a key nor a visitor's file is named.
fn nobody_named(paths: &[PathBuf]) -> Failure {
    let failure = Failure::usage("no visitor is named");
    match paths {
        [only] if !only.exists() && only.to_string_lossy().contains('=') => {
            failure.help(format!("the key of a visitor is an option: --key {}", clean(&only.to_string_lossy())))
        }
        _ => failure.help(
            "of an edge: usher explain --key td_client_id=…; from files: usher explain definitions/ --profile \
             visitor.json",
        ),
    }
}

fn from_edge(args: &Args) -> Result<Value, Failure> {
    let edge = args.edge.find(Role::Server)?;
    let client = edge.client()?;
    let mut body = question(args);
    if let Some((name, value)) = &args.key {
        body["key"] = json!({"name": name, "value": value});
    }
    if let Some(audience) = &edge.audience {
        body["audience"] = json!(audience);
    }
    client.post("/v1/explain", "application/json", body.to_string().as_bytes())
}

fn from_files(args: &Args, file: &Path) -> Result<Value, Failure> {
    let definitions = Definitions::valid(&args.paths)?;
    let definition = definitions.definition();
    // What was found to be valid compiles.
    let plan = Plan::compile(definition).map_err(|_| Failure::new("the definition does not compile"))?;
    if let Some(name) = args.personalization.as_deref().filter(|name| plan.personalization(name).is_none()) {
        let names = definition.personalizations.iter().map(|personalization| personalization.name.as_str());
        return Err(Failure::usage(format!("there is no personalization `{name}`"))
            .help(format!("there are: {}", names.collect::<Vec<_>>().join(", "))));
    }
    if let Some(event) = &args.event {
        table(&plan, &event.database, &event.table).map_err(|failure| failure.at("--event"))?;
    }
    let now_ms = args.at.unwrap_or_else(now_ms);
    let profile = visitor::fold(&plan, file, now_ms)?;
    let mut body = question(args);
    if args.event.is_none() {
        // Whoever looks this visitor up hands in their keys.
        for key in profile.iter().flat_map(|profile| profile.keys()) {
            if body["inputs"].get(&key.name).is_none() {
                body["inputs"][&key.name] = json!(key.value);
            }
        }
    }
    ask(definition, profile.as_ref(), &body, now_ms)
}

/// The question as JSON, the same for files and edges.
fn question(args: &Args) -> Value {
    let mut body = json!({"inputs": Value::Object(args.input.iter().cloned().collect())});
    if let Some(name) = &args.personalization {
        body["personalization"] = json!(name);
    }
    if let Some(event) = &args.event {
        body["event"] = json!({"database": event.database, "table": event.table, "columns": event.columns});
    }
    body
}

/// Asks an edge that exists for this question only: its explanation is that of every edge, to the letter.
fn ask(
    definition: &Definition,
    profile: Option<&Profile>,
    body: &Value,
    now_ms: i64,
) -> Result<Value, Failure> {
    // Nobody outlives the question, so its key need not be a secret.
    let secret = json!({"signing_key": "0".repeat(64), "keys": []}).to_string();
    let audience = definition.audience.id.clone();
    let now = now_ms.div_euclid(1_000);
    let token = usher_edge::preview_token(&secret, &audience, now + 3_600, now).map_err(Failure::new)?;
    let bundle = usher_edge::bundle_of(definition).map_err(Failure::new)?;
    let mut edge = Edge::new(Some(&secret), false);
    let pointer = Pointer { audience, number: 0, hash: secrets::hash(&bundle) };
    edge.install(&pointer, bundle).map_err(Failure::new)?;
    let body = body.to_string();
    let request = Request {
        method: "POST",
        target: "/v1/explain",
        headers: &[("authorization".to_owned(), format!("Bearer {token}"))],
        body: body.as_bytes(),
        ambient: Ambient { now_ms, entropy: [0; 32] },
    };
    let response = match front::handle(&edge, &request) {
        Step::LookUp(pending) => {
            let mut snapshot = FrameWriter::default();
            snapshot.long(now_ms).bytes(
                &profile
                    .map(|profile| codec::encode(profile, Form::NEWEST.of_profiles()))
                    .unwrap_or_default(),
            );
            lookup::answer(&edge, &pending, Candidate::Writer(&snapshot.0), i64::MIN)
        }
        Step::Respond(response) => Some(response),
        _ => None,
    };
    let response = response.ok_or_else(|| Failure::new("the profile cannot be explained"))?;
    let mut answer: Value =
        serde_json::from_slice(&response.body).map_err(|error| Failure::new(error.to_string()))?;
    if response.status != 200 {
        let said = |name: &str| answer[name].as_str().unwrap_or("").to_owned();
        return Err(Failure::new(said("title")).help(said("detail")));
    }
    answer["meta"]["source"] = json!("file");
    Ok(answer)
}

fn event(text: &str) -> Result<Sent, String> {
    let wanted = || r#"an event is written database.table={"column": "value"}"#.to_owned();
    let (table, columns) = text.split_once('=').ok_or_else(wanted)?;
    let (database, table) = table.split_once('.').ok_or_else(wanted)?;
    let columns: Value = serde_json::from_str(columns).map_err(|error| format!("not JSON: {error}"))?;
    if !columns.is_object() {
        return Err(wanted());
    }
    Ok(Sent { database: database.to_owned(), table: table.to_owned(), columns })
}

fn input(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("an input is written name=text or name:=json")?;
    Ok(match name.strip_suffix(':') {
        None => (name.to_owned(), json!(value)),
        Some(name) => {
            let value = serde_json::from_str(value).map_err(|error| format!("not JSON: {error}"))?;
            (name.to_owned(), value)
        }
    })
}

fn key(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a key is written name=value")?;
    Ok((name.to_owned(), value.to_owned()))
}
