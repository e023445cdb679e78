//! Listing 6.3: a call that is tried again, and a parcel that leaves once.
//!
//! The chapter's settings: UNAVAILABLE and RESOURCE_EXHAUSTED, at most five attempts, a linear backoff of one second.
//! Its interceptor waits one second each time, sends a Create again without knowing whether the first one was carried
//! out, and has no limit over all attempts; here each of these has a scene.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use proto::shipping::v1::shipping_client::ShippingClient;
use proto::shipping::v1::shipping_server::ShippingServer;
use proto::shipping::v1::{CreateShippingRequest, CreateShippingResponse};
use resilience::attempt_timeout::AttemptTimeoutLayer;
use resilience::deadline::DeadlineLayer;
use resilience::idempotency::Methods;
use resilience::retry::{
    ATTEMPTS, Backoff, CodeName, Jitter, RetryConfig, RetryLayer, RetryPolicy,
};
use tokio::time::{Instant, sleep};
use tonic::service::Routes;
use tonic::{Code, Request, Status};
use tower::ServiceBuilder;

use super::toys::{Method, Parcels, ToyShipping};
use super::{Listing, Options, Story, Teller, World, code_name, length};

/// Listing 6.3.
pub const LISTING: Listing = Listing {
    number: "6.3",
    title: "Retry with backoff",
    shows: "Shipping.Create {23, 2344} is tried up to five times, one key on every attempt: it ships once.",
    run: |out, world, options| Box::pin(async move { run(out, world, options).await.map(drop) }),
};

/// The chapter's step.
pub const STEP: Duration = Duration::from_secs(1);
/// The deadline of the call that may not take as long as its attempts would.
pub const SHORT: Duration = Duration::from_millis(2500);
/// What one attempt may take where that is limited.
pub const PER_ATTEMPT: Duration = Duration::from_millis(500);

/// The call of each scene.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Linear backoff; the answer of the third attempt gets lost after the parcel has left.
    pub linear: Call,
    /// Fixed backoff, to a server that never recovers.
    pub fixed: Call,
    /// Exponential backoff with jitter, to a server that never recovers.
    pub exponential: Call,
    /// Linear backoff under a deadline that the third attempt would not meet.
    pub short: Call,
    /// A limit per attempt; the first attempt hangs.
    pub per_attempt: Call,
    /// A call that nobody declared safe to repeat.
    pub not_idempotent: Call,
}

/// One call, across its attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// How it ended for the caller.
    pub code: Code,
    /// When.
    pub after: Duration,
    /// How many attempts the status tells of, when it does.
    pub told: Option<u32>,
    /// The attempts as the server saw them.
    pub attempts: Vec<Attempt>,
    /// How many parcels have left.
    pub shipped: usize,
}

/// One attempt as the server saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When, since the call began.
    pub at: Duration,
    /// The key that it carried.
    pub key: String,
    /// Its `grpc-previous-rpc-attempts`.
    pub previous: Option<String>,
}

