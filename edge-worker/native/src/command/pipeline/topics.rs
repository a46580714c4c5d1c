//! The files of topics: which are read, in which order, and where rows go.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use usher_config::did_you_mean;
use usher_pipelines::{Chain, Plan, Stream};

use crate::exit::Failure;

/// A topic and its file.
pub(super) type Named = (String, PathBuf);

fn plans(chain: &Chain) -> impl Iterator<Item = &Plan> {
    chain.streams().iter().map(Stream::plan)
}

/// The topics that are read and their files, in the order in which they are read.
pub(super) fn inputs(chain: &Chain, named: &[Named]) -> Result<Vec<(String, Vec<PathBuf>)>, Failure> {
    let mut standard_input = named.iter().filter(|(_, path)| path.as_os_str() == "-").count();
    if standard_input > 1 {
        return Err(Failure::usage("standard input is named twice"));
    }
    let topics = chain.inputs();
    if let Some((topic, _)) = named.iter().find(|(topic, _)| !topics.contains(&topic.as_str())) {
        if let Some(writer) = plans(chain).find(|plan| plan.output() == topic && chain.reads(topic)) {
            let message = format!("`{topic}` comes from the pipeline `{}`, not from a file", writer.name());
            return Err(Failure::usage(message).help("remove this --input, or run that pipeline by itself"));
        }
        let help = did_you_mean(topic, topics.iter().copied())
            .unwrap_or_else(|| format!("read here: {}", topics.join(", ")));
        return Err(Failure::usage(format!("the pipeline does not read `{topic}`")).help(help));
    }
    let mut inputs = Vec::new();
    for topic in topics {
        let of_topic = named.iter().filter(|(of, _)| of == topic);
        let mut paths: Vec<PathBuf> = of_topic.map(|(_, path)| path.clone()).collect();
        let are_events = plans(chain).all(|plan| plan.topics().skip(1).all(|joined| joined != topic));
        if paths.is_empty() && are_events && standard_input == 0 {
            standard_input += 1;
            paths.push("-".into());
        }
        if paths.is_empty() {
            let help = format!("add --input {topic}=FILE; /dev/null has no rows");
            return Err(Failure::usage(format!("no file is named for the topic `{topic}`")).help(help));
        }
        let files: Vec<Option<Identity>> =
            paths.iter().map(|path| Identity::of(path, "/dev/stdin")).collect();
        let again = (1..files.len()).find(|at| files[*at].is_some() && files[..*at].contains(&files[*at]));
        if let Some(path) = again.and_then(|at| paths.get(at)) {
            let message = format!("{} is named twice for the topic `{topic}`", shown(path, "standard input"));
            return Err(Failure::usage(message).help("its records would count twice: name it once"));
        }
        inputs.push((topic.to_owned(), paths));
    }
    Ok(inputs)
}

/// A file, whatever path leads to it.
#[derive(PartialEq, Eq)]
enum Identity {
    /// Its device and number there.
    There(u64, u64),
    /// The path of one that is not there yet.
    New(PathBuf),
}

impl Identity {
    /// None of pipes and devices, which may be shared. `-` is the standard stream that `standard` leads to.
    fn of(path: &Path, standard: &str) -> Option<Identity> {
        let path = if path.as_os_str() == "-" { Path::new(standard) } else { path };
        match fs::metadata(path) {
            Ok(found) => found.is_file().then(|| Identity::There(found.dev(), found.ino())),
            Err(_) => {
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
                let folder = fs::canonicalize(folder.unwrap_or(Path::new("."))).ok()?;
                Some(Identity::New(folder.join(path.file_name()?)))
            }
        }
    }
}

fn shown(path: &Path, standard: &str) -> String {
    if path.as_os_str() == "-" { standard.to_owned() } else { format!("`{}`", path.display()) }
}

/// Refuses a file that would be written twice at once, or read while it is written, and one in the folder of the state.
pub(super) fn apart<'p>(
    inputs: impl Iterator<Item = &'p PathBuf>,
    outputs: impl Iterator<Item = &'p PathBuf>,
    state: Option<&Path>,
) -> Result<(), Failure> {
    let mut known: Vec<Identity> = inputs.filter_map(|path| Identity::of(path, "/dev/stdin")).collect();
    let read = known.len();
    let state = state.and_then(|folder| fs::canonicalize(folder).ok());
    for path in outputs {
        let folder =
            path.parent().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
        let folder = folder.and_then(|folder| fs::canonicalize(folder).ok());
        if folder.is_some_and(|folder| state.as_ref() == Some(&folder)) {
            let message = format!("`{}` is in the folder of the state", path.display());
            return Err(Failure::usage(message).help("name a file in another folder"));
        }
        let Some(identity) = Identity::of(path, "/dev/stdout") else { continue };
        match known.iter().position(|other| *other == identity) {
            Some(place) if place < read => {
                let message = format!("{} is read and written", shown(path, "standard output"));
                return Err(Failure::usage(message).help("name another file for what is written"));
            }
            Some(_) => {
                let message = format!("{} is named for two outputs", shown(path, "standard output"));
                return Err(Failure::usage(message).help("name a file for each"));
            }
            None => known.push(identity),
        }
    }
    Ok(())
}

/// The topics whose rows are written, each with its file or `-`. A value is the file of a topic, or the file of the one topic that
/// no pipeline reads.
pub(super) fn outputs(chain: &Chain, values: &[String]) -> Result<Vec<Named>, Failure> {
    let mut last = plans(chain).map(Plan::output).filter(|topic| !chain.reads(topic));
    let (first, second) = (last.next(), last.next());
    let mut outputs: Vec<Named> = Vec::new();
    for value in values {
        let named =
            value.split_once('=').filter(|(topic, _)| plans(chain).any(|plan| plan.output() == *topic));
        let meant = value.split_once('=').filter(|_| named.is_none());
        if let Some(help) = meant.and_then(|(topic, _)| did_you_mean(topic, plans(chain).map(Plan::output))) {
            let message = format!("no pipeline writes the topic of `--output {value}`");
            return Err(Failure::usage(message).help(help));
        }
        let (topic, path) = match (named, first, second) {
            (Some(named), _, _) => named,
            (None, Some(topic), None) => (topic, value.as_str()),
            (None, ..) => {
                let topics: Vec<&str> = plans(chain).map(Plan::output).collect();
                let message = format!("`--output {value}` does not say of which topic");
                return Err(
                    Failure::usage(message).help(format!("write TOPIC=PATH; topics: {}", topics.join(", ")))
                );
            }
        };
        if outputs.iter().any(|(known, _)| known == topic) {
            return Err(Failure::usage(format!("two files are named for the rows of `{topic}`")));
        }
        outputs.push((topic.to_owned(), path.into()));
    }
    let is_named = |topic: &str| outputs.iter().any(|(known, _)| known == topic);
    let rest: Vec<&str> =
        plans(chain).map(Plan::output).filter(|topic| !chain.reads(topic) && !is_named(topic)).collect();
    match rest.as_slice() {
        [] => {}
        [topic] => outputs.push(((*topic).to_owned(), "-".into())),
        [first, ..] => {
            let message = format!("rows go to several topics: {}", rest.join(", "));
            return Err(Failure::usage(message).help(format!("name a file for each: --output {first}=FILE")));
        }
    }
    Ok(outputs)
}
