//! Where the time of an expired call went, hop by hop.
//!
//! On the wire it is the metadata of an `ErrorInfo { reason: "DEADLINE_EXCEEDED", domain: "resilience" }`, with the keys
//! `hop.1`, `hop.2` … and values such as `order.v1.Order/Create own 2.000 s` and
//! `product.v1.Product/Get 0.960 s (unfinished)`. Only method names and times are told: nothing of a service's inside.

use std::fmt;
use std::time::Duration;

use tonic_types::pb::ErrorInfo;

use super::REASON;
use crate::status::{DOMAIN, Details};

/// The most hops that are sent or read. Of more, the shortest finished calls are left out.
pub const MAX_HOPS: usize = 8;

/// The longest method name that is sent.
const MAX_METHOD: usize = 96;

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// The method, such as `order.v1.Order/Create`.
    pub method: String,
    /// How long it took.
    pub time: Duration,
    /// Whether the time is the handler's own, without the calls that it made, which have lines of their own. Otherwise
    /// it is the whole time of a call that told nothing about its inside.
    pub own: bool,
    /// Whether it was still under way when the deadline passed.
    pub unfinished: bool,
}

/// The report: the hops in the order in which they were reached.
///
/// ```
/// # fn print(status: &tonic::Status) {
/// if let Some(spent) = resilience::deadline::Spent::from_status(status) {
///     for hop in spent.hops() {
///         let what = if hop.own { "own work" } else { "call" };
///         println!("{:<32} {what:<9} {:>8.3} s", hop.method, hop.time.as_secs_f64());
///     }
/// }
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spent(Vec<Hop>);

// === impl Spent ===

impl Spent {
    /// Reads the report out of a status that a generated client returned; `None` when it has none.
    pub fn from_status(status: &tonic::Status) -> Option<Self> {
        Self::from_details(&Details::decode(status.details()))
    }

    /// Reads the report out of details; `None` when there is none. Lines that are not in the form are left out.
    pub fn from_details(details: &Details) -> Option<Self> {
        let info = details
            .all::<ErrorInfo>()
            .find(|info| info.reason == REASON && info.domain == DOMAIN)?;
        let hops: Vec<Hop> = (1..=MAX_HOPS)
            .filter_map(|number| Hop::parse(info.metadata.get(&format!("hop.{number}"))?))
            .collect();
        (!hops.is_empty()).then_some(Self(hops))
    }

    /// The hops.
    pub fn hops(&self) -> &[Hop] {
        &self.0
    }

    /// A report of at most [`MAX_HOPS`].
    pub(super) fn new(mut hops: Vec<Hop>) -> Self {
        while hops.len() > MAX_HOPS {
            // The first line is the handler's own; unfinished ones are what the reader looks for.
            let shortest = (1..hops.len())
                .min_by_key(|&index| (hops[index].unfinished, hops[index].time))
                .unwrap_or(MAX_HOPS);
            hops.remove(shortest);
        }
        Self(hops)
    }

    pub(super) fn into_hops(self) -> Vec<Hop> {
        self.0
    }

    pub(super) fn metadata(&self) -> impl Iterator<Item = (String, String)> {
        self.0
            .iter()
            .enumerate()
            .map(|(index, hop)| (format!("hop.{}", index + 1), hop.to_string()))
    }
}

/// One line per hop.
impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, hop) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            hop.fmt(f)?;
        }
        Ok(())
    }
}

// === impl Hop ===

impl Hop {
    fn parse(text: &str) -> Option<Self> {
        let (text, unfinished) = match text.strip_suffix(" (unfinished)") {
            Some(text) => (text, true),
            None => (text, false),
        };
        let (rest, seconds) = text.strip_suffix(" s")?.rsplit_once(' ')?;
        let (method, own) = match rest.strip_suffix(" own") {
            Some(method) => (method, true),
            None => (rest, false),
        };
        if method.is_empty()
            || method.len() > MAX_METHOD
            || !method.bytes().all(|b| b.is_ascii_graphic())
        {
            return None;
        }
        Some(Self {
            method: method.into(),
            time: crate::duration::parse(&format!("{seconds}s")).ok()?,
            own,
            unfinished,
        })
    }
}

/// As it stands on the wire.
impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = &self.method[..self.method.floor_char_boundary(MAX_METHOD)];
        let own = if self.own { " own" } else { "" };
        let unfinished = if self.unfinished { " (unfinished)" } else { "" };
        // Milliseconds, cut and not rounded: the hops of a chain must not add up to more than its deadline.
        let (seconds, millis) = (self.time.as_secs(), self.time.subsec_millis());
        write!(f, "{method}{own} {seconds}.{millis:03} s{unfinished}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::WireStatus;
    use tonic::Code;

    fn hop(method: &str, millis: u64, own: bool, unfinished: bool) -> Hop {
        Hop {
            method: method.into(),
            time: Duration::from_millis(millis),
            own,
            unfinished,
        }
    }

    fn wire(spent: &Spent) -> WireStatus {
        WireStatus::new(Code::DeadlineExceeded, "").with_reason(REASON, spent.metadata())
    }

    #[test]
    fn a_report_is_read_back_as_it_was_sent() {
        let spent = Spent::new(vec![
            hop("order.v1.Order/Create", 2000, true, false),
            hop("product.v1.Product/Get", 960, false, true),
        ]);
        assert_eq!(
            spent.to_string(),
            "order.v1.Order/Create own 2.000 s\nproduct.v1.Product/Get 0.960 s (unfinished)"
        );
        assert_eq!(
            Spent::from_details(wire(&spent).details()),
            Some(spent.clone())
        );
        let status = tonic::Status::from_header_map(&wire(&spent).to_headers()).expect("a status");
        assert_eq!(Spent::from_status(&status), Some(spent));
    }

    #[test]
    fn of_more_than_eight_hops_the_own_time_the_unfinished_and_the_longest_stay() {
        let mut hops = vec![hop("own/Own", 1, true, false)];
        hops.extend((2..20).map(|millis| hop("a/A", millis, false, false)));
        hops.push(hop("open/Open", 0, false, true));
        let spent = Spent::new(hops);
        let times: Vec<_> = spent.hops().iter().map(|h| h.time.as_millis()).collect();
        assert_eq!(times, [1, 14, 15, 16, 17, 18, 19, 0]);
        assert_eq!(spent.hops()[7].method, "open/Open");
    }

    #[test]
    fn a_hostile_peers_lines_are_left_out_or_cut() {
        let status = WireStatus::new(Code::DeadlineExceeded, "").with_reason(
            REASON,
            [
                ("hop.1", "\u{1b}[31mred 1.000 s"),
                ("hop.2", "two words 1.000 s"),
                ("hop.3", "a/A 99999999999999999999 s"),
                ("hop.4", ""),
                ("hop.9", "a/A 1.000 s"),
            ],
        );
        assert_eq!(Spent::from_details(status.details()), None);
        let long = Spent::new(vec![hop(&"x".repeat(1000), 1, true, false)]);
        assert_eq!(long.to_string().len(), MAX_METHOD + " own 0.001 s".len());
    }

    #[test]
    fn another_domains_error_info_is_no_report() {
        let status = tonic::Status::new(Code::DeadlineExceeded, "no details");
        assert_eq!(Spent::from_status(&status), None);
    }
}
