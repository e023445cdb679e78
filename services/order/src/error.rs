//! What can go wrong with a call to this service: which [`Failure`] each is. How that becomes a status is decided in
//! `rpc::status`.

use std::time::Duration;

use proto::Money;
use rpc::status::{
    Failure, FieldViolation, Metadata, PreconditionViolation, Reason, ToStatus, reason,
};

use crate::fulfilment::FulfilmentError;
use crate::order::{Order, OrderId, State, Step};
use crate::store::StoreError;

/// The catalogue's price is not the one that the caller sent.
pub const PRICE_CHANGED: Reason = Reason::new("PRICE_CHANGED");

/// The payment was given back before its order knew that it was charged.
pub const PAYMENT_REFUNDED: Reason = Reason::new("PAYMENT_REFUNDED");

/// A failure of one call.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request is wrong; everything that is wrong with it.
    #[error("{} fields of the request are not acceptable", .0.len())]
    InvalidArgument(Vec<FieldViolation>),
    /// There is no such order.
    #[error("there is no order {0}")]
    NotFound(OrderId),
    /// The key was used before for another order.
    #[error("the idempotency key of order {} was used again for other content", .0.id)]
    KeyReused(Box<Order>),
    /// The caller believes in another price.
    #[error("product {product_id} costs {price}, and not {expected}")]
    PriceChanged {
        /// The product.
        product_id: i64,
        /// What the caller sent.
        expected: Money,
        /// What it costs.
        price: Money,
    },
    /// Payment or shipping refused the order for good.
    #[error("order {} is {}: {}", .0.id, .0.state, .0.note)]
    Refused(Box<Order>),
    /// The order is stored and not charged yet; it goes on without the caller.
    #[error("order {} is not charged yet: {}", .order.id, .order.note)]
    Unpaid {
        /// The order.
        order: Box<Order>,
        /// What kept it from being charged, if it was this call that tried.
        trouble: Option<Box<Failure>>,
        /// When it is tried again.
        retry_after: Duration,
    },
    /// The catalogue did not answer what it was asked.
    #[error("the product could not be looked up: {0:?}")]
    Product(Box<Failure>),
    /// The service is asked to stop; the order it was asked about goes on later.
    #[error("the service is being shut down")]
    ShuttingDown,
    /// The store did not do what it was asked for.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An order could not be seen through in this call.
    #[error(transparent)]
    Fulfilment(#[from] FulfilmentError),
}

impl From<Vec<FieldViolation>> for Error {
    fn from(violations: Vec<FieldViolation>) -> Self {
        Self::InvalidArgument(violations)
    }
}

impl ToStatus for Error {
    const DOMAIN: &'static str = "order";

    fn into_failure(self) -> Failure {
        match self {
            Self::InvalidArgument(violations) => Failure::InvalidArgument { violations },
            Self::NotFound(id) => Failure::not_found("order", id),
            Self::KeyReused(order) => order.content.idempotency_key.reused("order"),
            Self::PriceChanged {
                product_id,
                expected,
                price,
            } => {
                let message = format!(
                    "product {product_id} costs {price} now, and the order expects {expected}; order again at the new \
                     price"
                );
                Failure::FailedPrecondition {
                    reason: PRICE_CHANGED,
                    violations: vec![PreconditionViolation {
                        kind: PRICE_CHANGED,
                        subject: format!("product/{product_id}"),
                        description: message.clone(),
                    }],
                    message,
                    metadata: Metadata::from([
                        ("price".to_owned(), price.to_string()),
                        ("expected_price".to_owned(), expected.to_string()),
                    ]),
                }
            }
            Self::Refused(order) => refused(&order),
            Self::Unpaid {
                order,
                trouble,
                retry_after,
            } => unpaid(&order, trouble.map(|trouble| *trouble), retry_after),
            Self::Product(failure) => *failure,
            Self::ShuttingDown => Failure::Unavailable {
                reason: reason::SHUTTING_DOWN,
                message: "this instance is being shut down; ask again, another one answers"
                    .to_owned(),
                retry_after: Some(Duration::ZERO),
                metadata: Metadata::new(),
            },
            Self::Store(error) | Self::Fulfilment(FulfilmentError::Store(error)) => error.into(),
            Self::Fulfilment(error) => Failure::internal(error),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Database(error) => error.into(),
            other => Self::internal(other),
        }
    }
}

/// The same for the first call and for each repetition of it, because it is made of what is stored.
fn refused(order: &Order) -> Failure {
    let Some(refusal) = &order.refusal else {
        return Failure::FailedPrecondition {
            reason: reason::PRECONDITION_FAILED,
            message: order.note.clone(),
            violations: Vec::new(),
            metadata: facts(order),
        };
    };
    if !refusal.fields.is_empty() {
        return Failure::InvalidArgument {
            violations: refusal.fields.clone(),
        };
    }
    let dependency = match refusal.step {
        Step::Charge | Step::Refund => "payment",
        Step::Ship => "shipping",
    };
    let mut metadata = facts(order);
    metadata.insert("dependency".to_owned(), dependency.to_owned());
    Failure::FailedPrecondition {
        reason: refusal.reason.clone(),
        message: order.note.clone(),
        violations: refusal.preconditions.clone(),
        metadata,
    }
}

/// The caller may send the same order again, with the same key: it is told what became of the one that is stored.
fn unpaid(order: &Order, trouble: Option<Failure>, retry_after: Duration) -> Failure {
    match trouble {
        Some(Failure::DeadlineExceeded {
            message,
            metadata: mut spent,
        }) => {
            spent.extend(facts(order));
            Failure::DeadlineExceeded {
                message: format!(
                    "{message}; order {} is kept and goes on by itself",
                    order.id
                ),
                metadata: spent,
            }
        }
        Some(
            failure @ (Failure::ResourceExhausted { .. }
            | Failure::Aborted { .. }
            | Failure::Internal { .. }),
        ) => failure,
        _ => Failure::Unavailable {
            reason: reason::DEPENDENCY_UNAVAILABLE,
            message: match order.note.as_str() {
                "" => format!(
                    "order {} is still being charged; ask again with the same key",
                    order.id
                ),
                note => format!("order {} is kept, {note}", order.id),
            },
            retry_after: Some(retry_after),
            metadata: facts(order),
        },
    }
}

fn facts(order: &Order) -> Metadata {
    Metadata::from([
        ("order_id".to_owned(), order.id.to_string()),
        ("order_state".to_owned(), order.state.to_string()),
    ])
}

/// What the caller of `Create` is answered about an order that is stored.
///
/// # Errors
/// When it was refused or is not charged yet. Charged is accepted: what is missing then ships by itself.
pub fn answer(
    order: Order,
    trouble: Option<Failure>,
    retry_after: Duration,
) -> Result<Order, Error> {
    match order.state {
        State::Paid | State::Shipped => Ok(order),
        State::Refused | State::Refunding | State::Refunded => Err(Error::Refused(Box::new(order))),
        State::Created => Err(Error::Unpaid {
            order: Box::new(order),
            trouble: trouble.map(Box::new),
            retry_after,
        }),
    }
}
