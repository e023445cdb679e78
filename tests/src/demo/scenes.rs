//! The scenes of the story. Each says what happens and why, lets it happen, and checks that it went as told.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mtls::{ClientTls, Material};
use proto::google::r#type::Money;
use proto::order::v1::order_client::OrderClient;
use proto::order::v1::{
    CreateOrderRequest, GetOrderRequest, ListOrdersRequest, OrderRecord, OrderState,
    WatchOrderRequest,
};
use resilience::deadline::Spent;
use rpc::client::Client;
use rpc::config::Peer;
use rpc::status::Upstream;
use tokio::time::timeout;
use tonic::{Code, Status};

use super::stage::Stage;
use crate::house::{Entry, House, SERVICES};
use crate::test_pki::{EndEntity, TestCa};

/// How long the story waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(30);
/// Who orders: the chapter's user.
const USER: i64 = 23;
/// What is ordered: the notebook of the shipped catalogue, and its price.
const PRODUCT: i64 = 10;
const PRICE: (i64, i32) = (3, 200_000_000);

pub(crate) struct Scenes {
    house: House,
    orders: u32,
}

impl Scenes {
    pub(crate) fn new(house: House) -> Self {
        Self { house, orders: 0 }
    }

    pub(crate) async fn certificates(&mut self, stage: &mut Stage) -> Result<()> {
        stage.scene("A CA, and a certificate for each service");
        stage.say("One manifest says what there must be; pki makes reality match it:");
        stage.quote("$ pki apply pki.toml --dir certs");
        stage.quote(&self.house.make_certificates().await?);
        let identities: Result<Vec<_>, _> = SERVICES
            .iter()
            .map(|name| Material::load(&self.house.tls(name)))
            .collect();
        let made = identities.map(|all| all.len());
        stage.check(
            "every folder holds a certificate, its key and the CA, and they belong together",
            made.as_ref().is_ok_and(|count| *count == SERVICES.len()),
            || {
                made.as_ref()
                    .err()
                    .map(ToString::to_string)
                    .unwrap_or_default()
            },
        );
        let again = self
            .house
            .pki(&["apply", "pki.toml", "--dir", "certs", "--dry-run"])
            .await?;
        stage.check(
            "a second run would change nothing",
            again.contains("Nothing to do"),
            || again.clone(),
        );
        Ok(())
    }

    pub(crate) async fn services(&mut self, stage: &mut Stage) -> Result<()> {
        stage.scene("Four services, four processes");
        stage.say("Each has its own certificate, its own SQLite file, and any free port:");
        for name in SERVICES {
            let address = self.house.start(name).await?;
            let identity = Material::load(&self.house.tls(name))?
                .identity()
                .to_string();
            let pid = self.house.pid(name)?;
            stage.fact(
                name,
                &format!("https://{address}  process {pid}  is {identity}"),
            );
        }
        Ok(())
    }

    pub(crate) async fn order_succeeds(&mut self, stage: &mut Stage) -> Result<()> {
        stage.scene("An order that succeeds");
        let mark = self.house.journal().len();
        let begin = Instant::now();
        let request = self.request("order");
        let answer = self.person("5s")?.create(request).await;
        let took = begin.elapsed();
        let order = match answer {
            Ok(answer) => answer.into_inner().order.unwrap_or_default(),
            Err(status) => {
                stage.check("the order is taken", false, || sentence(&status));
                return Ok(());
            }
        };
        show(stage, &order);
        stage.check(
            &format!(
                "paid and shipped in one call, in {:.0} ms",
                took.as_secs_f64() * 1e3
            ),
            order.state() == OrderState::Shipped && order.payment_id > 0 && order.shipping_id > 0,
            || format!("{:?}", order.state()),
        );
        stage.say("Who called whom, as each service read it in its caller's certificate:");
        for (service, method, caller) in [
            (
                "order",
                "order.v1.Order/Create",
                "spiffe://microservices.dev/order-client",
            ),
            (
                "product",
                "product.v1.Product/Get",
                "spiffe://microservices.dev/order",
            ),
            (
                "payment",
                "payment.v1.Payment/Create",
                "spiffe://microservices.dev/order",
            ),
            (
                "shipping",
                "shipping.v1.Shipping/Create",
                "spiffe://microservices.dev/order",
            ),
        ] {
            let call = self.call(mark, service, method).await?;
            let peer = call.field("peer").unwrap_or_default();
            let told = format!(
                "{peer} → {method}  {} in {} ms",
                call.field("code").unwrap_or_default(),
                call.field("elapsed_ms").unwrap_or_default()
            );
            let went = peer.contains(caller) && call.field("code").as_deref() == Some("Ok");
            stage.check(&told, went, || call.line.to_string());
        }
        Ok(())
    }