/// Tells the story.
///
/// # Errors
/// When a server cannot be started, or the story cannot be printed.
pub async fn run(out: &mut dyn Write, world: World, options: Options) -> Result<Outcome> {
    let mut story = Story::begin(out, LISTING.number, LISTING.title)?;
    let declared = Arc::new(Methods::from_descriptor_set(proto::FILE_DESCRIPTOR_SET)?);
    let linear = Backoff::Linear {
        step: STEP,
        max: Duration::from_secs(10),
    };
    let plan = Plan {
        world,
        seed: options.seed,
        script: &[Does::Unavailable],
        backoff: linear,
        jitter: Jitter::None,
        deadline: Duration::from_secs(30),
        per_attempt: None,
        declared: Arc::clone(&declared),
    };

    story.scene("Linear, 1 s: the pauses are 1 s, 2 s, 3 s. The third attempt ships, and its answer gets lost.")?;
    let linear = plan.with(|plan| {
        plan.script = &[
            Does::Unavailable,
            Does::Exhausted,
            Does::ShipAndLoseAnswer,
            Does::Ship,
        ];
    });
    let linear = linear.tell(&mut story).await?;

    story.scene(
        "Fixed, 1 s (what the chapter's library calls linear), and shipping does not recover.",
    )?;
    let fixed = plan.with(|plan| plan.backoff = Backoff::Fixed { delay: STEP });
    let fixed = fixed.tell(&mut story).await?;

    story.scene(&format!(
        "Exponential from 100 ms, each pause up to a fifth shorter or longer by chance (seed {}).",
        options.seed
    ))?;
    let exponential = plan.with(|plan| {
        plan.backoff = Backoff::Exponential {
            initial: Duration::from_millis(100),
            multiplier: 2.0,
            max: STEP,
        };
        plan.jitter = Jitter::Ratio(0.2);
    });
    let exponential = exponential.tell(&mut story).await?;

    story.scene("Linear again, and the whole call may take 2.5 s: a pause that would outlast it is not made.")?;
    let short = plan.with(|plan| plan.deadline = SHORT);
    let short = short.tell(&mut story).await?;

    story.scene("Each attempt may take 500 ms, and the first one hangs.")?;
    let per_attempt = plan.with(|plan| {
        plan.script = &[Does::Hang, Does::Ship];
        plan.per_attempt = Some(PER_ATTEMPT);
    });
    let per_attempt = per_attempt.tell(&mut story).await?;

    story.scene("A method that its .proto file does not call idempotent: who knows whether it was carried out?")?;
    let not_idempotent = plan.with(|plan| plan.declared = Arc::default());
    let not_idempotent = not_idempotent.tell(&mut story).await?;

    story.moral(
        "Try again what is safe to do twice, not for ever, and not all at the same moment.",
    )?;
    Ok(Outcome {
        linear,
        fixed,
        exponential,
        short,
        per_attempt,
        not_idempotent,
    })
}

/// What the server does with an attempt.
#[derive(Clone, Copy, Debug)]
enum Does {
    Unavailable,
    Exhausted,
    ShipAndLoseAnswer,
    Ship,
    Hang,
}

/// The settings of one scene.
#[derive(Clone)]
struct Plan {
    world: World,
    seed: u64,
    /// What the server does with each attempt; the last for all that follow.
    script: &'static [Does],
    backoff: Backoff,
    jitter: Jitter,
    deadline: Duration,
    per_attempt: Option<Duration>,
    declared: Arc<Methods>,
}

impl Plan {
    fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut plan = self.clone();
        change(&mut plan);
        plan
    }

    async fn tell(self, story: &mut Story<'_>) -> Result<Call> {
        let teller = story.teller();
        let depot = Arc::new(Depot {
            script: self.script,
            began: Instant::now(),
            attempts: Mutex::default(),
            parcels: Parcels::default(),
            teller: teller.clone(),
        });
        let routes = Routes::new(Arc::clone(&depot).server());
        let host = self.world.serve(routes).await?;

        let policy = RetryPolicy::new(&RetryConfig {
            max_attempts: 5,
            backoff: self.backoff,
            jitter: self.jitter,
            codes: BTreeSet::from([CodeName::Unavailable, CodeName::ResourceExhausted]),
            ..RetryConfig::default()
        })?;
        let stack = ServiceBuilder::new()
            .layer(DeadlineLayer::new(self.deadline))
            .layer(RetryLayer::new(policy, self.declared).seed(self.seed))
            .layer(AttemptTimeoutLayer::new(self.per_attempt))
            .service(host.connection());
        story
            .tell(call(ShippingClient::new(stack), &depot, &teller))
            .await
            .map_err(Into::into)
    }
}

