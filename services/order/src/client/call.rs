//! Does what the command line says, and prints what came of it.

use std::io::{self, Write};
use std::time::Duration;

use proto::order::v1::order_client::OrderClient;
use proto::order::v1::{
    Address, CreateOrderRequest, CreateOrderResponse, GetOrderRequest, ListOrdersRequest,
    OrderRecord, OrderState, WatchOrderRequest,
};
use rpc::client::Client;
use rpc::config::Peer;
use rpc::{ClientTls, Material};
use serde_json::json;
use tokio::time::Instant;
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use uuid::Uuid;

use super::arguments::{Arguments, Command, Connection, Create, List};
use super::exit::Exit;
use super::failure::Failure;
use super::picture;

/// How long a command may take when nobody says otherwise.
const DEADLINE: Duration = Duration::from_secs(5);
/// A follower has more patience.
const WATCH_DEADLINE: Duration = Duration::from_secs(10 * 60);
/// Between two calls of a follower whose stream ended before the order did.
const PAUSE: Duration = Duration::from_millis(500);

/// Runs the command and writes its result to `out`.
pub(super) async fn run(arguments: &Arguments, out: &mut impl Write) -> Result<Exit, Failure> {
    let connection = &arguments.connection;
    let deadline = connection.deadline.unwrap_or(match arguments.command {
        Command::Watch { .. } => WATCH_DEADLINE,
        _ => DEADLINE,
    });
    let client = connect(connection, deadline)?;
    let session = Session {
        client,
        json: arguments.json,
        until: Instant::now() + deadline,
    };
    match &arguments.command {
        Command::Create(order) => session.create(order, out).await,
        Command::Get { order_id } => session.get(order_id, out).await,
        Command::List(list) => session.list(list, out).await,
        Command::Watch { order_id } => session.watch(order_id, out).await,
        Command::Health => session.health(out).await,
    }
}

/// The client stack that the services use, with the whole command's time as the deadline of a call.
fn connect(connection: &Connection, deadline: Duration) -> Result<Client, Failure> {
    let material = Material::load(connection.tls()).map_err(|error| Failure::setup(&error))?;
    let tls = ClientTls::new(&material).map_err(|error| Failure::setup(&error))?;
    let mut peer = Peer::at(connection.address());
    peer.server_name.clone_from(&connection.server_name);
    peer.policy.deadline = deadline;
    rpc::client::connect(&peer, &tls, proto::FILE_DESCRIPTOR_SET)
        .map_err(|error| Failure::setup(&error))
}

struct Session {
    client: Client,
    json: bool,
    until: Instant,
}

impl Session {
    async fn create(&self, order: &Create, out: &mut impl Write) -> Result<Exit, Failure> {
        // Made once, so that every repetition by the client stack is the same order. It is told when the call fails.
        let key = match &order.key {
            Some(key) => key.clone(),
            None => format!("order-client-{}", Uuid::now_v7()),
        };
        let request = CreateOrderRequest {
            idempotency_key: key.clone(),
            user_id: order.user,
            product_id: order.product,
            price: Some(order.price.into()),
            address: address(order),
        };
        let answer = OrderClient::new(self.client.clone()).create(request).await;
        let CreateOrderResponse { order } = answer
            .map_err(|status| self.failed(&status, Some(&key)))?
            .into_inner();
        self.print_order(&order.unwrap_or_default(), out)
    }

    async fn get(&self, order_id: &str, out: &mut impl Write) -> Result<Exit, Failure> {
        let request = GetOrderRequest {
            order_id: order_id.to_owned(),
        };
        let answer = OrderClient::new(self.client.clone()).get(request).await;
        let answer = answer.map_err(|status| self.failed(&status, None))?;
        self.print_order(&answer.into_inner().order.unwrap_or_default(), out)
    }

    async fn list(&self, list: &List, out: &mut impl Write) -> Result<Exit, Failure> {
        let request = ListOrdersRequest {
            user_id: list.user,
            state: list
                .state
                .map_or(OrderState::Unspecified, Into::into)
                .into(),
            page_size: list.page_size,
            page_token: list.page_token.clone(),
        };
        let answer = OrderClient::new(self.client.clone()).list(request).await;
        let page = answer
            .map_err(|status| self.failed(&status, None))?
            .into_inner();
        let text = if self.json {
            format!("{}\n", picture::page(&page))
        } else {
            picture::table(&page)
        };
        print(out, &text)
    }

