//! The service as its callers meet it, through the generated client and server, in one process and without a network.

use std::error::Error;

use product::service::ProductService;
use product::store::SqliteStore;
use proto::Money;
use proto::product::v1::GetProductRequest;
use proto::product::v1::product_client::ProductClient;
use proto::product::v1::product_server::ProductServer;
use rpc::client::Client;
use rpc::config::DatabaseUrl;
use rpc::database::Database;
use rpc::status::{Upstream, reason};
use tempfile::TempDir;
use tonic::Code;

type Outcome = Result<(), Box<dyn Error>>;

#[tokio::test]
async fn a_product_has_a_title_and_a_price() -> Outcome {
    let mut catalogue = Catalogue::open().await?;
    let product = catalogue
        .client
        .get(GetProductRequest { product_id: 10 })
        .await?
        .into_inner();
    assert_eq!(product.product_id, 10);
    assert_eq!(product.title, "Notebook, dotted, A5");
    let price =
        Money::parse(&product.price.ok_or("a price")?).map_err(|errors| format!("{errors:?}"))?;
    assert_eq!(price.to_string(), "3.20 EUR");
    Ok(())
}

#[tokio::test]
async fn a_product_that_is_not_there_is_not_found() -> Outcome {
    let mut catalogue = Catalogue::open().await?;
    let refusal = refused(
        catalogue
            .client
            .get(GetProductRequest { product_id: 1234 })
            .await,
    );
    assert_eq!(refusal.code, Code::NotFound);
    assert!(refusal.is("product", &reason::NOT_FOUND));
    let resource = refusal.resource.ok_or("which one")?;
    assert_eq!(
        (resource.kind.as_str(), resource.id.as_str()),
        ("product", "1234")
    );
    Ok(())
}

#[tokio::test]
async fn a_number_that_no_product_can_have_is_a_violation() -> Outcome {
    let mut catalogue = Catalogue::open().await?;
    let refusal = refused(
        catalogue
            .client
            .get(GetProductRequest { product_id: 0 })
            .await,
    );
    assert_eq!(refusal.code, Code::InvalidArgument);
    let [violation] = refusal.fields.as_slice() else {
        return Err(format!("not one violation: {:?}", refusal.fields).into());
    };
    assert_eq!(
        (violation.field.as_str(), violation.reason.as_str()),
        ("product_id", "TOO_SMALL")
    );
    Ok(())
}

#[tokio::test]
async fn a_damaged_row_is_our_fault_and_only_the_log_knows_which() -> Outcome {
    let mut catalogue = Catalogue::open().await?;
    sqlx::query("UPDATE product SET currency_code = 'eur'")
        .execute(&catalogue.pool)
        .await?;
    let refusal = refused(
        catalogue
            .client
            .get(GetProductRequest { product_id: 1 })
            .await,
    );
    assert_eq!(refusal.code, Code::Internal);
    assert!(!refusal.message.contains("currency"), "{}", refusal.message);
    Ok(())
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_unavailable() -> Outcome {
    let mut catalogue = Catalogue::open().await?;
    catalogue.pool.close().await;
    let refusal = refused(
        catalogue
            .client
            .get(GetProductRequest { product_id: 1 })
            .await,
    );
    assert_eq!(refusal.code, Code::Unavailable);
    assert!(refusal.is("product", &reason::DATABASE_UNAVAILABLE));
    Ok(())
}

/// A service over a database of its own, and a client of it.
struct Catalogue {
    client: ProductClient<Client>,
    pool: sqlx::SqlitePool,
    _folder: TempDir,
}

impl Catalogue {
    async fn open() -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let url = DatabaseUrl::new(folder.path().join("product.db").display().to_string());
        let Database::Sqlite(pool) = Database::open(&url, &product::MIGRATIONS).await? else {
            return Err("a path is SQLite".into());
        };
        let service = ProductService::new(SqliteStore::new(pool.clone()));
        Ok(Self {
            client: ProductClient::new(Client::over(ProductServer::new(service))),
            pool,
            _folder: folder,
        })
    }
}

fn refused<T: std::fmt::Debug>(answer: Result<T, tonic::Status>) -> Upstream {
    Upstream::read(&answer.expect_err("a refusal"))
}
