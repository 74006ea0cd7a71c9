//! What must hold (`sync.md`, "What must be shown to hold"), each with the name a failure prints.

use std::fmt;

macro_rules! invariants {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// What must hold.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Invariant {
            $($(#[$doc])* $name,)*
        }

        impl Invariant {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its name.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

invariants! {
    /// After the links heal each handheld's confirmed state equals the server's projection for it.
    Confirmed = "confirmed-equals-projection";
    /// With nothing waiting, what is shown is what is confirmed.
    Shown = "shown-equals-confirmed";
    /// Every edit ever saved is applied, in quarantine or erased, but for the stated exceptions.
    NoEditLost = "no-edit-lost";
    /// The live writes are exactly what the model with full causal histories says.
    LiveWrites = "live-writes-as-model";
    /// What is deleted, and what was brought back, is what the model says.
    Deletes = "delete-and-revive-as-model";
    /// Entries of a log stand in an order that no author would call wrong.
    LogOrder = "log-in-causal-order";
    /// What the server said it applied it has.
    Receipts = "receipt-is-durable";
    /// Nothing is applied twice, and no two edits have one dot.
    NothingTwice = "nothing-twice";
    /// The vector of a part is the join of the dots of its own edits, and of nothing else.
    Vectors = "vector-of-own-edits";
    /// The open part says nothing of the restricted one, and who is not cleared holds nothing of it.
    Restricted = "restricted-part-apart";
    /// What left the sight of a user left the handheld.
    Gone = "gone-is-gone";
    /// What was erased is nowhere and stays so.
    Erased = "erased-is-gone";
    /// Clocks change nothing but orders of showing.
    Clocks = "clock-independence";
    /// What was altered behind everybody's back is found and mended.
    Digest = "digest-mends";
    /// The lamps say what is so.
    Lights = "lights-tell-truth";
    /// What was rejected and not seen to stands in its author's tray.
    Tray = "tray-shows-what-came-back";
    /// Nobody is stuck: no request fails for good, no replay goes on for ever.
    NothingFails = "nothing-fails";
    /// The same seed gives the same run to the last byte.
    Replays = "seed-replays";
}

/// An invariant that did not hold.
#[derive(Debug)]
pub struct Broken {
    /// Which.
    pub invariant: Invariant,
    /// What was found.
    pub what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant.name(), self.what)
    }
}

impl std::error::Error for Broken {}

impl Broken {
    /// The same, with where it was seen.
    pub fn at(self, place: &str) -> anyhow::Error {
        broken(self.invariant, format!("{place}: {}", self.what))
    }
}

/// An invariant that did not hold, as an error.
pub fn broken(invariant: Invariant, what: impl Into<String>) -> anyhow::Error {
    Broken { invariant, what: what.into() }.into()
}

/// Fails unless `holds`.
pub fn must(holds: bool, invariant: Invariant, what: impl FnOnce() -> String) -> anyhow::Result<()> {
    if holds { Ok(()) } else { Err(broken(invariant, what())) }
}
