//! The services that an order needs, asked in this one's words.
//!
//! What they answer is read twice: for the order (is it done, refused for good, or to be tried again?) and for the
//! caller of this service (what may be told). The second is a translation, never the other service's own status.

use std::time::Duration;

use proto::Money;
use proto::payment::v1 as payment;
use proto::payment::v1::payment_client::PaymentClient;
use proto::product::v1 as product;
use proto::product::v1::product_client::ProductClient;
use proto::shipping::v1 as shipping;
use proto::shipping::v1::shipping_client::ShippingClient;
use rpc::client::Client;
use rpc::deadline::{self, Deadline};
use rpc::status::{Failure, FieldViolation, PreconditionViolation, Upstream, reason};
use tonic::Status;

use crate::error::PAYMENT_REFUNDED;
use crate::order::{Order, Outcome, Refusal, Step, Trouble};

/// The catalogue, the till and the post office.
#[derive(Debug, Clone)]
pub struct Peers {
    product: ProductClient<Client>,
    payment: PaymentClient<Client>,
    shipping: ShippingClient<Client>,
}

/// A product as the catalogue lists it today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// What a person calls it.
    pub title: String,
    /// What it costs.
    pub price: Money,
}

/// How a step went, for the order and for the caller.
#[derive(Debug)]
pub struct Taken {
    /// What it means for the order.
    pub outcome: Outcome,
    /// What the caller may be told, when it did not work.
    pub failure: Option<Failure>,
}

/// A peer said yes with an answer that does not say what it must.
#[derive(Debug, thiserror::Error)]
#[error("{peer} answered OK, but {what}")]
struct Senseless {
    peer: &'static str,
    what: String,
}

/// In bytes, of what a peer says about an order. Payment takes a reason of twice that.
const LONGEST_NOTE: usize = 500;

const PRODUCT: &str = "product";
const PAYMENT: &str = "payment";
const SHIPPING: &str = "shipping";

// === impl Peers ===

impl Peers {
    /// On these connections.
    pub fn new(product: Client, payment: Client, shipping: Client) -> Self {
        Self {
            product: ProductClient::new(product),
            payment: PaymentClient::new(payment),
            shipping: ShippingClient::new(shipping),
        }
    }

    /// Looks a product up.
    ///
    /// # Errors
    /// What the caller may be told of it.
    pub async fn look_up(&self, product_id: i64) -> Result<Listed, Failure> {
        let request = product::GetProductRequest { product_id };
        let answer = self.product.clone().get(request).await.map_err(|status| {
            Upstream::read(&status).translate(PRODUCT, |field| {
                (field == "product_id").then(|| field.to_owned())
            })
        })?;
        let answer = answer.into_inner();
        let senseless = |what: String| {
            Failure::internal(Senseless {
                peer: PRODUCT,
                what,
            })
        };
        if answer.product_id != product_id {
            return Err(senseless(format!(
                "with product {} instead of {product_id}",
                answer.product_id
            )));
        }
        let price = answer.price.unwrap_or_default();
        let price = Money::parse(&price).map_err(|_| senseless("its price is none".to_owned()))?;
        Ok(Listed {
            title: printable(&answer.title),
            price,
        })
    }

    /// Takes the step that an order waits for. It ends `within` that time, and before that by the deadline around it.
    pub async fn take(&self, step: Step, order: &Order, within: Duration) -> Taken {
        let call = async {
            match step {
                Step::Charge => self.charge(order).await,
                Step::Ship => self.ship(order).await,
                Step::Refund => self.refund(order).await,
            }
        };
        // Under a deadline of its own the peer sees how long it has; the timeout holds should that be ignored.
        let call = deadline::scope(Deadline::after(within), call);
        let answer = tokio::time::timeout(within, call).await.ok();
        match answer {
            Some(Ok(outcome)) => Taken {
                outcome,
                failure: None,
            },
            Some(Err(NotDone::Answered(upstream))) => judge(step, *upstream, order),
            Some(Err(NotDone::Senseless(senseless))) => {
                tracing::error!(order = %order.id, error = %senseless, "a peer's answer makes no sense");
                failed(step, Failure::internal(senseless))
            }
            // The caller has no time left to wait for it; the peer may well have done it.
            None => failed(step, slow(step)),
        }
    }

