//! Listing 6.2: one budget for a whole chain of calls, which no hop passes on by hand.
//!
//! The client gives Order.Create three seconds. Order works for two and calls Product.Get, which would need two as
//! well. What is left travels with the call, so product knows that it has less than one second, and the failure says
//! where the time went.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use proto::order::v1::order_client::OrderClient;
use proto::order::v1::order_server::OrderServer;
use proto::order::v1::{CreateOrderRequest, CreateOrderResponse, OrderRecord};
use proto::payment::v1::payment_client::PaymentClient;
use proto::payment::v1::payment_server::PaymentServer;
use proto::payment::v1::{CreatePaymentRequest, CreatePaymentResponse};
use proto::product::v1::product_client::ProductClient;
use proto::product::v1::product_server::ProductServer;
use proto::product::v1::{GetProductRequest, GetProductResponse};
use proto::shipping::v1::shipping_client::ShippingClient;
use proto::shipping::v1::shipping_server::ShippingServer;
use proto::shipping::v1::{CreateShippingRequest, CreateShippingResponse};
use resilience::deadline::{self, ClientDeadline, Deadline, DeadlineLayer, Spent};
use rpc::status::Upstream;
use tokio::time::{Instant, sleep};
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::Layer as _;

use super::toys::{Method, ToyOrder, ToyPayment, ToyProduct, ToyShipping, Works, money};
use super::{Connection, Host, Listing, Options, Story, Teller, World, code_name, length};

/// Listing 6.2.
pub const LISTING: Listing = Listing {
    number: "6.2",
    title: "Deadline propagation",
    shows: "A budget of 3 s travels through Order to Product by itself; the error says where the time went.",
    run: |out, world, options| Box::pin(async move { run(out, world, options).await.map(drop) }),
};

/// What the client allows for the whole chain.
pub const BUDGET: Duration = Duration::from_secs(3);
/// A budget that is large enough.
pub const GENEROUS: Duration = Duration::from_secs(5);

/// What became of the three orders.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// client → order → product, on 3 s.
    pub product: Chain,
    /// client → order → payment → shipping, on 3 s.
    pub shipping: Chain,
    /// client → order → product, on 5 s.
    pub generous: Chain,
}

