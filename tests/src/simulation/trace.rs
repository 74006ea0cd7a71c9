//! What happened in a run: a hash over every event and every byte that travelled, how often what happened, and, where
//! somebody is going to read it, the story.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

/// How often what happened.
pub type Counts = BTreeMap<&'static str, u64>;

/// What happened so far.
pub struct Trace {
    hash: Sha256,
    counts: Counts,
    story: Option<Vec<String>>,
}

impl Trace {
    /// Nothing yet. With `told` the story is kept too.
    pub fn new(told: bool) -> Self {
        Self { hash: Sha256::new(), counts: Counts::new(), story: told.then(Vec::new) }
    }

    /// Bytes that travelled, or were found at the end.
    pub fn bytes(&mut self, what: &str, bytes: &[u8]) {
        self.hash.update(what.as_bytes());
        self.hash.update((bytes.len() as u64).to_le_bytes());
        self.hash.update(bytes);
        self.say(|| format!("      # {what} {} bytes {:08x}{}", bytes.len(), sum(bytes), text(bytes)));
    }

    /// Something happened that is counted.
    pub fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
        self.hash.update(what.as_bytes());
    }

    /// A line of the story.
    pub fn say(&mut self, line: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(line());
        }
    }

    /// The hash, the counts and the story.
    pub fn end(self) -> (String, Counts, Vec<String>) {
        let hash = self.hash.finalize();
        let hex = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        (hex, self.counts, self.story.unwrap_or_default())
    }
}

/// What stands in them, for who looks into a failing seed with `BODIES=1`.
fn text(bytes: &[u8]) -> String {
    if std::env::var_os("BODIES").is_none() {
        return String::new();
    }
    let plain = zstd::bulk::decompress(bytes, 1 << 24).unwrap_or_else(|_| bytes.to_vec());
    format!(" {}", String::from_utf8_lossy(&plain))
}

/// A small sum of bytes, to tell runs apart by eye.
fn sum(bytes: &[u8]) -> u32 {
    let hash = Sha256::digest(bytes);
    hash.first_chunk().copied().map_or(0, u32::from_be_bytes)
}
