//! `vimsim`: a simulated vCenter or ESXi on the command line.

mod arguments;
mod environment;
mod logging;
mod memory;
mod options;
mod progress;
mod run;
mod signals;
mod tools;

use std::process::ExitCode;

use crate::arguments::Persona;
use crate::options::{Command, Options};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let persona = Persona::of(arguments.next());
    match arguments::parse(persona, arguments) {
        Ok(options) => match start(options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{persona}: {error:#}");
                ExitCode::FAILURE
            }
        },
        Err(answer) => answer.print(persona),
    }
}

fn start(options: Options) -> anyhow::Result<()> {
    match &options.command {
        Some(Command::Uuidgen { names }) => Ok(tools::uuidgen(names)?),
        Some(Command::Healthz { address }) => tools::healthz(address),
        Some(Command::Version) => Ok(tools::version()?),
        None => run::run(options),
    }
}
