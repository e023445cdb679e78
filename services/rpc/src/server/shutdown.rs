//! The wish to stop, told to everyone who should know.

use tokio::sync::watch;

/// Told to whoever has to end something when the service is asked to stop: a stream without an end, a worker.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<bool>);

/// Asks for it. It need not be kept: dropping it asks as well.
#[derive(Debug)]
pub struct Stop(watch::Sender<bool>);

impl Shutdown {
    /// A pair of the one who asks and the ones who are asked.
    #[must_use]
    pub fn channel() -> (Stop, Self) {
        let (sender, receiver) = watch::channel(false);
        (Stop(sender), Self(receiver))
    }

    /// Completes when the service is asked to stop, at once when it already was.
    pub async fn requested(&self) {
        // An error means that nobody is left who could ask; see `Stop`.
        let _ = self.0.clone().wait_for(|requested| *requested).await;
    }

    /// Whether the service was asked to stop.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }
}

impl Stop {
    /// Asks.
    pub fn now(&self) {
        self.0.send_replace(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_asks_late_is_told_as_well() {
        let (stop, shutdown) = Shutdown::channel();
        assert!(!shutdown.is_requested());
        let early = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.requested().await }
        });
        stop.now();
        early.await.expect("told");
        shutdown.requested().await;
        assert!(shutdown.is_requested());
    }
}
