//! Which edge a verb talks to, as whom, and about which audience: the command line, the environment, `usher.toml`.
//!
//! Whatever the command line says wins, and what `--target` names counts as said there; then the environment; then the
//! file's default target. Keys stand in none of them: the file names where they are.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::client::Client;
use crate::exit::Failure;
use crate::secrets;

/// The environment variable with the address of an edge.
const URL: &str = "USHER_URL";
/// The one with the name of a target.
const TARGET: &str = "USHER_TARGET";
/// The one with an audience's id.
const AUDIENCE: &str = "USHER_AUDIENCE";
/// The one with the path of the configuration file.
const CONFIG: &str = "USHER_CONFIG";
/// The default name of the file.
const FILE_NAME: &str = "usher.toml";

/// Which key a verb presents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Admin,
    Server,
}

/// The options that name an edge, a part of every verb that talks to one.
#[derive(Debug, clap::Args)]
#[group(id = "edge")]
pub(crate) struct EdgeOptions {
    /// Where the edge answers
    #[arg(long, alias = "from", value_name = "URL")]
    to: Option<String>,
    /// A name of usher.toml for where the edge answers
    #[arg(long, value_name = "NAME", conflicts_with = "to")]
    target: Option<String>,
    /// The audience's id (parent segment), where the target or USHER_AUDIENCE does not say it
    #[arg(long, value_name = "ID", value_parser = secrets::audience)]
    audience: Option<String>,
    /// A file with the key, or with all keys as `usher keys new` writes it
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

/// An edge, found.
pub(crate) struct Destination {
    pub(crate) url: String,
    pub(crate) audience: Option<String>,
    key: String,
    /// The place of the key, for messages about its refusal.
    key_name: String,
}

impl Destination {
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        Client::new(&self.url, &self.key, &self.key_name)
    }

    /// The audience, for verbs that need one.
    pub(crate) fn named_audience(&self) -> Result<&str, Failure> {
        self.audience.as_deref().ok_or_else(|| {
            Failure::usage("no audience is named")
                .help("name it with --audience, in usher.toml or in USHER_AUDIENCE")
        })
    }
}

impl EdgeOptions {
    /// True if the command line itself names an edge.
    pub(crate) fn is_given(&self) -> bool {
        self.to.is_some() || self.target.is_some()
    }

    /// True if an edge is named at all, for verbs that can do without.
    pub(crate) fn is_named(&self) -> Result<bool, Failure> {
        Ok(self.is_given()
            || setting(URL)?.is_some()
            || setting(TARGET)?.is_some()
            || File::find()?.is_some_and(|file| file.default_target.is_some()))
    }

    /// What `--from` names, for verbs that also read files: it is no address.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.to.as_deref().filter(|named| !named.contains("://")).map(Path::new)
    }

    /// An edge at this address, with its key from the environment or from usher.toml.
    pub(crate) fn at(url: &str) -> EdgeOptions {
        EdgeOptions { to: Some(url.to_owned()), target: None, audience: None, key_file: None }
    }

    /// The audience that the command line itself names.
    pub(crate) fn audience(&self) -> Option<&str> {
        self.audience.as_deref()
    }

    /// The edge to talk to, with a key for this role.
    pub(crate) fn find(&self, role: Role) -> Result<Destination, Failure> {
        let file = File::find()?;
        let known = |name: &str| file.as_ref().map_or_else(|| Err(nowhere(name)), |file| file.target(name));
        let chosen = self.target.as_deref().map(known).transpose()?;
        let fallback = match setting(TARGET)? {
            // The command line says which edge: what would be meant without it is no matter.
            _ if self.to.is_some() || chosen.is_some() => None,
            Some(name) => Some(known(&name)?),
            None => match file.as_ref().and_then(|file| file.default_target.as_deref()) {
                Some(name) => Some(known(name)?),
                None => None,
            },
        };
        let chosen_url = chosen.as_ref().and_then(|target| target.url.clone());
        let fallback_url = fallback.as_ref().and_then(|target| target.url.clone());
        let url = self.to.clone().or(chosen_url);
        let url = match url {
            Some(url) => url,
            None => setting(URL)?.or(fallback_url).ok_or_else(|| {
                Failure::usage("no edge is named")
                    .help("name it with --to, with --target and a name of usher.toml, or in USHER_URL; `usher serve` runs one on this machine")
            })?,
        };
        plain(&url)?;
        let audience =
            match (self.audience.as_deref(), chosen.as_ref().and_then(|target| target.audience.clone())) {
                (Some(audience), _) => Some(audience.to_owned()),
                (None, Some(audience)) => Some(audience),
                (None, None) => {
                    setting(AUDIENCE)?.or(fallback.as_ref().and_then(|target| target.audience.clone()))
                }
            };
        let audience = audience.map(|id| secrets::audience(&id).map_err(Failure::usage)).transpose()?;
        // A key that a target names is for that target: it goes to no address that was given instead.
        let own =
            |target: Option<Target>| target.filter(|target| target.url.as_deref() == Some(url.as_str()));
        let (key, key_name) = key(self.key_file.as_deref(), own(chosen), own(fallback), role)?;
        Ok(Destination { url, audience, key, key_name })
    }
}