    async fn charge(&self, order: &Order) -> Result<Outcome, NotDone> {
        let request = payment::CreatePaymentRequest {
            idempotency_key: order.key(Step::Charge),
            order_id: order.id.to_string(),
            user_id: order.content.user_id,
            amount: Some(order.price().into()),
        };
        let answer = self.payment.clone().create(request).await?.into_inner();
        let record = answer.payment.unwrap_or_default();
        same_order(PAYMENT, order, &record.order_id)?;
        match record.state() {
            payment::PaymentState::Charged => Ok(Outcome::Charged {
                payment_id: record.payment_id,
            }),
            payment::PaymentState::Refunded => Ok(Outcome::Refused(refunded_already(&record))),
            payment::PaymentState::Unspecified => {
                Err(senseless(PAYMENT, "the payment is not charged"))
            }
        }
    }

    async fn ship(&self, order: &Order) -> Result<Outcome, NotDone> {
        let address = order.content.address.as_ref();
        let request = shipping::CreateShippingRequest {
            idempotency_key: order.key(Step::Ship),
            user_id: order.content.user_id,
            order_id: order.id.to_string(),
            address: address.map(|address| shipping::PostalAddress {
                recipient: address.recipient.clone(),
                street: address.street.clone(),
                city: address.city.clone(),
                postal_code: address.postal_code.clone(),
                country_code: address.country_code.clone(),
            }),
        };
        let answer = self.shipping.clone().create(request).await?.into_inner();
        let shipment = answer.shipment.unwrap_or_default();
        same_order(SHIPPING, order, &shipment.order_id)?;
        Ok(Outcome::Shipped {
            shipping_id: shipment.shipping_id,
        })
    }

    async fn refund(&self, order: &Order) -> Result<Outcome, NotDone> {
        let Some(payment_id) = order.payment_id else {
            return Err(senseless(PAYMENT, "the order to refund has no payment"));
        };
        let reason = order
            .refusal
            .as_ref()
            .map(|refusal| refusal.message.clone());
        let request = payment::RefundPaymentRequest {
            payment_id,
            reason: reason.unwrap_or_default(),
            order_id: order.id.to_string(),
        };
        let answer = self.payment.clone().refund(request).await?.into_inner();
        let record = answer.payment.unwrap_or_default();
        same_order(PAYMENT, order, &record.order_id)?;
        if record.state() != payment::PaymentState::Refunded {
            return Err(senseless(PAYMENT, "the payment is not refunded"));
        }
        Ok(Outcome::Refunded)
    }
}

/// Somebody gave the money back, by hand, while the order still asked whether it was charged. The key is used up: asking
/// again would be answered with the same payment for ever, and another key would charge somebody who was just repaid.
/// So it ends the order as a refusal does, and nothing is kept.
fn refunded_already(record: &payment::PaymentRecord) -> Refusal {
    let message = format!(
        "payment {} was given back before the order went on; order again with a new key",
        record.payment_id
    );
    Refusal {
        step: Step::Charge,
        reason: PAYMENT_REFUNDED,
        fields: Vec::new(),
        preconditions: vec![PreconditionViolation {
            kind: PAYMENT_REFUNDED,
            subject: format!("payment/{}", record.payment_id),
            description: message.clone(),
        }],
        message,
    }
}

/// Why a step is not known to be done.
enum NotDone {
    Answered(Box<Upstream>),
    Senseless(Senseless),
}

impl From<Status> for NotDone {
    fn from(status: Status) -> Self {
        Self::Answered(Box::new(Upstream::read(&status)))
    }
}

fn senseless(peer: &'static str, what: impl Into<String>) -> NotDone {
    NotDone::Senseless(Senseless {
        peer,
        what: what.into(),
    })
}

fn same_order(peer: &'static str, order: &Order, answered: &str) -> Result<(), NotDone> {
    if answered == order.id.to_string() {
        Ok(())
    } else {
        Err(senseless(peer, format!("for the order {answered:?}")))
    }
}

