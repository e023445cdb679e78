//! Listing 6.6: the circuit breaker as a layer, placed once for all calls of a client.
//!
//! The chapter's interceptor has one breaker for all methods, so one method that fails cuts off the others. The layer
//! has a breaker per endpoint and method: while Create is refused, Get of the same server keeps answering.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Result;
use proto::order::v1::GetOrderRequest;
use proto::order::v1::order_client::OrderClient;
use resilience::circuit_breaker::CircuitBreakerLayer;
use resilience::deadline::DeadlineLayer;
use resilience::decide::{Advice, of_status};
use rpc::status::Upstream;
use tokio::time::{Instant, sleep_until};
use tonic::Code;
use tonic::service::Routes;
use tower::ServiceBuilder;

use super::breaker_client::{RATIO, an_order, failing_every_second_call};
use super::circuit::{Change, Changes, settings};
use super::{Listing, Options, Story, Teller, World, code_name, length};

/// Listing 6.6.
pub const LISTING: Listing = Listing {
    number: "6.6",
    title: "Circuit breaker as a layer",
    shows: "One layer for all calls of a client, a breaker per method: Create is cut off, Get keeps flowing.",
    run: |out, world, options| Box::pin(async move { run(out, world, options).await.map(drop) }),
};

const SECONDS: u64 = 15;
const BETWEEN: Duration = Duration::from_millis(500);

/// What happened.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How each Create ended, one a second.
    pub creates: Vec<End>,
    /// How each Get ended, one a second.
    pub gets: Vec<Code>,
    /// How many Creates the server saw.
    pub creates_reached: u32,
    /// Every change of state of any breaker.
    pub changes: Vec<Change>,
}

/// How a Create ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The code.
    pub code: Code,
    /// The reason in its `ErrorInfo`: `CIRCUIT_OPEN` when nothing was sent.
    pub reason: Option<String>,
    /// What the caller should do now.
    pub advice: Advice,
}

/// Tells the story.
///
/// # Errors
/// When a server cannot be started, or the story cannot be printed.
pub async fn run(out: &mut dyn Write, world: World, options: Options) -> Result<Outcome> {
    let mut story = Story::begin(out, LISTING.number, LISTING.title)?;
    let teller = story.teller();
    let reached = Arc::new(AtomicU32::new(0));
    let host = world
        .serve(Routes::new(failing_every_second_call(&reached)))
        .await?;

    story.scene(
        "Every second one Order.Create, which fails every second time, and one Order.Get.",
    )?;
    let changes = Changes::begin();
    let breakers = CircuitBreakerLayer::new("order", &settings(RATIO))?
        .on_state_change(changes.recorder(&teller));
    // The whole placing of it: no call below says a word of breakers.
    let channel = ServiceBuilder::new()
        .layer(DeadlineLayer::new(Duration::from_secs(1)))
        .layer(breakers)
        .service(host.connection());
    let mut client = OrderClient::new(channel);

    let (mut creates, mut gets) = (Vec::new(), Vec::new());
    story
        .tell(async {
            let mut due = Instant::now();
            for _ in 0..options.seconds.unwrap_or(SECONDS) {
                sleep_until(due).await;
                let created = client.create(an_order(23)).await.map(drop);
                creates.push(tell_create(created, &teller));
                sleep_until(due + BETWEEN).await;
                let got = client.get(GetOrderRequest::default()).await.map(drop);
                gets.push(tell_get(got, &teller));
                due += 2 * BETWEEN;
            }
        })
        .await?;
    let creates_reached = reached.load(Ordering::Relaxed);
    story.note(format!(
        "The server saw {creates_reached} of {} Creates, and every Get.",
        creates.len()
    ))?;

    story.moral("What is broken is one method of one endpoint, and that is what is cut off.")?;
    Ok(Outcome {
        creates,
        gets,
        creates_reached,
        changes: changes.seen(),
    })
}

fn tell_create(result: Result<(), tonic::Status>, teller: &Teller) -> End {
    let Err(status) = result else {
        teller.good("client", "Create: the order is created");
        return End {
            code: Code::Ok,
            reason: None,
            advice: Advice::Done,
        };
    };
    let reason = Upstream::read(&status)
        .info
        .map(|info| info.reason.to_string());
    let advice = of_status(&status);
    match (&reason, &advice) {
        (Some(reason), Advice::RetryAfter(pause)) => teller.tell(
            "client",
            format!(
                "Create: {}, {reason}: again in {}",
                code_name(status.code()),
                length(*pause)
            ),
        ),
        _ => teller.bad(
            "client",
            format!("Create: {}: {}", code_name(status.code()), status.message()),
        ),
    }
    End {
        code: status.code(),
        reason,
        advice,
    }
}

fn tell_get(result: Result<(), tonic::Status>, teller: &Teller) -> Code {
    match result {
        Ok(()) => {
            teller.good("client", "Get: here it is");
            Code::Ok
        }
        Err(status) => {
            teller.bad(
                "client",
                format!("Get: {}: {}", code_name(status.code()), status.message()),
            );
            status.code()
        }
    }
}
