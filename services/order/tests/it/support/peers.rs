//! Product, payment and shipping in memory, behind real gRPC connections over pipes. They keep their word as the real
//! ones do (the same key is done once) and fail as they are told.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use proto::payment::v1 as payment;
use proto::payment::v1::payment_server::PaymentServer;
use proto::product::v1 as product;
use proto::product::v1::product_server::ProductServer;
use proto::shipping::v1 as shipping;
use proto::shipping::v1::shipping_server::ShippingServer;
use rpc::client::Client;
use rpc::status::{Failure, Metadata, PreconditionViolation, Reason, reason};
use tokio::io::DuplexStream;
use tokio::sync::{mpsc, watch};
use tonic::service::Routes;
use tonic::transport::{Endpoint, Server};
use tonic::{Request, Response, Status};

/// How a call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// As it should.
    Well,
    /// Nothing is done, and UNAVAILABLE says so.
    Unavailable,
    /// It is done, and the answer is lost on the way back.
    AnswerLost,
    /// It is done, and the answer comes after an hour.
    AnswerLate,
    /// Nothing is done for an hour.
    Stuck,
    /// Nothing is done; the fault is the peer's.
    Internal,
    /// Nothing is done; the caller is not on the list.
    NotAllowed,
    /// It is done, and the answer does not say what.
    Senseless,
    /// Nothing is done, and the peer decided so for good, unless it was done before.
    Refused,
    /// The same, for a field of the request.
    RefusedField,
}

impl Fate {
    pub(crate) const ALL: [Self; 10] = [
        Self::Well,
        Self::Unavailable,
        Self::AnswerLost,
        Self::AnswerLate,
        Self::Stuck,
        Self::Internal,
        Self::NotAllowed,
        Self::Senseless,
        Self::Refused,
        Self::RefusedField,
    ];
}

/// What the three have seen and done.
#[derive(Default)]
pub(crate) struct Books {
    /// By key.
    pub(crate) payments: BTreeMap<String, payment::PaymentRecord>,
    pub(crate) shipments: BTreeMap<String, shipping::Shipment>,
    /// Every call, such as "payment.create", in order.
    pub(crate) calls: Vec<&'static str>,
    /// What happens to the next calls of each method; then all goes well.
    fates: BTreeMap<&'static str, VecDeque<Fate>>,
    /// Instead: what happens to every call, by chance.
    chance: Option<Box<dyn FnMut(&'static str) -> Fate + Send>>,
    price: Option<proto::google::r#type::Money>,
}

/// The three together.
#[derive(Clone, Default)]
pub(crate) struct Peers(Arc<Mutex<Books>>);

impl Peers {
    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next calls of this method go like that.
    pub(crate) fn next(&self, method: &'static str, fates: &[Fate]) {
        let mut books = self.books();
        books.fates.entry(method).or_default().extend(fates);
    }

