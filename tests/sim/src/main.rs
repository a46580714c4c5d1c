//! Makes one run and prints its steps, or many runs and prints those that break a law.
//!
//! ```text
//! usher-sim SEED [--actions N] [--without FAULT,…]
//! usher-sim --from SEED --to SEED
//! ```

use std::process::ExitCode;

use usher_sim::setting::Fault;
use usher_sim::{Options, many, run};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).filter(|value| !value.is_empty())
    };
    let number = |text: &String| text.parse::<u64>().expect("a number");
    if let (Some(from), Some(to)) = (value("--from").map(number), value("--to").map(number)) {
        let failed = many::found(from..to, &mut |words| println!("{words}"));
        return if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let without = value("--without").map_or(Vec::new(), |names| {
        let fault = |name: &str| {
            let known = Fault::ALL.iter().find(|(_, known)| *known == name);
            known.unwrap_or_else(|| panic!("no fault is called {name}")).0
        };
        names.split(',').map(fault).collect()
    });
    let seed = arguments.first().map(number).expect("a seed");
    let actions = value("--actions").map(|text| number(text) as usize);
    let made = run(&Options { seed, actions, without, trace: true });
    made.trace.iter().for_each(|step| println!("{step}"));
    match made.failure {
        Some(law) => {
            println!("broken: {law}");
            ExitCode::FAILURE
        }
        None => {
            println!("no law is broken: {} steps, {} events", made.steps, made.events);
            ExitCode::SUCCESS
        }
    }
}