    pub(crate) async fn order_is_invalid(&mut self, stage: &mut Stage) -> Result<()> {
        stage.scene("An order that makes no sense");
        stage.say("Everything that is wrong with it is said at once, field by field:");
        let request = CreateOrderRequest {
            user_id: -1,
            product_id: -2,
            price: Some(money("euro", -2, 0)),
            ..self.request("nonsense")
        };
        let answer = self.person("5s")?.create(request).await;
        let Err(status) = answer else {
            stage.check("it is refused", false, || "it was taken".to_owned());
            return Ok(());
        };
        let upstream = Upstream::read(&status);
        for violation in &upstream.fields {
            stage.fact(&violation.field, &violation.description);
        }
        let named: Vec<&str> = upstream
            .fields
            .iter()
            .map(|field| field.field.as_str())
            .collect();
        stage.check(
            "INVALID_ARGUMENT, with every field that is wrong",
            status.code() == Code::InvalidArgument
                && ["user_id", "product_id", "price.currency_code", "price"]
                    .iter()
                    .all(|field| named.contains(field)),
            || format!("{}; fields {named:?}", sentence(&status)),
        );
        Ok(())
    }

    pub(crate) async fn strangers_are_refused(&mut self, stage: &mut Stage) -> Result<()> {
        stage.scene("Two callers who do not belong");
        let mark = self.house.journal().len();
        stage.say("The first has no certificate:");
        let anonymous =
            ClientTls::without_certificate(&self.house.tls("order-client").join("ca.crt"))?;
        self.refused(stage, &anonymous, mark, "showed no certificate")
            .await?;

        let mark = self.house.journal().len();
        stage.say(
            "The second made one for itself. It says \"order-client\", and nobody vouches for it:",
        );
        let folder = self.house.folder().join("stranger");
        self.stranger(&folder)?;
        let stranger = ClientTls::new(&Material::load(&folder)?)?;
        self.refused(stage, &stranger, mark, "certificate is refused")
            .await
    }

    /// Calls order with TLS that must be refused; shows both sides' reason.
    /// `reason` is part of what order logs: a caller that tries again is refused, and logged, more than once.
    async fn refused(
        &self,
        stage: &mut Stage,
        tls: &ClientTls,
        mark: usize,
        reason: &str,
    ) -> Result<()> {
        let mut client = OrderClient::new(self.client(tls, "5s")?);
        let request = GetOrderRequest {
            order_id: "any".to_owned(),
        };
        let answer = client.get(request).await;
        let code = answer.as_ref().map_or_else(Status::code, |_| Code::Ok);
        stage.check(
            "refused before any handler saw it",
            code == Code::Unavailable,
            || format!("the answer is {answer:?}"),
        );
        if let Err(status) = &answer {
            stage.fact("the caller", status.message());
        }
        let entry = self
            .house
            .journal()
            .wait_for(mark, "a refused handshake", |entry| {
                entry.service == "order" && entry.text().contains(reason)
            })
            .await?;
        stage.fact("order's log", &entry.text());
        Ok(())
    }

    /// A self-signed certificate with a name that is not its own, in a folder that trusts itself and the real CA.
    fn stranger(&self, folder: &Path) -> Result<()> {
        let issued = EndEntity::peer("order-client.microservices.dev").self_signed()?;
        std::fs::create_dir_all(folder)?;
        issued.write(folder, &[] as &[&TestCa])?;
        let mut anchors = issued.chain_pem();
        anchors.push_str(&std::fs::read_to_string(
            self.house.tls("order").join("ca.crt"),
        )?);
        std::fs::write(folder.join("ca.crt"), anchors)?;
        Ok(())
    }

