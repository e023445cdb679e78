//! The chapter's listings, each asserted by what it shows: times, codes, attempts, states, violations.
//!
//! Where time matters the clock is tokio's paused one and the network is memory, so every time below is exact and none
//! is waited for. The command itself is run where its story takes no time.

#[path = "listings/cascade.rs"]
mod cascade;
#[path = "listings/circuit_breakers.rs"]
mod circuit_breakers;
#[path = "listings/command.rs"]
mod command;
#[path = "listings/deadlines.rs"]
mod deadlines;
#[path = "listings/error_details.rs"]
mod error_details;
#[path = "listings/mutual_tls.rs"]
mod mutual_tls;
#[path = "listings/retries.rs"]
mod retries;

use std::time::Duration;

/// The command `listing`.
const PROGRAM: &str = env!("CARGO_BIN_EXE_listing");

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A place for the story, without its colours.
type Page = anstream::StripStream<Vec<u8>>;

fn page() -> Page {
    anstream::StripStream::new(Vec::new())
}

#[track_caller]
fn tells(page: Page, lines: &[&str]) {
    let story = String::from_utf8_lossy(&page.into_inner()).into_owned();
    let mut rest = story.as_str();
    for line in lines {
        let at = rest.find(line);
        assert!(
            at.is_some(),
            "the story does not tell {line:?} where it should:\n{story}"
        );
        rest = &rest[at.unwrap_or_default() + line.len()..];
    }
}
