//! Which failure each error of the catalogue is. How it becomes a status is decided in `rpc::status`.

use rpc::status::{Failure, FieldViolation, ToStatus};

/// The domain of every `ErrorInfo` of this service.
pub const DOMAIN: &str = "product";

/// Why there is no product.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request is wrong.
    #[error("the request is not acceptable: {0:?}")]
    Invalid(Vec<FieldViolation>),
    /// The catalogue has no such product.
    #[error("there is no product {0}")]
    NotFound(i64),
    /// A row that the rules do not allow.
    #[error("the row of product {id} is damaged: {problem}")]
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
        match self {
            Self::Invalid(violations) => Failure::InvalidArgument { violations },
            Self::NotFound(id) => Failure::not_found("product", id),
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
