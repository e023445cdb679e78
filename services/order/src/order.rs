//! An order's life, as pure rules: which states there are, which step each waits for, and what follows from how the
//! step went.
//!
//! ```text
//!            charge              ship
//!  CREATED ─────────→ PAID ─────────────→ SHIPPED
//!     │ refused         │ refused for good
//!     ↓                 ↓       refund
//!  REFUSED          REFUNDING ─────────→ REFUNDED
//! ```
//!
//! A step that failed for now changes nothing but the time of the next try. Nothing here asks a clock, a database or a
//! peer: [`Order::after`] is a function of the order, the outcome of its step and a throw of the dice for the jitter.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use proto::Money;
use rpc::status::{FieldViolation, PreconditionViolation, Reason};
use uuid::Uuid;

use crate::clock::Moment;
use crate::new_order::NewOrder;

/// What a hostile or mistaken peer may at most ask us to wait.
const LONGEST_HINT: Duration = Duration::from_secs(30);

/// One order as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its number.
    pub id: OrderId,
    /// What the caller sent.
    pub content: NewOrder,
    /// The product's title on the day of the order.
    pub product_title: String,
    /// Where it stands.
    pub state: State,
    /// The payment, once there is one.
    pub payment_id: Option<i64>,
    /// The shipment, once there is one.
    pub shipping_id: Option<i64>,
    /// Why it waits or was refused, in a sentence for the caller; empty when all is well.
    pub note: String,
    /// Who refused it and why, once somebody did.
    pub refusal: Option<Refusal>,
    /// How often the step that it waits for has failed in a row.
    pub attempts: u32,
    /// Nobody tries the next step before: the end of a claim while somebody is at it, the end of the wait after a
    /// failure, nothing when nothing is left to do.
    pub next_attempt_at: Option<Moment>,
    /// When it was stored.
    pub created_at: Moment,
    /// When its state last changed.
    pub updated_at: Moment,
    /// Counts the changes in the database: who wants to change an order says which version was read.
    pub version: i64,
}

/// An order's number: a UUID of version 7 (RFC 9562, section 5.7), so that numbers sort by the time they were given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(Uuid);

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Stored, not yet charged.
    Created,
    /// Charged, not yet shipped.
    Paid,
    /// Shipped: the last state of an order that went well.
    Shipped,
    /// The payment was refused, or given back before the order went on; no money is kept: a last state.
    Refused,
    /// It cannot be shipped and the payment is being given back.
    Refunding,
    /// The payment was given back: a last state.
    Refunded,
}

/// What an order waits for. A refund cannot be refused: money that is owed stays owed, so that step is tried until it
/// works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Payment is to charge it.
    Charge,
    /// Shipping is to ship it.
    Ship,
    /// Payment is to give the money back.
    Refund,
}

/// How a step went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was charged, by this payment.
    Charged {
        /// The payment's number.
        payment_id: i64,
    },
    /// It was shipped, by this shipment.
    Shipped {
        /// The shipment's number.
        shipping_id: i64,
    },
    /// The money was given back.
    Refunded,
    /// The peer has decided against it; asking again would change nothing.
    Refused(Refusal),
    /// It is not known, or known not to have worked for now. The same step is tried again later, with the same key.
    Failed(Trouble),
}

/// A peer's decision against an order, with what the caller may know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which step was refused.
    pub step: Step,
    /// The peer's reason.
    pub reason: Reason,
    /// The same as a sentence.
    pub message: String,
    /// The fields of the caller's request that caused it, if any did.
    pub fields: Vec<FieldViolation>,
    /// What would have to be otherwise, if the peer said so.
    pub preconditions: Vec<PreconditionViolation>,
}

/// Why a step did not work for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// In a few words for the caller, such as "shipping cannot be reached".
    pub cause: String,
    /// What the peer asked us to wait at least.
    pub retry_after: Option<Duration>,
}

/// What is to be done with an order after a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The order as it is to be stored.
    pub order: Order,
    /// What comes then.
    pub next: Next,
}

/// What comes after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The next step, at once.
    Now(Step),
    /// The step that just failed, after this wait.
    Later(Step, Duration),
    /// Nothing, ever: the state is a last one.
    Nothing,
}

/// How fast work on an order goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The wait after the first failure of a step; it doubles with each failure in a row.
    pub retry_min: Duration,
    /// The longest wait, before the jitter.
    pub retry_max: Duration,
    /// How long an order is claimed for one step. Longer than any step takes.
    pub claim: Duration,
}

/// A step that an order in this state cannot have taken: a mistake in this service, not in the call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an order that is {state} cannot be {outcome}: its next step is another one")]
pub struct InvalidTransition {
    /// Where the order stands.
    pub state: State,
    /// What is said to have happened to it.
    pub outcome: &'static str,
}

// === impl Order ===

impl Order {
    /// A new order, not stored yet.
    pub fn new(id: OrderId, content: NewOrder, product_title: String, now: Moment) -> Self {
        Self {
            id,
            content,
            product_title,
            state: State::Created,
            payment_id: None,
            shipping_id: None,
            note: String::new(),
            refusal: None,
            attempts: 0,
            next_attempt_at: Some(now),
            created_at: now,
            updated_at: now,
            version: 1,
        }
    }

    /// What the order costs.
    pub fn price(&self) -> Money {
        self.content.price
    }

    /// The key under which a step is asked for. Made of the order's number alone, so that whoever repeats the step,
    /// in this process or another, asks for the same thing and not for a second one.
    pub fn key(&self, step: Step) -> String {
        format!("order-{}-{}", self.id, step.name())
    }

