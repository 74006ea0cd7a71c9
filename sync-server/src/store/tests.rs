//! What [`super::Store`] promises, asked of every implementation.
