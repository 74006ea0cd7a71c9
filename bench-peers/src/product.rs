//! The whole product's figures, as its own bench prints them: `bench --only fill,rounds,local,apply`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The lines of the table that it printed.
pub struct Product(Vec<Line>);

/// A line's first columns.
pub struct Line {
    pub work: String,
    pub ours: String,
    pub floor: String,
}

impl Product {
    /// Runs the bench, on the disk of `dir`.
    pub fn measure(bench: &Path, dir: &Path) -> Result<Self> {
        let output = Command::new(bench)
            .args(["--only", "fill,rounds,local,apply", "--dir"])
            .arg(dir)
            .output()
            .with_context(|| format!("starting {}", bench.display()))?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout)?;
        let columns = |line: &str| {
            let mut columns = line.split('|').skip(1).map(|column| column.trim().to_owned());
            Some(Line { work: columns.next()?, ours: columns.next()?, floor: columns.next()? })
        };
        Ok(Self(text.lines().filter(|line| line.starts_with("| ")).filter_map(columns).collect()))
    }

    /// The line whose work begins so.
    pub fn line(&self, work: &str) -> Option<&Line> {
        self.0.iter().find(|line| line.work.starts_with(work))
    }
}

/// The number that stands right before `unit` for the first time, `p50 4.14 ms`.
pub fn number(text: &str, unit: &str) -> Option<f64> {
    let words: Vec<&str> = text.split([' ', ';', ',', '(', ')']).filter(|word| !word.is_empty()).collect();
    words.windows(2).find(|pair| pair.last() == Some(&unit)).and_then(|pair| pair.first()?.parse().ok())
}

/// Milliseconds, said in those or in seconds.
pub fn millis(text: &str) -> Option<f64> {
    number(text, "ms").or_else(|| number(text, "s").map(|seconds| seconds * 1e3))
}
