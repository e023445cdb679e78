//! Which failure each error of payments is. How it becomes a status is decided in `rpc::status`.

use proto::Money;
use rpc::IdempotencyKey;
use rpc::status::{Failure, FieldViolation, Metadata, PreconditionViolation, Reason, ToStatus};

/// The domain of every `ErrorInfo` of this service.
pub const DOMAIN: &str = "payment";

/// The amount is more than is charged at once. Nothing was charged.
pub const AMOUNT_OVER_LIMIT: Reason = Reason::new("AMOUNT_OVER_LIMIT");
/// The currency is not accepted. Nothing was charged.
pub const CURRENCY_NOT_ACCEPTED: Reason = Reason::new("CURRENCY_NOT_ACCEPTED");

/// The payment is of another order than the one that was named. Nothing was given back.
pub const ORDER_DIFFERS: Reason = Reason::new("ORDER_DIFFERS");

/// Why nothing was charged or given back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request is wrong.
    #[error("the request is not acceptable: {0:?}")]
    Invalid(Vec<FieldViolation>),
    /// The amount is more than is charged at once.
    #[error("{amount} is more than the {limit} that are charged at once")]
    OverLimit {
        /// What was to be charged.
        amount: Money,
        /// The most that is.
        limit: Money,
    },
    /// The currency is not accepted.
    #[error("{amount} cannot be charged, its currency is not accepted")]
    CurrencyNotAccepted {
        /// What was to be charged.
        amount: Money,
    },
    /// The key was used before, for another charge.
    #[error("the idempotency key {0} was used before for another charge")]
    KeyReused(IdempotencyKey),
    /// The payment to give back is of another order.
    #[error("payment {payment_id} is not of order {order_id}")]
    OrderDiffers {
        /// Which payment.
        payment_id: i64,
        /// The order that was named, not the one that it is of.
        order_id: String,
    },
    /// There is no such payment.
    #[error("there is no payment {0}")]
    NotFound(i64),
    /// A row that the rules do not allow.
    #[error("the row of payment {id} is damaged: {problem}")]
    Damaged {
        /// Which row.
        id: i64,
        /// What is wrong with it.
        problem: String,
    },
    /// The database.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

impl ToStatus for Error {
    const DOMAIN: &'static str = DOMAIN;

    fn into_failure(self) -> Failure {
        let message = self.to_string();
        match self {
            Self::Invalid(violations) => Failure::InvalidArgument { violations },
            Self::OverLimit { amount, limit } => Failure::FailedPrecondition {
                reason: AMOUNT_OVER_LIMIT,
                violations: vec![nothing_charged(AMOUNT_OVER_LIMIT, &message)],
                message,
                metadata: Metadata::from([
                    ("amount".to_owned(), amount.to_string()),
                    ("limit".to_owned(), limit.to_string()),
                ]),
            },
            Self::CurrencyNotAccepted { amount } => Failure::FailedPrecondition {
                reason: CURRENCY_NOT_ACCEPTED,
                violations: vec![nothing_charged(CURRENCY_NOT_ACCEPTED, &message)],
                message,
                metadata: Metadata::from([("amount".to_owned(), amount.to_string())]),
            },
            Self::OrderDiffers { payment_id, .. } => Failure::FailedPrecondition {
                reason: ORDER_DIFFERS,
                violations: vec![PreconditionViolation {
                    kind: ORDER_DIFFERS,
                    subject: format!("payment/{payment_id}"),
                    description: format!("{message}; nothing was given back"),
                }],
                message,
                metadata: Metadata::new(),
            },
            Self::KeyReused(key) => key.reused("payment"),
            Self::NotFound(id) => Failure::not_found("payment", id),
            Self::Database(error) => error.into(),
            damaged @ Self::Damaged { .. } => Failure::internal(damaged),
        }
    }
}

fn nothing_charged(kind: Reason, why: &str) -> PreconditionViolation {
    PreconditionViolation {
        kind,
        subject: "amount".to_owned(),
        description: format!("{why}; nothing was charged"),
    }
}

impl From<Error> for tonic::Status {
    fn from(error: Error) -> Self {
        error.into_status()
    }
}
