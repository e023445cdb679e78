//! Which outcome a status is (B12, B13).

use std::error::Error;
use std::time::Duration;

use tonic::Code;

use super::state::Outcome;
use crate::status::Local;
use crate::status::transport::{self, Reached};

/// Judges the final status of an attempt.
///
/// - Trouble of the peer: UNAVAILABLE, INTERNAL, UNKNOWN, DATA_LOSS, an attempt that ran out of its time.
/// - DEADLINE_EXCEEDED, whoever said it: trouble if the attempt had at least the fair time; with less it says that the
///   caller was in a hurry, not that the peer is slow.
/// - RESOURCE_EXHAUSTED: too much to do.
/// - CANCELLED, and what was refused on this side: nothing.
/// - Everything else is an answer, and an answer is a success: a client's mistake must not cut off all others.
pub fn classify(
    code: Code,
    local: Option<Local>,
    elapsed: Duration,
    fair_time: Duration,
) -> Outcome {
    match local {
        Some(Local::AttemptTimeout) => return Outcome::Failure,
        Some(Local::CircuitOpen { .. }) => return Outcome::Neutral,
        Some(Local::DeadlineExceeded) | None => {}
    }
    match code {
        Code::Unavailable | Code::Internal | Code::Unknown | Code::DataLoss => Outcome::Failure,
        Code::DeadlineExceeded if elapsed >= fair_time => Outcome::Failure,
        Code::DeadlineExceeded | Code::Cancelled => Outcome::Neutral,
        Code::ResourceExhausted => Outcome::Overloaded,
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::Unauthenticated
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unimplemented => Outcome::Success,
    }
}

/// Judges an attempt that got no status, because the transport failed (B13).
///
/// No connection, one that broke, a stream that was reset: trouble. A stream that was refused: too much to do. A
/// connection that the server closed in good order, with the request unprocessed, is none: a server that replaces its
/// connections, or is replaced itself, must not trip the breakers of everybody who had calls under way.
pub fn classify_error(
    error: &(dyn Error + 'static),
    elapsed: Duration,
    fair_time: Duration,
) -> Outcome {
    if let Some(local) = Local::of_error(error) {
        return classify(Code::DeadlineExceeded, Some(local), elapsed, fair_time);
    }
    if transport::is_shed(error) {
        return Outcome::Neutral;
    }
    match Reached::of(error) {
        Reached::NotSent | Reached::GoneAway => Outcome::Neutral,
        Reached::Refused => Outcome::Overloaded,
        Reached::NotConnected | Reached::Unknown => Outcome::Failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAIR: Duration = Duration::from_millis(100);

    #[test]
    fn b12_only_trouble_of_the_peer_counts() {
        use Outcome::{Failure, Neutral, Overloaded, Success};
        let expected = [
            Success, Neutral, Failure, Success, Failure, Success, Success, Success, Overloaded,
            Success, Success, Success, Success, Failure, Failure, Failure, Success,
        ];
        for (number, outcome) in (0..).zip(expected) {
            let code = Code::from(number);
            assert_eq!(classify(code, None, FAIR, FAIR), outcome, "{code:?}");
        }
        assert_eq!(classify(Code::from(99), None, FAIR, FAIR), Failure);
    }

    #[test]
    fn b12_a_hurried_callers_deadline_says_nothing_and_an_attempt_timeout_does() {
        let hurried = FAIR - Duration::from_nanos(1);
        for local in [None, Some(Local::DeadlineExceeded)] {
            let outcome = classify(Code::DeadlineExceeded, local, hurried, FAIR);
            assert_eq!(outcome, Outcome::Neutral);
            let outcome = classify(Code::DeadlineExceeded, local, FAIR, FAIR);
            assert_eq!(outcome, Outcome::Failure);
        }
        let local = Some(Local::AttemptTimeout);
        assert_eq!(
            classify(Code::DeadlineExceeded, local, Duration::ZERO, FAIR),
            Outcome::Failure
        );
    }

    #[test]
    fn b13_the_breakers_own_refusal_is_neutral() {
        let local = Some(Local::CircuitOpen { retry_after: FAIR });
        assert_eq!(
            classify(Code::Unavailable, local, FAIR, FAIR),
            Outcome::Neutral
        );
    }
}
