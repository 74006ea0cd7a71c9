//! Photos: taken in, turned upright, shrunk, stripped, hashed.
