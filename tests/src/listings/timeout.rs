//! Listing 6.1: a call that may take one second, to a server that needs two.
//!
//! Both forms of a time limit: a timeout, which is a length, and a deadline, which is a moment. In each the server's
//! work is seen to stop: an answer that no one waits for is not worked on.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result};
use proto::shipping::v1::shipping_client::ShippingClient;
use proto::shipping::v1::shipping_server::ShippingServer;
use proto::shipping::v1::{CreateShippingRequest, CreateShippingResponse};
use resilience::deadline::{self, Deadline, DeadlineLayer};
use tokio::time::{Instant, sleep};
use tonic::Code;
use tonic::service::Routes;
use tower::ServiceBuilder;

use super::toys::{Ended, Method, ToyShipping, Work, Works};
use super::{Host, Listing, Options, Story, Teller, World, code_name, length};

/// Listing 6.1.
pub const LISTING: Listing = Listing {
    number: "6.1",
    title: "Timeout and deadline",
    shows: "Shipping.Create may take 1 s and the server needs 2 s: DEADLINE_EXCEEDED, and the server stops working.",
    run: |out, world, options| Box::pin(async move { run(out, world, options).await.map(drop) }),
};

/// What the caller allows.
pub const ALLOWED: Duration = Duration::from_secs(1);
/// What the server needs.
pub const NEEDED: Duration = Duration::from_secs(2);
/// What the caller does by itself before the call that has a deadline.
pub const OWN_WORK: Duration = Duration::from_millis(250);

/// What became of the three calls.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The call with a timeout.
    pub timeout: Call,
    /// The call under a deadline that began 250 ms before it.
    pub deadline: Call,
    /// The call with a timeout to a server that does not read it.
    pub deaf_server: Call,
}

/// What became of one call.
#[derive(Debug, PartialEq, Eq)]
pub struct Call {
    /// How it ended for the caller.
    pub code: Code,
    /// When, since the caller began to count.
    pub after: Duration,
    /// How it ended for the server.
    pub server: Ended,
}

/// Tells the story.
///
/// # Errors
/// When a server cannot be started, or the story cannot be printed.
pub async fn run(out: &mut dyn Write, world: World, _options: Options) -> Result<Outcome> {
    let mut story = Story::begin(out, LISTING.number, LISTING.title)?;
    let teller = story.teller();
    let mut works = Works::new();
    let host = world.serve(routes(&teller, &works)).await?;

    story.scene("A timeout, a length of time: the call may take 1 s, and the server needs 2 s.")?;
    let timeout = story
        .tell(call(&host, ALLOWED, &mut works, &teller))
        .await??;

    story.scene(
        "A deadline, a moment: it is set 1 s from now, and whatever is done in its scope ends by then.",
    )?;
    let deadline = story
        .tell(deadline::scope(Deadline::after(ALLOWED), async {
            let began = Instant::now();
            teller.tell("client", "has something else to do first, for 250 ms");
            sleep(OWN_WORK).await;
            // A client with a generous timeout of its own: the scope is what counts.
            let mut call = call(&host, 10 * ALLOWED, &mut works, &teller).await?;
            call.after = began.elapsed();
            anyhow::Ok(call)
        }))
        .await??;

    story.scene(
        "A server that does not read the caller's timeout: the caller gives up by itself.",
    )?;
    let deaf = world
        .serve_without_deadlines(routes(&teller, &works))
        .await?;
    let deaf_server = story
        .tell(call(&deaf, ALLOWED, &mut works, &teller))
        .await??;

    story.moral(
        "The caller is free again in time, and so is the server: in all three cases no one works for nobody.",
    )?;
    Ok(Outcome {
        timeout,
        deadline,
        deaf_server,
    })
}

fn routes(teller: &Teller, works: &Works) -> Routes {
    let (teller, begin) = (teller.clone(), works.begin());
    let create = Method::new(move |_| {
        let work = begin("shipping", &teller);
        let left = deadline::current().map(Deadline::remaining);
        teller.tell(
            "shipping",
            match left {
                Some(left) => format!("starts to pack, for 2 s, with {} left", length(left)),
                None => "starts to pack, for 2 s, and knows of no limit".to_owned(),
            },
        );
        pack(work)
    });
    Routes::new(ShippingServer::new(ToyShipping {
        create,
        ..Default::default()
    }))
}

async fn pack(work: Work) -> Result<CreateShippingResponse, tonic::Status> {
    sleep(NEEDED).await;
    work.finish();
    Ok(Default::default())
}

async fn call(host: &Host, timeout: Duration, works: &mut Works, teller: &Teller) -> Result<Call> {
    let channel = ServiceBuilder::new()
        .layer(DeadlineLayer::new(timeout))
        .service(host.connection());
    let mut client = ShippingClient::new(channel);
    let left = deadline::current().map_or(timeout, |deadline| deadline.remaining().min(timeout));
    teller.tell(
        "client",
        format!(
            "calls Shipping.Create {{user_id 23}}, which may take {}",
            length(left)
        ),
    );
    let began = Instant::now();
    let answer = client
        .create(CreateShippingRequest {
            user_id: 23,
            ..Default::default()
        })
        .await;
    let after = began.elapsed();
    let status = answer
        .err()
        .context("the call succeeded, and it should have run out of time")?;
    teller.bad(
        "client",
        format!(
            "{} after {}: {}",
            code_name(status.code()),
            length(after),
            status.message()
        ),
    );
    Ok(Call {
        code: status.code(),
        after,
        server: works.ended().await.1,
    })
}