    /// The order after its step ended with `outcome` at `now`. `dice`, from 0 to 1, spreads the waiting orders, so
    /// that they do not all come back at once.
    ///
    /// # Errors
    /// When an order in this state cannot have had this outcome.
    pub fn after(
        &self,
        outcome: Outcome,
        pace: &Pace,
        now: Moment,
        dice: f64,
    ) -> Result<Progress, InvalidTransition> {
        let mut order = self.clone();
        match (self.state.step(), outcome) {
            (Some(Step::Charge), Outcome::Charged { payment_id }) => {
                order.payment_id = Some(payment_id);
                order.enter(State::Paid, String::new(), now);
            }
            (Some(Step::Charge), Outcome::Refused(refusal)) if refusal.step == Step::Charge => {
                order.enter(State::Refused, refusal.message.clone(), now);
                order.refusal = Some(refusal);
            }
            (Some(Step::Ship), Outcome::Shipped { shipping_id }) => {
                order.shipping_id = Some(shipping_id);
                order.enter(State::Shipped, String::new(), now);
            }
            (Some(Step::Ship), Outcome::Refused(refusal)) if refusal.step == Step::Ship => {
                let note = format!("{}; the payment is being given back", refusal.message);
                order.enter(State::Refunding, note, now);
                order.refusal = Some(refusal);
            }
            (Some(Step::Refund), Outcome::Refunded) => {
                let why = self
                    .refusal
                    .as_ref()
                    .map(|refusal| refusal.message.as_str());
                let why = why.unwrap_or("it could not be shipped");
                order.enter(
                    State::Refunded,
                    format!("{why}; the payment was given back"),
                    now,
                );
            }
            (Some(step), Outcome::Failed(trouble)) => {
                return Ok(order.wait(step, &trouble, pace, now, dice));
            }
            (_, outcome) => {
                return Err(InvalidTransition {
                    state: self.state,
                    outcome: outcome.name(),
                });
            }
        }
        let next = order.state.step().map_or(Next::Nothing, Next::Now);
        order.next_attempt_at = order.state.step().map(|_| now.after(pace.claim));
        Ok(Progress { order, next })
    }

    fn enter(&mut self, state: State, note: String, now: Moment) {
        self.state = state;
        self.note = note;
        self.attempts = 0;
        self.updated_at = now;
    }

    fn wait(
        mut self,
        step: Step,
        trouble: &Trouble,
        pace: &Pace,
        now: Moment,
        dice: f64,
    ) -> Progress {
        self.attempts = self.attempts.saturating_add(1);
        self.note = match step {
            Step::Charge => format!("not charged yet: {}; it is tried again", trouble.cause),
            Step::Ship => format!(
                "paid and waiting: {}; it ships later by itself",
                trouble.cause
            ),
            Step::Refund => format!("not given back yet: {}; it is tried again", trouble.cause),
        };
        let wait = pace.wait(self.attempts, trouble.retry_after, dice);
        self.next_attempt_at = Some(now.after(wait));
        Progress {
            order: self,
            next: Next::Later(step, wait),
        }
    }
}

// === impl OrderId ===

impl OrderId {
    /// The next number: later than every one that this process gave before, also within a millisecond.
    pub fn next() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for OrderId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::try_parse(text).map(Self)
    }
}

// === impl State ===

impl State {
    /// Every state.
    pub const ALL: [Self; 6] = [
        Self::Created,
        Self::Paid,
        Self::Shipped,
        Self::Refused,
        Self::Refunding,
        Self::Refunded,
    ];

    /// What an order in this state waits for; nothing in a last state.
    pub fn step(self) -> Option<Step> {
        match self {
            Self::Created => Some(Step::Charge),
            Self::Paid => Some(Step::Ship),
            Self::Refunding => Some(Step::Refund),
            Self::Shipped | Self::Refused | Self::Refunded => None,
        }
    }

    /// Whether nothing follows.
    pub fn is_last(self) -> bool {
        self.step().is_none()
    }

    /// Its name, in the database and for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Paid => "PAID",
            Self::Shipped => "SHIPPED",
            Self::Refused => "REFUSED",
            Self::Refunding => "REFUNDING",
            Self::Refunded => "REFUNDED",
        }
    }

    /// The state of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

// === impl Step ===

impl Step {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Charge => "charge",
            Self::Ship => "ship",
            Self::Refund => "refund",
        }
    }

    /// The step of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Charge, Self::Ship, Self::Refund]
            .into_iter()
            .find(|step| step.name() == name)
    }
}

// === impl Outcome ===

impl Outcome {
    fn name(&self) -> &'static str {
        match self {
            Self::Charged { .. } => "charged",
            Self::Shipped { .. } => "shipped",
            Self::Refunded => "refunded",
            Self::Refused(_) => "refused",
            Self::Failed(_) => "tried again",
        }
    }
}

// === impl Pace ===

impl Pace {
    /// The wait before the try that follows failure number `attempts`: min·2ⁿ⁻¹, at most max, ± 20 %, and never less
    /// than what the peer asked for.
    pub fn wait(&self, attempts: u32, retry_after: Option<Duration>, dice: f64) -> Duration {
        let doublings = attempts.saturating_sub(1).min(31);
        let wait = self
            .retry_min
            .saturating_mul(1 << doublings)
            .min(self.retry_max);
        let wait = wait.mul_f64(0.8 + 0.4 * dice.clamp(0.0, 1.0));
        wait.max(retry_after.unwrap_or_default().min(LONGEST_HINT))
    }
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
