//! The house as a whole: real processes, real certificates, real databases, real signals.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use mtls::{ClientTls, Material};
use proto::google::r#type::Money;
use proto::order::v1::order_client::OrderClient;
use proto::order::v1::{
    CreateOrderRequest, GetOrderRequest, ListOrdersRequest, OrderRecord, OrderState,
    WatchOrderRequest,
};
use proto::payment::v1::payment_client::PaymentClient;
use proto::payment::v1::{CreatePaymentRequest, GetPaymentRequest, PaymentState};
use rpc::client::Client;
use rpc::config::Peer;
use rpc::status::Upstream;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, test_kill_process};
use tests::house::{House, SERVICES};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

const DEMO: &str = env!("CARGO_BIN_EXE_demo");
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn the_demo_goes_as_told_and_leaves_nothing_running() -> Result<()> {
    let demo = Command::new(DEMO).stdin(Stdio::null()).output();
    let output = timeout(2 * PATIENCE, demo)
        .await
        .context("the demo does not end")??;
    let story = String::from_utf8(output.stdout)?;
    ensure!(
        output.status.success(),
        "{}\n{story}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    for told in [
        "An order that succeeds",
        "Notebook, dotted, A5",
        "spiffe://microservices.dev/order-client",
        "An order that makes no sense",
        "user id cannot be less than 1",
        "product id cannot be negative",
        "Two callers who do not belong",
        "Shipping is down, and the order is not lost",
        "accepted, paid, and waiting for shipping",
        "shipped by itself",
        "DEADLINE_EXCEEDED",
        "the time went to payment.v1.Payment/Create",
        "steps went as told",
    ] {
        assert!(
            story.contains(told),
            "the story does not tell {told:?}:\n{story}"
        );
    }
    assert!(!story.contains('✗'), "{story}");
    let processes = processes(&story)?;
    for pid in processes {
        assert!(
            test_kill_process(pid).is_err(),
            "process {pid:?} outlived the demo"
        );
    }
    Ok(())
}

