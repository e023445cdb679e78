//! Small servers for the listings: a method is a closure, and a method without one answers UNIMPLEMENTED.
//!
//! They speak the house's own protos. They are not the services: those validate, store and authorize, and a listing
//! shows one pattern at a time.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use proto::google::r#type::Money;
use proto::order::v1::order_server::Order;
use proto::order::v1::{
    CreateOrderRequest, CreateOrderResponse, GetOrderRequest, GetOrderResponse, ListOrdersRequest,
    ListOrdersResponse, WatchOrderRequest, WatchOrderResponse,
};
use proto::payment::v1::payment_server::Payment;
use proto::payment::v1::{
    CreatePaymentRequest, CreatePaymentResponse, GetPaymentRequest, GetPaymentResponse,
    RefundPaymentRequest, RefundPaymentResponse,
};
use proto::product::v1::product_server::Product;
use proto::product::v1::{GetProductRequest, GetProductResponse};
use proto::shipping::v1::shipping_server::Shipping;
use proto::shipping::v1::{
    CreateShippingRequest, CreateShippingResponse, GetShippingRequest, GetShippingResponse,
    Shipment,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::story::{Teller, length};

type Answer<Res> = Pin<Box<dyn Future<Output = Result<Res, Status>> + Send>>;

type Handler<Req, Res> = dyn Fn(Request<Req>) -> Answer<Res> + Send + Sync;

/// One method of a toy.
pub struct Method<Req, Res>(Option<Arc<Handler<Req, Res>>>);

/// A shipping server.
#[derive(Clone, Debug, Default)]
pub struct ToyShipping {
    /// `Create`.
    pub create: Method<CreateShippingRequest, CreateShippingResponse>,
    /// `Get`.
    pub get: Method<GetShippingRequest, GetShippingResponse>,
}

/// An order server.
#[derive(Clone, Debug, Default)]
pub struct ToyOrder {
    /// `Create`.
    pub create: Method<CreateOrderRequest, CreateOrderResponse>,
    /// `Get`.
    pub get: Method<GetOrderRequest, GetOrderResponse>,
}

/// A payment server.
#[derive(Clone, Debug, Default)]
pub struct ToyPayment {
    /// `Create`.
    pub create: Method<CreatePaymentRequest, CreatePaymentResponse>,
}

/// A product server.
#[derive(Clone, Debug, Default)]
pub struct ToyProduct {
    /// `Get`.
    pub get: Method<GetProductRequest, GetProductResponse>,
}

/// How a server's work on one call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was done to the end.
    Finished(Duration),
    /// It was dropped before its end: the caller no longer waits.
    Stopped(Duration),
}

/// A piece of work in a server, which is seen to be stopped when it is dropped before [`Work::finish`].
#[derive(Debug)]
pub struct Work {
    who: &'static str,
    began: Instant,
    finished: bool,
    teller: Teller,
    report: UnboundedSender<(&'static str, Ended)>,
}

/// Where the ends of works are waited for.
#[derive(Debug)]
pub struct Works {
    sender: UnboundedSender<(&'static str, Ended)>,
    ends: UnboundedReceiver<(&'static str, Ended)>,
}

/// Shipments by idempotency key: a key that is known answers with the shipment that was made for it.
#[derive(Clone, Debug, Default)]
pub struct Parcels(Arc<Mutex<BTreeMap<String, Shipment>>>);

// === impl Method ===

impl<Req, Res> Method<Req, Res> {
    /// The method that `handler` implements.
    pub fn new<H, F>(handler: H) -> Self
    where
        H: Fn(Request<Req>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Res, Status>> + Send + 'static,
    {
        Self(Some(Arc::new(move |request| Box::pin(handler(request)))))
    }

    async fn answer(&self, request: Request<Req>) -> Result<Response<Res>, Status> {
        match &self.0 {
            Some(handler) => handler(request).await.map(Response::new),
            None => Err(Status::unimplemented("this listing does not need it")),
        }
    }
}

impl<Req, Res> Clone for Method<Req, Res> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<Req, Res> Default for Method<Req, Res> {
    fn default() -> Self {
        Self(None)
    }
}

impl<Req, Res> fmt::Debug for Method<Req, Res> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "given" } else { "none" })
    }
}

// === impl toys ===