/// What a peer's failure means for the order and for the caller.
///
/// A refusal for good is only what the peer decided about this order: an argument that is the caller's, a precondition,
/// something that does not exist. Everything else, a mistake in our configuration included, leaves open whether the
/// step was taken in an earlier try, and is tried again until that is known.
fn judge(step: Step, upstream: Upstream, order: &Order) -> Taken {
    let peer = peer(step);
    tracing::warn!(order = %order.id, step = step.name(), answer = %upstream, "a step did not work");
    let failure = upstream.translate(peer, |field| reroot(step, field));
    let refusal = match &failure {
        _ if step == Step::Refund => None,
        Failure::InvalidArgument { violations } => Some(Refusal {
            step,
            reason: reason::INVALID_FIELDS,
            message: sentences(violations),
            fields: violations.clone(),
            preconditions: Vec::new(),
        }),
        Failure::FailedPrecondition {
            reason,
            message,
            violations,
            ..
        } => Some(Refusal {
            step,
            reason: reason.clone(),
            message: printable(message),
            fields: Vec::new(),
            preconditions: violations
                .iter()
                .map(|violation| PreconditionViolation {
                    subject: reroot(step, &violation.subject)
                        .unwrap_or_else(|| violation.subject.clone()),
                    ..violation.clone()
                })
                .collect(),
        }),
        Failure::NotFound { kind, id } => Some(Refusal {
            step,
            reason: reason::NOT_FOUND,
            message: printable(&format!("{peer} knows no {kind} {id}")),
            fields: Vec::new(),
            preconditions: Vec::new(),
        }),
        _ => None,
    };
    match refusal {
        Some(refusal) => Taken {
            outcome: Outcome::Refused(refusal),
            failure: Some(failure),
        },
        None => failed(step, failure),
    }
}

/// The step is tried again; `failure` says why.
fn failed(step: Step, failure: Failure) -> Taken {
    let peer = peer(step);
    let (cause, retry_after) = match &failure {
        Failure::Unavailable { retry_after, .. } => (
            format!("{peer} does not answer at the moment"),
            *retry_after,
        ),
        Failure::ResourceExhausted { retry_after, .. } => (
            format!("{peer} has more to do than it takes on"),
            *retry_after,
        ),
        Failure::DeadlineExceeded { .. } => (format!("{peer} did not answer in time"), None),
        _ => (format!("{peer} did not do what it was asked for"), None),
    };
    Taken {
        outcome: Outcome::Failed(Trouble { cause, retry_after }),
        failure: Some(failure),
    }
}

fn slow(step: Step) -> Failure {
    let peer = peer(step);
    Failure::DeadlineExceeded {
        message: format!("the time was up before {peer} had answered"),
        metadata: rpc::status::Metadata::new(),
    }
}

fn peer(step: Step) -> &'static str {
    match step {
        Step::Charge | Step::Refund => PAYMENT,
        Step::Ship => SHIPPING,
    }
}

/// The path, in our request, of a field of the peer's; nothing for a field that we filled in ourselves.
fn reroot(step: Step, field: &str) -> Option<String> {
    let (root, rest) = match field.split_once('.') {
        Some((root, rest)) => (root, format!(".{rest}")),
        None => (field, String::new()),
    };
    let root = match (step, root) {
        (Step::Charge, "amount") => "price",
        (Step::Ship, "address") => "address",
        (Step::Charge | Step::Ship, "user_id") => "user_id",
        _ => return None,
    };
    Some(format!("{root}{rest}"))
}

fn sentences(violations: &[FieldViolation]) -> String {
    let all: Vec<_> = violations
        .iter()
        .map(|violation| format!("{}: {}", violation.field, violation.description))
        .collect();
    printable(&all.join("; "))
}

/// Text of another process that is kept in the database, shown to people and sent to payment as the reason of a
/// refund: without control characters, and no longer than a note should be.
fn printable(text: &str) -> String {
    let mut printable = String::new();
    for c in text.chars() {
        if printable.len() + c.len_utf8() > LONGEST_NOTE {
            break;
        }
        printable.push(if c.is_control() { ' ' } else { c });
    }
    printable
}

#[cfg(test)]
#[path = "peers_tests.rs"]
mod tests;
