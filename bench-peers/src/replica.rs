//! What is asked of a library that merges: the whole township is one document, a record a map in it.

use anyhow::Result;

use crate::data::{FieldEdit, Person};

/// A replica of the township.
pub trait Replica: Sized {
    /// The state of a township that was brought in, a thousand records a change.
    fn fill(people: &[Person]) -> Result<Vec<u8>>;

    /// A replica of that state that will write as `writer`.
    fn load(state: &[u8], writer: u64) -> Result<Self>;

    /// The state, as a replica is loaded from it.
    fn state(&mut self) -> Result<Vec<u8>>;

    /// How many records have `text` in a field: the replica is filled when it can say that.
    fn count(&self, field: &str, text: &str) -> Result<usize>;

    /// Writes a field. Gives what has to be kept of it and sent to others.
    fn edit(&mut self, edit: &FieldEdit) -> Result<Vec<u8>>;

    /// Takes in what others wrote, as it came.
    fn apply(&mut self, updates: &[Vec<u8>]) -> Result<()>;
}

/// One that says how two replicas find out what the other lacks.
pub trait Syncs: Replica {
    /// What they remember of each other between two rounds.
    type Link;

    /// Of two that hold the same.
    fn link(near: &mut Self, far: &mut Self) -> Result<Self::Link>;

    /// From a new connection until both hold the same. Gives the messages in the order sent; `near` begins.
    fn round(near: &mut Self, far: &mut Self, link: &mut Self::Link) -> Result<Vec<Message>>;
}

/// A message of a round.
pub struct Message {
    /// From `near`.
    pub up: bool,
    /// How long.
    pub bytes: usize,
}

impl Message {
    /// From `near`.
    pub fn up(bytes: &[u8]) -> Self {
        Self { up: true, bytes: bytes.len() }
    }

    /// To `near`.
    pub fn down(bytes: &[u8]) -> Self {
        Self { up: false, bytes: bytes.len() }
    }
}
