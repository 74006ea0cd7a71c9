//! The server's program, as it is started.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// A running `sync-server`; dropped it is killed, and what it keeps in memory is lost.
pub struct Program {
    child: Child,
    pub url: String,
}

impl Program {
    pub fn start(args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sync-server"));
        let mut child = command.args(args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.split_whitespace().last().expect("it says where it listens").to_owned();
        Self { child, url }
    }

    /// Asks it to end; it may go on for a while.
    pub fn tell_to_end(&self) {
        let done = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(done.success());
    }

    /// Waits until it has ended; whether that was as it should.
    pub fn ended(&mut self) -> bool {
        self.child.wait().unwrap().success()
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
