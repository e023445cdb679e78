//! The deadline around a task, and the ledger of the calls that are made under it.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Deadline;
use super::spent::Hop;

tokio::task_local! {
    static SCOPE: Option<Scope>;
}

/// The deadline of the code that asks, if any.
pub fn current() -> Option<Deadline> {
    current_scope().map(|scope| scope.deadline)
}

/// Runs a future under a deadline. Under an earlier deadline that one stays: no scope gains time (D4).
///
/// The future is not stopped when the deadline passes; the calls that it makes end by then. To stop it as well, use
/// `tokio::time::timeout_at` around it, or a [`ServerDeadlineLayer`](super::ServerDeadlineLayer) if it is a handler.
pub async fn scope<F: Future>(deadline: Deadline, future: F) -> F::Output {
    let scope = match current_scope() {
        Some(outer) => Scope {
            deadline: outer.deadline.min(deadline),
            ledger: outer.ledger,
        },
        None => Scope::new(deadline),
    };
    SCOPE.scope(Some(scope), future).await
}

/// Runs a future without the deadline of the code that starts it (D13): for work that must be finished although the
/// caller will not wait, such as giving a payment back. The calls in it have their clients' own deadlines.
pub async fn detached<F: Future>(future: F) -> F::Output {
    SCOPE.scope(None, future).await
}

/// Carries the deadline of the code that calls this into a future that will run as a task of its own:
/// `tokio::spawn(deadline::inherit(work))`.
pub fn inherit<F: Future>(future: F) -> impl Future<Output = F::Output> {
    SCOPE.scope(current_scope(), future)
}

/// A deadline, and the ledger of what is called under it.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    pub(super) deadline: Deadline,
    pub(super) ledger: Arc<Ledger>,
}

pub(super) type Scoped<F> = tokio::task::futures::TaskLocalFuture<Option<Scope>, F>;

pub(super) fn current_scope() -> Option<Scope> {
    SCOPE.try_with(Clone::clone).ok().flatten()
}

// === impl Scope ===

impl Scope {
    pub(super) fn new(deadline: Deadline) -> Self {
        Self {
            deadline,
            ledger: Arc::default(),
        }
    }

    pub(super) fn around<F: Future>(&self, future: F) -> Scoped<F> {
        SCOPE.scope(Some(self.clone()), future)
    }

    pub(super) fn enter<R>(&self, run: impl FnOnce() -> R) -> R {
        SCOPE.sync_scope(Some(self.clone()), run)
    }
}

/// The calls made under one deadline: how long any of them was under way, and the most telling of them.
#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    entries: Vec<Entry>,
    next: u64,
    active: usize,
    active_since: Option<Instant>,
    busy: Duration,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    method: String,
    started: Instant,
    ended: Option<Instant>,
    hops: Vec<Hop>,
}

/// More calls than these are summed up in the busy time but not named; of the ended ones the longest stay. A report has
/// room for eight hops anyhow.
const MAX_ENTRIES: usize = 16;

/// One call in a ledger; dropping it without [`Record::finish`] is an end as well.
#[derive(Debug)]
pub(super) struct Record {
    ledger: Arc<Ledger>,
    number: u64,
    ended: bool,
}

// === impl Ledger ===

impl Ledger {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the start of an outgoing call.
    pub(super) fn start(self: &Arc<Self>, method: &str, now: Instant) -> Record {
        let mut book = self.book();
        let number = book.next;
        book.next += 1;
        if book.active == 0 {
            book.active_since = Some(now);
        }
        book.active += 1;
        if book.entries.len() < MAX_ENTRIES || book.forget_shortest() {
            book.entries.push(Entry {
                number,
                method: method.into(),
                started: now,
                ended: None,
                hops: Vec::new(),
            });
        }
        drop(book);
        Record {
            ledger: Arc::clone(self),
            number,
            ended: false,
        }
    }

    /// Where the time since `started` went: the handler's own share first, then its calls in the order of their start.
    /// A call whose answer told of hops is told by them. `finished` is whether the handler has given its answer.
    pub(super) fn report(
        &self,
        method: &str,
        started: Instant,
        now: Instant,
        finished: bool,
    ) -> Vec<Hop> {
        let book = self.book();
        let under_way = book
            .active_since
            .map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        let elapsed = now.saturating_duration_since(started);
        let mut hops = vec![Hop {
            method: method.into(),
            time: elapsed.saturating_sub(book.busy + under_way),
            own: true,
            unfinished: !finished && book.active == 0,
        }];
        for entry in &book.entries {
            if entry.hops.is_empty() {
                let end = entry.ended.unwrap_or(now);
                hops.push(Hop {
                    method: entry.method.clone(),
                    time: end.saturating_duration_since(entry.started),
                    own: false,
                    unfinished: entry.ended.is_none(),
                });
            } else {
                hops.extend(entry.hops.iter().cloned());
            }
        }
        hops
    }
}

