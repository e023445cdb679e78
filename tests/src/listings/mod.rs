//! The listings of the chapter "Resilient communication", one file each; `cargo listing NUMBER` runs one.
//!
//! A listing is a function that takes a place to print its story, a [`World`] that joins its clients and servers, and
//! [`Options`]; it gives back what happened in typed values. The command hands it the terminal and real sockets, a test
//! a buffer, pipes in memory and a paused clock. docs/LISTINGS.md tells what each shows.

pub mod breaker_client;
pub mod breaker_function;
pub mod breaker_layer;
pub mod cancel;
pub mod cascade;
pub mod circuit;
pub mod error_details;
pub mod mutual_tls;
pub mod propagation;
pub mod retry;
pub mod timeout;
pub mod toys;

mod story;
mod world;

use std::fmt;
use std::future::Future;
use std::io::Write;
use std::pin::Pin;

use anyhow::Result;

pub use story::{Mood, Story, Teller, code_name, length};
pub use world::{Connection, Host, World};

/// Every listing, in the order of the chapter.
pub const LISTINGS: &[Listing] = &[
    cascade::LISTING,
    timeout::LISTING,
    cancel::LISTING,
    propagation::LISTING,
    retry::LISTING,
    breaker_function::LISTING,
    breaker_client::LISTING,
    breaker_layer::LISTING,
    error_details::LISTING,
    mutual_tls::LISTING,
];

/// One listing of the chapter.
#[derive(Clone, Copy)]
pub struct Listing {
    /// What `cargo listing` calls it: `6.1`, or a name for those that have no number.
    pub number: &'static str,
    /// Its title.
    pub title: &'static str,
    /// What it shows, in one line.
    pub shows: &'static str,
    /// Tells its story.
    pub run: Run,
}

/// How the command runs a listing.
pub type Run = for<'a> fn(&'a mut dyn Write, World, Options) -> Telling<'a>;

/// A story being told.
pub type Telling<'a> = Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

/// What a person may choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where random numbers begin: the same seed tells the same story.
    pub seed: u64,
    /// How long a story goes on that has no end of its own; `None` for as long as it needs.
    pub seconds: Option<u64>,
}

/// The seed unless another is chosen: with it the function of 6.4 succeeds now and then, which few seeds bring about.
pub const SEED: u64 = 44;

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: SEED,
            seconds: None,
        }
    }
}

/// No listing has the number that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no listing {asked:?}; did you mean `cargo listing {closest}`? `cargo listing` without a number lists them all"
)]
pub struct UnknownListing {
    /// What was asked for.
    pub asked: String,
    /// The closest one that exists.
    pub closest: &'static str,
}

/// The listing with this number.
///
/// # Errors
/// When there is none; the error names the closest.
pub fn find(number: &str) -> Result<&'static Listing, UnknownListing> {
    if let Some(listing) = LISTINGS.iter().find(|listing| listing.number == number) {
        return Ok(listing);
    }
    // Of two that are equally close the later one: who counts past the end means the last.
    let closest = LISTINGS
        .iter()
        .rev()
        .map(|listing| listing.number)
        .min_by_key(|known| edits(number, known));
    Err(UnknownListing {
        asked: number.to_owned(),
        closest: closest.unwrap_or("all"),
    })
}

/// How many characters must be put in, taken out or changed to make `right` of `left` (Levenshtein's distance).
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, r) in right.iter().enumerate() {
            let change = diagonal + usize::from(l != *r);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

impl fmt::Debug for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_levenshteins() {
        assert_eq!(edits("", "6.1"), 3);
        assert_eq!(edits("6.1", "6.1"), 0);
        assert_eq!(edits("6,3", "6.3"), 1);
        assert_eq!(edits("cancle", "cancel"), 2);
        assert_eq!(edits("fig6.1", "fig-6.1"), 1);
    }
}