#[tonic::async_trait]
impl Shipping for ToyShipping {
    async fn create(
        &self,
        request: Request<CreateShippingRequest>,
    ) -> Result<Response<CreateShippingResponse>, Status> {
        self.create.answer(request).await
    }

    async fn get(
        &self,
        request: Request<GetShippingRequest>,
    ) -> Result<Response<GetShippingResponse>, Status> {
        self.get.answer(request).await
    }
}

#[tonic::async_trait]
impl Order for ToyOrder {
    type WatchStream = ReceiverStream<Result<WatchOrderResponse, Status>>;

    async fn create(
        &self,
        request: Request<CreateOrderRequest>,
    ) -> Result<Response<CreateOrderResponse>, Status> {
        self.create.answer(request).await
    }

    async fn get(
        &self,
        request: Request<GetOrderRequest>,
    ) -> Result<Response<GetOrderResponse>, Status> {
        self.get.answer(request).await
    }

    async fn list(
        &self,
        request: Request<ListOrdersRequest>,
    ) -> Result<Response<ListOrdersResponse>, Status> {
        Method::default().answer(request).await
    }

    async fn watch(
        &self,
        request: Request<WatchOrderRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Method::default().answer(request).await
    }
}

#[tonic::async_trait]
impl Payment for ToyPayment {
    async fn create(
        &self,
        request: Request<CreatePaymentRequest>,
    ) -> Result<Response<CreatePaymentResponse>, Status> {
        self.create.answer(request).await
    }

    async fn refund(
        &self,
        request: Request<RefundPaymentRequest>,
    ) -> Result<Response<RefundPaymentResponse>, Status> {
        Method::default().answer(request).await
    }

    async fn get(
        &self,
        request: Request<GetPaymentRequest>,
    ) -> Result<Response<GetPaymentResponse>, Status> {
        Method::default().answer(request).await
    }
}

#[tonic::async_trait]
impl Product for ToyProduct {
    async fn get(
        &self,
        request: Request<GetProductRequest>,
    ) -> Result<Response<GetProductResponse>, Status> {
        self.get.answer(request).await
    }
}

// === impl Works ===

impl Works {
    /// No work yet.
    pub fn new() -> Self {
        let (sender, ends) = unbounded_channel();
        Self { sender, ends }
    }

    /// For the server: begins works that report here.
    pub fn begin(&self) -> impl Fn(&'static str, &Teller) -> Work + Clone + Send + Sync + 'static {
        let report = self.sender.clone();
        move |who, teller| Work {
            who,
            began: Instant::now(),
            finished: false,
            teller: teller.clone(),
            report: report.clone(),
        }
    }

    /// Waits until one more work has ended; says whose, and how.
    pub async fn ended(&mut self) -> (&'static str, Ended) {
        match self.ends.recv().await {
            Some(ended) => ended,
            // Not reachable: `self` holds a sender. Waiting for ever is what the words would mean.
            None => std::future::pending().await,
        }
    }
}

impl Default for Works {
    fn default() -> Self {
        Self::new()
    }
}

// === impl Work ===

impl Work {
    /// The work was done to its end.
    pub fn finish(mut self) {
        self.finished = true;
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        let ended = if self.finished {
            Ended::Finished(took)
        } else {
            let text = format!("is stopped after {}: no one waits any more", length(took));
            self.teller.bad(self.who, text);
            Ended::Stopped(took)
        };
        // No one may be waiting for it.
        let _ = self.report.send((self.who, ended));
    }
}

// === impl Parcels ===

impl Parcels {
    /// Ships what `request` asks for, unless its key already has. Says whether something was shipped.
    pub fn ship(&self, request: CreateShippingRequest) -> (Shipment, bool) {
        let mut parcels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = parcels.get(&request.idempotency_key) {
            return (known.clone(), false);
        }
        let shipment = Shipment {
            shipping_id: 1243 + parcels.len() as i64,
            user_id: request.user_id,
            order_id: request.order_id,
            address: request.address,
        };
        parcels.insert(request.idempotency_key, shipment.clone());
        (shipment, true)
    }

    /// How many parcels have left.
    pub fn shipped(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// So many euros.
pub fn money(units: i64, nanos: i32) -> Money {
    Money {
        currency_code: "EUR".to_owned(),
        units,
        nanos,
    }
}