    pub(crate) async fn shipping_is_down(&mut self, stage: &mut Stage) -> Result<()> {
        stage.scene("Shipping is down, and the order is not lost");
        let end = self.house.stop("shipping").await?;
        stage.check(
            "shipping was asked to stop (SIGTERM) and ended well",
            end.success(),
            || end.to_string(),
        );
        let request = self.request("waiting");
        let order = match self.person("5s")?.create(request).await {
            Ok(answer) => answer.into_inner().order.unwrap_or_default(),
            Err(status) => {
                stage.check("the order is taken all the same", false, || {
                    sentence(&status)
                });
                return Ok(());
            }
        };
        show(stage, &order);
        stage.check(
            "accepted, paid, and waiting for shipping",
            order.state() == OrderState::Paid && order.payment_id > 0 && order.shipping_id == 0,
            || format!("{:?}", order.state()),
        );
        let again = self.house.start("shipping").await?;
        let pid = self.house.pid("shipping")?;
        stage.say(&format!(
            "Shipping is started again, at {again} as process {pid}; nobody orders anew:"
        ));
        let last = self.watch(stage, &order.order_id).await?;
        stage.check(
            &format!("shipped by itself, as shipment {}", last.shipping_id),
            last.state() == OrderState::Shipped && last.payment_id == order.payment_id,
            || format!("{:?}", last.state()),
        );
        Ok(())
    }

    pub(crate) async fn budget_is_too_small(&mut self, stage: &mut Stage) -> Result<()> {
        const BUDGET: Duration = Duration::from_secs(2);
        stage.scene("A budget that is too small for the chain");
        self.house.freeze("payment")?;
        stage.say(&format!(
            "Payment is frozen (SIGSTOP): it is there and does not answer. An order comes with {} ms for everything:",
            BUDGET.as_millis()
        ));
        let request = self.request("late");
        let begin = Instant::now();
        let answer = self.person("2s")?.create(request.clone()).await;
        let took = begin.elapsed();
        self.house.thaw("payment")?;
        let Err(status) = answer else {
            stage.check("the caller's time runs out", false, || {
                format!("{answer:?}")
            });
            return Ok(());
        };
        stage.check(
            &format!("DEADLINE_EXCEEDED after {:.0} ms", took.as_secs_f64() * 1e3),
            status.code() == Code::DeadlineExceeded,
            || sentence(&status),
        );
        let spent = Spent::from_status(&status);
        let hops = spent.as_ref().map(Spent::hops).unwrap_or_default();
        if !hops.is_empty() {
            stage.say("Where the time went, as the error itself tells:");
        }
        for hop in hops {
            let label = format!(
                "{:>4} ms{}{}",
                hop.time.as_millis(),
                if hop.own { " of its own" } else { "" },
                if hop.unfinished { ", unfinished" } else { "" }
            );
            let share = hop.time.as_secs_f64() / BUDGET.as_secs_f64();
            stage.bar(&hop.method, share, &label);
        }
        stage.check(
            "the time went to payment.v1.Payment/Create",
            hops.iter()
                .max_by_key(|hop| hop.time)
                .is_some_and(|hop| hop.method.contains("payment.v1.Payment/Create")),
            || format!("{hops:?}"),
        );
        stage.say("The caller gave up; the order was stored before payment was asked. Payment goes on (SIGCONT):");
        let newest = ListOrdersRequest {
            page_size: 1,
            ..ListOrdersRequest::default()
        };
        let newest = self.person("5s")?.list(newest).await?.into_inner().orders;
        let order = newest.into_iter().next().unwrap_or_default();
        let last = self.watch(stage, &order.order_id).await?;
        stage.check(
            "charged and shipped after all",
            last.state() == OrderState::Shipped,
            || format!("{:?}", last.state()),
        );
        stage
            .say("And whoever asks again with the same key gets that order, and not a second one:");
        let again = self.person("5s")?.create(request).await;
        let again = again.map(|answer| answer.into_inner().order.unwrap_or_default());
        stage.check(
            &format!("order {}, payment {}", last.order_id, last.payment_id),
            again.as_ref().is_ok_and(|again| {
                again.order_id == last.order_id && again.payment_id == last.payment_id
            }),
            || format!("{again:?}"),
        );
        Ok(())
    }

