//! What a round does, without HTTP: accept what came up, answer what changed.

pub mod accept;
