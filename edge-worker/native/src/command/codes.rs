//! `usher codes`: what the codes of findings mean.

use serde_json::json;
use usher_config::codes::{self, Page};

use crate::exit::{Exit, Failure};
use crate::terminal::print;

/// Explain the codes of findings
///
/// Without a code, lists all of them with their severity and meaning. With one, says at length what it means, with a
/// definition that raises it, how to mend that, and the mended definition.
///
/// Examples:
///   usher codes
///   usher codes E012
///   usher codes --json | jq -r '.[] | select(.severity == "warning") | .code'
///
/// Exit status: 0 fine, 64 when there is no such code.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// A code, such as E012
    #[arg(value_name = "CODE")]
    code: Option<String>,
    /// Print JSON, with the texts as Markdown
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let Some(name) = &args.code else {
        let text = if args.json {
            format!("{:#}\n", codes::pages().map(document).collect::<serde_json::Value>())
        } else {
            codes::pages()
                .map(|page| {
                    format!("{}  {:<7}  {}\n", page.code, page.code.severity().to_string(), page.title)
                })
                .collect()
        };
        print(&text)?;
        return Ok(Exit::Fine);
    };
    let page = codes::find(name).and_then(codes::page).ok_or_else(|| {
        Failure::usage(format!("there is no code `{name}`")).help("`usher codes` lists them")
    })?;
    print(&if args.json { format!("{:#}\n", document(page)) } else { draw(page) })?;
    Ok(Exit::Fine)
}

fn document(page: Page) -> serde_json::Value {
    json!({
        "code": page.code.as_str(),
        "severity": page.code.severity().to_string(),
        "meaning": page.title,
        "text": page.text,
    })
}

/// A page for the terminal: blocks are indented instead of fenced.
fn draw(page: Page) -> String {
    let mut out = format!("{} ({}): {}\n\n", page.code, page.code.severity(), page.title);
    let mut block = false;
    for line in page.text.lines() {
        if line.starts_with("```") {
            block = !block;
        } else if block && !line.is_empty() {
            out.push_str(&format!("    {line}\n"));
        } else {
            out.push_str(&format!("{line}\n"));
        }
    }
    out
}
