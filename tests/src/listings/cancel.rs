//! The listing without a number after 6.1: three calls compete, and the first answer cancels the other two.
//!
//! Nothing is passed to the calls to cancel them by: a future that is dropped is cancelled, HTTP/2 tells the server
//! (RST_STREAM with CANCEL), and the server drops the handler.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use proto::product::v1::product_client::ProductClient;
use proto::product::v1::product_server::ProductServer;
use proto::product::v1::{GetProductRequest, GetProductResponse};
use tokio::time::{Instant, sleep};
use tonic::service::Routes;

use super::toys::{Ended, Method, ToyProduct, Works};
use super::{Host, Listing, Options, Story, Teller, World, length};

/// The listing without a number.
pub const LISTING: Listing = Listing {
    number: "cancel",
    title: "Cancellation",
    shows: "Three calls compete; the first answer cancels the other two, and their servers are seen to stop.",
    run: |out, world, options| Box::pin(async move { run(out, world, options).await.map(drop) }),
};

/// The three servers, and how long each takes to answer.
pub const SERVERS: [(&str, Duration); 3] = [
    ("istanbul", Duration::from_millis(1500)),
    ("london", Duration::from_millis(500)),
    ("tokyo", Duration::from_millis(3000)),
];

/// What happened.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Who answered.
    pub winner: String,
    /// When.
    pub after: Duration,
    /// How each server's work ended, in that order.
    pub ends: Vec<(&'static str, Ended)>,
}

/// Tells the story.
///
/// # Errors
/// When a server cannot be started, no call is answered, or the story cannot be printed.
pub async fn run(out: &mut dyn Write, world: World, _options: Options) -> Result<Outcome> {
    let mut story = Story::begin(out, LISTING.number, LISTING.title)?;
    let teller = story.teller();
    let mut works = Works::new();
    let mut hosts = Vec::new();
    for (city, takes) in SERVERS {
        let routes = Routes::new(server(city, takes, &works, &teller));
        hosts.push(world.serve(routes).await?);
    }

    story.scene("The same product is asked for in three cities. One answer is enough.")?;
    let outcome = story
        .tell(async {
            let began = Instant::now();
            let winner = first_answer(&hosts, &teller).await?;
            let after = began.elapsed();
            teller.good(
                "client",
                format!(
                    "has the answer of {winner} after {} and drops the other calls",
                    length(after)
                ),
            );
            let mut ends = Vec::new();
            while ends.len() < SERVERS.len() {
                ends.push(works.ended().await);
            }
            anyhow::Ok(Outcome {
                winner,
                after,
                ends,
            })
        })
        .await??;

    story.moral("To cancel a call is to stop waiting for it. There is no function to call, and none to forget.")?;
    Ok(outcome)
}

fn server(
    city: &'static str,
    takes: Duration,
    works: &Works,
    teller: &Teller,
) -> ProductServer<ToyProduct> {
    let (begin, teller) = (works.begin(), teller.clone());
    ProductServer::new(ToyProduct {
        get: Method::new(move |_| {
            let work = begin(city, &teller);
            teller.tell(city, format!("starts to look, for {}", length(takes)));
            let teller = teller.clone();
            async move {
                sleep(takes).await;
                work.finish();
                teller.good(city, "answers");
                Ok(GetProductResponse {
                    title: city.to_owned(),
                    ..Default::default()
                })
            }
        }),
    })
}

/// Asks all of them, and takes the first answer. The calls that are still under way are dropped with the collection.
async fn first_answer(hosts: &[Host], teller: &Teller) -> Result<String> {
    teller.tell("client", "calls Product.Get {123} in all three cities");
    let mut calls: FuturesUnordered<_> = hosts
        .iter()
        .map(|host| {
            let mut client = ProductClient::new(host.connection());
            async move { client.get(GetProductRequest { product_id: 123 }).await }
        })
        .collect();
    let mut last = None;
    while let Some(result) = calls.next().await {
        match result {
            Ok(answer) => return Ok(answer.into_inner().title),
            // A failure is no answer: the others may still give one.
            Err(status) => last = Some(status),
        }
    }
    match last {
        Some(status) => Err(status).context("no city answered"),
        None => bail!("no city was asked"),
    }
}
