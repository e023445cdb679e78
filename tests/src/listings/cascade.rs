//! Figure 6.1: shipping loses its database. Does order go down with it?
//!
//! First without any pattern: every order waits for shipping, soon every worker of order does, and then order answers
//! nothing at all, not even what has nothing to do with shipping. Then the same with an attempt timeout and a circuit
//! breaker, and with orders that wait, durably in the real service, until shipping is back. Last a partial failure:
//! shipping answers, and takes longer than was agreed.
//!
//! Order and shipping are small here, so that the story can be told on a virtual clock; `cargo demo` shows the same
//! with the services themselves, databases and all.

use std::convert::Infallible;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use http::{Request as HttpRequest, Response as HttpResponse};
use proto::order::v1::order_client::OrderClient;
use proto::order::v1::order_server::OrderServer;
use proto::order::v1::{
    CreateOrderRequest, CreateOrderResponse, GetOrderRequest, GetOrderResponse, OrderRecord,
    OrderState,
};
use proto::shipping::v1::shipping_client::ShippingClient;
use proto::shipping::v1::shipping_server::ShippingServer;
use proto::shipping::v1::{CreateShippingRequest, CreateShippingResponse};
use resilience::attempt_timeout::AttemptTimeoutLayer;
use resilience::circuit_breaker::{CircuitBreakerLayer, Config, HalfOpen, OpenTime};
use resilience::deadline::DeadlineLayer;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tower::util::BoxCloneSyncService;
use tower::{Layer as _, ServiceBuilder};

use super::circuit::{Change, Changes};
use super::toys::{Method, Parcels, ToyOrder, ToyShipping};
use super::{Connection, Host, Listing, Options, Story, Teller, World, code_name, length};

/// Figure 6.1.
pub const LISTING: Listing = Listing {
    number: "fig-6.1",
    title: "A failure that does not cascade",
    shows: "Shipping loses its database, then is merely slow: without patterns order goes down too, with them it answers.",
    run: |out, world, options| Box::pin(async move { run(out, world, options).await.map(drop) }),
};

/// What shipping's callers were promised.
pub const AGREED: Duration = Duration::from_millis(50);
/// How many calls order works on at a time.
pub const WORKERS: usize = 2;
const SLOW: Duration = Duration::from_millis(200);
const QUICK: Duration = Duration::from_millis(5);
const HUNG: Duration = Duration::from_secs(600);
const TICK: Duration = Duration::from_millis(500);

/// What happened.
#[derive(Debug)]
pub struct Outcome {
    /// Without any pattern.
    pub without: Watched,
    /// With them.
    pub with: Watched,
    /// Every change of state of order's breaker around shipping.
    pub changes: Vec<Change>,
    /// How many calls shipping saw, in the scene with patterns.
    pub shipping_calls: usize,
    /// How many orders were shipped in the end, and how many parcels left.
    pub shipped: (usize, usize),
}

/// What the customers of one scene met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// How long each answered Create took, and in which state the order was.
    pub creates: Vec<(Duration, OrderState)>,
    /// How long each answered Get took.
    pub gets: Vec<Duration>,
    /// Creates that were still waiting at the end.
    pub creates_waiting: usize,
    /// Gets that were still waiting at the end.
    pub gets_waiting: usize,
}

/// Tells the story.
///
/// # Errors
/// When a server cannot be started, or the story cannot be printed.
pub async fn run(out: &mut dyn Write, world: World, _options: Options) -> Result<Outcome> {
    let mut story = Story::begin(out, LISTING.number, LISTING.title)?;
    let teller = story.teller();

    story.scene(&format!(
        "Without a pattern: order has {WORKERS} workers, and each waits for shipping as long as it takes."
    ))?;
    let shipping = Arc::new(Depot::default());
    let shipping_host = world
        .serve_without_deadlines(Routes::new(Arc::clone(&shipping).server()))
        .await?;
    let desk = Desk::new(unprotected(&shipping_host), false);
    let order_host = world
        .serve_without_deadlines(Routes::new(Arc::clone(&desk).server()))
        .await?;
    let events = [(1000, Database::Down)];
    let without = story
        .tell(watch(
            &order_host,
            &shipping,
            &events,
            Duration::from_secs(4),
            &teller,
        ))
        .await?;
    story.note(format!(
        "{} orders wait, and so do {} questions that have nothing to do with shipping: order is down as well.",
        without.creates_waiting, without.gets_waiting
    ))?;

    story.scene(
        "With the patterns: an attempt may take the agreed 50 ms, a circuit breaker, and orders that can wait.",
    )?;
    let shipping = Arc::new(Depot::default());
    let shipping_host = world
        .serve(Routes::new(Arc::clone(&shipping).server()))
        .await?;
    let changes = Changes::begin();
    let desk = Desk::new(protected(&shipping_host, &changes, &teller)?, true);
    let order_host = world.serve(Routes::new(Arc::clone(&desk).server())).await?;
    let events = [
        (1000, Database::Down),
        (5000, Database::Up),
        (8000, Database::Slow),
        (9500, Database::Up),
    ];
    let mut with = Watched::default();
    story
        .tell(async {
            tokio::select! {
                biased;
                watched = watch(&order_host, &shipping, &events, Duration::from_secs(12), &teller) => {
                    with = watched;
                }
                () = desk.ship_what_waits(&teller) => {}
            }
        })
        .await?;
    let shipped = (desk.shipped(), shipping.parcels.shipped());
    let shipping_calls = *lock(&shipping.calls);
    story.note(format!(
        "{} of {} orders are shipped, in {} parcels; no question waited; shipping was called {shipping_calls} times.",
        shipped.0,
        with.creates.len(),
        shipped.1
    ))?;

    story.moral(
        "Fail fast now and try again later: what does not need shipping never notices, and what does is not lost.",
    )?;
    Ok(Outcome {
        without,
        with,
        changes: changes.seen(),
        shipping_calls,
        shipped,
    })
}

