//! `usher pull`: the bundle that an edge runs becomes files that people edit.

mod files;
mod layout;

use std::path::{Path, PathBuf};

use usher_config::{Source, read, render};
use usher_edge::Bundle;
use usher_engine::definition::OutputSource;
use usher_engine::diagnostic::Severity;

use crate::client::{Client, Published};
use crate::definitions::Definitions;
use crate::diff::{self, Direction};
use crate::exit::{Exit, Failure};
use crate::targets::{EdgeOptions, Role};
use crate::terminal::{clean, confirm, note, print, progress};

pub(crate) use files::State;

use files::Pulled;
use layout::Layout;

/// Write what an edge runs as definitions
///
/// Writes rt_config.yaml, one service for each personalization, and examples.yaml if there are examples, into a directory,
/// so that `usher push` of it would change nothing. The first line of rt_config.yaml says which bundle it is. A directory
/// that says the same in other files is left as it is, and a service that has a file to itself keeps the file's name where
/// the order of the services allows it. Files that say something else are replaced only when somebody agrees. Then files in
/// the way that an earlier pull wrote (their first lines say so) are moved aside, to NAME.old; where anything else stands
/// in the way, nothing is written.
///
/// All files are written beside their places first and then moved there, rt_config.yaml first away and last in place:
/// whenever it is interrupted, each file is old or new as a whole. Until pulling again completes it, no verb takes such a
/// directory for a definition.
///
/// The admin key comes from the environment variable USHER_ADMIN_KEY, from a file, or from where usher.toml says.
///
/// Examples:
///   usher pull --to https://edge.example --audience 1069944
///   usher pull definitions/ --target local --force
///   usher pull --target local --stdout | less
///
/// Exit status: 0 when the directory says what runs, 1 when the edge runs nothing, refused, somebody said no, or files are
/// in the way, 64 for a wrong command line, a missing key, or nobody to ask.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The directory; made when it is not there
    #[arg(value_name = "DIR", default_value = "definitions")]
    directory: PathBuf,
    #[command(flatten)]
    edge: EdgeOptions,
    /// Print one text instead of writing files
    #[arg(long, conflicts_with_all = ["directory", "force"])]
    stdout: bool,
    /// Replace files that say something else, and move aside what was pulled before, without being asked
    #[arg(short = 'y', long, visible_alias = "yes")]
    force: bool,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let edge = args.edge.find(Role::Admin)?;
    let audience = edge.named_audience()?;
    let running = Running::fetch(&edge.client()?, audience)?.ok_or_else(|| nothing(audience))?;
    if args.stdout {
        print(&running.one_text()?)?;
        return Ok(Exit::Fine);
    }
    let shown = clean(&args.directory.display().to_string());
    if args.directory.exists() && !args.directory.is_dir() {
        return Err(Failure::usage(format!("`{shown}` is a file"))
            .help("name a directory; `usher ps pull -o` writes one file"));
    }
    let what = format!("bundle {} of audience {audience}", running.number);
    if !args.force && running.is_said_by(&args.directory) {
        return said(&shown, &what);
    }
    let layout = running.layout(&args.directory)?;
    if !layout.foreign.is_empty() {
        return Err(in_the_way(&shown, &what, &layout.foreign));
    }
    let pulled = Pulled::new(&args.directory, layout)?;
    let differ: Vec<&str> = pulled.states().filter(|it| it.1 == State::Replaced).map(|it| it.0).collect();
    agree(&differ, pulled.aside(), &what, args.force)?;
    pulled.write()?;
    let mut out = format!("✅ {shown} holds {what}\n");
    for (name, state) in pulled.states() {
        out.push_str(&format!("  {:<9}  {name}\n", state.as_str()));
    }
    for (name, unused) in pulled.aside() {
        out.push_str(&format!("  {:<9}  {}, now {}\n", "aside", clean(name), clean(unused)));
    }
    print(&out)?;
    Ok(Exit::Fine)
}

/// Files of somebody else that would be read with the bundle, and make something else of it.
fn in_the_way(shown: &str, what: &str, names: &[String]) -> Failure {
    note(&format!("These would be read with {what}, which says the same or something else:"));
    for name in names {
        note(&format!("  {}", clean(name)));
    }
    Failure::new(format!("files of `{shown}` are in the way; nothing was written"))
        .help("pull into another directory, or move them out of this one first")
}

/// Asks whether the files that are there may be replaced.
pub(crate) fn agree(
    differ: &[&str],
    aside: &[(String, String)],
    what: &str,
    force: bool,
) -> Result<(), Failure> {
    if (differ.is_empty() && aside.is_empty()) || force {
        return Ok(());
    }
    if !differ.is_empty() {
        note(&format!("These say something else than {what}:"));
    }
    for name in differ {
        note(&format!("  {}", clean(name)));
    }
    if !aside.is_empty() {
        note(&format!("These were pulled before, and are in the way of {what}:"));
    }
    for (name, unused) in aside {
        note(&format!("  {}, which becomes {}", clean(name), clean(unused)));
    }
    let question = match (differ, aside) {
        (_, []) => "Replace them?",
        ([], _) => "Move them aside?",
        _ => "Replace the former, and move the latter aside?",
    };
    match confirm(question) {
        Some(true) => Ok(()),
        Some(false) => Err(Failure::new("nothing was written")),
        None => Err(Failure::usage("nobody is at the terminal to confirm")
            .help("add --force to replace them, or name another place")),
    }
}

