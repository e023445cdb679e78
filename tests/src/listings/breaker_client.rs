//! Listing 6.5: a circuit breaker around the calls of a client.
//!
//! An order is created every second at a server that fails every second time. The breaker opens at a tenth of failures.
//! Then the other half of the lesson: orders that are wrong are refused by a server that is well, and never open it.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Result;
use proto::order::v1::order_client::OrderClient;
use proto::order::v1::order_server::OrderServer;
use proto::order::v1::{CreateOrderRequest, CreateOrderResponse, OrderRecord};
use resilience::circuit_breaker::{CallError, CircuitBreaker, Outcome as Judgement, classify};
use tokio::time::{Instant, sleep, sleep_until};
use tonic::service::Routes;
use tonic::{Code, Request, Response, Status};

use super::circuit::{Change, Changes, settings};
use super::toys::{Method, ToyOrder, money};
use super::{Connection, Listing, Options, Story, Teller, World, code_name, length};

/// Listing 6.5.
pub const LISTING: Listing = Listing {
    number: "6.5",
    title: "Circuit breaker around a client",
    shows: "Order.Create every second at a server that fails every second call: it opens at a tenth of failures.",
    run: |out, world, options| Box::pin(async move { run(out, world, options).await.map(drop) }),
};

/// The ratio of failures that opens the circuit.
pub const RATIO: f64 = 0.1;
/// What the server takes to answer. It keeps the seconds at which calls are made apart from those at which circuits
/// change, so that the story is the same on a real clock.
const TAKES: Duration = Duration::from_millis(50);
const SECONDS: u64 = 15;
/// How many wrong orders are sent.
pub const WRONG_ORDERS: u32 = 10;

/// What happened.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How each call at the failing server ended, one a second.
    pub calls: Vec<End>,
    /// How many of them that server saw.
    pub reached: u32,
    /// Every change of state of the breaker around them.
    pub changes: Vec<Change>,
    /// How each call with a wrong order ended.
    pub wrong_orders: Vec<End>,
    /// Every change of state of the breaker around those.
    pub wrong_changes: Vec<Change>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The server answered with this code.
    Answered(Code),
    /// The circuit was open: nothing was sent.
    Refused {
        /// When it makes sense to try again.
        retry_after: Duration,
    },
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

    story
        .scene("Order.Create {23, 1234, 3.2} every second; the server fails every second call.")?;
    let changes = Changes::begin();
    let mut caller = Caller::new(host.connection(), &changes, &teller)?;
    let calls = options.seconds.unwrap_or(SECONDS);
    story
        .tell(async {
            for _ in 0..calls {
                caller.create(23, Duration::from_secs(1)).await;
            }
        })
        .await?;
    let calls = caller.ends;
    let reached = reached.load(Ordering::Relaxed);
    story.note(format!(
        "The server saw {reached} of {} calls; without a breaker it would have seen them all.",
        calls.len()
    ))?;

    let host = world.serve(Routes::new(refusing_wrong_orders())).await?;
    story.scene(
        "The same client sends orders that are wrong (user −1), to a server that is well.",
    )?;
    let wrong_changes = Changes::begin();
    let mut caller = Caller::new(host.connection(), &wrong_changes, &teller)?;
    story
        .tell(async {
            for _ in 0..WRONG_ORDERS {
                caller.create(-1, Duration::from_millis(100)).await;
            }
        })
        .await?;
    story.note(format!(
        "All {WRONG_ORDERS} failed, and the circuit is still {}: the server did its work.",
        caller.breaker.state()
    ))?;

    story.moral("Only the server's trouble opens a circuit. A client's mistake is an answer like any other.")?;
    Ok(Outcome {
        calls,
        reached,
        changes: changes.seen(),
        wrong_orders: caller.ends,
        wrong_changes: wrong_changes.seen(),
    })
}

/// The server of the chapter, with every second call failing instead of each with even chances.
pub(super) fn failing_every_second_call(reached: &Arc<AtomicU32>) -> OrderServer<ToyOrder> {
    let reached = Arc::clone(reached);
    let create = Method::new(move |_| {
        let number = reached.fetch_add(1, Ordering::Relaxed) + 1;
        async move {
            sleep(TAKES).await;
            if number.is_multiple_of(2) {
                // What a plain Go error becomes on the wire.
                return Err(Status::unknown("create order error"));
            }
            Ok(CreateOrderResponse {
                order: Some(OrderRecord {
                    order_id: "1243".to_owned(),
                    ..Default::default()
                }),
            })
        }
    });
    let get = Method::new(|_| async { Ok(Default::default()) });
    OrderServer::new(ToyOrder { create, get })
}

fn refusing_wrong_orders() -> OrderServer<ToyOrder> {
    let create = Method::new(async |request: Request<CreateOrderRequest>| {
        if request.into_inner().user_id < 1 {
            return Err(Status::invalid_argument("user id cannot be less than 1"));
        }
        Ok(Default::default())
    });
    OrderServer::new(ToyOrder {
        create,
        ..Default::default()
    })
}

pub(super) fn an_order(user_id: i64) -> CreateOrderRequest {
    CreateOrderRequest {
        user_id,
        product_id: 1234,
        price: Some(money(3, 200_000_000)),
        ..Default::default()
    }
}

struct Caller {
    client: OrderClient<Connection>,
    breaker: CircuitBreaker,
    due: Instant,
    ends: Vec<End>,
    teller: Teller,
}

impl Caller {
    fn new(connection: Connection, changes: &Changes, teller: &Teller) -> Result<Self> {
        Ok(Self {
            client: OrderClient::new(connection),
            breaker: CircuitBreaker::builder("demo")
                .config(settings(RATIO))
                .on_state_change(changes.recorder(teller))
                .build()?,
            due: Instant::now(),
            ends: Vec::new(),
            teller: teller.clone(),
        })
    }

    /// Creates one order, and makes the next one due after `pause`.
    async fn create(&mut self, user_id: i64, pause: Duration) {
        sleep_until(self.due).await;
        self.due += pause;
        let (client, teller) = (&mut self.client, &self.teller);
        let call = async {
            let result = client.create(an_order(user_id)).await;
            tell(&result, teller);
            result
        };
        let end = match self.breaker.call_with(call, judge).await {
            Ok(_) => End::Answered(Code::Ok),
            Err(CallError::Failed(status)) => End::Answered(status.code()),
            Err(CallError::Rejected(refused)) => {
                let retry_after = refused.retry_after;
                let text = format!(
                    "sends nothing, the circuit is {}: again in {}",
                    refused.state,
                    length(retry_after)
                );
                teller.tell("client", text);
                End::Refused { retry_after }
            }
        };
        self.ends.push(end);
    }
}

fn tell(result: &Result<Response<CreateOrderResponse>, Status>, teller: &Teller) {
    match result {
        Ok(answer) => {
            let order = answer.get_ref().order.clone().unwrap_or_default();
            teller.good("client", format!("order {} is created", order.order_id));
        }
        Err(status) => {
            let text = format!("{}: {}", code_name(status.code()), status.message());
            teller.bad("client", text);
        }
    }
}

/// Which ends of a call are the server's trouble.
fn judge<T>(result: &Result<T, Status>) -> Judgement {
    let code = result.as_ref().err().map_or(Code::Ok, Status::code);
    // No call of this listing has a limit of its time, so there is none that was too short.
    classify(code, None, Duration::ZERO, Duration::ZERO)
}