// === shipping, in small ===

/// How shipping's database does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Database {
    #[default]
    Up,
    /// Every query hangs.
    Down,
    /// Every query takes longer than agreed.
    Slow,
}

#[derive(Debug, Default)]
struct Depot {
    database: Mutex<Database>,
    parcels: Parcels,
    calls: Mutex<usize>,
}

impl Depot {
    fn server(self: Arc<Self>) -> ShippingServer<ToyShipping> {
        ShippingServer::new(ToyShipping {
            create: Method::new(move |request: tonic::Request<CreateShippingRequest>| {
                let depot = Arc::clone(&self);
                async move {
                    *lock(&depot.calls) += 1;
                    let takes = match *lock(&depot.database) {
                        Database::Up => QUICK,
                        Database::Slow => SLOW,
                        Database::Down => HUNG,
                    };
                    sleep(takes).await;
                    let (shipment, _) = depot.parcels.ship(request.into_inner());
                    Ok(CreateShippingResponse {
                        shipment: Some(shipment),
                    })
                }
            }),
            ..Default::default()
        })
    }
}

// === order, in small ===

type Shipping =
    ShippingClient<BoxCloneSyncService<HttpRequest<Body>, HttpResponse<Body>, Infallible>>;

/// Waits for shipping as good as for ever.
fn unprotected(host: &Host) -> Shipping {
    let channel = DeadlineLayer::new(HUNG).layer(host.connection());
    ShippingClient::new(BoxCloneSyncService::new(channel))
}

/// The layers of the client stack that matter here.
fn protected(host: &Host, changes: &Changes, teller: &Teller) -> Result<Shipping> {
    let rules = Config {
        consecutive_failures: Some(3),
        open: OpenTime {
            initial: Duration::from_secs(2),
            multiplier: 1.0,
            max: Duration::from_secs(2),
            jitter: 0.0,
        },
        half_open: HalfOpen {
            max_in_flight: 1,
            successes: 1,
            ..HalfOpen::default()
        },
        ..Config::default()
    };
    let breaker =
        CircuitBreakerLayer::new("shipping", &rules)?.on_state_change(changes.recorder(teller));
    let stack = ServiceBuilder::new()
        .layer(DeadlineLayer::new(4 * AGREED))
        .layer(breaker)
        .layer(AttemptTimeoutLayer::new(Some(AGREED)))
        .service(host.connection());
    Ok(ShippingClient::new(BoxCloneSyncService::new(stack)))
}

#[derive(Debug)]
struct Desk {
    shipping: Shipping,
    /// Whether an order that cannot be shipped now is taken all the same.
    orders_can_wait: bool,
    workers: Semaphore,
    orders: Mutex<Vec<OrderState>>,
}

impl Desk {
    fn new(shipping: Shipping, orders_can_wait: bool) -> Arc<Self> {
        Arc::new(Self {
            shipping,
            orders_can_wait,
            workers: Semaphore::new(WORKERS),
            orders: Mutex::default(),
        })
    }

    fn server(self: Arc<Self>) -> OrderServer<ToyOrder> {
        let for_create = Arc::clone(&self);
        let create = Method::new(move |_| {
            let desk = Arc::clone(&for_create);
            async move { desk.create().await }
        });
        let get = Method::new(move |_| {
            let desk = Arc::clone(&self);
            async move {
                let _worker = desk.workers.acquire().await;
                Ok(GetOrderResponse::default())
            }
        });
        OrderServer::new(ToyOrder { create, get })
    }

    async fn create(&self) -> Result<CreateOrderResponse, Status> {
        let _worker = self.workers.acquire().await;
        let number = {
            let mut orders = lock(&self.orders);
            orders.push(OrderState::Paid);
            orders.len() - 1
        };
        let failed = self.ship(number).await.err();
        if let (Some(status), false) = (failed, self.orders_can_wait) {
            return Err(status);
        }
        let state = lock(&self.orders)[number];
        Ok(CreateOrderResponse {
            order: Some(OrderRecord {
                order_id: (number + 1).to_string(),
                state: state.into(),
                ..Default::default()
            }),
        })
    }

