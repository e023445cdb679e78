//! The service as its callers meet it, through the generated client and server, in one process and without a network.

use std::error::Error;

use proto::shipping::v1::shipping_client::ShippingClient;
use proto::shipping::v1::shipping_server::ShippingServer;
use proto::shipping::v1::{CreateShippingRequest, GetShippingRequest, PostalAddress};
use rpc::client::Client;
use rpc::config::DatabaseUrl;
use rpc::database::Database;
use rpc::status::{Upstream, reason};
use shipping::service::ShippingService;
use shipping::shipment::{Countries, CountryCode};
use shipping::store::SqliteStore;
use tempfile::TempDir;
use tonic::Code;

type Outcome = Result<(), Box<dyn Error>>;

#[tokio::test]
async fn the_same_key_with_the_same_content_is_answered_with_the_same_shipment() -> Outcome {
    let mut office = PostOffice::open().await?;
    let first = office.client.create(request("k", "TR")).await?.into_inner();
    let again = office.client.create(request("k", "TR")).await?.into_inner();
    assert_eq!(first, again);
    let shipment = first.shipment.ok_or("an answer holds a shipment")?;
    assert_eq!((shipment.user_id, shipment.order_id.as_str()), (23, "2344"));
    let seen = office
        .client
        .get(GetShippingRequest {
            shipping_id: shipment.shipping_id,
        })
        .await?
        .into_inner();
    assert_eq!(seen.shipment, Some(shipment));
    Ok(())
}

#[tokio::test]
async fn the_same_key_with_other_content_is_refused() -> Outcome {
    let mut office = PostOffice::open().await?;
    office.client.create(request("k", "TR")).await?;
    let mut other = request("k", "TR");
    other.user_id = 24;
    let refusal = refused(office.client.create(other).await);
    assert_eq!(refusal.code, Code::AlreadyExists);
    assert!(refusal.is("shipping", &reason::IDEMPOTENCY_KEY_REUSED));
    Ok(())
}

#[tokio::test]
async fn the_chapters_request_ships_what_the_user_collects() -> Outcome {
    let mut office = PostOffice::open().await?;
    let request = CreateShippingRequest {
        idempotency_key: "k".into(),
        user_id: 23,
        order_id: "2344".into(),
        address: None,
    };
    let shipment = office
        .client
        .create(request)
        .await?
        .into_inner()
        .shipment
        .ok_or("a shipment")?;
    assert_eq!(shipment.address, None);
    Ok(())
}

#[tokio::test]
async fn every_field_that_is_wrong_is_named_at_once() -> Outcome {
    let mut office = PostOffice::open().await?;
    let request = CreateShippingRequest {
        user_id: -1,
        address: Some(PostalAddress::default()),
        ..CreateShippingRequest::default()
    };
    let refusal = refused(office.client.create(request).await);
    assert_eq!(refusal.code, Code::InvalidArgument);
    let fields: Vec<_> = refusal
        .fields
        .iter()
        .map(|violation| violation.field.as_str())
        .collect();
    assert_eq!(
        fields,
        [
            "idempotency_key",
            "user_id",
            "order_id",
            "address.recipient",
            "address.street",
            "address.city",
            "address.postal_code",
            "address.country_code"
        ]
    );
    Ok(())
}

#[tokio::test]
async fn a_country_that_is_not_served_is_refused_and_nothing_is_shipped() -> Outcome {
    let mut office = PostOffice::open().await?;
    let refusal = refused(office.client.create(request("k", "AQ")).await);
    assert_eq!(refusal.code, Code::FailedPrecondition);
    assert!(refusal.is("shipping", &shipping::error::COUNTRY_NOT_SERVED));
    let precondition = refusal
        .preconditions
        .first()
        .ok_or("a precondition that failed")?;
    assert_eq!(precondition.subject, "address.country_code");
    assert!(precondition.description.ends_with("nothing was shipped"));
    // The key is still free.
    office.client.create(request("k", "TR")).await?;
    Ok(())
}

#[tokio::test]
async fn what_was_shipped_stays_the_answer_after_its_country_left_the_list() -> Outcome {
    let mut office = PostOffice::open().await?;
    let before = office.client.create(request("k", "TR")).await?.into_inner();
    let after = client(&office.pool, &[])
        .create(request("k", "TR"))
        .await?
        .into_inner();
    assert_eq!(before, after);
    Ok(())
}

#[tokio::test]
async fn a_shipment_that_is_not_there_is_not_found() -> Outcome {
    let mut office = PostOffice::open().await?;
    let refusal = refused(
        office
            .client
            .get(GetShippingRequest { shipping_id: 7 })
            .await,
    );
    assert_eq!(refusal.code, Code::NotFound);
    let resource = refusal.resource.ok_or("which one")?;
    assert_eq!(
        (resource.kind.as_str(), resource.id.as_str()),
        ("shipment", "7")
    );
    let refusal = refused(
        office
            .client
            .get(GetShippingRequest { shipping_id: 0 })
            .await,
    );
    assert_eq!(refusal.code, Code::InvalidArgument);
    Ok(())
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_unavailable() -> Outcome {
    let mut office = PostOffice::open().await?;
    office.pool.close().await;
    let refusal = refused(office.client.create(request("k", "TR")).await);
    assert_eq!(refusal.code, Code::Unavailable);
    assert!(refusal.is("shipping", &reason::DATABASE_UNAVAILABLE));
    Ok(())
}

/// A service over a database of its own, and a client of it.
struct PostOffice {
    client: ShippingClient<Client>,
    pool: sqlx::SqlitePool,
    _folder: TempDir,
}

impl PostOffice {
    async fn open() -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let url = DatabaseUrl::new(folder.path().join("shipping.db").display().to_string());
        let Database::Sqlite(pool) = Database::open(&url, &shipping::MIGRATIONS).await? else {
            return Err("a path is SQLite".into());
        };
        Ok(Self {
            client: client(&pool, &["TR"]),
            pool,
            _folder: folder,
        })
    }
}

fn client(pool: &sqlx::SqlitePool, countries: &[&str]) -> ShippingClient<Client> {
    let countries: Countries = countries
        .iter()
        .filter_map(|code| CountryCode::parse(code))
        .collect();
    let service = ShippingService::new(SqliteStore::new(pool.clone()), countries);
    ShippingClient::new(Client::over(ShippingServer::new(service)))
}

fn request(key: &str, country_code: &str) -> CreateShippingRequest {
    CreateShippingRequest {
        idempotency_key: key.into(),
        user_id: 23,
        order_id: "2344".into(),
        address: Some(PostalAddress {
            recipient: "Ayşe Yılmaz".into(),
            street: "İstiklal Caddesi 12".into(),
            city: "İstanbul".into(),
            postal_code: "34430".into(),
            country_code: country_code.into(),
        }),
    }
}

fn refused<T: std::fmt::Debug>(answer: Result<T, tonic::Status>) -> Upstream {
    Upstream::read(&answer.expect_err("a refusal"))
}
