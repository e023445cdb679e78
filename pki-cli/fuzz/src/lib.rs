//! Fuzz targets for everything that `pki` reads from a file or a peer: one function for each, given any octets.
//!
//! A target fails by a panic, by a time limit of the fuzzer, or by breaking a promise: nothing raw reaches the terminal,
//! and what is printed can be read again. `pki/tests/any_bytes` runs the same functions over our own objects, damaged by
//! a seeded generator, and over everything that was ever found, so that `cargo test` needs no fuzzer.

pub mod resigned;
pub mod seeds;
pub mod targets;
