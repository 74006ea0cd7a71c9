//! Runs a command beside a PostgreSQL of its own: `with-postgres cargo nextest run …` tells the server's stories to it.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use tests::postgres::{Cluster, SHARED};

fn main() -> Result<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    let program = words.next().context("which command is to run beside PostgreSQL?")?;
    let cluster = Cluster::start()?;
    let done = Command::new(program).args(words).env(SHARED, cluster.socket()).status().context("running it")?;
    Ok(if done.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