#[tokio::test]
async fn services_end_when_the_demo_is_killed() -> Result<()> {
    // A program that is killed cannot remove its folder, so this test does.
    let folder = tempfile::tempdir()?;
    let mut demo = Command::new(DEMO)
        .arg("--keep")
        .env("TMPDIR", folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(demo.stdout.take().context("no output")?).lines();
    let mut story = String::new();
    let kept = async {
        while let Some(line) = lines.next_line().await? {
            story.push_str(&line);
            story.push('\n');
            if line.contains("grpcurl") {
                return Ok(());
            }
        }
        bail!("the demo ended by itself:\n{story}");
    };
    timeout(2 * PATIENCE, kept)
        .await
        .context("the house does not stay up")??;
    assert!(story.contains("stays up until Ctrl-C"), "{story}");
    let services = processes(&story)?;
    // Opened while they run, so that a number that is given to another process cannot be mistaken for them.
    let ends: Vec<_> = services
        .iter()
        .filter_map(|pid| pidfd_open(*pid, PidfdFlags::empty()).ok())
        .collect();
    assert_eq!(ends.len(), SERVICES.len(), "not all four run: {services:?}");

    demo.start_kill()?;
    demo.wait().await?;

    for end in ends {
        let ended = tokio::task::spawn_blocking(move || {
            // A pidfd becomes readable when its process has ended.
            let patience = Timespec::try_from(PATIENCE)?;
            anyhow::Ok(poll(
                &mut [PollFd::new(&end, PollFlags::IN)],
                Some(&patience),
            )?)
        });
        assert_eq!(ended.await??, 1, "a service outlived the demo");
    }
    Ok(())
}

#[tokio::test]
async fn ctrl_c_ends_a_house_that_was_kept() -> Result<()> {
    let mut demo = Command::new(DEMO)
        .arg("--keep")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(demo.stdout.take().context("no output")?).lines();
    let pid = demo
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    let pid = pid.context("no process number")?;
    let mut story = String::new();
    let ended = async {
        while let Some(line) = lines.next_line().await? {
            // The last line before it waits.
            if line.contains(" order-client list ") {
                kill_process(pid, Signal::INT)?;
            }
            story.push_str(&line);
            story.push('\n');
        }
        anyhow::Ok(demo.wait().await?)
    };
    let status = timeout(2 * PATIENCE, ended)
        .await
        .context("Ctrl-C does not end it")??;
    assert!(status.success(), "{status}\n{story}");
    assert!(
        story.contains("order finished its calls and ended"),
        "{story}"
    );
    for pid in processes(&story)? {
        assert!(
            test_kill_process(pid).is_err(),
            "process {pid:?} outlived the demo"
        );
    }
    Ok(())
}

#[tokio::test]
async fn an_order_taken_while_shipping_is_down_ships_after_order_itself_was_killed() -> Result<()> {
    let mut house = house().await?;
    house.stop("shipping").await?;
    let taken = create(&house, request("killed")).await?;
    assert_eq!(taken.state(), OrderState::Paid, "{taken:?}");

    house.kill("order").await?;
    house.start("shipping").await?;
    house.start("order").await?;

    let last = last_state(&house, &taken.order_id).await?;
    assert_eq!(last.state(), OrderState::Shipped, "{last:?}");
    assert_eq!(last.payment_id, taken.payment_id, "it was charged again");
    let payment = payments(&house)?
        .get(GetPaymentRequest {
            payment_id: last.payment_id,
        })
        .await?
        .into_inner()
        .payment
        .context("no payment")?;
    assert_eq!(payment.order_id, taken.order_id);
    assert_eq!(payment.state(), PaymentState::Charged);
    // Payments are numbered; a second charge would have the next number.
    let next = payments(&house)?
        .get(GetPaymentRequest {
            payment_id: last.payment_id + 1,
        })
        .await;
    assert_eq!(next.map_err(|s| s.code()).err(), Some(Code::NotFound));
    Ok(())
}

#[tokio::test]
async fn order_answers_what_needs_no_shipping_while_shipping_is_down() -> Result<()> {
    let mut house = house().await?;
    let shipped = create(&house, request("before")).await?;
    house.stop("shipping").await?;
    let waiting = create(&house, request("during")).await?;
    assert_eq!(waiting.state(), OrderState::Paid);
    assert!(
        !waiting.note.is_empty(),
        "the answer does not say why it waits"
    );

    let mut client = orders(&house)?;
    let got = client
        .get(GetOrderRequest {
            order_id: shipped.order_id.clone(),
        })
        .await?;
    let got = got.into_inner().order.context("no order")?;
    assert_eq!(got.state(), OrderState::Shipped);
    let listed = client
        .list(ListOrdersRequest::default())
        .await?
        .into_inner()
        .orders;
    let ids: Vec<&str> = listed.iter().map(|order| order.order_id.as_str()).collect();
    assert_eq!(
        ids,
        [waiting.order_id.as_str(), shipped.order_id.as_str()],
        "newest first"
    );
    assert_eq!(
        serving(&house, "order", "order-client").await?,
        ServingStatus::Serving
    );
    Ok(())
}

#[tokio::test]
async fn a_repeated_key_is_the_same_order_and_other_content_is_refused() -> Result<()> {
    let house = house().await?;
    let first = create(&house, request("once")).await?;
    let second = create(&house, request("once")).await?;
    assert_eq!(first.order_id, second.order_id);
    assert_eq!(first.payment_id, second.payment_id);
    assert_eq!(first.shipping_id, second.shipping_id);

    let other = CreateOrderRequest {
        user_id: 24,
        ..request("once")
    };
    let refused = orders(&house)?.create(other).await;
    assert_eq!(
        refused.map_err(|s| s.code()).err(),
        Some(Code::AlreadyExists)
    );
    Ok(())
}

#[tokio::test]
async fn the_price_must_be_that_of_the_catalogue_and_the_product_must_exist() -> Result<()> {
    let house = house().await?;
    let cheap = CreateOrderRequest {
        price: Some(euros(1, 0)),
        ..request("cheap")
    };
    let refused = orders(&house)?.create(cheap).await;
    assert_eq!(
        refused.map_err(|s| s.code()).err(),
        Some(Code::FailedPrecondition)
    );
    let unknown = CreateOrderRequest {
        product_id: 4711,
        ..request("unknown")
    };
    let refused = orders(&house)?.create(unknown).await;
    assert_eq!(refused.map_err(|s| s.code()).err(), Some(Code::NotFound));
    Ok(())
}

#[tokio::test]
async fn a_valid_certificate_that_is_not_on_the_list_is_refused_without_the_list() -> Result<()> {
    let house = house().await?;
    let mut client = PaymentClient::new(client(&house, "payment", "order-client")?);
    let request = CreatePaymentRequest {
        idempotency_key: "not-mine".to_owned(),
        order_id: "any".to_owned(),
        user_id: 23,
        amount: Some(euros(1, 0)),
    };
    let Err(status) = client.create(request).await else {
        bail!("the customer charged a payment itself");
    };
    assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
    let upstream = Upstream::read(&status);
    let info = upstream.info.context("no ErrorInfo")?;
    assert_eq!(info.domain, "payment");
    let told = format!("{} {:?} {:?}", status.message(), info.reason, info.metadata);
    // The caller itself, `…/order-client`, may be named.
    let allowed = "spiffe://microservices.dev/order";
    assert!(
        !names(&told, allowed),
        "the refusal tells who is allowed: {told}"
    );
    // However a list would be written.
    for list in [
        format!("[{allowed}]"),
        format!("{allowed}, spiffe://microservices.dev/x"),
        format!("{allowed}-client, {allowed}"),
        format!("may be called by {allowed}."),
        format!("{:?}", [allowed]),
    ] {
        assert!(names(&list, allowed), "{list}");
    }
    Ok(())
}

/// Whether `text` holds this SPIFFE ID as a whole, and not only the beginning of a longer one: a path's segment goes on
/// with letters, digits, dots, dashes and underscores (SPIFFE-ID section 2.2), and a dot at the end ends a sentence.
fn names(text: &str, id: &str) -> bool {
    text.match_indices(id).any(|(at, _)| {
        let rest = text[at + id.len()..].trim_start_matches('.');
        !rest.starts_with(|next: char| next.is_ascii_alphanumeric() || "-_/".contains(next))
    })
}

#[tokio::test]
async fn health_and_reflection_answer_every_peer_with_a_valid_certificate() -> Result<()> {
    let house = house().await?;
    for service in SERVICES {
        // The customer's certificate may call nothing of product, payment and shipping but these two.
        let status = serving(&house, service, "order-client").await?;
        assert_eq!(status, ServingStatus::Serving, "{service}");
        let mut reflection = ServerReflectionClient::new(client(&house, service, "order-client")?);
        let question = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let mut answers = reflection
            .server_reflection_info(tokio_stream::once(question))
            .await?
            .into_inner();
        let answer: ServerReflectionResponse = answers.message().await?.context("no answer")?;
        let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
            bail!("{service} does not list its services: {answer:?}");
        };
        let names: Vec<String> = list.service.into_iter().map(|entry| entry.name).collect();
        let own = format!("{service}.v1.");
        assert!(
            names.iter().any(|name| name.starts_with(&own)),
            "{service}: {names:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_second_run_of_apply_changes_no_file() -> Result<()> {
    let house = House::new(Path::new(DEMO))?;
    house.make_certificates().await?;
    let before = std::fs::read(house.tls("order").join("tls.crt"))?;
    let said = house.make_certificates().await?;
    assert!(said.contains("Nothing to do"), "{said}");
    assert_eq!(std::fs::read(house.tls("order").join("tls.crt"))?, before);
    Ok(())
}

// === helpers ===

async fn house() -> Result<House> {
    let mut house = House::new(Path::new(DEMO))?;
    house.make_certificates().await?;
    house.start_all().await?;
    Ok(house)
}

fn client(house: &House, service: &str, identity: &str) -> Result<Client> {
    let tls = ClientTls::new(&Material::load(&house.tls(identity))?)?;
    let peer = Peer::at(format!("https://{}", house.address(service)?));
    Ok(rpc::client::connect(
        &peer,
        &tls,
        proto::FILE_DESCRIPTOR_SET,
    )?)
}

fn orders(house: &House) -> Result<OrderClient<Client>> {
    Ok(OrderClient::new(client(house, "order", "order-client")?))
}

fn payments(house: &House) -> Result<PaymentClient<Client>> {
    Ok(PaymentClient::new(client(house, "payment", "order")?))
}

async fn create(house: &House, request: CreateOrderRequest) -> Result<OrderRecord> {
    let answer = orders(house)?.create(request).await?;
    answer
        .into_inner()
        .order
        .context("an answer without an order")
}

async fn last_state(house: &House, order_id: &str) -> Result<OrderRecord> {
    let request = WatchOrderRequest {
        order_id: order_id.to_owned(),
    };
    let mut call = tonic::Request::new(request);
    call.set_timeout(PATIENCE);
    let mut changes = orders(house)?.watch(call).await?.into_inner();
    let mut last = OrderRecord::default();
    while let Some(change) = timeout(PATIENCE, changes.message())
        .await
        .context("it stands still")??
    {
        last = change.order.context("a change without an order")?;
    }
    Ok(last)
}

async fn serving(house: &House, service: &str, identity: &str) -> Result<ServingStatus> {
    let mut health = HealthClient::new(client(house, service, identity)?);
    let answer = health.check(HealthCheckRequest::default()).await?;
    Ok(answer.into_inner().status())
}

fn request(key: &str) -> CreateOrderRequest {
    CreateOrderRequest {
        idempotency_key: key.to_owned(),
        user_id: 23,
        product_id: 10,
        price: Some(euros(3, 200_000_000)),
        address: None,
    }
}

fn euros(units: i64, nanos: i32) -> Money {
    Money {
        currency_code: "EUR".to_owned(),
        units,
        nanos,
    }
}

/// Every process that a story names: the four, and shipping once more after it was started again.
fn processes(story: &str) -> Result<Vec<Pid>> {
    let mut found = Vec::new();
    for line in story.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        for pair in words.windows(2) {
            if let ["process", number] = pair {
                let number = number.trim_end_matches([',', ';', '.', ':']);
                found.push(Pid::from_raw(number.parse()?).context("0 is no process")?);
            }
        }
    }
    ensure!(
        found.len() == SERVICES.len() + 1,
        "not every process is named:\n{story}"
    );
    Ok(found)
}
