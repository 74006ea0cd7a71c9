//! Validation that reports every problem.
