//! An order service between peers in memory, under paused time.

pub(crate) mod log;
pub(crate) mod memory;
pub(crate) mod peers;

use std::sync::Arc;
use std::time::Duration;

use order::clock::{Clock, Moment};
use order::fulfilment::Fulfilment;
use order::order::{Order, Pace, State};
use order::service::OrderService;
use order::worker;
use proto::order::v1::order_client::OrderClient;
use proto::order::v1::order_server::OrderServer;
use proto::order::v1::{Address, CreateOrderRequest, OrderRecord};
use rpc::client::Client;
use rpc::deadline::{self, Deadline};
use rpc::server::{Shutdown, Stop};
use rpc::status::Upstream;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tonic::Status;

use self::memory::MemoryStore;
use self::peers::{Lines, Peers};

pub(crate) const PACE: Pace = Pace {
    retry_min: Duration::from_millis(500),
    retry_max: Duration::from_secs(60),
    claim: Duration::from_secs(15),
};

/// Everything that outlives a process of the order service.
pub(crate) struct World {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) peers: Peers,
    pub(crate) lines: Lines,
    clock: Clock,
}

/// One process of the order service: the handlers and the worker.
pub(crate) struct Process {
    pub(crate) client: OrderClient<Client>,
    /// Its connection to the database.
    pub(crate) store: Arc<MemoryStore>,
    worker: JoinHandle<()>,
    stop: Stop,
}

impl World {
    pub(crate) fn new() -> Self {
        let peers = Peers::default();
        let start = Instant::now();
        Self {
            store: Arc::default(),
            lines: Lines::to(&peers),
            peers,
            clock: Clock::new(move || Moment(1_795_000_000_000).after(start.elapsed())),
        }
    }

    /// Starts a process.
    pub(crate) fn start(&self) -> Process {
        let peers = order::peers::Peers::new(
            self.lines.product.client.clone(),
            self.lines.payment.client.clone(),
            self.lines.shipping.client.clone(),
        );
        let store = Arc::new(self.store.another());
        let fulfilment = Fulfilment::new(store.clone(), peers, self.clock.clone(), PACE);
        let (stop, shutdown) = Shutdown::channel();
        let stopped = shutdown.clone();
        let worker = worker::run(fulfilment.clone(), 4, async move {
            stopped.requested().await;
        });
        let service = OrderService::new(fulfilment, shutdown, Duration::from_secs(1));
        Process {
            client: OrderClient::new(Client::over(OrderServer::new(service))),
            store,
            worker: tokio::spawn(worker),
            stop,
        }
    }

    /// Waits, in the paused time of the test, until every order is in its last state.
    pub(crate) async fn settle(&self) {
        let give_up = Instant::now() + Duration::from_secs(24 * 60 * 60);
        while self.store.all().iter().any(|order| !order.state.is_last()) {
            let waiting = self.store.all();
            assert!(
                Instant::now() < give_up,
                "after a day there still wait {waiting:#?}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The one order there is.
    pub(crate) fn only(&self) -> Order {
        let mut orders = self.store.all();
        assert_eq!(orders.len(), 1, "{orders:#?}");
        orders.remove(0)
    }

    /// What must hold of every order once it is done, whatever happened on the way, judged by the books of the peers
    /// and not by what the order says of itself.
    pub(crate) fn audit(&self) -> Result<(), String> {
        let books = self.peers.books();
        let orders = self.store.all();
        for order in &orders {
            let id = order.id.to_string();
            let payments: Vec<_> = books
                .payments
                .values()
                .filter(|p| p.order_id == id)
                .collect();
            let shipments: Vec<_> = books
                .shipments
                .values()
                .filter(|s| s.order_id == id)
                .collect();
            let charged = proto::payment::v1::PaymentState::Charged;
            let refunded = proto::payment::v1::PaymentState::Refunded;
            let fine = match (order.state, payments.as_slice(), shipments.as_slice()) {
                (State::Shipped, [payment], [shipment]) => {
                    payment.state() == charged
                        && order.payment_id == Some(payment.payment_id)
                        && order.shipping_id == Some(shipment.shipping_id)
                }
                (State::Refunded, [payment], []) => {
                    payment.state() == refunded && order.payment_id == Some(payment.payment_id)
                }
                (State::Refused, [], []) => true,
                _ => false,
            };
            if !fine {
                return Err(format!("{order:#?}\nhas {payments:#?}\nand {shipments:#?}"));
            }
        }
        let known = |id: &String| orders.iter().any(|order| order.id.to_string() == *id);
        match books
            .payments
            .values()
            .find(|payment| !known(&payment.order_id))
        {
            Some(payment) => Err(format!("nobody ordered what {payment:#?} pays for")),
            None => Ok(()),
        }
    }
}

impl Process {
    /// Creates an order with five seconds to do it in.
    pub(crate) async fn create(&self, request: CreateOrderRequest) -> Result<OrderRecord, Status> {
        self.create_within(Duration::from_secs(5), request).await
    }

    /// Creates an order under a deadline: when it passes the handler is dropped, as the server stack does.
    pub(crate) async fn create_within(
        &self,
        time: Duration,
        request: CreateOrderRequest,
    ) -> Result<OrderRecord, Status> {
        let mut client = self.client.clone();
        let call = deadline::scope(Deadline::after(time), client.create(request));
        match tokio::time::timeout(time, call).await {
            Ok(answer) => Ok(answer?.into_inner().order.expect("an order")),
            Err(_) => Err(Status::deadline_exceeded("dropped")),
        }
    }

    /// Kills it: what it was doing ends wherever it stands, and no claim is given up.
    pub(crate) fn kill(self) {
        self.store.set_down(true);
        self.worker.abort();
        // Asking a dead process to stop does nothing.
        std::mem::forget(self.stop);
    }

    /// Asks it to stop and waits until it has.
    pub(crate) async fn stop(self) {
        self.stop.now();
        self.worker.await.expect("the worker ends by itself");
    }

    /// Its worker is gone, its handlers answer on.
    pub(crate) fn ask_to_stop_working(&self) {
        self.worker.abort();
    }

    /// Asks it to stop and leaves it alone.
    pub(crate) fn ask_to_stop(&self) {
        self.stop.now();
    }
}

/// An order as it should be.
pub(crate) fn request(key: &str) -> CreateOrderRequest {
    let price: proto::Money = "3.20 EUR".parse().expect("an amount");
    CreateOrderRequest {
        idempotency_key: key.into(),
        user_id: 23,
        product_id: 12,
        price: Some(price.into()),
        address: Some(Address {
            recipient: "Ada Lovelace".into(),
            street: "12 St James's Square".into(),
            city: "London".into(),
            postal_code: "SW1Y 4JH".into(),
            country_code: "GB".into(),
        }),
    }
}

/// What a refusal says.
pub(crate) fn refused<T: std::fmt::Debug>(answer: Result<T, Status>) -> Upstream {
    Upstream::read(&answer.expect_err("a refusal"))
}
