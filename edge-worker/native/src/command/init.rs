//! `usher init`: a definition to start from, for what people usually start with.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::exit::{Exit, Failure};
use crate::files::{self, Readers};
use crate::secrets;
use crate::terminal::print;

/// Write a definition to start from
///
/// Writes a commented rt_config (events, attributes, keys) and a service (sections and what they answer), or a journey, for a use
/// case, and a visit and a batch record to try them with. Without a use case, says which there are.
///
/// Keys that look like a login (email, customer_id) are written with `trust: verified`, so that no page can say that its
/// visitor is somebody else.
///
/// Examples:
///   usher init cart_recovery
///   usher init user_profile -o definitions --audience 1069944
///
/// Exit status: 0 fine, 1 when a file is there already or cannot be written, 64 for a wrong command line.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The use case
    #[arg(value_enum, value_name = "USE_CASE")]
    use_case: Option<UseCase>,
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

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
enum UseCase {
    /// Bring back an abandoned cart
    CartRecovery,
    /// Recommend products by what was looked at and bought
    ProductRecommendations,
    /// Choose what to read next
    ContentPersonalization,
    /// Tell your servers what is known of a customer
    UserProfile,
    /// Remind somebody of their cart by mail, step by step
    Journey,
}

/// The rt_config that `usher ps pz init` starts from.
pub(super) fn rt_config(audience: &str) -> String {
    let [(_, _, text), ..] = UseCase::ProductRecommendations.templates();
    text.replace("{audience}", audience)
}

/// A file, what it is for, and its text.
type Template = (&'static str, &'static str, &'static str);

macro_rules! templates {
    ($case:literal, $service:literal) => {
        templates!($case, $service, "sections and what they answer")
    };
    ($case:literal, $service:literal, $meaning:literal) => {
        [
            (
                "rt_config.yaml",
                "events, attributes, keys",
                include_str!(concat!("init/", $case, "/rt_config.yaml")),
            ),
            ($service, $meaning, include_str!(concat!("init/", $case, "/service.yaml"))),
            (
                "visit.ndjson",
                "a visit to try it with",
                include_str!(concat!("init/", $case, "/visit.ndjson")),
            ),
            (
                "profiles.ndjson",
                "a batch record for it",
                include_str!(concat!("init/", $case, "/profiles.ndjson")),
            ),
        ]
    };
}

impl UseCase {
    fn templates(self) -> [Template; 4] {
        match self {
            UseCase::CartRecovery => templates!("cart_recovery", "cart_recovery.yaml"),
            UseCase::ProductRecommendations => {
                templates!("product_recommendations", "product_recommendations.yaml")
            }
            UseCase::ContentPersonalization => {
                templates!("content_personalization", "content_personalization.yaml")
            }
            UseCase::UserProfile => templates!("user_profile", "user_profile.yaml"),
            UseCase::Journey => templates!("journey", "journeys.yaml", "stages, steps and what they send"),
        }
    }

    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    fn meaning(self) -> String {
        let value = self.to_possible_value();
        value.and_then(|value| value.get_help().map(ToString::to_string)).unwrap_or_default()
    }
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
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
    out.push_str(&next(&args.output, &args.audience));
    print(&out)?;
    Ok(Exit::Fine)
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
