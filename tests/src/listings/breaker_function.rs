//! Listing 6.4: a circuit breaker around any function.
//!
//! The function draws a number from 10 to 29 and fails unless it is 20. The breaker opens when at least 60 % of at
//! least five calls have failed, stays open for four seconds, and closes after three probes that went well.

use std::io::Write;
use std::time::Duration;

use anyhow::Result;
use resilience::circuit_breaker::{CallError, CircuitBreaker};
use tokio::time::{Instant, sleep_until};

use super::circuit::{Change, Changes, settings};
use super::{Listing, Options, Story, Teller, World, length};

/// Listing 6.4.
pub const LISTING: Listing = Listing {
    number: "6.4",
    title: "Circuit breaker around a function",
    shows: "A function that nearly always fails is soon no longer called; once it is mended, it is called again.",
    run: |out, world, options| Box::pin(async move { run(out, world, options).await.map(drop) }),
};

/// The number that the function wants.
pub const WANTED: u32 = 20;
/// The ratio of failures that opens the circuit.
pub const RATIO: f64 = 0.6;
/// Between two calls.
pub const PAUSE: Duration = Duration::from_millis(600);
const SECONDS: u64 = 12;
/// Enough for the circuit to come back from open to closed.
const CALLS_WHEN_MENDED: u32 = 12;

/// What happened.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Every call, in order.
    pub calls: Vec<Call>,
    /// How many of them were made before the function was mended.
    pub before_mending: usize,
    /// Every change of state.
    pub changes: Vec<Change>,
}

/// One call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// When.
    pub at: Duration,
    /// How it ended.
    pub end: End,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The function drew this number and gave it back.
    Succeeded(u32),
    /// The function drew this number and failed.
    Failed(u32),
    /// The function was not called.
    Refused {
        /// When it makes sense to try again.
        retry_after: Duration,
    },
}

/// Tells the story. No server is involved.
///
/// # Errors
/// When the story cannot be printed.
pub async fn run(out: &mut dyn Write, _world: World, options: Options) -> Result<Outcome> {
    let mut story = Story::begin(out, LISTING.number, LISTING.title)?;
    let teller = story.teller();

    story.scene(&format!(
        "A number from 10 to 29 is drawn every 600 ms; everything but {WANTED} is a failure (seed {}).",
        options.seed
    ))?;
    let changes = Changes::begin();
    let breaker = CircuitBreaker::builder("demo")
        .config(settings(RATIO))
        .on_state_change(changes.recorder(&teller))
        .build()?;
    let mut caller = Caller {
        breaker,
        began: Instant::now(),
        random: fastrand::Rng::with_seed(options.seed),
        calls: Vec::new(),
        teller: teller.clone(),
    };
    let until = Duration::from_secs(options.seconds.unwrap_or(SECONDS));
    let before_mending = story
        .tell(async {
            while caller.next_at() < until {
                caller.call(false).await;
            }
            caller.calls.len()
        })
        .await?;
    story.note("The function is mended: from here on every number will do.")?;
    story
        .tell(async {
            for _ in 0..CALLS_WHEN_MENDED {
                caller.call(true).await;
            }
        })
        .await?;

    story.moral(
        "One failure opens nothing: a ratio needs a volume. And four seconds are written as four seconds.",
    )?;
    Ok(Outcome {
        calls: caller.calls,
        before_mending,
        changes: changes.seen(),
    })
}

struct Caller {
    breaker: CircuitBreaker,
    began: Instant,
    random: fastrand::Rng,
    calls: Vec<Call>,
    teller: Teller,
}

impl Caller {
    /// When the next call is due.
    fn next_at(&self) -> Duration {
        PAUSE * u32::try_from(self.calls.len()).unwrap_or(u32::MAX)
    }

    async fn call(&mut self, mended: bool) {
        sleep_until(self.began + self.next_at()).await;
        let (random, teller) = (&mut self.random, &self.teller);
        let guarded = self
            .breaker
            .call(async { draw(random, mended, teller) })
            .await;
        let end = match guarded {
            Ok(number) => End::Succeeded(number),
            Err(CallError::Failed(number)) => End::Failed(number),
            Err(CallError::Rejected(refused)) => {
                let retry_after = refused.retry_after;
                let text = format!(
                    "is not called, the circuit is {}: again in {}",
                    refused.state,
                    length(retry_after)
                );
                teller.tell("function", text);
                End::Refused { retry_after }
            }
        };
        self.calls.push(Call {
            at: self.began.elapsed(),
            end,
        });
    }
}

/// The function of the chapter.
fn draw(random: &mut fastrand::Rng, mended: bool, teller: &Teller) -> Result<u32, u32> {
    let number = random.u32(10..30);
    if mended || number == WANTED {
        teller.good("function", format!("draws {number}, well"));
        Ok(number)
    } else {
        teller.bad("function", format!("draws {number}, a failure"));
        Err(number)
    }
}