async fn call<S>(mut client: ShippingClient<S>, depot: &Depot, teller: &Teller) -> Call
where
    S: tonic::client::GrpcService<tonic::body::Body>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::ResponseBody: tonic::codegen::Body<Data = tonic::codegen::Bytes> + Send + 'static,
    <S::ResponseBody as tonic::codegen::Body>::Error:
        Into<Box<dyn std::error::Error + Send + Sync>> + Send,
{
    teller.tell(
        "client",
        "calls Shipping.Create {user_id 23, order_id 2344}",
    );
    let answer = client
        .create(CreateShippingRequest {
            idempotency_key: "order-2344".to_owned(),
            user_id: 23,
            order_id: "2344".to_owned(),
            address: None,
        })
        .await;
    let after = depot.began.elapsed();
    let (code, told) = match answer {
        Ok(answer) => {
            let shipment = answer.into_inner().shipment.unwrap_or_default();
            teller.good(
                "client",
                format!(
                    "shipment {} is on its way, after {}",
                    shipment.shipping_id,
                    length(after)
                ),
            );
            (Code::Ok, None)
        }
        Err(status) => {
            let told = status.metadata().get(ATTEMPTS);
            let told = told.and_then(|value| value.to_str().ok()?.parse().ok());
            let attempts = told.map_or_else(
                || "one attempt".to_owned(),
                |n: u32| format!("{n} attempts"),
            );
            teller.bad(
                "client",
                format!(
                    "{} after {} and {attempts}: {}",
                    code_name(status.code()),
                    length(after),
                    status.message()
                ),
            );
            (status.code(), told)
        }
    };
    Call {
        code,
        after,
        told,
        attempts: depot.attempts().clone(),
        shipped: depot.parcels.shipped(),
    }
}

/// Shipping, with a script.
#[derive(Debug)]
struct Depot {
    script: &'static [Does],
    began: Instant,
    attempts: Mutex<Vec<Attempt>>,
    parcels: Parcels,
    teller: Teller,
}

impl Depot {
    fn attempts(&self) -> MutexGuard<'_, Vec<Attempt>> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn server(self: Arc<Self>) -> ShippingServer<ToyShipping> {
        ShippingServer::new(ToyShipping {
            create: Method::new(move |request| {
                let depot = Arc::clone(&self);
                async move { depot.create(request).await }
            }),
            ..Default::default()
        })
    }

    async fn create(
        &self,
        request: Request<CreateShippingRequest>,
    ) -> Result<CreateShippingResponse, Status> {
        let previous = request.metadata().get("grpc-previous-rpc-attempts");
        let previous = previous
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let request = request.into_inner();
        let number = {
            let mut attempts = self.attempts();
            attempts.push(Attempt {
                at: self.began.elapsed(),
                key: request.idempotency_key.clone(),
                previous,
            });
            attempts.len()
        };
        let tell = |text: &str| {
            self.teller
                .tell("shipping", format!("attempt {number}: {text}"))
        };
        match self.script[number.min(self.script.len()) - 1] {
            Does::Unavailable => {
                tell("UNAVAILABLE");
                Err(Status::unavailable("shipping is not up"))
            }
            Does::Exhausted => {
                tell("RESOURCE_EXHAUSTED");
                Err(Status::resource_exhausted("shipping has too much to do"))
            }
            Does::ShipAndLoseAnswer => {
                let (shipment, _) = self.parcels.ship(request);
                tell(&format!(
                    "ships it as {}, and the answer gets lost (UNAVAILABLE)",
                    shipment.shipping_id
                ));
                Err(Status::unavailable("the connection broke"))
            }
            Does::Ship => {
                let key = request.idempotency_key.clone();
                let (shipment, new) = self.parcels.ship(request);
                let id = shipment.shipping_id;
                tell(&if new {
                    format!("ships it as {id}")
                } else {
                    format!("knows the key {key:?}, ships nothing and answers {id} again")
                });
                Ok(CreateShippingResponse {
                    shipment: Some(shipment),
                })
            }
            Does::Hang => {
                tell("hangs");
                sleep(Duration::from_secs(60)).await;
                Err(Status::unavailable("the lock was not free"))
            }
        }
    }
}