    /// Every call goes as this says.
    pub(crate) fn by_chance(&self, fate: impl FnMut(&'static str) -> Fate + Send + 'static) {
        self.books().chance = Some(Box::new(fate));
    }

    /// What the catalogue asks for everything.
    pub(crate) fn set_price(&self, price: &str) {
        let price: proto::Money = price.parse().expect("an amount");
        self.books().price = Some(price.into());
    }

    /// How often this method was called.
    pub(crate) fn called(&self, method: &str) -> usize {
        let books = self.books();
        books.calls.iter().filter(|call| **call == method).count()
    }

    fn fate(&self, method: &'static str) -> Fate {
        let mut books = self.books();
        books.calls.push(method);
        if let Some(chance) = &mut books.chance {
            return chance(method);
        }
        let fates = books.fates.entry(method).or_default();
        fates.pop_front().unwrap_or(Fate::Well)
    }

    /// Lets a call meet its fate. `act` does what was asked for; `done` says whether that happened before, so that a
    /// refusal is none.
    async fn meet<T: Default>(
        &self,
        method: &'static str,
        done: impl Fn(&Books) -> bool,
        act: impl FnOnce(&mut Books) -> Result<T, Status>,
    ) -> Result<Response<T>, Status> {
        let domain = method.split('.').next().unwrap_or_default();
        let an_hour = Duration::from_secs(60 * 60);
        let fate = match self.fate(method) {
            Fate::Refused | Fate::RefusedField if done(&self.books()) => Fate::Well,
            fate => fate,
        };
        let act = || act(&mut self.books());
        let failure = match fate {
            Fate::Well => return act().map(Response::new),
            Fate::Unavailable => unavailable(),
            Fate::AnswerLost => {
                act()?;
                unavailable()
            }
            Fate::AnswerLate => {
                let answer = act()?;
                tokio::time::sleep(an_hour).await;
                return Ok(Response::new(answer));
            }
            Fate::Stuck => {
                tokio::time::sleep(an_hour).await;
                return act().map(Response::new);
            }
            Fate::Internal => Failure::internal("a secret of the peer"),
            Fate::NotAllowed => Failure::PermissionDenied {
                caller: None,
                method: method.into(),
            },
            Fate::Senseless => {
                act()?;
                return Ok(Response::new(T::default()));
            }
            Fate::Refused => Failure::FailedPrecondition {
                reason: Reason::new("NOT_TODAY"),
                message: format!("{domain} does not do that"),
                violations: vec![PreconditionViolation {
                    kind: Reason::new("NOT_TODAY"),
                    subject: "user/23".into(),
                    description: "not today".into(),
                }],
                metadata: Metadata::from([("secret".into(), "of the peer".into())]),
            },
            Fate::RefusedField => Failure::invalid_argument(
                if domain == "payment" {
                    "amount.units"
                } else {
                    "address.city"
                },
                reason::MALFORMED,
                "that cannot be",
            ),
        };
        Err(failure.into_status(domain))
    }
}

fn unavailable() -> Failure {
    Failure::Unavailable {
        reason: reason::DATABASE_UNAVAILABLE,
        message: "a secret of the peer".into(),
        retry_after: None,
        metadata: Metadata::new(),
    }
}

#[tonic::async_trait]
impl product::product_server::Product for Peers {
    async fn get(
        &self,
        request: Request<product::GetProductRequest>,
    ) -> Result<Response<product::GetProductResponse>, Status> {
        let product_id = request.into_inner().product_id;
        if product_id == 404 {
            return Err(Failure::not_found("product", product_id).into_status("product"));
        }
        self.meet(
            "product.get",
            |_| false,
            |books| {
                let usual: proto::Money = "3.20 EUR".parse().expect("an amount");
                Ok(product::GetProductResponse {
                    product_id,
                    title: "Resilient communication".into(),
                    price: Some(books.price.clone().unwrap_or_else(|| usual.into())),
                })
            },
        )
        .await
    }
}

#[tonic::async_trait]
impl payment::payment_server::Payment for Peers {
    async fn create(
        &self,
        request: Request<payment::CreatePaymentRequest>,
    ) -> Result<Response<payment::CreatePaymentResponse>, Status> {
        let request = request.into_inner();
        let key = request.idempotency_key.clone();
        self.meet(
            "payment.create",
            |books| books.payments.contains_key(&key),
            |books| {
                let number = i64::try_from(books.payments.len()).unwrap_or(i64::MAX) + 1;
                let record =
                    books
                        .payments
                        .entry(key.clone())
                        .or_insert_with(|| payment::PaymentRecord {
                            payment_id: number,
                            order_id: request.order_id.clone(),
                            user_id: request.user_id,
                            amount: request.amount.clone(),
                            state: payment::PaymentState::Charged.into(),
                        });
                let same = (&record.order_id, &record.amount);
                assert_eq!(
                    same,
                    (&request.order_id, &request.amount),
                    "one key, one content"
                );
                Ok(payment::CreatePaymentResponse {
                    payment: Some(record.clone()),
                })
            },
        )
        .await
    }

    async fn refund(
        &self,
        request: Request<payment::RefundPaymentRequest>,
    ) -> Result<Response<payment::RefundPaymentResponse>, Status> {
        let payment::RefundPaymentRequest {
            payment_id: id,
            order_id,
            ..
        } = request.into_inner();
        self.meet(
            "payment.refund",
            |_| true,
            |books| {
                let found = books.payments.values_mut().find(|p| p.payment_id == id);
                let Some(record) = found else {
                    return Err(Failure::not_found("payment", id).into_status("payment"));
                };
                if record.order_id != order_id {
                    let failure = Failure::FailedPrecondition {
                        reason: Reason::new("ORDER_DIFFERS"),
                        message: format!("payment {id} is not of order {order_id}"),
                        violations: Vec::new(),
                        metadata: Metadata::new(),
                    };
                    return Err(failure.into_status("payment"));
                }
                record.state = payment::PaymentState::Refunded.into();
                Ok(payment::RefundPaymentResponse {
                    payment: Some(record.clone()),
                })
            },
        )
        .await
    }