/// What became of one order.
#[derive(Debug, PartialEq, Eq)]
pub struct Chain {
    /// How it ended for the client.
    pub code: Code,
    /// When it ended for the client.
    pub after: Duration,
    /// Each server that was reached, and what it had left on arrival.
    pub arrivals: Vec<(&'static str, Duration)>,
    /// Where the time went, when it was not enough.
    pub spent: Option<Spent>,
    /// The product's title, which order puts into its answer.
    pub product_title: Option<String>,
}

/// Tells the story.
///
/// # Errors
/// When a server cannot be started, or the story cannot be printed.
pub async fn run(out: &mut dyn Write, world: World, _options: Options) -> Result<Outcome> {
    let mut story = Story::begin(out, LISTING.number, LISTING.title)?;
    let hops = Hops {
        teller: story.teller(),
        works: Arc::new(Works::new()),
        arrivals: Arc::default(),
    };

    let product = world.serve(Routes::new(product(&hops))).await?;
    let order = world
        .serve(Routes::new(order_with_product(&hops, &product)))
        .await?;
    let shipping = world.serve(Routes::new(shipping(&hops))).await?;
    let payment = world.serve(Routes::new(payment(&hops, &shipping))).await?;
    let paying_order = world
        .serve(Routes::new(order_with_payment(&hops, &payment)))
        .await?;

    story.scene("client → order (2 s of work) → product (2 s of work), on a budget of 3 s.")?;
    let product = story.tell(create(&hops, &order, BUDGET)).await??;
    print(&mut story, &product)?;

    story.scene("client → order (0.5 s) → payment (1 s) → shipping (2 s), on a budget of 3 s.")?;
    let shipping = story.tell(create(&hops, &paying_order, BUDGET)).await??;
    print(&mut story, &shipping)?;

    story.scene("The first chain again, on a budget of 5 s.")?;
    let generous = story.tell(create(&hops, &order, GENEROUS)).await??;

    story.moral(
        "No server was told the budget by its programmer: each read what was left, kept 20 ms to report in, and passed on the rest.",
    )?;
    Ok(Outcome {
        product,
        shipping,
        generous,
    })
}

/// What every server of the chain has at hand.
#[derive(Clone, Debug)]
struct Hops {
    teller: Teller,
    works: Arc<Works>,
    arrivals: Arc<Mutex<Vec<(&'static str, Duration)>>>,
}

impl Hops {
    /// A server's own part of the work.
    async fn work(&self, who: &'static str, needed: Duration) {
        let left = deadline::current()
            .map(Deadline::remaining)
            .unwrap_or_default();
        self.arrivals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((who, left));
        let work = self.works.begin()(who, &self.teller);
        self.teller.tell(
            who,
            format!("has {} left and works for {}", length(left), length(needed)),
        );
        sleep(needed).await;
        work.finish();
    }
}

/// A connection whose calls end with the deadline of the code that makes them, after ten seconds at the latest.
fn connect(host: &Host) -> ClientDeadline<Connection> {
    DeadlineLayer::new(Duration::from_secs(10)).layer(host.connection())
}

/// What order and payment tell their callers of a failure behind them.
fn translate(status: Status, dependency: &'static str, domain: &'static str) -> Status {
    Upstream::read(&status)
        .translate(dependency, |_| None)
        .into_status(domain)
}

fn product(hops: &Hops) -> ProductServer<ToyProduct> {
    let hops = hops.clone();
    ProductServer::new(ToyProduct {
        get: Method::new(move |_| {
            let hops = hops.clone();
            async move {
                hops.work("product", Duration::from_secs(2)).await;
                Ok(GetProductResponse {
                    title: "Demo title".to_owned(),
                    ..Default::default()
                })
            }
        }),
    })
}

fn order_with_product(hops: &Hops, product: &Host) -> OrderServer<ToyOrder> {
    let (hops, product) = (hops.clone(), ProductClient::new(connect(product)));
    OrderServer::new(ToyOrder {
        create: Method::new(move |request: tonic::Request<CreateOrderRequest>| {
            let (hops, mut product) = (hops.clone(), product.clone());
            async move {
                hops.work("order", Duration::from_secs(2)).await;
                let product_id = request.into_inner().product_id;
                let product = product
                    .get(GetProductRequest { product_id })
                    .await
                    .map_err(|status| translate(status, "product", "order"))?;
                Ok(order(product.into_inner().title))
            }
        }),
        ..Default::default()
    })
}

fn order_with_payment(hops: &Hops, payment: &Host) -> OrderServer<ToyOrder> {
    let (hops, payment) = (hops.clone(), PaymentClient::new(connect(payment)));
    OrderServer::new(ToyOrder {
        create: Method::new(move |_| {
            let (hops, mut payment) = (hops.clone(), payment.clone());
            async move {
                hops.work("order", Duration::from_millis(500)).await;
                payment
                    .create(CreatePaymentRequest::default())
                    .await
                    .map_err(|status| translate(status, "payment", "order"))?;
                Ok(order(String::new()))
            }
        }),
        ..Default::default()
    })
}

fn payment(hops: &Hops, shipping: &Host) -> PaymentServer<ToyPayment> {
    let (hops, shipping) = (hops.clone(), ShippingClient::new(connect(shipping)));
    PaymentServer::new(ToyPayment {
        create: Method::new(move |_| {
            let (hops, mut shipping) = (hops.clone(), shipping.clone());
            async move {
                hops.work("payment", Duration::from_secs(1)).await;
                shipping
                    .create(CreateShippingRequest::default())
                    .await
                    .map_err(|status| translate(status, "shipping", "payment"))?;
                Ok(CreatePaymentResponse::default())
            }
        }),
    })
}

fn shipping(hops: &Hops) -> ShippingServer<ToyShipping> {
    let hops = hops.clone();
    ShippingServer::new(ToyShipping {
        create: Method::new(move |_| {
            let hops = hops.clone();
            async move {
                hops.work("shipping", Duration::from_secs(2)).await;
                Ok(CreateShippingResponse::default())
            }
        }),
        ..Default::default()
    })
}

fn order(product_title: String) -> CreateOrderResponse {
    CreateOrderResponse {
        order: Some(OrderRecord {
            order_id: "123".to_owned(),
            product_title,
            ..Default::default()
        }),
    }
}

async fn create(hops: &Hops, order: &Host, budget: Duration) -> Result<Chain> {
    let teller = &hops.teller;
    let channel = DeadlineLayer::new(budget).layer(order.connection());
    teller.tell(
        "client",
        format!(
            "calls Order.Create {{23, 123, 12.3}}, which may take {}",
            length(budget)
        ),
    );
    let began = Instant::now();
    let answer = OrderClient::new(channel)
        .create(CreateOrderRequest {
            user_id: 23,
            product_id: 123,
            price: Some(money(12, 300_000_000)),
            ..Default::default()
        })
        .await;
    let after = began.elapsed();
    let arrivals =
        std::mem::take(&mut *hops.arrivals.lock().unwrap_or_else(PoisonError::into_inner));
    match answer {
        Ok(answer) => {
            let order = answer
                .into_inner()
                .order
                .context("the answer holds no order")?;
            teller.good(
                "client",
                format!(
                    "order {} for {:?} is created after {}",
                    order.order_id,
                    order.product_title,
                    length(after)
                ),
            );
            Ok(Chain {
                code: Code::Ok,
                after,
                arrivals,
                spent: None,
                product_title: Some(order.product_title),
            })
        }
        Err(status) => {
            let spent = Spent::from_status(&status);
            teller.bad(
                "client",
                format!(
                    "{} after {}: {}",
                    code_name(status.code()),
                    length(after),
                    status.message()
                ),
            );
            Ok(Chain {
                code: status.code(),
                after,
                arrivals,
                spent,
                product_title: None,
            })
        }
    }
}

fn print(story: &mut Story<'_>, chain: &Chain) -> Result<()> {
    let spent = chain
        .spent
        .as_ref()
        .context("the failure does not say where the time went")?;
    story.note("Where the time went, as the failure's details tell it:")?;
    for hop in spent.hops() {
        let what = if hop.own { "own work" } else { "the call" };
        let open = if hop.unfinished { ", unfinished" } else { "" };
        story.note(format!(
            "  {:<28} {what}  {}{open}",
            hop.method,
            length(hop.time)
        ))?;
    }
    Ok(())
}
