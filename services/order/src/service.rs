//! The four methods: from the wire to the rules and back.

use std::time::Duration;

use futures_util::Stream;
use futures_util::stream;
use proto::order::v1 as wire;
use rpc::deadline;
use rpc::server::Shutdown;
use rpc::status::{FieldViolation, ToStatus as _, reason};
use std::pin::Pin;
use tonic::{Request, Response, Status};

use crate::changes::Subscription;
use crate::error::{Error, answer};
use crate::fulfilment::{Fulfilment, Placed};
use crate::new_order::NewOrder;
use crate::order::{Order, OrderId, State, Step};
use crate::page::Page;

/// The order service.
#[derive(Debug, Clone)]
pub struct OrderService {
    fulfilment: Fulfilment,
    shutdown: Shutdown,
    /// How often a follower looks whether another instance changed the order.
    look_again: Duration,
}

impl OrderService {
    /// Nothing runs by itself here; see [`crate::worker`].
    pub fn new(fulfilment: Fulfilment, shutdown: Shutdown, look_again: Duration) -> Self {
        Self {
            fulfilment,
            shutdown,
            look_again,
        }
    }

    /// Takes an order, in these steps:
    ///
    /// 1. everything that is wrong with the request is said;
    /// 2. a repetition is answered with the order that is there;
    /// 3. the product is looked up, and its price must be the one that the caller expects;
    /// 4. the order is stored;
    /// 5. it is charged and shipped, as far as this call's time allows ([`Fulfilment::carry_on`]).
    ///
    /// From step 4 on the caller may go away: what is not done is done by the worker.
    async fn create(&self, request: wire::CreateOrderRequest) -> Result<Order, Error> {
        let content = NewOrder::parse(request)?;
        let store = self.fulfilment.store();
        if let Some(known) = store.by_key(&content.idempotency_key).await? {
            return self.repeat(known, &content).await;
        }

        let listed = self
            .fulfilment
            .peers()
            .look_up(content.product_id)
            .await
            .map_err(|failure| Error::Product(Box::new(failure)))?;
        if listed.price != content.price {
            return Err(Error::PriceChanged {
                product_id: content.product_id,
                expected: content.price,
                price: listed.price,
            });
        }

        let now = self.fulfilment.clock().now();
        let order = Order::new(OrderId::next(), content.clone(), listed.title, now);
        match self.fulfilment.place(order).await? {
            Placed::New(claim) => {
                let carried = self.fulfilment.carry_on(*claim, allowance).await?;
                self.answer(carried.order, carried.trouble)
            }
            // The same order was sent twice at the same time, and the other one was faster.
            Placed::Known(known) => self.repeat(*known, &content).await,
        }
    }

    /// The order as it stands. One that is just being worked on is waited for, within the time of this call.
    async fn repeat(&self, known: Order, content: &NewOrder) -> Result<Order, Error> {
        if known.content != *content {
            return Err(Error::KeyReused(Box::new(known)));
        }
        let mut subscription = self.fulfilment.changes().subscribe(known.id);
        let patience = share_of_what_is_left().unwrap_or_else(|| self.fulfilment.pace().claim);
        let waited = tokio::time::timeout(patience, async {
            let mut order = self.read(known.id).await?;
            while !is_settled(&order) {
                self.heard(&mut subscription).await?;
                order = self.read(known.id).await?;
            }
            Ok::<_, Error>(order)
        });
        let order = match waited.await {
            Ok(order) => order?,
            Err(_) => self.read(known.id).await?,
        };
        self.answer(order, None)
    }

    fn answer(&self, order: Order, trouble: Option<rpc::status::Failure>) -> Result<Order, Error> {
        let now = self.fulfilment.clock().now();
        let wait = order.next_attempt_at.map(|due| now.until(due));
        answer(order, trouble, wait.unwrap_or_default())
    }

    async fn read(&self, id: OrderId) -> Result<Order, Error> {
        let order = self.fulfilment.store().get(id).await?;
        order.ok_or(Error::NotFound(id))
    }

    /// Returns when the order may have changed.
    async fn heard(&self, subscription: &mut Subscription) -> Result<(), Error> {
        tokio::select! {
            () = self.shutdown.requested() => Err(Error::ShuttingDown),
            () = subscription.changed() => Ok(()),
            () = tokio::time::sleep(self.look_again) => Ok(()),
        }
    }