    async fn get(
        &self,
        _: Request<payment::GetPaymentRequest>,
    ) -> Result<Response<payment::GetPaymentResponse>, Status> {
        unreachable!("an order never asks for a payment")
    }
}

#[tonic::async_trait]
impl shipping::shipping_server::Shipping for Peers {
    async fn create(
        &self,
        request: Request<shipping::CreateShippingRequest>,
    ) -> Result<Response<shipping::CreateShippingResponse>, Status> {
        let request = request.into_inner();
        let key = request.idempotency_key.clone();
        self.meet(
            "shipping.create",
            |books| books.shipments.contains_key(&key),
            |books| {
                let number = i64::try_from(books.shipments.len()).unwrap_or(i64::MAX) + 1;
                let shipment =
                    books
                        .shipments
                        .entry(key.clone())
                        .or_insert_with(|| shipping::Shipment {
                            shipping_id: number,
                            user_id: request.user_id,
                            order_id: request.order_id.clone(),
                            address: request.address.clone(),
                        });
                assert_eq!(shipment.order_id, request.order_id, "one key, one content");
                Ok(shipping::CreateShippingResponse {
                    shipment: Some(shipment.clone()),
                })
            },
        )
        .await
    }

    async fn get(
        &self,
        _: Request<shipping::GetShippingRequest>,
    ) -> Result<Response<shipping::GetShippingResponse>, Status> {
        unreachable!("an order never asks for a shipment")
    }
}

/// The way to one peer, which can be cut and mended.
#[derive(Clone)]
pub(crate) struct Line {
    up: watch::Sender<bool>,
    pub(crate) client: Client,
}

impl Line {
    /// A server with these routes at the far end of a pipe, and a client at the near one.
    fn to(routes: Routes) -> Self {
        let up = watch::Sender::new(true);
        let (connections, incoming) = mpsc::unbounded_channel::<DuplexStream>();
        tokio::spawn(serve(routes, incoming, up.subscribe()));
        let is_up = up.subscribe();
        let connector = tower::service_fn(move |_: http::Uri| {
            let (near, far) = tokio::io::duplex(64 * 1024);
            let answered = *is_up.borrow() && connections.send(far).is_ok();
            std::future::ready(if answered {
                Ok(TokioIo::new(near))
            } else {
                Err(io::Error::from(io::ErrorKind::ConnectionRefused))
            })
        });
        let channel = Endpoint::from_static("http://pipe").connect_with_connector_lazy(connector);
        Self {
            up,
            client: Client::over(channel),
        }
    }

    /// The process at the other end is gone, with every connection to it.
    pub(crate) fn cut(&self) {
        self.up.send_replace(false);
    }

    /// It is back.
    pub(crate) fn mend(&self) {
        self.up.send_replace(true);
    }
}

async fn serve(
    routes: Routes,
    mut incoming: mpsc::UnboundedReceiver<DuplexStream>,
    mut up: watch::Receiver<bool>,
) {
    while let Some(connection) = incoming.recv().await {
        let one = tokio_stream::once(Ok::<_, io::Error>(connection));
        let server = Server::builder()
            .add_routes(routes.clone())
            .serve_with_incoming(one);
        let mut up = up.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = server => {}
                _ = up.wait_for(|up| !up) => {}
            }
        });
    }
    // The client is gone, and nobody can connect any more.
    let _ = up.changed().await;
}

/// The ways to all three.
#[derive(Clone)]
pub(crate) struct Lines {
    pub(crate) product: Line,
    pub(crate) payment: Line,
    pub(crate) shipping: Line,
}

impl Lines {
    pub(crate) fn to(peers: &Peers) -> Self {
        Self {
            product: Line::to(Routes::new(ProductServer::new(peers.clone()))),
            payment: Line::to(Routes::new(PaymentServer::new(peers.clone()))),
            shipping: Line::to(Routes::new(ShippingServer::new(peers.clone()))),
        }
    }
}
