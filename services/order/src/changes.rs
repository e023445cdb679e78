//! Tells those who follow an order that it changed. Not what changed: they read the order, and so whoever was slow sees
//! the newest state and nobody keeps a queue for anybody.
//!
//! It knows of the changes of this process only. Who shares a database with other instances reads from time to time
//! as well.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::order::OrderId;

/// Where changes are announced and heard. Clones are the same place.
#[derive(Clone, Default)]
pub struct Changes(Arc<Mutex<HashMap<OrderId, watch::Sender<()>>>>);

/// Hears of the changes of one order until it is dropped.
pub struct Subscription {
    id: OrderId,
    receiver: watch::Receiver<()>,
    changes: Changes,
}

impl Changes {
    /// Hears of every change that is announced from now on.
    pub fn subscribe(&self, id: OrderId) -> Subscription {
        let receiver = self
            .lock()
            .entry(id)
            .or_insert_with(|| watch::Sender::new(()))
            .subscribe();
        Subscription {
            id,
            receiver,
            changes: self.clone(),
        }
    }

    /// Says that this order changed. Costs nothing when nobody follows it.
    pub fn announce(&self, id: OrderId) {
        if let Some(sender) = self.lock().get(&id) {
            sender.send_replace(());
        }
    }

    /// How many orders are followed.
    pub fn followed(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<OrderId, watch::Sender<()>>> {
        // The map is whole after each of the operations above; a panic elsewhere does not spoil it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscription {
    /// Returns when the order has changed since the subscription began, or since this returned last.
    pub async fn changed(&mut self) {
        if self.receiver.changed().await.is_err() {
            // The sender lives as long as there is a subscription, so this is not reached.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut followed = self.changes.lock();
        // This receiver is still counted.
        if let Some(sender) = followed.get(&self.id)
            && sender.receiver_count() <= 1
        {
            followed.remove(&self.id);
        }
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Changes({} orders are followed)", self.followed())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_follower_hears_of_its_order_and_of_no_other() {
        let changes = Changes::default();
        let (followed, other) = (OrderId::next(), OrderId::next());
        let mut subscription = changes.subscribe(followed);
        changes.announce(other);
        assert_eq!(subscription.changed().now_or_never(), None);
        changes.announce(followed);
        assert_eq!(subscription.changed().now_or_never(), Some(()));
    }

    #[test]
    fn many_changes_while_nobody_listened_are_heard_as_one() {
        let changes = Changes::default();
        let id = OrderId::next();
        let mut subscription = changes.subscribe(id);
        for _ in 0..1_000 {
            changes.announce(id);
        }
        assert_eq!(subscription.changed().now_or_never(), Some(()));
        assert_eq!(subscription.changed().now_or_never(), None);
    }

    #[test]
    fn an_order_that_nobody_follows_any_more_is_forgotten() {
        let changes = Changes::default();
        let id = OrderId::next();
        let (first, second) = (changes.subscribe(id), changes.subscribe(id));
        drop(first);
        assert_eq!(changes.followed(), 1);
        drop(second);
        assert_eq!(changes.followed(), 0);
        changes.announce(id);
    }
}
