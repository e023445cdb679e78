//! Sees orders through: takes the step that an order waits for, stores what became of it, and goes on until the order
//! is done or has to wait.
//!
//! The handler of `Create` and the worker both go through here, so there is one way in which an order is charged and
//! shipped. Whatever comes between two steps (the caller gives up, the process is killed, the database does not
//! answer) loses nothing: what was stored is where the next one goes on, and a step that was taken but not stored is
//! asked for again with the same key.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rpc::status::Failure;
use tokio::sync::Notify;

use crate::changes::Changes;
use crate::clock::Clock;
use crate::order::{InvalidTransition, Next, Order, Pace, Step};
use crate::peers::Peers;
use crate::store::{Inserted, Store, StoreError};

/// What it takes to see orders through. Clones are the same.
#[derive(Debug, Clone)]
pub struct Fulfilment(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    store: Arc<dyn Store>,
    peers: Peers,
    changes: Changes,
    clock: Clock,
    pace: Pace,
    /// Rung when an order was given up or has to wait, so that the worker looks when the next one is due.
    bell: Notify,
}

/// An order that is ours to work on until the claim in the database ends. Dropped in the middle of the work, it gives
/// the order up at once, so that the worker does not have to wait for that end.
#[derive(Debug)]
pub struct Claim {
    /// The order as it is stored.
    order: Order,
    fulfilment: Fulfilment,
    held: bool,
}

/// What became of a new order.
#[derive(Debug)]
pub enum Placed {
    /// It is stored, and ours to work on.
    New(Box<Claim>),
    /// Its key was used before, by this order.
    Known(Box<Order>),
}

/// How far an order came.
#[derive(Debug)]
pub struct Carried {
    /// As it is stored.
    pub order: Order,
    /// What kept it from going further, if it has to wait.
    pub trouble: Option<Failure>,
}

/// Why work on an order was broken off. The claim ends by itself, and then the worker tries again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FulfilmentError {
    /// The store did not do what it was asked for.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A mistake in this service.
    #[error(transparent)]
    InvalidTransition(#[from] InvalidTransition),
}

// === impl Fulfilment ===

impl Fulfilment {
    /// Nothing is done before an order is placed or claimed.
    pub fn new(store: Arc<dyn Store>, peers: Peers, clock: Clock, pace: Pace) -> Self {
        Self(Arc::new(Parts {
            store,
            peers,
            changes: Changes::default(),
            clock,
            pace,
            bell: Notify::new(),
        }))
    }

    /// Where the orders are kept.
    pub fn store(&self) -> &dyn Store {
        &*self.0.store
    }

    /// The services that are asked.
    pub fn peers(&self) -> &Peers {
        &self.0.peers
    }

    /// Where changes are announced.
    pub fn changes(&self) -> &Changes {
        &self.0.changes
    }

    /// What time it is.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// How fast the work goes on.
    pub fn pace(&self) -> &Pace {
        &self.0.pace
    }

    /// Returns when there may be something new to do.
    pub(crate) async fn rung(&self) {
        self.0.bell.notified().await;
    }

    /// Stores a new order before anything is done for it.
    ///
    /// # Errors
    /// When the store does not answer; then it is not known whether the order is stored.
    pub async fn place(&self, order: Order) -> Result<Placed, StoreError> {
        // The claim is there before the order: should the caller go away while it is being stored, it is given up.
        let mut claim = self.claimed(order);
        let until = self.0.clock.now().after(self.0.pace.claim);
        let inserted = self.0.store.insert(&claim.order, until).await;
        match inserted {
            Ok(Inserted::New) => Ok(Placed::New(Box::new(claim))),
            Ok(Inserted::Known(order)) => {
                claim.held = false;
                Ok(Placed::Known(order))
            }
            Err(error) => {
                claim.held = false;
                Err(error)
            }
        }
    }

