//! Which breaker a call goes through: one for each key of an endpoint, made when it is first needed (B17).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::breaker::{CircuitBreaker, StateChange};
use super::config::{Config, ConfigError, Key, Rules};
use super::state::Machine;
use crate::deadline::method_of;
use crate::per_method::PerMethod;

pub(super) type Callback = Arc<dyn Fn(&StateChange) + Send + Sync>;

/// The breakers of one endpoint.
pub(super) struct Breakers {
    pub(super) endpoint: Arc<str>,
    pub(super) settings: PerMethod<Setting>,
    pub(super) callback: Option<Callback>,
    pub(super) seed: Option<u64>,
    kept: Mutex<Kept>,
}

/// What a method's breaker goes by.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub(super) enabled: bool,
    pub(super) fair_time: Duration,
    key: Key,
    max_breakers: usize,
    rules: Rules,
}

#[derive(Default)]
struct Kept {
    breakers: HashMap<Box<str>, Entry>,
    uses: u64,
}

struct Entry {
    breaker: CircuitBreaker,
    last_use: u64,
}

// === impl Setting ===

impl Setting {
    pub(super) fn new(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self {
            enabled: config.enabled,
            fair_time: config.fair_time,
            key: config.key,
            max_breakers: config.max_breakers,
            rules: config.rules()?,
        })
    }
}

// === impl Key ===

impl Key {
    fn of(self, path: &str) -> &str {
        match self {
            Self::Method => path,
            Self::Service => path.rsplit_once('/').map_or(path, |(service, _)| service),
            Self::Endpoint => "",
        }
    }
}

// === impl Breakers ===

impl Breakers {
    pub(super) fn new(endpoint: Arc<str>, settings: PerMethod<Setting>) -> Self {
        Self {
            endpoint,
            settings,
            callback: None,
            seed: None,
            kept: Mutex::default(),
        }
    }

    /// The same settings, with no breaker yet.
    pub(super) fn anew(&self) -> Self {
        Self {
            callback: self.callback.clone(),
            seed: self.seed,
            ..Self::new(Arc::clone(&self.endpoint), self.settings.clone())
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The breaker of a path, if it was called before.
    pub(super) fn known(&self, path: &str) -> Option<CircuitBreaker> {
        let key = self.settings.get(path).key.of(path);
        let kept = self.lock();
        kept.breakers.get(key).map(|entry| entry.breaker.clone())
    }

    /// The breaker of a path, made if it is the first call.
    pub(super) fn get(&self, path: &str, setting: &Setting) -> CircuitBreaker {
        let key = setting.key.of(path);
        let mut kept = self.lock();
        kept.uses += 1;
        let uses = kept.uses;
        if let Some(entry) = kept.breakers.get_mut(key) {
            entry.last_use = uses;
            return entry.breaker.clone();
        }
        if kept.breakers.len() >= setting.max_breakers {
            // B17: bounded, whatever paths a caller makes up.
            let oldest = kept
                .breakers
                .iter()
                .min_by_key(|(_, entry)| entry.last_use)
                .map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                kept.breakers.remove(&oldest);
            }
        }
        let name = match method_of(key) {
            "" => Arc::clone(&self.endpoint),
            method => format!("{} {method}", self.endpoint).into(),
        };
        let random = self
            .seed
            .map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        let machine = Machine::new(setting.rules.clone(), random, Instant::now().into_std());
        let callback = self.callback.clone().map(|callback| {
            let boxed: Box<dyn Fn(&StateChange) + Send + Sync> =
                Box::new(move |change| callback(change));
            boxed
        });
        let breaker = CircuitBreaker::from_machine(name, machine, callback);
        kept.breakers.insert(
            key.into(),
            Entry {
                breaker: breaker.clone(),
                last_use: uses,
            },
        );
        breaker
    }
}