/// Refuses an address that may hold a secret, without printing it: what is printed of an edge is its address.
fn plain(url: &str) -> Result<(), Failure> {
    if !url.contains(['@', '?', '#']) {
        return Ok(());
    }
    Err(Failure::usage("the address of the edge has a user name or a query in it, which no edge asks for")
        .help("write it such as https://edge.example; keys come from files and from the environment"))
}

fn key(
    file: Option<&Path>,
    chosen: Option<Target>,
    fallback: Option<Target>,
    role: Role,
) -> Result<(String, String), Failure> {
    let variable = match role {
        Role::Admin => secrets::ADMIN_KEY,
        Role::Server => secrets::SERVER_KEY,
    };
    if let Some(path) = file {
        return Ok((key_in(path, role)?, "--key-file".to_owned()));
    }
    if let Some(found) = chosen.and_then(|target| target.key(role)) {
        return found;
    }
    for name in [variable, secrets::KEY] {
        if let Some(key) = secrets::find(name, None)? {
            return Ok((key, name.to_owned()));
        }
    }
    if let Some(found) = fallback.and_then(|target| target.key(role)) {
        return found;
    }
    Err(Failure::usage(format!("{variable} is not set"))
        .help("set it in the environment, or name a file with --key-file, or a target in usher.toml"))
}

/// The key in a file: the file is the key alone, or what `usher keys new` wrote.
fn key_in(path: &Path, role: Role) -> Result<String, Failure> {
    let text = secrets::require("", Some(path), "--key-file")?;
    if !text.starts_with('{') {
        return Ok(text);
    }
    let (field, what) = match role {
        Role::Admin => ("admin_key", "an admin key"),
        Role::Server => ("server_key", "a server key"),
    };
    secrets::key_of(&text, field).ok_or_else(|| {
        Failure::usage(format!("`{}` holds no `{field}`", path.display())).help(format!(
            "name a file that holds {what} and nothing else, or one that `usher keys new --out` wrote"
        ))
    })
}

/// A variable that says something.
fn setting(name: &str) -> Result<Option<String>, Failure> {
    secrets::find(name, None)
}

fn nowhere(name: &str) -> Failure {
    Failure::usage(format!("there is no target `{name}`"))
        .help("targets stand in usher.toml, here or above, or in the file that USHER_CONFIG names")
}

/// `usher.toml`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// The target when nothing else is said.
    default_target: Option<String>,
    #[serde(default, rename = "target")]
    targets: BTreeMap<String, Target>,
}

/// `[target.NAME]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    url: Option<String>,
    audience: Option<String>,
    /// The variable that holds the key, whichever a verb wants; or the file.
    key_env: Option<String>,
    key_file: Option<PathBuf>,
    /// Keys of one kind, tried before the others.
    admin_key_env: Option<String>,
    admin_key_file: Option<PathBuf>,
    server_key_env: Option<String>,
    server_key_file: Option<PathBuf>,
}

impl File {
    /// The one that `USHER_CONFIG` names, or the first on the way up from here.
    fn find() -> Result<Option<File>, Failure> {
        if let Some(path) = setting(CONFIG)? {
            return File::read(Path::new(&path)).map(Some);
        }
        let Ok(here) = env::current_dir() else { return Ok(None) };
        let path = here.ancestors().map(|folder| folder.join(FILE_NAME)).find(|path| path.is_file());
        path.map(|path| File::read(&path)).transpose()
    }

    fn read(path: &Path) -> Result<File, Failure> {
        let text =
            fs::read_to_string(path).map_err(|error| Failure::of_file("read", path.display(), error))?;
        // The error's own text would show the line, and a line may hold what should not be there.
        let mut file: File = toml::from_str(&text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            Failure::usage(format!("{}:{line}: {}", path.display(), error.message().replace('\n', " ")))
                .help("keys do not belong into this file: `key_env` and `key_file` say where they are")
        })?;
        let folder = path.parent().unwrap_or(Path::new("."));
        for target in file.targets.values_mut() {
            let files = [&mut target.key_file, &mut target.admin_key_file, &mut target.server_key_file];
            for named in files.into_iter().flatten() {
                *named = folder.join(&named);
            }
        }
        Ok(file)
    }

    fn target(&self, name: &str) -> Result<Target, Failure> {
        self.targets.get(name).cloned().ok_or_else(|| {
            let names: Vec<&str> = self.targets.keys().map(String::as_str).collect();
            Failure::usage(format!("there is no target `{name}`"))
                .help(format!("usher.toml has: {}", names.join(", ")))
        })
    }
}

impl Target {
    /// The key for a role and where it was found; None when the target names none.
    fn key(&self, role: Role) -> Option<Result<(String, String), Failure>> {
        let (env, file) = match role {
            Role::Admin => (&self.admin_key_env, &self.admin_key_file),
            Role::Server => (&self.server_key_env, &self.server_key_file),
        };
        let named = [(env, file), (&self.key_env, &self.key_file)];
        let (env, file) = named.into_iter().find(|(env, file)| env.is_some() || file.is_some())?;
        Some(match (env, file) {
            (Some(name), _) => match secrets::find(name, None) {
                Ok(Some(key)) => Ok((key, name.clone())),
                Ok(None) => Err(Failure::usage(format!("{name} is not set"))
                    .help("usher.toml says that it holds this target's key")),
                Err(failure) => Err(failure),
            },
            (None, Some(path)) => key_in(path, role).map(|key| (key, path.display().to_string())),
            (None, None) => return None,
        })
    }
}
