//! What may be a PIN.

use std::fmt;

use zeroize::Zeroizing;

use crate::handheld::Message;

/// Digits of a PIN, at least.
pub const SHORTEST: usize = 6;
/// Digits of a PIN, at most.
pub const LONGEST: usize = 12;

/// A PIN as typed. It is wiped from memory when it is dropped, and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Pin(Zeroizing<String>);

/// Why something typed is no PIN to be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PinProblem {
    /// Other characters than digits, or too few or too many.
    #[error("a PIN has {SHORTEST} to {LONGEST} digits")]
    Digits,
    /// One that is tried first.
    #[error("a PIN must not be one that is guessed at once")]
    Guessed,
}

impl PinProblem {
    /// In words for the user.
    pub fn message(self) -> Message {
        match self {
            Self::Digits => Message::of("pin-digits").with("least", SHORTEST).with("most", LONGEST),
            Self::Guessed => Message::of("pin-guessed"),
        }
    }
}

impl Pin {
    /// One typed to open: whatever was allowed when it was set.
    pub fn typed(text: &str) -> Result<Self, PinProblem> {
        let digits: Zeroizing<String> = Zeroizing::new(text.chars().filter(|c| !c.is_whitespace()).collect());
        let fits = (SHORTEST..=LONGEST).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        if fits { Ok(Self(digits)) } else { Err(PinProblem::Digits) }
    }

    /// One to be set: not the same digit over and over, not digits in a row, not two or three digits repeated.
    pub fn chosen(text: &str) -> Result<Self, PinProblem> {
        let pin = Self::typed(text)?;
        let digits = pin.0.as_bytes();
        let steps = |by: i16| {
            digits.windows(2).all(|two| matches!(two, [a, b] if (i16::from(*b) - i16::from(*a)).rem_euclid(10) == by))
        };
        let repeats = |every: usize| digits.iter().zip(digits.iter().skip(every)).all(|(a, b)| a == b);
        if steps(1) || steps(9) || (1..=3).any(repeats) { Err(PinProblem::Guessed) } else { Ok(pin) }
    }

    pub(super) fn digits(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(…)")
    }
}
