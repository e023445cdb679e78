//! Which failure each error of shipping is. How it becomes a status is decided in `rpc::status`.

use rpc::IdempotencyKey;
use rpc::status::{Failure, FieldViolation, Metadata, PreconditionViolation, Reason, ToStatus};

use crate::shipment::CountryCode;

/// The domain of every `ErrorInfo` of this service.
pub const DOMAIN: &str = "shipping";

/// Parcels do not go to that country. Nothing was shipped.
pub const COUNTRY_NOT_SERVED: Reason = Reason::new("COUNTRY_NOT_SERVED");

/// Why nothing was shipped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request is wrong.
    #[error("the request is not acceptable: {0:?}")]
    Invalid(Vec<FieldViolation>),
    /// Parcels do not go there.
    #[error("no parcel goes to the country {0}")]
    CountryNotServed(CountryCode),
    /// The key was used before, for another shipment.
    #[error("the idempotency key {0} was used before for another shipment")]
    KeyReused(IdempotencyKey),
    /// There is no such shipment.
    #[error("there is no shipment {0}")]
    NotFound(i64),
    /// A row that the rules do not allow.
    #[error("the row of shipment {id} is damaged: {problem}")]
    Damaged {
        /// Which row.
        id: i64,
        /// What is wrong with it.
        problem: String,
    },
    /// The database.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

impl ToStatus for Error {
    const DOMAIN: &'static str = DOMAIN;

    fn into_failure(self) -> Failure {
        let message = self.to_string();
        match self {
            Self::Invalid(violations) => Failure::InvalidArgument { violations },
            Self::CountryNotServed(country) => Failure::FailedPrecondition {
                reason: COUNTRY_NOT_SERVED,
                violations: vec![PreconditionViolation {
                    kind: COUNTRY_NOT_SERVED,
                    subject: "address.country_code".to_owned(),
                    description: format!("{message}; nothing was shipped"),
                }],
                message,
                metadata: Metadata::from([("country".to_owned(), country.to_string())]),
            },
            Self::KeyReused(key) => key.reused("shipment"),
            Self::NotFound(id) => Failure::not_found("shipment", id),
            Self::Database(error) => error.into(),
            damaged @ Self::Damaged { .. } => Failure::internal(damaged),
        }
    }
}

impl From<Error> for tonic::Status {
    fn from(error: Error) -> Self {
        error.into_status()
    }
}
