//! What to do about a status: one function, total over every code and every detail (E10).
//!
//! It is for the caller who holds the final status, after the layers have retried what could be retried. It never looks
//! at the message: the code and the details are the contract (E6).

use std::time::Duration;

use tonic::Code;
use tonic_types::pb::{BadRequest, PreconditionFailure, QuotaFailure};

use crate::status::Details;

/// The pause before a new call when the server did not name one.
pub const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);

/// The longest pause that a server is believed (P5).
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(30);

/// What the caller should do next.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Advice {
    /// Nothing: the call succeeded.
    Done,
    /// Change these fields of the request; the same request will fail again. The list is empty when the server named no
    /// field.
    Fix(Vec<Field>),
    /// Make the same call again, as a new one, after this time.
    RetryAfter(Duration),
    /// Do not make this call again; this is why.
    GiveUp(String),
    /// Get valid credentials, then make the same call again.
    Reauth,
    /// Begin the larger operation again, of which this call was a step (read, change, write).
    Restart,
}

/// One field of a request to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The path of the field, such as `items[2].quantity`.
    pub field: String,
    /// What is wrong with it, for people.
    pub description: String,
    /// What is wrong with it, for programs: UPPER_SNAKE, or empty.
    pub reason: String,
}

/// Reads the advice out of a status that a generated client returned.
pub fn of_status(status: &tonic::Status) -> Advice {
    decide(status.code(), &Details::decode(status.details()))
}

/// The advice for a code and details. A number that is no code is UNKNOWN: `decide(Code::from(number), …)`.
pub fn decide(code: Code, details: &Details) -> Advice {
    let give_up = |reason: &str| Advice::GiveUp(reason.into());
    match code {
        Code::Ok => Advice::Done,
        Code::InvalidArgument | Code::OutOfRange => Advice::Fix(fields(details)),
        Code::Unauthenticated => Advice::Reauth,
        Code::Aborted => Advice::Restart,
        Code::Unavailable => Advice::RetryAfter(pause(details)),
        Code::ResourceExhausted => match quota(details) {
            // A quota does not come back by waiting a moment, unless the server says when it does.
            Some(violation) if details.retry_delay().is_none() => Advice::GiveUp(violation),
            _ => Advice::RetryAfter(pause(details)),
        },
        Code::FailedPrecondition => Advice::GiveUp(
            precondition(details)
                .unwrap_or_else(|| "the system is not in the state that this call needs".into()),
        ),
        Code::DeadlineExceeded => match details.retry_delay() {
            Some(_) => Advice::RetryAfter(pause(details)),
            None => give_up("the time ran out; the call may have been carried out all the same"),
        },
        Code::Cancelled => give_up("the call was cancelled"),
        Code::NotFound => give_up("what the call is about does not exist"),
        Code::AlreadyExists => give_up("what the call would create exists already"),
        Code::PermissionDenied => give_up("this caller may not do that"),
        Code::Unimplemented => give_up("the server does not offer this method"),
        Code::Internal => give_up("the server failed by a fault of its own"),
        Code::DataLoss => give_up("the server has lost or damaged data"),
        Code::Unknown => give_up("the server failed without saying how"),
    }
}

fn fields(details: &Details) -> Vec<Field> {
    details
        .all::<BadRequest>()
        .flat_map(|detail| detail.field_violations)
        .map(|violation| Field {
            field: violation.field,
            description: violation.description,
            reason: violation.reason,
        })
        .collect()
}

fn pause(details: &Details) -> Duration {
    details
        .retry_delay()
        .unwrap_or(DEFAULT_RETRY_AFTER)
        .min(MAX_RETRY_AFTER)
}

fn quota(details: &Details) -> Option<String> {
    let violation = details
        .all::<QuotaFailure>()
        .flat_map(|detail| detail.violations)
        .next()?;
    Some(format!(
        "a quota of {} is used up: {}",
        violation.subject, violation.description
    ))
}

fn precondition(details: &Details) -> Option<String> {
    let violation = details
        .all::<PreconditionFailure>()
        .flat_map(|detail| detail.violations)
        .next()?;
    Some(format!("{}: {}", violation.subject, violation.description))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::WireStatus;
    use tonic_types::pb::bad_request::FieldViolation;

    fn without_details(code: Code) -> Advice {
        decide(code, &Details::default())
    }

    #[test]
    fn e10_every_code_and_every_number_has_advice() {
        for number in -3..40 {
            let code = Code::from(number);
            let kind = match without_details(code) {
                Advice::Done => "done",
                Advice::Fix(_) => "fix",
                Advice::RetryAfter(_) => "retry",
                Advice::GiveUp(_) => "give up",
                Advice::Reauth => "reauth",
                Advice::Restart => "restart",
            };
            let expected = match number {
                0 => "done",
                3 | 11 => "fix",
                8 | 14 => "retry",
                10 => "restart",
                16 => "reauth",
                _ => "give up",
            };
            assert_eq!(kind, expected, "{code:?}");
        }
    }

    #[test]
    fn every_field_to_fix_is_named_in_the_order_of_the_server() {
        let violation = |field: &str, description: &str| FieldViolation {
            field: field.into(),
            description: description.into(),
            ..FieldViolation::default()
        };
        let status = WireStatus::new(Code::InvalidArgument, "").with(&BadRequest {
            field_violations: vec![
                violation("user_id", "user id cannot be less than 1"),
                violation("product_id", "product id cannot be negative"),
            ],
        });
        let Advice::Fix(fields) = decide(status.code(), status.details()) else {
            unreachable!("INVALID_ARGUMENT is to be fixed");
        };
        let names: Vec<_> = fields.iter().map(|field| field.field.as_str()).collect();
        assert_eq!(names, ["user_id", "product_id"]);
        assert_eq!(fields[0].description, "user id cannot be less than 1");
    }

    #[test]
    fn a_retry_info_is_obeyed_up_to_half_a_minute() {
        for (asked, told) in [(3, 3), (30, 30), (86_400, 30)] {
            let status = WireStatus::new(Code::ResourceExhausted, "order limit exceeded")
                .with_retry_after(Duration::from_secs(asked));
            assert_eq!(
                decide(status.code(), status.details()),
                Advice::RetryAfter(Duration::from_secs(told))
            );
        }
    }

    #[test]
    fn a_used_up_quota_is_given_up_unless_the_server_says_when_it_returns() {
        let status = WireStatus::new(Code::ResourceExhausted, "").with(&QuotaFailure {
            violations: vec![tonic_types::pb::quota_failure::Violation {
                subject: "user 7".into(),
                description: "100 orders a day".into(),
                ..Default::default()
            }],
        });
        assert_eq!(
            decide(status.code(), status.details()),
            Advice::GiveUp("a quota of user 7 is used up: 100 orders a day".into())
        );
        let status = status.with_retry_after(Duration::from_secs(9));
        assert_eq!(
            decide(status.code(), status.details()),
            Advice::RetryAfter(Duration::from_secs(9))
        );
    }
}
