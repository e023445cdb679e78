//! The service as its callers meet it, through the generated client and server, in one process and without a network.

use std::error::Error;

use payment::payment::Limits;
use payment::service::PaymentService;
use payment::store::SqliteStore;
use proto::Money;
use proto::payment::v1::payment_client::PaymentClient;
use proto::payment::v1::payment_server::PaymentServer;
use proto::payment::v1::{
    CreatePaymentRequest, GetPaymentRequest, PaymentState, RefundPaymentRequest,
};
use rpc::client::Client;
use rpc::config::DatabaseUrl;
use rpc::database::Database;
use rpc::status::{Reason, Resource, Upstream, reason};
use tempfile::TempDir;
use tonic::Code;

type Outcome = Result<(), Box<dyn Error>>;

#[tokio::test]
async fn the_same_key_with_the_same_content_is_answered_with_the_same_payment() -> Outcome {
    let mut till = Till::open().await?;
    let first = till
        .client
        .create(request("k", "3.20 EUR")?)
        .await?
        .into_inner();
    let again = till
        .client
        .create(request("k", "3.20 EUR")?)
        .await?
        .into_inner();
    assert_eq!(first, again);
    let payment = first.payment.ok_or("an answer holds a payment")?;
    assert_eq!(payment.state(), PaymentState::Charged);
    assert_eq!(payment.order_id, "2344");
    Ok(())
}

#[tokio::test]
async fn the_same_key_with_other_content_is_refused() -> Outcome {
    let mut till = Till::open().await?;
    till.client.create(request("k", "3.20 EUR")?).await?;
    let refusal = refused(till.client.create(request("k", "3.21 EUR")?).await);
    assert_eq!(refusal.code, Code::AlreadyExists);
    assert!(refusal.is("payment", &reason::IDEMPOTENCY_KEY_REUSED));
    Ok(())
}

#[tokio::test]
async fn every_field_that_is_wrong_is_named_at_once() -> Outcome {
    let mut till = Till::open().await?;
    let refusal = refused(till.client.create(CreatePaymentRequest::default()).await);
    assert_eq!(refusal.code, Code::InvalidArgument);
    assert!(refusal.is("payment", &reason::INVALID_FIELDS));
    let fields: Vec<_> = refusal
        .fields
        .iter()
        .map(|v| (v.field.as_str(), v.reason.as_str()))
        .collect();
    assert_eq!(
        fields,
        [
            ("idempotency_key", "REQUIRED"),
            ("order_id", "REQUIRED"),
            ("user_id", "TOO_SMALL"),
            ("amount", "REQUIRED")
        ]
    );
    assert!(
        refusal
            .fields
            .iter()
            .all(|violation| !violation.description.is_empty())
    );
    Ok(())
}

#[tokio::test]
async fn an_amount_over_the_limit_is_refused_and_nothing_is_charged() -> Outcome {
    let mut till = Till::open().await?;
    let refusal = refused(till.client.create(request("k", "100.01 EUR")?).await);
    assert_eq!(refusal.code, Code::FailedPrecondition);
    assert!(refusal.is("payment", &payment::error::AMOUNT_OVER_LIMIT));
    let info = refusal.info.as_ref().ok_or("every refusal has ErrorInfo")?;
    assert_eq!(info.metadata["limit"], "100.00 EUR");
    let precondition = refusal
        .preconditions
        .first()
        .ok_or("a precondition that failed")?;
    assert!(precondition.description.ends_with("nothing was charged"));
    // The key is still free: the same order, cheaper, is charged under it.
    till.client.create(request("k", "100.00 EUR")?).await?;
    Ok(())
}

#[tokio::test]
async fn a_currency_without_a_limit_is_not_accepted() -> Outcome {
    let mut till = Till::open().await?;
    let refusal = refused(till.client.create(request("k", "1.00 JPY")?).await);
    assert_eq!(refusal.code, Code::FailedPrecondition);
    assert!(refusal.is("payment", &Reason::new("CURRENCY_NOT_ACCEPTED")));
    Ok(())
}

#[tokio::test]
async fn what_was_charged_stays_the_answer_after_the_limit_was_lowered() -> Outcome {
    let mut till = Till::open().await?;
    let before = till
        .client
        .create(request("k", "90.00 EUR")?)
        .await?
        .into_inner();
    let mut stricter = till.with_limit("50.00 EUR")?;
    let after = stricter
        .create(request("k", "90.00 EUR")?)
        .await?
        .into_inner();
    assert_eq!(before, after);
    Ok(())
}

#[tokio::test]
async fn a_refund_may_be_repeated_and_is_seen_by_get() -> Outcome {
    let mut till = Till::open().await?;
    let charged = till
        .client
        .create(request("k", "3.20 EUR")?)
        .await?
        .into_inner();
    let payment_id = charged.payment.ok_or("a payment")?.payment_id;
    let refund = RefundPaymentRequest {
        payment_id,
        reason: "cannot be shipped".into(),
        order_id: "2344".into(),
    };
    let first = till.client.refund(refund.clone()).await?.into_inner();
    let again = till.client.refund(refund).await?.into_inner();
    assert_eq!(first, again);
    let seen = till
        .client
        .get(GetPaymentRequest { payment_id })
        .await?
        .into_inner();
    assert_eq!(
        seen.payment.ok_or("a payment")?.state(),
        PaymentState::Refunded
    );
    Ok(())
}