    /// What a follower is told next, and the follower after it.
    async fn follow(
        self,
        mut follower: Follower,
    ) -> Option<(Result<Order, Error>, (Self, Follower))> {
        loop {
            if follower.done {
                return None;
            }
            let order = match self.read(follower.id).await {
                Ok(order) => order,
                Err(error) => {
                    follower.done = true;
                    return Some((Err(error), (self, follower)));
                }
            };
            if follower.told != Some(order.state) {
                follower.told = Some(order.state);
                follower.done = order.state.is_last();
                return Some((Ok(order), (self, follower)));
            }
            if let Err(error) = self.heard(&mut follower.subscription).await {
                follower.done = true;
                return Some((Err(error), (self, follower)));
            }
        }
    }
}

/// Who watches an order.
struct Follower {
    id: OrderId,
    subscription: Subscription,
    /// The state that was told last.
    told: Option<State>,
    done: bool,
}

#[tonic::async_trait]
impl wire::order_server::Order for OrderService {
    async fn create(
        &self,
        request: Request<wire::CreateOrderRequest>,
    ) -> Result<Response<wire::CreateOrderResponse>, Status> {
        let order = Self::create(self, request.into_inner()).await;
        let order = order.map_err(Error::into_status)?;
        Ok(Response::new(wire::CreateOrderResponse {
            order: Some(order.into()),
        }))
    }

    async fn get(
        &self,
        request: Request<wire::GetOrderRequest>,
    ) -> Result<Response<wire::GetOrderResponse>, Status> {
        let id = parse_id(&request.get_ref().order_id).map_err(Error::into_status)?;
        let order = self.read(id).await.map_err(Error::into_status)?;
        Ok(Response::new(wire::GetOrderResponse {
            order: Some(order.into()),
        }))
    }

    async fn list(
        &self,
        request: Request<wire::ListOrdersRequest>,
    ) -> Result<Response<wire::ListOrdersResponse>, Status> {
        let page = Page::parse(request.get_ref()).map_err(|all| Error::from(all).into_status())?;
        // One more than fits tells whether there is a next page.
        let one_more = Page {
            size: page.size + 1,
            ..page
        };
        let orders = self.fulfilment.store().list(&one_more).await;
        let mut orders = orders.map_err(|error| Error::from(error).into_status())?;
        let size = usize::try_from(page.size).unwrap_or(usize::MAX);
        let more = orders.len() > size;
        orders.truncate(size);
        let last = orders.last().filter(|_| more);
        Ok(Response::new(wire::ListOrdersResponse {
            next_page_token: last
                .map(|last| page.token_after(last.id))
                .unwrap_or_default(),
            orders: orders.into_iter().map(Into::into).collect(),
        }))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<wire::WatchOrderResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<wire::WatchOrderRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let id = parse_id(&request.get_ref().order_id).map_err(Error::into_status)?;
        let follower = Follower {
            id,
            subscription: self.fulfilment.changes().subscribe(id),
            told: None,
            done: false,
        };
        // An order that is not there is the answer of the call, not of its stream.
        self.read(id).await.map_err(Error::into_status)?;
        let told = stream::unfold((self.clone(), follower), |(service, follower)| {
            service.follow(follower)
        });
        Ok(Response::new(Box::pin(futures_util::StreamExt::map(
            told,
            |told| {
                let order = told.map_err(Error::into_status)?;
                Ok(wire::WatchOrderResponse {
                    order: Some(order.into()),
                })
            },
        ))))
    }
}

/// Whether somebody who waits for an order learns nothing new soon: it is done, or its step did not work and is tried
/// later.
fn is_settled(order: &Order) -> bool {
    order.state.is_last() || order.state == State::Refunding || order.attempts > 0
}

/// How long a step may take in the call that wants the order. Charging has all the time that the call has, because
/// without it there is nothing to answer. An order that is charged has an answer already, and the rest is kept for
/// bringing it home.
fn allowance(step: Step) -> Option<Duration> {
    match step {
        Step::Charge => None,
        Step::Ship | Step::Refund => share_of_what_is_left(),
    }
}

/// Three quarters of the time that the caller has left.
fn share_of_what_is_left() -> Option<Duration> {
    deadline::current().map(|deadline| deadline.remaining() * 3 / 4)
}

fn parse_id(text: &str) -> Result<OrderId, Error> {
    text.parse().map_err(|_| {
        Error::InvalidArgument(vec![FieldViolation::new(
            "order_id",
            reason::MALFORMED,
            "an order's number looks like 0194d5a2-7c3e-7b6f-8a51-3f0a5f1c2d4e",
        )])
    })
}