    /// Claims orders whose next step is due.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn claim_due(&self, limit: u32) -> Result<Vec<Claim>, StoreError> {
        let now = self.0.clock.now();
        let orders = self
            .0
            .store
            .claim(now, now.after(self.0.pace.claim), limit)
            .await?;
        Ok(orders
            .into_iter()
            .map(|order| self.claimed(order))
            .collect())
    }

    /// Takes one step after the other until the order is done or has to wait, and stores each outcome before the next
    /// step is tried. `allowance` says how long a step may take at most.
    ///
    /// # Errors
    /// When an outcome could not be stored.
    pub async fn carry_on(
        &self,
        mut claim: Claim,
        allowance: impl Fn(Step) -> Option<Duration>,
    ) -> Result<Carried, FulfilmentError> {
        let mut trouble = None;
        while let Some(step) = claim.order.state.step() {
            // Within the claim, so that nobody else begins the same step while this one is under way.
            let longest = self.0.pace.claim * 2 / 3;
            let within = allowance(step).unwrap_or(longest).min(longest);
            let taken = self.0.peers.take(step, &claim.order, within).await;
            let after = claim.order.after(
                taken.outcome,
                &self.0.pace,
                self.0.clock.now(),
                fastrand::f64(),
            );
            let progress = match after {
                Ok(progress) => progress,
                Err(error) => {
                    claim.held = false;
                    return Err(error.into());
                }
            };
            let was = claim.order.state;
            let stored = Order {
                version: claim.order.version,
                ..progress.order
            };
            match self.0.store.update(&stored, was).await {
                Ok(Some(version)) => claim.order = Order { version, ..stored },
                Ok(None) => return self.overtaken(claim).await,
                Err(error) => {
                    claim.held = false;
                    return Err(error.into());
                }
            }
            self.report(&claim.order, step, progress.next);
            if claim.order.state != was || taken.failure.is_some() {
                self.0.changes.announce(claim.order.id);
            }
            if let Next::Later(..) = progress.next {
                trouble = taken.failure;
                self.0.bell.notify_one();
                break;
            }
        }
        claim.held = false;
        Ok(Carried {
            order: claim.order.clone(),
            trouble,
        })
    }

    /// The claim had ended and somebody else went on: what is stored counts, not what this one would have stored.
    async fn overtaken(&self, mut claim: Claim) -> Result<Carried, FulfilmentError> {
        claim.held = false;
        let id = claim.order.id;
        tracing::warn!(order = %id, "the claim ended before the step did; somebody else went on");
        let order = self.0.store.get(id).await?;
        Ok(Carried {
            order: order.unwrap_or_else(|| claim.order.clone()),
            trouble: None,
        })
    }

    fn report(&self, order: &Order, step: Step, next: Next) {
        let (id, state) = (order.id, order.state);
        // Most steps leave nothing to say.
        let note = Some(order.note.as_str()).filter(|note| !note.is_empty());
        match next {
            Next::Later(_, wait) => tracing::warn!(
                order = %id, %state, step = step.name(), attempts = order.attempts, ?wait, note, "an order waits"
            ),
            Next::Now(_) | Next::Nothing => {
                tracing::info!(order = %id, %state, step = step.name(), note, "an order went on");
            }
        }
    }

    fn claimed(&self, order: Order) -> Claim {
        Claim {
            order,
            fulfilment: self.clone(),
            held: true,
        }
    }
}

// === impl Claim ===

impl Claim {
    /// The order as it is stored.
    pub fn order(&self) -> &Order {
        &self.order
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // A step that panics would panic again at once; there the end of the claim is waited for.
        if !self.held || thread::panicking() {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let held = self.order.clone();
        let parts = Arc::clone(&self.fulfilment.0);
        runtime.spawn(async move {
            match parts.store.release(&held, parts.clock.now()).await {
                Ok(()) => parts.bell.notify_one(),
                Err(error) => {
                    tracing::warn!(order = %held.id, %error, "an order could not be given up; its claim ends by itself");
                }
            }
        });
    }
}