/// Ends the verb where there is nothing to do.
pub(crate) fn said(shown: &str, what: &str) -> Result<Exit, Failure> {
    print(&format!("✅ {shown} says what {what} says; nothing was written\n"))?;
    Ok(Exit::Fine)
}

/// Nothing runs.
pub(crate) fn nothing(audience: &str) -> Failure {
    Failure::new(format!("no bundle of audience {audience} runs there"))
        .help("`usher push` publishes one; is this the audience's id, and the edge's address?")
}

/// A bundle that runs, read.
pub(crate) struct Running {
    pub(crate) number: String,
    pub(crate) bundle: Bundle,
    /// The first line of what is written.
    header: String,
}

impl Running {
    /// None when the audience runs nothing.
    pub(crate) fn fetch(client: &Client, audience: &str) -> Result<Option<Running>, Failure> {
        progress("reading what runs");
        let found = client.bundle(audience);
        progress("");
        let Some(Published { hash, number, body }) = found? else { return Ok(None) };
        let bundle = Bundle::read(&body).map_err(|error| {
            Failure::new(format!("this build cannot read bundle {number}: {error}"))
                .help("a later build of usher may have published it")
        })?;
        let (number, hash) = (clean(&number), clean(&hash));
        let header = format!("# Bundle {number} of audience {audience}, hash {hash}.\n");
        Ok(Some(Running { number, bundle, header }))
    }

    /// True if a file or a directory already has the same meaning, however it is written.
    pub(crate) fn is_said_by(&self, path: &Path) -> bool {
        let known = path.exists().then(|| Definitions::load(&[path.to_owned()]));
        known.and_then(Result::ok).is_some_and(|known| {
            known.count(Severity::Error) == 0 && normal(&known.bundle()) == normal(&self.bundle)
        })
    }

    /// The definition as files of a directory.
    fn layout(&self, directory: &Path) -> Result<Layout, Failure> {
        let mut files = usher_config::write_with_examples(&self.bundle.definition, &self.bundle.examples);
        if let Some(first) = files.first_mut() {
            first.text.insert_str(0, &self.header);
        }
        self.held_by(&files)?;
        Layout::new(directory, files, |files| self.held_by(files).is_ok())
    }

    /// The definition as one text with several documents.
    pub(crate) fn one_text(&self) -> Result<String, Failure> {
        let files = usher_config::write_with_examples(&self.bundle.definition, &self.bundle.examples);
        let texts: Vec<&str> = files.iter().map(|file| file.text.as_str()).collect();
        let text = self.header.clone() + &texts.join("---\n");
        self.held_by(&[Source { name: "rt_config.yaml".to_owned(), text: text.clone() }])?;
        Ok(text)
    }

    /// Reads what is to be written: what does not come back as it was is not written.
    fn held_by(&self, files: &[Source]) -> Result<(), Failure> {
        let lost = |what: String| {
            Failure::new(format!("bundle {} holds what no file says: {what}", self.number))
                .help("it was published by another program; nothing was written")
        };
        let reading = read(files);
        let error = |finding: &&usher_config::Finding| finding.diagnostic.severity() == Severity::Error;
        if let Some(finding) = reading.findings.iter().find(error) {
            return Err(lost(render::plain(finding)));
        }
        // Criteria and texts may come back in another form that means the same.
        let Bundle { definition, examples } = normal(&self.bundle);
        let back = normal(&Bundle { definition: reading.definition, examples: reading.examples });
        if back.definition == definition && back.examples == examples {
            return Ok(());
        }
        let mut changes = diff::changes(&definition, &back.definition, Direction::Publish);
        changes.extend(diff::examples(&examples, &back.examples));
        let what = changes.first().map(|change| change.line(false).trim().to_owned());
        Err(lost(what.unwrap_or_else(|| "something that no list of differences shows".to_owned())))
    }
}

/// A bundle with its criteria as texts give them, and each `stringBuilder` as one text.
fn normal(bundle: &Bundle) -> Bundle {
    let written = bundle.write().ok().and_then(|body| Bundle::read(&body).ok());
    let mut bundle = written.unwrap_or_else(|| bundle.clone());
    let sections = bundle.definition.personalizations.iter_mut().flat_map(|service| &mut service.sections);
    for output in sections.flat_map(|section| &mut section.outputs) {
        if let OutputSource::Text(texts) = &mut output.source {
            *texts = vec![texts.concat()];
        }
    }
    bundle
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_of_a_string_builder_are_pulled() {
        let text = "parent_segment_id: '1'\nservice_name: s\nsections:\n  - name: A\n    criteria: {operator: ALWAYS}\n    outputs: [{name: x, string_builder: [a, b]}]\n";
        let source = |text: String| [Source { name: "s.yaml".to_owned(), text }];
        let mut definition = read(&source(text.to_owned())).definition;
        let texts = vec!["{{a}}".to_owned(), "}{{{{".to_owned()];
        definition.personalizations[0].sections[0].outputs[0].source = OutputSource::Text(texts.clone());
        let bundle = Bundle { definition, examples: Vec::new() };
        let running = Running { number: "3".to_owned(), bundle, header: String::new() };
        let written = running.one_text().expect("it can be written");
        let definition = read(&source(written)).definition;
        let OutputSource::Text(read) = &definition.personalizations[0].sections[0].outputs[0].source else {
            panic!("{definition:?}");
        };
        assert_eq!(read.concat(), texts.concat());
    }
}
