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
mod lines;
mod tree;

mod client;
mod secrets;
mod simulation;

mod server;
mod store;
mod website;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use command::{codes, eval, explain, import, init, keys, push, serve, simulate, validate};
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
        Verb::Serve(args) => serve::run(&args),
        Verb::Push(args) => push::run(&args),
        Verb::Import(args) => import::run(&args),
        Verb::Keys(args) => keys::run(&args),
    };
    result.unwrap_or_else(|failure| failure.show()).into()
}

/// Edge personalization: who is this visitor, and what should they see?
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
    Serve(serve::Args),
    Push(push::Args),
    Import(import::Args),
    Keys(keys::Args),
}
