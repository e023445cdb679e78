//! What proves the house as a whole, and what shows it to people: the demo, the chapter's listings, and what the tests
//! in `tests/` share.
//!
//! This is the one crate that may use every other; no crate uses it.

pub mod demo;
pub mod handshake;
pub mod house;
pub mod listings;
pub mod test_pki;
