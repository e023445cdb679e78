//! A store in memory, for tests under paused time: a database answers from a thread of its own, and while tokio waits
//! for it, paused time runs away. It keeps the same contract (`contract.rs`), and gives way to others before and after
//! each change, so that a caller can be interrupted at both places.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use order::clock::Moment;
use order::order::{Order, OrderId, State};
use order::page::Page;
use order::store::{Answer, Inserted, Store, StoreError};
use rpc::IdempotencyKey;
use tokio::task::yield_now;

#[derive(Default)]
pub(crate) struct MemoryStore {
    orders: Arc<Mutex<Vec<Order>>>,
    down: AtomicBool,
}

impl MemoryStore {
    /// A connection of another process to the same orders.
    pub(crate) fn another(&self) -> Self {
        Self {
            orders: Arc::clone(&self.orders),
            down: AtomicBool::new(false),
        }
    }

    /// Every order, as it is stored.
    pub(crate) fn all(&self) -> Vec<Order> {
        self.orders().clone()
    }

    /// From now on this connection does not answer, or does again.
    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::Relaxed);
    }

    fn orders(&self) -> MutexGuard<'_, Vec<Order>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One statement: it takes place as a whole, some time after it was begun and some time before it is answered.
    fn run<'a, T: Send + 'a>(
        &'a self,
        statement: impl FnOnce(&mut Vec<Order>) -> T + Send + 'a,
    ) -> Answer<'a, T> {
        Box::pin(async move {
            yield_now().await;
            if self.down.load(Ordering::Relaxed) {
                return Err(StoreError::Database(sqlx::Error::PoolTimedOut));
            }
            let answer = statement(&mut self.orders());
            yield_now().await;
            Ok(answer)
        })
    }
}

impl Store for MemoryStore {
    fn insert<'a>(&'a self, order: &'a Order, claimed_until: Moment) -> Answer<'a, Inserted> {
        self.run(move |orders| {
            let key = &order.content.idempotency_key;
            if let Some(known) = orders.iter().find(|o| o.content.idempotency_key == *key) {
                return Inserted::Known(Box::new(known.clone()));
            }
            orders.push(Order {
                next_attempt_at: Some(claimed_until),
                ..order.clone()
            });
            Inserted::New
        })
    }

    fn get(&self, id: OrderId) -> Answer<'_, Option<Order>> {
        self.run(move |orders| orders.iter().find(|order| order.id == id).cloned())
    }

    fn by_key<'a>(&'a self, key: &'a IdempotencyKey) -> Answer<'a, Option<Order>> {
        self.run(move |orders| {
            let mut orders = orders.iter();
            orders
                .find(|order| order.content.idempotency_key == *key)
                .cloned()
        })
    }

    fn list<'a>(&'a self, page: &'a Page) -> Answer<'a, Vec<Order>> {
        self.run(move |orders| {
            let mut found: Vec<_> = orders
                .iter()
                .filter(|order| {
                    page.user_id
                        .is_none_or(|user| order.content.user_id == user)
                })
                .filter(|order| page.state.is_none_or(|state| order.state == state))
                .filter(|order| page.before.is_none_or(|before| order.id < before))
                .cloned()
                .collect();
            found.sort_by_key(|order| std::cmp::Reverse(order.id));
            found.truncate(page.size as usize);
            found
        })
    }

    fn update<'a>(&'a self, order: &'a Order, was: State) -> Answer<'a, Option<i64>> {
        // As the CHECK clauses of the schema do.
        let unpaid =
            !matches!(order.state, State::Created | State::Refused) && order.payment_id.is_none();
        let unshipped = order.state == State::Shipped && order.shipping_id.is_none();
        if unpaid || unshipped || order.state.is_last() != order.next_attempt_at.is_none() {
            return Box::pin(async { Err(StoreError::Database(sqlx::Error::RowNotFound)) });
        }
        self.run(move |orders| {
            let kept = orders.iter_mut().find(|kept| {
                kept.id == order.id && kept.state == was && kept.version == order.version
            })?;
            *kept = Order {
                version: order.version + 1,
                ..order.clone()
            };
            Some(kept.version)
        })
    }

    fn claim(&self, now: Moment, until: Moment, limit: u32) -> Answer<'_, Vec<Order>> {
        self.run(move |orders| {
            let mut due: Vec<_> = orders
                .iter_mut()
                .filter(|order| order.next_attempt_at.is_some_and(|at| at <= now))
                .collect();
            due.sort_by_key(|order| order.next_attempt_at);
            due.into_iter()
                .take(limit as usize)
                .map(|order| {
                    order.next_attempt_at = Some(until);
                    order.version += 1;
                    order.clone()
                })
                .collect()
        })
    }

    fn release<'a>(&'a self, held: &'a Order, now: Moment) -> Answer<'a, ()> {
        self.run(move |orders| {
            let held = orders.iter_mut().find(|order| {
                order.id == held.id
                    && (order.version == held.version
                        || order.version == held.version + 1 && order.state != held.state)
                    && order.next_attempt_at.is_some_and(|at| at > now)
            });
            if let Some(order) = held {
                order.next_attempt_at = Some(now);
                order.version += 1;
            }
        })
    }

    fn next_due(&self) -> Answer<'_, Option<Moment>> {
        self.run(|orders| {
            orders
                .iter()
                .filter_map(|order| order.next_attempt_at)
                .min()
        })
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryStore({} orders)", self.orders().len())
    }
}
