//! Planted mistakes. Each is one an honest programmer could make; the simulation switches them on one by one and has to
//! notice. They exist only with the feature `mutants`, which a release build refuses, and all are off until switched on.

/// A mistake that can be switched on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Mutant {
    /// A write supersedes nothing.
    ContextIgnored = 1,
    /// `>` for `>=` in `covers`.
    CoversStrictly,
    /// A restored handheld goes on with the slot of its backup.
    SlotReused,
    /// The cursor passes a number whose transaction is not there yet.
    CursorAhead,
    /// A delete does not keep what its author had seen.
    DeleteForgetsContext,
    /// The receipt leaves before the commit.
    AckBeforeCommit,
    /// A retry gets a new edit id.
    RetryNewId,
    /// Equal values of a path are kept once, in the state.
    EqualCollapsed,
    /// Server state is joined with confirmed state instead of replacing it.
    ConfirmedJoined,
    /// The context of an edit is joined into the vector of the record.
    ContextInVector,
    /// After a fork edits the server has are applied again.
    ForkReapplies,
    /// Open and restricted part share a vector.
    OneVector,
    /// Merging duplicates joins their vectors.
    AliasJoins,
    /// A handheld passes over what left its sight.
    GoneForgotten,
    /// The digest covers vectors, not values.
    DigestOfVectors,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::ContextIgnored,
        Self::CoversStrictly,
        Self::SlotReused,
        Self::CursorAhead,
        Self::DeleteForgetsContext,
        Self::AckBeforeCommit,
        Self::RetryNewId,
        Self::EqualCollapsed,
        Self::ConfirmedJoined,
        Self::ContextInVector,
        Self::ForkReapplies,
        Self::OneVector,
        Self::AliasJoins,
        Self::GoneForgotten,
        Self::DigestOfVectors,
    ];

    /// Whether this mistake is made now. Without the feature: never, and the compiler removes the question.
    #[inline]
    pub fn on(self) -> bool {
        #[cfg(feature = "mutants")]
        {
            switch::ON.load(std::sync::atomic::Ordering::Relaxed) == self as u8
        }
        #[cfg(not(feature = "mutants"))]
        {
            false
        }
    }
}

#[cfg(feature = "mutants")]
mod switch {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::Mutant;

    pub(super) static ON: AtomicU8 = AtomicU8::new(0);

    /// Makes this mistake, in the whole process, from now on; `None` makes none.
    pub fn make(mutant: Option<Mutant>) {
        ON.store(mutant.map_or(0, |mutant| mutant as u8), Ordering::Relaxed);
    }
}

#[cfg(feature = "mutants")]
pub use switch::make;

#[cfg(all(feature = "mutants", not(debug_assertions)))]
compile_error!("planted mistakes have no place in a release build");