#[tokio::test]
async fn the_money_of_another_order_is_not_given_back() -> Outcome {
    let mut till = Till::open().await?;
    let charged = till
        .client
        .create(request("k", "3.20 EUR")?)
        .await?
        .into_inner();
    let payment_id = charged.payment.ok_or("a payment")?.payment_id;
    let mut refund = RefundPaymentRequest {
        payment_id,
        reason: String::new(),
        order_id: "2345".into(),
    };
    let refusal = refused(till.client.refund(refund.clone()).await);
    assert_eq!(refusal.code, Code::FailedPrecondition);
    assert!(refusal.is("payment", &payment::error::ORDER_DIFFERS));
    assert!(
        !refusal.message.contains("2344"),
        "whose it is is nobody's business: {}",
        refusal.message
    );
    refund.order_id.clear();
    // A NUL in particular: PostgreSQL keeps none.
    refund.reason = "cannot\0be shipped".into();
    let refusal = refused(till.client.refund(refund).await);
    assert_eq!(refusal.code, Code::InvalidArgument);
    let fields: Vec<_> = refusal.fields.iter().map(|v| v.field.as_str()).collect();
    assert_eq!(fields, ["reason", "order_id"]);
    let seen = till.client.get(GetPaymentRequest { payment_id }).await?;
    let seen = seen.into_inner().payment.ok_or("a payment")?;
    assert_eq!(seen.state(), PaymentState::Charged);
    Ok(())
}

#[tokio::test]
async fn a_payment_that_is_not_there_is_not_found() -> Outcome {
    let mut till = Till::open().await?;
    let refusal = refused(till.client.get(GetPaymentRequest { payment_id: 7 }).await);
    assert_eq!(refusal.code, Code::NotFound);
    let Resource { kind, id, .. } = refusal.resource.ok_or("which one")?;
    assert_eq!((kind.as_str(), id.as_str()), ("payment", "7"));
    let refund = RefundPaymentRequest {
        payment_id: 7,
        reason: String::new(),
        order_id: "2344".into(),
    };
    assert_eq!(
        refused(till.client.refund(refund).await).code,
        Code::NotFound
    );
    Ok(())
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_unavailable_and_tells_nothing_of_itself() -> Outcome {
    let mut till = Till::open().await?;
    till.pool.close().await;
    let refusal = refused(till.client.create(request("k", "3.20 EUR")?).await);
    assert_eq!(refusal.code, Code::Unavailable);
    assert!(refusal.is("payment", &reason::DATABASE_UNAVAILABLE));
    assert!(!refusal.message.contains("pool"), "{}", refusal.message);
    Ok(())
}

#[tokio::test]
async fn a_damaged_row_is_our_fault_and_only_the_log_knows_which() -> Outcome {
    let mut till = Till::open().await?;
    till.client.create(request("k", "3.20 EUR")?).await?;
    sqlx::query("UPDATE payment SET currency_code = 'eur'")
        .execute(&till.pool)
        .await?;
    let refusal = refused(till.client.get(GetPaymentRequest { payment_id: 1 }).await);
    assert_eq!(refusal.code, Code::Internal);
    assert!(refusal.is("payment", &reason::INTERNAL));
    assert!(!refusal.message.contains("currency"), "{}", refusal.message);
    Ok(())
}

/// A service over a database of its own, and a client of it.
struct Till {
    client: PaymentClient<Client>,
    pool: sqlx::SqlitePool,
    _folder: TempDir,
}

impl Till {
    async fn open() -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let url = DatabaseUrl::new(folder.path().join("payment.db").display().to_string());
        let Database::Sqlite(pool) = Database::open(&url, &payment::MIGRATIONS).await? else {
            return Err("a path is SQLite".into());
        };
        Ok(Self {
            client: client(&pool, "100.00 EUR")?,
            pool,
            _folder: folder,
        })
    }

    fn with_limit(&self, limit: &str) -> Result<PaymentClient<Client>, Box<dyn Error>> {
        client(&self.pool, limit)
    }
}

fn client(pool: &sqlx::SqlitePool, limit: &str) -> Result<PaymentClient<Client>, Box<dyn Error>> {
    let limits = Limits::from_iter([limit.parse::<Money>()?]);
    let service = PaymentService::new(SqliteStore::new(pool.clone()), limits);
    Ok(PaymentClient::new(Client::over(PaymentServer::new(
        service,
    ))))
}

fn request(key: &str, amount: &str) -> Result<CreatePaymentRequest, Box<dyn Error>> {
    Ok(CreatePaymentRequest {
        idempotency_key: key.into(),
        order_id: "2344".into(),
        user_id: 23,
        amount: Some(amount.parse::<Money>()?.into()),
    })
}

fn refused<T: std::fmt::Debug>(answer: Result<T, tonic::Status>) -> Upstream {
    Upstream::read(&answer.expect_err("a refusal"))
}