// === impl Book ===

impl Book {
    fn forget_shortest(&mut self) -> bool {
        let shortest = self
            .entries
            .iter()
            .enumerate()
            .filter_map(|(index, entry)| {
                let ended = entry.ended?;
                Some((ended.saturating_duration_since(entry.started), index))
            })
            .min();
        shortest
            .map(|(_, index)| self.entries.remove(index))
            .is_some()
    }
}

// === impl Record ===

impl Record {
    /// Notes the end, and what the answer said about where the time went.
    pub(super) fn finish(mut self, now: Instant, hops: Vec<Hop>) {
        self.end(now, hops);
    }

    fn end(&mut self, now: Instant, hops: Vec<Hop>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let mut book = self.ledger.book();
        book.active -= 1;
        if book.active == 0
            && let Some(since) = book.active_since.take()
        {
            book.busy += now.saturating_duration_since(since);
        }
        if let Some(entry) = book
            .entries
            .iter_mut()
            .find(|entry| entry.number == self.number)
        {
            entry.ended = Some(now);
            entry.hops = hops;
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.ended {
            self.end(Instant::now(), Vec::new());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn texts(hops: &[Hop]) -> Vec<String> {
        hops.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_handlers_own_time_is_what_its_calls_leave() {
        let ledger = Arc::new(Ledger::default());
        let start = Instant::now();
        let call = ledger.start("product.v1.Product/Get", start + 2 * SECOND);
        assert_eq!(
            texts(&ledger.report("order.v1.Order/Create", start, start + 3 * SECOND, false)),
            [
                "order.v1.Order/Create own 2.000 s",
                "product.v1.Product/Get 1.000 s (unfinished)"
            ]
        );
        call.finish(start + 3 * SECOND, Vec::new());
        assert_eq!(
            texts(&ledger.report("order.v1.Order/Create", start, start + 4 * SECOND, false)),
            [
                "order.v1.Order/Create own 3.000 s (unfinished)",
                "product.v1.Product/Get 1.000 s"
            ]
        );
    }

    #[test]
    fn calls_side_by_side_count_once_against_the_own_time() {
        let ledger = Arc::new(Ledger::default());
        let start = Instant::now();
        let first = ledger.start("a/A", start);
        let second = ledger.start("b/B", start + SECOND);
        first.finish(start + 2 * SECOND, Vec::new());
        second.finish(start + 3 * SECOND, Vec::new());
        let hops = ledger.report("c/C", start, start + 5 * SECOND, false);
        assert_eq!(hops[0].time, 2 * SECOND);
        assert_eq!(hops[1].time, 2 * SECOND);
        assert_eq!(hops[2].time, 2 * SECOND);
    }

    #[test]
    fn an_answer_that_tells_its_hops_is_told_by_them() {
        let ledger = Arc::new(Ledger::default());
        let start = Instant::now();
        let hop = Hop {
            method: "ship/Create".into(),
            time: SECOND,
            own: true,
            unfinished: true,
        };
        ledger
            .start("pay/Create", start)
            .finish(start + SECOND, vec![hop.clone()]);
        assert_eq!(
            ledger.report("c/C", start, start + SECOND, false)[1..],
            [hop]
        );
    }

    #[test]
    fn a_dropped_call_has_ended_and_thousands_are_remembered_by_a_few() {
        let ledger = Arc::new(Ledger::default());
        let start = Instant::now();
        for _ in 0..5000 {
            drop(ledger.start("a/A", start));
        }
        let open = ledger.start("last/Open", start);
        let hops = ledger.report("c/C", start, start + SECOND, false);
        assert_eq!(hops.len(), 1 + MAX_ENTRIES);
        assert_eq!(hops[MAX_ENTRIES].method, "last/Open");
        assert!(hops[MAX_ENTRIES].unfinished);
        drop(open);
        assert_eq!(ledger.book().active, 0);
    }

    #[tokio::test]
    async fn d4_an_inner_scope_never_gains_time_and_d13_detached_is_explicit() {
        let near = Deadline::after(SECOND);
        let far = Deadline::after(5 * SECOND);
        assert_eq!(current(), None);
        scope(near, async {
            scope(far, async { assert_eq!(current(), Some(near)) }).await;
            detached(async { assert_eq!(current(), None) }).await;
            let inherited = tokio::spawn(inherit(async { current() })).await;
            assert_eq!(inherited.ok().flatten(), Some(near));
            let spawned = tokio::spawn(async { current() }).await;
            assert_eq!(spawned.ok().flatten(), None);
        })
        .await;
    }
}
