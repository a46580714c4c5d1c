//! `usher completions`: what a shell needs to complete verbs and options.

use clap::Command;
use clap_complete::Shell;

use crate::exit::{Exit, Failure};
use crate::terminal::print;

/// Print a script that completes verbs and options
///
/// Examples:
///   usher completions bash > ~/.local/share/bash-completion/completions/usher
///   usher completions zsh > "${fpath[1]}/_usher"
///   usher completions fish > ~/.config/fish/completions/usher.fish
///
/// Exit status: 0 fine, 64 for a wrong command line.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// Which shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

/// Prints the script for the whole command line.
pub(crate) fn run(args: &Args, mut whole: Command) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut whole, "usher", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Fine)
}