    async fn ship(&self, number: usize) -> Result<(), Status> {
        let request = CreateShippingRequest {
            // The same at every try, so that a parcel leaves once.
            idempotency_key: format!("order-{}", number + 1),
            user_id: 23,
            order_id: (number + 1).to_string(),
            address: None,
        };
        self.shipping.clone().create(request).await?;
        lock(&self.orders)[number] = OrderState::Shipped;
        Ok(())
    }

    /// Twice a second, until dropped, tries again what is paid and not shipped.
    async fn ship_what_waits(&self, teller: &Teller) {
        let mut due = Instant::now();
        loop {
            due += TICK;
            sleep_until(due).await;
            let waiting: Vec<usize> = {
                let orders = lock(&self.orders);
                let waits = |(_, state): &(usize, &OrderState)| **state == OrderState::Paid;
                orders
                    .iter()
                    .enumerate()
                    .filter(waits)
                    .map(|(number, _)| number)
                    .collect()
            };
            for number in waiting {
                if self.ship(number).await.is_err() {
                    break;
                }
                teller.good(
                    "order",
                    format!("ships order {}, which had waited", number + 1),
                );
            }
        }
    }

    fn shipped(&self) -> usize {
        let shipped = |state: &&OrderState| **state == OrderState::Shipped;
        lock(&self.orders).iter().filter(shipped).count()
    }
}

// === the customers ===

enum Answer {
    Create(Duration, Result<OrderState, Status>),
    Get(Duration, Result<(), Status>),
}

/// Twice a second one order and, a quarter of a second later, one question; meanwhile shipping's database has its moods.
async fn watch(
    order: &Host,
    depot: &Depot,
    events: &[(u64, Database)],
    until: Duration,
    teller: &Teller,
) -> Watched {
    let began = Instant::now();
    let client = OrderClient::new(order.connection());
    let mut events = events.iter().peekable();
    let mut customers = JoinSet::new();
    let mut watched = Watched::default();
    let mut at = Duration::ZERO;
    let mut creates = 0;
    let mut gets = 0;
    while at < until {
        // Until it is time for the next customer, listen to those who were answered.
        loop {
            tokio::select! {
                biased;
                () = sleep_until(began + at) => break,
                Some(Ok(answer)) = customers.join_next() => watched.note(answer, teller),
            }
        }
        while let Some((_, mood)) = events.next_if(|(from, _)| Duration::from_millis(*from) <= at) {
            *lock(&depot.database) = *mood;
            match mood {
                Database::Up => teller.good("shipping", "its database is well again"),
                Database::Down => teller.bad("shipping", "has lost its database: every call hangs"),
                Database::Slow => {
                    teller.bad("shipping", "its database is slow: every call takes 200 ms")
                }
            }
        }
        if creates == gets {
            creates += 1;
            customers.spawn(create(client.clone()));
        } else {
            gets += 1;
            customers.spawn(get(client.clone()));
        }
        at += TICK / 2;
    }
    // The last customers get as long as anyone may take when all is well.
    let patience = sleep_until(began + until);
    tokio::pin!(patience);
    loop {
        tokio::select! {
            biased;
            Some(Ok(answer)) = customers.join_next() => watched.note(answer, teller),
            () = &mut patience => break,
        }
    }
    watched.creates_waiting = creates - watched.creates.len();
    watched.gets_waiting = gets - watched.gets.len();
    watched
}

async fn create(mut client: OrderClient<Connection>) -> Answer {
    let began = Instant::now();
    let answer = client.create(CreateOrderRequest::default()).await;
    let state = answer.map(|answer| answer.into_inner().order.unwrap_or_default().state());
    Answer::Create(began.elapsed(), state)
}

async fn get(mut client: OrderClient<Connection>) -> Answer {
    let began = Instant::now();
    let answer = client.get(GetOrderRequest::default()).await.map(drop);
    Answer::Get(began.elapsed(), answer)
}

impl Watched {
    fn note(&mut self, answer: Answer, teller: &Teller) {
        match answer {
            Answer::Create(took, Ok(state)) => {
                let text = match state {
                    OrderState::Shipped => "Create: paid and shipped",
                    _ => "Create: paid, and waits for shipping",
                };
                teller.good("customer", format!("{text}, in {}", length(took)));
                self.creates.push((took, state));
            }
            Answer::Get(took, Ok(())) => {
                teller.good("customer", format!("Get: answered, in {}", length(took)));
                self.gets.push(took);
            }
            Answer::Create(_, Err(status)) | Answer::Get(_, Err(status)) => {
                teller.bad(
                    "customer",
                    format!("{}: {}", code_name(status.code()), status.message()),
                );
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