    /// Says how the house can be called by hand. `program` is the binary `demo`.
    pub(crate) fn stay(&mut self, stage: &mut Stage, program: &Path) -> Result<()> {
        stage.scene("The house stays up until Ctrl-C");
        for name in SERVICES {
            stage.fact(name, &format!("https://{}", self.house.address(name)?));
        }
        stage.fact("folder", &self.house.folder().display().to_string());
        let tls = self.house.tls("order-client");
        let tls = tls.display();
        let address = self.house.address("order")?;
        stage.say("A foreign client may call as well; reflection tells it what there is:");
        stage.command(&format!(
            "grpcurl -cacert {tls}/ca.crt -cert {tls}/tls.crt -key {tls}/tls.key \
             -d '{{\"idempotency_key\": \"by-hand-1\", \"user_id\": {USER}, \"product_id\": {PRODUCT}, \
             \"price\": {{\"currency_code\": \"EUR\", \"units\": {}, \"nanos\": {}}}}}' \
             {address} order.v1.Order/Create",
            PRICE.0, PRICE.1
        ));
        stage.say("Or the command for people, order-client, which is in this program too:");
        stage.command(&format!(
            "{} order-client list --address https://{address} --tls {tls}",
            program.display()
        ));
        Ok(())
    }

    pub(crate) async fn everything_stops(&mut self, stage: &mut Stage) -> Result<()> {
        stage.scene("Everything stops");
        for (name, end) in self.house.stop_all().await? {
            stage.check(
                &format!("{name} finished its calls and ended"),
                end.success(),
                || end.to_string(),
            );
        }
        Ok(())
    }

    /// Follows an order to its last state, printing each change.
    async fn watch(&self, stage: &mut Stage, order_id: &str) -> Result<OrderRecord> {
        let request = WatchOrderRequest {
            order_id: order_id.to_owned(),
        };
        let mut changes = self.person("30s")?.watch(request).await?.into_inner();
        let mut last = OrderRecord::default();
        while let Some(change) = timeout(PATIENCE, changes.message())
            .await
            .context("the order did not move on")??
        {
            last = change.order.unwrap_or_default();
            stage.fact("watched", &state(&last));
        }
        Ok(last)
    }

    /// The log line of a call.
    async fn call(&self, mark: usize, service: &str, method: &str) -> Result<Entry> {
        self.house
            .journal()
            .wait_for(mark, &format!("a call of {method}"), |entry| {
                entry.service == service
                    && entry.field("message").as_deref() == Some("call")
                    && entry.field("method").as_deref() == Some(method)
            })
            .await
    }

    /// A client with the certificate `order-client`, whose calls take at most `deadline`.
    fn person(&self, deadline: &str) -> Result<OrderClient<Client>> {
        let tls = ClientTls::new(&Material::load(&self.house.tls("order-client"))?)?;
        Ok(OrderClient::new(self.client(&tls, deadline)?))
    }

    fn client(&self, tls: &ClientTls, deadline: &str) -> Result<Client> {
        let mut peer = Peer::at(format!("https://{}", self.house.address("order")?));
        peer.policy = serde_json::from_value(serde_json::json!({ "deadline": deadline }))?;
        Ok(rpc::client::connect(
            &peer,
            tls,
            proto::FILE_DESCRIPTOR_SET,
        )?)
    }

    fn request(&mut self, key: &str) -> CreateOrderRequest {
        self.orders += 1;
        CreateOrderRequest {
            idempotency_key: format!("demo-{}-{key}", self.orders),
            user_id: USER,
            product_id: PRODUCT,
            price: Some(money("EUR", PRICE.0, PRICE.1)),
            address: None,
        }
    }
}

fn money(currency_code: &str, units: i64, nanos: i32) -> Money {
    Money {
        currency_code: currency_code.to_owned(),
        units,
        nanos,
    }
}

fn show(stage: &Stage, order: &OrderRecord) {
    stage.fact("order", &order.order_id);
    stage.fact(
        "product",
        &format!("{} (no. {})", order.product_title, order.product_id),
    );
    stage.fact("state", &state(order));
    let number = |id: i64| {
        if id > 0 {
            id.to_string()
        } else {
            "not yet".to_owned()
        }
    };
    stage.fact("payment", &number(order.payment_id));
    stage.fact("shipment", &number(order.shipping_id));
}

fn state(order: &OrderRecord) -> String {
    let name = order
        .state()
        .as_str_name()
        .trim_start_matches("ORDER_STATE_")
        .to_lowercase();
    match order.note.strip_prefix(&name) {
        None if order.note.is_empty() => name,
        // The note begins with the state.
        Some(_) => order.note.clone(),
        None => format!("{name}: {}", order.note),
    }
}

fn sentence(status: &Status) -> String {
    format!("{:?}: {}", status.code(), status.message())
}
