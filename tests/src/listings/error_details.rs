//! Listing 6.7: an order that is wrong in more than one place is refused once, with every place named.
//!
//! The rules are those of the order service itself ([`order::new_order`]); only the store and the calls behind it are
//! left out.

use std::io::Write;

use anyhow::{Context, Result};
use order::new_order::NewOrder;
use proto::order::v1::order_client::OrderClient;
use proto::order::v1::order_server::OrderServer;
use proto::order::v1::{CreateOrderRequest, CreateOrderResponse, OrderRecord};
use rpc::status::{Failure, Upstream};
use tonic::Request;
use tonic::service::Routes;

use super::toys::{Method, ToyOrder, money};
use super::{Connection, Listing, Options, Story, Teller, World, code_name};

/// Listing 6.7.
pub const LISTING: Listing = Listing {
    number: "6.7",
    title: "Error details",
    shows: "An order with user −1 is INVALID_ARGUMENT; the client reads every violation back, field by field.",
    run: |out, world, options| Box::pin(async move { run(out, world, options).await.map(drop) }),
};

/// What the client read out of each answer.
#[derive(Debug)]
pub struct Outcome {
    /// For the order of the chapter: user −1, product 0, price 2.
    pub chapter: Upstream,
    /// For an order in which every field is wrong.
    pub everything: Upstream,
    /// The order that was mended as the violations said.
    pub mended: OrderRecord,
}

/// Tells the story.
///
/// # Errors
/// When a server cannot be started, an answer is not what the story is about, or the story cannot be printed.
pub async fn run(out: &mut dyn Write, world: World, _options: Options) -> Result<Outcome> {
    let mut story = Story::begin(out, LISTING.number, LISTING.title)?;
    let teller = story.teller();
    let host = world.serve(Routes::new(OrderServer::new(server()))).await?;
    let client = OrderClient::new(host.connection());

    story.scene("The order of the chapter: {user_id −1, product_id 0, price 2}.")?;
    let request = CreateOrderRequest {
        idempotency_key: "listing-6.7".to_owned(),
        user_id: -1,
        product_id: 0,
        price: Some(money(2, 0)),
        address: None,
    };
    let chapter = story
        .tell(refused(client.clone(), request.clone(), &teller))
        .await??;

    story.scene("An order in which nothing is right: every field is named in the same answer.")?;
    let wrong = CreateOrderRequest {
        idempotency_key: String::new(),
        user_id: -1,
        product_id: -1,
        price: Some(money(-2, 0)),
        address: Some(proto::order::v1::Address {
            country_code: "Turkey".to_owned(),
            ..Default::default()
        }),
    };
    let everything = story
        .tell(refused(client.clone(), wrong, &teller))
        .await??;

    story.scene("The first order again, mended where the answer said.")?;
    let mended = CreateOrderRequest {
        user_id: 23,
        ..request
    };
    let mended = story.tell(taken(client, mended, &teller)).await??;

    story.moral(
        "A program acts on code, reason, domain and field; the sentences are for people and may change.",
    )?;
    Ok(Outcome {
        chapter,
        everything,
        mended,
    })
}

fn server() -> ToyOrder {
    ToyOrder {
        create: Method::new(async |request: Request<CreateOrderRequest>| {
            // Every rule is asked, also after one was broken.
            let order = NewOrder::parse(request.into_inner()).map_err(|violations| {
                Failure::InvalidArgument { violations }.into_status("order")
            })?;
            Ok(CreateOrderResponse {
                order: Some(OrderRecord {
                    order_id: "1243".to_owned(),
                    user_id: order.user_id,
                    product_id: order.product_id,
                    ..Default::default()
                }),
            })
        }),
        ..Default::default()
    }
}

async fn refused(
    mut client: OrderClient<Connection>,
    request: CreateOrderRequest,
    teller: &Teller,
) -> Result<Upstream> {
    teller.tell("client", "creates the order…");
    let status = client
        .create(request)
        .await
        .err()
        .context("the order was taken, and it should not be")?;
    let answer = Upstream::read(&status);
    teller.bad(
        "client",
        format!(
            "{} (code {}): {}",
            code_name(answer.code),
            answer.code as i32,
            answer.message
        ),
    );
    for violation in &answer.fields {
        teller.tell(
            "client",
            format!(
                "the field {} has an invalid value: {} [{}]",
                violation.field, violation.description, violation.reason
            ),
        );
    }
    if let Some(info) = &answer.info {
        teller.tell(
            "client",
            format!("reason {}, says the service {}", info.reason, info.domain),
        );
    }
    Ok(answer)
}

async fn taken(
    mut client: OrderClient<Connection>,
    request: CreateOrderRequest,
    teller: &Teller,
) -> Result<OrderRecord> {
    teller.tell("client", "creates the order…");
    let answer = client.create(request).await?.into_inner();
    let order = answer.order.context("the answer holds no order")?;
    teller.good("client", format!("order {} is created", order.order_id));
    Ok(order)
}
