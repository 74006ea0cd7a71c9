//! The server's command line; what each command does is in the library.

use std::process::ExitCode;

use clap::Parser;
use sync_server::config::Cli;

fn main() -> ExitCode {
    match sync_server::commands::run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
