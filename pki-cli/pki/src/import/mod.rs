//! What others made, taken over: a pair, or a whole CA with its history.
//!
//! Everything is checked before the first file is written, and what is written appears whole or not at all. What is told
//! of a certificate by a table is believed only as far as the certificate itself agrees.
//!
//! What it deliberately does not do: take over a CA whose key is not there to go on with, or one in place of another.

mod ca;
mod history;
pub mod index_txt;
mod layout;
mod pair;
mod refused;

pub use ca::{ImportedAuthority, Source, Sources, Takeover, Told};
pub use history::{History, Report};
pub(crate) use history::{crl_number, revocation as revocation_of};
pub use layout::{Named, find};
pub use pair::{Pair, PairSource};
pub use refused::ImportRefused;
