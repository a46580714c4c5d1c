//! `usher`: the command line, and the HTTP service on SQLite.
//!
//! One file per verb under `command/`; what several verbs need stands beside it. Decisions are made in `usher-engine` and
//! `usher-edge`; this crate reads files and sockets, and prints.

// In the order in which a newcomer should read them.
mod command;
mod exit;
mod terminal;

mod clock;
mod definitions;
mod diff;
mod examples;
mod files;
mod lines;
mod tree;

mod client;
mod secrets;
mod simulation;
mod targets;

mod limits;
mod server;
mod store;
mod website;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use command::{
    activations, api, backfill, codes, completions, databases, describe, device, erase, eval, explain,
    import, init, keys, pipeline, profile, ps, pull, push, rollback, serve, simulate, tables, unpublish,
    validate,
};
use exit::Exit;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A closed pipe is nothing to complain about, and there is nobody to complain to.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Fine }.into();
        }
    };
    let result = match cli.verb {
        Verb::Init(args) => init::run(&args),
        Verb::Validate(args) => validate::run(&args),
        Verb::Eval(args) => eval::run(&args),
        Verb::Codes(args) => codes::run(&args),
        Verb::Explain(args) => explain::run(&args),
        Verb::Simulate(args) => simulate::run(&args),
        Verb::Backfill(args) => backfill::run(&args),
        Verb::Serve(args) => serve::run(&args),
        Verb::Push(args) => push::run(&args),
        Verb::Pull(args) => pull::run(&args),
        Verb::Rollback(args) => rollback::run(&args),
        Verb::Unpublish(args) => unpublish::run(&args),
        Verb::Import(args) => import::run(&args),
        Verb::Profile(args) => profile::run(&args),
        Verb::Erase(args) => erase::run(&args),
        Verb::Ps(args) => ps::run(&args),
        Verb::Activations(args) => activations::run(&args),
        Verb::Api(args) => api::run(&args),
        Verb::Databases(args) => databases::run(&args),
        Verb::Tables(args) => tables::run(&args),
        Verb::Describe(args) => describe::run(&args),
        Verb::Keys(args) => keys::run(&args),
        Verb::Pipeline(args) => pipeline::run(&args),
        Verb::Device(args) => device::run(&args),
        Verb::Completions(args) => completions::run(&args, Cli::command()),
    };
    result.unwrap_or_else(|failure| terminal::show(&failure)).into()
}

/// Edge personalization: who is this visitor, and what should they see?
///
/// Verbs that talk to an edge find it by --to, by --target and a name of usher.toml (in this directory or
/// above, or the file that USHER_CONFIG names), by USHER_URL or USHER_TARGET, or by the file's default_target, in this
/// order. Keys come from files and from USHER_SERVER_KEY, USHER_ADMIN_KEY or USHER_KEY, never from the command line.
///
/// Results go to standard output; findings, questions and progress go to standard error. NO_COLOR keeps
/// colors off, which only terminals get anyway.
///
/// Examples:
///   usher init cart_recovery && usher validate definitions
///   usher push definitions --target local
///   usher explain --target local --key td_client_id=browser-1
///
/// Exit status: 0 fine, 1 failure, 2 invalid definition, 3 no section matched, 64 usage.
#[derive(Debug, Parser)]
#[command(name = "usher", version, verbatim_doc_comment)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Init(init::Args),
    Validate(validate::Args),
    Eval(eval::Args),
    Codes(codes::Args),
    Explain(Box<explain::Args>),
    Simulate(simulate::Args),
    Backfill(backfill::Args),
    Serve(serve::Args),
    Push(push::Args),
    Pull(pull::Args),
    Rollback(rollback::Args),
    Unpublish(unpublish::Args),
    Import(import::Args),
    Profile(profile::Args),
    Erase(erase::Args),
    Ps(ps::Args),
    Activations(activations::Args),
    Api(api::Args),
    Databases(databases::Args),
    Tables(tables::Args),
    Describe(describe::Args),
    Keys(keys::Args),
    Pipeline(pipeline::Args),
    Device(device::Args),
    Completions(completions::Args),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_verb_says_how_it_is_used() {
        let mut open = vec![Cli::command()];
        let mut leaves = 0;
        while let Some(command) = open.pop() {
            let help = command.get_long_about().map(ToString::to_string).unwrap_or_default();
            let name = command.get_name().to_owned();
            // Groups, too, are looked up by whoever does not know the verb yet.
            assert!(help.contains("Example") && help.contains("  usher "), "`{name} --help` has no example");
            if command.has_subcommands() {
                open.extend(command.get_subcommands().cloned());
                continue;
            }
            leaves += 1;
            // An example does something.
            assert!(
                !help.lines().any(|line| line.starts_with("  usher ") && line.ends_with("--help")),
                "{name}"
            );
            assert!(help.contains("Exit status: 0"), "`{name} --help` does not say how it ends");
            for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
                assert!(argument.get_help().is_some(), "`{name} {}` is not explained", argument.get_id());
            }
        }
        assert!(leaves >= 11, "{leaves}");
        Cli::command().debug_assert();
    }
}