    /// Follows an order over as many calls as it takes: a service ends a stream when its own longest deadline is over
    /// or when it is being replaced, and that is no end of the order.
    async fn watch(&self, order_id: &str, out: &mut impl Write) -> Result<Exit, Failure> {
        let mut told = None;
        loop {
            let request = WatchOrderRequest {
                order_id: order_id.to_owned(),
            };
            let ended = match self.open(request).await {
                Ok(mut stream) => loop {
                    match stream.message().await {
                        Ok(Some(message)) => {
                            let order = message.order.unwrap_or_default();
                            if told != Some(order.state) {
                                told = Some(order.state);
                                self.print_step(&order, out)?;
                            }
                        }
                        Ok(None) => return Ok(Exit::Done),
                        Err(status) => break status,
                    }
                },
                Err(status) => status,
            };
            let left = self.until.saturating_duration_since(Instant::now());
            let failure = self.failed(&ended, None);
            let may_pass = matches!(ended.code(), Code::Unavailable | Code::DeadlineExceeded);
            if !may_pass || matches!(failure, Failure::Unreachable(_)) {
                return Err(failure);
            }
            if left <= PAUSE {
                return Err(match told {
                    // The order was followed to the end of the time, and that is all that went wrong.
                    Some(_) => Failure::TimeIsUp(format!(
                        "the order had not reached its last state when the time was up; {} would go on following it \
                         for longer",
                        "--deadline"
                    )),
                    None => failure,
                });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn failed(&self, status: &Status, key: Option<&str>) -> Failure {
        Failure::called(status, self.client.refusal().as_ref(), key)
    }

    async fn open(
        &self,
        request: WatchOrderRequest,
    ) -> Result<tonic::Streaming<proto::order::v1::WatchOrderResponse>, Status> {
        let mut request = Request::new(request);
        request.set_timeout(self.until.saturating_duration_since(Instant::now()));
        let answer = OrderClient::new(self.client.clone()).watch(request).await?;
        Ok(answer.into_inner())
    }

    async fn health(&self, out: &mut impl Write) -> Result<Exit, Failure> {
        let request = HealthCheckRequest {
            service: "order.v1.Order".to_owned(),
        };
        let answer = HealthClient::new(self.client.clone()).check(request).await;
        let answer = answer.map_err(|status| self.failed(&status, None))?;
        let status = answer.into_inner().status();
        let text = if self.json {
            format!("{}\n", json!({"status": status.as_str_name()}))
        } else {
            match status {
                ServingStatus::Serving => "the service takes orders\n".to_owned(),
                _ => "the service is there and takes no orders at the moment\n".to_owned(),
            }
        };
        print(out, &text)?;
        Ok(match status {
            ServingStatus::Serving => Exit::Done,
            _ => Exit::Later,
        })
    }

    fn print_order(&self, order: &OrderRecord, out: &mut impl Write) -> Result<Exit, Failure> {
        let text = if self.json {
            format!("{}\n", picture::object(order))
        } else {
            picture::people(order)
        };
        print(out, &text)
    }

    fn print_step(&self, order: &OrderRecord, out: &mut impl Write) -> Result<Exit, Failure> {
        let text = if self.json {
            format!("{}\n", picture::object(order))
        } else {
            picture::step(order)
        };
        print(out, &text)
    }
}

/// The address, as soon as any part of it is given: the service says which parts are missing.
fn address(order: &Create) -> Option<Address> {
    let parts = [
        &order.recipient,
        &order.street,
        &order.city,
        &order.postal_code,
        &order.country,
    ];
    parts.iter().any(|part| part.is_some()).then(|| Address {
        recipient: order.recipient.clone().unwrap_or_default(),
        street: order.street.clone().unwrap_or_default(),
        city: order.city.clone().unwrap_or_default(),
        postal_code: order.postal_code.clone().unwrap_or_default(),
        country_code: order.country.clone().unwrap_or_default(),
    })
}

fn print(out: &mut impl Write, text: &str) -> Result<Exit, Failure> {
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Ok(()) => Ok(Exit::Done),
        // `order-client list | head -1` is no failure.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Done),
        Err(error) => Err(Failure::Output(error)),
    }
}
